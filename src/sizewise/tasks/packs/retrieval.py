"""Retrieval: the same questions closed-book, with the right passage, with distractors, with a real retriever.

The facts are about made-up places, so that closed-book nobody knows: the right thing to say then is that one does not.
Which passages a model sees is the candidate's arm (`tasks/arms.py`); the samples carry them all.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sizewise.records import Completion, Sample, Score
from sizewise.tasks.packs.base import Draft, Kind, Pack, formed, one_line
from sizewise.tasks.packs.vocabulary import FIRST_NAMES, PRODUCTS, made_up, several
from sizewise.tasks.text import find_numbers, normalize, words

_CLOSE = " Reply with the answer only, on one line. If you do not know, reply: I don't know."
DISTRACTORS = {1: 3, 2: 8, 3: 16, 4: 32}
"""Level -> passages that do not answer, about the same kinds of things."""


def _town(rng: Random, name: str) -> dict[str, str]:
    return {
        "name": name,
        "mayor": rng.choice(FIRST_NAMES) + " " + made_up(rng),
        "founded": str(rng.randint(1100, 1950)),
        "people": str(rng.randint(3, 900) * 100),
        "trade": rng.choice(PRODUCTS),
        "river": made_up(rng),
    }


def _passage(town: dict[str, str]) -> str:
    return (
        f"{town['name']} was founded in {town['founded']} on the river {town['river']}. About {town['people']} people "
        f"live there. The town is known for the making of the {town['trade']}. Its mayor is {town['mayor']}."
    )


_QUESTIONS = {
    "mayor": ("Who is the mayor of {}?", "What is the name of {}'s mayor?"),
    "founded": ("In which year was {} founded?", "When did the town of {} come into being? Give the year."),
    "river": ("On which river does {} lie?", "What is the river at {} called?"),
    "people": ("How many people live in {}?", "What is the number of inhabitants of {}?"),
}


def _draft(asked: str, other: str, right: str, wrong: str, passages: list[str], gold: int) -> Draft:
    return Draft(
        instruction=asked + _CLOSE,
        paraphrase=other + _CLOSE,
        target=right,
        oracle=right,
        wrong=wrong,
        broken=f"According to what I have read:\n{right}",
        passages=tuple(passages),
        gold_passages=gold,
    )


def _fact(rng: Random, level: int) -> Draft:
    """Return a question on one town; from level 2 on some distractors have nearly its name."""
    names = several(rng, DISTRACTORS[level] + 1)
    towns = [_town(rng, name) for name in names]
    if level >= 2:
        for number in range(1, level + 1):
            towns[number]["name"] = rng.choice(("New ", "Old ", "Upper ", "Lower ")) + names[0]
    field = rng.choice(sorted(_QUESTIONS))
    asked, other = _QUESTIONS[field]
    wrong = next(town[field] for town in towns[1:] if town[field] != towns[0][field])
    passages = [_passage(town) for town in towns]
    return _draft(asked.format(names[0]), other.format(names[0]), towns[0][field], wrong, passages, 1)


def _chain(rng: Random, level: int) -> Draft:
    """Return a question that needs two passages, at level 4 three: from person to town to neighbour."""
    names = several(rng, DISTRACTORS[level] + level)
    towns = [_town(rng, name) for name in names]
    person = rng.choice(FIRST_NAMES) + " " + made_up(rng)
    links = [f"{person} was born in {names[0]} and still has a house there."]
    hops = 1 if level < 4 else 2
    if hops == 2:
        links.append(f"The sister town of {names[0]} is {names[1]}, which it has been for fifty years.")
    goal = towns[hops - 1]
    field = rng.choice(("mayor", "river"))
    place = f"the town where {person} was born" if hops == 1 else f"the sister town of {person}'s birthplace"
    wrong = next(town[field] for town in towns[2:] if town[field] != goal[field])
    others = [f"{rng.choice(FIRST_NAMES)} {made_up(rng)} was born in {town['name']}." for town in towns[2:5]]
    passages = [*links, _passage(goal), *others, *[_passage(town) for town in towns if town is not goal]]
    asked, other = _QUESTIONS[field]
    return _draft(asked.format(place), other.format(place), goal[field], wrong, passages, len(links) + 1)


def _score(sample: Sample, answer: Completion) -> Score:
    form = one_line(answer) and len(words(answer.text)) <= 12
    right = str(sample.target)
    said = (
        find_numbers(answer.text)[-1:] == [float(right)]
        if right.isdigit()
        else f" {normalize(right)} " in f" {normalize(answer.text)} "
    )
    score = formed(sample, answer, right=said, form=form)
    made_up_answer = not said and form and not (score.abstained or score.refused)
    return replace(score, hallucinated=made_up_answer)


PACK = Pack(
    name="retrieval",
    title="Questions closed-book, with the right passage, with distractors, with a retriever",
    levels=(
        "a fact of a table, from memory or from 1 to 4 lines",
        "one passage answers, 3 do not",
        "8 distractors, some with nearly the same name; two passages together",
        "16 distractors",
        "32 distractors, chains of three passages",
    ),
    skills=("recall", "recall_open"),
    kinds=(Kind(name="fact", make=_fact, score=_score), Kind(name="chain", make=_chain, score=_score, from_level=2)),
    max_output_tokens=(48, 48, 48, 48),
)
