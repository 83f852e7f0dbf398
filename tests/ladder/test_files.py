"""The shipped family: whole files, true metadata, answers of the real engine, block formats. No torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from sizewise.cli.ladder import command
from sizewise.errors import ConfigError, ModelError
from sizewise.ladder import engine_quantize, family, gguf_file, quantize, recipe
from sizewise.models.gguf_reading import read_gguf
from sizewise.records import Message, Request, Settings, StopReason
from sizewise.runtimes.embedded import EmbeddedRuntime
from sizewise.tasks import skills

MOST_BYTES = 40_000_000


async def answers(
    path: Path, prompts: list[str], limit: int = skills.MAX_ANSWER_TOKENS
) -> list[tuple[str, StopReason]]:
    settings = Settings(chat=False, max_output_tokens=limit, context_tokens=512)
    runtime = EmbeddedRuntime(path, settings)
    await runtime.start()
    try:
        found = []
        for prompt in prompts:
            request = Request(messages=(Message(role="user", content=prompt),), settings=settings, model=path.stem)
            completion = await runtime.generate(request)
            assert completion.error is None
            assert completion.input_tokens == len(prompt.encode())
            found.append((completion.text, completion.stop_reason))
        return found
    finally:
        await runtime.close()


def test_the_shipped_files_are_as_the_manifest_says_and_small_enough() -> None:
    assert family.damaged() == []
    assert sum(model.bytes for model in family.models()) <= MOST_BYTES


def test_five_plain_sizes_grow_in_order() -> None:
    sizes = [model.parameters for model in family.base()]
    assert len(sizes) >= 5
    assert sizes == sorted(sizes)


def test_names_are_unique_and_every_file_belongs_to_a_model() -> None:
    names = [model.name for model in family.models()]
    assert len(set(names)) == len(names)
    on_disk = {file.name for file in family.folder().glob("*.gguf")}
    assert on_disk == {model.file for model in family.models()}


@pytest.mark.parametrize("model", family.models(), ids=lambda model: model.name)
def test_a_file_tells_its_origin_and_its_true_size(model: family.LadderModel) -> None:
    file = read_gguf(family.path(model.name))
    assert file.keys["general.name"] == model.member
    assert file.keys["sizewise.seed"] == model.seed
    assert file.keys["sizewise.training_tokens"] == model.training_tokens
    matrices = [tensor for tensor in file.tensors if len(tensor.shape) > 1]
    assert sum(tensor.elements for tensor in matrices) == model.parameters
    kinds = {tensor.type_name for tensor in matrices if "gate_inp" not in tensor.name}
    assert kinds == {model.quantization}


@pytest.mark.parametrize("model", family.models(), ids=lambda model: model.name)
def test_the_manifest_agrees_with_the_recipe(model: family.LadderModel) -> None:
    made = recipe.find(model.member)
    assert (made.tokens, made.seed, made.kind, made.context) == (
        model.training_tokens,
        model.seed,
        model.kind,
        model.context_tokens,
    )
    assert made.shape.parameters() == model.parameters
    assert made.shape.parameters(active=True) == model.active_parameters


async def test_the_engine_sees_one_token_a_byte_and_stops_at_the_newline() -> None:
    prompts = ["copy abc\n", "tab\there ", "ümläut → ☃ 日本\n", "nul-free \x7f\x01 control\n"]
    for text, reason in await answers(family.path("ladder-36k"), prompts, limit=6):
        assert reason in (StopReason.STOP, StopReason.LENGTH)
        assert text.count("\n") <= 1


async def test_the_engine_answers_as_well_as_the_manifest_says() -> None:
    model = family.model("ladder-36k")
    samples = skills.load("copy", seed=11, n=60)
    given = await answers(family.path(model.name), [sample.prompt for sample in samples])
    right = sum(text.strip() == sample.target for (text, _), sample in zip(given, samples, strict=True))
    assert right / len(samples) == pytest.approx(model.scores["copy"], abs=0.15)


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="Did you mean 'ladder-127k'"):
        family.model("ladder-128k")
    with pytest.raises(ConfigError, match="no recipe"):
        recipe.find("ladder-9t")


def test_a_changed_or_missing_file_is_told(tmp_path: Path) -> None:
    rows = [model for model in family.models() if model.name in ("ladder-14k", "ladder-36k")]
    text = (family.folder() / "manifest.json").read_text()
    kept = [row for row in json.loads(text)["models"] if row["name"] in {model.name for model in rows}]
    (tmp_path / "manifest.json").write_text(json.dumps({"models": kept}))
    (tmp_path / rows[0].file).write_bytes(b"GGUF but not ours")
    wrong = family.damaged(tmp_path)
    assert len(wrong) == 2
    assert "has changed" in wrong[0]
    assert "is missing" in wrong[1]


def test_a_folder_without_manifest_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="sizewise ladder train"):
        family.models(tmp_path)


BITS = {"F32": 32.0, "F16": 16.0, "Q8_0": 8.5, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_1": 5.0, "Q4_0": 4.5, "IQ4_NL": 4.5}


@pytest.mark.parametrize("name", quantize.FORMATS)
def test_every_format_takes_its_bits_and_zeros_stay_zero(name: str) -> None:
    pack = quantize.FORMATS[name][1]
    rows = np.random.default_rng(1).normal(size=(6, 64)).astype(np.float32)
    assert len(pack(rows)) * 8 == rows.size * BITS[name]
    assert len(pack(np.zeros((1, 32), np.float32))) * 8 == 32 * BITS[name]


WIDE_BITS = {
    "Q6_K": 6.5625, "Q5_K": 5.5, "Q4_K": 4.5, "IQ4_XS": 4.25, "Q3_K": 3.4375, "IQ3_S": 3.4375, "Q2_K": 2.625,
}  # fmt: skip


@pytest.mark.parametrize("name", engine_quantize.WIDE)
def test_the_engine_packs_wide_rows_into_its_bits_the_same_each_time(name: str) -> None:
    rows = np.random.default_rng(3).normal(size=(5, 512)).astype(np.float32)
    packed = gguf_file.pack(name, rows)
    assert len(packed) * 8 == rows.size * WIDE_BITS[name]
    assert gguf_file.pack(name, rows[2:]) == packed[2 * len(packed) // 5 :]


def test_an_unknown_format_or_a_narrow_row_is_refused() -> None:
    with pytest.raises(ModelError, match="no quantization 'Q9_9'"):
        gguf_file.pack("Q9_9", np.ones((1, 32), np.float32))
    with pytest.raises(ModelError, match="blocks of 256"):
        gguf_file.pack("Q2_K", np.ones((1, 192), np.float32))


def test_q8_0_and_q4_0_decode_to_within_half_a_step() -> None:
    rows = np.random.default_rng(2).normal(size=(8, 32)).astype(np.float32)
    for name, steps in (("Q8_0", 127), ("Q4_0", 8)):
        packed = np.frombuffer(quantize.FORMATS[name][1](rows), np.uint8).reshape(8, -1)
        scale = packed[:, :2].copy().view("<f2").astype(np.float32)
        codes = packed[:, 2:].view(np.int8).astype(np.float32)
        if name == "Q4_0":
            codes = np.hstack([packed[:, 2:] & 15, packed[:, 2:] >> 4]).astype(np.float32) - 8
        size = np.abs(rows).max(axis=1, keepdims=True) / steps
        assert np.all(np.abs(codes * scale - rows) <= size * 1.02)


def test_list_and_verify_speak_json_on_stdout() -> None:
    runner = CliRunner()
    listed = json.loads(runner.invoke(command, ["list", "--json"]).stdout)
    assert [row["name"] for row in listed] == [model.name for model in family.models()]
    assert json.loads(runner.invoke(command, ["verify", "--json"]).stdout) == []


def test_list_prints_a_row_for_every_model() -> None:
    shown = CliRunner().invoke(command, ["list"])
    assert shown.exit_code == 0
    assert "ladder-14k" in shown.stdout
    assert "Next: sizewise run --model ladder-14k --model ladder-1m3" in shown.stderr
