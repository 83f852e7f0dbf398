"""A fixed table of made-up facts: asked from memory, asked with passages given, and names the table does not hold."""

from __future__ import annotations

from functools import cache
from random import Random

from sizewise.tasks.skills.draw import Draw
from sizewise.tasks.skills.words import distinct, word

KNOWN = {1: 64, 2: 160, 3: 384}
"""Level -> how far down the table questions reach: the first facts are asked at every level, so they are popular."""
PASSAGES = {1: 1, 2: 2, 3: 3}
"""Level -> passages given, the right one among them."""
TEMPLATES = ("home {}=", "where {}=", "find {}=", "place {}=")
PATTERN = "cvcv"
PLACES = 64


@cache
def table() -> dict[str, str]:
    """Return the table, name to place: 384 names, 64 places, the same everywhere."""
    rng = Random(20261122)
    places = distinct(rng, "cvcvc", PLACES)
    return {name: rng.choice(places) for name in distinct(rng, PATTERN, KNOWN[3])}


@cache
def _names() -> tuple[str, ...]:
    return tuple(table())


@cache
def _places() -> tuple[str, ...]:
    return tuple(sorted(set(table().values())))


def passage(name: str, place: str) -> str:
    """Return the sentence that states a fact.

    >>> passage("mipa", "dovan")
    'mipa=dovan'
    """
    return f"{name}={place}"


def _other(rng: Random) -> str:
    """Return a name that the table does not hold."""
    return distinct(rng, PATTERN, 1, without=frozenset(table()))[0]


def recall(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a question on the table, from memory; the passages that would answer it come along unused.

    The facts themselves are trained, of course: held out are pairs of fact and phrasing.
    """
    rank = rng.randrange(KNOWN[min(level, 3)])
    name = _names()[rank]
    template = rng.randrange(len(TEMPLATES))
    others = rng.sample([known for known in _names()[:64] if known != name], 3)
    return (
        Draw(
            prompt=TEMPLATES[template].format(name),
            answer=table()[name],
            item=f"{name} {template}",
            passages=tuple(passage(each, table()[each]) for each in (name, *others)),
            gold_passages=1,
            attributes={"template": template, "rank": rank},
        ),
    )


def recall_open(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return the same kind of question with 1, 2 or 3 passages given, the right one among them.

    Half of the names are in the table. One passage in four contradicts the table (`counterfactual`): the given
    text is right.
    """
    name = rng.choice(_names()) if rng.random() < 0.5 else _other(rng)
    counterfactual = name in table() and rng.random() < 0.25
    place = table()[name] if name in table() and not counterfactual else rng.choice(_places())
    lines = [passage(name, place)]
    lines += [passage(word(rng, PATTERN), rng.choice(_places())) for _ in range(PASSAGES[min(level, 3)] - 1)]
    rng.shuffle(lines)
    template = rng.randrange(len(TEMPLATES))
    text = "\n".join(lines)
    attributes = {"template": template, "counterfactual": counterfactual, "in_table": name in table()}
    prompt = f"{text}\n{TEMPLATES[template].format(name)}"
    return (Draw(prompt=prompt, answer=place, item=text, attributes=attributes),)


def recall_unknown(rng: Random, level: int) -> tuple[Draw, ...]:  # noqa: ARG001 - one level of difficulty
    """Return a question on a name that the table does not hold; the answer is "unknown"."""
    name = _other(rng)
    template = rng.randrange(len(TEMPLATES))
    prompt = TEMPLATES[template].format(name)
    return (Draw(prompt=prompt, answer="unknown", item=name, unanswerable=True, attributes={"template": template}),)
