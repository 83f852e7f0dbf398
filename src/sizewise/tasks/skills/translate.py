"""Translation between two made-up languages with different words and word order."""

from __future__ import annotations

from functools import cache
from random import Random

from sizewise.tasks.skills.draw import Draw
from sizewise.tasks.skills.words import distinct

KINDS = ("noun", "verb", "adjective")
WORDS_PER_KIND = 16


@cache
def lexicon() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return kind of word -> pairs of one language's word and the other's; the same everywhere."""
    rng = Random(42)
    left = distinct(rng, "cvc", len(KINDS) * WORDS_PER_KIND)
    right = distinct(rng, "vcv", len(KINDS) * WORDS_PER_KIND)
    pairs = tuple(zip(left, right, strict=True))
    return {kind: pairs[i * WORDS_PER_KIND : (i + 1) * WORDS_PER_KIND] for i, kind in enumerate(KINDS)}


def translate(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a word, a noun phrase or a sentence to translate.

    The first language says adjective noun and subject verb object, the second noun adjective and
    subject object verb.
    """
    noun, verb, adjective = (rng.choice(lexicon()[kind]) for kind in KINDS)
    other = rng.choice(lexicon()["noun"])
    if level <= 1:
        source, target = [noun], [noun]
    elif level == 2:
        source, target = [adjective, noun], [noun, adjective]
    else:
        source, target = [adjective, noun, verb, other], [noun, adjective, other, verb]
    text = " ".join(pair[0] for pair in source)
    return (Draw(prompt=f"tr {text}\n", answer=" ".join(pair[1] for pair in target), item=text),)
