"""The tensors of a GGUF file: those of the architecture, with the few renames and additions of single families.

Not covered: multi-token prediction blocks, which some converters keep and others drop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sizewise.models.tensors import Tensor, tensors
from sizewise.records import Architecture

_RENAMED: Mapping[str, Mapping[str, str]] = {
    "falcon_h1": {"ffn_norm.weight": "ffn_norm"},
    "lfm2": {"output_norm.weight": "token_embd_norm.weight"},
}
"""Family -> our name -> the name in the file (after the "blk.N." prefix)."""

_IN_METADATA: Mapping[str, tuple[str, ...]] = {"apertus": ("layer_scalars",)}
"""Family -> tensors that the file keeps as metadata keys instead."""


def file_tensors(arch: Architecture) -> list[Tensor]:
    """Return the tensors of a GGUF file of this architecture, rotary factors included."""
    renamed, dropped = _RENAMED.get(arch.family, {}), _IN_METADATA.get(arch.family, ())
    found = [] if not arch.rope_factors else [_factors(arch.rope_factors)]
    for tensor in _joined(arch):
        prefix, name = _split(tensor.name)
        if name not in dropped:
            found.append(replace(tensor, name=prefix + renamed[name]) if name in renamed else tensor)
    if arch.family == "gemma4_text":
        names = [f"blk.{index}.layer_output_scale.weight" for index in range(len(arch.layers))]
        found.extend(Tensor(name=name, shape=(1,), part="other") for name in names)
    return found


def _factors(elements: int) -> Tensor:
    return Tensor(name="rope_freqs.weight", shape=(elements,), part="other")


def _split(name: str) -> tuple[str, str]:
    if not name.startswith("blk."):
        return "", name
    cut = name.index(".", 4) + 1
    return name[:cut], name[cut:]


def _joined(arch: Architecture) -> Iterator[Tensor]:
    """Yield the tensors; Qwen3-Next files join two gates of the linear attention into one."""
    for tensor in tensors(arch):
        if arch.family == "qwen3_next" and tensor.name.endswith("ssm_beta.weight"):
            columns, rows = tensor.shape
            yield replace(tensor, name=tensor.name.replace("ssm_beta", "ssm_ba"), shape=(columns, 2 * rows))
        elif not (arch.family == "qwen3_next" and tensor.name.endswith("ssm_alpha.weight")):
            yield tensor
