"""The client of OpenAI-compatible servers: what it sends, learns, refuses and never tells."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from sizewise.errors import ConfigError, RuntimeFailure
from sizewise.records import Candidate, ErrorClass, Message, Request, Settings, StopReason
from sizewise.runtimes.discovery import find_servers
from sizewise.runtimes.ollama import OllamaRuntime
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.openai_form import Dialect, Gatherer, request_body
from sizewise.runtimes.opening import RUNTIMES, open_runtime
from sizewise.runtimes.retry import Breaker, RetryPolicy
from sizewise.runtimes.server_program import free_port
from sizewise.runtimes.sse import EventSplitter
from sizewise.runtimes.vllm import VllmRuntime, launch_command
from sizewise.testing.mock_server import MockPlan, MockServer
from sizewise.testing.ollama_server import OllamaServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def ask(prompt: str = "hello", tools: str | None = None, **settings: Any) -> Request:
    return Request(
        messages=(Message(role="user", content=prompt),), settings=Settings(**settings), model="mock", tools=tools
    )


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/v1/models", _models)
    app.router.add_post("/v1/chat/completions", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "mock"}]})


def events(*chunks: Any) -> web.Response:
    text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return web.Response(text=text, content_type="text/event-stream")


@checked(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1)), st.randoms(use_true_random=False))
def test_events_are_the_same_wherever_the_stream_is_cut(texts: list[str], rng: random.Random) -> None:
    stream = b"".join(b": ping\n\nevent: x\ndata: " + json.dumps(text).encode() + b"\r\n\r\n" for text in texts)
    splitter, got, at = EventSplitter(), [], 0
    while at < len(stream):
        size = rng.randint(1, 7)
        got += splitter.feed(stream[at : at + size])
        at += size
    got += splitter.end()
    assert [json.loads(event) for event in got] == texts


async def test_nothing_listening_is_said_with_the_url_and_how_to_start_one() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(RuntimeFailure) as told:
        await OpenAIRuntime(url, "m").start()
    assert url in str(told.value)
    assert "llama-server -m MODEL.gguf" in str(told.value)


async def test_the_api_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret, seen = "sk-very-secret", []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response({"error": {"message": "bad key", "code": 401}}, status=401)

    monkeypatch.setenv("TEST_KEY", secret)
    async with serving(refuse) as url:
        runtime = OpenAIRuntime(url, "mock", api_key_env="TEST_KEY")
        info = await runtime.start()
        completion = await runtime.generate(ask())
        await runtime.close()
    assert seen == [f"Bearer {secret}"]
    assert "TEST_KEY" in (completion.error or "")
    assert secret not in repr((info, completion))


async def test_a_missing_api_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(RuntimeFailure, match="export NO_SUCH_KEY="):
        await OpenAIRuntime("http://127.0.0.1:9/v1", "m", api_key_env="NO_SUCH_KEY").start()


async def test_a_server_that_wants_max_completion_tokens_gets_it() -> None:
    bodies = []

    async def picky(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        if "max_tokens" in bodies[-1]:
            error = {"message": "Unsupported parameter: use 'max_completion_tokens' instead.", "code": 400}
            return web.json_response({"error": error}, status=400)
        return events({"choices": [{"delta": {"content": "fine"}, "finish_reason": "stop"}]})

    async with serving(picky) as url:
        runtime = OpenAIRuntime(url, "mock")
        await runtime.start()
        answers = [await runtime.generate(ask(max_output_tokens=9)) for _ in range(2)]
        await runtime.close()
    assert [answer.text for answer in answers] == ["fine", "fine"]
    assert [body.get("max_completion_tokens") for body in bodies] == [None, 9, 9]


def test_tool_calls_without_numbers_and_with_objects_for_arguments_stay_apart() -> None:
    gatherer = Gatherer()
    for calls in (
        [{"function": {"name": "add", "arguments": {"a": 1}}}, {"function": {"name": "sub", "arguments": '{"b"'}}],
        [{"function": {"arguments": ": 2}"}}],
    ):
        gatherer.feed(0.0, {"choices": [{"delta": {"tool_calls": calls}}]})
    told = gatherer.completion(intended_s=0.0, started_s=0.0, ended_s=1.0, asked=9).tool_calls
    assert json.loads(told or "") == [
        {"name": "add", "arguments": {"a": 1}},
        {"name": "sub", "arguments": {"b": 2}},
    ]


async def test_streamed_tool_calls_are_put_together() -> None:
    def delta(calls: list[dict[str, Any]]) -> dict[str, Any]:
        return {"choices": [{"delta": {"tool_calls": calls}, "finish_reason": None}]}

    async def call(request: web.Request) -> web.Response:
        assert (await request.json())["tools"][0]["function"]["name"] == "add"
        return events(
            delta([{"index": 0, "id": "1", "function": {"name": "add", "arguments": '{"a"'}}]),
            delta([{"index": 0, "function": {"arguments": ": 1}"}}]),
            delta([{"index": 1, "id": "2", "function": {"name": "add", "arguments": "not json"}}]),
            {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]},
        )

    async with serving(call) as url:
        runtime = OpenAIRuntime(url, "mock")
        await runtime.start()
        completion = await runtime.generate(ask(tools='[{"type": "function", "function": {"name": "add"}}]'))
        await runtime.close()
    assert completion.stop_reason is StopReason.TOOL_CALLS
    assert json.loads(completion.tool_calls or "") == [
        {"name": "add", "arguments": {"a": 1}},
        {"name": "add", "arguments": "not json"},
    ]
    assert completion.timing.ttft_s is not None


async def test_a_server_that_does_not_stream_is_understood() -> None:
    async def whole(_: web.Request) -> web.Response:
        choice = {"message": {"role": "assistant", "content": "all at once"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})

    async with serving(whole) as url:
        runtime = OpenAIRuntime(url, "mock")
        await runtime.start()
        completion = await runtime.generate(ask())
        await runtime.close()
    assert (completion.text, completion.input_tokens, completion.output_tokens) == ("all at once", 3, 4)


def test_reasoning_is_counted_but_is_not_the_answer() -> None:
    gatherer = Gatherer()
    gatherer.feed(1.0, {"choices": [{"delta": {"reasoning_content": "hmm"}, "finish_reason": None}]})
    gatherer.feed(2.0, {"choices": [{"delta": {"content": "42"}, "finish_reason": "stop"}]})
    completion = gatherer.completion(intended_s=0.5, started_s=0.5, ended_s=3.0, asked=10)
    assert (completion.text, completion.counted_tokens, completion.timing.ttft_s) == ("42", 2, 1.5)


def test_settings_reach_the_body_in_each_dialect() -> None:
    request = ask(json_schema='{"type": "object"}', grammar="root ::= x", stop=("\n",), seed=7, temperature=0.5)
    plain = request_body(request, Dialect(), chat=True)
    assert plain["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (plain["stop"], plain["seed"], plain["temperature"]) == (["\n"], 7, 0.5)
    assert not {"grammar", "top_k", "cache_prompt"} & plain.keys()
    llama = request_body(request, Dialect(llama_cpp=True, logprobs=True), chat=False)
    assert (llama["prompt"], llama["grammar"], llama["cache_prompt"]) == ("hello", "root ::= x", False)
    assert (llama["top_k"], llama["min_p"], llama["logprobs"]) == (0, 0.0, 1)


async def test_a_dead_server_is_not_asked_for_long() -> None:
    async with MockServer(MockPlan(tokens=2)) as server:
        clock = iter(range(0, 10_000, 3)).__next__
        runtime = OpenAIRuntime(
            server.url, "mock", policy=RetryPolicy(max_retries=1, base_s=1e-4), breaker=Breaker(clock, threshold=4)
        )
        await runtime.start()
        assert (await runtime.generate(ask())).error is None
        url = server.url
    runtime._client.url, port = url, free_port()
    from yarl import URL

    runtime._chat_url = URL(f"http://127.0.0.1:{port}/v1/chat/completions")
    classes = [((await runtime.generate(ask())).error or "").split(":")[0] for _ in range(4)]
    await runtime.close()
    assert classes[0] == ErrorClass.CONNECT
    assert classes[-1] == ErrorClass.BREAKER


def test_the_breaker_lets_one_probe_through_and_closes_on_success() -> None:
    now = 0.0
    breaker = Breaker(lambda: now, threshold=2, grace_s=0.0, cool_s=10.0)
    breaker.tell(ErrorClass.CONNECT)
    breaker.tell(ErrorClass.CONNECT)
    assert not breaker.allows()
    now = 11.0
    assert [breaker.allows(), breaker.allows()] == [True, False]
    breaker.tell(None)
    assert breaker.allows()


def test_a_refused_prompt_says_nothing_about_the_server() -> None:
    breaker = Breaker(lambda: 0.0, threshold=1, grace_s=0.0)
    breaker.tell(ErrorClass.CLIENT)
    assert breaker.allows()


@checked(deadline=None, max_examples=60)
@given(st.integers(0, 3), st.floats(0, 59), st.integers(0, 2**32))
def test_a_wait_is_never_shorter_than_the_server_asked_for(attempt: int, asked: float, seed: int) -> None:
    wait = RetryPolicy().wait_s(ErrorClass.RATE_LIMITED, attempt, asked, random.Random(seed))
    assert wait is not None
    assert wait >= asked


async def test_servers_on_their_ports_are_found_with_their_models_quickly() -> None:
    async with MockServer() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        began = time.monotonic()
        found = await find_servers(ports={"a": port, "b": free_port()})
        took = time.monotonic() - began
    assert [(item.kind, item.models) for item in found] == [("OpenAI-compatible", ("mock",))]
    assert took < 2.0


async def test_a_port_that_takes_connections_and_says_nothing_is_not_waited_for() -> None:
    open_writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: open_writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    assert await find_servers(ports={"a": port}, timeout_s=0.1) == ()
    silent.close()
    for writer in open_writers:
        writer.close()
        await writer.wait_closed()


async def test_ollama_gets_the_context_and_loses_the_model_on_close() -> None:
    async with OllamaServer() as server:
        runtime = OllamaRuntime("tiny", Settings(context_tokens=512, threads=2), url=server.url)
        info = await runtime.start()
        assert (info.version, info.model_hash, info.context_tokens) == ("0.33.1", "5f1e", 512)
        completion = await runtime.generate(ask(max_output_tokens=3, seed=5, json_schema='{"type": "object"}'))
        assert (completion.text, completion.output_tokens) == ("w0 w1 w2 ", 3)
        assert completion.stop_reason is StopReason.LENGTH
        options = server.bodies[0]["options"]
        assert (options["num_ctx"], options["num_thread"], options["seed"], options["num_predict"]) == (512, 2, 5, 3)
        assert server.bodies[0]["format"] == {"type": "object"}
        assert server.loaded == {"tiny:latest": 512}
        await runtime.close()
        assert server.loaded == {}


async def test_ollama_without_the_model_names_those_it_has() -> None:
    async with OllamaServer() as server:
        with pytest.raises(RuntimeFailure, match=r"it has tiny:latest.*ollama pull other"):
            await OllamaRuntime("other", Settings(), url=server.url).start()


def test_vllm_is_started_with_the_settings_of_the_candidate() -> None:
    command = launch_command("org/model", Settings(context_tokens=2048, concurrency=3, seed=9), 8001)
    assert " ".join(command[3:]) == (
        "--host 127.0.0.1 --port 8001 --seed 9 --max-num-seqs 3 --no-enable-prefix-caching --max-model-len 2048"
    )


async def test_missing_engines_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeFailure, match="pip install vllm"):
        await VllmRuntime("org/model", Settings()).start()


def test_every_runtime_opens_and_an_unknown_one_is_guessed() -> None:
    for name in RUNTIMES:
        open_runtime(Candidate(name="a", model="m", runtime=name, endpoint="http://127.0.0.1:1/v1"))
    with pytest.raises(ConfigError, match="did you mean 'embedded'"):
        open_runtime(Candidate(name="a", model="m", runtime="embeded"))
    with pytest.raises(ConfigError, match="no endpoint"):
        open_runtime(Candidate(name="a", model="m", runtime="openai"))
