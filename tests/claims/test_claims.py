"""Every claim on made families with known truth: found when true, refuted when false, silent when absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from sizewise.claims import context, experts, quantization, retrieval, specialist, training
from sizewise.claims.base import SKILLS, Finding, Judgement, Subject, task_name
from sizewise.claims.catalogue import CLAIMS, all_asks, find_claims, judge_all, plans
from sizewise.claims.results import Results
from sizewise.errors import ConfigError
from sizewise.records import Candidate, Score, StopReason, Timing, Trial, TrialKey

ITEMS = 60
Truth = Callable[[Subject, str, str], float]
"""Chance of a right answer of a subject, on a task, with a retrieval arm."""


def subject(name: str, size: float, **more: object) -> Subject:
    fields: dict[str, object] = {
        "candidate": Candidate(name=name, model=name), "total": size, "active": size, "tokens": 20 * size,
        "size": f"{size:g}", "member": name, "context_tokens": 512, "file_bytes": int(2 * size),
    }  # fmt: skip
    return Subject(**{**fields, **more})  # type: ignore[arg-type]


def family() -> list[Subject]:
    """Four sizes with two seeds each."""
    made = []
    for size in (1e4, 4e4, 16e4, 64e4):
        made.append(subject(f"m{size:g}", size))
        made.append(subject(f"m{size:g}-s2", size, kind="seed"))
    return made


def answer(subjects: list[Subject], truth: Truth, claims: tuple[str, ...]) -> list[Judgement]:
    """Return the judgements after every planned question was answered by chance."""
    chosen = find_claims(claims)
    by_name = {s.name: s for s in subjects}
    trials = []
    for ask in all_asks(plans(chosen, subjects, ITEMS)):
        name, arm = ask.candidate.name, ask.candidate.retrieval
        who = by_name[name.split("+")[0]]
        task = task_name(ask.task)
        rng = np.random.default_rng(crc32(f"{name} {task}".encode()))
        for i in range(ITEMS):
            value = float(rng.random() < truth(who, task, arm))
            trials.append(
                Trial(
                    key=TrialKey(candidate=name, sample=f"{task}-{i}"),
                    prompt_hash="",
                    answer="",
                    score=Score(value=value),
                    stop_reason=StopReason.STOP,
                    timing=Timing(total_s=0.001 * (who.total or 1) ** 0.5),
                    task=task,
                )
            )
    return judge_all(chosen, subjects, Results(trials))


def rising(who: Subject, task: str, arm: str) -> float:
    """Ability that grows with size on every task, a lot."""
    return float(np.clip(0.2 * np.log10((who.total or 1) / 4e3), 0.02, 0.97))


def test_ten_claims_say_what_would_refute_them() -> None:
    assert [claim.number for claim in CLAIMS] == list(range(1, 11))
    for claim in CLAIMS:
        assert claim.says.endswith(".")
        assert len(claim.refuted_by) > 30
        assert len(claim.test) > 30
        assert claim.published


def test_without_models_every_claim_says_what_it_needs() -> None:
    for claim, judgement in zip(CLAIMS, judge_all(CLAIMS, [], Results([])), strict=True):
        assert judgement.finding is Finding.NOT_MEASURED
        assert judgement.words.startswith("Not measured here: ")
        assert claim.plan([], 10).missing


def test_claims_are_found_by_number_or_name() -> None:
    assert [c.key for c in find_claims(["6", "size"])] == ["size", "quantization"]
    with pytest.raises(ConfigError, match="Did you mean 'retrieval'"):
        find_claims(["retrival"])


def test_growth_on_every_task_does_not_refute_that_more_is_better() -> None:
    (judgement,) = answer(family(), rising, ("size",))
    assert judgement.finding in (Finding.SUPPORTED, Finding.UNDECIDED)


def test_one_task_that_falls_with_size_refutes_that_more_is_always_better() -> None:
    def truth(who: Subject, task: str, arm: str) -> float:
        return 0.9 - rising(who, task, arm) if task == "skill:route" else rising(who, task, arm)

    (judgement,) = answer(family(), truth, ("size",))
    assert judgement.finding is Finding.REFUTED
    assert "skill:route" in judgement.words
    assert judgement.estimate is not None
    assert judgement.estimate.high < 0.1


def test_an_undertrained_larger_model_loses_to_a_smaller_one() -> None:
    weak = subject("weak", 64e4, kind="undertrained", tokens=1e5)

    def truth(who: Subject, task: str, arm: str) -> float:
        return 0.15 if who.kind == "undertrained" else rising(who, task, arm)

    (judgement,) = answer([*family(), weak], truth, ("training",))
    assert judgement.finding is Finding.SUPPORTED
    assert [pair[0].total for pair in training.pairs([*family(), weak])] == [16e4]
    (other,) = answer([*family(), weak], lambda w, _t, _a: 0.95 if w.kind == "undertrained" else 0.2, ("training",))
    assert other.finding is Finding.REFUTED


def test_a_specialist_wins_at_home_and_loses_elsewhere() -> None:
    narrow = subject("narrow", 4e4, kind="specialist", skills=("add2", "add3"))

    def truth(who: Subject, task: str, arm: str) -> float:
        if who.kind == "specialist":
            return 0.95 if task in ("skill:add2", "skill:add3") else 0.02
        return 0.5

    everyone = [*family(), narrow]
    (judgement,) = answer(everyone, truth, ("specialist",))
    assert judgement.finding is Finding.SUPPORTED
    assert specialist.pairs(everyone)[0][1].total == 16e4
    (other,) = answer(everyone, lambda w, _t, _a: 0.05 if w.kind == "specialist" else 0.5, ("specialist",))
    assert other.finding is Finding.REFUTED


def test_passages_lift_a_small_model_over_a_large_one_or_they_do_not() -> None:
    (judgement,) = answer(family(), lambda _w, _t, arm: 0.3 if arm == "none" else 0.9, ("retrieval",))
    assert judgement.finding is Finding.SUPPORTED
    (other,) = answer(family(), lambda _w, _t, arm: 0.9 if arm == "none" else 0.2, ("retrieval",))
    assert other.finding is Finding.REFUTED
    assert all(ask.candidate.retrieval in ("none", *retrieval.ARMS) for ask in retrieval.plan(family(), 8).asks)


def test_long_context_is_judged_on_the_longest_texts() -> None:
    everyone = [*family(), subject("long", 4e4, kind="context", context_tokens=1024)]

    def truth(who: Subject, task: str, arm: str) -> float:
        return (0.8 if who.kind == "context" else 0.1) if task.endswith("@4") else 0.8

    (judgement,) = answer(everyone, truth, ("context",))
    assert judgement.finding is Finding.SUPPORTED
    assert {pair[1].total for pair in context.pairs(everyone)} == {16e4, 64e4}


def test_quantization_flips_an_order_at_equal_memory_or_keeps_it() -> None:
    low = replace(subject("m160000-q4", 16e4), quantization="Q4_0", file_bytes=int(2 * 4e4))
    everyone = [*family(), low]

    def truth(who: Subject, task: str, arm: str) -> float:
        return 0.1 if who.quantization == "Q4_0" else rising(who, task, arm)

    (judgement,) = answer(everyone, truth, ("quantization",))
    assert judgement.finding is Finding.SUPPORTED
    (other,) = answer(everyone, rising, ("quantization",))
    assert other.finding is Finding.REFUTED
    pair = quantization.pairs(everyone)[0]
    assert (pair.large.total, pair.small.total) == (16e4, 4e4)


def test_an_average_that_misses_the_one_good_model_for_a_job_is_found() -> None:
    def truth(who: Subject, task: str, arm: str) -> float:
        if task == "skill:program":
            return 0.95 if who.total == 1e4 else 0.1
        return rising(who, task, arm)

    (judgement,) = answer(family(), truth, ("mismatch",))
    assert judgement.finding is Finding.SUPPORTED
    assert "skill:program" in judgement.words
    (other,) = answer(family(), lambda w, _t, _a: 1.0 if w.total == 64e4 else 0.05, ("mismatch",))
    assert other.finding is Finding.REFUTED


@pytest.mark.parametrize(("level", "finding"), [(0.6, Finding.SUPPORTED), (0.3, Finding.REFUTED)])
def test_a_mixture_is_held_against_its_total(level: float, finding: Finding) -> None:
    everyone = [
        *family(),
        subject("mix", 16e4, kind="experts", active=4e4),
        subject("as-total", 16e4, kind="dense twin"),
        subject("as-active", 4e4, kind="dense twin"),
    ]

    def truth(who: Subject, task: str, arm: str) -> float:
        return {"mix": level, "as-total": 0.55, "as-active": 0.3}.get(who.name, 0.4)

    (judgement,) = answer(everyone, truth, ("experts",))
    assert judgement.finding is finding
    assert experts.triples(everyone)[0][1].name == "as-total"


def test_a_benchmark_that_orders_models_like_the_task_is_not_blamed() -> None:
    everyone = [*family(), subject("extra", 3e5)]
    (judgement,) = answer(everyone, rising, ("benchmarks",))
    assert judgement.finding is Finding.REFUTED
    orders = {skill: np.random.default_rng(i).permutation(5) for i, skill in enumerate(SKILLS)}

    def truth(who: Subject, task: str, arm: str) -> float:
        place = sorted({s.total for s in everyone}).index(who.total)  # type: ignore[type-var]
        return 0.1 + 0.2 * float(orders[task.removeprefix("skill:")][place])

    (other,) = answer(everyone, truth, ("benchmarks",))
    assert other.finding is Finding.SUPPORTED


def test_variance_explained_by_parameters_is_set_against_training_compute() -> None:
    everyone = [
        subject(f"p{i}", size, tokens=tokens)
        for i, (size, tokens) in enumerate((s, t) for s in (1e4, 4e4, 16e4, 64e4) for t in (1e5, 1e7, 1e9))
    ]

    def by_compute(who: Subject, task: str, arm: str) -> float:
        return float(np.clip(0.1 * np.log10((who.total or 1) * (who.tokens or 1) / 1e9), 0.02, 0.98))

    (judgement,) = answer(everyone, by_compute, ("parameters",))
    assert judgement.finding is Finding.REFUTED
    (other,) = answer(everyone, rising, ("parameters",))
    assert other.finding is Finding.SUPPORTED
    outcomes = {row.label.split(": ")[0] for row in other.rows}
    assert len(outcomes) >= 6


def test_a_plan_asks_each_question_once() -> None:
    asks = all_asks(plans(CLAIMS, family(), 10))
    keys = [(ask.candidate.name, task_name(ask.task)) for ask in asks]
    assert len(keys) == len(set(keys))
