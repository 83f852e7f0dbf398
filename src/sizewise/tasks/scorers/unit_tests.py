"""Code answers judged by tests, run in the sandbox.

The target is Python text: `test_` functions, bare asserts, or HumanEval's `check(candidate)` with the function's name
in `attributes["entry_point"]`. All of it runs after the answer's code, in a process of its own.
"""

from __future__ import annotations

import secrets

from sizewise.errors import SandboxRefused
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.code_quality import parse_code, static_axes
from sizewise.tasks.sandbox.base import Job, Limits, Status
from sizewise.tasks.sandbox.run import run_python
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.text import find_code

_DRIVER = """
import os, sys
token, answer, tests, entry = sys.stdin.read().split("\\x1e")
sys.stdin.close()
out = os.dup(1)
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
names = {"__name__": "answer"}
exec(compile(answer, "answer.py", "exec"), names)
exec(compile(tests, "tests.py", "exec"), names)
if callable(names.get("check")) and entry:
    names["check"](names[entry])
for name, value in list(names.items()):
    if name.startswith("test") and callable(value):
        value()
os.write(out, token.encode())
"""


def unit_tests(timeout_s: float = 10.0, unsafe_local: bool = False) -> Scorer:
    """Return a scorer that is 1 when the target's tests pass on the answer's code.

    Valid: the answer holds Python that parses. Axes: maintainability and security (`code_quality.py`). Raises
    `SandboxRefused` where code cannot be run safely, unless `unsafe_local`.
    """
    limits = Limits(wall_s=timeout_s, cpu_s=max(1, round(timeout_s)))

    def score(sample: Sample, answer: Completion) -> Score:
        code = find_code(answer.text)
        if code is None or parse_code(code) is None:
            return judged(sample, answer, value=0.0, valid=False, explanation="no Python that parses")
        token = secrets.token_hex(16)
        entry = str(sample.attributes.get("entry_point", ""))
        stdin = "\x1e".join((token, code, str(sample.target), entry))
        outcome = run_python(Job(code=_DRIVER, stdin=stdin, limits=limits), unsafe_local=unsafe_local)
        if outcome.status is Status.BROKEN:
            raise SandboxRefused(f"the sandbox could not start: {outcome.stderr.strip()[-300:]}")
        passed = outcome.status is Status.OK and outcome.stdout == token
        last = outcome.stderr.strip().splitlines()[-1:] or [outcome.status.value]
        why = "" if passed else f"{outcome.status.value}: {last[0][:200]}"
        return judged(sample, answer, value=float(passed), explanation=why, axes=static_axes(code))

    return score
