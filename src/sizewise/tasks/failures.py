"""Ways an answer can fail that are not "wrong": refused, abstained, empty, looped. Pure.

The detectors read English, German, French and Spanish phrases at the start of an answer. They do not cover irony,
partial help, or refusals in other languages: those count as wrong, not as refused.
"""

from __future__ import annotations

import re

from sizewise.tasks.text import words

_CANNOT = r"(?:can['’]?t|cannot|can\s+not)"
_TO_KNOW = (
    r"(?:be\s+(?:sure|certain)|determine|find|tell|say|know|see|confirm|infer|conclude|answer\s+th(?:is|at)\s+from)"
)
_REFUSAL = re.compile(
    rf"""\b(?:
      (?:i['’]?\s?m|i\s+am|we\s+are)\s+(?:\w+\s+){{0,2}}
      (?:unable|not\s+(?:able|allowed|permitted|comfortable))(?!\s+to\s+{_TO_KNOW})
    | (?:i|we)\s+(?:{_CANNOT}|won['’]?t|will\s+not|refuse|(?:must|have\s+to|need\s+to)?\s*decline)(?!\s+{_TO_KNOW})
    | (?:sorry|apologi[sz]e)[^.!?]{{0,40}}\b(?:{_CANNOT}|unable|not\s+able|won['’]?t)\b(?!\s+(?:to\s+)?{_TO_KNOW})
    | as\s+an?\s+(?:ai|language\s+model)[^.!?]{{0,60}}\b(?:{_CANNOT}|unable|not\s+able|won['’]?t)\b
    | against\s+my\s+(?:guidelines|policy|policies|programming)
    | (?:ich\s+kann|wir\s+können)\s+(?:ihnen\s+|dir\s+)?(?:dabei|damit|das)\s+(?:leider\s+)?nicht
    | je\s+ne\s+peux\s+pas\s+(?:vous\s+|t['’])?aider
    | no\s+puedo\s+(?:ayudar|hacer)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_ABSTENTION = re.compile(
    rf"""
      ^\W*(?:unknown|not\s+known|n/?a|unanswerable|no\s+answer|cannot\s+be\s+determined)\W*$
    | ^\W*(?:not\s+(?:given|stated|mentioned|specified|enough\s+information))\W*$
    | \b(?:i|we)\s+(?:do\s+not|don['’]?t)\s+(?:really\s+)?know\b
    | \b(?:i['’]?m|i\s+am|we\s+are)\s+not\s+(?:sure|certain)\b
    | \b(?:i|we)\s+{_CANNOT}\s+{_TO_KNOW}\b
    | \b(?:i['’]?m|i\s+am|we\s+are)\s+(?:unable|not\s+able)\s+to\s+{_TO_KNOW}\b
    | \b(?:is|are|was|were|has|have)\s+(?:not|never)\s+(?:been\s+)?
      (?:known|given|stated|mentioned|specified|provided|included|recorded|listed)\b
    | \b(?:does|do)(?:\s+not|n['’]?t)\s+(?:say|state|mention|specify|contain|include|provide|tell|give)\b
    | \bcannot\s+be\s+(?:determined|known|answered|inferred)\b
    | \b(?:not\s+enough|insufficient|no)\s+information\b
    | \bich\s+wei(?:ß|ss)\s+(?:es\s+)?nicht\b | \bje\s+ne\s+sais\s+pas\b | \bno\s+(?:lo\s+)?s[eé]\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_HEAD_CHARS = 300


def refused(text: str) -> bool:
    """Return whether the answer declines to help, seen in its first 300 characters.

    >>> refused("I'm sorry, but I can't help with that."), refused("You can't divide by zero.")
    (True, False)
    """
    return _REFUSAL.search(text[:_HEAD_CHARS]) is not None


def abstained(text: str) -> bool:
    """Return whether the answer says that it does not know, seen in its first 300 characters.

    >>> abstained("I don't know."), abstained("unknown"), abstained("Paris")
    (True, True, False)
    """
    return _ABSTENTION.search(text[:_HEAD_CHARS].strip()) is not None


def empty(text: str) -> bool:
    """Return whether nothing but space came.

    >>> empty(" \\n")
    True
    """
    return not text.strip()


def _tail_period(units: list[str], longest: int, times: int, least: int) -> bool:
    """Return whether `units` end in one block of up to `longest` units, `times` over and `least` units in all."""
    count = len(units)
    for period in range(1, min(longest, count // times) + 1):
        matched = 0
        while matched + period < count and units[count - 1 - matched] == units[count - 1 - matched - period]:
            matched += 1
            if matched + period >= max(times * period, least):
                return True
    return False


def looped(text: str) -> bool:
    """Return whether the answer ends in a loop: one passage said at least four times over to the very end.

    Looked at by words (passages up to 60 words, 24 repeated words in all) and by characters (up to 40 characters,
    120 in all). Only the last 8,000 characters are read. A list that repeats a word a few times is no loop.

    >>> looped("I think. " * 40), looped("ha " * 5), looped("abab" * 60)
    (True, False, True)
    """
    tail = text[-8000:]
    return _tail_period(words(tail), 60, 4, 24) or _tail_period(list(tail.rstrip()), 40, 4, 120)
