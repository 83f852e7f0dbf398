"""Client CPU and speed of the evaluation engine against a bare loop, and against other harnesses, on one server.

    python benchmarks/evaluation_overhead.py [--inspect PYTHON] [--lm-eval PYTHON]

Everything asks the same instant mock server (a process of its own; 16 tokens, one event each). The bare loop is
aiohttp on uvloop at concurrency 100 that streams, stamps the first token and keeps the text; ours does that,
scores every answer and stores every trial. Rounds alternate and the median ratio counts. PYTHON is an
interpreter with inspect-ai (and openai), or with lm-eval[api]; without it that ratio is not measured.
Bars: CPU per sample at most 1.6x the bare loop, samples/s at least 30x Inspect and 4x lm-evaluation-harness.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
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


def lm_eval_seconds(python: str, url: str, count: int) -> float:
    """Return the wall seconds of lm-evaluation-harness on `count` samples, start-up included."""
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
        began = time.monotonic()
        done = subprocess.run([*command, "--log_samples"], capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            raise SystemExit(f"lm-eval failed: {done.stderr[-2000:]}")
        return time.monotonic() - began


def main() -> int:
    """Measure; return 0 where every measured bar holds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inspect", default=os.environ.get("INSPECT_PYTHON"), help="python with inspect-ai, openai")
    parser.add_argument("--lm-eval", default=os.environ.get("LM_EVAL_PYTHON"), help="python with lm-eval[api]")
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    count = options.samples
    ratios, speeds = [], []
    with MockProcess(PLAN) as server, tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            bare_cpu, bare_wall = timed(bare(server.url, count))
            our_cpu, our_wall = timed(ours(server.url, count, Path(folder, f"{number}.sqlite")))
            ratios.append(our_cpu / bare_cpu)
            speeds.append(count / our_wall)
            print(
                f"round {number + 1}: bare {1000 * bare_cpu / count:.3f} ms CPU, {count / bare_wall:,.0f}/s; "
                f"ours {1000 * our_cpu / count:.3f} ms CPU, {count / our_wall:,.0f}/s; ratio {ratios[-1]:.2f}"
            )
        ratio, speed = statistics.median(ratios), statistics.median(speeds)
        verdicts = [ratio <= 1.6]
        words = [f"CPU {ratio:.2f}x bare (bar 1.6)"]
        if options.inspect:
            other = inspect_speed(options.inspect, server.url, 400)
            verdicts.append(speed >= 30 * other)
            words.append(f"{speed / other:.0f}x Inspect at {other:.0f}/s (bar 30)")
        else:
            words.append("Inspect not measured: no --inspect PYTHON")
        if options.lm_eval:
            start = min(lm_eval_seconds(options.lm_eval, server.url, 1) for _ in range(2))  # the first is cold
            whole = min(lm_eval_seconds(options.lm_eval, server.url, count + 1) for _ in range(2))
            if whole <= start:
                raise SystemExit(
                    f"lm-eval took {start:.1f} s for 1 sample, {whole:.1f} s for {count}: machine too busy"
                )
            other = count / (whole - start)
            verdicts.append(speed >= 4 * other)
            words.append(f"{speed / other:.1f}x lm-eval at {other:.0f}/s, {start:.0f} s to start (bar 4)")
        else:
            words.append("lm-eval not measured: no --lm-eval PYTHON")
    print(f"overhead: {speed:,.0f} samples/s; {'; '.join(words)}")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
