"""Skills on short texts: copy, reverse, sort, naming the language, routing a message by its keyword."""

from __future__ import annotations

from random import Random

from sizewise.tasks.skills.draw import Draw
from sizewise.tasks.skills.words import letters

LENGTHS = {1: (2, 4), 2: (4, 6), 3: (6, 9)}
"""Level -> shortest and longest word, letters."""

DESKS = {
    "billing": ("invoice", "refund", "charge", "price"),
    "tech": ("crash", "error", "bug", "login"),
    "ship": ("parcel", "courier", "box", "delay"),
}
FILLER = ("my", "the", "new", "please", "help", "with", "again", "today", "we", "have", "your", "last", "about", "a")

LANGUAGES = {"alk": "bdgvzou", "bor": "ptksei", "cim": "mnlrfay"}
"""Made-up language -> its letters."""
SHARED = "chjqwx"
"""Letters of words that all languages have."""


def _length(rng: Random, level: int) -> int:
    low, high = LENGTHS[min(level, 3)]
    return rng.randint(low, high)


def copy(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return "copy WORD" with the word itself as answer; the level sets its length."""
    text = letters(rng, _length(rng, level))
    return (Draw(prompt=f"copy {text}\n", answer=text, item=text),)


def reverse(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return "reverse WORD" with the letters in opposite order as answer."""
    text = letters(rng, _length(rng, level))
    return (Draw(prompt=f"reverse {text}\n", answer=text[::-1], item=text),)


def sort(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return "sort WORD" with the letters in alphabetical order as answer."""
    text = letters(rng, _length(rng, level))
    return (Draw(prompt=f"sort {text}\n", answer="".join(sorted(text)), item=text),)


def language(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return four words of one of three made-up languages, to be named by their letters.

    At level 2 two of the words, at level 3 three of them, are such as all languages have.
    """
    name = rng.choice(tuple(LANGUAGES))
    alphabets = [LANGUAGES[name]] * (5 - max(level, 1) - (level > 1)) + [SHARED] * 4
    words = ["".join(rng.choices(alphabet, k=rng.randint(2, 4))) for alphabet in alphabets[:4]]
    rng.shuffle(words)
    text = " ".join(words)
    return (Draw(prompt=f"lang: {text}\n", answer=name, item=text),)


def route(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a short message whose keyword names the desk that should get it; level 3 negates another keyword."""
    desk = rng.choice(tuple(DESKS))
    keyword = rng.choice(DESKS[desk])
    filler = rng.choices(FILLER, k=min(level, 2) + rng.randint(1, 2))
    core = [keyword]
    if level >= 3:
        other = rng.choice([name for name in DESKS if name != desk])
        core = ["not", rng.choice(DESKS[other]), "but", keyword]
    place = rng.randint(0, len(filler))
    message = " ".join([*filler[:place], *core, *filler[place:]])
    return (Draw(prompt=f"desk: {message}\n", answer=desk, item=message),)
