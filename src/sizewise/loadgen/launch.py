"""Starts a llama.cpp server for a model file, so that it can be loaded like any other server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sizewise.errors import RuntimeFailure
from sizewise.loadgen.endpoint import Endpoint
from sizewise.records import Settings
from sizewise.runtimes.embedded import DEFAULT_CONTEXT_TOKENS
from sizewise.runtimes.engine_log import read_log
from sizewise.runtimes.engine_process import EngineConfig, EngineProcess
from sizewise.runtimes.openai_form import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A running server of ours."""

    endpoint: Endpoint
    pids: tuple[int, ...]
    load_s: float


@asynccontextmanager
async def launched(model_path: Path, settings: Settings) -> AsyncIterator[Launched]:
    """Run a server for one GGUF file with `settings.concurrency` slots; it ends with the block.

    Raises RuntimeFailure when llama.cpp cannot load the file.
    """
    if not model_path.is_file():
        raise RuntimeFailure(f"no model file at {model_path}; expected a GGUF file. See: sizewise ladder")
    config = EngineConfig(
        model_path=str(model_path),
        context_tokens=settings.context_tokens or DEFAULT_CONTEXT_TOKENS,
        slots=max(1, settings.concurrency),
        threads=settings.threads,
        kv_type=settings.kv_type,
        api_key=secrets.token_urlsafe(24),
        alias=model_path.stem,
        http=True,
    )
    process = EngineProcess(lambda _: None, lambda _: None)
    ready = await process.start(config)
    try:
        endpoint = Endpoint(
            url=f"{ready['address']}/v1",
            model=config.alias,
            dialect=Dialect(llama_cpp=True),
            headers={"Authorization": f"Bearer {config.api_key}"},
            chat=read_log(ready["log"]).has_chat_template and settings.chat,
        )
        pids = (process.pid,) if process.pid else ()
        yield Launched(endpoint=endpoint, pids=pids, load_s=float(ready["load_s"]))
    finally:
        await process.close()
