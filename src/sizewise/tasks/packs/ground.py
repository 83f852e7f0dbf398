"""Level 0 of every pack: the skills that the shipped ladder was trained for, asked of held-out items."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from sizewise.records import Completion, Sample, Score
from sizewise.tasks import failures
from sizewise.tasks.packs.base import Pack
from sizewise.tasks.scorers import json_answers, plain
from sizewise.tasks.text import parse_number, strip_lead


def ground_score(sample: Sample, answer: Completion) -> Score:
    """Return the score of an answer to a skill's sample: its first line against the right one.

    Valid: the line has the form of a right answer (JSON, a number, that many words). JSON compares values; where
    nothing is known, "unknown" and its like abstain.
    """
    line = answer.text.strip().split("\n")[0].strip()
    first = Completion(text=line, stop_reason=answer.stop_reason, timing=answer.timing)
    if sample.attributes.get("scorer") == "json":
        return json_answers.json_schema(sample, first)
    form = _has_form(line, str(sample.attributes.get("answer", sample.target)))
    if sample.unanswerable:
        right = failures.abstained(strip_lead(line))
        return Score(
            value=float(right and form),
            valid=form,
            lenient=float(right),
            abstained=right,
            hallucinated=bool(line) and not right,
        )
    score = plain.exact(sample, first)
    return replace(score, valid=form, abstained=failures.abstained(line) and score.value < 1)


def _has_form(line: str, right: str) -> bool:
    if parse_number(right) is not None:
        return line.isdigit()
    return re.fullmatch(r"[a-z]+( [a-z]+)*", line) is not None


def _shift(text: str) -> str:
    """Return other letters in the same places; digits change too."""
    return "".join(chr((ord(c) - 97 + 1) % 26 + 97) if "a" <= c <= "z" else c for c in text)


def _wrong(sample: Sample, right: str) -> str:
    if isinstance(sample.target, dict):
        return json.dumps({key: "wrong" if value != "wrong" else "no" for key, value in sample.target.items()})
    if sample.unanswerable:
        return "monat"
    number = parse_number(right)
    return str(int(number) + 1) if number is not None else _shift(right)


def _with_answers(sample: Sample, pack: Pack, number: int, seed: int, cluster: str | None) -> Sample:
    right = str(sample.attributes["answer"])
    broken = f"{right}}}{{" if isinstance(sample.target, dict) else f"The answer is: {right}!"
    extra: dict[str, Any] = {
        "pack": pack.name,
        "kind": sample.attributes["skill"],
        "level": 0,
        "answers": {"oracle": right, "wrong": _wrong(sample, right), "format": broken},
    }
    return replace(
        sample,
        id=f"{pack.name}-L0-s{seed}-{number}",
        cluster=cluster,
        attributes={**sample.attributes, **extra},
    )


def ground_samples(pack: Pack, count: int, seed: int, split: str) -> list[Sample]:
    """Return level-0 samples: the pack's skills in turn, each cluster kept together."""
    from sizewise.tasks import skills

    share = -(-count // len(pack.skills))
    columns: list[list[Sample]] = []
    for name in pack.skills:
        if split == "test":
            columns.append(skills.load(name, seed=seed, n=share, level=None))
        else:
            columns.append(_training(name, seed, share))
    found = [sample for row in _rows(columns) for sample in row]
    if pack.ground_twin is not None:
        found = [twin for sample in found for twin in _twins(sample, pack.ground_twin)]
    found = found[:count]
    made = []
    for number, sample in enumerate(found):
        cluster = f"{pack.name}-L0-{sample.cluster}" if sample.cluster else None
        made.append(_with_answers(sample, pack, number, seed, cluster))
    return made


def _twins(sample: Sample, counterpart: Callable[[str], str]) -> list[Sample]:
    """Return a sample and its counterpart as one cluster; nothing where the prompt has no counterpart."""
    other = counterpart(sample.prompt)
    if other == sample.prompt:
        return []
    return [replace(sample, prompt=prompt, cluster=sample.id) for prompt in (sample.prompt, other)]


def _rows(columns: Sequence[Sequence[Sample]]) -> list[list[Sample]]:
    longest = max(map(len, columns))
    return [[column[row] for column in columns if row < len(column)] for row in range(longest)]


def _training(name: str, seed: int, count: int) -> list[Sample]:
    """Return different training samples of a skill."""
    from sizewise.tasks import skills

    source = skills.draws(name, Random(f"train {name} {seed}"))
    found: dict[str, Sample] = {}
    for _ in range(40 * count + 400):
        draw = next(source)
        if draw.prompt not in found and len(found) < count:
            found[draw.prompt] = Sample(
                id="",
                prompt=draw.prompt,
                target=json.loads(draw.answer) if draw.scorer == "json" else draw.answer,
                unanswerable=draw.unanswerable,
                passages=draw.passages,
                gold_passages=draw.gold_passages,
                attributes={"skill": name, "scorer": draw.scorer, "answer": draw.answer, **draw.attributes},
            )
    return list(found.values())
