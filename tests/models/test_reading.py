"""References: catalog names, stores of other tools, misspellings; and the two commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sizewise.cli.app import group
from sizewise.errors import ModelError
from sizewise.models import catalog
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.models.listing import listed
from sizewise.models.quality import loss_range
from sizewise.models.reading import read_model
from sizewise.models.sizes import size_classes, why_little
from sizewise.models.stores import hub_folder, ollama_file


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("qwen3:8b", "Qwen/Qwen3-8B"),
        ("QWEN/qwen3-8b", "Qwen/Qwen3-8B"),
        ("llama3.1:8b", "meta-llama/Llama-3.1-8B"),
        ("gemma3:4b", "google/gemma-3-4b-it"),
        ("gpt-oss:20b", "openai/gpt-oss-20b"),
    ],
)
def test_names_people_use_are_found(name: str, identifier: str) -> None:
    assert read_model(name).name == identifier


def test_a_misspelt_name_gets_suggestions() -> None:
    with pytest.raises(ModelError, match=r"Did you mean .*Qwen/Qwen3-8B"):
        read_model("Qwen3-8BB")


@pytest.mark.parametrize("name", ["", "   ", "nothing.gguf", "a\0b", "x" * 5000])
def test_nonsense_is_a_readable_error(name: str) -> None:
    with pytest.raises(ModelError):
        read_model(name)


def test_every_row_of_the_catalog_makes_a_model_with_sources() -> None:
    for row in catalog.rows():
        model = catalog.model(row)
        assert model.sources["architecture"]
        assert model.counts is not None
        assert model.counts.total == row["total"]


def test_an_ollama_tag_is_read_from_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, folder = tmp_path / "blobs", tmp_path / "manifests/registry.ollama.ai/library/tiny"
    blobs.mkdir()
    folder.mkdir(parents=True)
    arch = read_model("HuggingFaceTB/SmolLM2-135M").architecture
    assert arch is not None
    write_sparse_gguf(blobs / "sha256-abc", arch, "Q8_0")
    layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:abc"}
    (folder / "latest").write_text(json.dumps({"layers": [layer]}))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path))
    model = read_model("tiny")
    assert model.format == "gguf"
    assert model.name == "tiny"
    assert model.counts is not None
    assert model.counts.total == 134_515_008


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/../b", "x:../../y", "a/b/c"])
def test_a_tag_cannot_leave_the_stores(name: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "OLLAMA_MODELS": str(tmp_path), "HF_HOME": str(tmp_path)}
    assert ollama_file(name, environment) is None
    assert hub_folder(name, environment) is None


def test_a_cached_hub_model_wins_over_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--Qwen--Qwen3-8B" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    row = catalog.find("Qwen/Qwen3-8B")
    assert row is not None
    (snapshot / "config.json").write_text(json.dumps(catalog.configuration(row)))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    model = read_model("Qwen/Qwen3-8B")
    assert model.format == "config"
    assert model.counts == read_model("qwen3:8b").counts


def test_size_classes_are_given_under_each_convention() -> None:
    counts = read_model("Qwen/Qwen3-30B-A3B").counts
    assert counts is not None
    assert set(size_classes(counts).values()) == {"medium", "large"}
    assert "11% of the parameters" in why_little(counts, None)


def test_published_losses_grow_as_bits_shrink() -> None:
    q2, q4, q8 = loss_range("Q2_K"), loss_range("Q4_K_M"), loss_range("Q8_0")
    assert q2 is not None
    assert q4 is not None
    assert q8 is not None
    assert q8[1] < q4[0] < q2[0]
    assert loss_range("TQ1_0") is None


def test_the_list_filters_and_sorts() -> None:
    small = listed(most=1e9, sort="total")
    assert [row["total"] for row in small] == sorted(row["total"] for row in small)
    assert all(row["active"] < row["total"] for row in listed(experts=True))
    dated = [row.get("date") for row in listed(sort="date", reverse=True)]
    assert dated[0] > "2026"
    assert None in dated
    assert None not in dated[: len(dated) // 2]


def test_show_prints_counts_cache_files_and_gaps() -> None:
    result = CliRunner().invoke(group, ["show", "deepseek-ai/DeepSeek-V3"])
    assert result.exit_code == 0, result.output
    for text in ("671,026,419,200", "2.14 GiB at 32,768", "Q4_K_M", "multi-token prediction block", "licence"):
        assert text in result.output


def test_show_as_json_is_data() -> None:
    result = CliRunner().invoke(group, ["show", "qwen3:8b", "--json", "--kv-type", "q8_0", "--context", "1024"])
    facts = json.loads(result.stdout)
    assert facts["parameters"]["total"] == 8_190_735_360
    assert facts["cache"]["bytes_at"]["llama.cpp"] == {"1024": 36 * 1024 * 2 * 1088}
    assert facts["files"]["Q8_0"]["bytes"] > 8e9
    assert facts["sources"]


def test_models_lists_as_json() -> None:
    result = CliRunner().invoke(group, ["models", "qwen3", "--max", "1B", "--json"])
    assert "Qwen/Qwen3-0.6B" in [row["id"] for row in json.loads(result.stdout)]


def test_models_as_a_table_keeps_names_whole() -> None:
    result = CliRunner().invoke(group, ["models", "--sort", "total", "--limit", "5"])
    assert "state-spaces/mamba-130m-hf" in result.stdout
