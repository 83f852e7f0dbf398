"""Tiny Python programs whose output is asked."""

from __future__ import annotations

from random import Random

from sizewise.tasks.skills.draw import Draw

LARGEST = 19


def program(rng: Random, level: int) -> tuple[Draw, ...]:
    """Return a program of 1 to 3 assignments after the first that prints one variable, and what it prints.

    All values stay between 0 and 19.
    """
    values = {"a": rng.randint(0, 9)}
    lines = [f"a={values['a']}"]
    for _ in range(min(level, 3)):
        target = "b" if "b" not in values else rng.choice("ab")
        source = rng.choice(tuple(values))
        step = rng.randint(1, 9)
        up = values[source] < step or (values[source] + step <= LARGEST and rng.random() < 0.5)
        values[target] = values[source] + (step if up else -step)
        lines.append(f"{target}={source}{'+' if up else '-'}{step}")
    asked = rng.choice(tuple(values))
    text = ";".join([*lines, f"print({asked})"])
    return (Draw(prompt=f"{text}\n", answer=str(values[asked]), item=text),)
