"""Ollama by its own API: the context is really set, and the model really leaves memory on close.

Its OpenAI endpoint ignores the context size and drops what is too long with HTTP 200, hence this runtime.
Does not cover pulling models: `ollama pull MODEL` does.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, Request, Settings
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.discovery import nothing_listens
from sizewise.runtimes.http_client import HttpClient
from sizewise.runtimes.openai_form import Gatherer, bare_prompt

if TYPE_CHECKING:
    from yarl import URL

DEFAULT_URL = "http://127.0.0.1:11434"
DEFAULT_CONTEXT_TOKENS = 4096
_UNLOAD_LIMIT_S = 15.0


class LineSplitter:
    """Cuts a stream into lines, each a JSON object."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return [line for line in lines if line.strip()]

    def end(self) -> list[bytes]:
        """Return the last line where it has no end."""
        return self.feed(b"\n")


class LineStream:
    """Ollama's stream: its objects are put into the OpenAI form and gathered."""

    def splitter(self) -> LineSplitter:
        """Return a splitter for one answer."""
        return LineSplitter()

    def read(self, gatherer: Gatherer, stamp_s: float, chunk: dict[str, Any]) -> None:
        """Feed one line."""
        gatherer.feed(stamp_s, in_openai_form(chunk))


def in_openai_form(told: dict[str, Any]) -> dict[str, Any]:
    """Return one object of Ollama's stream as a chunk in the OpenAI form.

    >>> in_openai_form({"message": {"content": "hi"}, "done": False})["choices"][0]["delta"]
    {'content': 'hi', 'reasoning': None}
    """
    if "error" in told:
        return {"error": {"message": str(told["error"]), "code": 500}}
    message = told.get("message")
    if message is None:
        message = {"content": told["response"], "thinking": told.get("thinking")}
    delta: dict[str, Any] = {"content": message.get("content"), "reasoning": message.get("thinking")}
    if message.get("tool_calls"):
        delta["tool_calls"] = [
            {"index": index, "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
            for index, call in enumerate(item["function"] for item in message["tool_calls"])
        ]
    chunk: dict[str, Any] = {"choices": [{"delta": delta, "finish_reason": None}]}
    if told.get("done"):
        chunk["choices"][0]["finish_reason"] = told.get("done_reason") or "stop"
        chunk["usage"] = {"prompt_tokens": told.get("prompt_eval_count"), "completion_tokens": told.get("eval_count")}
        spent = {"prompt_ms": told.get("prompt_eval_duration"), "predicted_ms": told.get("eval_duration")}
        chunk["timings"] = {name: nanos / 1e6 for name, nanos in spent.items() if nanos is not None}
    return chunk


class OllamaRuntime:
    """One model in Ollama; `settings` give its context, threads and slots."""

    def __init__(self, model: str, settings: Settings, *, url: str = DEFAULT_URL, **client: Any) -> None:
        """`client` are the options of `HttpClient`."""
        self.url = url.rstrip("/").removesuffix("/v1")
        self.model = model
        self._settings = settings
        self._client = HttpClient(self.url, LineStream(), **client)
        self._context = settings.context_tokens or DEFAULT_CONTEXT_TOKENS
        self._resident_bytes: int | None = None
        self._chat_url: URL
        self._bare_url: URL

    async def start(self) -> EngineInfo:
        """Load the model; raises RuntimeFailure when Ollama does not answer or does not have it."""
        from yarl import URL

        self._chat_url, self._bare_url = URL(f"{self.url}/api/chat"), URL(f"{self.url}/api/generate")
        await self._client.open()
        try:
            version = await self._call("GET", "version")
            tags = (await self._call("GET", "tags")).get("models", [])
            digest = self._digest(tags)
            began = time.monotonic()
            await self._call("POST", "generate", {"model": self.model, "keep_alive": "1h", "options": self._options()})
            load_s = time.monotonic() - began
            loaded = await self._loaded()
        except RuntimeFailure:
            await self._client.close()
            raise
        except OSError as problem:
            await self._client.close()
            raise nothing_listens(self.url, problem) from None
        context = loaded.get("context_length", self._context) if loaded else self._context
        self._resident_bytes = loaded.get("size") if loaded else None
        notes = () if context == self._context else (f"Ollama gives {context} tokens of context, not {self._context}",)
        return EngineInfo(
            name="Ollama",
            version=str(version.get("version", "")),
            model_hash=digest,
            context_tokens=context,
            load_s=load_s,
            buffers_bytes={"total": self._resident_bytes} if self._resident_bytes else {},
            notes=notes,
        )

    def _digest(self, tags: list[dict[str, Any]]) -> str:
        known = {tag["name"]: str(tag.get("digest", "")) for tag in tags}
        name = self.model if self.model in known or ":" in self.model else f"{self.model}:latest"
        if name not in known:
            raise RuntimeFailure(
                f"Ollama at {self.url} has no model {self.model!r}; it has {', '.join(sorted(known)) or 'none'}. "
                f"Fetch it with: ollama pull {self.model}"
            )
        return known[name]

    def _options(self, settings: Settings | None = None) -> dict[str, Any]:
        """Return Ollama's options; a change of these that load the model would load it again."""
        options: dict[str, Any] = {"num_ctx": self._context}
        if self._settings.threads:
            options["num_thread"] = self._settings.threads
        if settings:
            options |= {
                "num_predict": settings.max_output_tokens,
                "temperature": settings.temperature,
                "top_p": settings.top_p,
                "top_k": 0,
                "min_p": 0.0,
                "repeat_penalty": 1.0,
                "seed": settings.seed,
            }
            if settings.stop:
                options["stop"] = list(settings.stop)
        return options

    async def generate(self, request: Request) -> Completion:
        """Answer one request, asking again where that may help."""
        settings = request.settings
        chat = settings.chat or request.tools is not None
        body: dict[str, Any] = {"model": self.model, "stream": True, "options": self._options(settings)}
        if chat:
            body["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
        else:
            body |= {"prompt": bare_prompt(request.messages), "raw": True}
        if request.tools:
            body["tools"] = json.loads(request.tools)
        if settings.json_schema:
            body["format"] = json.loads(settings.json_schema)
        return await self._client.ask(
            self._chat_url if chat else self._bare_url,
            lambda: body,
            asked=settings.max_output_tokens,
            learn=lambda _why, _sent: False,
        )

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON answer of one of Ollama's own calls; raises RuntimeFailure or OSError."""
        import aiohttp

        try:
            async with self._client.session.request(
                method, f"{self.url}/api/{path}", json={**body, "stream": False} if body else None
            ) as response:
                told: dict[str, Any] = await response.json(content_type=None)
        except ValueError as problem:
            raise RuntimeFailure(f"{self.url}/api/{path} does not answer like Ollama: {problem}") from None
        except aiohttp.ClientError as problem:
            raise ConnectionError(str(problem)) from None
        if "error" in told:
            raise RuntimeFailure(f"Ollama cannot do {path} for {self.model}: {told['error']}. See: ollama list")
        return told

    async def _loaded(self) -> dict[str, Any] | None:
        """Return what Ollama says of our model in memory, None when it is not there."""
        running = (await self._call("GET", "ps")).get("models", [])
        names = (self.model, f"{self.model}:latest")
        found: dict[str, Any] | None = next((item for item in running if item.get("name") in names), None)
        return found

    def peak_memory_bytes(self) -> int | None:
        """Return what Ollama says the loaded model takes, None where it does not tell."""
        return self._resident_bytes

    async def close(self) -> None:
        """Unload the model and wait until it has left memory (15 s at most), then close the connections."""
        if not self._client.is_open:
            return
        try:
            await self._call("POST", "generate", {"model": self.model, "keep_alive": 0})
            limit = time.monotonic() + _UNLOAD_LIMIT_S
            while await self._loaded() and time.monotonic() < limit:
                await asyncio.sleep(0.1)
        except (OSError, RuntimeFailure):
            pass  # the server is gone, and the model with it
        finally:
            await self._client.close()
