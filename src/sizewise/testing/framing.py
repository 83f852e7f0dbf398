"""HTTP, event streams and JSON at their edges: what is allowed must be read, what is not must be told."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import cache
from typing import Any

from sizewise.records import ErrorClass, StopReason
from sizewise.testing.exchange import ANSWER, Exchange, event, text_event
from sizewise.testing.faults import Fault

_BOMB_BYTES = 20 * 2**20
Serve = Callable[[Exchange], Awaitable[None]]


def _finish(stop: object = "stop") -> bytes:
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": stop}]})


_DONE = b"data: [DONE]\n\n"
_WHOLE = text_event(ANSWER) + _finish() + _DONE
_BODY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}]}


def _stream(data: bytes, **begin: str) -> Serve:
    """Return a server of these bytes as a stream."""

    async def serve(to: Exchange) -> None:
        await to.begin(**begin)
        await to.send(data)

    return serve


def _raw(data: bytes) -> Serve:
    """Return a server of these bytes, head and all."""

    async def serve(to: Exchange) -> None:
        await to.send(data)

    return serve


def _chunks(*chunks: Any) -> Serve:
    """Return a server of a stream of these chunks, ended properly."""
    return _stream(b"".join(map(event, chunks)) + _finish() + _DONE)


def _delta(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def _zipped(data: bytes) -> Serve:
    return _stream(gzip.compress(data), headers="Content-Encoding: gzip\r\n")


@cache
def _bomb() -> bytes:
    """Return 20 MiB of spaces as 90 KiB of gzip."""
    return gzip.compress(b" " * _BOMB_BYTES, compresslevel=1)


async def _zip_bomb(to: Exchange) -> None:
    await _stream(_bomb(), headers="Content-Encoding: gzip\r\n")(to)


async def _moved(to: Exchange) -> None:
    await to.status(302, "", "Location: /v1/chat/completions\r\n")


async def _byte_by_byte(to: Exchange) -> None:
    await to.begin()
    for byte in _WHOLE.replace(b"\n", b"\r\n"):
        await to.send(bytes([byte]))
        await asyncio.sleep(0)


async def _endless_comments(to: Exchange) -> None:
    await to.begin()
    while True:
        await to.send(b": keep-alive\n\n")
        await asyncio.sleep(0.05)


async def _endless_line(to: Exchange) -> None:
    await to.begin()
    await to.send(b"data: ")
    for _ in range(20):
        await to.send(b"x" * 2**20)


def _limited(header: Callable[[], str]) -> Serve:
    """Return a server that asks for a pause once, then answers."""

    async def serve(to: Exchange) -> None:
        if to.attempt == 1:
            await to.status(429, {"error": {"message": "slow down"}}, f"Retry-After: {header()}\r\n")
        else:
            await to.answer()

    return serve


async def _overloaded(to: Exchange) -> None:
    await to.status(503, {"error": {"message": "overloaded"}}, f"Retry-After: {formatdate(4e9, usegmt=True)}\r\n")


def _wants_no(field: str, message: str) -> Serve:
    """Return a server that refuses a field of the request."""

    async def serve(to: Exchange) -> None:
        if field in to.body:
            await to.status(400, {"error": {"message": message, "type": "invalid_request_error"}})
        else:
            await to.answer()

    return serve


def _with_length(length: int) -> Serve:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {length}\r\n\r\n"
    return _raw(head.encode() + _WHOLE)


_ZERO = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_SPLIT = json.dumps(_delta(content=ANSWER), ensure_ascii=False).encode().split(b", ")
_STRANGE = {
    "choices": [{"index": 0, "delta": {"content": ANSWER}, "finish_reason": None, "logprobs": {"content": [{}]}}],
    "usage": [1, 2], "timings": {"prompt_ms": "soon", "predicted_ms": float("inf")},
}  # fmt: skip
_NAN = {"usage": {"prompt_tokens": float("nan"), "completion_tokens": 10**30}, "timings": {"prompt_ms": float("nan")}}
_PARTS = [{"type": "text", "text": ANSWER[:4]}, {"type": "text", "text": ANSWER[4:]}]
_CUT = zlib.compress(_WHOLE)[:-9]

EDGES: dict[str, Fault] = {
    # HTTP
    "redirect": Fault(serve=_moved, ends_in=ErrorClass.CLIENT),
    "http_1_0": Fault(serve=_stream(_WHOLE, http="HTTP/1.0"), ends_in=None),
    "not_http": Fault(serve=_raw(b"SSH-2.0-OpenSSH_9.6\r\n"), ends_in=ErrorClass.INVALID),
    "early_hints": Fault(serve=_raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _CHUNKED.replace(
        b"Transfer-Encoding: chunked", b"Connection: close") + _WHOLE), ends_in=None),
    "huge_header": Fault(serve=_stream(_WHOLE, headers=f"X-Huge: {'h' * 2**17}\r\n"), ends_in=ErrorClass.INVALID),
    "empty_body": Fault(serve=_raw(_ZERO), ends_in=ErrorClass.INVALID),
    "no_content": Fault(serve=_raw(b"HTTP/1.1 204 No Content\r\n\r\n"), ends_in=ErrorClass.SERVER, asked=3),
    "length_too_long": Fault(serve=_with_length(len(_WHOLE) + 9), ends_in=ErrorClass.DISCONNECTED, asked=3),
    "length_too_short": Fault(serve=_with_length(30), ends_in=ErrorClass.INVALID),
    "chunk_garbage": Fault(serve=_raw(_CHUNKED + b"zz\r\nnonsense\r\n"), ends_in=ErrorClass.INVALID),
    "zipped": Fault(serve=_zipped(_WHOLE), ends_in=None),
    "zip_bomb": Fault(serve=_zip_bomb, ends_in=ErrorClass.TOO_LARGE),
    "zip_garbage": Fault(serve=_stream(_WHOLE, headers="Content-Encoding: gzip\r\n"), ends_in=ErrorClass.INVALID),
    "zip_cut": Fault(serve=_stream(_CUT, headers="Content-Encoding: deflate\r\n"), ends_in=ErrorClass.DISCONNECTED,
                     asked=3),
    "plain_text": Fault(serve=_stream(_WHOLE, kind="text/plain"), ends_in=None),
    "stream_as_json": Fault(serve=_stream(_WHOLE, kind="application/json"), ends_in=None),
    # when to ask again
    "retry_after_date": Fault(serve=_limited(lambda: formatdate(usegmt=True)), ends_in=None, asked=2),
    "retry_after_negative": Fault(serve=_limited(lambda: "-7"), ends_in=None, asked=2),
    "retry_after_nonsense": Fault(serve=_limited(lambda: "nan"), ends_in=None, asked=2),
    "retry_after_far": Fault(serve=_overloaded, ends_in=ErrorClass.SERVER),
    # a request that the server does not take as it is
    "no_temperature": Fault(serve=_wants_no("temperature", "temperature is not supported"), ends_in=ErrorClass.CLIENT),
    # event streams
    "carriage_returns": Fault(serve=_stream(_WHOLE.replace(b"\n", b"\r\n")), ends_in=None),
    "old_macintosh": Fault(serve=_stream(_WHOLE.replace(b"\n", b"\r")), ends_in=None),
    "byte_by_byte": Fault(serve=_byte_by_byte, ends_in=None),
    "byte_order_mark": Fault(serve=_stream(b"\xef\xbb\xbf" + _WHOLE), ends_in=None),
    "comments_and_fields": Fault(serve=_stream(b": hello\n\nid: 1\nretry: 10\nevent: message\n" + _WHOLE),
                                 ends_in=None),
    "many_lines": Fault(serve=_stream(b"data: " + b",\ndata: ".join(_SPLIT) + b"\n\n" + _finish() + _DONE),
                        ends_in=None),
    "no_empty_lines": Fault(serve=_stream(_WHOLE.replace(b"\n\n", b"\n")), ends_in=None),
    "no_spaces": Fault(serve=_stream(_WHOLE.replace(b"data: ", b"data:")), ends_in=None),
    "no_done": Fault(serve=_stream(text_event(ANSWER) + _finish()), ends_in=None),
    "no_last_line_end": Fault(serve=_stream(_WHOLE.rstrip()), ends_in=None),
    "no_finish_reason": Fault(serve=_stream(text_event(ANSWER) + _DONE), ends_in=None, stop=StopReason.UNKNOWN),
    "more_after_done": Fault(serve=_stream(_WHOLE + b"data: goodbye}\n\n"), ends_in=None),
    "error_line": Fault(serve=_stream(b'error: {"code": 400, "message": "bad grammar"}\n\n'),
                        ends_in=ErrorClass.CLIENT),
    "endless_comments": Fault(serve=_endless_comments, ends_in=ErrorClass.TIMEOUT),
    "endless_line": Fault(serve=_endless_line, ends_in=ErrorClass.TOO_LARGE),
    # JSON
    "not_streamed": Fault(serve=lambda to: to.status(200, _BODY), ends_in=None),
    "not_streamed_as_text": Fault(serve=lambda to: to.status(200, json.dumps(_BODY, indent=1), kind="text/plain"),
                                  ends_in=None),
    "not_a_number": Fault(serve=_chunks(_delta(content=ANSWER), _NAN), ends_in=None),
    "strange_types": Fault(serve=_chunks(_STRANGE), ends_in=None),
    "deep": Fault(serve=_stream(b'data: {"choices": ' + b"[" * 200_000 + b"}\n\n" + _DONE), ends_in=ErrorClass.INVALID),
    "lone_surrogates": Fault(serve=lambda to: to.status(400, r'{"error": {"message": "\ud83d \udc00"}}'),
                             ends_in=ErrorClass.CLIENT),
    # chunks
    "no_choices": Fault(serve=_stream(event({"choices": []}) + _DONE), ends_in=ErrorClass.INVALID),
    "choices_of_nothing": Fault(serve=_chunks({"choices": [None]}), ends_in=ErrorClass.INVALID),
    "text_of_numbers": Fault(serve=_chunks(_delta(content={"value": 7})), ends_in=ErrorClass.INVALID),
    "text_in_parts": Fault(serve=_chunks(_delta(content=_PARTS)), ends_in=None),
    "roles_first": Fault(serve=_chunks({"choices": []}, _delta(role="assistant", content=""), _delta(content=None),
                                       _delta(content=ANSWER)), ends_in=None),
    "roles_only": Fault(serve=_stream(event(_delta(role="assistant"))), ends_in=ErrorClass.DISCONNECTED, asked=3),
    "reasoning": Fault(serve=_chunks(_delta(reasoning_content="hmm"), _delta(content=ANSWER)), ends_in=None),
    "finish_of_another_kind": Fault(serve=_stream(text_event(ANSWER) + _finish({"why": "done"}) + _DONE),
                                    ends_in=None, stop=StopReason.UNKNOWN),
}  # fmt: skip
"""Name -> what the server does and how a trial must end."""

DIALECTS: dict[str, Fault] = {
    "other_token_limit": Fault(serve=_wants_no("max_tokens", "use 'max_completion_tokens' instead"), ends_in=None),
    "no_stream_options": Fault(
        serve=_wants_no("stream_options", "Unrecognized argument: stream_options"), ends_in=None
    ),
    "no_seed": Fault(serve=_wants_no("seed", "body.seed: Extra inputs are not permitted"), ends_in=None),
}
"""Servers that refuse a field which an answer does without. Asked twice until the client has learnt it, then once."""
