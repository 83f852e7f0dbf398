"""A llama.cpp server process started by us with the right settings, asked over HTTP like any other server.

The server is the one inside xllamacpp (nothing to install), or a `llama-server` binary where one is named.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, Request, Settings
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.engine_log import engine_info, read_log, reason_in_log
from sizewise.runtimes.engine_process import EngineConfig, EngineProcess
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.openai_form import Dialect
from sizewise.runtimes.process_memory import peak_resident_bytes

DEFAULT_CONTEXT_TOKENS = 4096
_DIALECT = Dialect(llama_cpp=True, logprobs=True)
_LOAD_LIMIT_S = 600.0


def _ignore(_: Any) -> None:
    return None


class LlamaServerRuntime:
    """One GGUF model behind a llama.cpp HTTP server that lives as long as this runtime is open."""

    def __init__(self, model_path: Path, settings: Settings, *, timeout_s: float = 600.0, binary: str = "") -> None:
        """`binary` is the path of a llama-server; empty uses the engine that sizewise brings."""
        self._settings = settings
        self._path = model_path
        self._timeout_s = timeout_s
        self._binary = binary
        self._server: EngineProcess | _Binary | None = None
        self._client: OpenAIRuntime | None = None
        self._peak_bytes = 0
        self._chat = True

    @property
    def url(self) -> str:
        """Base URL of the running server."""
        return self._client.url if self._client else ""

    @property
    def pid(self) -> int | None:
        """Process id of the server while it lives."""
        return self._server.pid if self._server else None

    def config(self) -> EngineConfig:
        """Return how the model is loaded; the key is new each time."""
        return EngineConfig(
            model_path=str(self._path),
            context_tokens=self._settings.context_tokens or DEFAULT_CONTEXT_TOKENS,
            slots=max(1, self._settings.concurrency),
            threads=self._settings.threads,
            kv_type=self._settings.kv_type,
            api_key=secrets.token_urlsafe(24),
            alias=self._path.stem,
            http=True,
        )

    async def start(self) -> EngineInfo:
        """Start the server, load the model, hash its file; raises RuntimeFailure when llama.cpp cannot."""
        from sizewise.runtimes.embedded import file_sha256

        if not self._path.is_file():
            raise RuntimeFailure(f"no model file at {self._path}; expected a GGUF file. See: sizewise models")
        config = self.config()
        server = _Binary(self._binary) if self._binary else EngineProcess(_ignore, _ignore)
        ready = await server.start(config)
        self._server = server
        headers = {"Authorization": f"Bearer {config.api_key}"}
        self._client = OpenAIRuntime(
            f"{ready['address']}/v1", config.alias, dialect=_DIALECT, timeout_s=self._timeout_s, headers=headers
        )
        await self._client.start()
        self._chat = read_log(ready["log"]).has_chat_template
        return engine_info(
            name="llama.cpp server",
            version=ready["version"],
            model_hash=await asyncio.to_thread(file_sha256, self._path),
            load_s=ready["load_s"],
            asked_tokens=config.context_tokens,
            log=ready["log"],
        )

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


class _Binary:
    """A `llama-server` program started with the same settings."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._log: BinaryIO | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self, config: EngineConfig) -> dict[str, Any]:
        """Start it and wait until it is healthy; return the same message as the child of xllamacpp."""
        port = _free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        began = time.monotonic()
        environment = {**os.environ, "LLAMA_API_KEY": config.api_key}
        self._process = subprocess.Popen(
            _arguments(self._path, config, port), stdout=self._log, stderr=self._log, env=environment
        )
        address = f"http://127.0.0.1:{port}"
        while not await _healthy(port):
            if self._process.poll() is not None or time.monotonic() - began > _LOAD_LIMIT_S:
                why = reason_in_log(self._text()) or f"it ended with code {self._process.poll()}"
                await self.close()
                raise RuntimeFailure(f"{self._path} cannot load {config.model_path}: {why}. Try it by hand to see more")
            await asyncio.sleep(0.05)
        log = self._text()
        build = next(
            (line.split("build:")[1].split("with")[0].strip() for line in log.splitlines() if "build:" in line), ""
        )
        return {"address": address, "version": build, "load_s": time.monotonic() - began, "log": log}

    def _text(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read().decode("utf-8", "replace")

    async def close(self) -> None:
        """End the program."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, 5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
        if self._log:
            self._log.close()


def _arguments(path: str, config: EngineConfig, port: int) -> list[str]:
    """Return the command line; the key goes through the environment, out of sight of other users."""
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
    return [path, *(word for pair in options.items() for word in pair)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def _healthy(port: int) -> bool:
    """Return whether the server says that its model is loaded."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
    status = await reader.readline()
    writer.close()
    return b" 200 " in status
