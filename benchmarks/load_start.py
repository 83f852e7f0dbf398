"""How soon the first request leaves, and how much memory the whole client takes at 300 requests/s.

Runs the command line as a user would (`sizewise load URL --rate 300`) against the mock. Bar: at most 1 s of CPU
of all its processes until the server sees the first request; at most 60 MB (proportional set size, all processes
of the client together) while it sends 300/s. Published for other tools on the same kind of machine: 23, 12.5 and
5.5 s of CPU, 1,500, 490 and 420 MB (GuideLLM, AIPerf, inference-perf).
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from time import monotonic

import psutil

from sizewise.loadgen.mock import Behaviour, mock_server


def tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process tree, with children that already ended."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            t = process.cpu_times()
            total += t.user + t.system + t.children_user + t.children_system
    return total


def pss_mb(pid: int) -> float:
    """Return the proportional set size of a process tree, megabytes."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(OSError, psutil.Error):
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024 / 1e6
    return total


class Gate:
    """Passes bytes between the client and the mock, and notes the client's CPU at the first POST."""

    def __init__(self, mock_port: int) -> None:
        self.mock_port = mock_port
        self.client_pid = 0
        self.first_cpu_s: float | None = None
        self.first_at_s = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        back, forth = await asyncio.open_connection("127.0.0.1", self.mock_port)
        answers = asyncio.ensure_future(self._pump(back, writer))
        while data := await reader.read(65536):
            if data.startswith(b"POST") and self.first_cpu_s is None:
                self.first_cpu_s, self.first_at_s = cpu_s(self.client_pid), monotonic()
            forth.write(data)
        forth.close()
        await answers

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


async def start_client(url: str, *options: str) -> asyncio.subprocess.Process:
    """Start the command line with its talk thrown away."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from sizewise.cli import main; main()", "load", url, *options, "--json",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def main() -> int:
    """Print both figures; 0 when the bars hold."""
    async with mock_server(Behaviour()) as mock:
        gate = Gate(int(mock.url.split(":")[2].split("/")[0]))
        listener = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        begun = monotonic()
        client = await start_client(f"http://127.0.0.1:{port}/v1", "--rate", "20", "--duration", "1s", "--no-audit")
        gate.client_pid = client.pid
        await client.wait()
        listener.close()
        first_cpu, first_wall = gate.first_cpu_s or 99.0, gate.first_at_s - begun
        client = await start_client(mock.url, "--rate", "300", "--duration", "10s")
        peak = 0.0
        while client.returncode is None:
            peak = max(peak, await asyncio.to_thread(pss_mb, client.pid))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(client.wait(), 0.2)
    print(f"first request: {first_cpu:.2f} s of CPU, {first_wall:.2f} s after the start")
    print(f"peak of the client at 300/s, its audit included: {peak:.1f} MB")
    good = first_cpu <= 1.0 and peak <= 60.0
    print(f"CPU to the first request {first_cpu:.2f} s (bar 1), memory {peak:.1f} MB (bar 60): "
          f"{'holds' if good else 'FAILS'}")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
