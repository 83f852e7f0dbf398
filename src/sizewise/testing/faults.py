"""Ways in which a server fails: refusals, hangs, broken connections, answers that are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sizewise.records import ErrorClass, StopReason
from sizewise.testing.exchange import ANSWER, Exchange, event, text_event

_HUGE_BYTES = 10 * 2**20


async def _rate_limited(to: Exchange, wait: str) -> None:
    body = {"error": {"message": "slow down", "type": "rate_limit_error"}}
    await to.status(429, body, f"Retry-After: {wait}\r\n")


async def _rate_limited_twice(to: Exchange) -> None:
    await (_rate_limited(to, "0.02") if to.attempt <= 2 else to.answer())


async def _server_error(to: Exchange) -> None:
    await to.status(500, "<html>oops</html>", kind="text/html")


async def _server_error_once(to: Exchange) -> None:
    await (_server_error(to) if to.attempt == 1 else to.answer())


async def _hang(to: Exchange) -> None:  # noqa: ARG001
    await asyncio.Event().wait()


async def _hang_midway(to: Exchange) -> None:
    await to.begin()
    await to.send(text_event("half an"))
    await asyncio.Event().wait()


async def _disconnect(to: Exchange) -> None:
    await to.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = text_event("half an")
    await to.send(b"%x\r\n%s\r\n" % (len(piece), piece))


async def _disconnect_once(to: Exchange) -> None:
    await (_disconnect(to) if to.attempt == 1 else to.answer())


async def _nothing_at_all(to: Exchange) -> None:  # noqa: ARG001
    return


async def _half_characters(to: Exchange) -> None:
    await to.begin()
    for byte in text_event(ANSWER):
        await to.send(bytes([byte]))
        await asyncio.sleep(0)
    await to.end()


async def _half_in_events(to: Exchange) -> None:
    """Every event is JSON around one byte of the answer, so that no event alone is UTF-8."""
    await to.begin()
    for byte in ANSWER.encode():
        await to.send(text_event("@").replace(b"@", bytes([byte])))
    await to.end()


async def _half_surrogates(to: Exchange) -> None:
    await to.begin()
    before, after = ANSWER.split("😀")
    for piece in (before, "\ud83d", "\ude00", after):
        chunk = {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        await to.send(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    await to.end()


async def _invalid_json(to: Exchange) -> None:
    await to.begin()
    await to.send(b'data: {"choices": [{"delta": {"conte\n\n')
    await to.end()


async def _other_form(to: Exchange) -> None:
    await to.begin()
    await to.send(event({"answer": "42"}))
    await to.end()


async def _html(to: Exchange) -> None:
    await to.status(200, "<html>Welcome to our hotel's wireless network</html>", kind="text/html")


async def _closes_without_a_word(to: Exchange) -> None:
    """HTTP/1.1 with a length keeps the connection; this server closes it, as llama.cpp does after a stream."""
    pieces = text_event(ANSWER) + event({"choices": [{"delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(pieces)}\r\n\r\n"
    await to.send(head.encode() + pieces)


async def _wrong_usage(to: Exchange) -> None:
    await to.answer(usage={"prompt_tokens": -4, "completion_tokens": "many", "total_tokens": None})


async def _error_body(to: Exchange) -> None:
    await to.status(200, {"error": {"message": "the model is not loaded", "code": 503}})


async def _error_event(to: Exchange) -> None:
    await to.begin()
    await to.send(text_event("so far") + event({"error": {"message": "out of memory", "code": 500}}))
    await to.send(b"data: [DONE]\n\n")


async def _slow_drip(to: Exchange) -> None:
    await to.begin()
    while True:
        await to.send(text_event("drip "))
        await asyncio.sleep(0.02)


async def _huge(to: Exchange) -> None:
    await to.begin()
    piece = text_event("x" * 2**14)
    for _ in range(_HUGE_BYTES // 2**14):
        await to.send(piece)
    await to.end()


async def _no_end(to: Exchange) -> None:
    await to.begin()
    await to.send(text_event("an answer without an end"))


async def _no_event(to: Exchange) -> None:
    await to.begin()


async def _context_lost(to: Exchange) -> None:
    await to.answer(usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7})


def _refused(code: int, message: str, kind: str) -> Callable[[Exchange], Awaitable[None]]:
    async def refuse(to: Exchange) -> None:
        await to.status(code, {"error": {"message": message, "type": kind, "code": code}})

    return refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail."""

    serve: Callable[[Exchange], Awaitable[None]]
    ends_in: ErrorClass | None
    """The class of a trial whose prompt meets it."""
    asked: int = 1
    """Attempts with a policy of 2 retries."""
    stop: StopReason = StopReason.STOP
    """How a whole answer ends."""


FAILURES: dict[str, Fault] = {
    "rate_limited": Fault(serve=lambda to: _rate_limited(to, "0.02"), ends_in=ErrorClass.RATE_LIMITED, asked=3),
    "rate_limited_long": Fault(serve=lambda to: _rate_limited(to, "3600"), ends_in=ErrorClass.RATE_LIMITED),
    "rate_limited_twice": Fault(serve=_rate_limited_twice, ends_in=None, asked=3),
    "server_error": Fault(serve=_server_error, ends_in=ErrorClass.SERVER, asked=3),
    "server_error_once": Fault(serve=_server_error_once, ends_in=None, asked=2),
    "hang": Fault(serve=_hang, ends_in=ErrorClass.TIMEOUT),
    "hang_midway": Fault(serve=_hang_midway, ends_in=ErrorClass.TIMEOUT),
    "disconnect": Fault(serve=_disconnect, ends_in=ErrorClass.DISCONNECTED, asked=3),
    "disconnect_once": Fault(serve=_disconnect_once, ends_in=None, asked=2),
    "nothing_at_all": Fault(serve=_nothing_at_all, ends_in=ErrorClass.DISCONNECTED, asked=4),
    "half_characters": Fault(serve=_half_characters, ends_in=None),
    "half_in_events": Fault(serve=_half_in_events, ends_in=None),
    "half_surrogates": Fault(serve=_half_surrogates, ends_in=None),
    "invalid_json": Fault(serve=_invalid_json, ends_in=ErrorClass.INVALID),
    "other_form": Fault(serve=_other_form, ends_in=ErrorClass.INVALID),
    "html": Fault(serve=_html, ends_in=ErrorClass.INVALID),
    "closes_without_a_word": Fault(serve=_closes_without_a_word, ends_in=None),
    "wrong_usage": Fault(serve=_wrong_usage, ends_in=None),
    "error_body": Fault(serve=_error_body, ends_in=ErrorClass.SERVER, asked=3),
    "error_event": Fault(serve=_error_event, ends_in=ErrorClass.SERVER, asked=3),
    "slow_drip": Fault(serve=_slow_drip, ends_in=ErrorClass.TIMEOUT),
    "huge": Fault(serve=_huge, ends_in=ErrorClass.TOO_LARGE),
    "no_end": Fault(serve=_no_end, ends_in=ErrorClass.DISCONNECTED, asked=3),
    "no_event": Fault(serve=_no_event, ends_in=ErrorClass.INVALID),
    "context_lost": Fault(serve=_context_lost, ends_in=ErrorClass.CONTEXT_LOST),
    "context_exceeded": Fault(
        serve=_refused(400, "maximum context length is 9 tokens", "invalid_request_error"),
        ends_in=ErrorClass.TOO_LARGE,
    ),
    "unauthorized": Fault(serve=_refused(401, "bad key", "invalid_request_error"), ends_in=ErrorClass.CLIENT),
    "not_found": Fault(serve=_refused(404, "no such model", "not_found_error"), ends_in=ErrorClass.CLIENT),
    "fine": Fault(serve=Exchange.answer, ends_in=None),
}
"""Name -> what the server does and how a trial must end.

A connection that is closed before a single byte is asked once more for free: hence 4 for `nothing_at_all`."""
