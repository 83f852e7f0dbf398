"""Rephrasing: one question in six forms; a model should give the same right answer to all of them.

The six are one cluster. Consistency and the worst case are read from the cluster (`tasks/clusters.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from sizewise.records import Completion, Sample, Score
from sizewise.tasks.packs.base import Draft, Kind, Pack, formed, one_line
from sizewise.tasks.packs.vocabulary import FIRST_NAMES, PRODUCTS, REGIONS, made_up
from sizewise.tasks.text import find_numbers, normalize, words
from sizewise.tasks.variants import typos

FORMS = ("plain", "typos", "order", "paraphrase", "format", "polite")

Facts = list[dict[str, object]]


def _forms(
    rng: Random,
    facts: Facts,
    sentence: Callable[[dict[str, object]], str],
    asked: str,
    other: str,
    right: str,
    wrong: str,
) -> tuple[Draft, ...]:
    """Return one question in the six forms."""
    close = " Reply with the answer only."
    said = " ".join(sentence(fact) for fact in facts)
    turned = " ".join(sentence(fact) for fact in rng.sample(facts, len(facts)))
    table = "\n".join(f"- {json.dumps(fact, ensure_ascii=False)}" for fact in facts)
    prompts = {
        "plain": (asked + close, said),
        "typos": (typos(asked, rng, share=0.25) + close, said),
        "order": (asked + close, turned if turned != said else " ".join(sentence(fact) for fact in facts[::-1])),
        "paraphrase": (other + " Just the answer, please.", said),
        "format": (asked.upper() + close.upper(), table),
        "polite": (
            f"Hello! I hope you are well. I have a small question for you. {asked} Thank you so much!" + close,
            said,
        ),
    }
    return tuple(
        Draft(
            instruction=instruction,
            payload=payload,
            target=right,
            oracle=right,
            wrong=wrong,
            broken=f"Let us think.\nThe answer is {right}",
            attributes={"form": form, "wrong": wrong},
        )
        for form, (instruction, payload) in prompts.items()
    )


def _most(rng: Random, level: int) -> tuple[Draft, ...]:
    """Return facts on people's stocks and a question for the one with most (levels 3, 4: second most)."""
    count = {1: 2, 2: 4, 3: 6, 4: 10}[level]
    people = rng.sample(FIRST_NAMES, count)
    thing = rng.choice(PRODUCTS)
    numbers = rng.sample(range(10, 99), count)
    facts: Facts = [{"name": n, thing: k} for n, k in zip(people, numbers, strict=True)]
    ranked = sorted(zip(numbers, people, strict=True), reverse=True)
    place, which = (1, "second most") if level >= 3 else (0, "most")
    return _forms(
        rng,
        facts,
        lambda fact: f"{fact['name']} has {fact[thing]} pieces of the {thing}.",
        f"Which person has the {which} pieces of the {thing} in stock?",
        f"Somebody owns the {which} {thing} pieces of all the people named below. Who is it?",
        ranked[place][1],
        ranked[-1 if place == 0 else 0][1],
    )


def _sum(rng: Random, level: int) -> tuple[Draft, ...]:
    """Return sales per region and a question for a total of one region."""
    count = {1: 2, 2: 4, 3: 7, 4: 12}[level]
    region, other_region = rng.sample(REGIONS, 2)
    facts: Facts = []
    for index in range(count):
        place = region if index % 2 == 0 or count == 2 else other_region
        facts.append({"shop": made_up(rng), "region": place, "sales": rng.randint(2, 30 * level)})
    total = sum(int(str(fact["sales"])) for fact in facts if fact["region"] == region)
    return _forms(
        rng,
        facts,
        lambda fact: f"The shop {fact['shop']} in the {fact['region']} sold {fact['sales']} pieces.",
        f"How many pieces did the shops in the {region} sell altogether?",
        f"Add up what all shops of the {region} sold. What is the total?",
        str(total),
        str(total + rng.randint(1, 9)),
    )


def _score(sample: Sample, answer: Completion) -> Score:
    form = one_line(answer) and len(words(answer.text)) <= 8
    right = str(sample.target)
    if right.isdigit():
        return formed(sample, answer, right=find_numbers(answer.text)[-1:] == [float(right)], form=form)
    return formed(sample, answer, right=f" {normalize(right)} " in f" {normalize(answer.text)} ", form=form)


PACK = Pack(
    name="rephrasing",
    title="One question in six forms: typos, order, paraphrase, format, politeness",
    levels=(
        "one lookup in four phrasings, one of them never trained",
        "two facts",
        "four facts",
        "six or seven facts, second best asked",
        "ten or twelve facts",
    ),
    skills=("rephrase",),
    kinds=(Kind(name="most", make=_most, score=_score), Kind(name="sum", make=_sum, score=_score)),
    max_output_tokens=(32, 32, 32, 32),
)
