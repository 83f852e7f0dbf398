"""Cache bytes worked by hand, and properties that must hold for every shape."""

from __future__ import annotations

import pytest

from sizewise.errors import ConfigError
from sizewise.models import catalog
from sizewise.models.cache import ENGINES, bytes_per_token, cache_bytes, cache_parts, row_bytes
from sizewise.records import Architecture

GIB = 2**30


def shape(name: str) -> Architecture:
    """Return the architecture of a catalog model."""
    found = catalog.model(catalog.find(name) or {}).architecture
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("Qwen/Qwen3-8B", 4.5),
        ("deepseek-ai/DeepSeek-V3", 61 * 576 * 2 * 32768 / GIB),
        ("meta-llama/Llama-3.1-70B-Instruct", 10.0),
        ("meta-llama/Llama-2-7b-hf", 16.0),
    ],
)
def test_full_attention_at_32k(name: str, gib: float) -> None:
    assert cache_bytes(shape(name), 32768) / GIB == gib


def test_windows_hold_window_plus_micro_batch_padded_to_256_in_llama_cpp() -> None:
    parts = cache_parts(shape("google/gemma-3-12b-it"), 32768)
    row = 2 * 8 * 256 * 2
    assert parts["full"] == 8 * 32768 * row
    assert parts["window"] == 40 * 1536 * row


def test_vllm_is_counted_at_full_length() -> None:
    parts = cache_parts(shape("google/gemma-3-12b-it"), 32768, engine="vllm")
    assert parts["window"] == 0
    assert parts["full"] == 48 * 32768 * 2 * 8 * 256 * 2


def test_llama_cpp_ignores_the_window_of_mistral() -> None:
    arch = shape("mistralai/Mistral-7B-Instruct-v0.1")
    assert arch.layers[0].attention is not None
    assert arch.layers[0].attention.window == 4096
    assert cache_parts(arch, 32768)["window"] == 0
    assert cache_parts(arch, 32768, engine="transformers")["window"] == 32 * 4096 * 2 * 8 * 128 * 2


def test_recurrent_state_does_not_grow_with_the_context() -> None:
    arch = shape("state-spaces/mamba-1.4b-hf")
    assert cache_bytes(arch, 1000) == cache_bytes(arch, 100_000) == 48 * 4 * (16 * 4096 + 3 * 4096)


def test_a_hybrid_has_both() -> None:
    parts = cache_parts(shape("Qwen/Qwen3.5-27B"), 32768)
    assert parts["full"] == 2 * GIB
    assert parts["state"] == 48 * 4 * (48 * 128 * 128 + 3 * 10240)


def test_layers_that_share_a_cache_have_none() -> None:
    from dataclasses import replace

    arch = shape("Qwen/Qwen3-8B")
    attention = arch.layers[0].attention
    assert attention is not None
    shared = replace(arch.layers[0], attention=replace(attention, shares_cache=True))
    half = replace(arch, layers=arch.layers[:18] + (shared,) * 18)
    assert 2 * cache_bytes(half, 4096) == cache_bytes(arch, 4096)


@pytest.mark.parametrize(("kv_type", "bits"), [("f16", 16), ("q8_0", 8.5), ("q4_0", 4.5), ("fp8", 8)])
def test_the_type_scales_the_cache(kv_type: str, bits: float) -> None:
    arch = shape("Qwen/Qwen3-8B")
    assert cache_bytes(arch, 4096, kv_type=kv_type) == cache_bytes(arch, 4096) * bits / 16


@pytest.mark.parametrize("engine", ENGINES)
def test_longer_contexts_and_more_sequences_never_need_less(engine: str) -> None:
    for name in ("google/gemma-3-4b-it", "Qwen/Qwen3.5-27B", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V2-Lite"):
        arch = shape(name)
        sizes = [cache_bytes(arch, tokens, engine=engine) for tokens in (1, 100, 512, 4096, 5000, 32768)]
        assert sizes == sorted(sizes)
        assert cache_bytes(arch, 4096, engine=engine, sequences=3) > cache_bytes(arch, 4096, engine=engine)


def test_growth_per_token_is_the_slope_of_a_long_context() -> None:
    arch = shape("google/gemma-3-4b-it")
    assert cache_bytes(arch, 65536) - cache_bytes(arch, 32768) == 32768 * bytes_per_token(arch)


def test_an_unknown_type_or_engine_is_refused_with_the_known_ones() -> None:
    arch = shape("Qwen/Qwen3-8B")
    with pytest.raises(ConfigError, match=r"q9_0.*q8_0"):
        row_bytes(128, "q9_0")
    with pytest.raises(ConfigError, match=r"tgi.*llama\.cpp"):
        cache_bytes(arch, 1024, engine="tgi")
    with pytest.raises(ConfigError, match="0 tokens"):
        cache_bytes(arch, 0)
