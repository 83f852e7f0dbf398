"""Shapes and machines that the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sizewise.prediction.facts import ModelFacts, quantized, shape_facts
from sizewise.records import (
    Architecture,
    Attention,
    Calibration,
    Device,
    DeviceKind,
    Experts,
    FeedForward,
    Layer,
    Machine,
)

GIB = 2**30


def dense(layers: int = 4) -> Architecture:
    """Return a small llama: hidden 256, 4 query and 2 key heads of 64."""
    attention = Attention(heads=4, kv_heads=2, head_dim=64, value_dim=64)
    layer = Layer(attention=attention, feed_forward=FeedForward(width=1024))
    return Architecture(family="llama", hidden=256, vocabulary=1000, layers=(layer,) * layers, tied=True)


def facts(weights: dict[str, int], *, sparse: bool = False, read: dict[str, int] | None = None) -> ModelFacts:
    """Return facts of the small llama, or of one with 8 experts of which 2 are used."""
    attention = Attention(heads=4, kv_heads=2, head_dim=64, value_dim=64)
    block = (
        Layer(attention=attention, experts=Experts(count=8, used=2, width=512))
        if sparse
        else Layer(attention=attention, feed_forward=FeedForward(width=1024))
    )
    return quantized(shape_facts("llama", 256, 1000, True, [(block, 4)]), weights, read or weights)


def mixture() -> ModelFacts:
    """Return a mixture of experts in Q8_0: 26 billion weights in experts, of which a sixteenth is used, 1 beside."""
    attention = Attention(heads=32, kv_heads=8, head_dim=128, value_dim=128)
    layer = Layer(attention=attention, experts=Experts(count=32, used=2, width=8192))
    shape = shape_facts("mixtral", 4096, 32000, True, [(layer, 8)])
    experts, beside = shape.expert_weights * 34 // 32, 10**9
    return quantized(shape, {"Q8_0": experts + beside}, {"Q8_0": experts // 16 + beside})


def cpu(free: int | None = 16 * GIB, bandwidth: float | None = 40e9) -> Device:
    """Return a processor with this much free memory."""
    return Device(
        name="a processor", kind=DeviceKind.CPU, memory_bytes=32 * GIB, memory_free_bytes=free,
        bandwidth_bytes_per_s=bandwidth,
    )  # fmt: skip


def gpu(free: int | None = 24 * GIB, bandwidth: float = 1e12, name: str = "a card") -> Device:
    """Return a graphics card."""
    return Device(
        name=name, kind=DeviceKind.GPU, vendor="NVIDIA", memory_bytes=24 * GIB, memory_free_bytes=free,
        bandwidth_bytes_per_s=bandwidth, flops=100e12, power_w=300.0,
    )  # fmt: skip


def machine(*devices: Device, calibration: Calibration | None = None) -> Machine:
    """Return a machine of 8 cores made of these devices."""
    found = devices or (cpu(),)
    return Machine(
        name="test", devices=found, cpu_cores=8.0, cpu_features=("avx2",), memory_bytes=found[0].memory_bytes,
        memory_free_bytes=found[0].memory_free_bytes, operating_system="Linux", calibration=calibration,
    )  # fmt: skip


def calibration() -> Calibration:
    """Return round numbers, so that expected times can be worked by hand."""
    return Calibration(
        engine="test", threads=2, taken_at=0.0, bandwidth_bytes_per_s=20e9,
        decode_bytes_per_s={"F16": 10e9, "Q4_K": 5e9}, prefill_macs_per_s={"F16": 20e9, "Q4_K": 40e9},
        attention_decode_macs_per_s={"f16": 1e9, "f16 cells": 1e8}, attention_prefill_macs_per_s={"f16": 2e9},
        token_overhead_s=1e-4, layer_overhead_s=1e-5, load_bytes_per_s={"cold": 1e9, "warm": 2e9, "repack": 1e9},
        load_overhead_s=0.1, residual={"decode": 0.2, "prefill": 0.25, "load": 0.5},
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the engine is asked, and any calibration of the user, out of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIZEWISE_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def kit() -> SimpleNamespace:
    """Return the makers above."""
    return SimpleNamespace(
        dense=dense, facts=facts, mixture=mixture, cpu=cpu, gpu=gpu, machine=machine, calibration=calibration
    )
