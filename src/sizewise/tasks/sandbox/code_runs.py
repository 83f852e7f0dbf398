"""Calling functions of generated code inside the sandbox: cases in, results and counted work out.

Expected results never enter the sandbox: the caller compares. Each program runs in a process of its own inside, so
that one cannot touch what another said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sizewise.errors import SandboxRefused
from sizewise.tasks.sandbox.base import Job, Limits, Outcome, Status

Run = Callable[[Job], Outcome]

_HARNESS = '''
import json, os, signal, sys

spec = json.loads(sys.stdin.read())
sys.stdin.close()


class Late(BaseException):
    pass


def late(signum, frame):
    raise Late()


class Counted(int):
    """A number that counts what is done with it."""

    work = 0


def counting(operation):
    def method(self, *others):
        Counted.work += 1
        result = operation(self, *others)
        return Counted(result) if type(result) is int and others else result
    return method


for name in "add radd sub rsub mul rmul mod floordiv lt le gt ge eq ne hash".split():
    setattr(Counted, f"__{name}__", counting(getattr(int, f"__{name}__")))


def counted(value):
    if type(value) is int:
        return Counted(value)
    if isinstance(value, list):
        return [counted(item) for item in value]
    if isinstance(value, dict):
        return {key: counted(item) for key, item in value.items()}
    return value


def lines(frame, event, argument):
    if event == "line":
        Counted.work += 1
    return lines


def plain(value):
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return {"set": sorted((plain(item) for item in value), key=repr)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return {"repr": repr(value)[:200]}


def run(program):
    """Run one program's calls in this process; return a list of {"ok": ...} or {"error": ...}."""
    names = {"__name__": "answer"}
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, spec["seconds"])
    try:
        for source in program["sources"]:
            exec(compile(source, "answer.py", "exec"), names)
    except Late:
        return {"load": "timeout"}
    except BaseException as error:
        return {"load": f"{type(error).__name__}: {error}"[:300]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if program.get("tests"):
        return tests(names)
    results = []
    for arguments in program["calls"]:
        Counted.work = 0
        values = counted(arguments) if program.get("count") else arguments
        signal.setitimer(signal.ITIMER_REAL, spec["seconds"])
        try:
            if program.get("count"):
                sys.settrace(lines)
            value = names[program["function"]](*values)
            sys.settrace(None)
            work = Counted.work
            results.append({"ok": plain(value), "work": work})
        except Late:
            results.append({"error": "timeout"})
        except BaseException as error:
            results.append({"error": f"{type(error).__name__}: {error}"[:200]})
        finally:
            sys.settrace(None)
            signal.setitimer(signal.ITIMER_REAL, 0)
    return {"results": results}


def tests(names):
    """Call every test_ function; return how many there were and the first failure."""
    found = [value for key, value in names.items() if key.startswith("test") and callable(value)]
    for test in found:
        signal.setitimer(signal.ITIMER_REAL, spec["seconds"])
        try:
            test()
        except Late:
            return {"tests": len(found), "failed": "timeout"}
        except BaseException as error:
            return {"tests": len(found), "failed": f"{type(error).__name__}: {error}"[:200]}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return {"tests": len(found), "failed": None}


out = os.dup(1)
os.set_inheritable(out, False)
null = os.open(os.devnull, os.O_RDWR)
for number in (0, 1, 2):
    os.dup2(null, number)
replies = []
for program in spec["programs"]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(out)
        reply = json.dumps(run(program)).encode()
        while reply:
            reply = reply[os.write(writing, reply):]
        os._exit(0)
    os.close(writing)
    parts = []
    while part := os.read(reading, 65536):
        parts.append(part)
    os.close(reading)
    os.waitpid(child, 0)
    try:
        replies.append(json.loads(b"".join(parts)))
    except ValueError:
        replies.append({"load": "ended without an answer"})
text = json.dumps(replies).encode()
while text:
    text = text[os.write(out, text):]
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Sources executed in order into one namespace, then calls of one function or all its tests."""

    sources: tuple[str, ...]
    function: str = ""
    calls: Sequence[Sequence[Any]] = ()
    count: bool = False
    """Count the work of each call: lines executed plus operations on the numbers given."""
    tests: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one program said."""

    results: tuple[dict[str, Any], ...] = ()
    """For each call {"ok": value, "work": count} or {"error": why}; tuples come back as lists."""
    load_error: str | None = None
    """Why the sources could not be executed, or why nothing came back."""
    tests: int = 0
    failed_test: str | None = None


def run_programs(programs: Sequence[Program], run: Run, limits: Limits, call_s: float = 2.0) -> list[Reply]:
    """Return each program's reply, all run in one sandbox. Raises `SandboxRefused` when the sandbox cannot start."""
    spec = {
        "seconds": call_s,
        "programs": [
            {
                "sources": list(program.sources),
                "function": program.function,
                "calls": [list(call) for call in program.calls],
                "count": program.count,
                "tests": program.tests,
            }
            for program in programs
        ],
    }
    outcome = run(Job(code=_HARNESS, stdin=json.dumps(spec), limits=limits))
    if outcome.status is Status.BROKEN:
        raise SandboxRefused(f"the sandbox could not start: {outcome.stderr.strip()[-300:]}")
    try:
        raw = json.loads(outcome.stdout) if outcome.status is Status.OK else []
    except ValueError:
        raw = []
    if not isinstance(raw, list) or len(raw) != len(programs):
        return [Reply(load_error=f"the run ended as {outcome.status.value}") for _ in programs]
    return [_reply(item) for item in raw]


def _reply(raw: dict[str, Any]) -> Reply:
    if "load" in raw:
        return Reply(load_error=str(raw["load"]))
    if "tests" in raw:
        return Reply(tests=int(raw["tests"]), failed_test=raw["failed"])
    return Reply(results=tuple(raw.get("results", ())))
