"""GGUF and safetensors files: what is written is what is read, and broken files are refused."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest

from sizewise.errors import ConfigError, ModelError, UnknownFact
from sizewise.models import catalog, gguf_architecture
from sizewise.models.architecture import count_parameters
from sizewise.models.cache import cache_bytes
from sizewise.models.files import read_gguf_model
from sizewise.models.ggml import tensor_bytes
from sizewise.models.gguf_reading import LongArray, read_gguf
from sizewise.models.gguf_writing import write_gguf, write_sparse_gguf
from sizewise.models.quantization import bytes_by_type, file_bytes, file_mix, method_bytes, tensor_types, weight_bytes
from sizewise.models.reading import read_model
from sizewise.records import Architecture

FAMILIES = (
    "Qwen/Qwen2.5-0.5B", "google/gemma-3-4b-it", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V2-Lite",
    "ibm-granite/granite-4.0-tiny-preview", "Qwen/Qwen3.5-27B", "state-spaces/mamba-130m-hf", "LiquidAI/LFM2-1.2B",
    "tiiuae/Falcon-H1-0.5B-Base", "bigscience/bloom-560m", "google/gemma-4-26B-A4B", "microsoft/phi-3-mini-4k-instruct",
)  # fmt: skip


def shape(name: str) -> Architecture:
    """Return the architecture of a catalog model."""
    found = catalog.model(catalog.find(name) or {}).architecture
    assert found is not None
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_sparse_file_gives_back_its_architecture(name: str, tmp_path: Path) -> None:
    arch, path = shape(name), tmp_path / "model.gguf"
    size = write_sparse_gguf(path, arch, "Q4_K_M", vocabulary=False)
    file = read_gguf(path)
    again = gguf_architecture.read_architecture(file.keys, file.tensors)
    assert file.file_bytes == size == path.stat().st_size
    assert sum(tensor.bytes for tensor in file.tensors) == weight_bytes(arch, "Q4_K_M")
    assert count_parameters(again).total == count_parameters(arch).total
    assert count_parameters(again).active == count_parameters(arch).active
    assert cache_bytes(again, 8192) == cache_bytes(arch, 8192)


def test_a_read_file_knows_its_mix_its_bytes_and_what_a_step_reads(tmp_path: Path) -> None:
    arch, path = shape("Qwen/Qwen3-30B-A3B"), tmp_path / "model.gguf"
    write_sparse_gguf(path, arch, "Q4_K_M")
    model = read_model(str(path))
    assert model.quantization == "Q4_K_M"
    assert dict(model.tensor_bytes) == bytes_by_type(arch, "Q4_K_M")
    assert sum(model.active_tensor_bytes.values()) == pytest.approx(
        sum(bytes_by_type(arch, "Q4_K_M", active=True).values()), rel=1e-6
    )
    assert model.counts is not None
    assert model.counts.total == 30_532_122_624
    assert "licence" in model.unknown


def test_long_token_lists_are_measured_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_sparse_gguf(path, shape("Qwen/Qwen2.5-0.5B"), "Q8_0")
    tokens = read_gguf(path).keys["tokenizer.ggml.tokens"]
    assert tokens == LongArray(kind="text", count=151_936)


@pytest.mark.parametrize("words", [["a" * 300] * 3000, ["\0" * 9] * 3000, ["tokenizer.ggml.x"] * 3000, [""] * 3000])
def test_lists_of_odd_texts_are_passed_to_the_same_place(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "odd.gguf"
    keys = {"general.architecture": "llama", "tokenizer.ggml.tokens": words, "tokenizer.ggml.bos_token_id": 7}
    write_gguf(path, keys, [("x.weight", (32, 4), "Q8_0")])
    file = read_gguf(path)
    assert file.keys["tokenizer.ggml.bos_token_id"] == 7
    assert file.tensors[0].bytes == 4 * 34


def test_a_large_file_is_read_in_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    assert write_sparse_gguf(path, shape("meta-llama/Llama-3.1-70B-Instruct"), "Q4_K_M") > 40e9
    began = time.perf_counter()
    read_gguf(path)
    assert time.perf_counter() - began < 1.0  # the bar of 50 ms is held in benchmarks/models_reading.py


def test_a_split_file_is_read_whole(tmp_path: Path) -> None:
    rows = [("token_embd.weight", (64, 100), "F16"), ("output_norm.weight", (64,), "F32")]
    keys = {
        "general.architecture": "mamba",
        "mamba.block_count": 1,
        "mamba.ssm.state_size": 16,
        "split.tensors.count": 2,
    }
    write_gguf(tmp_path / "m-00001-of-00002.gguf", keys, rows[:1])
    write_gguf(tmp_path / "m-00002-of-00002.gguf", {"split.no": 1}, rows[1:])
    model = read_gguf_model(tmp_path / "m-00001-of-00002.gguf")
    assert model.tensor_bytes == {"F16": 12_800, "F32": 256}
    (tmp_path / "m-00002-of-00002.gguf").unlink()
    with pytest.raises(ModelError, match="1 of 2 parts"):
        read_gguf_model(tmp_path / "m-00001-of-00002.gguf")


def test_a_missing_key_is_named_and_the_bytes_are_still_told(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, {"general.architecture": "llama"}, [("token_embd.weight", (64, 100), "F16")])
    model = read_model(str(path))
    assert model.architecture is None
    assert "llama.block_count" in model.unknown[0]
    assert sum(model.tensor_bytes.values()) == 12_800


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "at least 24"),
        (b"<html>not a model, a web page</html>", "expected a GGUF file"),
        (struct.pack("<4sIQQ", b"GGUF", 1, 0, 0), "version 1"),
        (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "big-endian"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 0), "expected at most"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**62), "expected at most"),
        (struct.pack("<4sIQQQ4sIIQ", b"GGUF", 3, 0, 1, 4, b"name", 9, 8, 2**61), "more than the file can hold"),
        (struct.pack("<4sIQQQ4sIIQ", b"GGUF", 3, 0, 1, 4, b"name", 9, 4, 2**61), "more bytes are announced"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        read_gguf(path)


def test_a_cut_download_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    size = write_sparse_gguf(path, shape("Qwen/Qwen2.5-0.5B"), "Q8_0")
    with path.open("r+b") as file:
        file.truncate(size // 2)
    with pytest.raises(ModelError, match="incomplete"):
        read_gguf(path)


def write_safetensors(path: Path, header: dict[str, object], data: int) -> None:
    """Write a safetensors file with a hole for data."""
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)
    with path.open("r+b") as file:
        file.truncate(8 + len(raw) + data)


def test_safetensors_shards_add_up(tmp_path: Path) -> None:
    first = {"a": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}, "__metadata__": {"format": "pt"}}
    second = {"b": {"dtype": "F8_E4M3", "shape": [10], "data_offsets": [0, 10]}}
    write_safetensors(tmp_path / "m-1.safetensors", first, 64)
    write_safetensors(tmp_path / "m-2.safetensors", second, 10)
    index = {"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    model = read_model(str(tmp_path))
    assert model.tensor_bytes == {"BF16": 64, "F8_E4M3": 10}
    assert model.published_parameters == 42
    assert "architecture" in model.unknown[0]
    (tmp_path / "m-2.safetensors").unlink()
    with pytest.raises(ModelError, match=r"1 of 2 shards are missing.*m-2"):
        read_model(str(tmp_path))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 15]}}, "damaged"),
        ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [64, 80]}}, "damaged"),
        ({"a": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}}, "type 'F99'"),
        ({"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}, "broken shape"),
        ({"a": "x"}, "no description"),
    ],
)
def test_a_broken_safetensors_header_is_refused(header: dict[str, object], says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(path, header, 16)
    with pytest.raises(ModelError, match=says):
        read_model(str(path))


def test_a_header_length_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ModelError, match="claims a header"):
        read_model(str(path))


def test_an_index_cannot_name_files_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../../secret"}}))
    with pytest.raises(ModelError, match="outside"):
        read_model(str(tmp_path))


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a":' * 100_000)
    with pytest.raises(ModelError, match="not JSON"):
        read_model(str(path))


@pytest.mark.parametrize(
    ("mix", "bits"),
    [("Q2_K", 3.1593), ("Q3_K_L", 4.2979), ("Q4_K_S", 4.6672), ("Q4_K_M", 4.8944), ("Q5_K_M", 5.7036), ("Q6_K", 6.5633),
     ("IQ4_XS", 4.4597), ("Q8_0", 8.5008)],
)  # fmt: skip
def test_llama_3_1_8b_has_the_bits_per_weight_that_llama_cpp_prints(mix: str, bits: float) -> None:
    assert 8 * weight_bytes(shape("meta-llama/Llama-3.1-8B"), mix) / 8030261312 == pytest.approx(bits, abs=6e-5)


def test_narrow_models_fall_back_to_other_types() -> None:
    types = set(tensor_types(shape("Qwen/Qwen2.5-0.5B"), "Q4_K_M").values())
    assert {"Q5_0", "Q8_0"} <= types


def test_an_unknown_mix_is_refused_and_short_names_are_understood() -> None:
    assert file_mix("q4_k") == "Q4_K_M"
    with pytest.raises(ConfigError, match="Q4_K_M"):
        file_mix("Q7_K_XXL")


def test_more_bits_are_never_smaller() -> None:
    arch = shape("Qwen/Qwen3-8B")
    sizes = [file_bytes(arch, mix) for mix in ("Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16", "F32")]
    assert sizes == sorted(sizes)


def test_methods_of_safetensors_checkpoints() -> None:
    arch = shape("Qwen/Qwen3-8B")
    assert method_bytes(arch, "BF16") == 2 * count_parameters(arch).total
    assert method_bytes(arch, "AWQ") < method_bytes(arch, "FP8") < method_bytes(arch, "BF16")
    with pytest.raises(ConfigError, match="AWQ"):
        method_bytes(arch, "XYZ")


def test_rows_that_blocks_do_not_divide_are_refused() -> None:
    with pytest.raises(ModelError, match="blocks of 256"):
        tensor_bytes("Q4_K", (100, 2))


def test_llama_cpp_has_no_name_for_some_families(tmp_path: Path) -> None:
    with pytest.raises(UnknownFact, match="gpt_neo"):
        write_sparse_gguf(tmp_path / "x.gguf", shape("EleutherAI/gpt-neo-125m"), "Q8_0")
