"""Running generated code: in the best sandbox there is, or not at all."""

from __future__ import annotations

import shutil
import sys
from functools import cache

from sizewise.errors import SandboxRefused
from sizewise.tasks.sandbox import bubblewrap, container, local
from sizewise.tasks.sandbox.base import Job, Limits, Outcome, Probe, Status


@cache
def probe() -> Probe:
    """Return which sandbox works here, found out by running a program in it; asked once in a process."""
    reasons = []
    if not sys.platform.startswith("linux"):
        reasons.append(f"bubblewrap needs Linux, this is {sys.platform}")
    elif shutil.which("bwrap") is None:
        reasons.append("no bwrap; install it: apt install bubblewrap, or dnf install bubblewrap")
    else:
        outcome = bubblewrap.run(Job(code="print(6 * 7)", limits=Limits(wall_s=10)))
        if outcome.status is Status.OK and outcome.stdout == "42\n":
            return Probe(kind="bubblewrap", reasons=("bubblewrap works",))
        why = outcome.stderr.strip().splitlines()[-1:] or [outcome.status.value]
        reasons.append(f"bubblewrap does not work here: {why[0]}")
    found, why_container = container.find()
    if found is not None:
        return Probe(kind="container", reasons=(*reasons, why_container))
    return Probe(kind=None, reasons=(*reasons, why_container))


def require(*, unsafe_local: bool = False) -> None:
    """Raise `SandboxRefused` where `run_python` would."""
    if probe().kind is None and not unsafe_local:
        raise SandboxRefused(_refusal(probe()))


def _refusal(offer: Probe) -> str:
    return (
        f"generated code cannot be run safely here: {'; '.join(offer.reasons)}. Install bubblewrap, or pass "
        "--unsafe-local: then only resource limits hold, and the code can read your files and use the network."
    )


def run_python(job: Job, *, unsafe_local: bool = False) -> Outcome:
    """Return the outcome of a Python program run in the sandbox.

    Without a sandbox it raises `SandboxRefused`, unless `unsafe_local`, which runs the program as a plain process
    under resource limits (`local.py` says what then holds). A sandbox that works is used even with `unsafe_local`.
    """
    offer = probe()
    if offer.kind == "bubblewrap":
        return bubblewrap.run(job)
    if offer.kind == "container":
        found, why = container.find()
        if found is not None:
            return container.run(job, *found)
        raise SandboxRefused(f"the container engine went away: {why}")
    if unsafe_local:
        return local.run(job)
    raise SandboxRefused(_refusal(offer))
