"""The container sandbox: docker or podman with an image that is already on this machine; nothing is pulled.

The image is `SIZEWISE_SANDBOX_IMAGE`, or the first of python:3-slim, python:3 and their minor versions that is there.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from sizewise.tasks.sandbox.base import Job, Outcome, Status
from sizewise.tasks.sandbox.seccomp import profile
from sizewise.tasks.sandbox.supervise import supervise

_MINOR = ".".join(platform.python_version_tuple()[:2])
_PROFILE = "seccomp.json"
_PROCESSES_OF_NOBODY = 4096
"""Counted over all containers; `--pids-limit` holds the one."""
_IMAGES = (f"python:{_MINOR}-slim", f"python:{_MINOR}", "python:3-slim", "python:3", "python:slim", "python:latest")


def _answer(command: list[str], timeout_s: float = 10.0) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, (done.stdout if done.returncode == 0 else done.stderr).strip()


def find() -> tuple[tuple[str, str] | None, str]:
    """Return ((engine, image), why): the first container engine that runs and has an image, None with the reason."""
    reasons = []
    for engine in ("podman", "docker"):
        if shutil.which(engine) is None:
            reasons.append(f"no {engine}")
            continue
        code, text = _answer([engine, "version"])
        if code:
            reasons.append(f"{engine} does not run ({text.splitlines()[-1] if text else 'no message'})")
            continue
        asked = os.environ.get("SIZEWISE_SANDBOX_IMAGE")
        for image in (asked,) if asked else _IMAGES:
            if _answer([engine, "image", "inspect", image])[0] == 0:
                return (engine, image), f"{engine} with {image}"
        reasons.append(
            f"{engine} has none of the images {asked or ', '.join(_IMAGES[:3])}; pull one, e.g. {_IMAGES[0]}"
        )
    return None, "; ".join(reasons)


def run(job: Job, engine: str, image: str) -> Outcome:
    """Return the outcome of a job inside a container that is removed afterwards."""
    limits = job.limits
    name = f"sizewise-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="sizewise-box-") as folder:
        Path(folder).chmod(0o755)
        for file, text in {"main.py": job.code, **{Path(key).name: text for key, text in job.files.items()}}.items():
            (Path(folder) / file).write_bytes(text.encode("utf-8", "surrogatepass"))
            (Path(folder) / file).chmod(0o444)
        (Path(folder) / _PROFILE).write_text(json.dumps(profile()), encoding="utf-8")
        command = [
            engine, "run", "--rm", "--interactive", "--name", name, "--pull", "never", "--network", "none",
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--security-opt", f"seccomp={Path(folder) / _PROFILE}",
            "--user", "65534:65534", "--ipc", "private", "--memory", str(limits.memory_bytes),
            "--memory-swap", str(limits.memory_bytes), "--pids-limit", str(limits.processes), "--cpus", "1",
            "--ulimit", f"cpu={limits.cpu_s}:{limits.cpu_s + 1}", "--ulimit", f"fsize={limits.file_bytes}",
            "--ulimit", f"nofile={limits.open_files}", "--ulimit", "core=0",
            "--ulimit", f"nproc={_PROCESSES_OF_NOBODY}",  # podman's default is above what a nested machine may set
            "--tmpfs", f"/box:rw,size={limits.disk_bytes},mode=1777", "--workdir", "/box", "--shm-size", "1m",
            "--env", "HOME=/box", "--env", "TMPDIR=/box", "--volume", f"{folder}:/code:ro", image,
            "python", "-I", "-B", "/code/main.py",
        ]  # fmt: skip
        try:
            outcome = supervise(
                command, limits, "container", stdin=job.stdin.encode("utf-8", "surrogatepass"), env=dict(os.environ),
                cwd=folder,  # podman leaves a file there when memory ran out
            )  # fmt: skip
        finally:
            with suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run([engine, "rm", "--force", name], capture_output=True, timeout=20, check=False)
    if outcome.exit_code in (125, 126, 127):
        status = Status.BROKEN
    elif outcome.exit_code == 152 or (outcome.exit_code == 137 and outcome.wall_s > limits.cpu_s):
        status = Status.TIMEOUT  # signal 24 at the limit of CPU time, signal 9 a second later
    elif outcome.exit_code == 137 and outcome.status is Status.KILLED:
        status = Status.MEMORY  # the kernel's memory limit kills with signal 9
    else:
        return outcome
    return Outcome(
        status=status, exit_code=outcome.exit_code, stdout=outcome.stdout, stderr=outcome.stderr,
        wall_s=outcome.wall_s, sandbox="container",
    )  # fmt: skip
