"""Does a text end in a loop?

Does not cover loops that change a little every time round, such as a list that counts on.
"""

from __future__ import annotations

_TAIL_CHARACTERS = 2000


def ending_loop(text: str) -> tuple[int, int]:
    """Return (period, length) in characters of the longest stretch at the end that repeats at least 4 times.

    (0, 0) where there is none. Only the last 2,000 characters are looked at. The period is found with the
    prefix function of the reversed tail (Knuth, Morris, Pratt 1977), in time linear in the tail.

    >>> ending_loop("The answer is so so so so so ")
    (3, 16)
    """
    tail = text[: -_TAIL_CHARACTERS - 1 : -1]
    borders = [0] * len(tail)
    best = (0, 0)
    border = 0
    for index in range(1, len(tail)):
        while border and tail[index] != tail[border]:
            border = borders[border - 1]
        if tail[index] == tail[border]:
            border += 1
        borders[index] = border
        length = index + 1
        if 4 * (length - border) <= length:
            best = (length - border, length)
    return best


def looped(text: str, *, truncated: bool) -> bool:
    """Return whether an answer ended in a loop.

    An answer that ran into its limit need only repeat 4 times over 24 characters; one that came to an end
    by itself must repeat 8 times over 200, because rules and tables repeat too.

    >>> looped("ab " * 20, truncated=True), looped("ab " * 20, truncated=False)
    (True, False)
    """
    if len(text) < (24 if truncated else 200):
        return False
    period, length = ending_loop(text)
    if truncated:
        return length >= 24
    return length >= 200 and length >= 8 * period
