"""Client CPU and speed of the evaluation engine against a bare loop, and against other harnesses, on one server.

    python benchmarks/evaluation_overhead.py [--inspect PYTHON] [--lm-eval PYTHON]

Everything asks the same instant mock server (a process of its own; 16 tokens, one event each). The bare loop is
aiohttp on uvloop at concurrency 100 that streams, stamps the first token and keeps the text; ours does that,
scores every answer and stores every trial. Rounds alternate and the median ratio counts. PYTHON is an
interpreter with inspect-ai (and openai), or with lm-eval[api]; without it that ratio is not measured.
lm-evaluation-harness (which does not stream) scores and stores every sample too. Its start takes seconds, so a round is
a run of N and one of 5N samples, and their difference counts; starts are told apart. Inspect times its own run.
Bars: CPU per sample at most 1.6x the bare loop, samples/s at least 30x Inspect and 4x lm-evaluation-harness.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop

from sizewise.evaluation.running import Arm, evaluate_ready
from sizewise.records import Candidate, Completion, Sample, Score, Settings
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.store.database import Store
from sizewise.tasks.base import Task
from sizewise.testing.mock_server import MockPlan, MockProcess

CONCURRENCY = 100
OTHERS_CONCURRENCY = 20
PLAN = MockPlan(tokens=16, keep_truth=False)


async def bare(url: str, count: int) -> None:
    """Stream, stamp the first token, keep the text: the least that a client can do."""
    import asyncio

    numbers = iter(range(count))
    kept: list[tuple[float, float, str]] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def worker() -> None:
            for number in numbers:
                body = {
                    "model": "mock",
                    "messages": [{"role": "user", "content": f"question {number}"}],
                    "max_tokens": 256,
                    "temperature": 0.0,
                    "stream": True,
                    "stream_options": {"include_usage": True},
                }
                began, first, parts = time.monotonic(), 0.0, []
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    async for line in response.content:
                        if line.startswith(b"data: {"):
                            first = first or time.monotonic()
                            choices = json.loads(line[6:])["choices"]
                            if choices and (text := choices[0]["delta"].get("content")):
                                parts.append(text)
                kept.append((first - began, time.monotonic() - began, "".join(parts)))

        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    if len(kept) != count or not all(text for _, _, text in kept):
        raise SystemExit("the bare loop lost answers")


def score(sample: Sample, completion: Completion) -> Score:
    """Judge by exact match."""
    return Score(value=float(completion.text.strip() == sample.target))


async def ours(url: str, count: int, path: Path) -> None:
    """Ask, judge and store through the engine, as a study does."""
    target = " ".join(f"w{index}" for index in range(PLAN.tokens))
    task = Task(
        name="mock",
        samples=[Sample(id=str(n), prompt=f"question {n}", target=target) for n in range(count)],
        score=score,
    )
    settings = Settings(concurrency=CONCURRENCY)
    candidate = Candidate(name="mock", model="mock", runtime="openai", endpoint=url, settings=settings)
    runtime = OpenAIRuntime(url, "mock")
    engine = await runtime.start()
    arm = Arm(candidate, runtime, engine, task)
    samples = {sample.id: sample for sample in task.samples}
    right = 0
    with Store(path) as store:
        async for trials in evaluate_ready(arm, [(sample, 0) for sample in task.samples]):
            store.add_trials("bench", trials, [(trial.prompt_hash, samples[trial.key.sample]) for trial in trials])
            right += sum(trial.score is not None and trial.score.value == 1.0 for trial in trials)
    await runtime.close()
    if right != count:
        raise SystemExit(f"{right} of {count} answers were right; expected all")


def timed(run: object) -> tuple[float, float]:
    """Return (CPU seconds, wall seconds) of a coroutine on uvloop."""
    cpu, wall = time.process_time(), time.monotonic()
    uvloop.run(run)  # type: ignore[arg-type]
    return time.process_time() - cpu, time.monotonic() - wall


INSPECT = """
import sys, time
from inspect_ai import Task, eval as run
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
n = int(sys.argv[2])
task = Task(dataset=[Sample(input=f"question {i}", target="w1") for i in range(n)], solver=generate(),
            scorer=includes())
began = time.monotonic()
log = run(task, model="openai-api/mock/mock", model_base_url=sys.argv[1], max_connections=int(sys.argv[3]),
          max_samples=int(sys.argv[3]), display="none", log_dir=sys.argv[4], log_realtime=False)[0]
assert log.status == "success", log.error
print(n / (time.monotonic() - began))
"""


def inspect_speed(python: str, url: str, count: int) -> float:
    """Return samples/s of Inspect, import and start-up left out."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-c", INSPECT, url, str(count), str(OTHERS_CONCURRENCY), folder]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "MOCK_API_KEY": "none"},
            timeout=900,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"Inspect failed: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def lm_eval_cost(python: str, url: str, count: int) -> tuple[float, float]:
    """Return (wall seconds, CPU seconds) of lm-evaluation-harness on `count` samples, start-up included."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"q": f"question {n}", "a": "w1"} for n in range(count)]
        Path(folder, "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        Path(folder, "mock.yaml").write_text(
            "task: mock\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: "
            f"{folder}/rows.jsonl\ntest_split: test\noutput_type: generate_until\ndoc_to_text: '{{{{q}}}}'\n"
            "doc_to_target: '{{a}}'\ngeneration_kwargs:\n  until: []\nmetric_list:\n  - metric: exact_match\n"
        )
        arguments = f"model=mock,base_url={url}/chat/completions,num_concurrent={CONCURRENCY},tokenized_requests=False"
        command = [python, "-m", "lm_eval", "--model", "local-chat-completions", "--model_args", arguments]
        command += ["--tasks", "mock", "--include_path", folder, "--apply_chat_template", "--output_path", folder]
        command += ["--log_samples"]
        began, cpu = time.monotonic(), children_cpu_s()
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            raise SystemExit(f"lm-eval failed: {done.stderr[-2000:]}")
        wall, cpu = time.monotonic() - began, children_cpu_s() - cpu
        stored = sum(len(path.read_text().splitlines()) for path in Path(folder).rglob("samples_*.jsonl"))
        if stored != count:
            raise SystemExit(f"lm-eval stored {stored} of {count} samples; expected all")
        return wall, cpu


def children_cpu_s() -> float:
    """Return the CPU seconds of all ended child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round measured of one client: samples/s and CPU beyond its start, and the start itself."""

    speed: float
    cpu_ms: float
    start_s: float


def lm_eval_round(python: str, url: str, count: int) -> Round:
    """Return a round of lm-evaluation-harness: the difference of a run of 5N and one of N samples has no start-up."""
    small_wall, small_cpu = lm_eval_cost(python, url, count)
    large_wall, large_cpu = lm_eval_cost(python, url, 5 * count)
    wall = large_wall - small_wall
    if wall <= 0:
        raise SystemExit(f"lm-eval: {small_wall:.1f} s for {count} samples, {large_wall:.1f} s for five times as many: "
                         "the machine is too busy to measure; run it again on a quiet one")  # fmt: skip
    return Round(
        speed=4 * count / wall,
        cpu_ms=1000 * (large_cpu - small_cpu) / (4 * count),
        start_s=small_wall - wall / 4,
    )


def our_round(url: str, count: int, path: Path) -> Round:
    """Return a round of ours in this process; the start is that of a fresh process that asks one sample."""
    cpu, wall = timed(ours(url, count, path))
    began = time.monotonic()
    subprocess.run([sys.executable, __file__, "--one", url], check=True)
    return Round(speed=count / wall, cpu_ms=1000 * cpu / count, start_s=time.monotonic() - began)


def middle(rounds: list[Round], name: str) -> float:
    """Return the median of one figure over the rounds."""
    return statistics.median(getattr(each, name) for each in rounds)


def against_bare(url: str, count: int, rounds: int) -> tuple[float, float]:
    """Print rounds of ours and the bare loop in turn; return the median ratio of CPU and our median samples/s."""
    ratios, speeds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            bare_cpu, bare_wall = timed(bare(url, count))
            our_cpu, our_wall = timed(ours(url, count, Path(folder, f"{number}.sqlite")))
            ratios.append(our_cpu / bare_cpu)
            speeds.append(count / our_wall)
            print(
                f"round {number + 1}: bare {1000 * bare_cpu / count:.3f} ms CPU, {count / bare_wall:,.0f}/s; "
                f"ours {1000 * our_cpu / count:.3f} ms CPU, {count / our_wall:,.0f}/s; ratio {ratios[-1]:.2f}",
                flush=True,
            )
    return statistics.median(ratios), statistics.median(speeds)


def against_lm_eval(python: str, url: str, count: int) -> tuple[bool, str]:
    """Print three rounds of ours and lm-eval in turn; return whether the bar holds, and the words."""
    lm_eval_cost(python, url, 1)  # the first start is cold
    mine, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            mine.append(our_round(url, 5 * count, Path(folder, f"{number}.sqlite")))
            theirs.append(lm_eval_round(python, url, count))
            for name, each in (("ours", mine[-1]), ("lm-eval", theirs[-1])):
                print(
                    f"round {number + 1}: {name:8} {each.speed:,.0f}/s and {each.cpu_ms:.3f} ms CPU a sample beyond "
                    f"the start, {each.start_s:.1f} s to start",
                    flush=True,
                )
    ratio = statistics.median(our.speed / other.speed for our, other in zip(mine, theirs, strict=True))
    return ratio >= 4, (
        f"{ratio:.1f}x lm-eval at {middle(theirs, 'speed'):,.0f}/s (bar 4; by CPU "
        f"{middle(theirs, 'cpu_ms') / middle(mine, 'cpu_ms'):.1f}x), start {middle(mine, 'start_s'):.1f} s against "
        f"{middle(theirs, 'start_s'):.1f} s"
    )


def against_inspect(python: str, url: str, count: int) -> tuple[bool, str]:
    """Print three rounds of ours and Inspect in turn; return whether the bar holds, and the words."""
    ratios, speeds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            _, wall = timed(ours(url, count, Path(folder, f"{number}.sqlite")))
            speeds.append(inspect_speed(python, url, 400))
            ratios.append(count / wall / speeds[-1])
            print(f"round {number + 1}: ours {count / wall:,.0f}/s, Inspect {speeds[-1]:.0f}/s", flush=True)
    ratio = statistics.median(ratios)
    return ratio >= 30, f"{ratio:.0f}x Inspect at {statistics.median(speeds):.0f}/s (bar 30)"


def main() -> int:
    """Measure; return 0 where every measured bar holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inspect", default=os.environ.get("INSPECT_PYTHON"), help="python with inspect-ai, openai")
    parser.add_argument("--lm-eval", default=os.environ.get("LM_EVAL_PYTHON"), help="python with lm-eval[api]")
    parser.add_argument("--samples", type=int, default=3000, help="samples a round of ours and of the bare loop")
    parser.add_argument("--lm-eval-samples", type=int, default=1000, help="N of lm-eval's runs of N and 5N samples")
    parser.add_argument("--rounds", type=int, default=5, help="rounds against the bare loop")
    parser.add_argument("--one", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            uvloop.run(ours(options.one, 1, Path(folder, "one.sqlite")))
        return 0
    with MockProcess(PLAN) as server:
        ratio, speed = against_bare(server.url, options.samples, options.rounds)
        verdicts, words = [ratio <= 1.6], [f"CPU {ratio:.2f}x bare (bar 1.6)"]
        if options.inspect:
            good, told = against_inspect(options.inspect, server.url, options.samples)
            verdicts, words = [*verdicts, good], [*words, told]
        else:
            words.append("Inspect not measured: no --inspect PYTHON")
        if options.lm_eval:
            good, told = against_lm_eval(options.lm_eval, server.url, options.lm_eval_samples)
            verdicts, words = [*verdicts, good], [*words, told]
        else:
            words.append("lm-eval not measured: no --lm-eval PYTHON")
    print(f"overhead: {speed:,.0f} samples/s; {'; '.join(words)}")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
