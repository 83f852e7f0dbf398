"""One command for the whole question: quality, knee, tokens/s, energy and cost of an accepted answer, for each size.

Every model of the shipped ladder runs behind a real llama.cpp server; the same requests give quality and
latency. The knee is searched at a loose limit, and the verdict is asked again at a tight one. Bar: every size
has a score, a knee, tokens/s, joules with their range and a cost per accepted answer at the loose limit, and the
verdict at the tight limit is another than at the loose one.

Usage: python benchmarks/load_ladder.py [TASK] [MODEL...]
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from statistics import median

from sizewise.evaluation.running import plain_request
from sizewise.ladder import family
from sizewise.loadgen.appraisal import Appraisal, Ask, Choice, appraise, cheapest
from sizewise.loadgen.launch import launched
from sizewise.loadgen.plan import LoadPlan, Slo
from sizewise.records import Candidate, Completion, Estimate, Settings, TaskRef
from sizewise.tasks.loading import load_task

PLAN = LoadPlan(duration_s=4.0, warmup_s=0.5, timeout_s=10.0)
SLOTS = 2


async def one(name: str, ask: Ask, task_ref: str) -> Appraisal:
    """Launch one model and appraise it under this limit with the task's own prompts."""
    task = load_task(TaskRef(ref=task_ref, samples=100))
    settings = Settings(
        max_output_tokens=task.max_output_tokens, stop=task.stop, chat=False, concurrency=SLOTS, threads=1
    )
    candidate = Candidate(name=name, model=name, settings=settings)
    requests = [plain_request(sample, candidate) for sample in task.samples]

    def judge(prompt: int, answer: Completion) -> float:
        return task.score(task.samples[prompt], answer).value

    async with launched(family.path(name), settings) as server:
        return await appraise(
            name, server.endpoint, replace(ask, requests=requests, judge=judge), server_pids=server.pids
        )


def show(found: list[Appraisal], choice: Choice, slo: Slo) -> None:
    """Print one table."""
    print(f"\nlimit: {slo.text()}")
    print(f"{'model':>12} {'score':>6} {'knee/s':>7} {'accepted':>8} {'tokens/s':>8} {'J/accepted':>22} $/accepted")
    for a in found:
        per, quality = a.per_accepted, a.quality
        knee = a.knee.knee.value if a.knee is not None else 0.0
        score = f"{quality.value:.2f}" if quality else "-"
        share = f"{per.accepted_share.value:.0%}" if per else "0%"
        tokens = a.result.summary.output_tokens_per_s
        joules = ranged(per.joules) if per else "-"
        print(
            f"{a.name:>12} {score:>6} {knee:7.3g} {share:>8} {tokens:8.0f} {joules:>22} "
            f"{ranged(per.usd) if per else '-'}"
        )
    print(f"verdict: {choice.name or 'none'}: {choice.because}")


def ranged(value: Estimate | None) -> str:
    """Return a figure with its range."""
    return "-" if value is None else f"{value.value:.2g} ({value.low:.1g} to {value.high:.1g})"


def complete(a: Appraisal) -> bool:
    """Return whether everything that the question asks for is there."""
    per = a.per_accepted
    return bool(
        a.quality and a.knee and a.knee.knee.value > 0 and a.result.summary.output_tokens_per_s > 0
        and a.result.energy.joules and (a.quality.value == 0 or (per and per.joules and per.usd))
    )  # fmt: skip


def tighter(found: list[Appraisal], chosen: Choice) -> float:
    """Return a limit that the chosen model misses: half its median total time at the knee."""
    at = next((a for a in found if a.name == chosen.name), found[-1])
    return 0.5 * median(s.done_s - s.intended_s for s in at.result.shots if s.error is None)


async def main() -> int:
    """Print both tables; 0 when the bar holds."""
    task = sys.argv[1] if len(sys.argv) > 1 else "add2"
    names = sys.argv[2:] or [found.name for found in family.base()]
    print(f"task {task}, llama.cpp server, 1 thread, {SLOTS} slots, money is electricity alone")
    loose = Slo(total_s=2.0)
    ask = Ask(plan=PLAN, slo=loose, knee=True, audit=False, resolution=1.5)
    first = [await one(name, ask, task) for name in names]
    chosen = cheapest(first, ask)
    show(first, chosen, loose)
    tight = Slo(total_s=tighter(first, chosen))
    second = [await one(name, replace(ask, slo=tight), task) for name in names]
    again = cheapest(second, replace(ask, slo=tight))
    show(second, again, tight)
    whole = all(complete(a) for a in first)
    changed = chosen.name is not None and again.name != chosen.name
    good = whole and changed
    print(
        f"{sum(map(complete, first))} of {len(first)} sizes complete (bar all); verdict {chosen.name} at "
        f"{loose.text()}, {again.name or 'none'} at {tight.text()} (bar: another): {'holds' if good else 'FAILS'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
