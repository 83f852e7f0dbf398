"""Comparisons of training runs: known truth, error rates, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sizewise.claims.base import Group, Subject
from sizewise.claims.results import Results, holm_any, share
from sizewise.records import Candidate, Score, StopReason, Timing, Trial, TrialKey


def trial(candidate: str, task: str, sample: str, value: float, cluster: str | None = None) -> Trial:
    return Trial(
        key=TrialKey(candidate=candidate, sample=sample), prompt_hash="", answer="", score=Score(value=value),
        stop_reason=StopReason.STOP, timing=Timing(total_s=0.01), task=task, cluster=cluster,
    )  # fmt: skip


def group(*names: str) -> Group:
    return Group(name=names[0], subjects=tuple(Subject(candidate=Candidate(name=name, model=name)) for name in names))


def answers(shares: dict[str, float], items: int, rng: np.random.Generator, task: str = "t") -> list[Trial]:
    return [
        trial(name, task, f"i{i}", float(rng.random() < probability))
        for name, probability in shares.items()
        for i in range(items)
    ]


def test_a_difference_of_single_runs_is_the_paired_t_interval() -> None:
    rng = np.random.default_rng(0)
    trials = answers({"a": 0.7, "b": 0.4}, 80, rng)
    contrast = Results(trials).contrast(group("a"), group("b"), ["t"])
    gaps = np.array([trials[i].score.value - trials[80 + i].score.value for i in range(80)])  # type: ignore[union-attr]
    assert contrast.value == pytest.approx(gaps.mean())
    assert contrast.se == pytest.approx(gaps.std(ddof=1) / np.sqrt(80), rel=1e-6)
    assert contrast.df == pytest.approx(79)


def test_seeds_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(1)
    shares = {"a1": 0.9, "a2": 0.5, "b1": 0.45, "b2": 0.5}
    results = Results(answers(shares, 200, rng))
    groups = [group("a1", "a2"), group("b1", "b2")]
    without = results.contrast(*groups, ["t"]).estimate()
    seeds = results.contrast(*groups, ["t"], groups).estimate()
    assert seeds.high - seeds.low > 2 * (without.high - without.low)
    assert results.spread(groups, ["t"]).df == 2


def test_a_difference_between_recipes_is_found_falsely_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(2)
    false = 0
    for _ in range(150):
        runs = {
            f"{side}{seed}": float(np.clip(0.5 + 0.08 * rng.standard_normal(), 0, 1))
            for side in "abcd"
            for seed in range(3)
        }
        results = Results(answers(runs, 40, rng))
        groups = [group(*(f"{side}{seed}" for seed in range(3))) for side in "abcd"]
        contrast = results.contrast(groups[0], groups[1], ["t"], groups)
        false += min(contrast.p_greater, contrast.p_less) < 0.025
    assert false / 150 < 0.09


def test_items_of_one_cluster_count_as_one() -> None:
    rng = np.random.default_rng(3)
    loose, tight = [], []
    for i in range(30):
        value = float(rng.random() < 0.6)
        for copy in range(4):
            loose += [trial("a", "t", f"{i}-{copy}", value), trial("b", "t", f"{i}-{copy}", 0.0)]
            tight += [trial("a", "t", f"{i}-{copy}", value, f"c{i}"), trial("b", "t", f"{i}-{copy}", 0.0, f"c{i}")]
    wide, narrow = (Results(rows).contrast(group("a"), group("b"), ["t"]).se for rows in (tight, loose))
    assert wide > 1.8 * narrow


def test_no_disagreement_at_all_still_has_an_interval() -> None:
    rows = [trial(name, "t", f"i{i}", 1.0) for name in "ab" for i in range(20)]
    estimate = Results(rows).contrast(group("a"), group("b"), ["t"]).estimate()
    assert estimate.value == 0
    assert estimate.low < 0 < estimate.high


def test_a_failed_request_is_left_out_but_a_prompt_that_did_not_fit_is_wrong() -> None:
    good = trial("a", "t", "i0", 1.0)
    failed = replace(trial("a", "t", "i1", 0.0), score=None, error="timeout: too slow")
    lost = replace(trial("a", "t", "i2", 0.0), score=None, error="context_lost: prompt cut")
    results = Results([good, failed, lost])
    assert results.mean("a", "t") == 0.5


def test_halves_share_no_cluster_and_miss_nothing() -> None:
    rows = [trial("a", "t", f"i{i}", float(i % 2), f"c{i // 2}") for i in range(40)]
    first, second = Results(rows).halves("t")
    seen = [{t.cluster for t in half.trials} for half in (first, second)]
    assert not seen[0] & seen[1]
    assert len(first.trials) + len(second.trials) == 40


def test_shares_and_holm_are_the_textbook_ones() -> None:
    assert share(np.array([1.0] * 8 + [0.0] * 2)).low == pytest.approx(0.4902, abs=1e-4)
    assert holm_any([0.001, 0.2, 0.02]) == [True, False, True]
    assert holm_any([]) == []
