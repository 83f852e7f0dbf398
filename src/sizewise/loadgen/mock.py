"""A small server whose own write times are known: the truth against which the client is audited.

Streams OpenAI-style answers of a set length at set gaps, logs when it received each request and when it wrote
each token (monotonic clock, shared with the client on one machine), and can misbehave on purpose. It runs in
its own process (`python -m sizewise.loadgen.mock '{"tokens": 16}'`, behaviour as JSON), prints the port as its
first line and the log as JSON lines when its input is closed. It does not cover: TLS, HTTP/2, real tokenizing.

Why there is also `sizewise.testing.mock_server`: that one answers what it is asked (prompts, stops, lengths), this
one only keeps time, at a fraction of the CPU. What both need (`HEAD`, `chunk`, `Slots`) is here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any, cast

from sizewise.errors import RuntimeFailure

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
"""Head of a streamed answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How the mock answers; shares are in [0, 1] and drawn with `seed`."""

    tokens: int = 16
    ttft_s: float = 0.02
    gap_s: float = 0.01
    slots: int = 0
    """Requests served at once; the others wait in one queue. 0 is no limit."""
    stall_share: float = 0.0
    stall_s: float = 0.2
    """One gap in the middle of a stalled answer."""
    busy_share: float = 0.0
    """Answered with 503."""
    hang_share: float = 0.0
    """Accepted and never answered."""
    cut_share: float = 0.0
    """Closed in the middle of the answer."""
    die_after: int = 0
    """The whole server exits at this request; 0 is never."""
    usage_tokens: int = 0
    """Output tokens that the final usage claims; 0 is the true number, -1 sends no usage."""
    seed: int = 0


@dataclass(slots=True)
class Truth:
    """What the mock saw of one request; seconds of the monotonic clock."""

    id: int
    received_s: float
    written_s: list[float] = field(default_factory=list)


def chunk(payload: bytes) -> bytes:
    """Return the bytes as one chunk of a chunked body.

    >>> chunk(b"hello")
    b'5\\r\\nhello\\r\\n'
    """
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def json_reply(value: Any) -> bytes:
    """Return a whole HTTP response with this JSON."""
    body = json.dumps(value).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


class Slots:
    """Serves so many requests at once, the others first-in first-out; 0 is no limit."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: deque[Callable[[], bool]] = deque()
        self.busy = 0

    def enter(self, serve: Callable[[], bool]) -> None:
        """Serve now where a slot is free, else when one becomes free. `serve` says False when nobody waits any more."""
        self._waiting.append(serve)
        self._fill()

    def leave(self) -> None:
        """Give a slot back."""
        self.busy -= 1
        self._fill()

    def _fill(self) -> None:
        while self._waiting and (not self._count or self.busy < self._count):
            self.busy += 1
            if not self._waiting.popleft()():
                self.busy -= 1


def _token_event() -> bytes:
    event = {"id": "mock", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": " ok"}}]}
    return chunk(b"data: " + json.dumps(event).encode() + b"\n\n")


def _end_events(input_tokens: int, output_tokens: int, *, usage: bool) -> bytes:
    out = b""
    if usage:
        counts = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
        out += chunk(b"data: " + json.dumps({"choices": [], "usage": counts}).encode() + b"\n\n")
    return out + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class _Server:
    """State shared by the connections: the slots, the queue and the log."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.loop = asyncio.get_running_loop()
        self.rng = random.Random(behaviour.seed)
        self.log: list[Truth] = []
        self.slots = Slots(behaviour.slots)
        self.token = _token_event()


class _Peer(asyncio.Protocol):
    """One client connection; one request at a time, as our client sends them."""

    def __init__(self, server: _Server) -> None:
        self.server = server
        self.buffer = b""
        self.alive = True
        self.serving = False
        self.stall_at = -1
        self.tokens = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.alive = False
        if self.serving:
            self.serving = False
            self.server.slots.leave()

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].lower()
        if head.startswith(b"get "):
            self.buffer = b""
            self._get()
            return
        at = head.index(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < end + 4 + length:
            return
        body = self.buffer[end + 4 :]
        self.buffer = b""
        at = head.find(b"x-request-id:")
        self.truth = Truth(int(head[at + 13 :].split(b"\r\n", 1)[0]) if at >= 0 else -1, now)
        self._answer(body)

    def _get(self) -> None:
        self.transport.write(json_reply({"data": [{"id": "mock"}]}))

    def _answer(self, body: bytes) -> None:
        server, how = self.server, self.server.behaviour
        server.log.append(self.truth)
        if how.die_after and len(server.log) >= how.die_after:
            os._exit(1)
        draw = server.rng.random()
        if draw < how.hang_share:
            return
        if draw < how.hang_share + how.busy_share:
            self.transport.write(
                b"HTTP/1.1 503 Busy\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nbusy"
            )
            return
        self.tokens = how.tokens
        if how.cut_share and server.rng.random() < how.cut_share:
            self.tokens = -max(1, how.tokens // 2)
        stalled = how.stall_share and server.rng.random() < how.stall_share
        self.stall_at = how.tokens // 2 if stalled else -1
        self.input_tokens = len(body) // 4
        server.slots.enter(self.begin)

    def begin(self) -> bool:
        if not self.alive:
            return False
        self.serving = True
        self.at_s = monotonic() + self.server.behaviour.ttft_s
        self.server.loop.call_later(self.server.behaviour.ttft_s, self._write)
        return True

    def _write(self) -> None:
        if not self.alive:
            return
        written = self.truth.written_s
        how = self.server.behaviour
        written.append(monotonic())
        self.transport.write(HEAD + self.server.token if len(written) == 1 else self.server.token)
        count = len(written)
        if count >= abs(self.tokens):
            self._end(count)
            return
        self.at_s += how.stall_s if count == self.stall_at else how.gap_s
        self.server.loop.call_later(max(0.0, self.at_s - monotonic()), self._write)

    def _end(self, count: int) -> None:
        how = self.server.behaviour
        self.serving = False
        self.server.slots.leave()
        if self.tokens < 0:
            self.transport.close()
            return
        self.transport.write(_end_events(self.input_tokens, how.usage_tokens or count, usage=how.usage_tokens >= 0))


async def _serve(behaviour: Behaviour) -> None:
    loop = asyncio.get_running_loop()
    server = _Server(behaviour)
    listener = await loop.create_server(lambda: _Peer(server), "127.0.0.1", 0, backlog=4096)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    listener.close()
    for truth in server.log:
        print(json.dumps([truth.id, truth.received_s, truth.written_s]))


def main() -> None:
    """Serve until the input is closed."""
    import gc

    gc.disable()
    with contextlib.suppress(OSError, AttributeError):  # as the client does: the truth must not be late
        os.nice(-10)
    behaviour = Behaviour(**json.loads(sys.argv[1]))
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(behaviour))
    else:
        uvloop.run(_serve(behaviour))


@dataclass(slots=True)
class MockServer:
    """A running mock: its base URL, and its log once it has stopped."""

    url: str
    pid: int
    truths: list[Truth] = field(default_factory=list)


@asynccontextmanager
async def mock_server(behaviour: Behaviour | None = None) -> AsyncIterator[MockServer]:
    """Run the mock in its own process; on leaving, stop it and read its log into `truths`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sizewise.loadgen.mock", json.dumps(asdict(behaviour or Behaviour())),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24,
    )  # fmt: skip
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.strip().isdigit():
        raise RuntimeFailure(f"the built-in mock server printed {line!r} instead of its port; run `sizewise doctor`")
    server = MockServer(url=f"http://127.0.0.1:{int(line)}/v1", pid=process.pid)
    try:
        yield server
    finally:
        out, _ = await process.communicate(b"")
        server.truths = [_truth(json.loads(line)) for line in out.splitlines()]


def _truth(row: list[Any]) -> Truth:
    return Truth(row[0], row[1], row[2])


if __name__ == "__main__":
    main()
