"""Regular expressions of the user's, matched where a catastrophic pattern cannot hang the study.

Matching happens in a small child process that is killed when it takes too long; the child is started again for the
next answer. It does not cover patterns of other dialects than Python's `re`.
"""

from __future__ import annotations

import json
import re
import selectors
import subprocess
import sys
import threading
import weakref
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.scorers.plain import accepted

_CHILD = """
import json, re, sys
for line in sys.stdin.buffer:
    pattern, text = json.loads(line)
    match = re.search(pattern, text)
    found = None if match is None else [match.group(0) == text, match.group(1) if match.re.groups else match.group(0)]
    sys.stdout.buffer.write(json.dumps(found).encode() + b"\\n")
    sys.stdout.buffer.flush()
"""
_TEXT_CHARS = 100_000


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue


class PatternMatcher:
    """Matches in a child process with a time limit; one call at a time, safe to share between threads."""

    def __init__(self, timeout_s: float = 1.0) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._child, self._finalizer = child, weakref.finalize(self, _end, child)
        return child

    def close(self) -> None:
        """End the child process, if one runs."""
        if self._finalizer is not None:
            self._finalizer()
        self._child = self._finalizer = None

    def search(self, pattern: str, text: str) -> tuple[bool, str | None] | None:
        """Return (whole text matched, group 1 or the match), None when nothing matches.

        Raises `TimeoutError` when the engine did not answer in time. Only the first 100,000 characters are read.
        """
        with self._lock:
            child = self._child or self._start()
            stdin, stdout = child.stdin, child.stdout
            if stdin is None or stdout is None:
                raise RuntimeError("the pattern matcher has no pipes")
            try:
                stdin.write(json.dumps([pattern, text[:_TEXT_CHARS]]).encode() + b"\n")
                stdin.flush()
                with selectors.DefaultSelector() as selector:
                    selector.register(stdout, selectors.EVENT_READ)
                    reply = stdout.readline() if selector.select(self._timeout_s) else b""
            except BrokenPipeError:
                reply = b""
            if not reply:
                self.close()
                raise TimeoutError(f"the pattern {pattern!r} was not decided within {self._timeout_s:g} s")
            found = json.loads(reply)
            return None if found is None else (bool(found[0]), found[1])


def regex(pattern: str | None = None, timeout_s: float = 1.0) -> Scorer:
    r"""Return a scorer that is 1 when the answer matches a pattern.

    With `pattern` holding a group, what the group caught is compared with the target; without a group a match is
    enough. Without `pattern`, the sample's target is the pattern. The whole answer must match to be right; lenient
    takes a match anywhere. A pattern that takes over `timeout_s` scores 0 and says so.

    >>> from sizewise.tasks.scorers.answers import completion
    >>> regex(r"(\d+) apples")(Sample(id="1", prompt="", target="12"), completion("12 apples")).value
    1.0
    """
    if pattern is not None:
        check_pattern(pattern)
    matcher = PatternMatcher(timeout_s)

    def score(sample: Sample, answer: Completion) -> Score:
        rule = pattern if pattern is not None else check_pattern(str(sample.target))
        try:
            found = matcher.search(rule, answer.text.strip())
        except TimeoutError as error:
            return judged(sample, answer, value=0.0, valid=False, explanation=str(error))
        if found is None:
            return judged(sample, answer, value=0.0, valid=False, lenient=0.0, explanation="the pattern does not match")
        whole, caught = found
        right = pattern is None or not re.compile(rule).groups or caught in accepted(sample.target)
        return judged(sample, answer, value=float(whole and right), valid=whole, lenient=float(right))

    return score


def check_pattern(pattern: str) -> str:
    """Return the pattern; raise `ConfigError` when it is no regular expression."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(
            f"the pattern {pattern!r} is no regular expression ({error}); expected Python's syntax. "
            "Escape special characters with a backslash."
        ) from None
    return pattern
