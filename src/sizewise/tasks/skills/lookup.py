"""Looking something up in the text of the prompt: with distractors, without an answer, far away, rephrased."""

from __future__ import annotations

from random import Random

from sizewise.tasks.skills.draw import Draw
from sizewise.tasks.skills.words import distinct

COUNTS = {1: 2, 2: 3, 3: 5}
"""Level -> names in the text."""
PATTERNS = {1: "c", 2: "cv", 3: "cvc"}
"""Level -> form of the names."""
TEMPLATES = ("{}=", "where {}=", "find {}=", "and {}=")
"""Phrasings of one question; the last is never trained."""
NEEDLE_BYTES = {1: 96, 2: 160, 3: 384, 4: 768}
"""Level -> length of the text in bytes."""
HAY = (
    "the sun is warm. ",
    "rain fell all day. ",
    "birds sing at dawn. ",
    "a cat sleeps. ",
    "the road is long. ",
    "tea is ready. ",
    "we walk home. ",
    "snow is white. ",
)


def _text(rng: Random, level: int) -> tuple[str, list[str], list[str]]:
    """Return notes "NAME=PLACE", the names and the places; at level 3 one name also has a former place, with ":"."""
    count = COUNTS[min(level, 3)]
    names, places = distinct(rng, PATTERNS[min(level, 3)], count + 1), distinct(rng, "cvcv", count + 1)
    lines = [f"{name}={place} " for name, place in zip(names[:count], places, strict=False)]
    if level >= 3:
        lines += [f"{name}:{place} " for name, place in zip(names[:1], places[count:], strict=False)]
    rng.shuffle(lines)
    return "".join(lines), names, places


def lookup(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a few notes "NAME=PLACE" and one name again; its place is the answer, the rest are distractors."""
    text, names, places = _text(rng, level)
    asked = rng.randrange(len(names) - 1)
    return (Draw(prompt=text + TEMPLATES[0].format(names[asked]), answer=places[asked], item=text),)


def unanswerable(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return twins on one text: a name that is there, and a name that is not, whose answer is "unknown"."""
    text, names, places = _text(rng, level)
    asked = rng.randrange(len(names) - 1)
    known = Draw(prompt=text + TEMPLATES[0].format(names[asked]), answer=places[asked], item=text)
    absent = TEMPLATES[0].format(names[-1])
    return known, Draw(prompt=text + absent, answer="unknown", item=text, unanswerable=True)


def rephrase(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return one lookup in four phrasings, the last of which training never shows."""
    text, names, places = _text(rng, level)
    asked = rng.randrange(len(names) - 1)
    return tuple(
        Draw(
            prompt=text + template.format(names[asked]),
            answer=places[asked],
            item=text,
            test_only=number == len(TEMPLATES) - 1,
            attributes={"template": number},
        )
        for number, template in enumerate(TEMPLATES)
    )


def needle(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a text of 96, 160, 384 or 768 bytes with a note "NAME=PLACE" at a random depth, and the name again.

    From level 2 on there is a second note, a distractor.
    """
    names, places = distinct(rng, "cvc", 2), distinct(rng, "cvcv", 2)
    notes = [f"{name}={place} " for name, place in zip(names, places, strict=True)][: min(level, 2)]
    size = NEEDLE_BYTES[min(level, 4)]
    hay: list[str] = []
    while sum(map(len, hay)) + sum(map(len, notes)) < size - 8:
        hay.append(rng.choice(HAY))
    for note in reversed(notes):
        hay.insert(rng.randint(0, len(hay)), note)
    text = "".join(hay)
    prompt = f"{text}{names[0]}="
    attributes = {"depth": round(text.index(notes[0]) / len(text), 3), "context_bytes": len(prompt)}
    return (Draw(prompt=prompt, answer=places[0], item=notes[0], attributes=attributes),)
