"""Predictions worked by hand, odd machines, and refusals."""

from __future__ import annotations

from dataclasses import replace
from math import exp, hypot, log
from types import SimpleNamespace

import pytest

from sizewise.ladder import family
from sizewise.machines.detect import detect
from sizewise.models.reading import read_model
from sizewise.prediction.cost import Ownership, break_even_requests_per_day, own_cost, self_hosting_per_day
from sizewise.prediction.energy import answer_energy, power
from sizewise.prediction.load_time import load_time
from sizewise.prediction.memory import compute_bytes, llama_cpp_memory, vllm_concurrency
from sizewise.prediction.placement import DoesNotFit, Plan, place
from sizewise.prediction.predict import facts_of, predict
from sizewise.prediction.speed import batch_read_bytes, decode_pace, experts_read, prefill_pace
from sizewise.records import (
    Bottleneck,
    Candidate,
    Estimate,
    Model,
    Prediction,
    Price,
    Settings,
    Skipped,
    Source,
    Workload,
)

GIB = 2**30
MIB = 2**20


def exactly(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, source=Source.MEASURED)


def test_memory_is_the_sum_worked_by_hand(kit: SimpleNamespace) -> None:
    facts = kit.facts({"Q4_K": 9 * MIB, "F32": 1000})
    parts = llama_cpp_memory(facts, 1024)
    assert parts.weights == 9 * MIB + 1000
    assert parts.kv_cache == 4 * 1024 * (2 * 64 + 2 * 64) * 2
    assert parts.compute == 4 * 512 * (3 * 1024 + 5 * 256) + 2 * 512 * 1024
    assert parts.repack == 9 * MIB
    assert parts.overhead == 32 * MIB + 236 * 1000
    assert parts.peak - parts.steady == parts.compute


def test_without_flash_attention_the_scores_are_kept(kit: SimpleNamespace) -> None:
    shape = kit.facts({"F16": MIB}).shape
    assert compute_bytes(shape, 8192, flash=False) >= 4 * 512 * 4 * 8192 > compute_bytes(shape, 8192)


def test_an_untied_embedding_is_not_repacked(kit: SimpleNamespace) -> None:
    facts = facts_of(Model(name="m", architecture=replace(kit.dense(), tied=False)), "Q4_0")
    assert facts.repack_bytes == facts.weights["Q4_0"] - 256 * 1000 * 18 // 32


def test_calibrated_decode_is_bytes_over_rate_plus_attention_plus_overhead(kit: SimpleNamespace) -> None:
    facts = kit.facts({"F16": 10**9, "Q4_K": 10**9})
    machine = kit.machine(calibration=kit.calibration())
    pace = decode_pace(facts, machine, machine.devices[0], depth=1000)
    macs, cells = 4 * 4 * 128 * 1000, 4 * 4 * 1000
    assert pace is not None
    assert pace.seconds == pytest.approx(0.1 + 0.2 + macs / 1e9 + cells / 1e8 + 1e-4 + 4e-5)
    assert (pace.low, pace.high) == pytest.approx((1 / 1.2, 1.2))


def test_a_type_that_was_not_calibrated_takes_the_nearest_and_widens_the_range(kit: SimpleNamespace) -> None:
    machine = kit.machine(calibration=kit.calibration())
    pace = decode_pace(kit.facts({"Q5_K": 10**9}), machine, machine.devices[0], depth=0)
    assert pace is not None
    assert pace.seconds == pytest.approx(0.2, rel=0.01)
    assert pace.high == pytest.approx(exp(hypot(log(1.2), 0.4)), rel=1e-3)


def test_calibrated_prompts_pay_head_and_last_feed_forward_once(kit: SimpleNamespace) -> None:
    facts = kit.facts({"F16": 2 * 10**9})
    machine = kit.machine(calibration=kit.calibration())
    pace = prefill_pace(facts, machine, machine.devices[0], tokens=100)
    assert pace is not None
    attention = 4 * 4 * 128 * (100 * 101 / 2) / 2e9
    last = 3 * 256 * 1024
    expected = (1e9 - 256_000 - last) * 100 / 20e9 + attention + 0.2 * 256_000 / 1e9 + 4e-5 + 1e-4
    assert pace.seconds == pytest.approx(expected, rel=1e-6)


def test_a_batch_reads_more_experts_but_never_more_than_there_are(kit: SimpleNamespace) -> None:
    assert experts_read(8, 2, 1) == pytest.approx(2)
    assert experts_read(8, 2, 1000) == pytest.approx(8)
    facts = kit.facts({"F16": 4 * 4 * 8 * 256 * 512 * 3}, sparse=True, read={"F16": 4 * 4 * 2 * 256 * 512 * 3})
    one, many = batch_read_bytes(facts, 1), batch_read_bytes(facts, 10_000)
    assert one == facts.read_bytes
    assert many <= facts.weight_bytes * 1.01


def test_loading_is_reading_plus_repacking(kit: SimpleNamespace) -> None:
    facts = kit.facts({"Q4_K": 10**9})
    machine = kit.machine(calibration=kit.calibration())
    cold = load_time(facts, machine, on_gpu=False)
    assert cold.value == pytest.approx(0.1 + 1000 / 200e3 + 1.0 + 0.5 + 1.0)
    assert load_time(facts, machine, on_gpu=False, cold=False).value < cold.value


def test_an_uncalibrated_processor_gets_a_wide_range_and_says_so(kit: SimpleNamespace) -> None:
    model = Model(name="m", architecture=kit.dense())
    found = predict(Candidate(name="m", model="m", quantization="F16"), model, kit.machine(), Workload())
    assert isinstance(found, Prediction)
    speed = found.decode_tokens_per_s
    assert speed is not None
    assert speed.source is Source.ASSUMED
    assert speed.high / speed.low > 4
    assert any("sizewise calibrate" in note for note in found.assumptions)


def test_the_shipped_models_are_predicted_on_this_machine() -> None:
    machine = detect()
    for shipped in family.models():
        model = read_model(str(family.path(shipped.name)))
        candidate = Candidate(name=shipped.name, model=shipped.name, settings=Settings(context_tokens=512))
        found = predict(candidate, model, machine, Workload(prompt_tokens=50, output_tokens=20, context_tokens=512))
        assert isinstance(found, Prediction), found
        assert found.memory_bytes.value < 200 * MIB
        assert found.ttft_s is not None
        assert found.ttft_s.low <= found.ttft_s.value <= found.ttft_s.high


def test_a_prompt_beyond_the_context_is_skipped_with_what_to_do(kit: SimpleNamespace) -> None:
    model = Model(name="m", architecture=kit.dense(), context_tokens=4096)
    long = Workload(prompt_tokens=5000, output_tokens=100, context_tokens=4096)
    candidate = Candidate(name="m", model="m", quantization="F16")
    found = predict(candidate, model, kit.machine(), long)
    assert isinstance(found, Skipped)
    assert "set it to at least 5100" in found.reason
    longer = replace(long, context_tokens=8192)
    assert "made for 4096" in getattr(predict(candidate, model, kit.machine(), longer), "reason", "")


def test_unknown_shapes_and_mixes_are_skipped_not_guessed(kit: SimpleNamespace) -> None:
    workload = Workload()
    bare = predict(Candidate(name="m", model="m"), Model(name="m"), kit.machine(), workload)
    assert isinstance(bare, Skipped)
    odd = Candidate(name="m", model="m", quantization="Q9_X")
    assert isinstance(predict(odd, Model(name="m", architecture=kit.dense()), kit.machine(), workload), Skipped)


def test_what_runs_elsewhere_costs_its_tokens_and_takes_no_memory() -> None:
    price = Price(input_usd_per_mtok=1.0, output_usd_per_mtok=4.0)
    remote = Candidate(name="api", model="x", runtime="openai", endpoint="https://example.org/v1", price=price)
    found = predict(remote, None, detect(), Workload(prompt_tokens=1000, output_tokens=250))
    assert isinstance(found, Prediction)
    assert found.memory_bytes.value == 0
    assert found.cost_usd_per_1k_answers is not None
    assert found.cost_usd_per_1k_answers.value == pytest.approx(2.0)
    assert found.bottleneck is Bottleneck.NETWORK


# --------------------------------------------------------------------------- placing


def test_one_card_is_preferred_to_two_and_two_to_the_processor(kit: SimpleNamespace) -> None:
    machine = kit.machine(kit.cpu(), kit.gpu(), kit.gpu(free=12 * GIB, name="smaller"))
    kinds = [getattr(place(kit.facts({"Q8_0": size * GIB}), machine, Plan()), "kind", "none") for size in (10, 30, 60)]
    assert kinds == ["gpu", "split", "none"]


def test_unequal_cards_share_by_what_is_free_on_each(kit: SimpleNamespace) -> None:
    machine = kit.machine(kit.cpu(), kit.gpu(), kit.gpu(free=12 * GIB, name="smaller"))
    placed = place(kit.facts({"Q8_0": 30 * GIB}), machine, Plan())
    assert not isinstance(placed, DoesNotFit)
    (_, first), (_, second) = placed.shares
    assert first + second == pytest.approx(1)
    assert 1.9 < first / second < 2.1
    for device, need in placed.needs:
        assert need <= (device.memory_free_bytes or 0)


def test_experts_go_to_the_processor_before_layers_do(kit: SimpleNamespace) -> None:
    machine = kit.machine(kit.cpu(free=64 * GIB), kit.gpu(free=4 * GIB))
    plan = Plan(use_gpu=True)
    sparse = kit.mixture()
    assert getattr(place(sparse, machine, plan), "kind", "") == "experts"
    assert getattr(place(kit.facts({"Q8_0": 6 * GIB}), machine, plan), "kind", "") == "partial"


def test_free_memory_counts_not_the_total(kit: SimpleNamespace) -> None:
    refused = place(kit.facts({"F16": 10 * GIB}), kit.machine(kit.cpu(free=8 * GIB)), Plan())
    assert isinstance(refused, DoesNotFit)
    assert "8 GiB are free" in refused.reason
    assert refused.missing_bytes is not None
    assert refused.missing_bytes > 2 * GIB


def test_unknown_free_memory_promises_nothing(kit: SimpleNamespace) -> None:
    refused = place(kit.facts({"F16": MIB}), kit.machine(kit.cpu(free=None)), Plan())
    assert isinstance(refused, DoesNotFit)
    assert "not known" in refused.reason
    blind = kit.machine(kit.cpu(), kit.gpu(free=None))
    assert getattr(place(kit.facts({"F16": MIB}), blind, Plan()), "kind", "") == "processor"


def test_vllm_needs_a_card_and_says_how_many_requests_fit(kit: SimpleNamespace) -> None:
    facts = kit.facts({"F16": 8 * GIB})
    assert isinstance(place(facts, kit.machine(), Plan(engine="vllm")), DoesNotFit)
    few, many = vllm_concurrency(facts, 8192, 24 * GIB), vllm_concurrency(facts, 8192, 48 * GIB)
    assert 0 < few < many
    assert vllm_concurrency(facts, 8192, 6 * GIB) == 0


# --------------------------------------------------------------------------- energy and cost


def test_energy_is_power_times_time_shared_by_the_batch(kit: SimpleNamespace) -> None:
    drawn = power(kit.machine(), (kit.gpu(),), Bottleneck.BANDWIDTH)
    assert drawn is not None
    assert drawn.active.value == pytest.approx(300 * 0.62 + 40)
    one, four = answer_energy(drawn, exactly(2.0)), answer_energy(drawn, exactly(2.0), concurrency=4)
    assert one.value == pytest.approx(2 * drawn.active.value) == pytest.approx(4 * four.value)
    assert power(kit.machine(), (replace(kit.gpu(), power_w=None),), Bottleneck.BANDWIDTH) is None


def test_own_cost_is_hours_plus_electricity() -> None:
    owned = Ownership(usd_per_hour=3.6, usd_per_kwh=0.36)
    assert own_cost(owned, exactly(1.0), exactly(1e4)).value == pytest.approx(1000 * (0.001 + 0.001))


def test_break_even_counts_idle_hours() -> None:
    owned = Ownership(usd_per_hour=0.1, usd_per_kwh=0.0)
    volume = break_even_requests_per_day(owned, 0.001, 1.0, 0.0, 50.0, 1.0)
    assert volume == pytest.approx(2400)
    assert self_hosting_per_day(owned, 2400, 1.0, 0.0, 50.0, 1.0) == pytest.approx(2.4)
    assert break_even_requests_per_day(owned, 0.00001, 1.0, 0.0, 50.0, 1.0) is None
