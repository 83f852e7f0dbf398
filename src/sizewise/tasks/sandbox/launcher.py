"""Runs inside the sandbox, before the generated code: sets hard limits, drops rights, becomes the program.

A file of its own because it is handed to another interpreter: it imports nothing of sizewise, and nothing may be
imported from it.
"""

import json
import os
import resource
import sys


def enter(settings: dict[str, int]) -> None:
    """Set the limits and, as root, become a user that owns nothing."""
    uid = settings["uid"]
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
    hard = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, settings["file_bytes"]),
        (resource.RLIMIT_NOFILE, settings["open_files"]),
        (resource.RLIMIT_NPROC, settings["processes"]),
        (resource.RLIMIT_CPU, settings["cpu_s"]),
        (resource.RLIMIT_AS, settings["memory_bytes"]),
    ]
    if hasattr(resource, "RLIMIT_MSGQUEUE"):
        hard.append((resource.RLIMIT_MSGQUEUE, 0))
    for which, value in hard:
        _, ceiling = resource.getrlimit(which)
        if ceiling != resource.RLIM_INFINITY:
            value = min(value, ceiling)
        # One second more, so that the signal tells a CPU limit from a kill.
        last = value + 1 if which == resource.RLIMIT_CPU and ceiling == resource.RLIM_INFINITY else value
        resource.setrlimit(which, (value, last))
    if uid:
        os.setresuid(uid, uid, uid)


if __name__ == "__main__":
    enter(json.loads(sys.argv[1]))
    os.umask(0o077)
    os.execv(sys.argv[2], sys.argv[2:])
