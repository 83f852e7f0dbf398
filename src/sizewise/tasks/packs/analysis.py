"""Data analysis: sentiment, entities and topics of generated texts; aggregates and trends in tables; figures told."""

from __future__ import annotations

import re
from random import Random

from sizewise.records import Completion, Sample, Score
from sizewise.tasks import failures
from sizewise.tasks.packs.base import Draft, Kind, Pack, as_json, formed, one_line
from sizewise.tasks.packs.vocabulary import FIRST_NAMES, MONTHS, PRODUCTS, REGIONS, made_up, several
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.scorers.json_answers import json_schema, read_json, schema_errors
from sizewise.tasks.text import find_numbers, normalize, parse_number, sentences, words

# --------------------------------------------------------------------------- sentiment

_ASPECTS = ("battery", "price", "delivery", "design", "manual", "support")
_GOOD = ("excellent", "better than expected", "a pleasure", "worth every cent", "faultless")
_BAD = ("a disappointment", "far too weak", "not worth the money", "broken after a week", "a nuisance")
_NEGATED_GOOD = ("anything but bad", "not bad at all", "nothing to complain about")
_NEGATED_BAD = ("anything but good", "not what I would call good", "nothing to be happy about")


def _opinion(rng: Random, good: bool, level: int) -> str:
    plain, turned = (_GOOD, _NEGATED_GOOD) if good else (_BAD, _NEGATED_BAD)
    return rng.choice(turned if level >= 3 and rng.random() < 0.6 else plain)


def _sentiment(rng: Random, level: int) -> Draft:
    """Return a review: one opinion, or several of which one aspect is asked, at level 4 the count over reviews."""
    product = rng.choice(PRODUCTS)
    if level == 4:
        return _sentiment_count(rng, product)
    aspects = rng.sample(_ASPECTS, level)
    moods = [rng.random() < 0.5 for _ in aspects]
    if level > 1:
        moods[-1] = not moods[0]
    said = [f"The {a} is {_opinion(rng, mood, level)}." for a, mood in zip(aspects, moods, strict=True)]
    rng.shuffle(said)
    author = f"{rng.choice(FIRST_NAMES)} bought the {product} in {rng.choice(MONTHS)}."
    right, wrong = ("positive", "negative") if moods[0] else ("negative", "positive")
    return Draft(
        instruction=f"Is the opinion on the {aspects[0]} in this review positive or negative? Reply with one word.",
        paraphrase=f"How does the reviewer feel about the {aspects[0]}: positive or negative? One word only.",
        payload=f"{author} {' '.join(said)}",
        target=right,
        oracle=right,
        wrong=wrong,
        broken=f"The review sounds rather {right} to me.\nThere is more to say.",
    )


def _sentiment_count(rng: Random, product: str) -> Draft:
    moods = [rng.random() < 0.5 for _ in range(12)]
    lines = [f"{n}. The {rng.choice(_ASPECTS)} is {_opinion(rng, mood, 4)}." for n, mood in enumerate(moods, 1)]
    return Draft(
        instruction=f"How many of these opinions on a {product} are positive? Reply with the number only.",
        paraphrase=f"Count the favourable opinions on the {product} below and give only the number.",
        payload="\n".join(lines),
        target=str(sum(moods)),
        oracle=str(sum(moods)),
        wrong=str(sum(moods) + 1),
        broken=f"Let us count them.\nThere are {sum(moods)}.",
    )


def _word_score(sample: Sample, answer: Completion) -> Score:
    """Return 1 for the right word or number alone; lenient finds it in a longer answer, where no other word stands."""
    right = str(sample.target)
    if parse_number(right) is not None:
        form = one_line(answer) and parse_number(answer.text.strip().rstrip(".")) is not None
        return formed(sample, answer, right=find_numbers(answer.text)[-1:] == [float(right)], form=form)
    options = set(sample.attributes.get("options", ("positive", "negative")))
    said = {word.lower() for word in words(answer.text)} & options
    form = one_line(answer) and len(words(answer.text)) == 1 and bool(said)
    return formed(sample, answer, right=said == {right}, form=form)


# --------------------------------------------------------------------------- topics

_TOPICS = {
    "billing": ("the invoice shows the wrong amount", "I was charged twice", "the refund has not come"),
    "delivery": ("the parcel never arrived", "the courier left it in the rain", "it came three weeks late"),
    "quality": ("the handle broke off", "the paint peels", "it stopped working after two days"),
    "account": ("I cannot log in", "my password is not accepted", "please change my e-mail address"),
    "praise": ("everything went well, thank you", "your staff was kind", "I will gladly buy again"),
}


def _topic(rng: Random, level: int) -> Draft:
    """Return a message to be put in one of five classes; from level 2 on it mentions others in passing."""
    options = sorted(_TOPICS)
    right = rng.choice(options)
    others = [name for name in options if name != right]
    text = f"Hello, {rng.choice(_TOPICS[right])}."
    if level >= 2:
        passing = rng.sample(others, min(level - 1, 3))
        solved = " ".join(f'Last year I wrote: "{rng.choice(_TOPICS[name])}". That is settled.' for name in passing)
        text = f"{solved} This time: {rng.choice(_TOPICS[right])}."
    if level >= 3:
        text += f' My letter is not about "{rng.choice(_TOPICS[rng.choice(others)])}".'
    return Draft(
        instruction=f"Which desk should get this message now: {', '.join(options)}? Reply with one word.",
        paraphrase=f"Sort the message: choose one of {', '.join(options)} for what is wanted now. One word only.",
        payload=f"{text} Order {rng.randint(1000, 9999)}, {rng.choice(FIRST_NAMES)}",
        target=right,
        oracle=right,
        wrong=rng.choice(others),
        broken=f"This one is for {right}.\nBest regards",
        attributes={"options": options},
    )


# --------------------------------------------------------------------------- entities


def _entities(rng: Random, level: int) -> Draft:
    """Return a text with persons, places and firms, to be listed as JSON."""
    count = {1: 1, 2: 2, 3: 3, 4: 4}[level]
    persons = [f"{first} {made_up(rng)}" for first in rng.sample(FIRST_NAMES, count)]
    names = several(rng, 2 * count)
    places, firms = names[:count], [f"{name} Ltd" for name in names[count:]]
    lines = [
        rng.choice(
            ("{p} joined {f} and moved to {c}.", "In {c}, {f} was founded by {p}.", "{f} sent {p} to {c}.")
        ).format(p=person, f=firm, c=place)
        for person, firm, place in zip(persons, firms, places, strict=True)
    ]
    if level >= 3:
        lines.append(f"Months later {persons[0].split()[0]} came back from {places[-1]}.")
    rng.shuffle(lines)
    value = {"persons": sorted(persons), "places": sorted(places), "firms": sorted(firms)}
    array = {"type": "array", "items": {"type": "string"}}
    schema = as_json(
        {
            "type": "object",
            "properties": dict.fromkeys(value, array),
            "required": list(value),
            "additionalProperties": False,
        }
    )
    return Draft(
        instruction='List the full names in the text as JSON: {"persons": [...], "places": [...], "firms": [...]}, '
        "each name once. Reply with the JSON only.",
        paraphrase="Who, where and which firms? Output only a JSON object with the lists persons, places and firms, "
        "each full name once.",
        payload=" ".join(lines),
        target=value,
        json_schema=schema,
        oracle=as_json(value),
        wrong=as_json({"persons": ["Nobody"], "places": ["Nowhere"], "firms": []}),
        broken=f"Persons: {', '.join(persons)}; places: {', '.join(places)}; firms: {', '.join(firms)}",
    )


def _entities_score(sample: Sample, answer: Completion) -> Score:
    """Return 1 when all three lists are right in any order; axis `f1` is the F1 over all names."""
    try:
        value, strict = read_json(answer.text)
    except ValueError as error:
        return judged(sample, answer, value=0.0, valid=False, lenient=0.0, explanation=str(error))
    errors = schema_errors(value, sample.json_schema or "{}")
    if errors:
        return judged(sample, answer, value=0.0, valid=False, lenient=0.0, explanation="; ".join(errors))
    said = {(kind, normalize(name)) for kind, names in value.items() for name in names}
    wanted = {(kind, normalize(name)) for kind, names in sample.target.items() for name in names}
    f1 = 2 * len(said & wanted) / (len(said) + len(wanted))
    right = said == wanted
    return judged(sample, answer, value=float(right and strict), valid=strict, lenient=float(right), axes={"f1": f1})


# --------------------------------------------------------------------------- tables


def _table(rng: Random, level: int) -> tuple[list[tuple[str, str, int]], str]:
    """Return rows (region, product, units) and the table as CSV."""
    count = {1: 4, 2: 8, 3: 16, 4: 40}[level]
    regions, products = rng.sample(REGIONS, min(2 + level, 5)), rng.sample(PRODUCTS, min(2 + level, 5))
    rows = [(rng.choice(regions), rng.choice(products), rng.randint(1, 25 * level)) for _ in range(count)]
    return rows, "region,product,units\n" + "\n".join(f"{r},{p},{u}" for r, p, u in rows)


def _aggregate(rng: Random, level: int) -> Draft:
    """Return a table and a question for a sum, a count, a largest value or a difference by group."""
    rows, table = _table(rng, level)
    region = rng.choice(rows)[0]
    inside = [units for where, _, units in rows if where == region]
    other = next((where for where, _, _ in rows if where != region), region)
    outside = [units for where, _, units in rows if where == other]
    questions = {
        "sum": (f"How many units were sold in the {region} in all?", sum(inside)),
        "count": (f"How many rows belong to the {region}?", len(inside)),
        "largest": (f"What is the largest number of units in one row of the {region}?", max(inside)),
        "difference": (
            f"Units of the {region} minus units of the {other}: what is the result?",
            sum(inside) - sum(outside),
        ),
        "above": (f"How many rows of the {region} have more than 10 units?", sum(units > 10 for units in inside)),
    }
    pool = {1: ("largest", "sum"), 2: ("sum", "count", "largest"), 3: ("sum", "above", "difference")}
    name = rng.choice(pool.get(level, ("sum", "above", "difference")))
    asked, right = questions[name]
    return Draft(
        instruction=f"{asked} Reply with the number only.",
        paraphrase=f"Look at the table and answer with one number, nothing else: {asked[0].lower()}{asked[1:]}",
        payload=table,
        target=str(right),
        oracle=str(right),
        wrong=str(right + rng.choice((1, 2, 5))),
        broken=f"I went through the rows.\nThe result is {right}.",
    )


def _trend(rng: Random, level: int) -> Draft:
    """Return a monthly series: rising, falling or flat, with noise that grows with the level; also its peak."""
    count = {1: 4, 2: 6, 3: 9, 4: 12}[level]
    kind = rng.choice(("rising", "falling", "flat"))
    slope = {"rising": 8, "falling": -8, "flat": 0}[kind]
    noise = {1: 0, 2: 2, 3: 4, 4: 6}[level]
    series = [200 + slope * index + rng.randint(-noise, noise) for index in range(count)]
    peak = rng.randrange(1, count - 1)
    series[peak] += 150
    months = [MONTHS[index % 12] for index in range(count)]
    value = {"trend": kind, "outlier": months[peak]}
    schema = as_json(
        {
            "type": "object",
            "properties": {"trend": {"enum": ["rising", "falling", "flat"]}, "outlier": {"type": "string"}},
            "required": ["trend", "outlier"],
            "additionalProperties": False,
        }
    )
    other = {"rising": "falling", "falling": "flat", "flat": "rising"}[kind]
    return Draft(
        instruction='One month of this series is an outlier; the others show a trend. Reply with JSON only: {"trend": '
        '"rising", "falling" or "flat", "outlier": the month}.',
        paraphrase="Find the one month that stands out, and say whether the rest is rising, falling or flat. Output "
        'only JSON with the keys "trend" and "outlier".',
        payload="\n".join(f"{month}: {units}" for month, units in zip(months, series, strict=True)),
        target=value,
        json_schema=schema,
        oracle=as_json(value),
        wrong=as_json({"trend": other, "outlier": months[0]}),
        broken=f"The trend is {kind}, and {months[peak]} stands out.",
    )


# --------------------------------------------------------------------------- a statistic in plain words


def _words(rng: Random, level: int) -> Draft:
    """Return a test result to be told in one sentence: who is higher, by how much, and whether it is sure."""
    one, two = several(rng, 2)
    low = rng.randint(20, 60)
    gap = rng.randint(3, 25)
    sure = rng.random() < 0.5
    p = rng.choice((0.001, 0.004, 0.01, 0.02)) if sure else rng.choice((0.21, 0.34, 0.48, 0.62))
    first_higher = rng.random() < 0.5
    means = {one: low + gap, two: low} if first_higher else {one: low, two: low + gap}
    higher, lower = (one, two) if first_higher else (two, one)
    facts = "; ".join(f"mean of {name} = {mean}" for name, mean in means.items())
    certain = "significant" if sure else "not significant"
    asked = f"Tell in one sentence, in plain words, whether {one} or {two} is higher and by how many points"
    asked += ', and say "significant" or "not significant" at the 5 % level.' if level >= 2 else "."
    shown = f"{facts}; p = {p}" if level >= 2 else facts
    if level >= 3:
        shown += f"; n = {rng.randint(40, 400)}; standard deviation = {rng.randint(26, 39) / 2}"
    if level >= 4:  # the gap must be worked out from the total
        shown = shown.replace(
            f"mean of {higher} = {low + gap}", f"mean of {higher} = mean of {lower} plus {gap * 2} halves"
        )
    tail = f", and the difference is {certain}" if level >= 2 else ""
    return Draft(
        instruction=asked,
        paraphrase=asked.replace("Tell in one sentence", "Explain to a layman, in one sentence"),
        payload=f"Result: {shown}.",
        target={"higher": higher, "lower": lower, "gap": gap, "certain": certain if level >= 2 else None},
        oracle=f"{higher} is higher than {lower} by {gap} points{tail}.",
        wrong=f"{lower} is higher than {higher} by {gap + 1} points{tail}.",
        broken=f"- higher: {higher}\n- lower: {lower}\n- by: {gap} points\n- {certain}",
    )


def _words_score(sample: Sample, answer: Completion) -> Score:
    """Return 1 when one sentence says the right direction, the right gap and the right certainty.

    Direction: the first of the two names before "higher", "more" and the like is the higher one (or, before "lower"
    and the like, the lower one). Contradicting the figures counts as made up.
    """
    text, target = answer.text.strip(), sample.target
    lowered = re.sub(
        r"\b(less|lower|below|above|more|greater)( than)? (the )?(0?\.05|5 ?%|5 per ?cent)", "", text.lower()
    )
    marks = [(lowered.find(target[key].lower()), key) for key in ("higher", "lower")]
    present = sorted(place for place in marks if place[0] >= 0)
    up = re.search(r"\b(higher|more|above|larger|greater|ahead|exceeds?|better)\b", lowered)
    down = re.search(r"\b(lower|less|below|smaller|fewer|behind|worse)\b", lowered)
    direction = bool(present) and (up is None) != (down is None) and present[0][1] == ("higher" if up else "lower")
    numbers = [number for number in find_numbers(text) if number != 5]
    gap = target["gap"] in numbers or (target["gap"] == 5 and 5.0 in find_numbers(text))
    unsure = re.search(r"\b(not|no|isn't|is not|without)\b[^.]{0,30}\bsignifican", lowered) is not None or (
        "insignificant" in lowered
    )
    wanted = target["certain"]
    certain = wanted is None or ("significan" in lowered and unsure == (wanted == "not significant"))
    form = len(sentences(text)) == 1 and "\n" not in text and not re.match(r"\s*[-*#]", text)
    right = direction and gap and certain
    axes = {"direction": float(direction), "size": float(gap), "certainty": float(certain)}
    value = float(right and form)
    contradicts = form and bool(present) and (up is None) != (down is None) and not direction
    return judged(
        sample, answer, value=value, valid=form, lenient=float(right), axes=axes,
        hallucinated=contradicts and not failures.refused(text),
    )  # fmt: skip


PACK = Pack(
    name="analysis",
    title="Sentiment, topics, entities, aggregates, trends, a statistic in plain words",
    levels=(
        "which of three made-up languages a text is in",
        "one opinion, four rows, a clear trend",
        "two aspects, eight rows, p-values",
        "negated praise, sixteen rows, noise",
        "counts over twelve reviews, forty rows, figures to be worked out first",
    ),
    skills=("language",),
    kinds=(
        Kind(name="sentiment", make=_sentiment, score=_word_score),
        Kind(name="topic", make=_topic, score=_word_score),
        Kind(name="entities", make=_entities, score=_entities_score),
        Kind(name="aggregate", make=_aggregate, score=_word_score),
        Kind(name="trend", make=_trend, score=json_schema),
        Kind(name="words", make=_words, score=_words_score),
    ),
    max_output_tokens=(96, 160, 224, 288),
)
