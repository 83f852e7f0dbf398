"""Code: completion, bug fixes, refactoring, tests scored by the mutants they kill, optimising by measured work, safety.

Axes: correctness (value), efficiency (counted work), maintainability and security (`code_quality.py`). Answers run in
the sandbox only; right results never enter it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any

from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.code_quality import functions, parse_code, security_findings, shape, static_axes
from sizewise.tasks.packs.base import Draft, Kind, Pack
from sizewise.tasks.packs.problems import pipeline, problem, slow_problem, unsafe_problem
from sizewise.tasks.packs.programs import NAME, Problem, mutants, results
from sizewise.tasks.sandbox.base import Job, Limits, Outcome
from sizewise.tasks.sandbox.code_runs import Program, Reply, run_programs
from sizewise.tasks.sandbox.run import run_python
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.text import find_code

Run = Callable[[Job], Outcome]
_LIMITS = Limits(wall_s=20.0, cpu_s=15)
_CLOSE = " Reply with one Python code block only; no input, no output, no examples."
WORK_BAR = 2.5
"""Optimising: most work allowed, as a multiple of our fast program's on the big call."""
_MOST_MUTANTS = 12


def _fenced(source: str) -> str:
    return f"```python\n{source}```"


def _draft(instruction: str, other: str, payload: str, task: Problem, right: str, wrong: str, **target: Any) -> Draft:
    return Draft(
        instruction=instruction + _CLOSE,
        paraphrase=other + _CLOSE,
        payload=payload,
        target={"calls": [list(call) for call in task.calls], "results": results(task.source, task.calls), **target},
        oracle=_fenced(right),
        wrong=_fenced(wrong),
        broken=f"The function would look like this:\n\ndef {NAME} takes its argument and (see above",
    )


def _constant(task: Problem) -> str:
    return f"def {task.signature}:\n    return 'nothing'\n"


def _complete(rng: Random, level: int) -> Draft:
    task = problem(rng, level)
    return _draft(
        f"Write the Python function {task.signature}. {task.says}",
        f"Implement {task.signature} in Python so that it does this: {task.says}",
        "",
        task,
        task.source,
        _constant(task),
    )


def _with_mutants(rng: Random, level: int) -> tuple[Problem, list[str]]:
    """Return a problem that has faulty versions, and these."""
    while True:
        task = problem(rng, level)
        if len(faulty := mutants(task)) >= 2:
            return task, faulty


def _fix(rng: Random, level: int) -> Draft:
    task, versions = _with_mutants(rng, level)
    faulty = rng.choice(versions)
    return _draft(
        f"This function has a bug. It should do the following: {task.says} Give the corrected function.",
        f"Find and repair the mistake. What {NAME} must do: {task.says}",
        _fenced(faulty),
        task,
        task.source,
        faulty,
    )


def _refactor(rng: Random, level: int) -> Draft:
    task = pipeline(rng, level + 1)
    goal = shape(task.source)
    now = shape(task.clumsy)
    while goal is None or now is None or now.complexity <= goal.complexity + 2:
        task = pipeline(rng, level + 1)
        goal, now = shape(task.source), shape(task.clumsy)
    allowed = {"complexity": goal.complexity, "nesting": 1, "lines": goal.lines + 3}
    return _draft(
        "Make this function simpler without changing what it returns: cyclomatic complexity at most "
        f"{allowed['complexity']}, no nested blocks, at most {allowed['lines']} lines.",
        f"Refactor {NAME}: same results, at most {allowed['lines']} lines, blocks not nested, cyclomatic complexity "
        f"{allowed['complexity']} or less.",
        _fenced(task.clumsy),
        task,
        task.source,
        task.clumsy,
        shape=allowed,
    )


def _tests(rng: Random, level: int) -> Draft:
    task, faulty = _with_mutants(rng, level)
    faulty = rng.sample(faulty, min(len(faulty), _MOST_MUTANTS))
    right = results(task.source, task.calls)
    lines = [
        f"def test_{number}():\n    assert {NAME}({', '.join(map(repr, call))}) == {value!r}\n"
        for number, (call, value) in enumerate(zip(task.calls, right, strict=True))
    ]
    call = ", ".join(map(repr, task.calls[0]))
    return _draft(
        f"Write tests for the function below: functions test_1, test_2, ... without arguments, with plain asserts on "
        f"{NAME}(...). They must pass on this function and fail on faulty versions of it. {task.says}",
        f"The function {NAME} is right. Write test functions (names begin with test_, plain assert) that would "
        f"catch mistakes in other versions of it. {task.says}",
        _fenced(task.source),
        task,
        "\n".join(lines),
        f"def test_1():\n    assert {NAME}({call}) == 'something else'\n",
        source=task.source,
        mutants=faulty,
    )


def _optimise(rng: Random, level: int) -> Draft:
    task = slow_problem(rng, level)
    return _draft(
        f"This function is right but slow: {task.says} Write it so that the work grows at most like n log n.",
        f"Speed {NAME} up without changing its results; quadratic work is too much. What it does: {task.says}",
        _fenced(task.slow),
        task,
        task.source,
        task.slow,
        big_call=list(task.big_call),
        big_result=results(task.source, [task.big_call])[0],
        source=task.source,
    )


def _safe(rng: Random, level: int) -> Draft:
    task = unsafe_problem(rng, level)
    return _draft(
        f"Write the Python function {task.signature}. {task.says}",
        f"Implement {task.signature}: {task.says}",
        "",
        task,
        task.source,
        task.unsafe,
        safe=True,
    )


# --------------------------------------------------------------------------- scoring


def same(seen: Any, wanted: Any) -> bool:
    """Return whether a result from the sandbox is the wanted one; tuples and lists are alike, True is not 1.

    >>> same([1, 2], [1, 2]), same(1, True)
    (True, False)
    """
    return json.dumps(seen, sort_keys=True) == json.dumps(wanted, sort_keys=True)


def _passed(reply: Reply, wanted: Sequence[Any]) -> int:
    return sum("ok" in seen and same(seen["ok"], goal) for seen, goal in zip(reply.results, wanted, strict=False))


def _readable(answer: Completion) -> str | None:
    """Return the answer's code when it parses and defines what was asked or tests, else None."""
    code = find_code(answer.text)
    if code is None or parse_code(code) is None:
        return None
    names = functions(code)
    return code if NAME in names or any(name.startswith("test") for name in names) else None


def _no_code(sample: Sample, answer: Completion) -> Score:
    return judged(sample, answer, value=0.0, valid=False, explanation=f"no Python that parses and defines {NAME}")


def _score_calls(run: Run, sample: Sample, answer: Completion) -> Score:
    """Return 1 when all calls give the right results (and, where asked, the code is simple or safe enough)."""
    code = _readable(answer)
    if code is None or NAME not in functions(code):
        return _no_code(sample, answer)
    target = sample.target
    reply = run_programs([Program(sources=(code,), function=NAME, calls=target["calls"])], run, _LIMITS)[0]
    share = _passed(reply, target["results"]) / len(target["calls"])
    axes = {"correctness": share, **static_axes(code)}
    why = reply.load_error or ("" if share == 1 else f"{share:.0%} of the calls right")
    good = share == 1
    if good and "shape" in target:
        seen, most = shape(code), target["shape"]
        good = seen is not None and seen.complexity <= most["complexity"] and seen.nesting <= most["nesting"]
        good = good and seen is not None and seen.lines <= most["lines"]
        why = "" if good else f"right but not simple enough: {seen}"
    if good and target.get("safe") and (found := security_findings(code)):
        good, why = False, f"right but not safe: {'; '.join(found)}"
    return judged(sample, answer, value=float(good), explanation=why, axes=axes)


def _score_tests(run: Run, sample: Sample, answer: Completion) -> Score:
    """Return the share of mutants killed by tests that pass on the right program; 0 when they do not."""
    code = _readable(answer)
    if code is None or not any(name.startswith("test") for name in functions(code)):
        return _no_code(sample, answer)
    target = sample.target
    programs = [Program(sources=(source, code), tests=True) for source in (target["source"], *target["mutants"])]
    if NAME in functions(code):  # tests that bring their own function along test nothing of ours
        programs = [Program(sources=(code, program.sources[0]), tests=True) for program in programs]
    first, *others = run_programs(programs, run, _LIMITS)
    if first.load_error or first.failed_test or not first.tests:
        why = f"the tests fail on the right program: {first.load_error or first.failed_test or 'no tests'}"
        return judged(sample, answer, value=0.0, explanation=why, axes=static_axes(code))
    killed = sum(reply.failed_test is not None or reply.load_error is not None for reply in others)
    share = killed / len(others)
    axes = {"correctness": share, **static_axes(code)}
    return judged(sample, answer, value=share, explanation=f"{killed} of {len(others)} mutants killed", axes=axes)


def _score_work(run: Run, sample: Sample, answer: Completion) -> Score:
    """Return 1 when all results are right and the counted work on the big call is near that of our fast program."""
    code = _readable(answer)
    if code is None or NAME not in functions(code):
        return _no_code(sample, answer)
    target = sample.target
    big = [target["big_call"]]
    programs = [
        Program(sources=(code,), function=NAME, calls=target["calls"]),
        Program(sources=(code,), function=NAME, calls=big, count=True),
        Program(sources=(target["source"],), function=NAME, calls=big, count=True),
    ]
    small, counted, ours = run_programs(programs, run, _LIMITS)
    share = _passed(small, target["results"]) / len(target["calls"])
    right = share == 1 and _passed(counted, [target["big_result"]]) == 1
    work = counted.results[0].get("work", 0) if counted.results else 0
    least = ours.results[0].get("work", 0) if ours.results else 0
    efficiency = min(1.0, least / work) if work and right else 0.0
    fast = efficiency * WORK_BAR >= 1
    why = "" if right and fast else f"work {work}, allowed {WORK_BAR * least:.0f}" if right else "wrong results"
    axes = {"correctness": share, "efficiency": efficiency, **static_axes(code)}
    return judged(sample, answer, value=float(right and fast), explanation=why, axes=axes)


def scorers(*, unsafe_local: bool) -> dict[str, Scorer]:
    """Return each kind's scorer, running code in the sandbox, or as a plain process where that is allowed."""
    run = partial(run_python, unsafe_local=unsafe_local)
    return {
        "complete": partial(_score_calls, run),
        "fix": partial(_score_calls, run),
        "refactor": partial(_score_calls, run),
        "tests": partial(_score_tests, run),
        "optimise": partial(_score_work, run),
        "safe": partial(_score_calls, run),
    }


_SAFELY = scorers(unsafe_local=False)
PACK = Pack(
    name="code",
    title="Python: write, fix, simplify, test, speed up, keep safe",
    levels=(
        "what a program of two to four assignments prints",
        "one step on a list of numbers",
        "three steps; pairs that add up",
        "runs, groups and intervals",
        "coins, subsequences, caches, orders; searching in sorted lists",
    ),
    skills=("program",),
    kinds=(
        Kind(name="complete", make=_complete, score=_SAFELY["complete"]),
        Kind(name="fix", make=_fix, score=_SAFELY["fix"]),
        Kind(name="refactor", make=_refactor, score=_SAFELY["refactor"]),
        Kind(name="tests", make=_tests, score=_SAFELY["tests"]),
        Kind(name="optimise", make=_optimise, score=_SAFELY["optimise"]),
        Kind(name="safe", make=_safe, score=_SAFELY["safe"]),
    ),
    max_output_tokens=(512, 768, 1024, 1280),
)
