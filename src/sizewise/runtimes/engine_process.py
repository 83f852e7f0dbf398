"""Start, watch and end the child process that holds llama.cpp."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sizewise.errors import RuntimeFailure
from sizewise.runtimes.child_log import ChildLog
from sizewise.runtimes.engine_log import reason_in_log

_CHILD = Path(__file__).with_name("engine_child.py")
_LINE_LIMIT_BYTES = 256 * 2**20
"""Longest reply: an answer of 100,000 tokens with probabilities takes about 25 MB."""


ONE_THREAD_BELOW_BYTES = 64 * 2**20
"""Under this file size threads wait for each other more than they work: a study of models of 0.01 to 1.3 M parameters
took ten times as long on two threads of a busy 2-core machine."""


def default_threads(asked: int | None, model_path: Path) -> int | None:
    """Return the threads to compute with: as asked, 1 for a tiny model, else None (llama.cpp decides)."""
    if asked is None and model_path.is_file() and model_path.stat().st_size < ONE_THREAD_BELOW_BYTES:
        return 1
    return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """How the model is loaded; the child reads it as its first line."""

    model_path: str
    context_tokens: int
    slots: int
    threads: int | None
    kv_type: str
    api_key: str
    alias: str
    http: bool = False
    """Serve OpenAI requests on `port` too; otherwise the listener is only what the engine insists on."""
    port: int = 0


class EngineProcess:
    """One child with one model. `on_reply` gets every reply, `on_end` the reason when the child is gone."""

    def __init__(self, on_reply: Callable[[dict[str, Any]], None], on_end: Callable[[str], None]) -> None:
        self._on_reply = on_reply
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._log = ChildLog()
        self._reader: asyncio.Task[None] | None = None
        self._sent = 0

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self, config: EngineConfig) -> dict[str, Any]:
        """Start the child and load the model; return its ready message with the engine's log under `log`.

        Raises RuntimeFailure with the engine's reason when the model cannot be loaded.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log.fileno(),
            limit=_LINE_LIMIT_BYTES,
        )
        self.send({**asdict(config), "parent": os.getpid()})
        try:
            ready = await self._next()
        except asyncio.CancelledError:
            self.kill()
            raise
        if not ready or not ready["ready"]:
            why = reason_in_log(self._log.text()) or (ready or {}).get("error") or await self._ending()
            await self.close()
            raise RuntimeFailure(
                f"llama.cpp cannot load {config.model_path}: {why}. Expected a whole GGUF file that fits in memory; "
                f"check it with: sizewise show {config.model_path}"
            )
        self._reader = asyncio.create_task(self._read())
        return {**ready, "log": self._log.text()}

    def send(self, message: dict[str, Any]) -> None:
        """Send one line; does nothing when the child is gone (`on_end` says so)."""
        process = self._process
        if process and process.stdin and not process.stdin.is_closing():
            process.stdin.write(json.dumps(message).encode() + b"\n")
        self._sent += 1
        if self._sent % 256 == 0:
            self._log.empty_when_large()

    def kill(self) -> None:
        """End the child at once, whatever it does."""
        if self._process and self._process.returncode is None:
            self._process.kill()

    async def close(self) -> None:
        """End the child, politely for two seconds, then by force; its memory is free on return."""
        process, self._process = self._process, None
        if self._reader:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if process:
            if process.stdin:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 2.0)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._log.close()

    async def _next(self) -> dict[str, Any] | None:
        process = self._process
        if process is None or process.stdout is None:
            return None
        line = await process.stdout.readline()
        message: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return message

    async def _read(self) -> None:
        while (message := await self._next()) is not None:
            self._on_reply(message)
        why = await self._ending()
        self._log.close()
        self._on_end(why)

    async def _ending(self) -> str:
        """Return how the child ended, in words."""
        process = self._process
        code = await process.wait() if process else None
        if code is not None and code < 0:
            return f"the engine was ended by signal {-code}. {reason_in_log(self._log.text())}".strip()
        return f"the engine ended with code {code}. {reason_in_log(self._log.text())}".strip()
