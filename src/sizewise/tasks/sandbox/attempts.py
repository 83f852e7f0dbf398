"""Programs that try to break out, and what of the host shows whether one did.

Used by the tests, the benchmark and whoever wants to know what the sandbox on a machine is worth. `try_all` runs them
with the limits of an ordinary run; the host's side is a secret in the home directory, a listening socket, folders that
must stay as they are, and the list of processes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from sizewise.tasks.sandbox.base import Job, Limits, Outcome, Status

LIMITS = Limits(wall_s=6.0, cpu_s=4, memory_bytes=256 * 2**20, processes=16)

_VARIABLE = "SIZEWISE_ATTEMPT_KEY"
"""Holds a secret while an attempt runs, as an API key does."""
_PRELUDE = (
    "import os, sys, time, ctypes, socket, signal\nPORT={port}; SECRET={secret!r}; OUTSIDE={outside!r}; MARK={mark!r}\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One program and the ways of ending that count as contained."""

    name: str
    code: str
    ends: frozenset[Status]
    """The status that the run must be classed as."""
    by_limits: bool = False
    """Resource limits alone must hold it, without any sandbox."""


_ENDED = frozenset({Status.OK})
"""The program caught its own failure and ended; it prints ESCAPED when it got out."""

ATTEMPTS = (
    Attempt(
        name="network",
        ends=_ENDED,
        code="""
for family, address in ((socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET, ("1.1.1.1", 53))):
    try:
        with socket.create_connection(address, timeout=1) as s: s.sendall(MARK.encode()); print("ESCAPED")
    except OSError as error: print(error)
""",
    ),
    Attempt(
        name="fork bomb",
        by_limits=True,
        ends=frozenset({Status.TIMEOUT, Status.ERROR, Status.KILLED, Status.MEMORY}),
        code="""
while True:
    try: os.fork()
    except OSError: pass
""",
    ),
    Attempt(
        name="10 GB allocation",
        by_limits=True,
        ends=frozenset({Status.MEMORY}),
        code="block = bytearray(10 * 10**9)\nprint('ESCAPED')",
    ),
    Attempt(
        name="10 GB by many processes",
        by_limits=True,
        ends=frozenset({Status.MEMORY}),
        code="""
import mmap
for _ in range(12):
    try:
        if os.fork() == 0: break
    except OSError: break
held = []
for _ in range(40):
    try: held.append(bytearray(os.urandom(4096) * 1024))
    except MemoryError: pass
    time.sleep(0.02)
time.sleep(30)
""",
    ),
    Attempt(
        name="memory files",
        ends=_ENDED,
        code="""
got = 0
for number in range(32):
    try:
        fd = os.memfd_create("x")
        for _ in range(64): got += os.write(fd, bytes(2**20))
    except OSError as error: print(error); break
libc = ctypes.CDLL(None, use_errno=True)
if libc.shmget(0, 2**30, 0o1600) >= 0: got += 2**30
print("ESCAPED" if got > 2**28 else got)
""",
    ),
    Attempt(
        name="disk fill",
        ends=frozenset({Status.OK, Status.MEMORY}),  # a container counts files in its tmpfs as memory
        code="""
total = 0
for place in (".", "/tmp", "/dev/shm", "/var/tmp", "/run", OUTSIDE):
    for number in range(64):
        try:
            with open(f"{place}/fill{number}", "wb") as file:
                for _ in range(64): total += file.write(bytes(2**20)); file.flush()
        except OSError as error: last = error
print(total, last); print("ESCAPED" if total > 2**26 else "held")
""",
    ),
    Attempt(
        name="file size",
        by_limits=True,
        ends=_ENDED,
        code="""
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
written = 0
try:
    with open("big", "wb", buffering=0) as file:
        for _ in range(200): written += file.write(bytes(2**20))
except OSError as error: print(error)
print("ESCAPED" if written > 2**25 else written)
""",
    ),
    Attempt(
        name="reading the home directory",
        ends=_ENDED,
        code="""
import glob
inner = [path for what in ("root", "environ", "cwd") for path in glob.glob("/proc/*/" + what)]
for place in (SECRET, os.path.expanduser("~"), "/root", "/home", "/etc/passwd", "/etc/shadow", *inner):
    try:
        print(os.listdir(place) if os.path.isdir(place) else open(place, errors="replace").read()[:2000])
    except OSError as error: print(error)
if os.path.exists(SECRET) or os.path.exists("/etc/shadow"): print("ESCAPED")
""",
    ),
    Attempt(
        name="killing the parent",
        ends=frozenset({Status.OK, Status.KILLED, Status.ERROR}),
        code="""
def kill(pid):
    try: os.kill(pid, signal.SIGKILL); print("killed", pid)
    except OSError as error: print(pid, error)
kill(os.getppid())
for pid in sorted((int(n) for n in os.listdir("/proc") if n.isdigit())):
    if pid != os.getpid(): kill(pid)
kill(-1)
""",
    ),
    Attempt(
        name="ptrace",
        ends=_ENDED,
        code="""
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
for pid in [os.getppid(), *(int(n) for n in os.listdir("/proc") if n.isdigit())]:
    for request in (16, 0x4206):
        done = libc.ptrace(request, pid, 0, 0)
        print(pid, done, os.strerror(ctypes.get_errno()))
        if done == 0: print("ESCAPED")
child = os.fork()
if child == 0: time.sleep(5); os._exit(0)
if libc.ptrace(16, child, 0, 0) == 0: print("ESCAPED")
os.kill(child, signal.SIGKILL)
""",
    ),
    Attempt(
        name="writing outside",
        ends=_ENDED,
        code="""
for place in (OUTSIDE, "/", "/usr", "/usr/bin", "/etc", "/root", "/var", "/dev", "/proc/sys/kernel/core_pattern", "..",
              os.path.dirname(sys.executable), sys.prefix):
    target = place if os.path.isfile(place) else os.path.join(place, MARK)
    try:
        open(target, "w").write(MARK); print("ESCAPED", target)
    except OSError as error: print(error)
""",
    ),
    Attempt(
        name="symlinks",
        ends=_ENDED,
        code="""
for number, place in enumerate((SECRET, OUTSIDE, "/etc/shadow", "/proc/1/root/etc/shadow")):
    try:
        os.symlink(place, f"link{number}")
        print(open(f"link{number}").read() if not os.path.isdir(f"link{number}") else os.listdir(f"link{number}"))
        print("ESCAPED", place)
    except OSError as error: print(error)
    try: open(os.path.join(f"link{number}", MARK), "w").write(MARK); print("ESCAPED", place)
    except OSError as error: print(error)
    try: os.link(place, f"hard{number}"); print("ESCAPED", place)
    except OSError as error: print(error)
""",
    ),
    Attempt(
        name="infinite output",
        by_limits=True,
        ends=frozenset({Status.OUTPUT}),
        code="while True: sys.stdout.write('x' * 65536)",
    ),
    Attempt(
        name="staying behind",
        by_limits=True,
        ends=frozenset({Status.OK}),
        code="""
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        time.sleep(600)
    os._exit(0)
time.sleep(0.3)
""",
    ),
    Attempt(
        name="new rights",
        ends=_ENDED,
        code="""
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0x10000000, 0x10020000, 0x20000000, 0x40000000):
    if libc.unshare(flags) == 0: print("ESCAPED unshare")
if libc.mount(b"none", b"/box", b"tmpfs", 0, None) == 0: print("ESCAPED mount")
for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot("/")):
    try: call(); print("ESCAPED")
    except OSError as error: print(error)
import resource
for which in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    if resource.getrlimit(which)[1] == resource.RLIM_INFINITY: continue  # held by a control group instead
    try: resource.setrlimit(which, (resource.RLIM_INFINITY,) * 2); print("ESCAPED limit")
    except (OSError, ValueError) as error: print(error)
""",
    ),
    Attempt(
        name="secrets of the environment",
        ends=_ENDED,
        code="""
print(dict(os.environ))
for number in ["self", *filter(str.isdigit, os.listdir("/proc"))]:
    for file in ("environ", "cmdline"):
        try: print(open(f"/proc/{number}/{file}", "rb").read())
        except OSError as error: print(error)
""",
    ),
    Attempt(
        name="sockets without a network",
        ends=_ENDED,
        code="""
for address in ("\\0" + MARK, OUTSIDE + "/socket", "/var/run/docker.sock", "/run/dbus/system_bus_socket"):
    try:
        with socket.socket(socket.AF_UNIX) as s: s.connect(address); print("ESCAPED", address)
    except OSError as error: print(error)
""",
    ),
    Attempt(
        name="open descriptors",
        by_limits=True,
        ends=_ENDED,
        code="""
for fd in range(3, 256):
    try: print(fd, os.pread(fd, 100, 0))
    except OSError: pass
""",
    ),
    Attempt(
        name="devices and the kernel",
        ends=_ENDED,
        code="""
for place in ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/kvm", "/dev/fuse", "/proc/kcore"):
    try: open(place, "rb").close(); print("ESCAPED", place)
    except OSError as error: print(error)
for place in ("/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs"):
    try: open(place, "ab").close(); print("ESCAPED", place)
    except OSError as error: print(error)
try: time.clock_settime(time.CLOCK_REALTIME, time.time()); print("ESCAPED clock")
except OSError as error: print(error)
""",
    ),
    Attempt(
        name="deaf to signals",
        by_limits=True,
        ends=frozenset({Status.TIMEOUT}),
        code="""
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass
""",
    ),
    Attempt(
        name="output that is no text",
        by_limits=True,
        ends=_ENDED,
        code="""
sys.stdout.buffer.write(bytes(range(256)) * 8 + b"\\x1b]0;title\\x07\\x1b[2J")
sys.stderr.buffer.write(b"\\xff\\xfe" * 100)
""",
    ),
    Attempt(name="endless loop", by_limits=True, ends=frozenset({Status.TIMEOUT}), code="while True: pass"),
    Attempt(name="endless sleep", by_limits=True, ends=frozenset({Status.TIMEOUT}), code="time.sleep(600)"),
)
"""The ten that must be shown to fail, and thirteen more. None does harm where it succeeds; fork bomb and disk fill are
bounded by the limits alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one attempt did."""

    attempt: str
    outcome: Outcome
    contained: bool
    seen: tuple[str, ...]
    """What of the host changed or leaked; empty when contained."""


@contextmanager
def _host() -> Iterator[tuple[dict[str, object], Callable[[], list[str]]]]:
    """Lay out the host's side; yield what the programs know of it and a check of what they did to it."""
    mark = "sizewise-mark-" + secrets.token_hex(8)
    home, outside = Path.home(), Path(tempfile.mkdtemp(prefix="sizewise-outside-"))
    secret = home / f".sizewise-secret-{mark[-8:]}"
    secret.write_text("secret of the host " + mark, encoding="utf-8")
    descriptor = os.open(secret, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    os.environ[_VARIABLE] = "secret of the host " + mark
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        abstract.bind("\0" + mark)
        named.bind(str(outside / "socket"))
        abstract.listen()
        named.listen()
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)

        def check() -> list[str]:
            seen = [f"wrote {path}" for path in outside.iterdir() if path.name != "socket"]
            places = (home, Path.cwd(), Path(tempfile.gettempdir()), Path("/usr/bin"))
            seen += [f"wrote {place / mark}" for place in places if (place / mark).exists()]
            if secret.read_text(encoding="utf-8") != "secret of the host " + mark:
                seen.append("changed the secret")
            try:
                server.accept()[0].close()
                seen.append("reached a socket of the host")
            except BlockingIOError:
                pass
            return seen

        try:
            yield {"port": server.getsockname()[1], "secret": str(secret), "outside": str(outside), "mark": mark}, check
        finally:
            del os.environ[_VARIABLE]
            os.close(descriptor)
            secret.unlink()
            shutil.rmtree(outside)


def _survivors(before: set[int]) -> list[str]:
    """Return processes that were not there before, run our program, and hang below us or below nobody."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.pid in before or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(part.endswith("main.py") for part in process.cmdline()) and process.ppid() in (0, 1, os.getpid()):
                left.append(f"left the process {process.pid}")
        except psutil.Error:
            continue
    return left


def try_one(attempt: Attempt, run: Callable[[Job], Outcome], limits: Limits | None = None) -> Finding:
    """Return what one attempt did when run by `run`: contained when nothing leaked and it is classed as it should.

    Without `limits`, attempts that only the clock can end get 6 seconds, others 30, so that a busy machine is no fault.
    """
    if limits is None:
        limits = replace(LIMITS, wall_s=LIMITS.wall_s if Status.TIMEOUT in attempt.ends else 30.0)
    before = {process.pid for process in psutil.process_iter()}
    with _host() as (known, check):
        outcome = run(Job(code=_PRELUDE.format(**known) + attempt.code, limits=limits))
        seen = check() + _survivors(before)
        if "ESCAPED" in outcome.stdout or "secret of the host" in outcome.stdout + outcome.stderr:
            seen.append(next(line for line in outcome.stdout.splitlines() if "ESCAPED" in line or "secret" in line))
    if outcome.status not in attempt.ends:
        seen.append(f"classed as {outcome.status}, expected {' or '.join(sorted(attempt.ends))}")
    return Finding(attempt=attempt.name, outcome=outcome, contained=not seen, seen=tuple(seen))
