"""Did the server read the whole prompt? Its own token count against what was sent.

Some servers drop what does not fit and answer with HTTP 200. Does not see a loss of less than about 55 % of a prompt,
nor one where every prompt was cut from the first on to the same share.
"""

from __future__ import annotations

_LEAST_BYTES = 1024
"""Shorter prompts are not judged: templates and special tokens blur the ratio."""
_MOST_BYTES_PER_TOKEN = 12.0
"""English has about 4.5, source code 3; no common tokenizer reaches 12 on running text."""
_ENOUGH = 5
"""Prompts seen before the server's own ratio is trusted."""


class ContextWatch:
    """Learns how many tokens this server counts per byte, and tells when a prompt has far too few."""

    __slots__ = ("_least_ratio", "_most_bytes", "_seen")

    def __init__(self) -> None:
        self._seen = 0
        self._least_ratio = 0.0
        self._most_bytes = 0

    def loss(self, sent_bytes: int, told_tokens: int | None) -> str | None:
        """Return the reason when the server cannot have read `sent_bytes`, None when all seems well.

        >>> watch = ContextWatch()
        >>> [watch.loss(800 + n, 200) for n in range(5)]
        [None, None, None, None, None]
        >>> watch.loss(40_000, 4_096)
        'the server counted 4,096 tokens for a prompt of 40,000 bytes; by its own earlier counts at least 9,950 ...'
        """
        if not told_tokens or not sent_bytes:
            return None
        ratio = told_tokens / sent_bytes
        if sent_bytes >= _LEAST_BYTES:
            if ratio * _MOST_BYTES_PER_TOKEN < 1:
                least = round(sent_bytes / _MOST_BYTES_PER_TOKEN)
                return _words(told_tokens, sent_bytes, f"any tokenizer gives at least {least:,}")
            longer = sent_bytes > 1.5 * self._most_bytes
            if self._seen >= _ENOUGH and longer and ratio < 0.45 * self._least_ratio:
                least = round(self._least_ratio * sent_bytes)
                return _words(told_tokens, sent_bytes, f"by its own earlier counts at least {least:,}")
        self._least_ratio = min(self._least_ratio, ratio) if self._seen else ratio
        self._most_bytes = max(self._most_bytes, sent_bytes)
        self._seen += 1
        return None


def _words(told: int, sent: int, least: str) -> str:
    return (
        f"the server counted {told:,} tokens for a prompt of {sent:,} bytes; {least} were expected. "
        "Part of the prompt was dropped: set context_tokens higher or start the server with more context"
    )
