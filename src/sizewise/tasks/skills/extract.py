"""Reading one field out of a record into JSON."""

from __future__ import annotations

import json
from random import Random

from sizewise.tasks.skills.draw import Draw
from sizewise.tasks.skills.words import word

FIELDS = ("name", "city", "team", "size", "code", "year", "tag", "lot")
NUMERIC = frozenset({"size", "code", "year", "lot"})
COUNTS = {1: 2, 2: 3, 3: 4}


def json_field(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a record of 2, 3 or 4 fields and the name of one; the answer is a JSON object with that field alone."""
    names = rng.sample(FIELDS, COUNTS[min(level, 3)])
    values = [str(rng.randint(10, 99)) if name in NUMERIC else word(rng, "cvc") for name in names]
    asked = rng.randrange(len(names))
    record = " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
    value: str | int = int(values[asked]) if names[asked] in NUMERIC else values[asked]
    answer = json.dumps({names[asked]: value}, separators=(",", ":"))
    return (Draw(prompt=f"{record} json {names[asked]}\n", answer=answer, item=record, scorer="json"),)
