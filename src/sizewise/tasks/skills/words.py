"""Made-up words: pronounceable, ASCII, drawn from a given random source."""

from __future__ import annotations

from random import Random

CONSONANTS = "bdfgklmnprstvz"
VOWELS = "aeiou"


def letters(rng: Random, length: int) -> str:
    """Return `length` random small letters.

    >>> len(letters(Random(1), 5))
    5
    """
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))


def word(rng: Random, pattern: str) -> str:
    """Return a word for a pattern of c (consonant) and v (vowel).

    >>> word(Random(1), "cvc")[1] in VOWELS
    True
    """
    return "".join(rng.choice(CONSONANTS if mark == "c" else VOWELS) for mark in pattern)


def distinct(rng: Random, pattern: str, count: int, without: frozenset[str] = frozenset()) -> list[str]:
    """Return `count` different words of one pattern, none of them in `without`.

    >>> len(set(distinct(Random(1), "cvc", 20)))
    20
    """
    found: dict[str, None] = {}
    while len(found) < count:
        candidate = word(rng, pattern)
        if candidate not in without:
            found[candidate] = None
    return list(found)
