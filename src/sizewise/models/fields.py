"""Checked access to the fields of a configuration somebody else wrote.

Every number is bounded before it is believed: a file that claims 10^12 layers gets a clear error, not an allocation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sizewise.errors import ModelError, UnknownFact

LARGEST = 2**31
"""No width, count or vocabulary of a real model reaches this."""
MOST_LAYERS = 4096

ALIASES: Mapping[str, tuple[str, ...]] = {
    "num_hidden_layers": ("n_layer", "n_layers", "num_layers"),
    "hidden_size": ("n_embd", "d_model", "n_embed"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_head_kv", "multi_query_group_num"),
    "intermediate_size": ("n_inner", "ffn_hidden_size", "ffn_dim"),
    "vocab_size": ("padded_vocab_size",),
    "head_dim": ("kv_channels", "attention_head_dim"),
    "max_position_embeddings": ("n_positions", "seq_length", "max_seq_len", "n_ctx"),
    "num_experts": ("num_local_experts", "n_routed_experts", "moe_num_experts"),
    "num_experts_per_tok": ("moe_k", "moe_topk", "top_k_experts", "num_experts_per_token"),
    "n_shared_experts": ("moe_num_shared_experts", "num_shared_expert", "num_shared_experts"),
}
"""Field -> other names that families use for it."""


class Fields:
    """A configuration with its family's class defaults behind it."""

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any], family: str) -> None:
        self.config, self.defaults, self.family = config, defaults, family

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of `name` or of one of its aliases, else the class default, else `default`."""
        for key in (name, *ALIASES.get(name, ())):
            if key in self.config:
                return self.config[key]
        return self.defaults.get(name, default)

    def has(self, name: str) -> bool:
        """Return whether the configuration itself states `name`."""
        return any(key in self.config for key in (name, *ALIASES.get(name, ())))

    def integer(self, name: str, default: int | None = None, least: int = 0, most: int = LARGEST) -> int:
        """Return a whole number in [least, most]; raise `UnknownFact` when it is missing and has no default."""
        value = self.get(name)
        if value is None:
            value = default
        if value is None:
            raise UnknownFact(
                f"the configuration of this {self.family!r} model does not state {name!r}; "
                f"without it parameters and cache cannot be counted. Add it to config.json or read a weight file."
            )
        if isinstance(value, list | tuple) and value and all(item == value[0] for item in value):
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise ModelError(f"field {name!r} is {_short(value)}; expected a whole number")
        if not least <= value <= most:
            raise ModelError(f"field {name!r} is {_short(value)}; expected a number from {least} to {most}")
        return int(value)

    def real(self, name: str, default: float) -> float:
        """Return a positive number that need not be whole."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST:
            raise ModelError(f"field {name!r} is {_short(value)}; expected a positive number")
        return float(value)

    def flag(self, name: str | bool) -> bool:
        """Return a yes or no: a fixed one, or the field of that name (missing is no)."""
        if isinstance(name, bool):
            return name
        return bool(self.get(name, False))

    def names(self, name: str, count: int) -> list[str] | None:
        """Return a list of `count` words, or None when the field is missing."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ModelError(f"field {name!r} is {_short(value)}; expected a list of names, one per layer")
        if len(value) < count:
            raise ModelError(f"field {name!r} has {len(value)} entries; expected one for each of {count} layers")
        return value[:count]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
