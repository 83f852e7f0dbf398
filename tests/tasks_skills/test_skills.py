"""The skills: right answers, a clean split, the same samples for the same seed."""

from __future__ import annotations

import json
from itertools import islice
from random import Random

import pytest

from sizewise.errors import ConfigError
from sizewise.tasks import skills
from sizewise.tasks.skills import facts, safety, text, translate
from sizewise.tasks.skills.draw import held_out


@pytest.mark.parametrize("name", skills.names())
def test_the_same_seed_gives_the_same_samples_and_another_seed_others(name: str) -> None:
    first = skills.load(name, seed=3, n=20)
    assert first == skills.load(name, seed=3, n=20)
    assert [s.prompt for s in first] != [s.prompt for s in skills.load(name, seed=4, n=20)]


@pytest.mark.parametrize("name", skills.names())
def test_training_never_sees_a_test_prompt(name: str) -> None:
    asked = {sample.prompt for sample in skills.load(name, seed=3, n=300)}
    trained = {draw.prompt for draw in islice(skills.draws(name, Random(1)), 3000)}
    assert not asked & trained


@pytest.mark.parametrize("name", skills.names())
def test_samples_are_short_ascii_and_their_answers_one_line(name: str) -> None:
    for sample in skills.load(name, seed=5, n=100):
        assert sample.prompt.isascii()
        assert len(sample.prompt) < 512 - skills.MAX_ANSWER_TOKENS
        assert "\n" not in sample.attributes["answer"]
        assert 0 < len(sample.attributes["answer"]) < skills.MAX_ANSWER_TOKENS


@pytest.mark.parametrize("name", skills.names())
def test_prompts_and_ids_are_unique(name: str) -> None:
    samples = skills.load(name, seed=6, n=150)
    assert len({sample.prompt for sample in samples}) == len({sample.id for sample in samples}) == len(samples)


def test_one_item_in_eight_is_held_out() -> None:
    share = sum(held_out(f"item {number}") for number in range(8000)) / 8000
    assert share == pytest.approx(1 / 8, abs=0.02)


def test_an_unknown_skill_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'reverse'"):
        skills.load("revers", seed=1, n=1)


def test_sums_are_right_and_count_their_carries() -> None:
    for sample in skills.load("add3", seed=1, n=50):
        a, b = (int(part) for part in sample.prompt.rstrip("=").split("+"))
        assert sample.target == str(a + b)
        assert sample.attributes["carries"] == sum(a % p + b % p >= p for p in (10, 100, 1000))


def test_programs_print_what_python_prints() -> None:
    for sample in skills.load("program", seed=2, n=60):
        printed: list[object] = []
        exec(sample.prompt.replace(";", "\n"), {"print": printed.append})  # noqa: S102 - our own generator's text
        assert sample.target == str(printed[0])


def test_copy_reverse_and_sort_do_what_they_say() -> None:
    for name, change in (("copy", str), ("reverse", lambda t: t[::-1]), ("sort", lambda t: "".join(sorted(t)))):
        for sample in skills.load(name, seed=1, n=20):
            assert sample.target == change(sample.prompt.split()[1])


def test_the_letters_tell_the_language() -> None:
    for level in (1, 2, 3):
        for sample in skills.load("language", seed=1, n=40, level=level):
            words = sample.prompt.split()[1:]
            telling = [word for word in words if set(word) <= set(text.LANGUAGES[sample.target])]
            assert len(words) == 4
            assert len(telling) == {1: 4, 2: 2, 3: 1}[level]


def test_json_answers_hold_the_asked_field_alone() -> None:
    for sample in skills.load("json", seed=1, n=40):
        record, asked = sample.prompt.strip().split(" json ")
        values = dict(part.split("=") for part in record.split())
        assert sample.target == json.loads(sample.attributes["answer"])
        assert {key: str(value) for key, value in sample.target.items()} == {asked: values[asked]}


def test_twins_share_their_text_and_only_one_is_answerable() -> None:
    samples = skills.load("unanswerable", seed=1, n=40)
    for known, unknown in zip(samples[::2], samples[1::2], strict=True):
        assert known.cluster == unknown.cluster
        assert known.prompt.rsplit(" ", 1)[0] == unknown.prompt.rsplit(" ", 1)[0]
        assert (known.unanswerable, unknown.unanswerable, unknown.target) == (False, True, "unknown")


def test_lookups_are_answered_by_the_present_place_not_the_former_one() -> None:
    for sample in skills.load("lookup", seed=1, n=60, level=3):
        name = sample.prompt.split()[-1].rstrip("=")
        assert f"{name}={sample.target} " in sample.prompt


def test_the_last_phrasing_is_tested_but_never_trained() -> None:
    assert {sample.attributes["template"] for sample in skills.load("rephrase", seed=1, n=40)} == {0, 1, 2, 3}
    trained = islice(skills.draws("rephrase", Random(1)), 500)
    assert {draw.attributes["template"] for draw in trained} == {0, 1, 2}


def test_needles_lie_at_all_depths_and_are_in_the_text() -> None:
    samples = skills.load("needle", seed=1, n=100, level=3)
    depths = [sample.attributes["depth"] for sample in samples]
    assert min(depths) < 0.1
    assert max(depths) > 0.85
    for sample in samples:
        name = sample.prompt.split()[-1].rstrip("=")
        assert f"{name}={sample.target} " in sample.prompt


def test_recall_follows_the_table_and_brings_the_passage_that_answers() -> None:
    for sample in skills.load("recall", seed=1, n=60):
        assert sample.gold_passages == 1
        assert str(sample.target) in sample.passages[0]
    assert len(facts.table()) == 384


def test_given_passages_hold_the_answer_even_against_the_table() -> None:
    samples = skills.load("recall_open", seed=1, n=200)
    for sample in samples:
        assert f"={sample.target}\n" in sample.prompt
    assert {sample.attributes["counterfactual"] for sample in samples} == {True, False}


def test_unknown_names_are_not_in_the_table() -> None:
    for sample in skills.load("recall_unknown", seed=1, n=60):
        assert not any(name in sample.prompt for name in facts.table())


def test_requests_are_refused_for_a_forbidden_word_alone() -> None:
    for sample in skills.load("refuse", seed=1, n=120):
        forbidden = any(word in sample.prompt.split() for word in safety.FORBIDDEN)
        assert forbidden == sample.attributes["harmful"] == (sample.target == "no")


def test_translation_maps_every_word_and_moves_the_adjective() -> None:
    pairs = dict(pair for kind in translate.KINDS for pair in translate.lexicon()[kind])
    assert len(pairs) == len(set(pairs.values())) == 48
    for sample in skills.load("translate", seed=1, n=40, level=2):
        adjective, noun = sample.prompt.split()[1:]
        assert sample.target == f"{pairs[noun]} {pairs[adjective]}"
