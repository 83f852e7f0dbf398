"""An OpenAI-compatible server that fails in every way a server can; the prompt names the way.

    async with FaultServer() as server:
        ... ask server.url with the prompt "hang #1" ...
        server.attempts["hang #1"]      # how often it was asked

`FAULTS` maps each name to what it does and to the class in which a trial must end (None: a whole answer, whose
text is `ANSWER`). The word before the first space of the prompt is the name; every other text is answered well.
The kinds are in `faults.py` (what servers do wrong) and `framing.py` (HTTP, event streams and JSON at their edges).
Does not cover TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from types import TracebackType
from typing import Any, Self

from sizewise.testing.exchange import ANSWER, Exchange
from sizewise.testing.faults import FAILURES, Fault
from sizewise.testing.framing import DIALECTS, EDGES

__all__ = ["ANSWER", "FAULTS", "FaultServer", "padded"]

FAULTS: dict[str, Fault] = {**FAILURES, **EDGES}
"""Name -> what the server does and how a trial must end."""


def padded(name: str, number: int) -> str:
    """Return a prompt that meets a fault; long enough that a count of 3 tokens cannot be true.

    >>> padded("hang", 1)[:8]
    'hang #1 '
    """
    return f"{name} #{number} " + "and a good deal of text that a server must read " * 30


class FaultServer:
    """The server on a free port of this loop; an async context manager."""

    def __init__(self) -> None:
        self.attempts: Counter[str] = Counter()
        """Prompt -> how often it was asked."""
        self.url = ""
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, then close: a fault must not leak into the next."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
                if body:
                    request = json.loads(body)
                    prompt = _prompt(request)
                    self.attempts[prompt] += 1
                    fault = {**FAULTS, **DIALECTS}.get(prompt.split(" ", 1)[0], FAULTS["fine"])
                    await fault.serve(Exchange(writer, prompt, self.attempts[prompt], request))
                else:
                    models = {"object": "list", "data": [{"id": "faulty", "object": "model"}]}
                    await Exchange(writer, "", 1).status(200, models)
        finally:
            writer.close()


def _prompt(request: dict[str, Any]) -> str:
    text: str = request["messages"][-1]["content"] if "messages" in request else request["prompt"]
    return text
