"""Where the requests go and what they carry: the server's address and model, bodies from a task or of set length."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import urlsplit

from sizewise.errors import ConfigError, RuntimeFailure
from sizewise.loadgen.driver import Target
from sizewise.records import Message, Request, Settings
from sizewise.runtimes.openai_form import Dialect, request_body

_WAIT_S = 10.0
_WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company",
    "system", "program", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area",
    "money", "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue",
    "side", "kind", "head", "house", "service", "friend",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible server."""

    url: str
    """Base URL, ending in /v1 as a rule."""
    model: str
    dialect: Dialect = field(default_factory=Dialect)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    chat: bool = True
    """Ask /chat/completions; False asks /completions with the bare prompt."""


async def find_endpoint(url: str, *, model: str | None = None, api_key_env: str | None = None) -> Endpoint:
    """Return the server at a base URL with its first model, or the one named.

    Raises ConfigError for what is no URL, RuntimeFailure when nothing answers, the key is missing, or the model is
    not known and not given.
    """
    base = base_url(url)
    headers = {}
    if api_key_env:
        key = os.environ.get(api_key_env, "").strip()
        if not key:
            raise RuntimeFailure(
                f"no API key: the environment variable {api_key_env} is not set. Set it with: export {api_key_env}=..."
            )
        headers["Authorization"] = f"Bearer {key}"
    listing = await asyncio.to_thread(_models, base, headers)
    names = [str(entry.get("id")) for entry in listing]
    if model is None and not names:
        raise RuntimeFailure(f"{base}/models names no model; say which one to ask with --model NAME")
    llama = any(entry.get("owned_by") == "llamacpp" for entry in listing)
    return Endpoint(url=base, model=model or names[0], dialect=Dialect(llama_cpp=llama), headers=headers)


def base_url(url: str) -> str:
    """Return the base URL of an API: with a scheme, with /v1 where no path is given, without the call's own path.

    Raises ConfigError for what is no HTTP address.

    >>> base_url("localhost:8080"), base_url("https://[::1]/api/v1/chat/completions/")
    ('http://localhost:8080/v1', 'https://[::1]/api/v1')
    """
    base = url.strip()
    base = (base if "://" in base else f"http://{base}").rstrip("/")
    try:
        parts = urlsplit(base)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is no address ({error}); {_ADDRESS}") from None
    sane = parts.hostname and not any(c.isspace() for c in parts.netloc) and port != 0
    if parts.scheme not in ("http", "https") or not sane or parts.query:
        raise ConfigError(f"{url!r} is no address of an HTTP server; {_ADDRESS}")
    for call in ("/chat/completions", "/completions", "/models"):
        base = base.removesuffix(call)
    return base if urlsplit(base).path else f"{base}/v1"


_ADDRESS = "expected one such as http://127.0.0.1:8080/v1"


def _models(base: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_WAIT_S)
    try:
        connection.request("GET", f"{parts.path}/models", headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise RuntimeFailure(
            f"nothing answers at {base} ({error}); expected an OpenAI-compatible server. "
            "Start one (llama-server -m model.gguf), or name a model: sizewise load ladder-127k"
        ) from None
    finally:
        connection.close()
    if answer.status in (401, 403):
        raise RuntimeFailure(
            f"{base} refuses us (HTTP {answer.status}): {body[:200]!r}; name the variable with the key: --api-key-env"
        )
    try:
        data = json.loads(body).get("data", [])
    except (ValueError, AttributeError):
        return []
    return [entry for entry in data if isinstance(entry, dict)]


def target(endpoint: Endpoint, requests: Sequence[Request], *, extra: Mapping[str, Any] | None = None) -> Target:
    """Return the target that carries these requests, one body each; `extra` keys go into every body."""
    bodies = [
        json.dumps(
            request_body(replace(request, model=endpoint.model), endpoint.dialect, chat=endpoint.chat)
            | dict(extra or {}),
            ensure_ascii=False,
        )
        for request in requests
    ]
    path = "chat/completions" if endpoint.chat else "completions"
    return Target(url=f"{endpoint.url}/{path}", bodies=bodies, headers=endpoint.headers)


def synthetic_requests(
    *, input_tokens: int, output_tokens: int, count: int = 64, shared_prefix: float = 0.0, seed: int = 0,
    tokens_per_word: float = 1.0,
) -> list[Request]:  # fmt: skip
    """Return requests of about these lengths, drawn from common English words.

    A common word is about one token; `tokens_per_word` corrects that once the server has told what it counts.
    The first `shared_prefix` (0 to 1) of every prompt is the same, as a system prompt would be.

    >>> a, b = synthetic_requests(input_tokens=20, output_tokens=8, count=2, shared_prefix=0.5)
    >>> a.messages[0].content.split()[:10] == b.messages[0].content.split()[:10], a == b
    (True, False)
    """
    rng = Random(seed)
    words = max(1, round(input_tokens / tokens_per_word))
    common = [rng.choice(_WORDS) for _ in range(round(shared_prefix * words))]
    settings = Settings(max_output_tokens=output_tokens)
    own = words - len(common)
    texts = (" ".join(common + [rng.choice(_WORDS) for _ in range(own)]) for _ in range(count))
    return [Request(messages=(Message(role="user", content=text),), settings=settings, model="") for text in texts]
