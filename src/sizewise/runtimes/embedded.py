"""llama.cpp inside sizewise: any GGUF file, no server to start, no compiler.

The engine lives in a child process, because an abort in it must not take the study down: a crash is the
error of the requests that were in flight, and the child is started again, at most `MAX_RESTARTS` times in a row.
Every request asks for token probabilities and starts from an empty cache, so that a repeat is a repeat.
Does not cover GPU layer placement (the installed wheel decides) and multimodal input.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from sizewise.errors import RuntimeFailure
from sizewise.records import Completion, ErrorClass, Request, Settings
from sizewise.runtimes.base import EngineInfo
from sizewise.runtimes.engine_log import engine_info, read_log
from sizewise.runtimes.engine_process import EngineConfig, EngineProcess, default_threads
from sizewise.runtimes.openai_form import Dialect, Gatherer, failed, refusal_class, request_body

DEFAULT_CONTEXT_TOKENS = 4096
MAX_RESTARTS = 5
DEFAULT_TIMEOUT_S = 600.0
_DIALECT = Dialect(llama_cpp=True, logprobs=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class EmbeddedRuntime:
    """One GGUF model in a child process of ours, with as many slots as `settings.concurrency`."""

    def __init__(self, model_path: Path, settings: Settings, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._path = model_path
        self._timeout_s = timeout_s
        self._config = EngineConfig(
            model_path=str(model_path),
            context_tokens=settings.context_tokens or DEFAULT_CONTEXT_TOKENS,
            slots=max(1, settings.concurrency),
            threads=default_threads(settings.threads, model_path),
            kv_type=settings.kv_type,
            api_key=secrets.token_urlsafe(24),
            alias=model_path.stem,
        )
        self._engine: EngineProcess | None = None
        self._info: EngineInfo | None = None
        self._template = False
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._crashes = 0
        self._peak_bytes = 0
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Process id of the child while it lives; for those who watch its power or memory."""
        return self._engine.pid if self._engine else None

    async def start(self) -> EngineInfo:
        """Load the model and hash its file; raises RuntimeFailure when llama.cpp cannot."""
        if not self._path.is_file():
            raise RuntimeFailure(
                f"no model file at {self._path}; expected a GGUF file. See what is known here with: sizewise models"
            )
        digest = asyncio.create_task(asyncio.to_thread(file_sha256, self._path))
        try:
            _, info = await self._launch()
        except RuntimeFailure:
            digest.cancel()
            raise
        self._info = replace(info, model_hash=await digest)
        return self._info

    async def _launch(self) -> tuple[EngineProcess, EngineInfo]:
        engine = EngineProcess(self._on_reply, self._on_end)
        ready = await engine.start(self._config)
        self._engine = engine
        self._peak_bytes = max(self._peak_bytes, ready["peak_bytes"] or 0)
        info = engine_info(
            name="llama.cpp embedded",
            version=f"xllamacpp {ready['version']}",
            model_hash="",
            load_s=ready["load_s"],
            asked_tokens=self._config.context_tokens,
            log=ready["log"],
        )
        self._template = read_log(ready["log"]).has_chat_template
        return engine, info

    async def generate(self, request: Request) -> Completion:
        """Answer one request; a crash, a refusal or a timeout is in `error`."""
        intended = time.monotonic()
        try:
            engine = await self._running()
        except RuntimeFailure as failure:
            return failed(ErrorClass.CRASHED, str(failure), intended_s=intended, now_s=time.monotonic())
        chat = self._template and (request.settings.chat or request.tools is not None)
        number = self._number = self._number + 1
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        engine.send({"id": number, "chat": chat, "body": request_body(request, _DIALECT, chat=chat)})
        try:
            async with asyncio.timeout(self._timeout_s):
                return self._gather(await reply, intended, request)
        except TimeoutError:
            engine.send({"cancel": number})
            why = f"no whole answer in {self._timeout_s:g} s; give the model more time or fewer output tokens"
            return failed(ErrorClass.TIMEOUT, why, intended_s=intended, now_s=time.monotonic())
        except asyncio.CancelledError:
            engine.send({"cancel": number})
            raise
        except ConnectionError as crash:
            return failed(ErrorClass.CRASHED, str(crash), intended_s=intended, now_s=time.monotonic())
        finally:
            self._waiting.pop(number, None)

    def _gather(self, reply: dict[str, Any], intended_s: float, request: Request) -> Completion:
        gatherer = Gatherer()
        for stamp, chunk in reply["chunks"]:
            gatherer.feed(stamp, chunk)
        error: str | None = None
        if reply["error"]:
            error = f"{ErrorClass.CLIENT}: {reply['error']}"
        elif gatherer.error:
            error = "{}: {}".format(*refusal_class(gatherer.error))
        return gatherer.completion(
            intended_s=intended_s,
            started_s=reply["started"],
            ended_s=reply["ended"],
            asked=request.settings.max_output_tokens,
            error=error,
        )

    async def _running(self) -> EngineProcess:
        """Return the living child, started again where it crashed."""
        async with self._starting:
            if self._engine is not None:
                return self._engine
            if self._info is None:
                raise RuntimeFailure("the runtime was not started; call start() first")
            if self._crashes > MAX_RESTARTS:
                raise RuntimeFailure(f"the engine crashed {self._crashes} times in a row and is not started again")
            try:
                engine, _ = await self._launch()
            except RuntimeFailure:
                self._crashes += 1
                raise
            return engine

    def _on_reply(self, reply: dict[str, Any]) -> None:
        self._crashes = 0
        self._peak_bytes = max(self._peak_bytes, reply["peak_bytes"] or 0)
        waiting = self._waiting.get(reply["id"])
        if waiting and not waiting.done():
            waiting.set_result(reply)

    def _on_end(self, why: str) -> None:
        self._engine = None
        self._crashes += 1
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError(why))

    def peak_memory_bytes(self) -> int | None:
        """Return the child's peak resident memory over all its starts, None before the first."""
        return self._peak_bytes or None

    async def close(self) -> None:
        """End the child; its memory is free on return."""
        engine, self._engine = self._engine, None
        if engine:
            await engine.close()
        self._info = None
