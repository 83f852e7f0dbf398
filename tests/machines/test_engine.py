"""Asking and timing the real engine on small models, and keeping what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sizewise.errors import RuntimeFailure
from sizewise.machines.calibration import attention_rates, calibrate
from sizewise.machines.detect import detect
from sizewise.machines.engine_memory import ask_engine, engine_version, read_projection
from sizewise.machines.engine_run import EngineRun
from sizewise.machines.probe_models import attention_shape, overhead_shape, weights_shape, write_pure
from sizewise.machines.stored import save, with_calibration
from sizewise.machines.takes import evict, fill, mapped_read_rate
from sizewise.models import catalog
from sizewise.models.configuration import read_architecture
from sizewise.prediction.memory import llama_cpp_memory
from sizewise.prediction.predict import facts_of
from sizewise.records import (
    Architecture,
    Attention,
    Calibration,
    Device,
    DeviceKind,
    FeedForward,
    Layer,
    Machine,
    Model,
)

MIB = 2**20
CALIBRATION = Calibration(
    engine="test", threads=2, taken_at=1.0, bandwidth_bytes_per_s=2e10, decode_bytes_per_s={"F16": 1e10},
    rejected=("Q4_K: no time left",),
)  # fmt: skip
MACHINE = Machine(name="m", devices=(Device(name="a processor", kind=DeviceKind.CPU),), cpu_cores=2.0)


def small() -> Architecture:
    """Return a llama of 60 million weights."""
    attention = Attention(heads=8, kv_heads=2, head_dim=64, value_dim=64)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=2048))
    return Architecture(family="llama", hidden=512, vocabulary=2000, layers=(layer,) * 12, tied=True)


def test_the_engine_answers_what_the_formulas_say_and_is_asked_once(tmp_path: Path) -> None:
    asked = ask_engine(small(), "Q4_0", 4096, folder=tmp_path)
    formula = llama_cpp_memory(facts_of(Model(name="m", architecture=small()), "Q4_0"), 4096)
    for part in ("weights", "kv_cache", "compute", "repack"):
        assert abs(getattr(asked, part) - getattr(formula, part)) <= MIB, part
    stored = next(tmp_path.glob("*.json"))
    stored.write_text(stored.read_text().replace(str(asked.kv_cache), "7"))
    assert ask_engine(small(), "Q4_0", 4096, folder=tmp_path).kv_cache == 7


def test_a_shape_that_the_engine_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    row = catalog.find("deepseek-ai/DeepSeek-V2-Lite")
    assert row is not None
    whole = read_architecture(catalog.configuration(row))
    broken = replace(whole, layers=whole.layers[:4])  # llama.cpp tells the "Lite" model by its 27 layers
    with pytest.raises(RuntimeFailure, match="portable formulas"):
        ask_engine(broken, "F16", 512, folder=tmp_path)


def test_projections_of_several_places_are_read() -> None:
    log = (
        "|   - CUDA0 (RTX 4090)   | 24210 = 23000 + ( 5800 =  5000 +     576 +     224 ) +  1000 |\n"
        "|   - Host               |                 2281 =  1589 +     576 +     116                |\n"
        "|   - CPU_REPACK         |                 3199 =  3199 +       0 +       0                |\n"
    )
    found = read_projection(log)
    assert found["Host"] == (1589 * MIB, 576 * MIB, 116 * MIB)
    assert found["CPU_REPACK"][0] == 3199 * MIB
    assert found["CUDA0 (RTX 4090)"] == (5000 * MIB, 576 * MIB, 224 * MIB)


def test_the_engine_times_what_it_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    size, count = write_pure(path, overhead_shape(2), "Q8_0")
    assert size == count * 34 // 32
    with EngineRun(path, context_tokens=256, threads=1) as run:
        timing = run.time(40, 6)
        again = run.time(40, 6, reuse=True)
        assert run.engine.startswith("xllamacpp")
        assert "model loaded" in run.log()
    assert (timing.prompt_tokens, timing.decode_tokens) == (40, 6)
    assert timing.prompt_s > 0
    assert again.prompt_tokens <= 40
    assert run.pid is None


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(RuntimeFailure, match="cannot load"), EngineRun(path, context_tokens=256):
        pass


def test_probe_models_have_the_sizes_that_show_one_thing() -> None:
    facts = facts_of(Model(name="w", architecture=weights_shape(4)), "F16")
    assert 4 * 40e6 < facts.total_macs < 4 * 50e6
    assert attention_shape(64).layers[0].attention is not None
    assert engine_version().startswith("xllamacpp ")


def test_three_shapes_give_three_rates_and_a_term_that_costs_nothing_has_none() -> None:
    amounts = ((64.0, 1.0, 0.25), (128.0, 1.0, 0.25), (64.0, 1.0, 1.0))
    true = [macs / 8 + cells / 4 + rows / 2 for macs, cells, rows in amounts]
    rates = attention_rates(list(zip(amounts, true, strict=True)), "f16")
    assert rates == pytest.approx({"f16": 8.0, "f16 cells": 4.0, "f16 rows": 2.0})
    flat = attention_rates([(amount, amount[1] / 4) for amount in amounts], "f16")
    assert flat == pytest.approx({"f16 cells": 4.0})
    assert attention_rates([(amount, -1.0) for amount in amounts], "f16") == {}
    assert list(attention_rates([(amounts[0], -1.0), (amounts[1], 16.0)], "f16")) == ["f16"]


def test_a_dropped_file_is_read_from_disk_and_filled_files_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_pure(path, overhead_shape(2), "Q8_0")
    before = path.stat().st_size
    fill(path)
    assert path.stat().st_size == before
    assert path.stat().st_blocks * 512 >= before
    with EngineRun(path, context_tokens=256, threads=1) as run:
        assert run.time(8, 3).step_s > 0
    if evict(path):
        assert mapped_read_rate(path) > 0


def test_a_short_calibration_measures_what_it_can_and_says_what_it_left_out(tmp_path: Path) -> None:
    machine = detect()
    told: list[str] = []
    found, checks = calibrate(machine, seconds=0.1, threads=1, types=("Q8_0", "Q4_1"), now=5.0, say=told.append)
    assert found.taken_at == 5.0
    assert "Q8_0" in found.decode_bytes_per_s
    assert "Q4_1" in found.decode_bytes_per_s or any(line.startswith("Q4_1: no time") for line in found.rejected)
    assert checks == ()
    assert any("check model" in line for line in found.rejected)
    assert any("foreign" in line or "cores" in line for line in told)
    path = save(found, machine, tmp_path / "c.json")
    assert with_calibration(machine, path).calibration == found


def test_a_calibration_is_found_again_but_not_on_another_processor(tmp_path: Path) -> None:
    path = save(CALIBRATION, MACHINE, tmp_path / "calibration.json")
    assert with_calibration(MACHINE, path).calibration == CALIBRATION
    other = replace(MACHINE, devices=(Device(name="another", kind=DeviceKind.CPU),))
    assert with_calibration(other, path).calibration is None
    assert "run `sizewise calibrate` again" in with_calibration(other, path).notes[0]
    path.write_text("{")
    assert with_calibration(MACHINE, path).calibration is None
