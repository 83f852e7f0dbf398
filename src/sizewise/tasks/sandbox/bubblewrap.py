"""The bubblewrap sandbox: new namespaces, no network, a read-only system, a small writable folder in memory.

As root (containers often are) the code runs as a user id that owns nothing, so that process limits hold; as another
user it runs in a user namespace. Both get the seccomp filter where the machine is known.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from sizewise.tasks.sandbox import launcher, seccomp
from sizewise.tasks.sandbox.base import Job, Limits, Outcome, Status
from sizewise.tasks.sandbox.supervise import supervise

_BOX = "/box"
_FIRST_UID, _UIDS = 61184, 4336
"""systemd's range for short-lived users: no person and no package has an id there."""
_turn = itertools.count(os.getpid() * 131)


def spare_uid() -> int:
    """Return a user id for one run when we are root, 0 (stay who we are) otherwise."""
    return _FIRST_UID + next(_turn) % _UIDS if os.geteuid() == 0 else 0


def interpreter() -> Path:
    """Return the real interpreter behind this environment."""
    return Path(sys.executable).resolve()


def limits_text(limits: Limits, uid: int) -> str:
    """Return the limits as the launcher reads them."""
    return json.dumps(
        {
            "uid": uid,
            "cpu_s": limits.cpu_s,
            "memory_bytes": limits.memory_bytes,
            "processes": limits.processes,
            "file_bytes": limits.file_bytes,
            "open_files": limits.open_files,
        }
    )


def _system() -> list[str]:
    """Return the binds that show the system's programs and libraries, read-only, and nothing of anybody's data."""
    binds = ["--ro-bind", "/usr", "/usr"]
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        path = Path(name)
        if path.is_symlink():
            binds += ["--symlink", str(path.readlink()), name]
        elif path.exists():
            binds += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"):
        binds += ["--ro-bind-try", name, name]
    prefix = interpreter().parent.parent
    if not prefix.is_relative_to("/usr"):
        for folder in reversed(prefix.parents[:-1]):
            binds += ["--perms", "0755", "--dir", str(folder)]
        binds += ["--ro-bind", str(prefix), str(prefix)]
    return binds


def _rights(uid: int) -> list[str]:
    if uid:
        return ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return ["--unshare-user", "--uid", "65534", "--gid", "65534"]


def _memory_file(stack: ExitStack, name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name)
    stack.callback(os.close, descriptor)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def run(job: Job) -> Outcome:
    """Return the outcome of a job inside bubblewrap."""
    uid = spare_uid()
    python = str(interpreter())
    with ExitStack() as stack:
        texts = {"/launcher.py": Path(launcher.__file__).read_text(encoding="utf-8"), f"{_BOX}/main.py": job.code}
        texts |= {f"{_BOX}/{Path(name).name}": text for name, text in job.files.items()}
        descriptors: list[int] = []
        data: list[str] = []
        for path, text in texts.items():
            descriptors.append(_memory_file(stack, "data", text.encode("utf-8", "surrogatepass")))
            data += ["--perms", "0444", "--ro-bind-data", str(descriptors[-1]), path]
        filtering: list[str] = []
        if (program := seccomp.program(platform.machine())) is not None:
            descriptors.append(_memory_file(stack, "seccomp", program))
            filtering = ["--seccomp", str(descriptors[-1])]
        command = [
            shutil.which("bwrap") or "bwrap",
            "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
            *_rights(uid), "--die-with-parent", "--new-session", "--hostname", "sandbox",
            *_system(), "--proc", "/proc", "--dev", "/dev",
            "--perms", "0777", "--size", str(job.limits.disk_bytes), "--tmpfs", _BOX, "--symlink", _BOX, "/tmp",
            *data, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", _BOX,
            "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", _BOX, "--setenv", "LANG", "C.UTF-8",
            *filtering, "--", python, "-I", "-S", "-B", "/launcher.py", limits_text(job.limits, uid),
            python, "-I", "-B", f"{_BOX}/main.py",
        ]  # fmt: skip
        outcome = supervise(
            command, job.limits, "bubblewrap", stdin=job.stdin.encode("utf-8", "surrogatepass"), pass_fds=descriptors
        )
    if outcome.exit_code == 1 and outcome.stderr.startswith("bwrap: "):
        return Outcome(
            status=Status.BROKEN, exit_code=1, stdout="", stderr=outcome.stderr, wall_s=outcome.wall_s,
            sandbox="bubblewrap",
        )  # fmt: skip
    return outcome
