"""Which engines hold memory: one candidate at a time on this machine, the previous one really unloaded.

Small engines may stay loaded together, because loading again would cost more than it frees; never two answer
at once. Servers that somebody else started hold no memory of ours and are kept open.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from types import TracebackType

from sizewise.records import Candidate
from sizewise.runtimes.base import EngineInfo, Runtime
from sizewise.runtimes.opening import open_runtime
from sizewise.study.preparing import Prepared

SHARE_OF_FREE = 0.1
"""Engines stay loaded together while their predicted memory is under this share of what was free."""
MOST_LOADED = 12


@dataclass(slots=True)
class Loaded:
    """An engine that is running."""

    runtime: Runtime
    info: EngineInfo
    memory_bytes: float


@dataclass(slots=True)
class Residency:
    """Opens engines on demand and closes the longest unused ones; an async context manager."""

    prepared: dict[str, Prepared]
    free_bytes: float
    loaded: OrderedDict[str, Loaded] = field(default_factory=OrderedDict)
    peaks_bytes: dict[str, int] = field(default_factory=dict)
    """Highest memory seen of each candidate's engine process."""

    async def __aenter__(self) -> Residency:
        """Return itself; nothing is loaded yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every engine."""
        for name in list(self.loaded):
            await self.unload(name)

    async def get(self, candidate: Candidate) -> Loaded:
        """Return the candidate's running engine, starting it where needed; raises RuntimeFailure."""
        name = candidate.name
        if name in self.loaded:
            self.loaded.move_to_end(name)
            return self.loaded[name]
        needs = self.prepared[name].memory_bytes or 0.0
        await self._make_room(needs)
        runtime = open_runtime(candidate, model_path=self.prepared[name].path)
        try:
            info = await runtime.start()
        except BaseException:
            await runtime.close()
            raise
        self.loaded[name] = Loaded(runtime=runtime, info=info, memory_bytes=needs)
        return self.loaded[name]

    async def unload(self, name: str) -> None:
        """Close one engine and remember its peak."""
        loaded = self.loaded.pop(name)
        self.note_peak(name, loaded.runtime)
        await loaded.runtime.close()

    def note_peak(self, name: str, runtime: Runtime) -> None:
        """Remember the highest memory that the engine process was seen to hold."""
        peak = runtime.peak_memory_bytes()
        if peak:
            self.peaks_bytes[name] = max(peak, self.peaks_bytes.get(name, 0))

    async def _make_room(self, needs: float) -> None:
        while self.loaded and (
            self._held() + needs > SHARE_OF_FREE * self.free_bytes or len(self.loaded) >= MOST_LOADED
        ):
            await self.unload(next(iter(self.loaded)))

    def _held(self) -> float:
        return sum(loaded.memory_bytes for loaded in self.loaded.values())
