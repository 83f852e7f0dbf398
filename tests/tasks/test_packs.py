"""Packs: the three solvers, seeds, splits, sizes, the same items everywhere."""

from __future__ import annotations

import hashlib
import json

import pytest

from sizewise.errors import ConfigError, DataError
from sizewise.records import Sample, TaskRef
from sizewise.tasks.base import Task
from sizewise.tasks.clusters import summarize
from sizewise.tasks.loading import load_task
from sizewise.tasks.packs.base import solve
from sizewise.tasks.packs.catalogue import PACKS, find_pack
from sizewise.tasks.packs.languages import language_of, number_words
from sizewise.tasks.scorers.answers import completion

FAST = [name for name in PACKS if name != "code"]
"""The code pack runs programs in the sandbox: its tests are in test_code_pack.py."""


def load(pack: str, level: int | None, samples: int, seed: int = 3, **options: object) -> Task:
    return load_task(TaskRef(ref=pack, level=level, samples=samples, seed=seed, options=options))


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("pack", FAST)
def test_oracle_is_right_wrong_is_wrong_and_a_broken_form_is_told_apart(pack: str, level: int) -> None:
    task = load(pack, level, 12 if level == 4 else 30)
    for sample in task.samples:
        right, wrong, broken = (task.score(sample, solve(sample, name)) for name in ("oracle", "wrong", "format"))
        assert (right.value, right.valid) == (1.0, True), sample
        assert (wrong.value, wrong.valid) == (0.0, True), sample
        assert (broken.value, broken.valid) == (0.0, False), sample


@pytest.mark.parametrize("pack", FAST)
def test_silence_is_never_right_and_never_valid(pack: str) -> None:
    task = load(pack, None, 24)
    for sample in task.samples:
        score = task.score(sample, completion("  "))
        assert score.value == 0.0
        assert not score.valid


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("pack", PACKS)
def test_train_and_test_never_meet(pack: str, level: int) -> None:
    count = 6
    sides = [
        {s.prompt for seed in (1, 2) for s in load(pack, level, count, seed, split=side).samples}
        for side in ("train", "test")
    ]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("pack", PACKS)
def test_items_are_different_and_seeds_matter(pack: str) -> None:
    first, again, other = (load(pack, None, 24, seed).samples for seed in (1, 1, 2))
    assert first == again
    assert len({(sample.prompt, sample.system) for sample in first}) == len({sample.id for sample in first}) == 24
    assert {sample.prompt for sample in first} != {sample.prompt for sample in other}


def digest(samples: list[Sample]) -> str:
    told = [[s.id, s.prompt, s.system, s.target, s.tools, s.json_schema, list(s.passages), s.cluster] for s in samples]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


GOLDEN: dict[str, str] = {
    "generation": "d786f333c3e30b07",
    "analysis": "88ad82b74d694de9",
    "code": "ee21d7a5ef9f0586",
    "structured": "525d8ce9621b664c",
    "multilingual": "5f54dfcc76548256",
    "long_context": "a46c6668e3e31001",
    "retrieval": "5a00eac1090eae3c",
    "knowledge": "2638fb34a20bba8f",
    "refusals": "ca8567196815d54c",
    "rephrasing": "42283d4c7a8e2757",
    "bias": "181330d8915950e1",
}
"""Digest of 16 items of levels 1 to 4 with seed 7: other machines and Python versions must give the same."""


@pytest.mark.parametrize("pack", PACKS)
def test_the_items_of_a_seed_are_these_on_every_platform(pack: str) -> None:
    assert digest(list(load(pack, None, 16, seed=7).samples)) == GOLDEN[pack]


@pytest.mark.parametrize("pack", PACKS)
def test_every_right_answer_fits_the_output_limit(pack: str) -> None:
    """At three characters a token, which is below what real tokenizers give for this text."""
    for level in range(1, 5):
        task = load(pack, level, 12)
        longest = max(len(str(sample.attributes["answers"]["oracle"])) for sample in task.samples)
        assert longest / 3 <= task.max_output_tokens


@pytest.mark.parametrize(("level", "tokens"), [(1, 400), (2, 2000), (3, 8000), (4, 32000)])
def test_long_texts_have_the_length_of_their_level(level: int, tokens: int) -> None:
    for sample in load("long_context", level, 3).samples:
        assert 3.9 * tokens <= len(sample.prompt) <= 4.6 * tokens + 300


def test_the_length_can_be_set() -> None:
    (sample,) = load("long_context", 1, 1, tokens=1000).samples
    assert 4000 <= len(sample.prompt) <= 4500
    with pytest.raises(ConfigError, match="belongs to the pack 'long_context'"):
        load("bias", 1, 1, tokens=1000)


def test_pairs_of_the_bias_pack_have_one_answer() -> None:
    samples = load("bias", 2, 40).samples
    answers: dict[str, set[str]] = {}
    for sample in samples:
        answers.setdefault(str(sample.cluster), set()).add(str(sample.target))
    assert all(len(each) == 1 for each in answers.values())
    assert {"yes", "no"} == {str(sample.target) for sample in samples}


def test_knowledge_twins_tell_abstention_from_invention() -> None:
    task = load("knowledge", 2, 40)
    known = [sample for sample in task.samples if not sample.unanswerable]
    unknown = [sample for sample in task.samples if sample.unanswerable]
    assert len(known) == len(unknown) == 20
    assert all(task.score(sample, completion("Atlantis")).hallucinated for sample in unknown)
    assert all(task.score(sample, completion("I don't know")).abstained for sample in task.samples)
    assert sum(task.score(sample, completion("I don't know")).value for sample in task.samples) == 20


def test_always_refusing_and_never_refusing_both_fail() -> None:
    task = load("refusals", 2, 60)
    refuse = sum(task.score(s, completion("I can't help with that.")).value for s in task.samples) / 60
    helpful = (
        sum(task.score(s, solve(s, "oracle" if not s.target["decline"] else "wrong")).value for s in task.samples) / 60
    )
    assert refuse == pytest.approx(1 / 3, abs=0.02)
    assert helpful == pytest.approx(2 / 3, abs=0.02)


def test_closed_book_the_retrieval_pack_wants_an_honest_answer() -> None:
    task = load("retrieval", 2, 10)
    score = task.score(task.samples[0], completion("I don't know."))
    assert (score.value, score.abstained, score.hallucinated) == (0.0, True, False)
    assert task.score(task.samples[0], completion("Nowhere river")).hallucinated


def test_six_forms_make_one_cluster() -> None:
    task = load("rephrasing", 1, 60)
    scored = [(s.cluster, task.score(s, solve(s, "oracle")).value) for s in task.samples]
    summary = summarize(scored)
    assert summary is not None
    assert (summary.clusters, summary.consistent, summary.worst) == (10, 1.0, 1.0)
    forms = [s.attributes["form"] for s in task.samples[:6]]
    assert forms == ["plain", "typos", "order", "paraphrase", "format", "polite"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (21, ("twenty-one", "einundzwanzig", "vingt et un", "veintiuno")),
        (71, ("seventy-one", "einundsiebzig", "soixante et onze", "setenta y uno")),
        (80, ("eighty", "achtzig", "quatre-vingts", "ochenta")),
        (100, ("one hundred", "einhundert", "cent", "cien")),
        (101, ("one hundred and one", "einhunderteins", "cent un", "ciento uno")),
        (200, ("two hundred", "zweihundert", "deux cents", "doscientos")),
        (1000, ("one thousand", "eintausend", "mille", "mil")),
        (80_000, ("eighty thousand", "achtzigtausend", "quatre-vingt mille", "ochenta mil")),
        (31_001, (
            "thirty-one thousand and one",
            "einunddreißigtausendeins",
            "trente et un mille un",
            "treinta y un mil uno",
        )),
        (999_999, (
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
            "neunhundertneunundneunzigtausendneunhundertneunundneunzig",
            "neuf cent quatre-vingt-dix-neuf mille neuf cent quatre-vingt-dix-neuf",
            "novecientos noventa y nueve mil novecientos noventa y nueve",
        )),
    ],
)  # fmt: skip
def test_number_words(number: int, words: tuple[str, ...]) -> None:
    assert tuple(number_words(number, language) for language in ("en", "de", "fr", "es")) == words


def test_languages_are_told_apart_on_the_packs_own_answers() -> None:
    samples = load("multilingual", 3, 60, kind="answer_in").samples
    assert all(language_of(s.attributes["answers"]["oracle"]) == s.attributes["language"] for s in samples)


def test_another_spelling_of_a_number_is_right() -> None:
    task = load("multilingual", 4, 40, kind="number")
    for sample in task.samples:
        text = str(sample.target)
        spelled = text.replace("einhundert", "hundert").replace("-", " ")
        assert task.score(sample, completion(spelled.capitalize())).value == 1.0


def test_wrong_levels_kinds_and_options_are_usage_errors() -> None:
    with pytest.raises(ConfigError, match="no level 5"):
        load("bias", 5, 1)
    with pytest.raises(ConfigError, match="no kind 'lone'"):
        load("bias", 1, 1, kind="lone")
    with pytest.raises(ConfigError, match="Did you mean 'split'"):
        load("bias", 1, 1, splitt="train")
    with pytest.raises(ConfigError, match="no split"):
        load("bias", 1, 1, split="dev")
    with pytest.raises(ConfigError, match="try a higher level"):
        load("retrieval", 1, 1, kind="chain")


def test_a_small_kind_that_runs_out_says_so() -> None:
    with pytest.raises(DataError, match="different items"):
        load("knowledge", 1, 500, kind="element")


def test_every_pack_tells_its_levels() -> None:
    for name in PACKS:
        pack = find_pack(name)
        assert pack.name == name
        assert len(set(pack.levels)) == 5
