"""What every runtime must do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sizewise.records import Completion, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What answered, as far as it tells."""

    name: str
    version: str = ""
    model_hash: str = ""
    context_tokens: int | None = None
    load_s: float | None = None
    buffers_bytes: dict[str, int] = field(default_factory=dict)
    """The engine's own buffer sizes by name: weights, kv_cache, compute, repack, output."""
    notes: tuple[str, ...] = ()
    """What a reader of the answers must know: no chat template, context beyond the trained one."""


class Runtime(Protocol):
    """One engine with one model, ready to answer.

    `generate` never raises for a failed request: the failure is in `Completion.error`. `start` raises
    `RuntimeFailure` when the engine cannot be had at all. `close` really frees the memory.
    """

    async def start(self) -> EngineInfo: ...

    async def generate(self, request: Request) -> Completion: ...

    def peak_memory_bytes(self) -> int | None:
        """Return the engine process's peak resident memory, None where it cannot be seen."""
        ...

    async def close(self) -> None: ...
