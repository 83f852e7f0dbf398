"""Ask llama.cpp itself what a model will take, without any weights: a sparse file of true shape and its own projection.

Takes half a second to two; answers are kept in the state folder by engine version, shape and settings. The engine's
weights figure leaves out the file pages that it repacked; the mapped size is computed from the tensor table instead,
which is exact. Does not cover engines other than the installed llama.cpp.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sizewise.errors import ConfigError, RuntimeFailure, UnknownFact
from sizewise.machines.state import read_json, state_dir, write_json
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.models.quantization import weight_bytes
from sizewise.records import Architecture, MemoryParts

_CHILD = Path(__file__).with_name("engine_child.py")
_ROW = re.compile(r"\|\s+- (\S.*?)\s*\|\s*(?:\d+\s*=\s*\d+\s*\+\s*\()?\s*(\d+)\s*=\s*(\d+)\s*\+\s*(\d+)\s*\+\s*(\d+)")
_TIMEOUT_S = 60
_MIB = 2**20
ENGINE_BYTES, ENGINE_BYTES_PER_TOKEN = 32 * _MIB, 236
"""Resident size of the engine itself, measured idle (see `prediction.memory`)."""


def engine_version() -> str:
    """Return the installed engine's name and version; RuntimeFailure when there is none."""
    try:
        return f"xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError as error:
        raise RuntimeFailure("the embedded engine is not installed; run: pip install xllamacpp") from error


def read_projection(log: str) -> dict[str, tuple[int, int, int]]:
    """Return place -> (model, context, compute) bytes from the engine's memory breakdown, MiB precision.

    >>> read_projection("|   - Host               |                 2281 =  1589 +     576 +     116  |")
    {'Host': (1666187264, 603979776, 121634816)}
    """
    found = {}
    for place, _, model, context, compute in _ROW.findall(log):
        found[place] = (int(model) * _MIB, int(context) * _MIB, int(compute) * _MIB)
    return found


def _converse(config: Mapping[str, Any]) -> str:
    """Start the child, read its log until the projection is told, end it; return the log so far."""
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD)], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE, text=True
        )
        lines: list[str] = []
        try:
            if child.stdin is None or child.stderr is None:
                raise RuntimeFailure("the engine's child process has no pipes")
            child.stdin.write(json.dumps(dict(config)) + "\n")
            child.stdin.flush()
            for line in child.stderr:
                lines.append(line)
                if "projected to use" in line or "load_tensors: loading" in line:
                    break
        finally:
            child.kill()
            child.communicate()
    return "".join(lines)


def _key(arch: Architecture, mix: str, settings: Mapping[str, Any]) -> str:
    text = f"{engine_version()}|{arch!r}|{mix}|{sorted(settings.items())}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def ask_engine(
    arch: Architecture,
    mix: str,
    context_tokens: int,
    *,
    kv_type: str = "f16",
    flash: bool = True,
    micro_batch: int = 512,
    use_stored: bool = True,
    folder: Path | None = None,
) -> MemoryParts:
    """Return what the installed llama.cpp says this architecture needs on the processor, stored for the next time.

    Raises RuntimeFailure when the engine is missing or does not know the architecture, UnknownFact when the
    architecture has no GGUF form.
    """
    settings = {"context": context_tokens, "kv": kv_type, "flash": flash, "micro_batch": micro_batch}
    path = (folder or state_dir() / "engine-memory") / f"{_key(arch, mix, settings)}.json"
    stored = read_json(path) if use_stored else None
    if stored:
        return MemoryParts(**stored)
    with tempfile.TemporaryDirectory(prefix="sizewise-") as work:
        file = Path(work) / "shape.gguf"
        write_sparse_gguf(file, arch, mix)
        log = _converse({
            "mode": "memory", "model_path": str(file), "context_tokens": context_tokens, "kv_type": kv_type,
            "flash": flash, "micro_batch": micro_batch,
        })  # fmt: skip
    parts = _parts(log, arch, mix)
    if use_stored:
        write_json(path, asdict(parts))
    return parts


def asked_or_why(
    arch: Architecture | None, mix: str | None, context_tokens: int, *, kv_type: str = "f16", folder: Path | None = None
) -> tuple[MemoryParts | None, str]:
    """Return the engine's own figures, or None with the reason why the formulas have to do."""
    if arch is None or not arch.layers:
        return None, "the model's layers are not known"
    try:
        return ask_engine(arch, mix or "F16", context_tokens, kv_type=kv_type, folder=folder), ""
    except (RuntimeFailure, UnknownFact, ConfigError, OSError) as problem:
        return None, str(problem)


def _parts(log: str, arch: Architecture, mix: str) -> MemoryParts:
    found = read_projection(log)
    if not found:
        reason = [line for line in log.splitlines() if re.search(r" E |error|unknown", line)]
        raise RuntimeFailure(
            f"llama.cpp made no projection for a {arch.family} model: {' '.join(reason[:2]) or 'no reason given'}; "
            "the portable formulas still apply"
        )
    return MemoryParts(
        weights=weight_bytes(arch, mix),
        kv_cache=sum(context for _, context, _ in found.values()),
        compute=sum(compute for _, _, compute in found.values()),
        repack=sum(model for place, (model, _, _) in found.items() if "REPACK" in place),
        overhead=ENGINE_BYTES + ENGINE_BYTES_PER_TOKEN * arch.vocabulary,
    )
