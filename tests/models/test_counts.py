"""Counts of real shapes against totals their makers published."""

from __future__ import annotations

import pytest

from sizewise.errors import ModelError, UnknownFact
from sizewise.models import catalog
from sizewise.models.architecture import count_parameters
from sizewise.models.configuration import read_architecture
from sizewise.models.extras import explain, extras
from sizewise.records import Architecture, ParameterCounts

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip


def shape(name: str) -> Architecture:
    """Return the architecture of a catalog model."""
    found = catalog.model(catalog.find(name) or {}).architecture
    assert found is not None
    return found


def counts(name: str) -> ParameterCounts:
    """Return the counts of a catalog model."""
    return count_parameters(shape(name))


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("Qwen/Qwen3-0.6B", 596_049_920),
        ("google/gemma-2b", 2_506_172_416),
        ("openai/gpt-oss-120b", 116_829_156_672),
        ("deepseek-ai/DeepSeek-V2-Lite", 15_706_484_224),
        ("ibm-granite/granite-4.0-tiny-preview", 6_671_539_776),
        ("state-spaces/mamba-1.4b-hf", 1_372_178_432),
        ("LiquidAI/LFM2-1.2B", 1_170_340_608),
        ("tiiuae/Falcon-H1R-7B", 7_585_648_736),
        ("Qwen/Qwen3.5-27B", 26_895_998_464),
        ("google/gemma-4-26B-A4B", 25_233_141_760),
        ("bigscience/bloom-560m", 559_214_592),
        ("allenai/OLMo-1B-hf", 1_176_764_416),
    ],
)
def test_the_total_is_the_published_one_to_the_last_parameter(name: str, total: int) -> None:
    assert counts(name).total == total


def test_the_total_worked_by_hand() -> None:
    found = count_parameters(read_architecture(LLAMA))
    block = 4096 * (4096 + 1024 + 1024) + 4096 * 4096 + 3 * 4096 * 14336 + 2 * 4096
    assert found.total == 2 * 128256 * 4096 + 32 * block + 4096
    assert found.attention == 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024)


def test_parts_add_up_to_the_total_for_every_catalog_row() -> None:
    for row in catalog.rows():
        found = catalog.model(row).counts
        assert found is not None
        parts = (found.embedding, found.head, found.attention, found.recurrent, found.feed_forward, found.experts)
        assert sum(parts) + found.norms + found.other == found.total
        assert found.active_without_embedding <= found.active <= found.total


@pytest.mark.parametrize(
    ("name", "billions"),
    [("openai/gpt-oss-120b", 5.13), ("openai/gpt-oss-20b", 3.61), ("moonshotai/Kimi-K2-Instruct", 31.69)],
)
def test_active_without_the_input_embedding_is_what_vendors_call_active(name: str, billions: float) -> None:
    assert counts(name).active_without_embedding / 1e9 == pytest.approx(billions, abs=0.006)


def test_a_tied_head_stays_in_what_a_decode_step_reads() -> None:
    tied = counts("Qwen/Qwen3-0.6B")
    assert tied.head == 0
    assert tied.active_without_embedding == tied.total


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("deepseek-ai/DeepSeek-R1", ("multi-token prediction block", "embedding and head copies of that block")),
        ("Qwen/Qwen3.5-27B", ("vision tower", "multi-token prediction block")),
        ("Qwen/Qwen3-0.6B", ("tied head stored twice",)),
        ("google/gemma-3-4b-it", ("vision tower",)),
        ("EleutherAI/pythia-12b", ("causal-mask buffers", "rotary-frequency buffers")),
        ("MiniMaxAI/MiniMax-M2.5", ("FP8 block scales",)),
    ],
)
def test_what_a_published_total_contains_is_named_and_sums_exactly(name: str, names: tuple[str, ...]) -> None:
    row = catalog.find(name)
    assert row is not None
    found = catalog.model(row)
    assert found.counts is not None
    assert tuple(found.counts.extras) == names
    assert found.counts.total + sum(found.counts.extras.values()) == found.published_parameters


def test_a_gap_that_no_named_extra_explains_stays_unexplained() -> None:
    assert explain(100, 90, {"vision tower": 9, "tied head stored twice": 2}) is None


def test_copies_of_a_prediction_block_need_the_block() -> None:
    arch = shape("deepseek-ai/DeepSeek-V3")
    found = extras(arch, {})
    copies = found["embedding and head copies of that block"]
    assert explain(count_parameters(arch).total + copies, count_parameters(arch).total, found) is None


def test_an_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(
        UnknownFact, match=r"'model_type' is 'qwen9', an architecture we have no tensor rules for.*qwen"
    ):
        read_architecture({**LLAMA, "model_type": "qwen9"})


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size", "intermediate_size"])
def test_a_missing_field_is_refused_with_its_name(field: str) -> None:
    broken = {name: value for name, value in LLAMA.items() if name != field}
    with pytest.raises(UnknownFact, match=field):
        read_architecture(broken)


def test_hybrids_without_their_layer_types_are_refused() -> None:
    broken = {"model_type": "lfm2", "hidden_size": 64, "num_hidden_layers": 4, "vocab_size": 100}
    with pytest.raises(UnknownFact, match="layer_types"):
        read_architecture(broken)


@pytest.mark.parametrize("value", [10**12, -1, 1.5, "many", True])
def test_an_absurd_number_is_an_error_not_an_allocation(value: object) -> None:
    with pytest.raises(ModelError, match="num_hidden_layers"):
        read_architecture({**LLAMA, "num_hidden_layers": value})


def test_a_nested_text_configuration_is_found() -> None:
    nested = {"model_type": "some_vlm", "text_config": LLAMA, "tie_word_embeddings": False}
    assert count_parameters(read_architecture(nested)) == count_parameters(read_architecture(LLAMA))
