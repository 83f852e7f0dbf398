"""Which engines hold memory: one candidate at a time on this machine, the previous one really unloaded.

Small engines may stay loaded together, because loading again would cost more than it frees; never two answer
at once. Servers that somebody else started hold no memory of ours and are kept open.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from types import TracebackType

from sizewise.errors import RuntimeFailure
from sizewise.machines.watch import free_memory_bytes, guard
from sizewise.prediction.predict import predict
from sizewise.records import Candidate, Estimate, Machine, Measurement, Prediction, Source
from sizewise.runtimes.base import EngineInfo, Runtime
from sizewise.runtimes.opening import open_runtime
from sizewise.study.events import Event, OnEvent, silent
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


class Residency:
    """Opens engines on demand and closes the longest unused ones; an async context manager."""

    def __init__(self, *, prepared: Sequence[Prepared], machine: Machine, on_event: OnEvent = silent) -> None:
        """Hold nothing yet; `machine` says what was free before anything was loaded."""
        self.prepared = {item.candidate.name: item for item in prepared}
        self.machine = machine
        self.free_bytes = float(machine.memory_free_bytes or 0)
        self._on_event = on_event
        self.loaded: OrderedDict[str, Loaded] = OrderedDict()
        self.peaks_bytes: dict[str, int] = {}
        self.loads_s: dict[str, list[float]] = {}

    async def __aenter__(self) -> Residency:
        """Return itself; nothing is loaded yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every engine."""
        await self.unload_all()

    async def get(self, candidate: Candidate) -> Loaded:
        """Return the candidate's running engine, starting it where needed.

        Raises RuntimeFailure when it cannot start, or would need more memory than is free now.
        """
        name = candidate.name
        if name in self.loaded:
            self.loaded.move_to_end(name)
            return self.loaded[name]
        needs = self.prepared[name].memory_bytes or 0.0
        await self._make_room(needs)
        runtime = open_runtime(self._guarded(candidate), model_path=self.prepared[name].path)
        try:
            info = await runtime.start()
        except BaseException:
            await runtime.close()
            raise
        if info.load_s is not None:
            self.loads_s.setdefault(name, []).append(info.load_s)
        self.loaded[name] = Loaded(runtime=runtime, info=info, memory_bytes=needs)
        return self.loaded[name]

    def _guarded(self, candidate: Candidate) -> Candidate:
        """Return the candidate with a context that fits into the memory that is free now."""
        item, context = self.prepared[candidate.name], candidate.settings.context_tokens
        if item.path is None or item.model is None or context is None:
            return candidate
        workload = item.workload

        def peak_bytes(tokens: int) -> float:
            settings = replace(candidate.settings, context_tokens=tokens)
            outlook = predict(replace(candidate, settings=settings), item.model, self.machine, workload)
            return outlook.memory_bytes.value if isinstance(outlook, Prediction) else 0.0

        needed = workload.prompt_tokens + workload.output_tokens
        decided = guard(peak_bytes, context, needed, free_memory_bytes(), name=candidate.name)
        if decided.context_tokens is None:
            raise RuntimeFailure(decided.message)
        if decided.message:
            self._on_event(Event(stage="note", text=decided.message))
        return replace(candidate, settings=replace(candidate.settings, context_tokens=decided.context_tokens))

    async def unload_all(self) -> None:
        """Close every engine, so that something else has the machine to itself."""
        for name in list(self.loaded):
            await self.unload(name)

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

    def measurements(self, now: float) -> list[Measurement]:
        """Return what was seen of each engine: peak memory and load time, measured."""
        found = []
        for name in {**self.peaks_bytes, **self.loads_s}:
            values = {}
            if name in self.peaks_bytes:
                values["peak_memory_bytes"] = _measured(
                    [self.peaks_bytes[name]], "highest seen of the engine's process"
                )
            if name in self.loads_s:
                values["load_s"] = _measured(self.loads_s[name], "median of its starts")
            found.append(Measurement(candidate=name, kind="memory", values=values, taken_at=now))
        return found

    async def _make_room(self, needs: float) -> None:
        while self.loaded and (
            self._held() + needs > SHARE_OF_FREE * self.free_bytes or len(self.loaded) >= MOST_LOADED
        ):
            await self.unload(next(iter(self.loaded)))

    def _held(self) -> float:
        return sum(loaded.memory_bytes for loaded in self.loaded.values())


def _measured(values: Sequence[float], detail: str) -> Estimate:
    return Estimate(value=median(values), low=min(values), high=max(values), source=Source.MEASURED, detail=detail)
