"""Skills on numbers: adding two numbers of two or three digits."""

from __future__ import annotations

from random import Random

from sizewise.tasks.skills.draw import Draw


def _add(a: int, b: int) -> tuple[Draw, ...]:
    carries = sum((a % 10**k) + (b % 10**k) >= 10**k for k in (1, 2, 3))
    return (Draw(prompt=f"{a}+{b}=", answer=str(a + b), item=f"{a}+{b}", attributes={"carries": carries}),)


def add2(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a sum of two numbers: at level 1 the second has one digit, above both have two."""
    return _add(rng.randint(10, 99), rng.randint(1, 9) if level <= 1 else rng.randint(10, 99))


def add3(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a sum of two numbers: at level 1 the second has two digits, above both have three."""
    return _add(rng.randint(100, 999), rng.randint(10, 99) if level <= 1 else rng.randint(100, 999))
