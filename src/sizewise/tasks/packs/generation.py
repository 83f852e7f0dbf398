"""Text generation that a program can check: constraints, summaries of generated facts, variety without loops."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from sizewise.records import Completion, Sample, Score
from sizewise.tasks import failures
from sizewise.tasks.packs.base import Draft, Kind, Pack
from sizewise.tasks.packs.vocabulary import FIRST_NAMES, MONTHS, PRODUCTS, TOPICS, listed, made_up
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.text import find_numbers, sentences, words

# --------------------------------------------------------------------------- constraints


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One constraint on a text: how it is said, and how it is checked."""

    say: Callable[[Any], str]
    check: Callable[[str, Any], bool]


def _starts(text: str, letter: str) -> bool:
    return all((found := words(sentence)) and found[0].lower().startswith(letter) for sentence in sentences(text))


RULES: dict[str, Rule] = {
    "sentences": Rule(
        say=lambda n: f"Write exactly {n} sentence{'s' if n > 1 else ''}, in one paragraph.",
        check=lambda text, n: len(sentences(text)) == n and "\n" not in text.strip(),
    ),
    "words": Rule(
        say=lambda w: f"Use between {w[0]} and {w[1]} words in all.",
        check=lambda text, w: w[0] <= len(words(text)) <= w[1],
    ),
    "include": Rule(
        say=lambda items: f"Use the words {listed(items)}.",
        check=lambda text, items: set(items) <= {word.lower() for word in words(text)},
    ),
    "avoid": Rule(
        say=lambda items: f"Do not use the words {listed(items)}.",
        check=lambda text, items: not set(items) & {word.lower() for word in words(text)},
    ),
    "first": Rule(
        say=lambda letter: f"Every sentence starts with a word that begins with the letter {letter.upper()}.",
        check=_starts,
    ),
    "end": Rule(
        say=lambda phrase: f'The text ends with the words "{phrase}".',
        check=lambda text, phrase: text.strip().rstrip(".").endswith(phrase),
    ),
    "each": Rule(
        say=lambda n: f"Every sentence has exactly {n} words.",
        check=lambda text, n: all(len(words(sentence)) == n for sentence in sentences(text)),
    ),
}
"""The constraints; each is said in the prompt and checked in the answer."""

_FILLERS = (
    "slowly",
    "quietly",
    "again",
    "together",
    "early",
    "gladly",
    "often",
    "today",
    "nearby",
    "calmly",
    "soon",
    "there",
)
_STARTERS = {"s": "Somebody", "m": "Many", "t": "They", "p": "People", "w": "We", "a": "All"}
_INCLUDED = (
    "river",
    "stone",
    "window",
    "bread",
    "lantern",
    "bridge",
    "silver",
    "cloud",
    "garden",
    "ladder",
    "copper",
    "apple",
)
_AVOIDED = ("very", "the", "and", "is", "was", "of")


def _text(values: dict[str, Any]) -> str:
    """Return a plain text that meets the constraints: what the oracle says."""
    count, size = values["sentences"], values["each"]
    starter = _STARTERS[values.get("first", "t")]
    include = list(values.get("include", ()))
    end = str(values.get("end", "")).split()
    lines = []
    for number in range(count):
        room = size - 2
        share = [include.pop(0) for _ in range(min(len(include), -(-len(include) // (count - number)), room))]
        tail = end if number == count - 1 else []
        fill = [_FILLERS[(number + index) % len(_FILLERS)] for index in range(room - len(share) - len(tail))]
        lines.append(" ".join([starter, "see", *share, *fill, *tail]) + ".")
    return " ".join(lines)


def _constraints(rng: Random, level: int) -> Draft:
    """Return 2, 3, 5 or 7 constraints on a small text."""
    count, size = rng.randint(1, 1 + level), rng.randint(8, 10 + level)
    values: dict[str, Any] = {"sentences": count, "each": size}
    values["include"] = rng.sample(_INCLUDED, level + 1 if level < 3 else 4)
    values["avoid"] = rng.sample(_AVOIDED, min(level, 3))
    values["first"] = rng.choice(sorted(_STARTERS))
    values["end"] = rng.choice(("until night", "before noon", "without rest"))
    values["words"] = (max(1, count * size - 3), count * size + 3)
    asked = {
        1: ("sentences", "include"),
        2: ("sentences", "include", "words"),
        3: ("sentences", "include", "words", "avoid", "end"),
        4: ("sentences", "include", "each", "avoid", "end", "first", "words"),
    }[level]
    text = _text(values)
    rules = {name: values[name] for name in asked}
    topic = rng.choice(TOPICS)
    order = [RULES[name].say(rules[name]) for name in asked]
    return Draft(
        instruction=f"Write a short text about {topic}. {' '.join(order)} Reply with the text only.",
        paraphrase=f"Your topic: {topic}. Obey all of this: {' '.join(reversed(order))} Output only the text.",
        target=rules,
        oracle=text,
        wrong="No. " * (count + 1) + "No",
        broken=f"# Text\n\n- {text}\n- The end",
    )


def _constraints_score(sample: Sample, answer: Completion) -> Score:
    """Return 1 when all constraints hold, 0 otherwise; axis `constraints` is the share that holds.

    Valid: running text, no headings, bullets or code.
    """
    text = answer.text.strip()
    held = {name: RULES[name].check(text, value) for name, value in sample.target.items()}
    share = sum(held.values()) / len(held)
    valid = bool(text) and _is_prose(text)
    broken = [name for name, good in held.items() if not good]
    value = float(valid and not broken and not failures.looped(text))
    why = f"broken: {', '.join(broken)}" if broken else "" if valid else "not running text"
    return judged(
        sample,
        answer,
        value=value,
        valid=valid,
        lenient=float(not broken),
        explanation=why,
        axes={"constraints": share},
    )


def _is_prose(text: str) -> bool:
    return re.search(r"^\s*(#|[-*•]\s|\d+[.)]\s|```|\|)", text, re.MULTILINE) is None


# --------------------------------------------------------------------------- summary


def _summary(rng: Random, level: int) -> Draft:
    """Return a report with key facts and chatter, to be summarised with every key fact and nothing else."""
    firm, count = made_up(rng, 3), {1: 2, 2: 3, 3: 4, 4: 6}[level]
    product, month = rng.choice(PRODUCTS), rng.choice(MONTHS)
    topics = [
        ("sales", "rose to {} units"), ("staff", "grew to {} people"), ("complaints", "fell to {} cases"),
        ("exports", "reached {} crates"), ("orders", "came to {} contracts"), ("waste", "shrank to {} tonnes"),
    ]  # fmt: skip
    chosen = rng.sample(topics, count)
    numbers = rng.sample(range(21, 990), count)
    facts = [(name, what.format(number), number) for (name, what), number in zip(chosen, numbers, strict=True)]
    lines = [f"The {name} of {firm} {said}." for name, said, _ in facts]
    chatter = [
        f"{rng.choice(FIRST_NAMES)} opened the meeting and thanked everybody for coming.",
        "Coffee was served in the break, and the weather was fine.",
        f"Somebody asked about the colour of the new {product}, but nothing was decided.",
        "The old carpet in the hall will stay for now.",
    ]
    body = lines + rng.sample(chatter, min(level + 1, 4))
    rng.shuffle(body)
    limit = 9 * count + 12
    names = listed([name for name, _, _ in facts])
    oracle = f"In {month}, {firm} reported that " + listed([f"{name} {said}" for name, said, _ in facts]) + "."
    false = [f"{name} {said.replace(str(number), str(number + 7))}" for name, said, number in facts]
    return Draft(
        instruction=f"Summarise the report in one paragraph of at most {limit} words. State the figures for {names}. "
        "Add nothing that the report does not say.",
        paraphrase=f"In at most {limit} words, one paragraph: what does the report say about {names}? "
        "Give the figures, invent nothing.",
        payload=f"Report of {month}. " + " ".join(body),
        target={"facts": [[name, number] for name, _, number in facts], "words": limit},
        oracle=oracle,
        wrong=f"In {month}, {firm} reported that " + listed(false) + ".",
        broken="\n".join(["## Summary", *[f"- {name}: {number}" for name, _, number in facts]]),
        attributes={"source": f"Report of {month}. " + " ".join(body)},
    )


def _summary_score(sample: Sample, answer: Completion) -> Score:
    """Return coverage when the summary is faithful, 0 when it states a figure that the report does not have.

    Coverage: share of key facts whose name and figure stand within one clause. Valid: one paragraph within the limit.
    """
    text, target = answer.text.strip(), sample.target
    clauses = re.split(r"[.;!?](?:\s|$)|,\s|\band\b", text.lower())
    covered = [
        any(name in clause and float(number) in find_numbers(clause) for clause in clauses)
        for name, number in target["facts"]
    ]
    coverage = sum(covered) / len(covered)
    source = find_numbers(str(sample.attributes["source"]))
    invented = [number for number in find_numbers(text) if number not in source]
    valid = bool(text) and _is_prose(text) and "\n\n" not in text and len(words(text)) <= target["words"]
    value = 0.0 if invented or not valid else coverage
    why = f"figures not in the report: {invented[:3]}" if invented else ""
    return judged(
        sample,
        answer,
        value=value,
        valid=valid,
        lenient=0.0 if invented else coverage,
        explanation=why,
        hallucinated=bool(invented),
        axes={"coverage": coverage, "faithful": float(not invented)},
    )


# --------------------------------------------------------------------------- variety


def _variety(rng: Random, level: int) -> Draft:
    """Return a wish for several different lines on one thing, numbered, none like another."""
    count, least = {1: 3, 2: 5, 3: 8, 4: 15}[level], {1: 4, 2: 5, 3: 6, 4: 7}[level]
    thing, place = rng.choice(PRODUCTS), made_up(rng)
    shown = [
        f"{number}. " + " ".join([thing.capitalize(), *[_mixed(number, index) for index in range(least)]])
        for number in range(1, count + 1)
    ]
    return Draft(
        instruction=f"Write {count} different advertising lines for a {thing} from {place}, numbered 1. to {count}., "
        f"one a line, each of at least {least} words. No two lines may share more than half of their words.",
        paraphrase=f"I need {count} slogans for a {thing} made in {place}: a numbered list (1., 2., ...), {least} "
        "words or more in each, every slogan clearly different from the others.",
        target={"count": count, "least": least},
        oracle="\n".join(shown),
        wrong="\n".join(f"{number}. {thing} " + "good " * least for number in range(1, count + 1)),
        broken=" / ".join(line.split(". ", 1)[1] for line in shown),
    )


def _mixed(number: int, index: int) -> str:
    """Return a word that no other line has at any place."""
    onset = "bdfgklmnprstvz"
    return f"{onset[number % 14]}{'aeiou'[index % 5]}{onset[(number // 14 + index) % 14]}{'aeiou'[number % 5]}n"


def _variety_score(sample: Sample, answer: Completion) -> Score:
    """Return 1 when the list is complete and no two lines overlap by more than half (Jaccard), else 0.

    Axes: `distinct` is the share of different word pairs (distinct-2, Li et al. 2016), `lines` the share delivered.
    """
    target = sample.target
    lines = [line.strip() for line in answer.text.strip().splitlines() if line.strip()]
    numbered = [re.match(r"(\d+)[.)]\s+(.*)", line) for line in lines]
    valid = len(lines) == target["count"] and all(
        match is not None and int(match.group(1)) == index for index, match in enumerate(numbered, 1)
    )
    bodies = [match.group(2) if match else line for match, line in zip(numbered, lines, strict=True)]
    bags = [{word.lower() for word in words(body)} for body in bodies]
    long_enough = all(len(words(body)) >= target["least"] for body in bodies)
    alike = any(len(a & b) > 0.5 * min(len(a), len(b)) for index, a in enumerate(bags) for b in bags[:index] if a and b)
    pairs = [pair for body in bodies for pair in zip(words(body), words(body)[1:], strict=False)]
    axes = {
        "distinct": len(set(pairs)) / len(pairs) if pairs else 0.0,
        "lines": min(1.0, len(lines) / target["count"]),
    }
    right = len(lines) == target["count"] and long_enough and not alike
    return judged(sample, answer, value=float(right and valid), valid=valid, lenient=float(right), axes=axes)


PACK = Pack(
    name="generation",
    title="Texts that obey constraints, cover their facts and do not repeat themselves",
    levels=(
        "a word copied, turned round or sorted",
        "two constraints; a summary of two facts; three different lines",
        "three constraints; three facts; five lines",
        "five constraints; four facts among chatter; eight lines",
        "seven constraints at once; six facts; fifteen lines",
    ),
    skills=("copy", "reverse", "sort"),
    kinds=(
        Kind(name="constraints", make=_constraints, score=_constraints_score),
        Kind(name="summary", make=_summary, score=_summary_score),
        Kind(name="variety", make=_variety, score=_variety_score),
    ),
    max_output_tokens=(192, 256, 320, 640),
)
