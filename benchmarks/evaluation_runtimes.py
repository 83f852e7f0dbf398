"""Every runtime on a real engine: does it hold to the contract, and give the same greedy answers as the embedded one?

    python benchmarks/evaluation_runtimes.py [--model ladder-127k] [--llama-server PROGRAM] [--vllm PROGRAM]
                                             [--ollama MODEL] [--hugging-face FOLDER]

Embedded and the llama.cpp server inside xllamacpp are always there; transformers where it is installed with torch;
a llama-server binary, vLLM and Ollama where they are named. Transformers and vLLM get the same weights as a Hugging
Face folder that is made here (float32; kept in FOLDER where one is named).
Bars: all tests of the contract pass on every engine that was named; at least 99 % of the greedy answers equal on
llama.cpp, 97 % elsewhere (other kernels round otherwise, and small models are often undecided between letters).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from sizewise.evaluation.running import Arm, evaluate
from sizewise.ladder import family
from sizewise.records import Candidate, Settings, TaskRef
from sizewise.runtimes.base import Runtime
from sizewise.runtimes.embedded import EmbeddedRuntime
from sizewise.runtimes.llama_server import LlamaServerRuntime
from sizewise.runtimes.ollama import OllamaRuntime
from sizewise.runtimes.transformers_local import TransformersRuntime
from sizewise.runtimes.vllm import VllmRuntime
from sizewise.tasks.base import Task
from sizewise.tasks.loading import load_task, task_names
from sizewise.testing.runtime_contract import RuntimeContract

SETTINGS = Settings(context_tokens=256, max_output_tokens=24, threads=1, concurrency=4, chat=False)
ANSWER_SETTINGS = replace(SETTINGS, context_tokens=512)
Make = Callable[[Settings], Runtime]


def halves(rows: object, heads: int) -> object:
    """Return query or key rows from neighbouring pairs, as llama.cpp turns them, to Hugging Face's halves."""
    return rows.reshape(heads, -1, 2, rows.shape[1]).transpose(1, 2).reshape(-1, rows.shape[1])  # type: ignore[attr-defined]


def hugging_face(name: str, folder: Path) -> Path:
    """Write a plain size of the ladder as a Hugging Face folder; return the folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from sizewise.ladder.gguf_file import byte_names
    from sizewise.ladder.reading import load

    ours = load(family.path(name))
    shape = ours.shape
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=256, hidden_size=shape.width, intermediate_size=shape.hidden, num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, head_dim=shape.head_dim,
            max_position_embeddings=512, rope_theta=shape.rope_base, rms_norm_eps=1e-6, tie_word_embeddings=True,
            bos_token_id=None, eos_token_id=10,
        )
    )  # fmt: skip
    state = theirs.state_dict()
    state["model.embed_tokens.weight"] = state["lm_head.weight"] = ours.embedding.detach()
    for number, layer in enumerate(ours.layers):
        prefix = f"model.layers.{number}"
        for short, heads in (("q", shape.heads), ("k", shape.kv_heads)):
            state[f"{prefix}.self_attn.{short}_proj.weight"] = halves(getattr(layer.attention, short).weight, heads)
        for short in ("v", "o"):
            state[f"{prefix}.self_attn.{short}_proj.weight"] = getattr(layer.attention, short).weight
        for short in ("gate", "up", "down"):
            state[f"{prefix}.mlp.{short}_proj.weight"] = getattr(layer.feed, short).weight
    with torch.no_grad():
        theirs.load_state_dict({key: value.detach().float().contiguous() for key, value in state.items()})
    theirs.save_pretrained(folder)
    tokenizer = Tokenizer(models.BPE(vocab={text: number for number, text in enumerate(byte_names())}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=byte_names()[10]).save_pretrained(folder)
    settings = folder / "generation_config.json"
    settings.write_text(json.dumps({"eos_token_id": 10}))
    return folder


def contract(make: Make, name: str, **flags: object) -> tuple[int, int]:
    """Return how many tests of the contract passed, and of how many; print what failed."""

    class Heir(RuntimeContract):
        settings: ClassVar[Settings] = SETTINGS
        model: ClassVar[str] = name

        def runtime(self) -> Runtime:
            return make(self.settings)

    for flag, value in flags.items():
        setattr(Heir, flag, value)
    tests = [test for test in dir(Heir) if test.startswith("test_")]
    passed = 0
    for test in tests:
        try:
            getattr(Heir(), test)()
            passed += 1
        except Exception:  # noqa: BLE001 - told, and counted as failed
            print(f"    {test}:\n{traceback.format_exc(limit=-2)}", flush=True)
    return passed, len(tests)


async def answers(make: Make, model: str, tasks: list[Task]) -> tuple[str, dict[tuple[str, str], str]]:
    """Return the engine and (task, sample) -> greedy answer; a failed request is its error."""
    runtime = make(ANSWER_SETTINGS)
    info = await runtime.start()
    told = {}
    candidate = Candidate(name=model, model=model, settings=ANSWER_SETTINGS)
    try:
        for task in tasks:
            async for trial in evaluate(Arm(candidate, runtime, info, task), [(sample, 0) for sample in task.samples]):
                told[task.name, trial.key.sample] = trial.error or trial.answer.rstrip("\n")
    finally:
        await runtime.close()
    return f"{info.name} {info.version}".strip(), told


def vllm_on_path(program: str) -> None:
    """Put a vLLM program first on PATH, where the runtime looks for it, and let it run without a GPU."""
    os.environ["PATH"] = f"{Path(program).resolve().parent}{os.pathsep}{os.environ['PATH']}"
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")


class Started:
    """A vLLM server started once through the runtime; the tests of the contract connect to it."""

    def __init__(self, model: str) -> None:
        self.runtime = VllmRuntime(model, ANSWER_SETTINGS)
        self.loop = asyncio.new_event_loop()
        self.info = self.loop.run_until_complete(self.runtime.start())
        assert self.runtime.url

    def close(self) -> None:
        """End the server."""
        self.loop.run_until_complete(self.runtime.close())
        self.loop.close()


def main() -> int:
    """Measure; return 0 where the bars hold on every engine that was named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="ladder-127k", help="a plain size of the ladder")
    parser.add_argument("--items", type=int, default=5, help="items of each skill")
    parser.add_argument("--llama-server", help="path of a llama-server binary")
    parser.add_argument("--vllm", help="path of a vllm program")
    parser.add_argument("--ollama", help="name under which a running Ollama has the model")
    parser.add_argument("--hugging-face", type=Path, help="folder for the converted weights")
    options = parser.parse_args()
    path, name = family.path(options.model), options.model
    tasks = [load_task(TaskRef(ref=ref, samples=options.items)) for ref in task_names() if ref.startswith("skill:")]
    engines: list[tuple[str, Make, float, dict[str, object]]] = [
        ("embedded", lambda settings: EmbeddedRuntime(path, settings), 0.99, {}),
        ("llama.cpp server", lambda settings: LlamaServerRuntime(path, settings), 0.99, {}),
    ]
    if options.llama_server:
        binary = options.llama_server
        make: Make = lambda settings: LlamaServerRuntime(path, settings, binary=binary)  # noqa: E731
        engines.append(("llama-server binary", make, 0.99, {}))
    if options.ollama:
        engines.append(("Ollama", lambda settings: OllamaRuntime(options.ollama, settings), 0.97,
                        {"tells_logprobs": False, "knows_context": False}))  # fmt: skip
    started: Started | None = None
    with tempfile.TemporaryDirectory() as temporary:
        if all(importlib.util.find_spec(module) for module in ("torch", "transformers")):
            folder = str(hugging_face(name, options.hugging_face or Path(temporary)))
            engines.append(("transformers", lambda settings: TransformersRuntime(folder, settings), 0.97, {}))
            if options.vllm:
                vllm_on_path(options.vllm)
                began = time.monotonic()
                started = Started(folder)
                print(f"vLLM started by us in {time.monotonic() - began:.0f} s")
                url = started.runtime.url
                engines.append(("vLLM", lambda settings: VllmRuntime(folder, settings, url=url), 0.97,
                                {"sees_memory": False, "model": folder}))  # fmt: skip
        verdicts = compare(engines, name, tasks)
        if started:
            started.close()
    told = "; ".join(f"{engine} {'holds' if good else 'DOES NOT HOLD'}" for engine, good in verdicts.items())
    print(f"runtimes: {told}")
    return 0 if all(verdicts.values()) else 1


def compare(engines: list[tuple[str, Make, float, dict[str, object]]], name: str, tasks: list[Task]) -> dict[str, bool]:
    """Print a row an engine; return engine -> whether its bars hold. Others are compared to the first."""
    verdicts: dict[str, bool] = {}
    reference: dict[tuple[str, str], str] = {}
    for engine, make, bar, flags in engines:
        passed, tests = contract(make, name, **flags)
        who, told = asyncio.run(answers(make, name, tasks))
        reference = reference or told
        same = sum(told[key] == reference[key] for key in reference)
        verdicts[engine] = passed == tests and same >= bar * len(reference)
        print(
            f"{engine:20} contract {passed} of {tests}; {same} of {len(reference)} greedy answers as embedded ({who})",
            flush=True,
        )
        for key in [key for key in reference if told[key] != reference[key]][:3]:
            print(f"    {key}: {told[key]!r} / {reference[key]!r}")
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
