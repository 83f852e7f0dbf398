"""Any server with an OpenAI-compatible URL: chat and completions, streamed, stamped before parsing.

Requests are retried with jitter and given up (`retry.py`), and a server that died is not asked for long. The
API key is read from the environment variable that the candidate names, sent, and kept nowhere else.
Does not cover embeddings, images, and servers that cannot stream.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, ErrorClass, Request
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.openai_form import Dialect, Gatherer, failed, refusal_class, request_body
from sizewise.runtimes.retry import Breaker, RetryPolicy, parse_retry_after
from sizewise.runtimes.sse import EventSplitter

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

CONNECT_TIMEOUT_S = 10.0
_TEXT_LIMIT = 2**20
"""Characters of an answer beyond what `max_output_tokens` explains (256 a token) that are still read."""
_STREAM_LIMIT_BYTES = 64 * 2**20


class _Failure(Exception):
    """One attempt failed; carries the class, the reason and what the server asks for."""

    def __init__(
        self, kind: ErrorClass, why: str, *, retry_after_s: float | None = None, unanswered: bool = False
    ) -> None:
        super().__init__(why)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.unanswered = unanswered
        """The connection broke before a single byte: a kept connection that the server had closed looks like that."""


class OpenAIRuntime:
    """One model on one server."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key_env: str | None = None,
        dialect: Dialect | None = None,
        timeout_s: float = 600.0,
        stall_s: float = 120.0,
        policy: RetryPolicy | None = None,
        breaker: Breaker | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """`stall_s` is the longest silence between two chunks; `headers` are sent with every request."""
        self.url = url.rstrip("/")
        self.model = model
        self.dialect = dialect or Dialect()
        self._key_env = api_key_env
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        self._policy = policy or RetryPolicy()
        self._breaker = breaker or Breaker(time.monotonic)
        self._headers = headers or {}
        self._rng = Random(url)
        self._session: aiohttp.ClientSession | None = None
        self._chat_url: URL
        self._bare_url: URL

    async def start(self) -> EngineInfo:
        """Open the session and see who answers; raises RuntimeFailure when nothing listens or the key is missing."""
        from yarl import URL

        from sizewise.runtimes.discovery import identify, nothing_listens

        self._chat_url, self._bare_url = URL(f"{self.url}/chat/completions"), URL(f"{self.url}/completions")
        if self._chat_url.host is None:
            raise RuntimeFailure(f"cannot read {self.url!r} as a URL; expected one like http://127.0.0.1:8080/v1")
        self._session = self._open_session(self._chat_url.host)
        try:
            server = await identify(self._session, self.url)
        except OSError as problem:
            await self.close()
            raise nothing_listens(self.url, problem) from None
        if server.kind == "llama.cpp":
            self.dialect = replace(self.dialect, llama_cpp=True, logprobs=True)
            await self._session.close()
            self._session = self._open_session(self._chat_url.host)
        notes = []
        if server.models and self.model not in server.models:
            notes.append(f"the server does not list {self.model!r}; it lists {', '.join(server.models[:8])}")
        if server.kind == "Ollama":
            notes.append("Ollama's OpenAI endpoint ignores the context setting; runtime = 'ollama' does not")
        return EngineInfo(
            name=server.kind, version=server.version, context_tokens=server.context_tokens, notes=tuple(notes)
        )

    def _open_session(self, host: str) -> aiohttp.ClientSession:
        import aiohttp

        headers = {"Content-Type": "application/json", "Accept": "text/event-stream", **self._headers}
        if self._key_env:
            key = os.environ.get(self._key_env)
            if not key:
                raise RuntimeFailure(
                    f"no API key: the environment variable {self._key_env} is not set; expected the key of {self.url}. "
                    f"Set it with: export {self._key_env}=..."
                )
            headers["Authorization"] = f"Bearer {key}"
        return aiohttp.ClientSession(
            # llama.cpp says keep-alive and closes the connection after every stream
            connector=aiohttp.TCPConnector(limit=0, force_close=self.dialect.llama_cpp),
            timeout=aiohttp.ClientTimeout(
                total=self._timeout_s, sock_connect=CONNECT_TIMEOUT_S, sock_read=self._stall_s
            ),
            headers=headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=host not in ("127.0.0.1", "localhost", "::1"),
        )

    async def generate(self, request: Request) -> Completion:
        """Answer one request, asking again where that may help."""
        intended = time.monotonic()
        chat = request.settings.chat or request.tools is not None
        attempt, resent = 0, False
        while True:
            if not self._breaker.allows():
                why = f"{self._breaker.failures} requests in a row failed at {self.url}; not asked for a while"
                return failed(ErrorClass.BREAKER, why, intended_s=intended, now_s=time.monotonic(), retries=attempt)
            gatherer, started = Gatherer(), time.monotonic()
            try:
                await self._attempt(request, chat, gatherer)
            except _Failure as failure:
                if self._learn(failure):
                    continue
                if failure.unanswered and not resent:
                    resent = True
                    continue
                wait = self._policy.wait_s(failure.kind, attempt, failure.retry_after_s, self._rng)
                if wait is None or failure.kind is not ErrorClass.SERVER:  # a 500 may be about this prompt alone
                    self._breaker.tell(failure.kind)
                if wait is not None and time.monotonic() + wait < intended + self._timeout_s:
                    attempt += 1
                    await asyncio.sleep(wait)
                    continue
                error: str | None = f"{failure.kind}: {failure}"
            else:
                self._breaker.tell(None)
                error = None
            return gatherer.completion(
                intended_s=intended,
                started_s=started,
                ended_s=time.monotonic(),
                asked=request.settings.max_output_tokens,
                retries=attempt,
                error=error,
            )

    def _learn(self, failure: _Failure) -> bool:
        """Return whether the refusal taught us the server's dialect, so that the same request is worth sending."""
        if self.dialect.tokens_key == "max_tokens" and "max_completion_tokens" in str(failure):
            self.dialect = replace(self.dialect, tokens_key="max_completion_tokens")
            return True
        return False

    async def _attempt(self, request: Request, chat: bool, gatherer: Gatherer) -> None:
        import aiohttp

        if self._session is None:
            raise _Failure(ErrorClass.CONNECT, "the runtime was not started or is closed; call start() first")
        body = json.dumps(request_body(request, self.dialect, chat=chat)).encode()
        answered = False
        try:
            async with self._session.post(self._chat_url if chat else self._bare_url, data=body) as response:
                answered = True
                if response.status != 200:
                    raise await self._refused(response)
                await self._read(response, gatherer, _TEXT_LIMIT + 256 * request.settings.max_output_tokens)
        except TimeoutError:
            raise _Failure(
                ErrorClass.TIMEOUT,
                f"no whole answer from {self.url} ({self._stall_s:g} s of silence or {self._timeout_s:g} s in all)",
            ) from None
        except aiohttp.ClientConnectorError as problem:
            raise _Failure(ErrorClass.CONNECT, f"cannot connect to {self.url}: {problem.strerror}") from None
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, OSError) as problem:
            why = f"the connection to {self.url} broke: {problem}"[:300]
            raise _Failure(ErrorClass.DISCONNECTED, why, unanswered=not answered) from None
        except aiohttp.ClientError as problem:
            raise _Failure(ErrorClass.INVALID, f"not HTTP as expected from {self.url}: {problem}"[:300]) from None

    async def _read(self, response: aiohttp.ClientResponse, gatherer: Gatherer, text_limit: int) -> None:
        """Feed the gatherer from the stream; raises _Failure where the answer is not whole."""
        content = response.content
        if response.content_type == "application/json":
            parts, size = [], 0
            while data := await content.readany():
                parts.append(data)
                size += len(data)
                if size > _STREAM_LIMIT_BYTES:
                    raise _Failure(ErrorClass.TOO_LARGE, f"more than {size:,} bytes in one answer")
            _feed(gatherer, time.monotonic(), b"".join(parts))
        else:
            splitter, size = EventSplitter(), 0
            while data := await content.readany():
                stamp = time.monotonic()
                for event in splitter.feed(data):
                    _feed(gatherer, stamp, event)
                size += len(data)
                if gatherer.characters > text_limit or size > _STREAM_LIMIT_BYTES:
                    raise _Failure(
                        ErrorClass.TOO_LARGE,
                        f"{gatherer.characters:,} characters ({size:,} bytes) so far, far beyond the output limit",
                    )
            for event in splitter.end():
                _feed(gatherer, time.monotonic(), event)
        if gatherer.error is not None:
            raise _Failure(*refusal_class(gatherer.error, response.status))
        if gatherer.stop is None and not gatherer.done:
            if gatherer.begun or gatherer.usage:
                raise _Failure(ErrorClass.DISCONNECTED, f"the stream from {self.url} ended before the answer did")
            raise _Failure(ErrorClass.INVALID, f"{self.url} answered 200 with no event (type {response.content_type})")

    async def _refused(self, response: aiohttp.ClientResponse) -> _Failure:
        """Return the failure that an HTTP status other than 200 means."""
        text = (await response.content.read(4096)).decode("utf-8", "replace")
        try:
            told = json.loads(text)
            error = told.get("error", told)
            error = error if isinstance(error, dict) else {"message": str(error)}
        except (ValueError, AttributeError):
            error = {"message": " ".join(text.split())[:300] or response.reason}
        kind, message = refusal_class(error, response.status)
        if response.status in (401, 403):
            message += f" (the key comes from the environment variable named by api_key_env, now {self._key_env})"
        if response.status in (408, 425):
            kind = ErrorClass.SERVER
        wait = parse_retry_after(response.headers.get("Retry-After"), time.time())
        return _Failure(kind, f"HTTP {response.status} from {self.url}: {message}", retry_after_s=wait)

    def peak_memory_bytes(self) -> int | None:
        """Return None: the server's process is not ours to see."""
        return None

    async def close(self) -> None:
        """Close the connections; the server stays."""
        session, self._session = self._session, None
        if session:
            await session.close()


def _feed(gatherer: Gatherer, stamp_s: float, event: bytes) -> None:
    if event == b"[DONE]":
        gatherer.done = True
        return
    try:
        try:
            chunk: Any = json.loads(event)
        except UnicodeDecodeError:  # half a character: its other half is in the next event
            chunk = json.loads(event.decode("utf-8", "surrogateescape"))
        gatherer.feed(stamp_s, chunk)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as problem:
        shown = event[:200].decode("utf-8", "replace")
        raise _Failure(ErrorClass.INVALID, f"expected a chunk in the OpenAI form, got {shown!r} ({problem})") from None
