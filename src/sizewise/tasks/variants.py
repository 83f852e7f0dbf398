"""Prompt variants: the same question put otherwise. Pure; what changes depends on the text and the sample's id alone.

plain leaves a prompt alone; typos swaps letters in some words of the instruction; paraphrase puts it in other words;
reordered puts the data before the instruction. Data (the payload) is never changed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from random import Random

from sizewise.errors import ConfigError
from sizewise.records import Sample
from sizewise.tasks.packs.base import assemble

VARIANTS = ("plain", "typos", "paraphrase", "reordered")
_WORD = re.compile(r"(?<![\w{\"'`./-])[a-z]{4,}(?![\w}\"'`/:-])")


def typos(text: str, rng: Random, share: float = 0.15) -> str:
    """Return the text with two neighbouring letters swapped in about that share of its plain words, at least one.

    Only words of four and more small letters change: no names, numbers, quotes or code; the first letter stays.

    >>> typos("please count the letters", Random("1"), share=1.0)
    'pleaes coutn the lteters'
    """
    found = [match for match in _WORD.finditer(text) if len(set(match.group(0)[1:])) > 1]
    if not found:
        return text
    chosen = rng.sample(found, max(1, round(share * len(found))))
    letters = list(text)
    for match in chosen:
        word = match.group(0)
        places = [index for index in range(1, len(word) - 1) if word[index] != word[index + 1]]
        place = match.start() + (rng.choice(places) if places else len(word) - 2)
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


def apply_variant(sample: Sample, variant: str) -> Sample:
    """Return the sample with its prompt put otherwise; raise `ConfigError` for an unknown variant.

    A pack's sample brings its instruction, payload and paraphrase along. A prompt of the user's is one instruction:
    its paraphrase is a lead-in, and reordering moves its first paragraph to the end.

    >>> apply_variant(Sample(id="1", prompt="Add.\\n\\n1, 2"), "reordered").prompt
    '1, 2\\n\\nAdd.'
    """
    if variant not in VARIANTS:
        near = get_close_matches(variant, VARIANTS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(VARIANTS)}."
        raise ConfigError(f"no prompt variant {variant!r}. {hint}")
    if variant == "plain":
        return sample
    parts = sample.attributes
    instruction, payload = str(parts.get("instruction") or ""), str(parts.get("payload") or "")
    if not instruction or assemble(instruction, payload) != sample.prompt:
        head, gap, rest = sample.prompt.partition("\n\n")
        instruction, payload = (head, rest) if gap else (sample.prompt, "")
    if variant == "typos":
        prompt = assemble(typos(instruction, Random(f"typos/{sample.id}")), payload)
    elif variant == "paraphrase":
        other = str(parts.get("paraphrase") or "") or f"Here is a task for you; do exactly what it says. {instruction}"
        prompt = assemble(other, payload)
    else:
        prompt = assemble(payload, instruction) if payload else sample.prompt
    return replace(sample, prompt=prompt)
