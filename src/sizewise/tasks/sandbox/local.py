"""No sandbox: the user said "unsafe local". Limits of the operating system still hold, nothing else does.

Held: CPU time, memory, processes, file size, open files, output, wall time, a fresh directory, an empty environment.
Not held: the network, reading whatever this user may read, writing outside the directory, the total of all files.
As root the code runs as a user id that owns nothing, because process limits do not hold for root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from sizewise.errors import SandboxRefused
from sizewise.tasks.sandbox import launcher
from sizewise.tasks.sandbox.base import Job, Limits, Outcome
from sizewise.tasks.sandbox.bubblewrap import interpreter, limits_text, spare_uid
from sizewise.tasks.sandbox.supervise import supervise

_MARK = "SIZEWISE_SANDBOX_RUN"


def _open_to_all(path: Path) -> bool:
    """Return whether a user who owns nothing can reach and run a file."""
    if not path.stat().st_mode & stat.S_IXOTH:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)


def _python(uid: int) -> str:
    own = interpreter()
    if not uid or _open_to_all(own):
        return str(own)
    system = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
    if system and _open_to_all(Path(system).resolve()):
        return str(Path(system).resolve())
    raise SandboxRefused(
        f"running as root, and the interpreter {own} can be reached by root only; process limits do not hold for root. "
        "Run sizewise as another user, install bubblewrap, or install Python where all users can run it."
    )


def _own_processes() -> int:
    """Return how many tasks this user has: the kernel counts them all against the process limit."""
    me = os.getuid()
    count = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == me:
                count += process.num_threads()
    return count


def _marked(token: str) -> list[psutil.Process]:
    """Return the processes that carry this run's mark in their environment, wherever they hang in the tree."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(_MARK) == token and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def run(job: Job) -> Outcome:
    """Return the outcome of a job run as a plain process under resource limits."""
    uid = spare_uid()
    python = _python(uid)
    token = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="sizewise-box-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        texts = {"main.py": job.code, "launcher.py": Path(launcher.__file__).read_text(encoding="utf-8")}
        texts |= {Path(file).name: text for file, text in job.files.items()}
        for file, text in texts.items():
            (folder / file).write_bytes(text.encode("utf-8", "surrogatepass"))
            (folder / file).chmod(0o444)
        if uid:
            os.chown(folder, uid, uid)
        processes = job.limits.processes + (0 if uid else _own_processes())
        settings = limits_text(_with_processes(job.limits, processes), uid)
        return supervise(
            [python, "-I", "-S", "-B", "launcher.py", settings, python, "-I", "-B", "main.py"],
            job.limits,
            "unsafe local",
            stdin=job.stdin.encode("utf-8", "surrogatepass"),
            env={"PATH": "/usr/bin:/bin", "HOME": name, "LANG": "C.UTF-8", "TMPDIR": name, _MARK: token},
            cwd=name,
            stray=lambda: _marked(token),
        )


def _with_processes(limits: Limits, processes: int) -> Limits:
    from dataclasses import replace

    return replace(limits, processes=processes)
