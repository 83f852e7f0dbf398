"""Training, export and what is cut or taught from a model; needs torch (extra `ladder`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sizewise.errors import ConfigError
from sizewise.ladder import recipe

torch = pytest.importorskip("torch", reason="the training extra is not installed: pip install 'sizewise[ladder]'")

from sizewise.ladder import building, exporting, family, measure, muon, pruning, reading, train  # noqa: E402
from sizewise.ladder.batches import batches, texts  # noqa: E402
from sizewise.ladder.engine_arithmetic import to_f16  # noqa: E402
from sizewise.ladder.network import Llama, norm, turns  # noqa: E402
from sizewise.records import Message, Request, Settings  # noqa: E402
from sizewise.runtimes.embedded import EmbeddedRuntime  # noqa: E402
from sizewise.tasks import skills  # noqa: E402

TINY = replace(recipe.find("ladder-14k"), tokens=6000, skills=("copy", "language"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def quiet(_: str) -> None:
    """Drop progress."""


def test_a_stopped_training_goes_on_and_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    whole, _ = train.train(TINY, tmp_path / "whole.pt", quiet)
    source = batches(TINY, TINY.seed)
    model = Llama(TINY.shape, torch.Generator().manual_seed(TINY.seed))
    tuners = muon.optimizers(model, TINY.learning_rate)
    blocks, size, answer_bytes = next(source)
    train._step(model, tuners, blocks, answer_bytes, train.rate(0.0), None)
    state = {"model": model.state_dict(), "tuners": [tuner.state_dict() for tuner in tuners]}
    state |= {"seen": size, "steps": 1, "spent": 0.0, "recipe": train._key(TINY)}
    torch.save(state, tmp_path / "stopped.pt")
    resumed, _ = train.train(TINY, tmp_path / "stopped.pt", quiet)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    train.train(replace(TINY, tokens=3000), tmp_path / "run.pt", quiet)
    with pytest.raises(ConfigError, match="another recipe"):
        train.train(TINY, tmp_path / "run.pt", quiet)


def test_training_lowers_the_loss_of_held_out_items(tmp_path: Path) -> None:
    made = replace(TINY, tokens=120_000)
    before = measure.loss(Llama(made.shape, torch.Generator().manual_seed(1)), made, tokens=4000)
    model, _ = train.train(made, tmp_path / "run.pt", quiet)
    assert measure.loss(model, made, tokens=4000) < before / 2


def test_batches_hold_whole_texts_and_mark_their_answers() -> None:
    blocks, total, answers = next(batches(TINY, 1))
    assert total >= TINY.batch_tokens
    assert sum(int(block.answers.sum()) for block in blocks) == answers
    first = blocks[0]
    row = bytes(first.tokens[0])
    marked = bytes(first.tokens[0][first.answers[0]])
    assert marked.endswith(b"\n")
    assert marked in row


def test_training_texts_keep_to_the_context_and_to_training_items() -> None:
    short = replace(TINY, context=64, skills=("needle", "lookup", "copy"))
    source = texts(short, 3)
    seen = [next(source) for _ in range(300)]
    assert max(len(text) for text, _ in seen) <= 64


def test_muon_makes_the_update_nearly_orthogonal() -> None:
    for rows, columns in ((32, 64), (64, 32)):
        values = torch.linalg.svdvals(muon.orthogonal(torch.randn(2, rows, columns)))
        assert 0.3 < values.min() < values.max() < 1.6


def test_the_norm_has_the_gradient_of_its_formula() -> None:
    x = torch.randn(4, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, (x,))


def test_rotary_products_depend_on_the_distance_alone() -> None:
    turn = turns(32, 16, 10000.0)[:, 0]
    a, b = torch.randn(8, 2), torch.randn(8, 2)
    q, k = torch.view_as_complex(a), torch.view_as_complex(b)
    products = [(torch.view_as_real(q * turn[i]) * torch.view_as_real(k * turn[i - 5])).sum() for i in (5, 17, 31)]
    assert torch.allclose(torch.stack(products), products[0].expand(3), atol=1e-4)


def test_rows_in_the_halves_convention_are_reordered_to_neighbouring_pairs() -> None:
    rows = np.arange(16, dtype=np.float32)[:, None]
    assert exporting.from_halves(rows, 2).ravel().tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


def test_a_written_file_reads_back_as_the_same_model(tmp_path: Path) -> None:
    for name in ("ladder-14k", "ladder-moe-91k"):
        made = recipe.find(name)
        model = to_f16(Llama(made.shape, torch.Generator().manual_seed(2)))
        exporting.export(model, made, tmp_path / "model.gguf")
        again = reading.load(tmp_path / "model.gguf")
        assert again.shape == made.shape
        for a, b in zip(model.parameters(), again.parameters(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["ladder-36k", "ladder-127k"])
async def test_llama_cpp_answers_as_the_training_code_does(name: str) -> None:
    prompts = [sample.prompt for skill in skills.names() for sample in skills.load(skill, seed=21, n=4)]
    model = to_f16(reading.load(family.path(name)), exact=True)
    settings = Settings(chat=False, max_output_tokens=skills.MAX_ANSWER_TOKENS, context_tokens=512)
    runtime = EmbeddedRuntime(family.path(name), settings)
    await runtime.start()
    try:
        given = []
        for prompt in prompts:
            request = Request(messages=(Message(role="user", content=prompt),), settings=settings, model=name)
            given.append((await runtime.generate(request)).text.removesuffix("\n"))
    finally:
        await runtime.close()
    same = sum(a == b for a, b in zip(given, measure.answers(model, prompts), strict=True))
    assert same >= len(prompts) - 1


async def test_llama_cpp_runs_experts_as_the_training_code_does(tmp_path: Path) -> None:
    made = recipe.find("ladder-moe-91k")
    model = Llama(made.shape, torch.Generator().manual_seed(3))
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=torch.Generator().manual_seed(4))
    exporting.export(to_f16(model), made, tmp_path / "moe.gguf")
    settings = Settings(chat=False, max_output_tokens=4, context_tokens=128)
    runtime = EmbeddedRuntime(tmp_path / "moe.gguf", settings)
    await runtime.start()
    try:
        prompts = ["copy abc\n", "34+57=", "say mip lok\n"]
        given = []
        for prompt in prompts:
            request = Request(messages=(Message(role="user", content=prompt),), settings=settings, model="moe")
            given.append((await runtime.generate(request)).text.removesuffix("\n"))
    finally:
        await runtime.close()
    assert given == measure.answers(model, prompts, limit=4)


def test_pruning_keeps_the_heaviest_channels() -> None:
    large = Llama(recipe.SHAPES["419k"], torch.Generator().manual_seed(1))
    with torch.no_grad():
        for layer in large.layers:
            layer.feed.down.weight.normal_()
            layer.feed.gate.weight[::2] *= 100
    small = pruning.pruned(large, recipe.SHAPES["270k"])
    assert torch.equal(small.layers[0].feed.gate.weight, large.layers[0].feed.gate.weight[::2])
    assert torch.equal(small.layers[0].feed.down.weight, large.layers[0].feed.down.weight[:, ::2])


def test_a_student_learns_its_teachers_odds(tmp_path: Path) -> None:
    teacher = reading.load(family.path("ladder-36k"))
    blocks, _, _ = next(batches(TINY, 5))
    own = train.block_loss(teacher, blocks[0], teacher).item()
    hard = train.block_loss(teacher, blocks[0]).item()
    assert own == pytest.approx(0.1 * hard, rel=1e-3)


def test_building_writes_file_and_manifest_and_keeps_the_others(tmp_path: Path) -> None:
    tiny = replace(TINY, tokens=3000, quantizations=("F16", "Q8_0"))
    building.build_all([tiny], tmp_path, 1, quiet)
    building.build_all([replace(tiny, name="ladder-other")], tmp_path, 1, quiet)
    names = [model.name for model in family.models(tmp_path)]
    assert names == ["ladder-14k", "ladder-14k-q8_0", "ladder-other", "ladder-other-q8_0"]
    assert family.damaged(tmp_path) == []
