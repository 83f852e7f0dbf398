"""Energy counters read from a real folder tree, and the range where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sizewise.loadgen.energy import CORE_W, Counter, Meter, cpu_seconds, nvml_counters, rapl_counters
from sizewise.records import Source


def zone(root: Path, folder: str, name: str, energy_uj: int) -> Path:
    path = root / folder
    path.mkdir()
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text("1000000000\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    return path


def test_package_and_memory_zones_are_counted_and_cores_are_not(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 1)
    zone(tmp_path, "intel-rapl:0:1", "dram", 2_000_000)
    found = rapl_counters(tmp_path)
    assert [(c.name, c.read_j()) for c in found] == [("RAPL package-0", 5.0), ("RAPL dram", 2.0)]


def test_a_zone_that_may_not_be_read_is_no_counter(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0", 0) / "energy_uj").unlink()
    assert rapl_counters(tmp_path) == []


def test_the_meter_takes_the_difference_across_a_wrap_and_shares_it(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", 990_000_000)
    meter = Meter([os.getpid()], rapl_counters(tmp_path))
    (path / "energy_uj").write_text("20000000")
    used = meter.stop(requests=10, output_tokens=100, g_per_kwh=360.0)
    assert used.joules is not None
    assert used.joules.value == pytest.approx(30.0)
    assert used.joules.source is Source.MEASURED
    assert used.per_request_j is not None
    assert used.per_request_j.value == pytest.approx(3.0)
    assert used.per_output_token_j is not None
    assert used.per_output_token_j.value == pytest.approx(0.3)
    assert used.grams_co2e is not None
    assert used.grams_co2e.value == pytest.approx(0.003)


def test_without_a_counter_the_servers_cpu_seconds_give_a_range() -> None:
    meter = Meter([os.getpid()], [])
    before = cpu_seconds([os.getpid()])
    assert before is not None
    while (cpu_seconds([os.getpid()]) or 0.0) - before < 0.05:
        sum(range(10_000))
    used = meter.stop(requests=1, output_tokens=1, g_per_kwh=400.0)
    assert used.joules is not None
    assert used.joules.source is Source.ASSUMED
    assert used.joules.high / used.joules.low == pytest.approx(CORE_W[2] / CORE_W[0])
    assert "no energy counter" in used.how


def test_a_server_elsewhere_has_no_energy_and_says_so() -> None:
    meter = Meter([], [Counter(name="x", read_j=lambda: 0.0)])
    used = meter.stop(requests=1, output_tokens=1, g_per_kwh=400.0)
    assert used.joules is None
    assert "cannot be seen from here" in used.how


def test_processes_that_are_gone_have_no_cpu_seconds() -> None:
    assert cpu_seconds([2**22 + 12345]) is None


def test_a_machine_without_a_driver_has_no_boards() -> None:
    assert all(counter.read_j() >= 0 for counter in nvml_counters())
