"""Long context: one needle, several needles, a total over scattered facts, in texts of a set length."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

from sizewise.errors import ConfigError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.packs.base import Draft, Kind, Pack, formed, one_line
from sizewise.tasks.packs.vocabulary import FIRST_NAMES, PRODUCTS, REGIONS, several
from sizewise.tasks.scorers.plain import numeric

TOKENS = {1: 400, 2: 2_000, 3: 8_000, 4: 32_000}
"""Level -> length of the text, in tokens of about four letters."""
_CHARS_PER_TOKEN = 4
_MOST_TOKENS = 2_000_000
_NOTES = (
    "{name} walked through the {region} quarter and bought a {thing}.",
    "The {thing} in the {region} office was repaired by {name} on time.",
    "{name} asked whether a {thing} would arrive before the weekend.",
    "In the {region} the morning was quiet, and {name} read by the window.",
    "A visitor from the {region} left a {thing} behind; {name} took care of it.",
    "{name} and a neighbour talked about the price of a {thing}.",
)


def _hay(rng: Random, tokens: int, needles: list[str]) -> str:
    """Return filler of the length asked, with the needles at even depths, each moved a little."""
    lines: list[str] = []
    size = sum(map(len, needles))
    while size < tokens * _CHARS_PER_TOKEN:
        line = rng.choice(_NOTES).format(
            name=rng.choice(FIRST_NAMES), region=rng.choice(REGIONS), thing=rng.choice(PRODUCTS)
        )
        lines.append(line)
        size += len(line) + 1
    places = sorted(rng.randint(0, len(lines)) for _ in needles)
    for place, needle in zip(reversed(places), reversed(needles), strict=True):
        lines.insert(place, needle)
    return " ".join(lines)


def _code(rng: Random) -> str:
    return "".join(rng.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(3)) + f"-{rng.randint(100, 999)}"


def _needle(rng: Random, level: int, tokens: int | None = None) -> Draft:
    names = several(rng, 1 if level == 1 else 4)
    codes = [_code(rng) for _ in names]
    needles = [f"The access code of the {name} store is {code}." for name, code in zip(names, codes, strict=True)]
    rng.shuffle(needles)
    text = _hay(rng, tokens or TOKENS[level], needles)
    return Draft(
        instruction=f"Read the notes. What is the access code of the {names[0]} store? Reply with the code only.",
        paraphrase=f"The notes give an access code for the {names[0]} store. Which one? Give just the code.",
        payload=text,
        target=codes[0],
        oracle=codes[0],
        wrong=codes[1] if len(codes) > 1 else _code(rng),
        broken=f"I looked through all the notes.\nThe code: {codes[0]}",
        attributes={"depth": round(text.index(codes[0]) / len(text), 3), "text_chars": len(text)},
    )


def _code_score(sample: Sample, answer: Completion) -> Score:
    bare = answer.text.strip().strip("`\"'*.")
    right = str(sample.target) in re.findall(r"[A-Z]{3}-\d{3}", answer.text)[-1:]
    form = re.fullmatch(r"[A-Z]{3}-\d{3}", bare) is not None
    return formed(sample, answer, right=right, form=form, why="" if form else "not a code alone")


def _several(rng: Random, level: int, tokens: int | None = None) -> Draft:
    """Return a question for all the codes of one owner, among codes of others."""
    owner, other = rng.sample(FIRST_NAMES, 2)
    codes = [_code(rng) for _ in range(level + 1)]
    others = [_code(rng) for _ in range(level + 1)]
    needles = [f"{owner} keeps a key with the number {code}." for code in codes]
    needles += [f"{other} keeps a key with the number {code}." for code in others]
    rng.shuffle(needles)
    right = ", ".join(codes)
    return Draft(
        instruction=f"Read the notes. Which key numbers does {owner} keep? Reply with all of them on one line, "
        "separated by commas, nothing else.",
        paraphrase=f"List every key number that belongs to {owner} in the notes, on one line with commas between.",
        payload=_hay(rng, tokens or TOKENS[level], needles),
        target=codes,
        oracle=right,
        wrong=", ".join(others),
        broken="\n".join(f"- {code}" for code in codes),
    )


def _codes_score(sample: Sample, answer: Completion) -> Score:
    said = re.findall(r"[A-Z]{3}-\d{3}", answer.text)
    form = re.fullmatch(r"[A-Z]{3}-\d{3}(\s*,\s*[A-Z]{3}-\d{3})*\.?", answer.text.strip()) is not None
    return formed(sample, answer, right=sorted(said) == sorted(sample.target), form=form)


def _total(rng: Random, level: int, tokens: int | None = None) -> Draft:
    """Return a question for a sum over facts that stand far apart; other sums stand between them."""
    product, other = rng.sample(PRODUCTS, 2)
    amounts = [rng.randint(2, 60) for _ in range(level + 1)]
    needles = [f"On that day the shop sold {amount} pieces of the {product} model." for amount in amounts]
    needles += [f"On that day the shop sold {rng.randint(2, 60)} pieces of the {other} model." for _ in range(level)]
    rng.shuffle(needles)
    total = sum(amounts)
    return Draft(
        instruction=f"Read the notes. How many pieces of the {product} model did the shop sell in all? "
        "Reply with the number only.",
        paraphrase=f"Add up all sales of the {product} model that the notes mention and give only the total.",
        payload=_hay(rng, tokens or TOKENS[level], needles),
        target=total,
        oracle=str(total),
        wrong=str(total + rng.randint(1, 9)),
        broken=f"Adding them up step by step\ngives {total} pieces.",
    )


def _total_score(sample: Sample, answer: Completion) -> Score:
    score = numeric()(sample, answer)
    return score if one_line(answer) else replace(score, value=0.0, valid=False)


def sized(kind: Kind, pack: str, tokens: object) -> Kind:
    """Return a kind of this pack whose texts have about that many tokens, whatever the level."""
    if pack != "long_context":
        raise ConfigError(f"the option 'tokens' belongs to the pack 'long_context', not to {pack!r}")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not 50 <= tokens <= _MOST_TOKENS:
        raise ConfigError(f"tokens is {tokens!r}; expected a whole number from 50 to {_MOST_TOKENS:,}")
    makers = {"needle": _needle, "several": _several, "total": _total}
    maker = makers[kind.name]
    return replace(kind, make=lambda rng, level: maker(rng, level, tokens))


PACK = Pack(
    name="long_context",
    title="Needles and totals in long texts",
    levels=(
        "a code in 96 to 384 bytes",
        "400 tokens, one needle; two facts to gather",
        "2,000 tokens, four needles of which one is asked",
        "8,000 tokens",
        "32,000 tokens",
    ),
    skills=("needle",),
    kinds=(
        Kind(name="needle", make=_needle, score=_code_score),
        Kind(name="several", make=_several, score=_codes_score),
        Kind(name="total", make=_total, score=_total_score),
    ),
    max_output_tokens=(48, 48, 64, 64),
)
