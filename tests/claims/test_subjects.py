"""What is known of a study's models: shipped facts, stored facts, files, public tables, and what a person says."""

from __future__ import annotations

import pytest

from sizewise.claims import experts, quantization, training
from sizewise.claims.base import Finding, Subject, task_name
from sizewise.claims.results import Results
from sizewise.claims.subjects import ladder_subjects, study_subjects, task_names, unknown_facts
from sizewise.claims.training import judge
from sizewise.errors import ConfigError
from sizewise.records import (
    Candidate,
    Estimate,
    Measurement,
    Model,
    ParameterCounts,
    Source,
    Study,
    TaskRef,
)

TASK = TaskRef(ref="mine.jsonl")


def study(*names: str) -> Study:
    candidates = tuple(Candidate(name=name, model=name) for name in names)
    return Study(name="mine", tasks=(TASK,), candidates=candidates)


def facts(candidate: str, **values: float) -> Measurement:
    said = {
        name: Estimate(value=value, low=value, high=value, source=Source.PUBLISHED) for name, value in values.items()
    }
    return Measurement(candidate=candidate, kind="facts", values=said)


def counts(total: int, active: int) -> ParameterCounts:
    return ParameterCounts(
        total=total, active=active, active_without_embedding=active, embedding=0, head=0, attention=0, recurrent=0,
        feed_forward=active, experts=total - active, norms=0,
    )  # fmt: skip


def model(name: str, total: int, file_bytes: int, quantization: str, active: int | None = None) -> Model:
    return Model(
        name=name, counts=counts(total, active or total), file_bytes=file_bytes, quantization=quantization,
        context_tokens=8192,
    )  # fmt: skip


def test_a_candidate_that_runs_a_shipped_model_has_the_shipped_facts() -> None:
    (found,) = study_subjects(study("ladder-36k-adder"), [])
    (shipped,) = [s for s in ladder_subjects() if s.name == "ladder-36k-adder"]
    assert (found.kind, found.skills, found.tokens, found.total) == (
        "specialist", ("add2", "add3"), shipped.tokens, shipped.total,
    )  # fmt: skip


def test_the_largest_file_of_a_model_counts_as_unquantized_and_pairs_of_equal_memory_are_found() -> None:
    models = {
        "a-q8": model("a", 1_000_000, 1_100_000, "Q8_0"),
        "a-q4": model("a", 1_000_000, 600_000, "Q4_0"),
        "b-q8": model("b", 500_000, 560_000, "Q8_0"),
    }
    found = study_subjects(study(*models), [], models)
    assert {s.name: (s.size, s.quantization) for s in found} == {
        "a-q8": ("a", "F16"), "a-q4": ("a", "Q4_0"), "b-q8": ("b", "F16"),
    }  # fmt: skip
    (pair,) = quantization.pairs(found)
    assert (pair.large.name, pair.small.name) == ("a-q4", "b-q8")


def test_a_mixture_is_known_by_its_active_parameters_and_meets_its_dense_neighbours() -> None:
    stored = [
        facts("mix", parameters=8e9, active_parameters=2e9),
        facts("eight", parameters=8.2e9, active_parameters=8.2e9),
        facts("two", parameters=2.1e9, active_parameters=2.1e9),
    ]
    found = study_subjects(study("mix", "eight", "two"), stored)
    ((mixture, total, active),) = experts.triples(found)
    assert (mixture.name, total.name, active.name) == ("mix", "eight", "two")


def test_public_training_tokens_make_pairs_of_better_trained_and_larger() -> None:
    stored = [facts("Meta-Llama-3-8B", parameters=8e9), facts("bloom", parameters=176e9)]
    found = study_subjects(study("Meta-Llama-3-8B", "bloom"), stored)
    assert found[0].tokens == pytest.approx(15e12, rel=0.1)
    assert [(small.name, large.name) for small, large in training.pairs(found)] == [("Meta-Llama-3-8B", "bloom")]


def test_what_a_person_says_counts_first_and_is_checked() -> None:
    said = {"b": {"tokens": "2T", "kind": "context", "context": "32K", "skills": "mine, yours", "total": "7B"}}
    found = study_subjects(study("a", "b"), [facts("b", parameters=5.0)], None, said)[1]
    assert (found.tokens, found.kind, found.total) == (2e12, "context", 7e9)
    assert found.skills == ("mine", "yours")
    for wrong, words in (
        ({"c": {"tokens": "1"}}, "no candidate 'c'"),
        ({"b": {"token": "1"}}, "Did you mean 'tokens'"),
        ({"b": {"kind": "specialst"}}, "Did you mean 'specialist'"),
        ({"b": {"tokens": "many"}}, "many"),
    ):
        with pytest.raises(ConfigError, match=words):
            study_subjects(study("a", "b"), [], None, wrong)


def test_unknown_facts_are_named_with_their_candidates() -> None:
    subjects: list[Subject] = study_subjects(study("a", "b"), [facts("a", parameters=1e9)])
    assert unknown_facts(subjects, ["total", "tokens"]) == "total of b; tokens of a, b"
    assert judge(subjects, Results([])).finding is Finding.NOT_MEASURED


def test_stored_names_of_skills_become_the_names_that_claims_use() -> None:
    refs = (
        TaskRef(ref="skill:needle", level=3, seed=7), TaskRef(ref="needle", level=4, seed=7),
        TaskRef(ref="skill:copy", seed=7), TaskRef(ref="skill:recall", level=2),
    )  # fmt: skip
    names = task_names(Study(name="s", tasks=refs, candidates=(Candidate(name="a", model="a"),)))
    assert names == {
        "skill:needle level 3 seed 7": "skill:needle@3",
        "skill:needle level 4 seed 7": "skill:needle@4",
        "skill:copy": "skill:copy",
        "skill:recall": "skill:recall@2",
    }
    assert task_name(refs[0]) == "skill:needle@3"
