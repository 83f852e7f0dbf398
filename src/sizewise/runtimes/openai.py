"""Any server with an OpenAI-compatible URL: chat and completions, streamed, stamped before parsing.

Requests are retried with jitter and given up (`retry.py`), and a server that died is not asked for long. The
API key is read from the environment variable that the candidate names, sent, and kept nowhere else.
Does not cover embeddings, images, and servers that cannot stream.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sizewise.records import Completion, Request
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.http_client import Body, HttpClient
from sizewise.runtimes.openai_form import Dialect, Gatherer, request_body
from sizewise.runtimes.sse import EventSplitter

if TYPE_CHECKING:
    from yarl import URL

DISPENSABLE = ("stream_options", "logprobs", "seed")
"""Fields that a server may refuse and an answer does without: token counts, probabilities, a seed to draw with."""
_NOT_TAKEN = re.compile(
    r"unrecogni[sz]ed|unknown|unexpected|unsupported|not (?:supported|permitted|allowed)|extra_", re.I
)


class EventStream:
    """Server-sent events with chunks in the OpenAI form."""

    def splitter(self) -> EventSplitter:
        """Return a splitter for one answer."""
        return EventSplitter()

    def read(self, gatherer: Gatherer, stamp_s: float, chunk: dict[str, Any]) -> None:
        """Feed one event."""
        gatherer.feed(stamp_s, chunk)


class OpenAIRuntime:
    """One model on one server."""

    def __init__(self, url: str, model: str, *, dialect: Dialect | None = None, **client: Any) -> None:
        """`client` are the options of `HttpClient`: api_key_env, timeout_s, stall_s, policy, breaker, headers."""
        self.url = url.rstrip("/")
        self.model = model
        self.dialect = dialect or Dialect()
        self._client = HttpClient(self.url, EventStream(), **client)
        self._chat_url: URL
        self._bare_url: URL

    async def start(self) -> EngineInfo:
        """Open the session and see who answers; raises RuntimeFailure when nothing listens or the key is missing."""
        from yarl import URL

        from sizewise.runtimes.discovery import identify, nothing_listens

        self._chat_url, self._bare_url = URL(f"{self.url}/chat/completions"), URL(f"{self.url}/completions")
        session = await self._client.open(force_close=self.dialect.llama_cpp)
        try:
            server = await identify(session, self.url)
        except OSError as problem:
            await self.close()
            raise nothing_listens(self.url, problem) from None
        if server.kind == "llama.cpp":
            self.dialect = replace(self.dialect, llama_cpp=True, logprobs=True)
            # llama.cpp says keep-alive and closes the connection after every stream
            await self._client.open(force_close=True)
        notes = []
        if server.models and self.model not in server.models:
            notes.append(f"the server does not list {self.model!r}; it lists {', '.join(server.models[:8])}")
        if server.kind == "Ollama":
            notes.append("Ollama's OpenAI endpoint ignores the context setting; runtime = 'ollama' does not")
        return EngineInfo(
            name=server.kind, version=server.version, context_tokens=server.context_tokens, notes=tuple(notes)
        )

    async def generate(self, request: Request) -> Completion:
        """Answer one request, asking again where that may help."""
        chat = request.settings.chat or request.tools is not None
        return await self._client.ask(
            self._chat_url if chat else self._bare_url,
            lambda: request_body(request, self.dialect, chat=chat),
            asked=request.settings.max_output_tokens,
            learn=self._learn,
        )

    def _learn(self, why: str, sent: Body) -> bool:
        """Return whether the refusal taught us the server's dialect, so that another body is worth sending.

        Requests that were under way with the old body learn the same again, hence the look at what was sent.
        """
        if "max_tokens" in sent and "max_completion_tokens" in why:
            self.dialect = replace(self.dialect, tokens_key="max_completion_tokens")
            return True
        if _NOT_TAKEN.search(why):
            named = [key for key in DISPENSABLE if key in sent and re.search(rf"\b{key}\b", why)]
            self.dialect = replace(self.dialect, unknown=self.dialect.unknown.union(named))
            return bool(named)
        return False

    def peak_memory_bytes(self) -> int | None:
        """Return None: the server's process is not ours to see."""
        return None

    async def close(self) -> None:
        """Close the connections; the server stays."""
        await self._client.close()
