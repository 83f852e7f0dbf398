"""Short answers: exact, normalized, numeric with tolerance, choice, set with F1. Pure.

A target that is a list means "any of these is right" everywhere but in `set_f1`.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.text import find_numbers, normalize, parse_number, strip_lead


def accepted(target: Any) -> list[str]:
    """Return the right answers as texts.

    >>> accepted(["yes", 1])
    ['yes', '1']
    """
    items = target if isinstance(target, list | tuple) else [target]
    return [item if isinstance(item, str) else f"{item}" for item in items]


def exact(sample: Sample, answer: Completion) -> Score:
    """Return 1 when the answer, without outer space, is a right answer; lenient compares normal forms."""
    right = accepted(sample.target)
    text = answer.text.strip()
    value = float(any(text == item.strip() for item in right))
    loose = float(value == 1.0 or _same_normal(answer.text, right))
    return judged(sample, answer, value=value, valid=bool(text), lenient=loose)


def _same_normal(text: str, right: list[str]) -> bool:
    forms = {normalize(item) for item in right}
    return normalize(text) in forms or normalize(strip_lead(text)) in forms


def normalized(sample: Sample, answer: Completion) -> Score:
    """Return 1 when the answer equals a right one but for case, punctuation, articles and space.

    Lenient also takes a right answer that stands as whole words inside a longer answer.

    >>> from sizewise.tasks.scorers.answers import completion
    >>> normalized(Sample(id="1", prompt="", target="Eiffel Tower"), completion("the eiffel tower.")).value
    1.0
    """
    right = accepted(sample.target)
    value = float(_same_normal(answer.text, right))
    padded = f" {normalize(answer.text)} "
    loose = float(value == 1.0 or any(f" {normalize(item)} " in padded for item in right))
    return judged(sample, answer, value=value, valid=bool(answer.text.strip()), lenient=loose)


def numeric(relative: float = 1e-6, absolute: float = 0.0) -> Scorer:
    """Return a scorer that is 1 when the answer is a number within the tolerance of the target.

    Strict: the whole answer is the number, perhaps after "The answer is" or with a unit sign (%, $, €). Lenient: the
    last number in the answer. The tolerance is `max(absolute, relative * |target|)`.

    >>> from sizewise.tasks.scorers.answers import completion
    >>> numeric(relative=0.01)(Sample(id="1", prompt="", target=200), completion("201")).value
    1.0
    """

    def near(seen: float | None, target: Any) -> bool:
        goals = [parse_number(item) for item in accepted(target)]
        return seen is not None and any(
            goal is not None and abs(seen - goal) <= max(absolute, relative * abs(goal)) for goal in goals
        )

    def score(sample: Sample, answer: Completion) -> Score:
        seen = parse_number(strip_lead(answer.text).strip("$€£% "))
        numbers = find_numbers(answer.text)
        value = float(near(seen, sample.target))
        loose = float(value == 1.0 or near(numbers[-1] if numbers else None, sample.target))
        why = "" if seen is not None else "the answer is not a number alone"
        return judged(sample, answer, value=value, valid=seen is not None, lenient=loose, explanation=why)

    return score


def choice_letter(text: str, letters: str) -> str | None:
    """Return the one letter of `letters` that the answer picks, None when it picks none or several.

    >>> choice_letter("(b) because ...", "ABCD"), choice_letter("A or B", "ABCD")
    ('B', None)
    """
    bare = strip_lead(text)
    lead = re.match(rf"^[\(\[]?([{letters}{letters.lower()}])(?:[\)\].:,]|\s*$|\s+(?:because|since|-|–))", bare)
    if lead:
        return lead.group(1).upper()
    found = {match.upper() for match in re.findall(rf"(?<![A-Za-z])[\(\[]?([{letters}])[\)\]]?(?![A-Za-z'’])", bare)}
    return found.pop() if len(found) == 1 else None


def choice(sample: Sample, answer: Completion) -> Score:
    """Return 1 when the answer picks the right choice, by its letter or by its text.

    The choices are `attributes["choices"]`; the target is a letter, a choice's text, or its index. Strict: the letter
    or the text alone. Lenient: a longer answer that picks one.
    """
    choices = [str(item) for item in sample.attributes.get("choices", ())]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(choices)] or "ABCD"
    goal = choice_index(sample.target, choices)
    forms = {normalize(item): index for index, item in enumerate(choices)}
    bare = strip_lead(answer.text)
    strict: int | None = None
    if len(bare.strip("()[]")) == 1 and bare.strip("()[]").upper() in letters:
        strict = letters.index(bare.strip("()[]").upper())
    elif normalize(bare) in forms:
        strict = forms[normalize(bare)]
    loose = strict
    if loose is None and (letter := choice_letter(answer.text, letters)):
        loose = letters.index(letter)
    if loose is None:
        padded = f" {normalize(answer.text)} "
        said = {index for form, index in forms.items() if form and f" {form} " in padded}
        loose = said.pop() if len(said) == 1 else None
    return judged(sample, answer, value=float(strict == goal), valid=strict is not None, lenient=float(loose == goal))


def choice_index(target: Any, choices: list[str]) -> int:
    """Return which choice the target means; -1 when none. A text of a choice goes before a letter or an index.

    >>> choice_index("B", ["red", "blue"]), choice_index("red", ["red", "blue"]), choice_index(1, ["red", "blue"])
    (1, 0, 1)
    """
    if isinstance(target, str):
        forms = [normalize(item) for item in choices]
        if normalize(target) in forms:
            return forms.index(normalize(target))
        letter = target.strip().strip("().").upper()
        count = len(choices) or 4
        if len(letter) == 1 and 0 <= ord(letter) - ord("A") < count:
            return ord(letter) - ord("A")
    if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < max(len(choices), 1):
        return target
    return -1


def _listed(text: str) -> list[str]:
    """Return the items of a list in an answer: JSON array, bullets, or split at commas, semicolons and lines."""
    from sizewise.tasks.text import parse_json

    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if isinstance(value, list):
        return [str(item) for item in value]
    parts = re.split(r"[,;\n]", text)
    return [re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", part).strip() for part in parts if part.strip()]


def set_f1(sample: Sample, answer: Completion) -> Score:
    """Return F1 between the items of the answer and those of the target, normal forms, order ignored, repeats counted.

    Precision over what was said, recall over what was wanted (van Rijsbergen 1979). An empty target is met by "none".

    >>> from sizewise.tasks.scorers.answers import completion
    >>> set_f1(Sample(id="1", prompt="", target=["Ann", "Bo"]), completion("Bo, Cy")).value
    0.5
    """
    wanted = Counter(normalize(item) for item in accepted(sample.target if sample.target is not None else []))
    said = Counter(form for item in _listed(strip_lead(answer.text)) if (form := normalize(item)))
    if not wanted and said and set(said) <= {"none", "nothing", "empty"}:
        said = Counter()
    both = sum((wanted & said).values())
    total = sum(wanted.values()) + sum(said.values())
    there = bool(answer.text.strip())
    value = 1.0 if total == 0 else 2 * both / total
    return judged(sample, answer, value=value if there else 0.0, valid=there)
