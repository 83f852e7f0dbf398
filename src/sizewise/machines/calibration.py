"""`calibrate()`: what the real engine reaches on this machine, by tensor type; stored, and used by later predictions.

Measured in under a minute: memory bandwidth, the engine's fixed time for a token and a layer, bytes per second of
decoding and multiply-accumulates per second of prompts for each tensor type, attention at depth, loading; then a few
whole made-up models, from whose errors `prediction.own_errors` learns a correction and the ranges. A reading that
beats the memory (or that others disturbed) is refused, and said so. Does not cover GPUs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sizewise.machines.load_gate import FOREIGN_LIMIT, wait_until_quiet
from sizewise.machines.probe_models import (
    attention_shape,
    check_shapes,
    last_feed_weights,
    overhead_shape,
    weights_shape,
    write_pure,
)
from sizewise.machines.takes import Session, both_times, evict, fill, mapped_read_rate, prompt_time, token_time
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.records import Calibration, CheckReading, Machine

TYPES = ("Q4_K", "Q8_0", "F16", "Q6_K", "Q5_0", "Q5_K", "Q4_0", "Q3_K", "IQ4_XS", "Q2_K", "IQ4_NL", "Q5_1", "Q4_1")
"""Tensor types, the commonest in files first: what the time budget cuts off is the rarest."""
_FIRST = 6
"""Types that are measured before the whole models, which are made of them."""
_LOADED = ("Q4_K", "Q8_0")
"""Types whose loading is timed: one with a second copy, one without."""
DRIFT = 0.10
"""What decoding varies by on an unchanged machine from minute to minute (research, 2 cores: 7.7 to 10 %)."""
_ROOFLINE_SLACK = 1.25
_PROMPT = 256
_DEEP, _LESS_DEEP = 1536, 512
"""Depth of the attention readings; the second where less than half of the time is left."""
_CHECK_DEPTHS = (256, 1536)
_ENTRIES = 131072
_UNCHECKED = {"decode": 0.5, "prefill": 0.5, "load": 0.8, "load cold": 1.5}
"""Half widths of ranges, as ratios, until whole models show better; four times as wide on a disturbed machine."""


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


def _vocabulary_rate(session: Session, start_s: float) -> float | None:
    """Return vocabulary entries that loading reads a second, from a model that is little else."""
    arch = replace(overhead_shape(2), vocabulary=_ENTRIES)
    loads = []
    for _ in range(2):
        with session.open("vocabulary", arch, "F16", 256) as run:
            loads.append(run.load_s)
    spent = min(loads) - start_s
    return _ENTRIES / spent if spent > 0 else None


def _overheads(session: Session) -> tuple[float, float, float]:
    """Return seconds of a token, of a layer, and of loading next to nothing."""
    times, loads = {}, []
    for layers in (4, 32):
        with session.open(f"overhead-{layers}", overhead_shape(layers), "F16", 512) as run:
            session.engine = run.engine
            loads.append(run.load_s)
            times[layers] = token_time(session, run, "fixed time of a token", 8)
    layer = max(0.0, (times[32] - times[4]) / 28)
    return max(0.0, times[4] - 4 * layer), layer, min(loads)


def _type_rates(session: Session, kind: str, token_s: float, layer_s: float) -> tuple[float, float, float, int]:
    """Return (bytes/s of decoding, MAC/s of prompts, seconds to load warm, bytes) of one tensor type."""
    arch = weights_shape(4)
    path = session.folder / f"weights-{kind}.gguf"
    size, count = write_pure(path, arch, kind)
    fixed = token_s + layer_s * len(arch.layers)
    with session.open(f"weights-{kind}", arch, kind, 512) as run:
        token = token_time(session, run, f"{kind} decode", 8)
        prompt = prompt_time(session, run, f"{kind} prompt", _PROMPT)
        load = run.load_s
    if kind in _LOADED:  # the first load had to fill the page cache
        with session.open(f"weights-{kind}", arch, kind, 512) as run:
            load = run.load_s
    if kind != TYPES[0]:
        path.unlink()
    done = (count - last_feed_weights(arch)) * _PROMPT
    return size / max(token - fixed, token * 0.2), done / max(prompt - fixed, prompt * 0.2), load, size


def _attention(session: Session, kv_type: str, deep_tokens: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return rates of attention while decoding and in prompts: multiply-accumulates, (head, cell) pairs, key rows."""
    decode: list[tuple[tuple[float, float, float], float]] = []
    prompt: list[tuple[tuple[float, float, float], float]] = []
    for dim, kv_heads in ((64, 8), (128, 8), (64, 32)):
        arch, name = attention_shape(dim, kv_heads), f"attention {dim}/{kv_heads} {kv_type}"
        heads, layers = 32, len(arch.layers)
        with session.open(f"attention-{dim}-{kv_heads}", arch, "F16", deep_tokens + 64, kv_type) as run:
            short = token_time(session, run, f"{name}, shallow", 16)
            first = prompt_time(session, run, f"{name}, short prompt", deep_tokens // 4, wanted=1)
            whole, deep = both_times(session, run, f"{name}, deep", deep_tokens)
        cells = float(layers * (deep_tokens - 16))
        decode.append(((cells * heads * 2 * dim, cells * heads, cells * kv_heads), deep - short))
        pairs = layers * (deep_tokens * deep_tokens / 2 - 4 * (deep_tokens / 4) ** 2 / 2)
        prompt.append(((pairs * heads * 2 * dim, pairs * heads, pairs * kv_heads), whole - 4 * first))
    lost = sum(seconds <= 0 for _, seconds in (*decode, *prompt))
    if lost:
        session.rejected.append(
            f"attention: {lost} of {len(decode) + len(prompt)} readings took no longer at depth than without; expected "
            "the opposite: the machine was too busy to tell. Close other programs and run `sizewise calibrate` again"
        )
    return attention_rates(decode, kv_type), attention_rates(prompt, kv_type)


def attention_rates(points: Sequence[tuple[tuple[float, float, float], float]], kv_type: str) -> dict[str, float]:
    """Solve seconds = macs / rate + cells / rate + rows / rate, none below 0; `points` are ((macs, cells, rows), s).

    Relative errors count. A term that costs nothing here has no rate in the answer; readings of 0 s or less, which a
    busy machine can give, are left out.
    """
    import numpy as np
    from scipy.optimize import nnls

    points = [point for point in points if point[1] > 0]
    if not points:
        return {}
    amounts = np.array([amount for amount, _ in points])
    scale = amounts.max(axis=0)
    seconds = np.array([value for _, value in points])
    solution, _ = nnls(amounts / scale / seconds[:, None], np.ones(len(points)))
    names = (kv_type, f"{kv_type} cells", f"{kv_type} rows")
    return {
        name: float(size / share) for name, size, share in zip(names, scale, solution, strict=True) if share > 1e-12
    }


def _loading(session: Session, loads: dict[str, tuple[float, int]], start_s: float) -> dict[str, float]:
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


def _disk_rate(folder: Path, megabytes: int = 128) -> float:
    """Return bytes per second of reading a fresh file past the page cache as the engine reads it, the median of 3."""
    path = folder / "disk.bin"
    with path.open("wb") as file:
        file.truncate(megabytes * 2**20)
    fill(path)
    rates = sorted(mapped_read_rate(path) for _ in range(3))
    path.unlink()
    return rates[1]


def _check(session: Session) -> list[CheckReading]:
    """Return what whole made-up models take: steps and prompts at two depths, loading cold and warm."""
    found: list[CheckReading] = []
    for name, (arch, mix) in check_shapes().items():
        if session.left_s() <= 0:
            session.rejected.append(f"check model {name!r}: no time left; ranges come from fewer models and are wider")
            continue

        def add(quantity: str, depth: int, seconds: float, key: str = name, of: str = mix) -> None:
            found.append(
                CheckReading(
                    name=key,
                    architecture=check_shapes()[key][0],
                    mix=of,
                    quantity=quantity,
                    depth=depth,
                    seconds=seconds,
                )
            )

        path = session.folder / f"check-{name}.gguf"
        write_sparse_gguf(path, arch, mix)
        fill(path)
        cold = evict(path)
        with session.open(f"check-{name}", arch, mix, 512) as run:  # fills the page cache
            if cold:
                add("load cold", 0, run.load_s)
        with session.open(f"check-{name}", arch, mix, max(_CHECK_DEPTHS) + 64) as run:
            add("load", 0, run.load_s)
            for depth in _CHECK_DEPTHS:
                wanted = 3 if depth < 1024 else 1
                prompt, step = both_times(session, run, f"check model {name!r} at {depth}", depth, wanted=wanted)
                add("prefill", depth, prompt)
                add("decode", depth, step)
        path.unlink()
    return found


def _again(session: Session, kind: str, token_s: float, layer_s: float, before: float) -> float:
    """Return by how much the decode rate of a type, measured again at the end, differs from `before` (a ratio)."""
    if session.left_s() <= 0:
        return 0.0
    rate, _, _, _ = _type_rates(session, kind, token_s, layer_s)
    return max(rate, before) / min(rate, before) - 1


def calibrate(
    machine: Machine,
    *,
    seconds: float = 48.0,
    threads: int | None = None,
    types: tuple[str, ...] = TYPES,
    wait_s: float = 0.0,
    now: float,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Calibration, tuple[CheckReading, ...]]:
    """Return what the engine reaches here, and what whole models took; `now` is the time to note.

    Waits up to `wait_s` for others to be idle first. Stops taking new types when `seconds` are over; what was not
    reached is told in `rejected`. `say` hears what is being measured. The ranges in the answer are wide:
    `prediction.own_errors.with_own_errors` learns them from the whole models. Raises RuntimeFailure when the engine
    is missing or cannot run at all.
    """
    cores = max(1, round(machine.cpu_cores))
    waited, foreign = wait_until_quiet(wait_s)
    say(f"others use {foreign:.2f} cores (quiet: under {FOREIGN_LIMIT}){f', waited {waited:.0f} s' if wait_s else ''}")
    bandwidth = measure_bandwidth(cores)
    with tempfile.TemporaryDirectory(prefix="sizewise-calibrate-") as work:
        session = Session(folder=Path(work), until=time.monotonic() + seconds, threads=threads, say=say)
        say(f"memory reads {bandwidth / 1e9:.1f} GB/s with {cores} threads")
        token_s, layer_s, start_s = _overheads(session)
        entries = _vocabulary_rate(session, start_s)
        say(f"fixed time {token_s * 1e3:.2f} ms a token, {layer_s * 1e6:.0f} µs a layer")
        decode, prefill, loads = _types(session, types[:_FIRST], token_s, layer_s, bandwidth)
        depth = _DEEP if session.left_s() > seconds / 2 else _LESS_DEEP
        decode_rates, prompt_rates = _attention(session, "f16", depth)
        say(f"attention at depth {depth}: done")
        checks = _check(session)
        say(f"{len({check.name for check in checks})} whole models: done")
        first = next(iter(decode))
        drift = _again(session, first, token_s, layer_s, decode[first])
        more = _types(session, types[_FIRST:], token_s, layer_s, bandwidth)
        rates = _loading(session, loads, start_s) | ({"vocabulary": entries} if entries else {})
    disturbed = session.noisy > session.readings / 2
    wider = 4.0 if disturbed else 1.0
    if disturbed:
        session.rejected.append(
            f"{session.noisy} of {session.readings} readings were disturbed; expected a machine of one's own. "
            "Close other programs and run `sizewise calibrate` again: until then predictions here mean little"
        )
    calibration = Calibration(
        engine=session.engine,
        threads=threads or cores,
        taken_at=now,
        bandwidth_bytes_per_s=bandwidth,
        decode_bytes_per_s=decode | more[0],
        prefill_macs_per_s=prefill | more[1],
        attention_decode_macs_per_s=decode_rates,
        attention_prefill_macs_per_s=prompt_rates,
        token_overhead_s=token_s,
        layer_overhead_s=layer_s,
        load_bytes_per_s=rates,
        load_overhead_s=start_s,
        residual={quantity: half * wider for quantity, half in _UNCHECKED.items()},
        drift=max(DRIFT, drift),
        rejected=tuple(session.rejected),
    )
    say(f"{session.readings - session.noisy} of {session.readings} readings were quiet; drift {drift:.0%}")
    return calibration, tuple(checks)


def _types(
    session: Session, types: tuple[str, ...], token_s: float, layer_s: float, bandwidth: float
) -> tuple[dict[str, float], dict[str, float], dict[str, tuple[float, int]]]:
    decode: dict[str, float] = {}
    prefill: dict[str, float] = {}
    loads: dict[str, tuple[float, int]] = {}
    for kind in types:
        if session.left_s() <= 0 and (decode or kind not in TYPES[:_FIRST]):
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
