"""Which tensor gets which type in a GGUF file mix: the rules of llama.cpp's quantizer, as a pure function.

A name like Q4_K_M is no type but a recipe: most tensors get the mix's default, sensitive ones (value projections,
down projections of the outer layers, the output head) get more bits, and rows that a block size does not divide fall
back to another type. Rules from llama.cpp `llama-quant.cpp` (MIT), checked against a real quantizer's dry run in
`benchmarks/models_files.py`. Not covered: `--tensor-type` overrides and the private recipes of single uploaders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sizewise.models.ggml import TYPES

DEFAULT_TYPES: Mapping[str, str] = {
    **{name: name for name in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q6_K", "Q1_0", "NVFP4",
                               "TQ1_0", "TQ2_0", "IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ3_S", "IQ4_NL",
                               "IQ4_XS")},
    "Q2_K_S": "Q2_K", "Q2_K": "Q2_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K", "Q3_K_L": "Q3_K", "Q4_K_S": "Q4_K",
    "Q4_K_M": "Q4_K", "Q5_K_S": "Q5_K", "Q5_K_M": "Q5_K", "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ3_XS": "IQ3_S",
    "IQ3_M": "IQ3_S", "MXFP4_MOE": "MXFP4",
}  # fmt: skip
"""File mix -> type of the tensors that no rule singles out."""

_FALLBACK = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0",
}  # fmt: skip
_TINY = ("IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ1_S", "IQ1_M")
_NOT_QUANTIZED = (
    "_norm.weight", "ffn_gate_inp.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
    "shortconv.conv.weight", "position_embd", "token_types",
)  # fmt: skip
_STAYS_F32 = ("ffn_gate_inp", "ssm_conv1d", "shortconv.conv", "position_embd", "token_types", "_norm.weight")
_CATEGORIES = (
    ("attn_qkv.weight", "qkv"), ("attn_kv_b.weight", "kv_b"), ("attn_v.weight", "v"), ("attn_k.weight", "k"),
    ("attn_q.weight", "q"), ("attn_output.weight", "attn_output"), ("ffn_up", "up"), ("ffn_gate", "gate"),
    ("ffn_down", "down"),
)  # fmt: skip


def category(name: str) -> str:
    """Return the role of a tensor in the rules: output, embedding, qkv, kv_b, v, k, q, attn_output, up, gate, down."""
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "embedding"
    return next((role for part, role in _CATEGORIES if part in name), "other")


def quantizable(name: str, shape: tuple[int, ...]) -> bool:
    """Return whether the quantizer touches a tensor at all."""
    if len(shape) < 2 or not name.endswith("weight"):
        return False
    return not any(part in name for part in _NOT_QUANTIZED)


def converted_type(name: str, shape: tuple[int, ...], base: str) -> str:
    """Return the type of a tensor in the unquantized file: `base` (F16 or BF16), or F32 for small and delicate ones."""
    if len(shape) < 2 or not name.endswith(".weight") or any(part in name for part in _STAYS_F32):
        return "F32"
    return base


@dataclass(kw_only=True)
class Recipe:
    """The quantizer's running state over the tensors of one file, in layer order."""

    mix: str
    experts: int
    layers: int
    group_size: int
    """Query heads per key head in the first layer; 0 where that layer does not attend."""
    tied: bool
    is_70b: bool = False
    falcon: bool = False
    imatrix: bool = False
    values: int = 0
    """Number of value-like tensors in the file."""
    seen: dict[str, int] = field(default_factory=lambda: {"value": 0, "down": 0, "gate": 0, "up": 0})

    def type_of(self, name: str, shape: tuple[int, ...]) -> str:
        """Return the type of the next tensor; call once per quantizable tensor, in layer order."""
        default = DEFAULT_TYPES[self.mix]
        if default in ("F32", "F16", "BF16"):
            return default
        return self._fit(self._choose(name, shape, category(name), default), shape[0])

    def _fit(self, chosen: str, columns: int) -> str:
        if columns % TYPES[chosen][1] == 0:
            return chosen
        other = _FALLBACK.get(chosen, "F16")
        return other if columns % TYPES[other][1] == 0 else "F16"

    def _choose(self, name: str, shape: tuple[int, ...], role: str, default: str) -> str:
        if role == "output" or (role == "embedding" and self.tied):
            return self._output(shape[0], default)
        if self.mix == "MXFP4_MOE":
            return "MXFP4" if len(shape) > 2 and shape[2] > 1 else "Q8_0"
        if role == "embedding":
            return self._embedding(default)
        if self.mix in _TINY:
            return self._tiny(role, default)
        if role in ("v", "qkv", "kv_b"):
            return self._value(default)
        if role in ("k", "q"):
            return self._key_or_query(role, default)
        if role == "down":
            return self._down(name, default)
        if role == "attn_output":
            return self._attention_output(default)
        if role in ("gate", "up"):
            return self._gate_or_up(role, name, default)
        return default

    def _output(self, columns: int, default: str) -> str:
        if self.mix == "MXFP4_MOE" or self.falcon or columns % TYPES[default][1]:
            return "Q8_0"
        if self.mix in (*_TINY, "IQ3_XXS"):
            return "Q5_K"
        return default if default == "Q8_0" else "Q6_K"

    def _embedding(self, default: str) -> str:
        if self.mix in ("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"):
            return "Q2_K"
        if self.mix in ("IQ2_S", "IQ2_M", "IQ3_XXS"):
            return "IQ3_S"
        return "Q4_K" if self.mix in ("TQ1_0", "TQ2_0") else default

    def _tiny(self, role: str, default: str) -> str:
        """The rules of the 1- and 2-bit mixes."""
        larger = self.mix in ("IQ2_S", "IQ2_M")
        if role in ("v", "qkv", "kv_b"):
            self.seen["value"] += 1
            if self.group_size >= 4 or self.experts >= 4:
                return "Q4_K"
            return "IQ3_S" if larger else "Q2_K"
        if role == "k" and self.experts == 8:
            return "Q4_K"
        if role == "down":
            index = self.seen["down"]
            self.seen["down"] += 1
            return ("IQ3_S" if larger else "Q2_K") if index < self.layers // 8 else default
        if role == "attn_output":
            if self.experts == 8:
                return "Q5_K"
            return "IQ2_XXS" if self.mix in ("IQ1_S", "IQ1_M") else "IQ3_S" if larger else default
        return default

    def _value(self, default: str) -> str:
        index, grouped = self.seen["value"], self.group_size >= 4
        self.seen["value"] += 1
        chosen = {
            "Q2_K": "Q4_K" if grouped else "Q3_K",
            "Q2_K_S": "Q4_K" if grouped else default,
            "IQ3_XXS": "Q4_K" if grouped else "IQ3_XXS" if self.imatrix else "IQ3_S",
            "IQ3_XS": "Q4_K" if grouped else default,
            "IQ3_S": "Q4_K" if grouped else default,
            "IQ3_M": "Q4_K",
            "Q3_K_M": "Q5_K" if index < 2 else "Q4_K",
            "Q3_K_L": "Q5_K",
            "IQ4_NL": "Q5_K" if grouped else default,
            "IQ4_XS": "Q5_K" if grouped else default,
            "Q4_K_M": "Q6_K" if _more_bits(index, self.values) else default,
            "Q5_K_M": "Q6_K" if _more_bits(index, self.values) else default,
            "Q4_K_S": "Q5_K" if index < 4 else default,
        }.get(self.mix, default)
        if self.is_70b and chosen in ("Q3_K", "Q4_K"):
            chosen = "Q5_K"
        return "Q8_0" if self.experts == 8 else chosen

    def _key_or_query(self, role: str, default: str) -> str:
        if role == "k" and self.experts == 8:
            return "Q8_0"
        return {"IQ3_XS": "IQ3_XXS", "IQ3_XXS": "IQ2_S"}.get(self.mix, default)

    def _index(self, role: str, name: str) -> int:
        index = self.seen[role]
        self.seen[role] += 1
        return int(name.split(".")[1]) if self.experts > 1 else index

    def _down(self, name: str, default: str) -> str:
        index, layers, mix = self._index("down", name), self.layers, self.mix
        early, more = index < layers // 8, _more_bits(index, layers)
        if self.falcon:
            return self._falcon_down(index, more, default)
        if mix == "IQ3_XXS" and not self.imatrix:
            return "Q4_K" if early else "Q3_K"
        if mix in ("IQ4_NL", "IQ4_XS"):
            return "Q5_K" if early and not self.imatrix else default
        if mix in ("Q4_0", "Q5_0") and self.imatrix and early:
            return "Q4_1" if mix == "Q4_0" else "Q5_1"
        return {
            "Q2_K": "Q3_K",
            "Q2_K_S": "Q4_K" if early else default,
            "Q3_K_M": "Q5_K" if index < layers // 16 else "Q4_K",
            "IQ3_M": "Q4_K" if early or (self.experts == 8 and more) else default,
            "Q3_K_L": "Q5_K",
            "Q4_K_M": "Q6_K" if more else default,
            "Q5_K_M": "Q6_K" if more else default,
            "Q4_K_S": "Q5_K" if early else default,
        }.get(mix, default)

    def _falcon_down(self, index: int, more: bool, default: str) -> str:
        first = index < self.layers // 16
        return {
            "Q2_K": "Q3_K",
            "Q3_K_M": "Q5_K" if first else "Q4_K" if more else "Q3_K",
            "Q3_K_L": "Q4_K",
            "Q4_K_M": "Q6_K" if first else "Q5_K" if more else "Q4_K",
            "Q5_K_M": "Q6_K" if more else default,
        }.get(self.mix, default)

    def _attention_output(self, default: str) -> str:
        if self.falcon:
            return "Q4_K" if self.mix == "Q3_K_L" else default
        if self.experts == 8:
            small = ("Q2_K", "IQ3_XS", "IQ3_XXS", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M",
                     "IQ4_XS")  # fmt: skip
            return "Q5_K" if self.mix in small else default
        return {"Q2_K": "Q3_K", "IQ3_XXS": "IQ3_S", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K", "IQ3_M": "Q4_K"}.get(
            self.mix, default
        )

    def _gate_or_up(self, role: str, name: str, default: str) -> str:
        index = self._index(role, name)
        inner = self.layers // 8 <= index < 7 * self.layers // 8
        return "IQ3_XXS" if self.mix == "IQ3_XS" and inner else default


def _more_bits(index: int, count: int) -> bool:
    """The first and last eighth of the layers, and every third between them."""
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2
