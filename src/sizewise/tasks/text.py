"""Reading what a model wrote: normal forms, numbers, choices, code and JSON found in an answer.

Pure. It does not cover languages without spaces between words when counting words.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

_FENCE = re.compile(r"```[ \t]*([A-Za-z0-9_+-]*)[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?")
_LEAD = re.compile(r"^\s*(?:the\s+)?(?:final\s+)?(?:answer|result|solution|output)\s*(?:is\s*:?|:|=)\s*", re.IGNORECASE)


def normalize(text: str) -> str:
    """Return the text in lower case, without punctuation, articles and surplus space (SQuAD's rule, all scripts).

    >>> normalize("  The Answer: Eiffel-Tower. ")
    'answer eiffel tower'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(" " if unicodedata.category(char)[0] in "PZSC" else char for char in folded)
    return " ".join(_ARTICLES.sub(" ", kept).split()) or " ".join(kept.split()) or " ".join(folded.split())


def strip_lead(text: str) -> str:
    """Return the text without "The answer is", quotes, bold marks and a final full stop.

    >>> strip_lead('The answer is: "Paris".')
    'Paris'
    """
    bare = _LEAD.sub("", text.strip().strip("*").strip())
    return bare.strip().rstrip(".").strip("\"'`*“”‘’ \n\t").rstrip(".")


def parse_number(text: str) -> float | None:
    """Return the number that the whole text is, None when it is anything else.

    >>> parse_number("1,234.5"), parse_number("12 apples")
    (1234.5, None)
    """
    bare = text.strip()
    if not bare or not any(char.isdigit() for char in bare) or len(bare) > 400:
        return None
    if not _NUMBER.fullmatch(bare):
        return None
    return float(bare.replace(",", "").replace("\u2212", "-"))


def find_numbers(text: str) -> list[float]:
    """Return all numbers in the text, in order.

    >>> find_numbers("from 3 to 1,200 (-4.5 %)")
    [3.0, 1200.0, -4.5]
    """
    found = []
    for match in _NUMBER.finditer(text):
        value = parse_number(match.group(0))
        if value is not None:
            before = text[match.start() - 1] if match.start() else " "
            negative_is_hyphen = match.group(0)[0] in "-+" and (before.isalnum())
            found.append(abs(value) if negative_is_hyphen else value)
    return found


def find_code(text: str) -> str | None:
    """Return the code in an answer: the longest fenced block, or the whole text when it has no fence.

    None when there is no text at all.
    """
    blocks = [match.group(2) for match in _FENCE.finditer(text)]
    if blocks:
        return max(blocks, key=len)
    return text if text.strip() else None


def is_only_fence(text: str) -> bool:
    """Return whether the text is one fenced block and nothing else."""
    match = _FENCE.fullmatch(text.strip())
    return match is not None and text.strip().endswith("```")


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_json(text: str) -> Any:
    """Return the JSON value that the whole text is; raise `ValueError` when it is not JSON (NaN is not)."""
    try:
        return json.loads(text, parse_constant=_no_constants)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _json_starts(text: str) -> Iterator[int]:
    yield from (match.start() for match in re.finditer(r"[\[{]", text))


def find_json(text: str) -> Any:
    """Return the first JSON object or array inside the text; raise `ValueError` when there is none.

    At most 50 opening brackets are tried, so the time stays bounded on any text.

    >>> find_json('Sure! {"a": 1} Anything else?')
    {'a': 1}
    """
    decoder = json.JSONDecoder(parse_constant=_no_constants)
    for tried, start in enumerate(_json_starts(text)):
        if tried >= 50:
            break
        try:
            return decoder.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    raise ValueError("no JSON object or array in the answer")


def words(text: str) -> list[str]:
    """Return the words (letters, digits, inner apostrophes and hyphens).

    >>> words("Don't stop -- well-known!")
    ["Don't", 'stop', 'well-known']
    """
    return re.findall(r"\w+(?:['’-]\w+)*", text)


def sentences(text: str) -> list[str]:
    """Return the sentences: split after . ! ? or their full-width forms, and at line breaks.

    >>> sentences("One. Two is 2.5 long! Three")
    ['One.', 'Two is 2.5 long!', 'Three']
    """
    parts = re.split(r"(?<=[.!?])\s+|(?<=[。！？])|\n+", text)
    return [part.strip() for part in parts if part.strip()]
