"""One streamed HTTP request and its failures: stamps, retries, breaker. Used by the OpenAI and Ollama runtimes.

Does not know what is in a chunk: a `StreamForm` cuts the bytes into events and feeds them to a `Gatherer`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, ErrorClass
from sizewise.runtimes.openai_form import Gatherer, failed, refusal_class
from sizewise.runtimes.retry import Breaker, RetryPolicy, parse_retry_after

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

CONNECT_TIMEOUT_S = 10.0
_TEXT_LIMIT = 2**20
"""Characters of an answer beyond what the output limit explains (256 a token) that are still read."""
_STREAM_LIMIT_BYTES = 16 * 2**20
_TOKEN_BYTES = 2048
"""Bytes of an answer that one token of the output limit explains: a chunk with probabilities takes about 500."""
_STALE_LIMIT = 3
"""So many kept connections that turned out closed, and none is kept any more."""


Body = dict[str, object]
"""A request as it is sent."""


class Splitter(Protocol):
    """Cuts bytes into events."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the events that these bytes complete."""
        ...

    def end(self) -> list[bytes]:
        """Return what is left at the end of the stream."""
        ...


class StreamForm(Protocol):
    """How a kind of server streams."""

    def splitter(self) -> Splitter:
        """Return a splitter for one answer."""
        ...

    def read(self, gatherer: Gatherer, stamp_s: float, chunk: dict[str, Any]) -> None:
        """Feed one decoded event; raises KeyError, TypeError or AttributeError where it has another form."""
        ...


class Failure(Exception):
    """One attempt failed; carries the class, the reason and what the server asks for."""

    def __init__(
        self, kind: ErrorClass, why: str, *, retry_after_s: float | None = None, unanswered: bool = False
    ) -> None:
        super().__init__(why)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.unanswered = unanswered
        """The connection broke before a single byte: a kept connection that the server had closed looks like that."""


class HttpClient:
    """The connections to one server and the patience with it."""

    def __init__(
        self,
        url: str,
        form: StreamForm,
        *,
        api_key_env: str | None = None,
        timeout_s: float = 600.0,
        stall_s: float = 120.0,
        policy: RetryPolicy | None = None,
        breaker: Breaker | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """`stall_s` is the longest silence between two chunks; `headers` are sent with every request."""
        self.url = url
        self._form = form
        self._key_env = api_key_env
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        self._policy = policy or RetryPolicy()
        self._breaker = breaker or Breaker(time.monotonic)
        self._headers = headers or {}
        self._rng = Random(url)
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        """Opens a connection for every request: for servers that close kept ones without saying so."""
        self._stale = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a session."""
        return self._session is not None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session; raises RuntimeFailure before `open`."""
        if self._session is None:
            raise RuntimeFailure("the runtime was not started or is closed; call start() first")
        return self._session

    async def open(self, *, force_close: bool = False) -> aiohttp.ClientSession:
        """Open the session, anew where it is open; raises RuntimeFailure when the key is missing."""
        import aiohttp
        from yarl import URL

        host = URL(self.url).host
        if host is None:
            raise RuntimeFailure(f"cannot read {self.url!r} as a URL; expected one like http://127.0.0.1:8080/v1")
        # a compressed stream comes in blocks, which would hide when each token came
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **self._headers}
        if self._key_env:
            key = os.environ.get(self._key_env)
            if not key:
                raise RuntimeFailure(
                    f"no API key: the environment variable {self._key_env} is not set; expected the key of {self.url}. "
                    f"Set it with: export {self._key_env}=..."
                )
            headers["Authorization"] = f"Bearer {key}"
        await self.close()

        def session(force_close: bool) -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=force_close),
                timeout=aiohttp.ClientTimeout(
                    total=self._timeout_s, sock_connect=CONNECT_TIMEOUT_S, sock_read=self._stall_s
                ),
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=host not in ("127.0.0.1", "localhost", "::1"),
            )

        self._session, self._fresh = session(force_close), session(True)
        return self._session

    async def close(self) -> None:
        """Close the connections; the server stays."""
        for session in filter(None, (self._session, self._fresh)):
            await session.close()
        self._session = self._fresh = None

    async def ask(
        self, target: URL, body: Callable[[], Body], *, asked: int, learn: Callable[[str, Body], bool]
    ) -> Completion:
        """Answer one request, asking again where that may help.

        `body` is called for every attempt, `learn` with the reason of a failure and the body that met it: when it
        returns True the next body is another one and the request is sent again at once. `asked` is the limit of
        output tokens.
        """
        intended = time.monotonic()
        attempt, resent = 0, False
        while True:
            if not self._breaker.allows():
                why = f"{self._breaker.failures} requests in a row failed at {self.url}; not asked for a while"
                return failed(ErrorClass.BREAKER, why, intended_s=intended, now_s=time.monotonic(), retries=attempt)
            gatherer, started = Gatherer(), time.monotonic()
            error = None
            sent: Body = {}
            try:
                session = self._fresh if resent or self._stale >= _STALE_LIMIT else self._session
                sent = body()
                data = json.dumps(sent).encode()
                await self._attempt(session or self.session, target, data, gatherer, asked)
                self._breaker.tell(None)
            except Failure as failure:
                if failure.kind is ErrorClass.CLIENT and learn(str(failure), sent):
                    continue
                if failure.unanswered and not resent:
                    resent = True
                    self._stale += 1
                    continue
                wait = self._policy.wait_s(failure.kind, attempt, failure.retry_after_s, self._rng)
                if wait is None or failure.kind is not ErrorClass.SERVER:  # a 500 may be about this prompt alone
                    self._breaker.tell(failure.kind)
                if wait is not None and time.monotonic() + wait < intended + self._timeout_s:
                    attempt += 1
                    await asyncio.sleep(wait)
                    continue
                error = f"{failure.kind}: {failure}"
            return gatherer.completion(
                intended_s=intended,
                started_s=started,
                ended_s=time.monotonic(),
                asked=asked,
                retries=attempt,
                error=error,
            )

    async def _attempt(
        self, session: aiohttp.ClientSession, target: URL, body: bytes, gatherer: Gatherer, asked: int
    ) -> None:
        import aiohttp

        answered = False
        try:
            async with session.post(target, data=body, allow_redirects=False) as response:
                answered = True
                if response.status != 200:
                    raise await self._refused(response)
                await self._read(response, gatherer, asked)
        except TimeoutError:
            raise Failure(
                ErrorClass.TIMEOUT,
                f"no whole answer from {self.url} ({self._stall_s:g} s of silence or {self._timeout_s:g} s in all)",
            ) from None
        except aiohttp.ClientConnectorError as problem:
            raise Failure(ErrorClass.CONNECT, f"cannot connect to {self.url}: {problem.strerror}") from None
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, OSError) as problem:
            why = f"the connection to {self.url} broke: {problem}"[:300]
            if "decode content-encoding" in why:
                raise Failure(
                    ErrorClass.INVALID, f"{self.url} sent what its Content-Encoding is not: {problem}"
                ) from None
            raise Failure(ErrorClass.DISCONNECTED, why, unanswered=not answered) from None
        except aiohttp.ClientError as problem:
            raise Failure(ErrorClass.INVALID, f"not HTTP as expected from {self.url}: {problem}"[:300]) from None

    async def _read(self, response: aiohttp.ClientResponse, gatherer: Gatherer, asked: int) -> None:
        """Feed the gatherer from the stream; raises Failure where the answer is not whole."""
        splitter, size = self._form.splitter(), 0
        while data := await response.content.readany():
            stamp = time.monotonic()
            self._feed(gatherer, stamp, splitter.feed(data))
            size += len(data)
            _check_size(gatherer, size, asked)
        self._feed(gatherer, time.monotonic(), splitter.end())
        _check_size(gatherer, size, asked)
        if gatherer.error is not None:
            raise Failure(*refusal_class(gatherer.error, response.status))
        if not gatherer.fed and not gatherer.done:
            raise Failure(ErrorClass.INVALID, f"{self.url} answered 200 with no event (type {response.content_type})")
        if gatherer.stop is None and not gatherer.done:
            raise Failure(ErrorClass.DISCONNECTED, f"the stream from {self.url} ended before the answer did")
        if gatherer.stop is None and not gatherer.begun:
            raise Failure(
                ErrorClass.INVALID, f"{self.url} answered 200 with the end of an answer and nothing before it"
            )

    async def _refused(self, response: aiohttp.ClientResponse) -> Failure:
        """Return the failure that an HTTP status other than 200 means."""
        text = (await response.content.read(4096)).decode("utf-8", "replace")
        try:
            told = json.loads(text)
            error = told.get("error", told)
            error = error if isinstance(error, dict) else {"message": str(error)}
        except (ValueError, AttributeError, RecursionError):
            error = {"message": " ".join(text.split())[:300] or response.reason}
        kind, message = refusal_class(error, response.status)
        if response.status in (401, 403):
            message += f" (the key comes from the environment variable named by api_key_env, now {self._key_env})"
        if response.status in (408, 425):
            kind = ErrorClass.SERVER
        if 300 <= response.status < 400:
            where = response.headers.get("Location", "nowhere")[:200]
            kind, message = ErrorClass.CLIENT, f"it redirects to {where}; name the right base URL as the endpoint"
        wait = parse_retry_after(response.headers.get("Retry-After"), time.time())
        return Failure(kind, f"HTTP {response.status} from {self.url}: {message}", retry_after_s=wait)

    def _feed(self, gatherer: Gatherer, stamp_s: float, events: list[bytes]) -> None:
        """Decode and feed events that came together; `[DONE]` ends the answer."""
        if b"[DONE]" in events:
            gatherer.done = True
            del events[events.index(b"[DONE]") :]
        if not events:
            return
        try:
            for chunk in decode(events):
                self._form.read(gatherer, stamp_s, chunk)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as problem:
            shown = b" ".join(events)[:200].decode("utf-8", "replace")
            raise Failure(ErrorClass.INVALID, f"expected chunks of an answer, got {shown!r} ({problem})") from None


def _check_size(gatherer: Gatherer, size: int, asked: int) -> None:
    """Raise Failure where an answer is far longer than the `asked` tokens of its request explain."""
    if gatherer.characters > _TEXT_LIMIT + 256 * asked or size > _STREAM_LIMIT_BYTES + _TOKEN_BYTES * asked:
        raise Failure(
            ErrorClass.TOO_LARGE,
            f"{gatherer.characters:,} characters ({size:,} bytes) so far, far beyond the output limit",
        )


def decode(events: list[bytes]) -> list[dict[str, Any]]:
    """Return the JSON values of events that came together, parsed in one go.

    Half a character stays as it is: its other half is in the next event.

    >>> decode([b'{"a": 1}', b'{"a": 2}'])
    [{'a': 1}, {'a': 2}]
    """
    text = b"[" + b",".join(events) + b"]"
    try:
        chunks: list[dict[str, Any]] = json.loads(text.decode())
    except UnicodeDecodeError:
        chunks = json.loads(text.decode("utf-8", "surrogateescape"))
    return chunks
