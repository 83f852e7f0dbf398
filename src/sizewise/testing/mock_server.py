"""A fast OpenAI-compatible server with a known truth: what to measure clients and load generators against.

In this process (any event loop):

    async with MockServer(MockPlan(tokens=32, ttft_s=0.05, gap_s=0.01)) as server:
        ... send requests to server.url ...
        server.truth["the prompt"]      # the very times of its writes, time.monotonic() seconds

In a process of its own, so that it does not share a core's time slice with the client:

    with MockProcess(MockPlan(tokens=16)) as server:
        ... server.url, server.fetch_truth() ...

or `python -m sizewise.testing.mock_server --tokens 16 --ttft 0.05 --gap 0.01 --slots 4`, which prints its URL
as its first line and ends with its stdin. `GET /truth` gives the write times as JSON, `POST /forget` clears.

`gap_s=0` and `ttft_s=0` is the instant server: a whole answer, still as one event a token, in one write.
With `slots`, requests wait first-in first-out for a free slot, as in a server with a fixed batch: service
time of one answer is `ttft_s + (tokens - 1) * gap_s`, so queueing theory says what a load test must see.
Routes: /v1/chat/completions, /v1/completions (streamed or not), /v1/models. Does not check anything.

Why there is also `sizewise.loadgen.mock`: that one only keeps time, cheaply enough for the client's audit of
itself, and misbehaves on purpose; this one answers what it is asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, cast

from sizewise.loadgen.mock import HEAD, Slots, chunk, json_reply

MODEL = "mock"


@dataclass(frozen=True, slots=True, kw_only=True)
class MockPlan:
    """How every answer is given."""

    tokens: int = 16
    """Tokens of a whole answer; `max_tokens` of the request cuts it (finish_reason length)."""
    ttft_s: float = 0.0
    """From the request's last byte, or from the slot becoming free, to the first token."""
    gap_s: float = 0.0
    """Between tokens."""
    slots: int | None = None
    """Answers given at the same time; None is no limit."""
    context_tokens: int | None = None
    """Longer prompts are cut without a word, as Ollama does: visible only in `usage.prompt_tokens`."""
    keep_truth: bool = True
    """Log write times by prompt; off for runs of many requests."""


def prompt_tokens(prompt: str) -> int:
    """Return what the server calls the number of prompt tokens: one for four bytes, at least one."""
    return max(1, len(prompt.encode()) // 4)


def words(prompt: str, count: int) -> list[str]:
    """Return the pieces of the default answer: `w0 `, `w1 ` ...; they do not depend on the prompt."""
    del prompt
    return [f"w{index} " for index in range(count)]


Answer = Callable[[str, int], list[str]]
"""(prompt, number of tokens of a whole answer) -> pieces of the answer, one a token."""


class MockServer:
    """The server on a free port of this loop; an async context manager."""

    def __init__(self, plan: MockPlan | None = None, answer: Answer = words) -> None:
        self.plan = plan or MockPlan()
        self.answer = answer
        self.truth: dict[str, list[float]] = {}
        """Prompt -> monotonic seconds of each token's write; the last request with that prompt counts."""
        self.arrivals: dict[str, float] = {}
        """Prompt -> monotonic seconds at which the request was complete."""
        self.requests = 0
        self.slots = Slots(self.plan.slots or 0)
        self.url = ""
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> str:
        """Listen; return the base URL."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self.url

    async def close(self) -> None:
        """Stop listening."""
        if self._server:
            self._server.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    @property
    def busy(self) -> int:
        """Return how many answers are being given."""
        return self.slots.busy


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are answered in order."""

    def __init__(self, server: MockServer) -> None:
        self._server = server
        self._buffer = b""
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            if not mark:
                return
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._request(head.split(b" ", 2)[1], rest[:length])

    def _request(self, path: bytes, body: bytes) -> None:
        server = self._server
        if path.endswith(b"/completions"):
            server.requests += 1
            request = json.loads(body)
            chat = path.endswith(b"/chat/completions")
            prompt = request["messages"][-1]["content"] if chat else request["prompt"]
            if server.plan.keep_truth:
                server.arrivals[prompt] = time.monotonic()
            server.slots.enter(lambda: self._serve(request, prompt, chat))
        elif path == b"/truth":
            self._json({"truth": server.truth, "arrivals": server.arrivals, "requests": server.requests})
        elif path == b"/forget":
            server.truth.clear()
            server.arrivals.clear()
            self._json({})
        else:
            self._json({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def _json(self, value: Any) -> None:
        self._transport.write(json_reply(value))

    def _serve(self, request: dict[str, Any], prompt: str, chat: bool) -> bool:
        if self._transport.is_closing():
            return False
        plan = self._server.plan
        pieces = self._server.answer(prompt, plan.tokens)
        for mark in request.get("stop") or ():
            pieces = list(filter(None, re.split("(?<= )", "".join(pieces).split(mark, 1)[0])))
        limit = request.get("max_tokens") or request.get("max_completion_tokens") or len(pieces)
        stop = "length" if limit < len(pieces) else "stop"
        pieces = pieces[:limit]
        told = min(prompt_tokens(prompt), plan.context_tokens or sys.maxsize)
        total = told + len(pieces)
        usage = {"prompt_tokens": told, "completion_tokens": len(pieces), "total_tokens": total}
        if not request.get("stream"):
            self._loop.call_later(
                plan.ttft_s + plan.gap_s * max(0, len(pieces) - 1), self._whole, pieces, stop, usage, chat
            )
            return True
        events = [_event(piece, chat) for piece in pieces]
        tail = _event(None, chat, stop) + chunk(b"data: " + _dump({"choices": [], "usage": usage}) + b"\n\n")
        tail += chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
        if self._server.plan.keep_truth:
            self._server.truth[prompt] = []
        if plan.ttft_s == 0 and plan.gap_s == 0:
            if self._server.plan.keep_truth:
                self._server.truth[prompt] = [time.monotonic()] * len(events)
            self._transport.write(HEAD + b"".join(events) + tail)
            self._loop.call_soon(self._server.slots.leave)
        else:
            self._transport.write(HEAD)
            self._next(self._loop.time() + plan.ttft_s, prompt, deque(events), tail)
        return True

    def _next(self, due: float, prompt: str, events: deque[bytes], tail: bytes) -> None:
        self._loop.call_at(due, self._write, due, prompt, events, tail)

    def _write(self, due: float, prompt: str, events: deque[bytes], tail: bytes) -> None:
        if self._transport.is_closing():
            self._server.slots.leave()
            return
        if events:
            if self._server.plan.keep_truth:
                self._server.truth[prompt].append(time.monotonic())
            self._transport.write(events.popleft())
        if events:
            self._next(due + self._server.plan.gap_s, prompt, events, tail)
        else:
            self._transport.write(tail)
            self._server.slots.leave()

    def _whole(self, pieces: list[str], stop: str, usage: dict[str, int], chat: bool) -> None:
        text = "".join(pieces)
        choice: dict[str, Any] = {"index": 0, "finish_reason": stop, "logprobs": None}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        form = "chat.completion" if chat else "text_completion"
        whole = {"id": "mock", "object": form, "created": int(time.time()), "model": MODEL, "choices": [choice]}
        self._json({**whole, "usage": usage})
        self._server.slots.leave()


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _event(piece: str | None, chat: bool, stop: str | None = None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "finish_reason": stop}
    if chat:
        choice["delta"] = {} if piece is None else {"content": piece}
    else:
        choice["text"] = piece or ""
    form = "chat.completion.chunk" if chat else "text_completion"
    return chunk(b"data: " + _dump({"id": "mock", "object": form, "model": MODEL, "choices": [choice]}) + b"\n\n")


class MockProcess:
    """The server in a process of its own; a context manager."""

    def __init__(self, plan: MockPlan | None = None) -> None:
        plan = plan or MockPlan()
        options = [f"--{key.replace('_', '-')}={json.dumps(value)}" for key, value in asdict(plan).items()]
        self._command = [sys.executable, "-m", "sizewise.testing.mock_server", *options]
        self.url = ""
        self.pid = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()
        self.pid = self._process.pid
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=10)

    def kill(self) -> None:
        """End the server at once, its connections with it."""
        self._process.kill()

    def fetch_truth(self) -> dict[str, list[float]]:
        """Return prompt -> write times (time.monotonic() seconds, the same clock in all processes)."""
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/truth") as reply:
            truth: dict[str, list[float]] = json.load(reply)["truth"]
        return truth


def main() -> None:
    """Serve until stdin ends; every field of `MockPlan` is an option whose value is JSON."""
    parser = argparse.ArgumentParser(description="an OpenAI-compatible server with known timing")
    for name, value in asdict(MockPlan()).items():
        short = name.removesuffix("_s")
        flags = [f"--{name.replace('_', '-')}"] + ([f"--{short}"] if short != name else [])
        parser.add_argument(*flags, dest=name, type=json.loads, default=value)
    parser.add_argument("--port", type=int, default=0)
    options = vars(parser.parse_args())
    port = options.pop("port")

    async def serve() -> None:
        server = MockServer(MockPlan(**options))
        sys.stdout.write(await server.start(port) + "\n")
        sys.stdout.flush()
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
        await ended.wait()

    try:
        import uvloop
    except ImportError:
        asyncio.run(serve())
    else:
        uvloop.run(serve())


if __name__ == "__main__":
    main()
