"""When to ask again, when to give up, and when to stop asking a server that died. Pure: time and chance come in.

Does not cover retries of a timeout: a model that is too slow once is too slow again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import Random

from sizewise.records import ErrorClass

RETRIED = frozenset(
    (ErrorClass.CONNECT, ErrorClass.RATE_LIMITED, ErrorClass.SERVER, ErrorClass.DISCONNECTED),
)
_SERVER_IS_GONE = frozenset((ErrorClass.CONNECT, ErrorClass.SERVER, ErrorClass.DISCONNECTED, ErrorClass.TIMEOUT))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after which waits a failed request is sent again."""

    max_retries: int = 4
    base_s: float = 0.5
    max_wait_s: float = 60.0
    """A server that asks for a longer pause than this is not waited for."""

    def wait_s(self, kind: ErrorClass, attempt: int, retry_after_s: float | None, rng: Random) -> float | None:
        """Return the seconds to wait before attempt `attempt + 1` (the first is 0), None to give up.

        Exponential with full jitter in the upper half; never less than the server's Retry-After.

        >>> RetryPolicy(base_s=1.0).wait_s(ErrorClass.RATE_LIMITED, 0, 7.0, Random(0)) >= 7.0
        True
        >>> RetryPolicy().wait_s(ErrorClass.CLIENT, 0, None, Random(0)) is None
        True
        """
        if kind not in RETRIED or attempt >= self.max_retries:
            return None
        if retry_after_s is not None and retry_after_s > self.max_wait_s:
            return None
        pause = self.base_s * 2.0**attempt * (0.5 + 0.5 * rng.random())
        if retry_after_s is None:
            return min(self.max_wait_s, pause)
        return retry_after_s + 0.1 * pause


def parse_retry_after(header: str | None, now_unix_s: float) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or a date), None where there is none.

    >>> parse_retry_after("1.5", 0.0)
    1.5
    >>> parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 15.0)
    45.0
    """
    if not header:
        return None
    try:
        asked = float(header)
    except ValueError:
        pass
    else:
        return None if math.isnan(asked) else max(0.0, asked)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - now_unix_s)
    except (ValueError, TypeError, OverflowError):
        return None


class Breaker:
    """Stops asking after `threshold` failures in a row, over `grace_s` seconds, of a kind that a dead server gives.

    Closed: every request goes out. Open: none for `cool_s` seconds, then one probe; the probe's result decides.
    The grace keeps one broken moment of many parallel requests from looking like a dead server.

    >>> clock = iter((0.0, 1.0, 9.0, 9.0)).__next__
    >>> breaker = Breaker(clock, threshold=2, grace_s=5.0)
    >>> breaker.tell(ErrorClass.CONNECT); breaker.tell(ErrorClass.CONNECT); breaker.allows()
    True
    >>> breaker.tell(ErrorClass.CONNECT); breaker.allows()
    False
    """

    __slots__ = ("_cool_s", "_failures", "_grace_s", "_now", "_open", "_probe_at", "_since", "_threshold")

    def __init__(
        self, now: Callable[[], float], *, threshold: int = 8, grace_s: float = 5.0, cool_s: float = 15.0
    ) -> None:
        self._now = now
        self._threshold = threshold
        self._grace_s = grace_s
        self._cool_s = cool_s
        self._failures = 0
        self._since = 0.0
        self._open = False
        self._probe_at = 0.0

    def allows(self) -> bool:
        """Return whether a request may go out now; an allowed probe postpones the next one."""
        if not self._open:
            return True
        if self._now() < self._probe_at:
            return False
        self._probe_at = self._now() + self._cool_s
        return True

    def tell(self, failure: ErrorClass | None) -> None:
        """Take the end of a request: its error class, None for a whole answer."""
        if failure in _SERVER_IS_GONE:
            now = self._now()
            self._failures += 1
            if self._failures == 1:
                self._since = now
            if not self._open and self._failures >= self._threshold and now - self._since >= self._grace_s:
                self._open = True
                self._probe_at = now + self._cool_s
        elif failure is None:
            self._failures = 0
            self._open = False

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures
