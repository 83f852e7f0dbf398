"""The embedded engine on real small models: crashes, limits, formats, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from sizewise.errors import RuntimeFailure
from sizewise.records import ErrorClass, Message, Request, Settings, StopReason
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.embedded import EmbeddedRuntime
from sizewise.runtimes.engine_log import read_log, reason_in_log

BASIC = Settings(context_tokens=256, max_output_tokens=24, threads=1)


def ask(prompt: str, settings: Settings = BASIC) -> Request:
    return Request(messages=(Message(role="user", content=prompt),), settings=settings, model="m")


@asynccontextmanager
async def opened(path: Path, settings: Settings = BASIC) -> AsyncIterator[tuple[EmbeddedRuntime, EngineInfo]]:
    runtime = EmbeddedRuntime(path, settings)
    info = await runtime.start()
    try:
        yield runtime, info
    finally:
        await runtime.close()


def changed(**settings: object) -> Settings:
    return Settings(**{"context_tokens": 256, "max_output_tokens": 24, "threads": 1, **settings})  # type: ignore[arg-type]


async def test_a_trained_model_gives_its_answer(model_path: Path) -> None:
    async with opened(model_path) as (runtime, _):
        assert (await runtime.generate(ask("copy abcd\n"))).text == "abcd\n"


async def test_the_engine_is_named_with_its_version_hash_and_buffers(model_path: Path) -> None:
    import hashlib

    async with opened(model_path) as (_, info):
        assert info.version.startswith("xllamacpp 20")
        assert info.model_hash == hashlib.sha256(model_path.read_bytes()).hexdigest()
        assert {"weights", "kv_cache", "compute"} <= info.buffers_bytes.keys()
        assert abs(info.buffers_bytes["weights"] - model_path.stat().st_size) < 2**16
        assert info.load_s
        assert info.notes == ("the model has no chat template: prompts are sent bare",)


async def test_a_crash_is_the_error_of_what_was_in_flight_and_the_engine_comes_back(model_path: Path) -> None:
    settings = changed(max_output_tokens=200, concurrency=2)
    async with opened(model_path, settings) as (runtime, _):
        flying = [asyncio.create_task(runtime.generate(ask("sort dcba", settings))) for _ in range(2)]
        await asyncio.sleep(0)
        assert runtime.pid
        os.kill(runtime.pid, signal.SIGSEGV)
        for completion in await asyncio.gather(*flying):
            assert completion.error
            assert completion.error.startswith(ErrorClass.CRASHED)
            assert completion.stop_reason is StopReason.ERROR
        assert (await runtime.generate(ask("copy abcd\n"))).text == "abcd\n"


async def test_an_engine_that_cannot_come_back_is_given_up(tmp_path: Path, model_path: Path) -> None:
    copy = tmp_path / "model.gguf"
    copy.write_bytes(model_path.read_bytes())
    async with opened(copy) as (runtime, _):
        copy.write_bytes(b"no longer a model")
        assert runtime.pid
        os.kill(runtime.pid, signal.SIGKILL)
        errors = [(await runtime.generate(ask("copy abcd\n"))).error or "" for _ in range(8)]
        assert all(error.startswith(ErrorClass.CRASHED) for error in errors)
        assert "cannot load" in errors[1]
        assert "not started again" in errors[-1]


@pytest.mark.parametrize("when", ["loading", "ready"])
def test_killing_the_parent_leaves_no_engine_behind(model_path: Path, when: str) -> None:
    pause = "await asyncio.sleep(0.02)" if when == "loading" else "await started"
    program = f"""
import asyncio, sys
from pathlib import Path
from sizewise.records import Settings
from sizewise.runtimes.embedded import EmbeddedRuntime
async def main():
    started = asyncio.ensure_future(EmbeddedRuntime(Path({str(model_path)!r}), Settings(context_tokens=256)).start())
    {pause}
    print("up", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout
    assert parent.stdout.readline() == b"up\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert all(child.status() == psutil.STATUS_ZOMBIE for child in alive)


async def test_a_grammar_and_a_schema_are_enforced(model_path: Path) -> None:
    schema = json.dumps({"type": "string", "enum": ["red", "blue"]})
    grammar = 'root ::= "yes" | "no"'
    async with opened(model_path) as (runtime, _):
        forced = await runtime.generate(ask("copy abcd\n", changed(json_schema=schema, max_output_tokens=64)))
        assert json.loads(forced.text) in ("red", "blue")
        chosen = await runtime.generate(ask("copy abcd\n", changed(grammar=grammar)))
        assert chosen.text.strip() in ("yes", "no")
        broken = await runtime.generate(ask("copy abcd\n", changed(grammar="root ::= (")))
        assert broken.error
        assert broken.error.startswith(ErrorClass.CLIENT)


async def test_a_full_context_is_told_apart_from_the_output_limit(model_path: Path) -> None:
    grammar = 'root ::= "x"{300}'
    async with opened(model_path, changed(context_tokens=64)) as (runtime, _):
        full = await runtime.generate(ask("copy abcd\n", changed(max_output_tokens=500, grammar=grammar)))
        assert full.stop_reason is StopReason.CONTEXT
        limit = await runtime.generate(ask("copy abcd\n", changed(max_output_tokens=5, grammar=grammar)))
        assert limit.stop_reason is StopReason.LENGTH


async def test_sampled_answers_follow_the_seed(model_path: Path) -> None:
    async with opened(model_path) as (runtime, _):

        async def draw(seed: int) -> str:
            return (await runtime.generate(ask("sort ", changed(temperature=1.5, seed=seed)))).text

        assert await draw(1) == await draw(1)
        assert len({await draw(seed) for seed in range(6)}) > 1


async def test_an_unknown_kv_type_is_refused_in_words(model_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="unknown KV type 'q9'"):
        await EmbeddedRuntime(model_path, changed(kv_type="q9")).start()


async def test_the_kv_type_changes_the_size_of_the_cache(model_path: Path) -> None:
    sizes = {}
    for kind in ("f16", "f32"):
        async with opened(model_path, changed(kv_type=kind, context_tokens=4096)) as (_, info):
            sizes[kind] = info.buffers_bytes["kv_cache"]
    assert sizes["f32"] == pytest.approx(2 * sizes["f16"], rel=0.02)


def _missing(folder: Path, _: Path) -> Path:
    return folder / "none.gguf"


def _cut(folder: Path, model: Path) -> Path:
    (folder / "cut.gguf").write_bytes(model.read_bytes()[:40_000])
    return folder / "cut.gguf"


def _text(folder: Path, _: Path) -> Path:
    (folder / "text.gguf").write_text("not a model")
    return folder / "text.gguf"


@pytest.mark.parametrize(
    ("make", "says"),
    [(_missing, "no model file"), (_cut, "corrupted or incomplete"), (_text, "GGUF")],
)
async def test_a_file_that_is_no_model_is_refused_in_words(
    tmp_path: Path, model_path: Path, make: Callable[[Path, Path], Path], says: str
) -> None:
    with pytest.raises(RuntimeFailure, match=says):
        await EmbeddedRuntime(make(tmp_path, model_path), BASIC).start()


async def test_a_request_beyond_its_time_is_cancelled_in_the_engine(model_path: Path) -> None:
    runtime = EmbeddedRuntime(model_path, BASIC, timeout_s=1e-3)
    await runtime.start()
    completion = await runtime.generate(ask("sort dcba", changed(max_output_tokens=200, grammar='root ::= "x"*')))
    await runtime.close()
    assert completion.error
    assert completion.error.startswith(ErrorClass.TIMEOUT)


def test_the_engine_writes_nothing_to_the_terminal(model_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from sizewise.records import Message, Request, Settings
from sizewise.runtimes.embedded import EmbeddedRuntime
async def main():
    settings = Settings(context_tokens=256)
    runtime = EmbeddedRuntime(Path({str(model_path)!r}), settings)
    await runtime.start()
    await runtime.generate(Request(messages=(Message(role="user", content="copy ab"),), settings=settings, model="m"))
    await runtime.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_buffers_of_one_kind_on_several_devices_add_up() -> None:
    log = """
load_tensors:   CPU_Mapped model buffer size =   100.00 MiB
load_tensors:   CPU_REPACK model buffer size =    50.00 MiB
load_tensors:        CUDA0 model buffer size =   200.00 MiB
llama_kv_cache:        CPU KV buffer size =     1.50 MiB
sched_reserve:        CPU compute buffer size =     2.00 MiB
"""
    mib = 2**20
    expected = {"weights": 300 * mib, "repack": 50 * mib, "kv_cache": mib * 3 // 2, "compute": 2 * mib}
    assert read_log(log).buffers_bytes == expected


def test_an_abort_explains_itself_before_any_other_line() -> None:
    log = "0.1 E a: failed\n/src/ggml.c:12: GGML_ASSERT(x > 0) failed\n0.2 I srv: idle"
    assert reason_in_log(log) == "/src/ggml.c:12: GGML_ASSERT(x > 0) failed"
    assert reason_in_log("0.2 I srv: idle") == ""
