"""A server program on this machine (llama-server, vllm) that lives as long as we want it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

from sizewise.errors import RuntimeFailure
from sizewise.runtimes.child_log import ChildLog
from sizewise.runtimes.engine_log import reason_in_log

_GUARDIAN = Path(__file__).with_name("guardian.py")
_POLL_S = 0.05


class ServerProgram:
    """Starts a command line that listens on `port`, waits until it is healthy, ends it with us."""

    def __init__(self, command: list[str], *, port: int, environment: dict[str, str] | None = None) -> None:
        self._command = command
        self._port = port
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None
        self._log = ChildLog()
        self.pid: int | None = None
        """Process id of the program itself while it lives."""

    async def start(self, limit_s: float) -> float:
        """Return the seconds it took to become healthy; raises RuntimeFailure with the program's own reason."""
        began = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(_GUARDIAN),
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log.fileno(),
            env={**os.environ, **self._environment},
        )
        assert self._process.stdout is not None
        self.pid = int(await self._process.stdout.readline() or 0) or None
        while not await healthy(self._port):
            if self._process.returncode is not None or time.monotonic() - began > limit_s:
                why = await self._reason(limit_s)
                raise RuntimeFailure(
                    f"{self._command[0]} does not serve on port {self._port}: {why}. "
                    f"Run it by hand to see more: {' '.join(self._command)}"
                )
            await asyncio.sleep(_POLL_S)
        return time.monotonic() - began

    async def _reason(self, limit_s: float) -> str:
        text, code = self.log(), self._process.returncode if self._process else None
        await self.close()
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        ended = f"not healthy after {limit_s:g} s" if code is None else f"it ended with code {code}"
        return f"{ended}. {reason_in_log(text) or last}".strip()

    def log(self) -> str:
        """Return what the program has written so far."""
        return self._log.text()

    async def close(self) -> None:
        """End the program and its children; returns when they are gone."""
        process, self._process = self._process, None
        if process:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
        self.pid = None
        self._log.close()


def free_port() -> int:
    """Return a port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def healthy(port: int) -> bool:
    """Return whether the server on this port answers 200 to `GET /health`."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        status = await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
    return b" 200 " in status
