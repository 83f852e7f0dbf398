"""A llama.cpp server process started by us with the right settings, asked over HTTP like any other server.

The server is the one inside xllamacpp (nothing to install), or a `llama-server` binary where one is named.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, Request, Settings
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.embedded import DEFAULT_CONTEXT_TOKENS, file_sha256
from sizewise.runtimes.engine_log import engine_info, read_log
from sizewise.runtimes.engine_process import EngineConfig, EngineProcess, default_threads
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.openai_form import Dialect
from sizewise.runtimes.process_memory import peak_resident_bytes
from sizewise.runtimes.server_program import ServerProgram, free_port

_DIALECT = Dialect(llama_cpp=True, logprobs=True)
_LOAD_LIMIT_S = 600.0


class LlamaServerRuntime:
    """One GGUF model behind a llama.cpp HTTP server that lives as long as this runtime is open."""

    def __init__(self, model_path: Path, settings: Settings, *, timeout_s: float = 600.0, binary: str = "") -> None:
        """`binary` is the path of a llama-server; empty uses the engine that sizewise brings."""
        self._path = model_path
        self._timeout_s = timeout_s
        self._binary = binary
        self._config = EngineConfig(
            model_path=str(model_path),
            context_tokens=settings.context_tokens or DEFAULT_CONTEXT_TOKENS,
            slots=max(1, settings.concurrency),
            threads=default_threads(settings.threads, model_path),
            kv_type=settings.kv_type,
            api_key=secrets.token_urlsafe(24),
            alias=model_path.stem,
            http=True,
        )
        self._server: EngineProcess | ServerProgram | None = None
        self._client: OpenAIRuntime | None = None
        self._peak_bytes = 0
        self._chat = True

    @property
    def url(self) -> str:
        """Base URL of the running server."""
        return self._client.url if self._client else ""

    @property
    def api_key(self) -> str:
        """The key that the server asks for: nobody else on this machine can use it."""
        return self._config.api_key

    @property
    def pid(self) -> int | None:
        """Process id of the server while it lives."""
        return self._server.pid if self._server else None

    async def start(self) -> EngineInfo:
        """Start the server, load the model, hash its file; raises RuntimeFailure when llama.cpp cannot."""
        if not self._path.is_file():
            raise RuntimeFailure(f"no model file at {self._path}; expected a GGUF file. See: sizewise models")
        ready = await (self._start_binary() if self._binary else self._start_child())
        self._client = OpenAIRuntime(
            f"{ready['address']}/v1",
            self._config.alias,
            dialect=_DIALECT,
            timeout_s=self._timeout_s,
            headers={"Authorization": f"Bearer {self.api_key}"},
        )
        await self._client.start()
        self._chat = read_log(ready["log"]).has_chat_template
        return engine_info(
            name="llama.cpp server",
            version=ready["version"],
            model_hash=await asyncio.to_thread(file_sha256, self._path),
            load_s=ready["load_s"],
            asked_tokens=self._config.context_tokens,
            log=ready["log"],
        )

    async def _start_child(self) -> dict[str, Any]:
        server = EngineProcess(lambda _: None, lambda _: None)
        ready = await server.start(self._config)
        self._server = server
        return {**ready, "version": f"xllamacpp {ready['version']}"}

    async def _start_binary(self) -> dict[str, Any]:
        port = free_port()
        key = {"LLAMA_API_KEY": self.api_key}  # the environment, unlike the command line, is not for all to see
        server = ServerProgram(_command(self._binary, self._config, port), port=port, environment=key)
        load_s = await server.start(_LOAD_LIMIT_S)
        self._server = server
        build = re.search(r"build:? (\d+ \([0-9a-f]+\))", server.log())
        version = f"llama-server {build.group(1)}" if build else "llama-server"
        return {"address": f"http://127.0.0.1:{port}", "version": version, "load_s": load_s, "log": server.log()}

    async def generate(self, request: Request) -> Completion:
        """Answer one request over HTTP."""
        if self._client is None:
            raise RuntimeFailure("the runtime was not started; call start() first")
        if not self._chat and request.settings.chat:
            request = replace(request, settings=replace(request.settings, chat=False), tools=None)
        return await self._client.generate(request)

    def peak_memory_bytes(self) -> int | None:
        """Return the server's peak resident memory, None where the system does not tell."""
        if self.pid:
            self._peak_bytes = max(self._peak_bytes, peak_resident_bytes(self.pid) or 0)
        return self._peak_bytes or None

    async def close(self) -> None:
        """End the server; its memory is free on return."""
        self.peak_memory_bytes()
        client, self._client = self._client, None
        server, self._server = self._server, None
        if client:
            await client.close()
        if server:
            await server.close()


def find_binary() -> str:
    """Return the path of a llama-server on PATH, an empty string where there is none."""
    return shutil.which("llama-server") or ""


def _command(binary: str, config: EngineConfig, port: int) -> list[str]:
    """Return the command line of a llama-server with these settings."""
    options = {
        "--model": config.model_path,
        "--ctx-size": str(config.context_tokens * config.slots),
        "--parallel": str(config.slots),
        "--cache-type-k": config.kv_type,
        "--cache-type-v": config.kv_type,
        "--cache-ram": "0",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--alias": config.alias,
        "--verbosity": "4",
    }
    if config.threads:
        options["--threads"] = str(config.threads)
    return [binary, *(word for pair in options.items() for word in pair)]
