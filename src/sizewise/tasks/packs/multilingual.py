"""Several languages: translation of generated content that a program can check, and answering in the language asked."""

from __future__ import annotations

from random import Random

from sizewise.records import Completion, Sample, Score
from sizewise.tasks.packs.base import Draft, Kind, Pack, formed, one_line
from sizewise.tasks.packs.languages import (
    ADJECTIVES,
    LANGUAGES,
    NOUNS,
    clause,
    joined,
    language_of,
    noun_phrase,
    number_words,
)
from sizewise.tasks.packs.vocabulary import made_up
from sizewise.tasks.text import find_numbers, normalize, strip_lead

_ONLY = " Reply with the translation only, on one line."


def _translate(rng: Random, level: int) -> Draft:
    """Return a noun, one sentence or two to three sentences to translate between two of four languages."""
    source, target, third = rng.sample(sorted(LANGUAGES), 3)
    nouns = rng.sample(sorted(NOUNS), level)
    if level == 1:
        texts = {name: noun_phrase(nouns[0], name) for name in LANGUAGES}
    else:
        pairs = [(noun, rng.choice(sorted(ADJECTIVES))) for noun in nouns]
        texts = {name: joined([clause(noun, a, name) for noun, a in pairs], name) for name in LANGUAGES}
    wrong_noun = rng.choice([noun for noun in sorted(NOUNS) if noun not in nouns])
    wrong = noun_phrase(wrong_noun, target)
    return Draft(
        instruction=f"Translate from {LANGUAGES[source]} into {LANGUAGES[target]}.{_ONLY}",
        paraphrase=f"How does one say this {LANGUAGES[source]} text in {LANGUAGES[target]}? One line, only that.",
        payload=texts[source],
        target=texts[target],
        oracle=texts[target],
        wrong=wrong if level == 1 else joined([wrong], target),
        broken=f"{LANGUAGES[third]}: {texts[third]}\n{LANGUAGES[target]}: {texts[target]}",
        attributes={"source": source, "language": target},
    )


def _translate_score(sample: Sample, answer: Completion) -> Score:
    form = one_line(answer)
    said, right = normalize(strip_lead(answer.text)), normalize(str(sample.target))
    last = normalize(answer.text.strip().splitlines()[-1] if answer.text.strip() else "")
    return formed(sample, answer, right=right in (said, last) or last.endswith(f" {right}"), form=form)


def _number(rng: Random, level: int) -> Draft:
    """Return a number to be written in words of a language; level 4 gives it in words of another."""
    languages = sorted(name for name in LANGUAGES if level < 2 or name != "en")
    language = rng.choice(languages)
    top = {1: 20, 2: 99, 3: 999, 4: 999_999}[level]
    number = rng.randint({1: 1, 2: 20, 3: 100, 4: 1_000}[level], top)
    other = rng.choice([name for name in sorted(LANGUAGES) if name != language])
    given = number_words(number, other) if level == 4 else str(number)
    right = number_words(number, language)
    return Draft(
        instruction=f"Write this number in words in {LANGUAGES[language]}. Reply with the words only, on one line.",
        paraphrase=f"What is this number called in {LANGUAGES[language]}? Words only, one line.",
        payload=given,
        target=right,
        oracle=right,
        wrong=number_words(number + 1, language),
        broken=f"In {LANGUAGES[language]} one says:\n{right}",
        attributes={"language": language},
    )


def _spelled(text: str) -> str:
    """Return the one form behind different spellings of number words: joint, no "and", no plural s, no "ein"."""
    folded = normalize(text).replace(" and ", " ")
    joint = folded.replace(" et ", " ").replace(" ", "")
    joint = joint.replace("vingts", "vingt").replace("cents", "cent")
    return joint.replace("einhundert", "hundert").replace("eintausend", "tausend")


def _number_score(sample: Sample, answer: Completion) -> Score:
    form = one_line(answer) and not find_numbers(answer.text)
    lines = answer.text.strip().splitlines() or [""]
    right = _spelled(str(sample.target)) in (_spelled(strip_lead(answer.text)), _spelled(lines[-1]))
    return formed(sample, answer, right=right, form=form)


_ASK = {
    "en": ("How many people live in {}, and what is the mayor called?",
           "In {0} there are {1} people, and the mayor is {2}."),
    "de": ("Wie viele Menschen leben in {}, und wie heißt der Bürgermeister?",
           "In {0} leben {1} Menschen, und der Bürgermeister ist {2}."),
    "fr": ("Combien de personnes vivent à {}, et comment s'appelle le maire ?",
           "À {0} vivent {1} personnes, et le maire est {2}."),
    "es": ("¿Cuántas personas viven en {} y cómo se llama el alcalde?",
           "En {0} viven {1} personas y el alcalde es {2}."),
}  # fmt: skip
"""Question and answer in each language."""


def _answer_in(rng: Random, level: int) -> Draft:
    """Return a question in one language on a text in another; at levels 3 and 4 a third one is asked for."""
    asked, given, third = rng.sample(sorted(LANGUAGES), 3)
    town, mayor, people = made_up(rng), made_up(rng, 3), rng.randint(101, 998)
    wanted = third if level >= 3 else asked
    if level == 1:
        given = asked
    towns = [(town, people, mayor)] + [(made_up(rng), rng.randint(101, 998), made_up(rng, 3)) for _ in range(level - 1)]
    told = [_ASK[given][1].format(*each) for each in towns]
    rng.shuffle(told)
    close = f" Answer in one sentence in {LANGUAGES[wanted]}." if level >= 3 or wanted == "en" else ""
    close = (
        close
        or {
            "de": " Antworte in einem Satz auf Deutsch.",
            "fr": " Réponds en une phrase en français.",
            "es": " Responde en una frase en español.",
        }[wanted]
    )
    right = _ASK[wanted][1].format(town, people, mayor)
    return Draft(
        instruction=_ASK[asked][0].format(town) + close,
        payload=" ".join(told),
        target={"people": people, "mayor": mayor, "language": wanted},
        oracle=right,
        wrong=_ASK[wanted][1].format(town, people + 1, mayor + "o"),
        broken=_ASK[given if given != wanted else third][1].format(town, people, mayor),
        attributes={"language": wanted},
    )


def _answer_score(sample: Sample, answer: Completion) -> Score:
    """Return 1 when both facts are told in the language asked; another language is a broken form."""
    target = sample.target
    spoken = language_of(answer.text)
    facts = (
        target["people"] in find_numbers(answer.text) and normalize(target["mayor"]) in normalize(answer.text).split()
    )
    form = spoken == target["language"]
    return formed(
        sample, answer, right=facts, form=form, why="" if form else f"answered in {spoken or 'no clear language'}"
    )


PACK = Pack(
    name="multilingual",
    title="Translation that can be checked, and answering in the language asked (English, German, French, Spanish)",
    levels=(
        "words and phrases between two made-up languages",
        "one noun, numbers to 20, one language",
        "a sentence of two clauses, numbers to 99, question and text in different languages",
        "three clauses, numbers to 999, an answer in a third language",
        "four clauses, numbers to a million from words to words",
    ),
    skills=("translate",),
    kinds=(
        Kind(name="translate", make=_translate, score=_translate_score),
        Kind(name="number", make=_number, score=_number_score),
        Kind(name="answer_in", make=_answer_in, score=_answer_score),
    ),
    max_output_tokens=(64, 96, 96, 128),
)
