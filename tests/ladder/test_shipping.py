"""Finished members become shipped ones: quantized again, merged whole, refused where they are not what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
from click.testing import CliRunner

from sizewise.cli.ladder import command
from sizewise.errors import ModelError
from sizewise.ladder import engine_quantize, family, recipe, shipping
from sizewise.ladder.gguf_file import read_tensors, write_member
from sizewise.ladder.quantize import Rows
from sizewise.models.gguf_reading import read_gguf
from sizewise.records import Message, Request, Settings
from sizewise.runtimes.embedded import EmbeddedRuntime

SMALL, LARGER = "ladder-14k", "ladder-36k"


def folder_of(path: Path, *names: str, files: Path | None = None) -> Path:
    """Return a folder with copies of shipped members' F16 files and a manifest of them."""
    path.mkdir(parents=True, exist_ok=True)
    rows = [family.model(name) for name in names]
    for row in rows:
        copyfile((files or family.folder()) / row.file, path / row.file)
    shipping.write_manifest(path, rows)
    return path


def weights(path: Path) -> bytes:
    """Return all of a file behind its keys and table."""
    return path.read_bytes()[read_gguf(path).data_start :]


def wide_member() -> tuple[recipe.Recipe, dict[str, Rows]]:
    """Return the recipe of the 256-wide member and made-up weights under llama.cpp's names."""
    made = recipe.find("ladder-786k")
    shape, rng = made.shape, np.random.default_rng(5)
    narrow = shape.kv_heads * shape.head_dim
    sizes = {"attn_q": (256, 256), "attn_k": (narrow, 256), "attn_v": (narrow, 256), "attn_output": (256, 256)}
    sizes |= {"ffn_gate": (shape.hidden, 256), "ffn_up": (shape.hidden, 256), "ffn_down": (256, shape.hidden)}
    names = {"token_embd.weight": (256, 256), "output_norm.weight": (256,)}
    for layer in range(shape.layers):
        names |= {f"blk.{layer}.{name}.weight": size for name, size in sizes.items()}
        names |= {f"blk.{layer}.{name}.weight": (256,) for name in ("attn_norm", "ffn_norm")}
    tensors = {name: rng.normal(scale=0.1, size=size).astype(np.float32) for name, size in names.items()}
    return made, {name: values if values.ndim > 1 else np.ones_like(values) for name, values in tensors.items()}


def test_a_merge_takes_what_is_new_and_leaves_what_is_there(tmp_path: Path) -> None:
    source, into = folder_of(tmp_path / "from", SMALL, LARGER), folder_of(tmp_path / "into", SMALL)
    done = shipping.merge(source, into)
    assert (done.taken, done.same, done.refused) == ((LARGER,), (SMALL,), ())
    assert [row.name for row in family.models(into)] == [SMALL, LARGER]
    assert family.damaged(into) == []
    assert done.total_bytes == sum(row.bytes for row in family.models(into))


def test_a_merged_member_replaces_all_its_older_files(tmp_path: Path) -> None:
    into, again = folder_of(tmp_path / "into", LARGER), folder_of(tmp_path / "from", LARGER)
    shipping.add_quantizations(LARGER, ["Q8_0"], into)
    assert shipping.merge(again, into).same == (LARGER,)
    shipping.add_quantizations(LARGER, ["Q4_0"], again)
    assert shipping.merge(again, into, only=[SMALL]).taken == ()
    assert shipping.merge(again, into).taken == (LARGER,)
    assert [row.name for row in family.models(into)] == [LARGER, f"{LARGER}-q4_0"]
    assert sorted(file.name for file in into.glob("*.gguf")) == [f"{LARGER}-q4_0.gguf", f"{LARGER}.gguf"]


def test_members_that_are_not_what_they_say_are_refused_and_the_others_taken(tmp_path: Path) -> None:
    source, into = folder_of(tmp_path / "from", SMALL, LARGER), tmp_path / "into"
    (source / f"{SMALL}.gguf").write_bytes(b"GGUF but another")
    done = shipping.merge(source, into)
    assert done.taken == (LARGER,)
    assert "not the file of its manifest" in done.refused[0]
    rows = family.models(source)
    shipping.write_manifest(source, [replace(row, training_tokens=5) for row in rows if row.name == LARGER])
    assert "its recipe says" in shipping.merge(source, tmp_path / "other").refused[-1]


def test_a_family_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 50_000)
    done = shipping.merge(folder_of(tmp_path / "from", SMALL, LARGER), tmp_path / "into")
    assert done.taken == (SMALL,)
    assert "at most 50000 ship" in done.refused[0]


def test_a_quantization_is_added_without_training_and_only_once(tmp_path: Path) -> None:
    where = folder_of(tmp_path, LARGER)
    rows = shipping.add_quantizations(LARGER, ["F16", "Q8_0"], where)
    assert [row.name for row in rows] == [f"{LARGER}-q8_0"]
    assert shipping.add_quantizations(LARGER, ["Q8_0"], where) == []
    assert weights(where / rows[0].file) == weights(family.folder() / rows[0].file)
    with pytest.raises(ModelError, match="blocks of 256"):
        shipping.add_quantizations(LARGER, ["Q2_K"], where)
    assert family.damaged(where) == []


@pytest.mark.parametrize("quantization", engine_quantize.WIDE)
async def test_llama_cpp_loads_and_answers_with_the_engines_own_quantizations(
    quantization: str, tmp_path: Path
) -> None:
    made, tensors = wide_member()
    path = tmp_path / "wide.gguf"
    write_member(tensors.items(), made, path, quantization)
    stored = read_gguf(path)
    assert {row.type_name for row in stored.tensors if len(row.shape) > 1} == {quantization}
    settings = Settings(chat=False, max_output_tokens=3, context_tokens=64, threads=1)
    runtime = EmbeddedRuntime(path, settings)
    await runtime.start()
    try:
        request = Request(messages=(Message(role="user", content="copy abc"),), settings=settings, model="wide")
        completion = await runtime.generate(request)
    finally:
        await runtime.close()
    assert completion.error is None
    assert (completion.input_tokens, completion.output_tokens) == (8, 3)


def test_a_quantized_file_has_no_matrices_to_read_back(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="take the F16 file"):
        read_tensors(read_gguf(family.path(f"{LARGER}-q8_0")))


def test_the_commands_say_what_was_done(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "from", SMALL, LARGER)
    runner = CliRunner()
    added = runner.invoke(command, ["quantize", LARGER, "--format", "q4_0", "--folder", str(source)])
    assert added.exit_code == 0
    assert f"{LARGER}-q4_0: Q4_0" in added.stdout
    merged = runner.invoke(command, ["merge", str(source), "--into", str(tmp_path / "into"), "--json"])
    assert json.loads(merged.stdout)["taken"] == [SMALL, LARGER]
    (source / f"{SMALL}.gguf").unlink()
    broken = runner.invoke(command, ["merge", str(source), "--into", str(tmp_path / "other")])
    assert isinstance(broken.exception, ModelError)
    assert f"{LARGER}: taken" in broken.stdout
