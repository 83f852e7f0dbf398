"""From a candidate to the runtime that runs it."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from sizewise.errors import ConfigError
from sizewise.records import Candidate
from sizewise.runtimes.base import Runtime

DEFAULT_TIMEOUT_S = 600.0


def open_runtime(
    candidate: Candidate, *, model_path: Path | None = None, timeout_s: float = DEFAULT_TIMEOUT_S
) -> Runtime:
    """Return the runtime of a candidate, not started.

    `model_path` is the model's file where the caller knows it better than `candidate.model`; `timeout_s` bounds
    one request with its retries. Raises ConfigError for an unknown runtime or a server runtime without a URL.
    """
    if candidate.runtime not in RUNTIMES:
        near = get_close_matches(candidate.runtime, RUNTIMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"candidate {candidate.name!r} has runtime {candidate.runtime!r}; "
            f"expected one of {', '.join(RUNTIMES)}{hint}"
        )
    return RUNTIMES[candidate.runtime](candidate, model_path or Path(candidate.model).expanduser(), timeout_s)


def _embedded(candidate: Candidate, path: Path, timeout_s: float) -> Runtime:
    from sizewise.runtimes.embedded import EmbeddedRuntime

    return EmbeddedRuntime(path, candidate.settings, timeout_s=timeout_s)


def _llama_server(candidate: Candidate, path: Path, timeout_s: float) -> Runtime:
    from sizewise.runtimes.llama_server import LlamaServerRuntime, find_binary

    if candidate.endpoint:
        return _openai(candidate, path, timeout_s)
    return LlamaServerRuntime(path, candidate.settings, timeout_s=timeout_s, binary=find_binary())


def _openai(candidate: Candidate, path: Path, timeout_s: float) -> Runtime:  # noqa: ARG001
    from sizewise.runtimes.openai import OpenAIRuntime

    if not candidate.endpoint:
        raise ConfigError(
            f"candidate {candidate.name!r} has runtime 'openai' and no endpoint; expected the server's base URL, "
            "for example endpoint = 'http://127.0.0.1:8080/v1'"
        )
    return OpenAIRuntime(candidate.endpoint, candidate.model, api_key_env=candidate.api_key_env, timeout_s=timeout_s)


def _ollama(candidate: Candidate, path: Path, timeout_s: float) -> Runtime:  # noqa: ARG001
    from sizewise.runtimes.ollama import DEFAULT_URL, OllamaRuntime

    url = candidate.endpoint or DEFAULT_URL
    return OllamaRuntime(
        candidate.model, candidate.settings, url=url, api_key_env=candidate.api_key_env, timeout_s=timeout_s
    )


def _vllm(candidate: Candidate, path: Path, timeout_s: float) -> Runtime:  # noqa: ARG001
    from sizewise.runtimes.vllm import VllmRuntime

    return VllmRuntime(
        candidate.model,
        candidate.settings,
        url=candidate.endpoint,
        api_key_env=candidate.api_key_env,
        timeout_s=timeout_s,
    )


def _transformers(candidate: Candidate, path: Path, timeout_s: float) -> Runtime:  # noqa: ARG001
    from sizewise.runtimes.transformers_local import TransformersRuntime

    return TransformersRuntime(candidate.model, candidate.settings)


RUNTIMES: dict[str, Callable[[Candidate, Path, float], Runtime]] = {
    "embedded": _embedded,
    "openai": _openai,
    "ollama": _ollama,
    "vllm": _vllm,
    "llama-server": _llama_server,
    "transformers": _transformers,
}
"""Name in a study file -> how its runtime is made."""
