"""Find the servers of language models on this machine: Ollama, vLLM, llama.cpp, LM Studio on their own ports.

Looks at loopback only, in parallel, and gives up on each port after a quarter of a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sizewise.errors import RuntimeFailure

if TYPE_CHECKING:
    import aiohttp

PORTS: dict[str, int] = {"Ollama": 11434, "vLLM": 8000, "llama.cpp": 8080, "LM Studio": 1234}
"""The port each server listens on when it is not told otherwise."""

_START = {
    11434: "ollama serve",
    8000: "vllm serve MODEL",
    8080: "llama-server -m MODEL.gguf",
    1234: "lms server start",
}
_OWNERS = {"llamacpp": "llama.cpp", "vllm": "vLLM", "library": "Ollama", "organization_owner": "LM Studio"}
_PROBE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answered."""

    kind: str
    """Ollama, vLLM, llama.cpp, LM Studio, or OpenAI-compatible."""
    url: str
    """Base URL of the OpenAI form, ending in /v1 as a rule."""
    models: tuple[str, ...]
    version: str = ""
    context_tokens: int | None = None


async def find_servers(
    *, host: str = "127.0.0.1", ports: dict[str, int] | None = None, timeout_s: float = _PROBE_S
) -> tuple[Server, ...]:
    """Return the servers on the usual ports of this machine, in the order of `PORTS`; takes under 0.3 s."""
    import aiohttp

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        urls = [f"http://{host}:{port}/v1" for port in (ports or PORTS).values()]
        found = await asyncio.gather(
            *(identify(session, url, wait_s=timeout_s) for url in urls), return_exceptions=True
        )
    problems = [item for item in found if isinstance(item, BaseException) and not isinstance(item, OSError)]
    if problems:
        raise problems[0]
    return tuple(item for item in found if isinstance(item, Server) and item.kind != "unknown")


async def identify(session: aiohttp.ClientSession, url: str, *, wait_s: float = 5.0) -> Server:
    """Return what answers at a base URL; raises OSError (also for a timeout) when nothing does.

    A server without a model list is `unknown`: it may still answer requests.
    """
    listing = await _get(session, f"{url}/models", wait_s)
    data = listing.get("data") if isinstance(listing, dict) else None
    entries = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    kind = "OpenAI-compatible" if isinstance(data, list) else "unknown"
    for entry in entries:
        kind = _OWNERS.get(str(entry.get("owned_by")), kind)
    root = url.removesuffix("/v1")
    version, context = "", None
    if kind == "vLLM":
        version = str((await _get(session, f"{root}/version", wait_s) or {}).get("version", ""))
        context = entries[0].get("max_model_len")
    elif kind == "llama.cpp":
        props = await _get(session, f"{root}/props", wait_s) or {}
        version = str(props.get("build_info", ""))
        context = (props.get("default_generation_settings") or {}).get("n_ctx")
    elif kind == "Ollama":
        version = str((await _get(session, f"{root}/api/version", wait_s) or {}).get("version", ""))
    models = tuple(str(entry["id"]) for entry in entries if "id" in entry)
    return Server(
        kind=kind, url=url, models=models, version=version, context_tokens=context if isinstance(context, int) else None
    )


async def _get(session: aiohttp.ClientSession, url: str, wait_s: float) -> Any:
    """Return the decoded JSON, None where the answer is not JSON; raises OSError where there is no answer."""
    import aiohttp

    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=wait_s)) as response:
            return await response.json(content_type=None) if response.status == 200 else None
    except ValueError:
        return None
    except TimeoutError:
        raise TimeoutError(f"no answer in {wait_s:g} s") from None
    except aiohttp.ClientConnectorError as problem:
        raise ConnectionError(problem.strerror or str(problem)) from None
    except aiohttp.ClientError as problem:
        raise ConnectionError(str(problem)) from None


def nothing_listens(url: str, problem: OSError) -> RuntimeFailure:
    """Return the error for a URL where nothing answers: the URL, the reason, and how to start a server there."""
    port = next((number for number in _START if f":{number}" in url), 8080)
    return RuntimeFailure(
        f"nothing answers at {url} ({problem}); expected an OpenAI-compatible server. "
        f"Start one, for example: {_START[port]}; see what runs here with: sizewise doctor"
    )
