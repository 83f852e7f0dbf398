"""Runs one load test: starts the sending processes, gathers what they saw, applies the stop rules.

Open loop: requests start when the arrival process says so, whether or not earlier ones were answered, and
keep that intended start; closed loop: each user waits for its answer. The caller's own process only gathers,
so that a live view or a notebook cannot disturb the stamps. It does not cover: judging answers, sums (see
`summary`), finding a rate (see `knee`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from sizewise.errors import RuntimeFailure
from sizewise.loadgen.arrivals import schedule
from sizewise.loadgen.frames import HEADER_BYTES, Shot, lengths, unpack
from sizewise.loadgen.plan import LoadPlan
from sizewise.loadgen.stopping import Watch

_END_S = 5.0
_REQUESTS_PER_CORE_S = 700.0
"""One worker is asked for at most this rate; measured limit of one EPYC core: benchmarks/load_throughput.py."""


@dataclass(slots=True)
class Progress:
    """What is known while the test runs; `shots` grows."""

    plan: LoadPlan
    elapsed_s: float = 0.0
    fired: int = 0
    planned: int = 0
    in_flight: int = 0
    waiting: int = 0
    shots: list[Shot] = field(default_factory=list)
    stopped: str | None = None


@dataclass(slots=True)
class Raw:
    """Everything one run saw, before any sum."""

    plan: LoadPlan
    shots: list[Shot]
    lags_s: array[float]
    """How late the sending loop woke up, sampled about every 20 ms."""
    cpu_s: float
    """CPU of the sending processes from the start of the test."""
    cpu_share: float
    """Largest share of one core that a sending process used."""
    wall_s: float
    start_s: float
    """Monotonic clock at the start."""
    workers: int
    stopped: str | None = None
    """Why it ended before its time; None when it did not."""
    pids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the requests go: the full URL of the call, headers, and the bodies to choose from."""

    url: str
    bodies: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)


def worker_count(plan: LoadPlan) -> int:
    """Return how many processes send: as asked, else enough for the rate, leaving one core to others."""
    if plan.workers:
        return plan.workers
    rate = plan.rate_per_s if plan.arrivals != "closed" else 0.0
    return max(1, min(-(-int(rate) // int(_REQUESTS_PER_CORE_S)), (os.cpu_count() or 2) - 1))


def _orders(plan: LoadPlan, target: Target, offset: int, stride: int) -> bytes:
    times = [] if plan.arrivals == "closed" else schedule(
        plan.arrivals, rate_per_s=plan.rate_per_s, duration_s=plan.duration_s, seed=plan.seed, trace_s=plan.trace_s
    )  # fmt: skip
    users = len(range(offset, plan.users, stride)) if plan.arrivals == "closed" else 0
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **target.headers}
    orders = {
        "times_s": times[offset::stride], "offset": offset, "stride": stride, "order": list(range(len(target.bodies))),
        "users": users, "think_s": plan.think_s, "end_s": plan.duration_s, "timeout_s": plan.timeout_s,
        "max_connections": max(1, plan.max_connections // stride), "keep_text": plan.keep_text, "seed": plan.seed,
        "url": target.url, "headers": headers, "bodies": list(target.bodies),
    }  # fmt: skip
    return json.dumps(orders).encode() + b"\n"


class _Hand:
    """One worker process as the parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.last: dict[str, Any] = {"in_flight": 0, "waiting": 0, "fired": 0, "cpu_s": 0.0, "wall_s": 0.0}

    async def frame(self) -> list[Shot] | None:
        """Return the shots of the next frame, None at the end; the header is in `last`."""
        assert self.process.stdout is not None
        try:
            prefix = await self.process.stdout.readexactly(HEADER_BYTES)
            head, rows = lengths(prefix)
            self.last, shots = unpack(
                await self.process.stdout.readexactly(head), await self.process.stdout.readexactly(rows)
            )
        except asyncio.IncompleteReadError:
            return None
        return shots

    def tell(self, line: bytes) -> None:
        assert self.process.stdin is not None
        with suppress(ConnectionError, RuntimeError):
            self.process.stdin.write(line)


async def drive(
    plan: LoadPlan, target: Target, *, on_progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> Raw:  # fmt: skip
    """Run the plan against the target and return all that was seen.

    `on_progress` is called about four times a second; setting `stop` (Ctrl-C) cancels what runs and returns
    what was measured. Raises RuntimeFailure when a sending process cannot start or breaks down.
    """
    count = worker_count(plan)
    hands = [_Hand(await _start()) for _ in range(count)]
    try:
        return await _conduct(plan, target, hands, on_progress, stop)
    finally:
        for hand in hands:
            await _ended(hand.process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Let a worker end by itself once its input is closed; kill it when it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sizewise.loadgen.worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**22, start_new_session=True,
    )  # fmt: skip


async def _conduct(
    plan: LoadPlan, target: Target, hands: list[_Hand], on_progress: Callable[[Progress], None] | None,
    stop: asyncio.Event | None,
) -> Raw:  # fmt: skip
    for offset, hand in enumerate(hands):
        hand.tell(_orders(plan, target, offset, len(hands)))
    for hand in hands:
        if await hand.frame() is None:
            raise RuntimeFailure(
                f"the sending process ended before its first request ({target.url}); its message is above. "
                "Check the host name in the URL"
            )
    start_s = monotonic() + 0.02
    for hand in hands:
        hand.tell(b"%.9f\n" % start_s)
    progress = Progress(plan=plan)
    lags: array[float] = array("d")
    watch = Watch(plan)
    tasks = [asyncio.ensure_future(_gather(hand, hands, progress, lags, watch, on_progress)) for hand in hands]
    stopper = asyncio.ensure_future(_obey(stop, hands, progress)) if stop is not None else None
    await asyncio.gather(*tasks)
    if stopper is not None:
        stopper.cancel()
    for hand in hands:
        if not hand.last.get("over"):
            raise RuntimeFailure(
                "a sending process broke down during the test; its message is above. Run `sizewise doctor`"
            )
    last = [hand.last for hand in hands]
    wall_s = max(float(x["wall_s"]) for x in last)
    return Raw(
        plan=plan, shots=progress.shots, lags_s=lags, cpu_s=sum(float(x["cpu_s"]) for x in last),
        cpu_share=max(float(x["cpu_s"]) / max(1e-9, float(x["wall_s"])) for x in last), wall_s=wall_s,
        start_s=start_s, workers=len(hands), stopped=progress.stopped, pids=tuple(int(x["pid"]) for x in last),
    )  # fmt: skip


async def _gather(
    hand: _Hand, hands: list[_Hand], progress: Progress, lags: array[float], watch: Watch,
    on_progress: Callable[[Progress], None] | None,
) -> None:  # fmt: skip
    while (shots := await hand.frame()) is not None:
        progress.shots.extend(shots)
        lags.extend(hand.last["lags_s"])
        progress.elapsed_s = float(hand.last["wall_s"])
        progress.in_flight, progress.waiting, progress.fired = (
            sum(int(h.last[key]) for h in hands) for key in ("in_flight", "waiting", "fired")
        )
        reason = watch.see(shots, progress.in_flight, progress.elapsed_s)
        if reason and progress.stopped is None:
            progress.stopped = reason
            _tell_all(hands, reason)
        if on_progress is not None:
            on_progress(progress)
        if hand.last.get("over"):
            return


def _tell_all(hands: list[_Hand], reason: str) -> None:
    for hand in hands:
        hand.tell(reason.replace("\n", " ").encode() + b"\n")


async def _obey(stop: asyncio.Event, hands: list[_Hand], progress: Progress) -> None:
    await stop.wait()
    progress.stopped = "stopped by the user"
    _tell_all(hands, progress.stopped)
