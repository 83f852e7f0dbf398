"""Answers: ranges, dissent, worked examples, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from sizewise.data.scaling import family_scores, find_training, published_cases, quant_points, trainings
from sizewise.errors import ConfigError, UnknownFact
from sizewise.records import Source
from sizewise.scaling import laws, mixture, questions
from sizewise.scaling.answers import Basis
from sizewise.scaling.compression import evidence_on, quantization_harm
from sizewise.scaling.public import across_families, prior, within_family
from sizewise.scaling.serving import break_even, lifetime, optimum, serving


def sardana() -> Basis:
    law = laws.SARDANA
    row = np.array([[law.e, law.a, law.b, law.alpha, law.beta]])
    return Basis(
        law=law, draws=row, name="sardana", source=Source.PUBLISHED, flops_range=(1e18, 1e23), reference="Sardana 2024"
    )


def test_sardanas_example_of_13b_quality_and_two_trillion_tokens() -> None:
    answer = serving(2e12, n=13e9, basis=sardana())
    assert answer.estimates["parameters"].value == pytest.approx(7e9, rel=0.02)
    assert answer.estimates["saving"].value == pytest.approx(0.174, rel=0.02)


def test_sardanas_example_of_7b_quality_and_a_hundred_billion_tokens() -> None:
    law = laws.SARDANA
    n, d = law.optimum(law.flops_for_size(7e9))
    best = optimum(law, law.loss(n, d), 1e11)
    assert best.n == pytest.approx(6e9, rel=0.02)
    assert best.d / d == pytest.approx(1.18, rel=0.02)


def test_the_serving_optimum_satisfies_its_first_order_condition() -> None:
    law, served = laws.BESIROGLU, 3e12
    best = optimum(law, law.loss(*law.optimum(1e22)), served)
    marginal_n = law.alpha * law.a * best.n**-law.alpha
    marginal_d = law.beta * law.b * best.d**-law.beta
    assert marginal_n / marginal_d == pytest.approx(1 + served / (3 * best.d), rel=1e-3)


def test_at_the_break_even_volume_both_sizes_cost_the_same() -> None:
    law = laws.BESIROGLU
    loss = law.loss(*law.optimum(law.flops_for_size(13e9)))
    volume = break_even(law, loss, 7e9, 13e9)
    assert lifetime(law, loss, 7e9, volume).flops == pytest.approx(lifetime(law, loss, 13e9, volume).flops)
    assert break_even(law, loss, 1e6, 13e9) == float("inf")


def test_more_serving_never_asks_for_a_larger_model() -> None:
    sizes = [serving(served, n=13e9).estimates["parameters"].value for served in (1e9, 1e11, 1e12, 1e13)]
    assert sizes == sorted(sizes, reverse=True)


def test_serving_needs_one_way_to_say_the_quality() -> None:
    with pytest.raises(ConfigError, match="either"):
        serving(1e12)
    with pytest.raises(ConfigError, match="either"):
        serving(1e12, n=7e9, flops=1e21)


def test_the_optimum_at_1e21_has_the_interval_of_the_corrected_fit() -> None:
    ratio = questions.optimal(1e21).estimates["tokens_per_parameter"]
    assert ratio.value == pytest.approx(21.4, rel=0.02)
    assert ratio.low == pytest.approx(15.5, rel=0.04)
    assert ratio.high == pytest.approx(28.5, rel=0.04)


def test_far_outside_the_data_the_range_is_the_dissent_of_the_laws() -> None:
    near, far = questions.optimal(1e21), questions.optimal(5e24)
    assert near.inside
    assert not far.inside
    spread = far.estimates["tokens_per_parameter"]
    assert spread.low <= min(o.value for o in far.opinions)
    assert spread.high >= max(o.value for o in far.opinions)


@pytest.mark.parametrize(
    ("model", "kind"), [("Llama-2-7b-hf", "Over"), ("Meta-Llama-3-8B", "Over"), ("bloom", "Under")]
)
def test_known_models_are_placed(model: str, kind: str) -> None:
    known = find_training(model)
    assert known.tokens is not None
    assert questions.trained(known.active, known.tokens, known.total).words.startswith(kind)


def test_an_optimal_model_is_near_optimal_and_loses_nothing() -> None:
    n, d = laws.BESIROGLU.optimum(1e21)
    answer = questions.trained(n, d)
    assert answer.words.startswith("Near")
    assert answer.estimates["loss_above_optimal"].value == pytest.approx(0, abs=1e-9)


def test_doubling_compute_well_beats_doubling_either_alone() -> None:
    gains = questions.what_if(7e9, 2e12).estimates
    single = max(gains["double_parameters"].value, gains["double_data"].value)
    assert gains["double_compute"].value >= single
    assert gains["double_parameters"].value > gains["double_data"].value


@pytest.mark.parametrize("bad", [0.0, -1.0, float("inf"), float("nan")])
def test_impossible_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match="expected a finite number above 0"):
        questions.optimal(bad)


def test_a_mixture_of_experts_is_an_interval_that_depends_on_the_task() -> None:
    any_task = mixture.dense_equivalent(30e9, 3e9).estimates["dense_equivalent"]
    one_task = mixture.dense_equivalent(30e9, 3e9, "ifeval").estimates["dense_equivalent"]
    assert any_task.high / any_task.low > 3
    assert any_task.low <= one_task.low < one_task.high <= any_task.high
    assert mixture.dense_equivalent(30e9, 3e9, "cooking").caveats[0].startswith("no evidence for 'cooking'")
    with pytest.raises(ConfigError, match="not below total"):
        mixture.dense_equivalent(3e9, 3e9)


def test_harm_of_quantization_grows_as_bits_fall() -> None:
    harms = [
        quantization_harm(bits, quant_points()).estimates["log_perplexity_growth"] for bits in (2.5, 3.5, 4.8, 6.5)
    ]
    assert [h.value for h in harms] == sorted((h.value for h in harms), reverse=True)
    assert all(h.low <= h.value <= h.high for h in harms)
    assert not quantization_harm(1.0, quant_points()).inside


def test_harm_at_q4_k_m_holds_the_measured_values() -> None:
    harm = quantization_harm(4.85, quant_points()).estimates["log_perplexity_growth"]
    assert harm.low < 0.024 < harm.high
    assert harm.high == pytest.approx(0.047, rel=0.1)


def test_the_larger_of_two_families_wins_half_the_time_on_mmlu() -> None:
    wins = across_families(family_scores(), "MMLU", 1.3, 2.0)
    assert wins.share.value == pytest.approx(0.52, abs=0.02)
    assert wins.share.low < 0.5 < wins.share.high


def test_within_a_family_the_next_size_wins_on_hellaswag_but_not_on_truthfulqa() -> None:
    assert within_family(family_scores(), "HellaSwag").share.value > 0.97
    truthful = within_family(family_scores(), "TruthfulQA")
    assert truthful.share.low < 0.5 < truthful.share.high


def test_a_prior_says_that_it_is_one_and_refuses_what_it_has_not_seen() -> None:
    answer = prior(family_scores(), 2.0, "MMLU")
    assert any("never a reason to choose" in caveat for caveat in answer.caveats)
    with pytest.raises(ConfigError, match="where public pairs exist"):
        prior(family_scores(), 1.1)
    with pytest.raises(ConfigError, match="MMLU"):
        prior(family_scores(), 2.0, "cooking")


def test_pruning_and_distillation_name_cases_and_the_experiment() -> None:
    for kind in ("pruning", "distillation"):
        answer = evidence_on(kind, published_cases())
        assert answer.sources
        assert answer.next_step.startswith("sizewise ")


def test_a_model_without_published_tokens_or_unknown_says_so() -> None:
    with pytest.raises(UnknownFact, match="Near names"):
        find_training("Llama-2-7b-h")
    silent = next(row for row in trainings() if row.tokens is None)
    with pytest.raises(UnknownFact, match="does not publish"):
        find_training(silent.model)
