"""A stand-in for Ollama's own API, for tests on machines without Ollama; answers are scripted, not computed.

It keeps what matters here: models load with a context, stay, are listed by /api/ps and leave on `keep_alive: 0`;
prompts beyond `num_ctx` are cut without a word; answers come as one JSON object a line.
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from aiohttp import web

MODEL = "tiny:latest"
ANSWER = ("w0 ", "w1 ", "w2 ", "w3 ")


class OllamaServer:
    """The server on a free port of this loop; an async context manager."""

    def __init__(self) -> None:
        self.loaded: dict[str, int] = {}
        """Model -> context it is loaded with."""
        self.bodies: list[dict[str, Any]] = []
        """Every request that asked for text."""
        self.url = ""

    async def __aenter__(self) -> Self:
        from aiohttp import web

        app = web.Application()
        app.router.add_get("/api/version", self._version)
        app.router.add_get("/api/tags", self._tags)
        app.router.add_get("/api/ps", self._ps)
        app.router.add_post("/api/generate", self._generate)
        app.router.add_post("/api/chat", self._generate)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._runner.cleanup()

    async def _version(self, _: web.Request) -> web.Response:
        return _json({"version": "0.33.1"})

    async def _tags(self, _: web.Request) -> web.Response:
        return _json({"models": [{"name": MODEL, "digest": "5f1e"}]})

    async def _ps(self, _: web.Request) -> web.Response:
        models = [{"name": name, "size": 2**26, "context_length": context} for name, context in self.loaded.items()]
        return _json({"models": models})

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        from aiohttp import web

        body = await request.json()
        name = body["model"] if ":" in body["model"] else f"{body['model']}:latest"
        if body.get("keep_alive") == 0:
            self.loaded.pop(name, None)
            return _json({"done": True, "done_reason": "unload"})
        options = body.get("options", {})
        self.loaded[name] = options.get("num_ctx", 4096)
        if "prompt" not in body and "messages" not in body:
            return _json({"done": True, "done_reason": "load"})
        self.bodies.append(body)
        chat = "messages" in body
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for line in _lines(prompt, options, chat):
            await response.write(json.dumps(line).encode() + b"\n")
            await asyncio.sleep(0)
        return response


def _lines(prompt: str, options: dict[str, Any], chat: bool) -> list[dict[str, Any]]:
    """Return the objects of one answer."""
    limit = options.get("num_predict", len(ANSWER))
    text, stop = "".join(ANSWER[:limit]), "length" if limit < len(ANSWER) else "stop"
    for mark in options.get("stop", ()):
        text = text.split(mark, 1)[0]
    pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
    lines: list[dict[str, Any]] = [
        {"message": {"role": "assistant", "content": piece}} if chat else {"response": piece} for piece in pieces
    ]
    tokens = max(1, min(len(prompt.encode()) // 4, options.get("num_ctx", 4096)))
    last = {"message": {"content": ""}} if chat else {"response": ""}
    nanos = {"prompt_eval_duration": 10**6, "eval_duration": 10**6}
    done = {"done": True, "done_reason": stop, "prompt_eval_count": tokens, "eval_count": len(pieces)}
    return [*lines, {**last, **done, **nanos}]


def _json(value: Any) -> web.Response:
    from aiohttp import web

    return web.json_response(value)
