"""Decode, prompt, first token and load time on this machine, predicted from its calibration, against the real engine.

    python benchmarks/predict_speed_here.py [--calibrate] [--takes 5] [--threads N] [--depths 128,1024,4096]

Six shapes and more that the calibration never saw (their matrices are mixes of types, other widths, a mixture of
experts, sliding windows, a hybrid). Takes of all shapes are interleaved; a take counts when others used less than a
tenth of a core; medians of what counted. References in the same run: bandwidth / bytes (naive). Exit code 0 when the
median error is at most 12 % for decode, 15 % for prompts and first token, 25 % for loading.
"""

# ruff: noqa: E501 (table rows)

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from sizewise.machines.calibration import calibrate
from sizewise.machines.detect import detect
from sizewise.machines.engine_run import EngineRun
from sizewise.machines.load_gate import FOREIGN_LIMIT, foreign_cores, read_times
from sizewise.machines.stored import save, with_calibration
from sizewise.models import catalog
from sizewise.models.configuration import read_architecture
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.prediction.fitting import quantile
from sizewise.prediction.load_time import load_time
from sizewise.prediction.predict import facts_of
from sizewise.prediction.speed import decode_pace, prefill_pace
from sizewise.records import Machine, Model

SHAPES = (
    ("meta-llama/Llama-3.2-1B", "Q4_K_M", 4),
    ("Qwen/Qwen2.5-0.5B", "Q4_K_M", 12),
    ("Qwen/Qwen3-0.6B", "F16", 8),
    ("google/gemma-3-1b-it", "Q8_0", 12),
    ("HuggingFaceTB/SmolLM2-360M", "Q6_K", 16),
    ("LiquidAI/LFM2-1.2B", "Q4_K_M", 6),
    ("Qwen/Qwen3-30B-A3B", "Q4_K_M", 2),
)
_OUTPUT = 16


@dataclass(kw_only=True)
class Seen:
    """Takes of one quantity; the quiet ones count, all of them where none was quiet."""

    quiet: list[float] = field(default_factory=list)
    noisy: list[float] = field(default_factory=list)

    def value(self) -> float:
        """Return the median of the quiet takes, the fastest where there was none."""
        return quantile(self.quiet, 0.5) if self.quiet else min(self.noisy)


def gated(seen: Seen, pids: tuple[int, ...], take: object) -> None:
    """Add one take to the list it belongs to."""
    before = read_times(pids)
    seconds = take()  # type: ignore[operator]
    kept = seen.quiet if foreign_cores(before, read_times(pids)) < FOREIGN_LIMIT else seen.noisy
    kept.append(seconds)


def measure(
    path: Path, depths: list[int], takes: int, threads: int | None, seen: dict[str, Seen], round_number: int
) -> None:
    """Take every quantity of one shape once or a few times: loading, prompts, decoding at each depth."""
    with EngineRun(path, context_tokens=max(depths) + 256, threads=threads) as run:
        pids = (run.pid,) if run.pid else ()
        seen.setdefault("load", Seen()).quiet.append(run.load_s)
        for depth in depths:
            prompt = seen.setdefault(f"prompt {depth}", Seen())
            decode = seen.setdefault(f"decode {depth}", Seen())
            token = 20 + 7 * round_number
            gated(prompt, pids, lambda d=depth, t=token: run.time(d, 1, first_token=t).prompt_s)
            run.time(depth, 1, first_token=token, reuse=True)
            for _ in range(takes):
                gated(decode, pids, lambda d=depth, t=token: _decode(run, d, t))


def _decode(run: EngineRun, depth: int, token: int) -> float:
    timing = run.time(depth, _OUTPUT, first_token=token, reuse=True)
    return timing.decode_s / max(1, timing.decode_tokens)


def predicted(
    machine: Machine, name: str, mix: str, layers: int, depths: list[int]
) -> dict[str, tuple[float, float, float]]:
    """Return quantity -> (seconds, fastest, slowest of the range)."""
    facts = facts_of(Model(name=name, architecture=shape(name, layers)), mix)
    cpu = machine.devices[0]
    load = load_time(facts, machine, on_gpu=False, cold=False)
    found = {"load": (load.value, load.low, load.high)}
    for depth in depths:
        step = decode_pace(facts, machine, cpu, depth=depth + _OUTPUT / 2)
        prompt = prefill_pace(facts, machine, cpu, tokens=depth)
        if step is None or prompt is None:
            raise SystemExit("nothing can be predicted for this processor")
        found[f"decode {depth}"] = (step.seconds, step.seconds / step.high, step.seconds / step.low)
        found[f"prompt {depth}"] = (prompt.seconds, prompt.seconds / prompt.high, prompt.seconds / prompt.low)
    naive = facts.read_bytes / (machine.calibration.bandwidth_bytes_per_s if machine.calibration else 1e10)
    return found | {"naive": (naive, naive, naive)}


def shape(name: str, layers: int) -> object:
    """Return the catalog's shape cut to its first layers."""
    row = catalog.find(name)
    if row is None:
        raise SystemExit(f"{name} is not in the catalog")
    arch = read_architecture(catalog.configuration(row))
    return replace(arch, layers=arch.layers[:layers])


def main() -> int:
    """Calibrate where asked, measure in rounds, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--takes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--depths", default="128,1024,4096")
    asked = parser.parse_args()
    depths = [int(part) for part in asked.depths.split(",")]
    machine = detect()
    if asked.calibrate:
        save(calibrate(machine, threads=asked.threads, now=time.time(), say=print), machine)
    machine = with_calibration(machine)
    if machine.calibration is None:
        print("this machine is not calibrated; pass --calibrate, or run: sizewise calibrate")
        return 1
    rounds = 2
    seen: dict[str, dict[str, Seen]] = {}
    with tempfile.TemporaryDirectory() as work:
        for number in range(rounds):
            for name, mix, layers in SHAPES:
                path = Path(work) / f"{name.split('/')[1]}.gguf"
                if not path.exists():
                    write_sparse_gguf(path, shape(name, layers), mix)
                    os.sync()
                own = seen.setdefault(name, {})
                measure(path, depths, -(-asked.takes // rounds), asked.threads, own, number)
                if number == 0:
                    own["load"].quiet.clear()  # the first load fills the page cache
    return report(machine, seen, depths)


def report(machine: Machine, seen: dict[str, dict[str, Seen]], depths: list[int]) -> int:
    """Print every quantity and the medians by kind."""
    errors: dict[str, list[float]] = {"decode": [], "prompt": [], "first token": [], "load": [], "naive decode": []}
    inside = total = noisy = 0
    for name, mix, layers in SHAPES:
        guess, own = predicted(machine, name, mix, layers, depths), seen[name]
        for what, (value, low, high) in guess.items():
            if what == "naive":
                continue
            true = own[what].value()
            noisy += not own[what].quiet
            errors[what.split()[0]].append(abs(value / true - 1))
            inside += low <= true <= high
            total += 1
            if what.startswith("decode"):
                errors["naive decode"].append(abs(guess["naive"][0] / true - 1))
                first = what.replace("decode", "prompt")
                ttft = own[first].value() + true
                errors["first token"].append(abs((guess[first][0] + value) / ttft - 1))
            print(f"{name.split('/')[1]:22s} {mix:7s} {what:12s} measured {true:9.4f} s, predicted {value:9.4f} "
                  f"({value / true - 1:+.0%})")  # fmt: skip
    medians = {kind: quantile(values, 0.5) for kind, values in errors.items()}
    bars = {"decode": 0.12, "prompt": 0.15, "first token": 0.15, "load": 0.25}
    text = ", ".join(f"{kind} {medians[kind]:.1%} (bar {bar:.0%})" for kind, bar in bars.items())
    if noisy:
        print(f"{noisy} of {total} quantities had no quiet take: others used the machine")
    print(
        f"median errors: {text}; naive decode {medians['naive decode']:.1%}; {inside / total:.0%} inside the 90 % ranges"
    )
    return 0 if all(medians[kind] <= bar for kind, bar in bars.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
