"""Properties over the whole catalog: more bandwidth is never slower, more context or bits never need less memory."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from sizewise.prediction.catalog_facts import catalog_shapes, catalog_stamp, entries, mix_facts, table_stamp
from sizewise.prediction.constants import decode_constants, fitted
from sizewise.prediction.memory import llama_cpp_memory, transformers_memory, vllm_memory
from sizewise.prediction.placement import Plan
from sizewise.prediction.predict import facts_of
from sizewise.prediction.ranking import Demand, judge_shapes, one_of_each_shape, rank, series_of, starting_set
from sizewise.prediction.speed import decode_pace, prefill_pace
from sizewise.records import Model, Workload

CONTEXTS = (512, 4096, 5000, 32768, 131072)


def test_the_table_was_made_from_the_shipped_catalog() -> None:
    assert table_stamp() == catalog_stamp(), "run: python benchmarks/predict_build_shapes.py"


def test_the_table_says_what_the_live_computation_says() -> None:
    from sizewise.models import catalog

    wanted = {"Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V2-Lite", "google/gemma-3-12b-it"}
    shapes = {key: (shape, mixes) for key, shape, mixes in catalog_shapes()}
    for entry in entries():
        if entry.name in wanted:
            row = catalog.find(entry.name)
            assert row is not None
            live = facts_of(catalog.model(row), "Q4_K_M")
            shape, mixes = shapes[entry.shape]
            stored = mix_facts(shape, mixes["Q4_K_M"])
            assert stored.weights == live.weights
            assert stored.read == live.read
            assert stored.repack_bytes == live.repack_bytes
            assert llama_cpp_memory(stored, 4096) == llama_cpp_memory(live, 4096)


def test_more_context_and_more_sequences_never_need_less_memory() -> None:
    for _, shape, mixes in catalog_shapes():
        facts = mix_facts(shape, mixes["Q8_0"])
        for memory in (llama_cpp_memory, vllm_memory, transformers_memory):
            needs = [memory(facts, context).peak for context in CONTEXTS]
            assert needs == sorted(needs), (shape.family, memory)
            assert memory(facts, 4096, sequences=4).peak >= memory(facts, 4096).peak


def test_a_smaller_cache_type_never_needs_more_memory() -> None:
    for _, shape, mixes in catalog_shapes():
        facts = mix_facts(shape, mixes["Q8_0"])
        needs = [llama_cpp_memory(facts, 8192, kv_type=kind).peak for kind in ("q4_0", "q8_0", "f16", "f32")]
        assert needs == sorted(needs)


def test_more_bits_never_need_less_memory_on_a_device() -> None:
    ladder = ("Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16")
    for key, shape, mixes in catalog_shapes():
        needs = [llama_cpp_memory(mix_facts(shape, mixes[mix]), 4096, on_cpu=False).peak for mix in ladder]
        assert needs == sorted(needs), key


def test_more_bandwidth_or_arithmetic_is_never_slower(kit: SimpleNamespace) -> None:
    for _, shape, mixes in catalog_shapes():
        facts = mix_facts(shape, mixes["Q4_K_M"])
        for make in (kit.gpu, lambda bandwidth: kit.cpu(bandwidth=bandwidth)):
            times = []
            for bandwidth in (50e9, 200e9, 900e9, 3000e9):
                device = make(bandwidth=bandwidth)
                step = decode_pace(facts, kit.machine(kit.cpu()), device, depth=2000)
                prompt = prefill_pace(facts, kit.machine(kit.cpu()), device, tokens=600)
                assert step is not None
                assert prompt is not None
                times.append((step.seconds, prompt.seconds))
            for slow, fast in pairwise(times):
                assert fast[0] <= slow[0]
                assert fast[1] <= slow[1]
        device = kit.gpu()
        more = prefill_pace(facts, kit.machine(kit.cpu()), replace(device, flops=2e14), tokens=600)
        less = prefill_pace(facts, kit.machine(kit.cpu()), device, tokens=600)
        assert more is not None
        assert less is not None
        assert more.seconds <= less.seconds


def test_depth_and_batch_never_speed_a_step_up(kit: SimpleNamespace) -> None:
    machine = kit.machine(calibration=kit.calibration())
    for _, shape, mixes in catalog_shapes():
        facts = mix_facts(shape, mixes["Q4_K_M"])
        for device in (machine.devices[0], kit.gpu()):
            by_depth = [decode_pace(facts, machine, device, depth=d).seconds for d in (0, 1000, 30_000)]  # type: ignore[union-attr]
            by_batch = [decode_pace(facts, machine, device, depth=500, batch=b).seconds for b in (1, 2, 8, 64)]  # type: ignore[union-attr]
            assert by_depth == sorted(by_depth)
            assert by_batch == sorted(by_batch)


def test_fitted_constants_cannot_make_bandwidth_hurt() -> None:
    for name in fitted()["decode"]["classes"]:
        law = decode_constants(name)
        assert law.per_byte >= 1.0, name
        assert min(law.step_s, law.layer_s, law.sparse_layer_s) >= 0.0, name
    assert all(factor >= 0 for factor in fitted()["serving"]["tpot"].values())


@pytest.mark.parametrize("free_gib", [2, 12, 200])
def test_ranking_puts_what_fits_first_and_says_why_not(kit: SimpleNamespace, free_gib: int) -> None:
    machine = kit.machine(kit.cpu(free=free_gib * 2**30))
    demand = Demand(workload=Workload(), plan=Plan())
    judged = judge_shapes(machine, demand)
    options = rank(entries(), judged, demand)
    fits = [option.fits for option in options]
    assert fits == sorted(fits, reverse=True)
    for option in options:
        if option.fits:
            assert option.judged.placement is not None
            assert sum(need for _, need in option.judged.placement.needs) <= free_gib * 2**30
        else:
            assert "are free" in option.judged.why_not
    assert len(one_of_each_shape(options)) == len({option.entry.shape for option in options})


def test_the_starting_set_is_a_medium_size_and_its_neighbours(kit: SimpleNamespace) -> None:
    demand = Demand(workload=Workload(), plan=Plan(), min_tokens_per_s=0.5)
    options = rank(entries(), judge_shapes(kit.machine(), demand), demand)
    start = starting_set(options)
    assert len(start) == 3
    middle, down, up = (option.judged.facts.read_bytes for option in start)
    assert down < middle < up
    assert len({series_of(option.entry.name) for option in start}) == 1


def test_evidence_orders_only_where_it_is_published(kit: SimpleNamespace) -> None:
    demand = Demand(workload=Workload(), plan=Plan(), min_tokens_per_s=0.0)
    names = {test for entry in entries() for test in entry.scores}
    assert names
    test = sorted(names)[0]
    options = [o for o in rank(entries(), judge_shapes(kit.machine(), demand), demand, evidence=test) if o.fits]
    scores = [option.entry.scores.get(test) for option in options]
    known = [score for score in scores if score is not None]
    assert known == sorted(known, reverse=True)
    assert all(score is None for score in scores[len(known) :])


def test_a_model_without_mixes_still_has_facts(kit: SimpleNamespace) -> None:
    assert facts_of(Model(name="m", architecture=kit.dense()), None).weight_bytes > 0
