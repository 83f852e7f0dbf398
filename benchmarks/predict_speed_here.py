"""Decode, prompt, first token and load time on this machine, predicted from its calibration, against the real engine.

    python benchmarks/predict_speed_here.py [--stored] [--takes 5] [--budget 560] [--threads N] [--wait 60]
        [--depths 128,1024,4096] [--shape NAME:MIX:LAYERS ...] [--priority {normal,high,realtime}]

Calibrates first (`--stored` takes the stored calibration), predicts, then measures shapes that the calibration never
saw: their matrices are mixes of types, other widths, a mixture of experts, sliding windows, a hybrid. They are whole
layers of catalog models, fewer of them, so that a prompt of 4,096 tokens is read in seconds; their files are written
in full (made-up numbers, not holes).

Rounds are interleaved: in each, every shape is loaded cold, loaded warm, and asked for one prompt and one answer of
17 tokens at each depth. Cold: the file is written out (fsync) and dropped from the page cache (posix_fadvise
DONTNEED) just before; what the disk or a host below this machine caches stays warm. A take counts when others used
less than a tenth of a core during it (`load_gate`); values are medians of the takes that count, of all takes (marked !) where
fewer than three did. Rounds go on until every quantity has `--takes` quiet takes, or `--budget` seconds are over.
The first token is timed by the wall clock of the asking process. Reference in the same run: bandwidth / bytes.

Exit code 0 when the median error is at most 12 % for decode, 15 % for prompts and first tokens, 25 % for loading
(cold and warm together and apart), and at least 80 % of quantities are inside their 90 % ranges.
"""

# ruff: noqa: E501 (table rows)

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sizewise.machines.calibration import calibrate
from sizewise.machines.detect import detect
from sizewise.machines.engine_run import EngineRun
from sizewise.machines.load_gate import FOREIGN_LIMIT, foreign_cores, read_times, wait_until_quiet
from sizewise.machines.stored import save, with_calibration
from sizewise.machines.takes import OUTPUT, evict, fill
from sizewise.models import catalog
from sizewise.models.configuration import read_architecture
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.prediction.fitting import quantile
from sizewise.prediction.load_time import load_time
from sizewise.prediction.own_errors import with_own_errors
from sizewise.prediction.predict import facts_of
from sizewise.prediction.speed import Pace, decode_pace, prefill_pace
from sizewise.records import Architecture, Machine, Model

SHAPES = (
    ("meta-llama/Llama-3.2-1B", "Q4_K_M", 2),
    ("Qwen/Qwen2.5-0.5B", "Q4_K_M", 4),
    ("Qwen/Qwen3-0.6B", "F16", 2),
    ("google/gemma-3-1b-it", "Q8_0", 6),
    ("HuggingFaceTB/SmolLM2-360M", "Q6_K", 4),
    ("LiquidAI/LFM2-1.2B", "Q4_K_M", 3),
    ("Qwen/Qwen3-30B-A3B", "Q4_K_M", 2),
)
BARS = {"decode": 0.12, "prompt": 0.15, "first": 0.15, "load": 0.25, "load cold": 0.25, "load warm": 0.25}
_ENOUGH = 3
"""Quiet takes of which a median is taken; with fewer, all takes are used and marked."""


@dataclass(kw_only=True)
class Seen:
    """Takes of one quantity: (seconds, cores that others used)."""

    takes: list[tuple[float, float]] = field(default_factory=list)

    def quiet(self) -> list[float]:
        """Return the takes during which the machine was our own."""
        return [seconds for seconds, foreign in self.takes if foreign < FOREIGN_LIMIT]

    def value(self) -> float:
        """Return the median of the quiet takes, of all where there were too few."""
        quiet = self.quiet()
        return quantile(quiet if len(quiet) >= _ENOUGH else [seconds for seconds, _ in self.takes], 0.5)

    def mark(self) -> str:
        """Return how quiet it was: quiet takes of all, most foreign cores of those that count."""
        quiet = self.quiet()
        counted = [f for _, f in self.takes if f < FOREIGN_LIMIT or len(quiet) < _ENOUGH]
        return f"{len(quiet)}/{len(self.takes)} {max(counted, default=0.0):.2f}{'' if len(quiet) >= _ENOUGH else ' !'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A predicted time in seconds, and where 90 % of measurements should be."""

    value: float
    low: float
    high: float


def shape(name: str, layers: int) -> Architecture:
    """Return the catalog's shape cut to its first layers."""
    row = catalog.find(name)
    if row is None:
        raise SystemExit(f"{name} is not in the catalog; sizewise models lists the names")
    arch = read_architecture(catalog.configuration(row))
    return replace(arch, layers=arch.layers[:layers])


def load_once(path: Path, seen: dict[str, Seen], *, cold: bool) -> None:
    """Take one load of a file, dropped from the page cache just before or not."""
    if cold and not evict(path):
        return
    before = read_times()
    with EngineRun(path, context_tokens=256) as run:
        pids = (run.pid,) if run.pid else ()
        foreign = foreign_cores(before, read_times(pids))
        seen.setdefault(f"load {'cold' if cold else 'warm'}", Seen()).takes.append((run.load_s, foreign))


def measure(path: Path, depths: Sequence[int], threads: int | None, seen: dict[str, Seen], number: int) -> None:
    """Take every quantity of one shape once."""
    load_once(path, seen, cold=True)
    load_once(path, seen, cold=False)
    with EngineRun(path, context_tokens=max(depths) + 64, threads=threads) as run:
        pids = (run.pid,) if run.pid else ()
        for depth in depths:
            before = read_times(pids)
            timing = run.time(depth, OUTPUT, first_token=20 + 37 * number)
            foreign = foreign_cores(before, read_times(pids))
            for what, seconds in (
                ("prompt", timing.prompt_s),
                ("first", timing.first_token_s),
                ("decode", timing.step_s),
            ):
                seen.setdefault(f"{what} {depth}", Seen()).takes.append((seconds, foreign))


def predicted(machine: Machine, arch: Architecture, name: str, mix: str, depths: Sequence[int]) -> dict[str, Range]:
    """Return quantity -> predicted seconds with their range."""
    facts = facts_of(Model(name=name, architecture=arch), mix)
    cpu, found = machine.devices[0], {}
    for cold in (True, False):
        load = load_time(facts, machine, on_gpu=False, cold=cold)
        found[f"load {'cold' if cold else 'warm'}"] = Range(value=load.value, low=load.low, high=load.high)
    for depth in depths:
        step = decode_pace(facts, machine, cpu, depth=depth + OUTPUT / 2)
        prompt = prefill_pace(facts, machine, cpu, tokens=depth)
        if step is None or prompt is None:
            raise SystemExit("nothing can be predicted for this processor")
        found[f"decode {depth}"] = _range(step)
        found[f"prompt {depth}"] = found[f"first {depth}"] = _range(prompt)
    bandwidth = machine.calibration.bandwidth_bytes_per_s if machine.calibration else 1e10
    naive = facts.read_bytes / bandwidth
    return found | {"naive": Range(value=naive, low=naive, high=naive)}


def _range(pace: Pace) -> Range:
    return Range(value=pace.seconds, low=pace.seconds / pace.high, high=pace.seconds / pace.low)


def prioritize(level: str) -> str:
    """Raise this process and its children above others; return what came of it."""
    try:
        if level == "high":
            os.setpriority(os.PRIO_PROCESS, 0, -15)
        if level == "realtime":
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (OSError, AttributeError) as error:
        return f"priority {level} was refused ({error}); normal"
    return level


def ready_machine(asked: argparse.Namespace) -> Machine:
    """Return this machine with a calibration, new or stored."""
    machine = detect()
    if asked.stored:
        machine = with_calibration(machine)
        if machine.calibration is None:
            raise SystemExit("nothing is stored for this machine; leave --stored out, or run: sizewise calibrate")
        return machine
    plain, checks = calibrate(
        machine, threads=asked.threads, wait_s=asked.wait, now=time.time(), say=lambda text: print(text, flush=True)
    )
    calibration = with_own_errors(plain, checks, machine)
    save(calibration, machine)
    for quantity, half in calibration.residual.items():
        print(f"{quantity}: correction {calibration.correction.get(quantity, 1.0):.3f}, 90 % range x/ {1 + half:.2f}")
    return replace(machine, calibration=calibration)


def run_rounds(
    files: dict[str, Path], depths: Sequence[int], asked: argparse.Namespace, until: float
) -> dict[str, dict[str, Seen]]:
    """Measure in rounds until every quantity has enough quiet takes or the time is over."""
    seen: dict[str, dict[str, Seen]] = {name: {} for name in files}
    number, longest = 0, 0.0
    while number < 4 * asked.takes:
        start = time.monotonic()
        if number and start + longest > until:
            break
        for name, path in files.items():
            measure(path, depths, asked.threads, seen[name], number)
        number, longest = number + 1, max(longest, time.monotonic() - start)
        least = min(len(taken.quiet()) for own in seen.values() for taken in own.values())
        print(
            f"round {number}: {time.monotonic() - start:.0f} s, at least {least} quiet takes of each quantity",
            flush=True,
        )
        if number >= asked.takes and least >= asked.takes:
            break
    return seen


def report(guesses: dict[str, dict[str, Range]], seen: dict[str, dict[str, Seen]]) -> int:
    """Print every quantity and the medians by kind."""
    errors: dict[str, list[float]] = {kind: [] for kind in (*BARS, "naive")}
    inside: dict[str, list[bool]] = {}
    for name, guess in guesses.items():
        for what, taken in seen[name].items():
            true, own, kind = taken.value(), guess[what], what.split()[0]
            errors[kind].append(abs(own.value / true - 1))
            if kind == "load":
                errors[what].append(abs(own.value / true - 1))
            if kind == "decode":
                errors["naive"].append(abs(guess["naive"].value / true - 1))
            inside.setdefault(kind, []).append(own.low <= true <= own.high)
            print(
                f"{name:34s} {what:12s} measured {true:8.4f} s, predicted {own.value:8.4f} ({own.low:.4f}-{own.high:.4f}) "
                f"{own.value / true - 1:+5.0%}{'' if inside[kind][-1] else ' outside'}  quiet {taken.mark()}"
            )
    takes = [taken for own in seen.values() for taken in own.values()]
    noisy = sum(len(taken.quiet()) < _ENOUGH for taken in takes)
    print(f"{len(takes)} quantities, {min(len(taken.takes) for taken in takes)} takes or more of each; "
          f"{noisy} with fewer than {_ENOUGH} quiet takes")  # fmt: skip
    print("inside the 90 % ranges: " + ", ".join(f"{kind} {sum(own)}/{len(own)}" for kind, own in inside.items()))
    medians = {kind: quantile(values, 0.5) for kind, values in errors.items() if values}
    covered = sum(map(sum, inside.values())) / len(takes)
    text = ", ".join(f"{kind} {medians[kind]:.1%} (bar {bar:.0%})" for kind, bar in BARS.items() if kind in medians)
    print(
        f"median errors: {text}; naive decode {medians['naive']:.1%}; {covered:.0%} inside the 90 % ranges (bar 80 %)"
    )
    return 0 if covered >= 0.8 and all(medians.get(kind, 0.0) <= bar for kind, bar in BARS.items()) else 1


def main() -> int:
    """Calibrate, predict, measure in rounds, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", action="store_true", help="Use the stored calibration.")
    parser.add_argument("--takes", type=int, default=5)
    parser.add_argument("--budget", type=float, default=560.0, help="Seconds in all, calibration included.")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--depths", default="128,1024,4096")
    parser.add_argument(
        "--shape", action="append", help="NAME:MIX:LAYERS instead of the built-in ones; may be repeated."
    )
    parser.add_argument("--wait", type=float, default=60.0, help="Wait up to this long for others to be idle.")
    parser.add_argument("--priority", choices=["normal", "high", "realtime"], default="normal")
    asked = parser.parse_args()
    until = time.monotonic() + asked.budget
    depths = [int(part) for part in asked.depths.split(",")]
    shapes = [_parsed(text) for text in asked.shape] if asked.shape else SHAPES
    print(f"priority: {prioritize(asked.priority)}")
    machine = ready_machine(asked)
    with tempfile.TemporaryDirectory() as work:
        guesses: dict[str, dict[str, Range]] = {}
        files: dict[str, Path] = {}
        for name, mix, layers in shapes:
            arch, label = shape(name, layers), f"{name.split('/')[-1]} {mix} {layers}L"
            guesses[label] = predicted(machine, arch, name, mix, depths)  # before anything is measured
            files[label] = Path(work) / f"{len(files)}.gguf"
            write_sparse_gguf(files[label], arch, mix)
            fill(files[label])
        waited, foreign = wait_until_quiet(asked.wait)
        print(f"waited {waited:.0f} s; others use {foreign:.2f} cores", flush=True)
        seen = run_rounds(files, depths, asked, until)
    return report(guesses, seen)


def _parsed(text: str) -> tuple[str, str, int]:
    name, mix, layers = text.rsplit(":", 2)
    return name, mix, int(layers)


if __name__ == "__main__":
    sys.exit(main())
