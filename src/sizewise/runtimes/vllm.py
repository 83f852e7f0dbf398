"""vLLM: a server that runs already, or one that we start with the settings of the candidate.

vLLM itself is not among our dependencies: it wants its own environment and, as a rule, a GPU.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, Request, Settings
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.openai import OpenAIRuntime
from sizewise.runtimes.openai_form import Dialect
from sizewise.runtimes.process_memory import peak_resident_bytes
from sizewise.runtimes.server_program import ServerProgram, free_port

_LOAD_LIMIT_S = 1800.0
"""A large model is compiled and its graphs captured before the server is healthy."""


def launch_command(model: str, settings: Settings, port: int, *, program: str = "vllm") -> list[str]:
    """Return the command line of a vLLM server that runs the candidate and nothing else.

    >>> launch_command("Qwen/Qwen3-4B", Settings(context_tokens=8192, concurrency=4), 8001)[:3]
    ['vllm', 'serve', 'Qwen/Qwen3-4B']
    """
    command = [program, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--seed", str(settings.seed)]
    command += ["--max-num-seqs", str(max(1, settings.concurrency)), "--no-enable-prefix-caching"]
    if settings.context_tokens:
        command += ["--max-model-len", str(settings.context_tokens)]
    if settings.kv_type not in ("f16", "bf16", "auto"):
        command += ["--kv-cache-dtype", settings.kv_type]
    return command


class VllmRuntime:
    """One model on vLLM; without a URL the server is started here and ended on close."""

    def __init__(self, model: str, settings: Settings, *, url: str | None = None, **client: Any) -> None:
        """`client` are the options of `HttpClient`."""
        self._model = model
        self._settings = settings
        self._url = url
        self._client_options = client
        self._client: OpenAIRuntime | None = None
        self._program: ServerProgram | None = None
        self._peak_bytes = 0

    @property
    def url(self) -> str:
        """Base URL of the server while it is open."""
        return self._client.url if self._client else ""

    async def start(self) -> EngineInfo:
        """Connect, or start the server first; raises RuntimeFailure when neither works."""
        load_s, url = None, self._url
        if url is None:
            path = shutil.which("vllm")
            if path is None:
                raise RuntimeFailure(
                    f"no vLLM for {self._model}: no endpoint is given and no `vllm` program is on PATH. Install it in "
                    "an environment of its own (pip install vllm), or name a running server: endpoint = 'http://.../v1'"
                )
            port = free_port()
            program = ServerProgram(launch_command(self._model, self._settings, port, program=path), port=port)
            load_s = await program.start(_LOAD_LIMIT_S)
            self._program, url = program, f"http://127.0.0.1:{port}/v1"
        self._client = OpenAIRuntime(url, self._model, dialect=Dialect(logprobs=True), **self._client_options)
        info = await self._client.start()
        return replace(info, load_s=load_s)

    async def generate(self, request: Request) -> Completion:
        """Answer one request."""
        if self._client is None:
            raise RuntimeFailure("the runtime was not started; call start() first")
        return await self._client.generate(request)

    def peak_memory_bytes(self) -> int | None:
        """Return the peak resident memory of a server of ours (host memory, not the GPU's), None for another's."""
        if self._program and self._program.pid:
            self._peak_bytes = max(self._peak_bytes, peak_resident_bytes(self._program.pid) or 0)
        return self._peak_bytes or None

    async def close(self) -> None:
        """Close the connections and end a server of ours."""
        client, self._client = self._client, None
        program, self._program = self._program, None
        if client:
            await client.close()
        if program:
            await program.close()
