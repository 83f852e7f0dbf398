"""Retrieval arms, prompt variants, clusters."""

from __future__ import annotations

import pytest

from sizewise import config
from sizewise.errors import ConfigError
from sizewise.records import Candidate, Sample, TaskRef
from sizewise.tasks.arms import RETRIEVAL, apply_arms, open_retriever
from sizewise.tasks.clusters import gaps, summarize
from sizewise.tasks.loading import load_task
from sizewise.tasks.retrieval import bm25, bm25_scores, embedding_retriever
from sizewise.tasks.variants import VARIANTS, apply_variant


def arm(retrieval: str = "none", variant: str = "plain") -> Candidate:
    return Candidate(name="c", model="m", retrieval=retrieval, prompt_variant=variant)


def test_bm25_agrees_with_a_score_worked_by_hand() -> None:
    """Two documents of 2 words, one holds the term once: idf ln(1 + 1.5/1.5) = ln 2, saturation 2.2 / 2.2 = 1."""
    assert bm25_scores("fox", ["red fox", "blue whale"]) == pytest.approx([0.6931471805599453, 0.0])


def test_bm25_survives_empty_texts() -> None:
    assert bm25("x", ["", ""], 2) == [0, 1]
    assert bm25("", ["a"], 1) == [0]
    assert bm25("a", [], 3) == []


def test_bm25_finds_the_passage_of_most_single_facts() -> None:
    samples = load_task(TaskRef(ref="retrieval", level=1, samples=60, options={"kind": "fact"})).samples
    found = [apply_arms(sample, arm("bm25")).attributes["gold_found"] for sample in samples]
    assert sum(found) >= 57


def test_the_arms_show_what_they_say() -> None:
    (sample,) = load_task(TaskRef(ref="retrieval", level=2, samples=1, options={"kind": "fact"})).samples
    gold = sample.passages[0]
    assert apply_arms(sample, arm()) == sample
    given = apply_arms(sample, arm("given")).prompt
    assert gold in given
    assert given.endswith(sample.prompt)
    mixed = apply_arms(sample, arm("distractors"))
    assert gold in mixed.prompt
    assert len(mixed.attributes["shown_passages"]) == 4
    assert apply_arms(sample, arm("distractors")).prompt == mixed.prompt


def test_level_0_gets_its_passages_in_the_form_it_was_trained_on() -> None:
    samples = load_task(TaskRef(ref="retrieval", level=0, samples=4)).samples
    recall = next(sample for sample in samples if sample.passages)
    assert apply_arms(recall, arm("given")).prompt == f"{recall.passages[0]}\n{recall.prompt}"


def test_an_embedding_retriever_is_asked_for_by_name() -> None:
    sample = Sample(id="1", prompt="Who saw a fox?", passages=("Ann saw a fox.", "Bo slept."), gold_passages=1)
    with pytest.raises(ConfigError, match="needs an embedding model"):
        apply_arms(sample, arm("embedding"))
    retriever = embedding_retriever(
        lambda texts: [[float("fox" in text), float("slept" in text), 0.1] for text in texts]
    )
    assert "Ann saw a fox." in apply_arms(sample, arm("embedding"), retriever).prompt


def test_a_study_may_name_what_the_arms_know() -> None:
    assert config._RETRIEVAL == RETRIEVAL
    assert config._VARIANTS == VARIANTS


def test_only_embedding_names_a_model() -> None:
    sample = Sample(id="1", prompt="Who?")
    with pytest.raises(ConfigError, match="no retrieval 'bm25:x'"):
        apply_arms(sample, arm("bm25:x"))
    with pytest.raises(ConfigError, match="names no model"):
        open_retriever(arm("embedding"))
    assert open_retriever(arm("given")) is None


def test_unknown_arms_get_the_nearest() -> None:
    sample = Sample(id="1", prompt="Who?")
    with pytest.raises(ConfigError, match="Did you mean 'bm25'"):
        apply_arms(sample, arm("bm52"))
    with pytest.raises(ConfigError, match="Did you mean 'typos'"):
        apply_variant(sample, "typo")


@pytest.mark.parametrize("pack", ["structured", "analysis", "long_context", "bias", "code", "multilingual"])
def test_variants_change_the_instruction_and_never_the_data(pack: str) -> None:
    for sample in load_task(TaskRef(ref=pack, level=2, samples=6)).samples:
        prompts = {variant: apply_variant(sample, variant).prompt for variant in VARIANTS}
        assert prompts["plain"] == sample.prompt
        assert prompts["typos"] != sample.prompt
        for prompt in prompts.values():
            assert sample.attributes["payload"] in prompt
        assert apply_variant(sample, "typos").prompt == prompts["typos"]


def test_the_users_prompt_is_varied_too() -> None:
    sample = Sample(id="9", prompt="Please count the letters in the word.\n\nword: banana")
    assert apply_variant(sample, "reordered").prompt == "word: banana\n\nPlease count the letters in the word."
    assert apply_variant(sample, "typos").prompt.endswith("word: banana")
    assert sample.prompt.split("\n\n")[0] in apply_variant(sample, "paraphrase").prompt


def test_cluster_summaries() -> None:
    rows = [("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 0.0), (None, 0.0), ("c", 1.0)]
    summary = summarize(rows)
    assert summary is not None
    assert (summary.clusters, summary.mean, summary.worst, summary.consistent) == (2, 0.75, 0.5, 0.5)
    assert summarize([("a", 1.0), (None, 1.0)]) is None
    assert gaps([("a", "x", 1.0), ("a", "y", 0.5), (None, "z", 1.0)]) == {"x": 0.25, "y": -0.25}
