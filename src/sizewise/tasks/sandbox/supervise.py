"""Watches one run from outside: output capped while it is read, wall time, memory of all its processes, then the end.

The whole process tree is stopped and killed, process by process, until none is left.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

from sizewise.tasks.sandbox.base import Limits, Outcome, Status

_POLL_S = 0.02


@dataclass(slots=True)
class _Watch:
    limits: Limits
    streams: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    status: Status | None = None
    peak_bytes: int = 0

    def room(self) -> int:
        return self.limits.output_bytes - sum(len(stream) for stream in self.streams.values())


def supervise(
    command: Sequence[str],
    limits: Limits,
    sandbox: str,
    *,
    stdin: bytes = b"",
    pass_fds: Sequence[int] = (),
    env: dict[str, str] | None = None,
    cwd: str | None = None,
    stray: Callable[[], list[psutil.Process]] = list,
) -> Outcome:
    """Return the outcome of a command run under the limits; nothing of it is left alive.

    `stray` names further processes of the run that left its tree (used by "unsafe local").
    """
    started = time.monotonic()
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        env=env if env is not None else {"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
        cwd=cwd,
        start_new_session=True,
    )
    watch = _Watch(limits)
    seen: dict[int, psutil.Process] = {}
    try:
        _communicate(child, watch, stdin, started + limits.wall_s, seen)
    finally:
        _end(child, seen, stray)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    stdout, stderr = (bytes(watch.streams[which]).decode("utf-8", "replace") for which in (1, 2))
    return Outcome(
        status=watch.status or _class(child.returncode, stderr),
        exit_code=child.returncode,
        stdout=stdout,
        stderr=stderr,
        wall_s=time.monotonic() - started,
        sandbox=sandbox,
        peak_bytes=watch.peak_bytes,
    )


def _class(code: int, stderr: str) -> Status:
    number = -code if code < 0 else code - 128 if 128 < code < 128 + 65 else 0
    if code == 0:
        return Status.OK
    if number in (signal.SIGXCPU, signal.SIGALRM):
        return Status.TIMEOUT
    last = stderr.rstrip().rsplit("\n", 1)[-1]
    if last.startswith("MemoryError"):
        return Status.MEMORY
    return Status.KILLED if number else Status.ERROR


def _communicate(
    child: subprocess.Popen[bytes], watch: _Watch, stdin: bytes, deadline: float, seen: dict[int, psutil.Process]
) -> None:
    """Feed and read until the streams close, the process ends or a limit is met."""
    stdin_pipe, stdout, stderr = child.stdin, child.stdout, child.stderr
    if stdin_pipe is None or stdout is None or stderr is None:
        raise RuntimeError("the sandbox has no pipes")
    root = psutil.Process(child.pid)
    to_send = memoryview(stdin)
    looked = 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, 1)
        selector.register(stderr, selectors.EVENT_READ, 2)
        if to_send:
            os.set_blocking(stdin_pipe.fileno(), False)
            selector.register(stdin_pipe, selectors.EVENT_WRITE, 0)
        else:
            stdin_pipe.close()
        while watch.status is None:
            now = time.monotonic()
            if now >= deadline:
                watch.status = Status.TIMEOUT
                return
            if now - looked >= _POLL_S:
                _look(root, watch, seen)
                looked = now
            for key, _ in selector.select(min(_POLL_S, deadline - now)):
                if key.data == 0:
                    to_send = _send(selector, key, to_send)
                else:
                    _receive(selector, key, watch)
            if child.poll() is not None:
                _drain(selector, watch)
                return


def _send(selector: selectors.BaseSelector, key: selectors.SelectorKey, rest: memoryview) -> memoryview:
    pipe = key.fileobj
    try:
        rest = rest[os.write(key.fd, rest[:65536]) :]
    except OSError:
        rest = rest[len(rest) :]
    if not rest:
        selector.unregister(pipe)
        with contextlib.suppress(OSError):
            pipe.close()  # type: ignore[union-attr]
    return rest


def _receive(selector: selectors.BaseSelector, key: selectors.SelectorKey, watch: _Watch) -> bool:
    chunk = os.read(key.fd, 65536)
    if not chunk:
        selector.unregister(key.fileobj)
        return False
    room = watch.room()
    watch.streams[key.data] += chunk[: max(0, room)]
    if len(chunk) > room:
        watch.status = Status.OUTPUT
    return True


def _drain(selector: selectors.BaseSelector, watch: _Watch) -> None:
    """Read what is still in the pipes, without waiting for a grandchild that holds them open."""
    while watch.status is None:
        ready = [key for key, _ in selector.select(0) if key.data]
        received = [_receive(selector, key, watch) for key in ready]
        if not any(received):
            return


def _look(root: psutil.Process, watch: _Watch, seen: dict[int, psutil.Process]) -> None:
    """Add up the memory of all processes of the run; remember them for the end."""
    total = 0
    try:
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return
    for process in tree:
        seen[process.pid] = process
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    watch.peak_bytes = max(watch.peak_bytes, total)
    if total > watch.limits.memory_bytes:
        watch.status = Status.MEMORY


def _end(
    child: subprocess.Popen[bytes], seen: dict[int, psutil.Process], stray: Callable[[], list[psutil.Process]]
) -> None:
    """Kill the run's process group at one blow, then whoever left it: stopped first so that none can fork."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
    for _ in range(100):
        alive = {pid: process for pid, process in seen.items() if _alive(process)}
        with contextlib.suppress(psutil.Error):
            if child.poll() is None:
                root = psutil.Process(child.pid)
                alive |= {process.pid: process for process in [root, *root.children(recursive=True)]}
        for process in list(alive.values()):
            with contextlib.suppress(psutil.Error):
                alive |= {below.pid: below for below in process.children(recursive=True)}
        alive |= {process.pid: process for process in stray()}
        if not alive:
            break
        fresh = alive.keys() - seen.keys()
        seen |= alive
        for process in alive.values():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGSTOP if fresh else signal.SIGKILL)
        if not fresh:
            patience = time.monotonic() + 0.5
            while time.monotonic() < patience and any(map(_alive, alive.values())):
                child.poll()
                time.sleep(0.002)
    child.wait()


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
