"""Detection on recorded machines: what is there, what is free now, and a reason for every probe that failed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sizewise.errors import ConfigError
from sizewise.machines.detect import detect
from sizewise.machines.devices import find_device, planned_machine, read_devices
from sizewise.machines.host import LiveHost, RecordedHost
from sizewise.machines.limits import container_kind, read_limits
from sizewise.records import DeviceKind, Machine

GIB = 2**30
CPUINFO = "processor : 0\nmodel name : AMD EPYC\nflags : fpu avx2 fma f16c avx512f\n\nprocessor : 1\n"


def host(**changes: Any) -> RecordedHost:
    """Return a plain Linux machine with 32 GiB, 20 of them free, changed as told."""
    files = {"/proc/cpuinfo": CPUINFO, "/proc/self/cgroup": "0::/\n", **changes.pop("files", {})}
    record = {
        "system": "Linux",
        "cores": 8,
        "memory": {"total": 32 * GIB, "available": 20 * GIB, "swap": 0},
        "nvml": "no driver",
        "commands": {},
    }
    return RecordedHost({**record, "files": files, **changes})


def test_this_machine_is_found_quickly_and_has_a_processor() -> None:
    detect()
    spent = []
    for _ in range(5):
        start = time.process_time()
        machine = detect()
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1
    assert machine.devices[0].kind is DeviceKind.CPU
    assert (
        machine.memory_bytes is None
        or machine.memory_free_bytes is None
        or (machine.memory_free_bytes <= machine.memory_bytes)
    )


def test_a_recording_of_this_machine_reads_back_the_same() -> None:
    record = LiveHost().record()
    again = detect(RecordedHost(record))
    assert again.devices[0].name == detect().devices[0].name
    assert again.cpu_cores == detect().cpu_cores


def test_a_plain_machine_without_gpu() -> None:
    machine = detect(host())
    assert len(machine.devices) == 1
    assert machine.memory_free_bytes == 20 * GIB
    assert machine.cpu_cores == 8
    assert machine.cpu_features == ("avx2", "fma", "f16c", "avx512f")
    assert any("NVIDIA" in note for note in machine.notes)


def test_a_group_limit_of_2_gb_rules_over_physical_memory() -> None:
    files = {
        "/proc/self/cgroup": "0::/app.slice/job\n",
        "/sys/fs/cgroup/app.slice/memory.max": str(2 * GIB),
        "/sys/fs/cgroup/app.slice/memory.current": str(GIB),
        "/sys/fs/cgroup/app.slice/memory.stat": f"anon 5\ninactive_file {GIB // 4}\n",
        "/sys/fs/cgroup/app.slice/job/cpu.max": "150000 100000",
    }
    machine = detect(host(files=files))
    assert machine.memory_bytes == 2 * GIB
    assert machine.memory_free_bytes == GIB + GIB // 4
    assert machine.cpu_cores == 1.5
    assert machine.devices[0].memory_free_bytes == GIB + GIB // 4


def test_version_1_groups_count_too_and_no_limit_is_no_limit() -> None:
    files = {
        "/proc/self/cgroup": "4:memory:/docker/abc\n1:cpu:/docker/abc\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": str(3 * GIB),
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": str(GIB),
        "/sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    limits = read_limits(host(files=files))
    assert (limits.memory_bytes, limits.memory_free_bytes, limits.cpu_cores) == (3 * GIB, 2 * GIB, 0.5)
    files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712"
    assert read_limits(host(files=files)).memory_bytes is None


def test_a_limit_without_usage_leaves_free_memory_unknown() -> None:
    machine = detect(host(files={"/sys/fs/cgroup/memory.max": str(2 * GIB)}))
    assert machine.memory_bytes == 2 * GIB
    assert machine.memory_free_bytes is None
    assert any("does not tell" in note for note in machine.notes)


def test_when_every_probe_fails_nothing_is_promised() -> None:
    machine = detect(RecordedHost({"system": "Linux"}))
    assert machine.memory_bytes is None
    assert machine.memory_free_bytes is None
    assert machine.cpu_cores == 1
    assert [note.split(":")[0] for note in machine.notes] == ["processor", "cores", "memory", "NVIDIA"]


def test_unequal_nvidia_gpus_are_told_apart_with_what_is_free_on_each() -> None:
    small = {"name": "NVIDIA GeForce RTX 3060", "total": 12 * GIB, "free": 11 * GIB, "power_w": 170.0}
    large = {"name": "NVIDIA GeForce RTX 4090", "total": 24 * GIB, "free": 9 * GIB, "power_w": 450.0}
    machine = detect(host(nvml=[small, large]))
    assert [device.name for device in machine.devices[1:]] == ["NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3060"]
    assert [device.memory_free_bytes for device in machine.devices[1:]] == [9 * GIB, 11 * GIB]
    assert machine.devices[1].bandwidth_bytes_per_s == 1008e9


def test_nvidia_smi_answers_where_the_binding_is_missing() -> None:
    command = "nvidia-smi --query-gpu=name,memory.total,memory.free,power.limit --format=csv,noheader,nounits"
    machine = detect(host(commands={command: "NVIDIA L4, 23034, 22000, 72.00\n"}))
    assert machine.devices[1].memory_free_bytes == 22000 * 2**20
    assert machine.devices[1].power_w == 72.0


def test_unified_nvidia_memory_is_main_memory() -> None:
    machine = detect(host(nvml=[{"name": "NVIDIA GB10", "memory_reason": "Not Supported"}]))
    assert machine.devices[1].kind is DeviceKind.UNIFIED
    assert machine.devices[1].memory_free_bytes == 20 * GIB
    assert machine.devices[1].bandwidth_bytes_per_s == 273e9


def test_amd_and_intel_cards_come_from_the_kernel() -> None:
    card = "/sys/class/drm/card{}/device/"
    files = {
        card.format(0) + "vendor": "0x1002\n", card.format(0) + "device": "0x744c\n",
        card.format(0) + "mem_info_vram_total": str(24 * GIB), card.format(0) + "mem_info_vram_used": str(GIB),
        card.format(1) + "vendor": "0x8086\n", card.format(1) + "device": "0xa7a0\n",
    }  # fmt: skip
    machine = detect(host(files=files))
    assert [device.vendor for device in machine.devices[1:]] == ["AMD", "Intel"]
    assert machine.devices[1].memory_free_bytes == 23 * GIB
    assert machine.devices[2].kind is DeviceKind.UNIFIED


def test_an_apple_chip_may_use_a_part_of_its_memory() -> None:
    commands = {"sysctl -n machdep.cpu.brand_string": "Apple M4 Pro\n", "sysctl -n hw.memsize": str(48 * GIB)}
    apple = RecordedHost({
        "system": "Darwin", "cores": 14, "memory": {"total": 48 * GIB, "available": 40 * GIB, "swap": 0},
        "commands": commands, "files": {},
    })  # fmt: skip
    machine = detect(apple)
    assert machine.devices[1].name == "Apple M4 Pro"
    assert machine.devices[1].memory_bytes == 36 * GIB
    assert machine.devices[1].memory_free_bytes == 36 * GIB
    assert machine.devices[1].bandwidth_bytes_per_s == 273e9


def test_containers_are_named() -> None:
    assert container_kind(host(files={"/.dockerenv": ""})) == "docker"
    assert container_kind(host(files={"/proc/self/cgroup": "0::/kubepods/besteffort/pod1\n"})) == "kubernetes"
    assert container_kind(host(files={"/proc/1/environ": "A=b\0container=lxc\0"})) == "lxc"
    assert container_kind(host()) == ""


def test_every_device_has_one_row_and_every_fact_a_source() -> None:
    names = [device.name.lower() for device in read_devices()]
    assert len(names) == len(set(names)) > 140
    for device in read_devices():
        for field in ("memory_bytes", "bandwidth_bytes_per_s", "flops", "power_w"):
            if getattr(device, field) is not None:
                assert device.sources[field], (device.name, field)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("NVIDIA GeForce RTX 4070 Ti SUPER", "RTX 4070 Ti SUPER"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("Tesla T4", "T4"),
        ("AMD Instinct MI300X", "MI300X"),
        ("Apple M4 Max", "M4 Max"),
        ("NVIDIA GeForce RTX 5070 Laptop GPU", None),
        ("Voodoo 2", None),
    ],
)
def test_spellings_find_their_device(spelling: str, name: str | None) -> None:
    device = find_device(spelling)
    assert (device.name if device else None) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("99999x RTX 4090", "1 to 64"),
        ("0x RTX 4090", "1 to 64"),
        ("M4 Pro 0GB", "1 to 4096"),
        ("RTX 4090 999999GB", "1 to 4096"),
        ("2x M4 Pro", "expected one"),
        ("x" * 5000, "no device"),
    ],
)
def test_a_machine_that_nobody_can_build_is_refused(name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        planned_machine(name)
    assert len(str(caught.value)) < 400


def test_a_planned_machine_counts_its_cards_and_says_that_all_is_free() -> None:
    machine: Machine = planned_machine("2x RTX 3090")
    assert [device.memory_free_bytes for device in machine.devices[1:]] == [24 * GIB, 24 * GIB]
    assert "counts as free" in machine.notes[0]
    assert planned_machine("M4 Pro 48GB").devices[1].memory_bytes == 36 * GIB
    with pytest.raises(ConfigError, match="near names: RTX 4090"):
        planned_machine("RTX 409O")
