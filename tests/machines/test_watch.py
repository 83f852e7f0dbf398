"""The guard before loading and the sampler while running."""

from __future__ import annotations

import os

import pytest

from sizewise.errors import ConfigError
from sizewise.machines.host import RecordedHost
from sizewise.machines.load_gate import CpuTimes, foreign_cores, median_of, wait_until_quiet
from sizewise.machines.prices import api_price, carbon_intensity, cloud_offers
from sizewise.machines.watch import Watch, free_memory_bytes, guard, package_joules


def peak(context: int) -> float:
    return 1e9 + 1e6 * context


def test_the_guard_lets_what_fits_through() -> None:
    assert guard(peak, 4096, 1024, 10 * 10**9).context_tokens == 4096


def test_the_guard_shrinks_the_context_and_says_so() -> None:
    decision = guard(peak, 4096, 1024, 4 * 10**9, name="m")
    assert decision.context_tokens == 2816
    assert "cut from 4096 to 2816" in decision.message


def test_the_guard_refuses_what_cannot_fit_and_what_nobody_knows() -> None:
    refused = guard(peak, 4096, 2048, 2 * 10**9)
    assert refused.context_tokens is None
    assert "sizewise fit" in refused.message
    assert guard(peak, 4096, 2048, None).context_tokens is None


def test_free_memory_is_never_the_total() -> None:
    limited = {"files": {"/sys/fs/cgroup/memory.max": "2000"}, "memory": {"total": 9000, "available": 8000}}
    assert free_memory_bytes(RecordedHost(limited)) is None
    assert free_memory_bytes(RecordedHost({"memory": {"total": 9000}})) is None
    assert free_memory_bytes(RecordedHost({"memory": {"total": 9000, "available": 8000}})) == 8000


def test_the_watch_keeps_peaks_of_this_process() -> None:
    with Watch(os.getpid(), interval_s=0.01) as watch:
        block = bytearray(50 * 2**20)
        watch.sample()
    del block
    assert watch.peaks.resident_bytes > 50 * 2**20
    record = watch.measurement("c", now=1.0)
    assert record.kind == "memory"
    assert record.values["resident_bytes"].value == watch.peaks.resident_bytes


def test_foreign_load_is_what_others_used() -> None:
    before, after = CpuTimes(wall_s=0, busy_s=0, own_s=0), CpuTimes(wall_s=10, busy_s=15.02, own_s=14)
    assert foreign_cores(before, after) == pytest.approx(0.1)
    assert foreign_cores(before, before) == 0.0


def test_the_median_of_quiet_takes_is_kept_else_the_fastest_and_it_is_said_how_quiet_it_was() -> None:
    values = iter([3.0, 1.0, 2.0])
    reading = median_of(lambda: next(values), wanted=3, at_most=3)
    assert reading.takes == 3
    if reading.quiet_takes == 3:
        assert reading.seconds == 2.0
    elif not reading.quiet_takes:
        assert reading.seconds == 1.0
        assert reading.foreign >= 0.1


def test_waiting_for_others_ends_at_the_timeout() -> None:
    waited, foreign = wait_until_quiet(0.0, window_s=0.05)
    assert 0.05 <= waited < 5
    assert foreign >= 0


def test_prices_have_dates_and_near_names() -> None:
    offers = cloud_offers()
    assert [o.usd_per_hour for o in offers] == sorted(o.usd_per_hour for o in offers)
    assert all(o.date and o.source for o in offers)
    assert api_price("gpt-4o").price.input_usd_per_mtok > 0
    assert carbon_intensity("fra")[0] < carbon_intensity("POL")[0]
    with pytest.raises(ConfigError, match="near names"):
        api_price("gpt-4o-minii")
    with pytest.raises(ConfigError):
        carbon_intensity("XYZ")


def test_the_package_counter_is_the_energy_of_the_run() -> None:
    counter = "/sys/class/powercap/intel-rapl:0/energy_uj"
    assert package_joules(RecordedHost({"files": {counter: "5000000\n"}})) == 5.0
    assert package_joules(RecordedHost({"files": {}})) is None
