"""One request being answered by a server that fails on purpose, and the pieces of its answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

ANSWER = "naïve café €5 😀 done"
"""What every whole answer says: characters of one to four bytes."""


class Exchange:
    """One request being answered."""

    def __init__(
        self, writer: asyncio.StreamWriter, prompt: str, attempt: int, body: dict[str, Any] | None = None
    ) -> None:
        self._writer = writer
        self.body = body or {}
        """The request as it was sent."""
        self._tokens = len(prompt) // 4
        self.attempt = attempt
        """1 for the first time this prompt is asked."""

    async def send(self, data: bytes) -> None:
        """Write at once."""
        self._writer.write(data)
        await self._writer.drain()

    async def status(self, code: int, body: Any, headers: str = "", kind: str = "application/json") -> None:
        """Answer with a status and a body."""
        text = body if isinstance(body, str) else json.dumps(body)
        data = text.encode()
        head = f"HTTP/1.1 {code} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        head += f"Connection: close\r\n{headers}\r\n"
        await self.send(head.encode() + data)

    async def begin(self, headers: str = "", kind: str = "text/event-stream", http: str = "HTTP/1.1") -> None:
        """Begin a stream that ends when the connection is closed."""
        await self.send(f"{http} 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n{headers}\r\n".encode())

    async def end(self, stop: str = "stop", usage: dict[str, Any] | None = None) -> None:
        """End a stream properly."""
        told = {"prompt_tokens": self._tokens, "completion_tokens": 5, "total_tokens": self._tokens + 5}
        told = told if usage is None else usage
        await self.send(event({"choices": [{"delta": {}, "finish_reason": stop}]}))
        await self.send(event({"choices": [], "usage": told}) + b"data: [DONE]\n\n")

    async def answer(self, usage: dict[str, Any] | None = None) -> None:
        """Give the whole answer."""
        await self.begin()
        for piece in ANSWER.split(" "):
            await self.send(text_event(piece if piece == "naïve" else " " + piece))
        await self.end(usage=usage)


def event(chunk: Any) -> bytes:
    """Return one server-sent event; characters outside ASCII go as UTF-8."""
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n\n"


def text_event(text: str) -> bytes:
    """Return the event of a piece of text."""
    return event({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})
