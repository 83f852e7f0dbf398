"""`calibrate()`: what the real engine reaches on this machine, by tensor type; stored, and used by later predictions.

Measured in under a minute: memory bandwidth, the engine's fixed time for a token and a layer, bytes per second of
decoding and multiply-accumulates per second of prompts for each tensor type, attention at depth, loading. A reading
that beats the memory (or that others disturbed) is refused, and said so. Does not cover GPUs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sizewise.errors import RuntimeFailure
from sizewise.machines.detect import measure_disk
from sizewise.machines.engine_run import EngineRun
from sizewise.machines.load_gate import Reading, fastest
from sizewise.machines.probe_models import attention_shape, overhead_shape, weights_shape, write_pure
from sizewise.records import Architecture, Calibration, Machine

TYPES = ("Q4_K", "Q8_0", "F16", "Q6_K", "Q4_0", "Q5_0", "Q5_K", "Q3_K", "IQ4_XS", "Q2_K", "IQ4_NL", "Q5_1", "Q4_1")
"""Tensor types, the commonest in files first: what the time budget cuts off is the rarest."""
_LOADED = ("Q4_K", "Q8_0")
"""Types whose loading is timed: one with a second copy, one without."""
DRIFT = 0.10
"""What decoding varies by on an unchanged machine from minute to minute (research, 2 cores: 7.7 to 10 %)."""
_ROOFLINE_SLACK = 1.25
_PROMPT, _OUTPUT = 128, 24
_DEEP = 1024
_ENTRIES = 65536


@dataclass(kw_only=True)
class _Session:
    """One calibration in progress."""

    folder: Path
    until: float
    threads: int | None
    say: Callable[[str], None]
    rejected: list[str] = field(default_factory=list)
    noisy: int = 0
    engine: str = ""

    def left_s(self) -> float:
        return self.until - time.monotonic()

    def note(self, what: str, reading: Reading) -> float:
        if not reading.quiet_takes:
            self.noisy += 1
            self.rejected.append(f"{what}: others used the machine in all {reading.takes} takes; the fastest was kept")
        return reading.seconds


def measure_bandwidth(cores: int, *, megabytes: int = 192, takes: int = 5) -> float:
    """Return bytes per second of reading large arrays with `cores` threads, the fastest of several takes."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    arrays = [np.ones(megabytes * 2**20 // 8 // cores, dtype=np.float64) for _ in range(cores)]
    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(takes):
            start = time.perf_counter()
            list(pool.map(lambda array: float(array.max()), arrays))
            best = max(best, sum(array.nbytes for array in arrays) / (time.perf_counter() - start))
    return best


def _token_time(session: _Session, run: EngineRun, what: str, depth: int) -> float:
    def take() -> float:
        timing = run.time(depth, _OUTPUT, reuse=True)
        return timing.decode_s / max(1, timing.decode_tokens)

    return session.note(what, fastest(take, pids=_pids(run), until=session.until))


def _prompt_time(session: _Session, run: EngineRun, what: str, tokens: int, takes: int = 2) -> float:
    def take() -> float:
        timing = run.time(tokens, 1, first_token=next_token())
        return timing.prompt_s * tokens / max(1, timing.prompt_tokens)

    next_token = _counter()
    return session.note(what, fastest(take, pids=_pids(run), wanted=takes, at_most=takes + 2, until=session.until))


def _counter() -> Callable[[], int]:
    state = [10]

    def following() -> int:
        state[0] = 10 + (state[0] * 5 + 3) % 380
        return state[0]

    return following


def _pids(run: EngineRun) -> tuple[int, ...]:
    return (run.pid,) if run.pid else ()


def _open(session: _Session, name: str, arch: Architecture, type_name: str, context: int, kv: str = "f16") -> EngineRun:
    path = session.folder / f"{name}.gguf"
    if not path.exists():
        write_pure(path, arch, type_name)
    return EngineRun(path, context_tokens=context, threads=session.threads, kv_type=kv)


def _vocabulary_rate(session: _Session, start_s: float) -> float | None:
    """Return vocabulary entries that loading reads a second, from a model that is little else."""
    arch = replace(overhead_shape(2), vocabulary=_ENTRIES)
    loads = []
    for _ in range(2):
        with _open(session, "vocabulary", arch, "F16", 256) as run:
            loads.append(run.load_s)
    spent = min(loads) - start_s
    return _ENTRIES / spent if spent > 0 else None


def _overheads(session: _Session) -> tuple[float, float, float]:
    """Return seconds of a token, of a layer, and of loading next to nothing."""
    times, loads = {}, []
    for layers in (4, 32):
        with _open(session, f"overhead-{layers}", overhead_shape(layers), "F16", 512) as run:
            session.engine = run.engine
            loads.append(run.load_s)
            times[layers] = _token_time(session, run, "fixed time of a token", 8)
    layer = max(0.0, (times[32] - times[4]) / 28)
    return max(0.0, times[4] - 4 * layer), layer, min(loads)


def _type_rates(session: _Session, kind: str, token_s: float, layer_s: float) -> tuple[float, float, float, int]:
    """Return (bytes/s of decoding, MAC/s of prompts, seconds to load warm, bytes) of one tensor type."""
    arch = weights_shape(4)
    path = session.folder / f"weights-{kind}.gguf"
    size, count = write_pure(path, arch, kind)
    with EngineRun(path, context_tokens=512, threads=session.threads) as run:
        fixed = token_s + layer_s * len(arch.layers)
        token = _token_time(session, run, f"{kind} decode", 8)
        prompt = _prompt_time(session, run, f"{kind} prompt", _PROMPT)
        load = run.load_s
    if kind in _LOADED:  # the first load had to fill the page cache
        with EngineRun(path, context_tokens=512, threads=session.threads) as run:
            load = run.load_s
    path.unlink()
    return size / max(token - fixed, token * 0.2), count * _PROMPT / max(prompt - fixed, prompt * 0.2), load, size


def _attention(session: _Session, kv_type: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return rates of attention while decoding and in prompts: multiply-accumulates and (head, cell) pairs a second."""
    decode: list[tuple[float, float, float]] = []
    prompt: list[tuple[float, float, float]] = []
    for dim in (64, 128):
        arch = attention_shape(dim)
        heads, layers = 32, len(arch.layers)
        with _open(session, f"attention-{dim}", arch, "F16", _DEEP + 64, kv_type) as run:
            short = _token_time(session, run, f"attention {dim} {kv_type}, shallow", 16)
            deep = _token_time(session, run, f"attention {dim} {kv_type}, deep", _DEEP)
            first = _prompt_time(session, run, f"attention {dim} {kv_type}, short prompt", _DEEP // 4)
            whole = _prompt_time(session, run, f"attention {dim} {kv_type}, long prompt", _DEEP)
        cells = layers * heads * (_DEEP - 16)
        decode.append((cells * 2.0 * dim, cells, deep - short))
        pairs = layers * heads * (_DEEP * _DEEP / 2 - 4 * (_DEEP / 4) ** 2 / 2)
        prompt.append((pairs * 2.0 * dim, pairs, whole - 4 * first))
    return _two_rates(decode, kv_type), _two_rates(prompt, kv_type)


def _two_rates(points: list[tuple[float, float, float]], kv_type: str) -> dict[str, float]:
    """Solve seconds = macs / rate + cells / other rate from two shapes; one rate where the split is not plausible."""
    (m1, c1, s1), (m2, c2, s2) = points
    if s1 <= 0 or s2 <= 0:
        raise RuntimeFailure("attention at depth took no longer than without; the machine was too busy to tell")
    determinant = m1 * c2 - m2 * c1
    per_mac, per_cell = (s1 * c2 - s2 * c1) / determinant, (m1 * s2 - m2 * s1) / determinant
    if per_mac <= 0 or per_cell <= 0:
        per_mac, per_cell = (s1 + s2) / (m1 + m2), 0.0
    rates = {kv_type: 1 / per_mac}
    return rates | ({f"{kv_type} cells": 1 / per_cell} if per_cell else {})


def _loading(session: _Session, loads: dict[str, tuple[float, int]], start_s: float) -> dict[str, float]:
    """Return bytes per second of loading: from disk, from the page cache, and of the second copy."""
    plain = [(seconds, size) for kind, (seconds, size) in loads.items() if kind == "Q8_0"]
    rates = {}
    if plain:
        rates["warm"] = sum(size for _, size in plain) / max(1e-3, sum(max(0.0, s - start_s) for s, _ in plain))
    copies = [(s - start_s - size / rates["warm"], size) for k, (s, size) in loads.items() if k == "Q4_K" and plain]
    spent = sum(max(0.0, seconds) for seconds, _ in copies)
    if copies and spent > 0:
        rates["repack"] = sum(size for _, size in copies) / spent
    try:
        rates["cold"] = _disk_rate(session.folder)
    except OSError as error:
        session.rejected.append(f"disk: {error}")
    return rates


def _disk_rate(folder: Path) -> float:
    """Return bytes per second of reading 64 MiB that were just written, past the page cache."""
    path = folder / "disk.bin"
    with path.open("wb") as file:
        file.write(os.urandom(64 * 2**20))
        file.flush()
        os.fsync(file.fileno())
    return measure_disk(path, budget_s=1.0)


def calibrate(
    machine: Machine,
    *,
    seconds: float = 55.0,
    threads: int | None = None,
    types: tuple[str, ...] = TYPES,
    now: float,
    say: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Return what the engine reaches here; `now` is the time to note, `say` hears what is being measured.

    Stops taking new types when `seconds` are over; what was not reached is told in `rejected`. Raises RuntimeFailure
    when the engine is missing or cannot run at all.
    """
    cores = max(1, round(machine.cpu_cores))
    bandwidth = measure_bandwidth(cores)
    with tempfile.TemporaryDirectory(prefix="sizewise-calibrate-") as work:
        session = _Session(folder=Path(work), until=time.monotonic() + seconds, threads=threads, say=say)
        say(f"memory reads {bandwidth / 1e9:.1f} GB/s with {cores} threads")
        token_s, layer_s, start_s = _overheads(session)
        entries = _vocabulary_rate(session, start_s)
        say(f"fixed time {token_s * 1e3:.2f} ms a token, {layer_s * 1e6:.0f} µs a layer")
        decode_rates, prompt_rates = _attention(session, "f16")
        decode, prefill, loads = _all_types(session, types, token_s, layer_s, bandwidth)
        rates = _loading(session, loads, start_s) | ({"vocabulary": entries} if entries else {})
        engine, rejected, noisy = session.engine, tuple(session.rejected), session.noisy
    half = DRIFT + (0.25 if noisy else 0.0)
    return Calibration(
        engine=engine,
        threads=threads or cores,
        taken_at=now,
        bandwidth_bytes_per_s=bandwidth,
        decode_bytes_per_s=decode,
        prefill_macs_per_s=prefill,
        attention_decode_macs_per_s=decode_rates,
        attention_prefill_macs_per_s=prompt_rates,
        token_overhead_s=token_s,
        layer_overhead_s=layer_s,
        load_bytes_per_s=rates,
        load_overhead_s=start_s,
        residual={"decode": 0.12 + half, "prefill": 0.15 + half, "load": 0.4 + half},
        rejected=rejected,
    )


def _all_types(
    session: _Session, types: tuple[str, ...], token_s: float, layer_s: float, bandwidth: float
) -> tuple[dict[str, float], dict[str, float], dict[str, tuple[float, int]]]:
    decode: dict[str, float] = {}
    prefill: dict[str, float] = {}
    loads: dict[str, tuple[float, int]] = {}
    for kind in types:
        if session.left_s() <= 0 and decode:
            session.rejected.append(f"{kind}: no time left; predictions use the type with the nearest bits")
            continue
        rate, macs, load_s, size = _type_rates(session, kind, token_s, layer_s)
        if kind in _LOADED:
            loads[kind] = (load_s, size)
        if rate > bandwidth * _ROOFLINE_SLACK:
            session.rejected.append(
                f"{kind}: {rate / 1e9:.0f} GB/s is faster than the memory's {bandwidth / 1e9:.0f} GB/s; held to it"
            )
            rate = bandwidth
        decode[kind], prefill[kind] = rate, macs
        session.say(f"{kind}: decode {rate / 1e9:.1f} GB/s, prompts {macs / 1e9:.1f} GMAC/s")
    return decode, prefill, loads
