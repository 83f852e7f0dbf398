"""The HTTP and event parsing against a real socket that sends bytes cut anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import pytest

from sizewise.loadgen.answers import error_of_status
from sizewise.loadgen.wire import Connection, Exchange

TOKEN = b"data: " + json.dumps({"choices": [{"delta": {"content": "hé"}}]}, ensure_ascii=False).encode() + b"\n\n"
ROLE = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n\n'
THINK = b'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def chunked(*events: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


@asynccontextmanager
async def answering(reply: bytes, *, piece: int, close: bool = False) -> AsyncIterator[int]:
    handlers: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(cast("asyncio.Task[None]", asyncio.current_task()))
        with suppress(ConnectionError):
            while await reader.read(65536):
                for at in range(0, len(reply), piece):
                    writer.write(reply[at : at + piece])
                    await writer.drain()
                    await asyncio.sleep(0)
                if close:
                    break
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.wait_for(asyncio.gather(*handlers), 10)


async def ask(port: int, *, keep_text: bool = True) -> tuple[Connection, Exchange]:
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[Exchange] = loop.create_future()
    done: Callable[[Connection, Exchange], None] = lambda _, exchange: finished.set_result(exchange)  # noqa: E731
    _, connection = await loop.create_connection(lambda: Connection(done, keep_text=keep_text), "127.0.0.1", port)
    connection.send(Exchange(0, 0, b"POST / HTTP/1.1\r\n\r\n", 0.0))
    exchange = await asyncio.wait_for(finished, 5)
    return connection, exchange


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 10_000])
async def test_a_chunked_stream_is_read_whole_wherever_it_is_cut(piece: int) -> None:
    async with answering(chunked(ROLE, TOKEN, TOKEN, TOKEN, USAGE, DONE), piece=piece) as port:
        connection, exchange = await ask(port)
        assert connection.reusable
        connection.close()
    assert exchange.error is None
    assert exchange.text is not None
    assert "".join(exchange.text) == "héhéhé"
    assert (exchange.chunks, exchange.input_tokens, exchange.output_tokens) == (3, 7, 3)
    assert exchange.first_s == exchange.stamps[0] >= exchange.sent_s


async def test_an_empty_role_piece_is_no_token() -> None:
    async with answering(chunked(ROLE, USAGE, DONE), piece=1000) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert exchange.first_s is None
    assert exchange.chunks == 0


async def test_reasoning_counts_as_first_token_but_not_as_answer() -> None:
    async with answering(chunked(THINK, TOKEN, DONE), piece=1) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert exchange.first_s is not None
    assert exchange.answer_s is not None
    assert exchange.first_s < exchange.answer_s


async def test_lines_may_end_in_carriage_return_and_comments_are_skipped() -> None:
    events = (TOKEN.replace(b"\n", b"\r\n"), b": ping\r\n\r\n", DONE.replace(b"\n", b"\r\n"))
    async with answering(chunked(*events), piece=5) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert (exchange.error, exchange.chunks) == (None, 1)


async def test_a_body_that_runs_until_close_is_whole() -> None:
    async with answering(HEAD + b"\r\n" + TOKEN + DONE, piece=9, close=True) as port:
        connection, exchange = await ask(port)
    assert (exchange.error, exchange.chunks) == (None, 1)
    assert not connection.reusable


async def test_a_sized_json_answer_counts_as_one_piece() -> None:
    body = json.dumps({"choices": [{"message": {"content": "hi"}}], "usage": {"completion_tokens": 1}}).encode()
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with answering(reply, piece=4) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert (exchange.error, exchange.chunks, exchange.output_tokens) == (None, 1, 1)


async def test_a_status_is_classed_with_the_servers_words() -> None:
    reply = b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nno slots!"
    async with answering(reply, piece=100) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert exchange.error == "server: HTTP 503: no slots!"


async def test_a_cut_answer_is_a_disconnection_that_counts_its_tokens() -> None:
    cut = chunked(TOKEN, TOKEN, DONE)[:-20]
    async with answering(cut, piece=1000, close=True) as port:
        _, exchange = await ask(port)
    assert exchange.error is not None
    assert exchange.error.startswith("disconnected: the server closed after 2 tokens")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff nonsense\r\n\r\n",
        chunked(b"data: {broken\n\n"),
        chunked(b"data: [1]\n\n"),
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
        HEAD + b"Content-Length: -5\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-4\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_invalid_and_does_not_raise(garbage: bytes) -> None:
    async with answering(garbage, piece=1000) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert exchange.error is not None
    assert exchange.error.startswith("invalid_response")


async def test_a_stream_without_a_token_is_invalid() -> None:
    async with answering(chunked(b": nothing\n\n"), piece=1000) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert exchange.error == "invalid_response: the stream ended without a token"


async def test_an_interim_head_is_skipped() -> None:
    async with answering(b"HTTP/1.1 100 Continue\r\n\r\n" + chunked(TOKEN, DONE), piece=3) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert (exchange.error, exchange.chunks) == (None, 1)


@pytest.mark.parametrize("usage", ['"x"', "-3", "1e400", "true", "[1]", "null"])
async def test_counts_that_are_none_are_left_out_and_parts_are_text(usage: str) -> None:
    parts = b'data: {"choices": [{"delta": {"content": [{"type": "text", "text": "hi"}]}}]}\n\n'
    told = b'data: {"choices": [], "usage": {"completion_tokens": %s}}\n\n' % usage.encode()
    async with answering(chunked(parts, told, DONE), piece=1000) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert (exchange.error, exchange.text, exchange.output_tokens) == (None, ["hi"], None)


async def test_an_error_event_is_the_servers() -> None:
    async with answering(
        chunked(TOKEN, b'data: {"error": {"message": "out of memory"}}\n\n', DONE), piece=1000
    ) as port:
        connection, exchange = await ask(port)
        connection.close()
    assert exchange.error is not None
    assert exchange.error.startswith("server: ")
    assert "out of memory" in exchange.error


def test_statuses_have_their_classes() -> None:
    assert [error_of_status(s) for s in (429, 413, 400, 500, 302)] == [
        "rate_limited", "too_large", "client", "server", "invalid_response",
    ]  # fmt: skip
