"""A seccomp filter in classic BPF: system calls that generated code has no business with give EPERM. Pure.

Denied: tracing, new namespaces and mounts, kernel modules, bpf, io_uring, keys, memory outside the limits (memfd,
System V shared memory). Numbers are those of Linux's unistd tables for x86-64 and 64-bit ARM; other machines get none.
"""

from __future__ import annotations

import struct
from typing import Any

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_DENIED = {
    "x86_64": (
        29, 68, 64, 101, 155, 161, 165, 166, 175, 176, 246, 248, 249, 250, 272, 298, 303, 304, 308, 310, 311, 313, 319,
        320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 447,
    ),
    "aarch64": (
        194, 186, 190, 117, 41, 51, 40, 39, 105, 106, 104, 217, 218, 219, 97, 241, 264, 265, 268, 270, 271, 273, 279,
        294, 280, 282, 425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 447,
    ),
}  # fmt: skip
"""shmget, msgget, semget, ptrace, pivot_root, chroot, mount, umount2, init_module, delete_module, kexec_load, add_key,
request_key, keyctl, unshare, perf_event_open, name_to_handle_at, open_by_handle_at, setns, process_vm_readv,
process_vm_writev, finit_module, memfd_create, kexec_file_load, bpf, userfaultfd, io_uring (3), the new mount calls (6),
mount_setattr, memfd_secret."""
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET and TIME."""

_LOAD, _JEQ, _JSET, _JGE, _RET = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
_NR, _ARCH_AT, _ARG0_LOW = 0, 4, 16


def program(machine: str) -> bytes | None:
    """Return the filter for a machine as `platform.machine()` names it, None where there is none.

    >>> program("riscv64") is None, len(program("x86_64")) % 8
    (True, 0)
    """
    if machine not in _ARCH:
        return None
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JEQ, 1, 0, _ARCH[machine]),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":  # the x32 calls carry bit 30
        code += [(_JGE, 0, 1, 0x40000000), (_RET, 0, 0, _EPERM)]
    for number in _DENIED[machine]:
        code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _EPERM)]
    code += [
        (_JEQ, 0, 1, _CLONE3),  # its flags are behind a pointer; the C library falls back to clone
        (_RET, 0, 0, _ENOSYS),
        (_JEQ, 0, 3, _CLONE[machine]),
        (_LOAD, 0, 0, _ARG0_LOW),
        (_JSET, 0, 1, _NEW_NAMESPACES),
        (_RET, 0, 0, _EPERM),
        (_RET, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in code)


_NAMES = (
    "shmget", "msgget", "semget", "ptrace", "pivot_root", "chroot", "mount", "umount2", "init_module", "delete_module",
    "kexec_load", "add_key", "request_key", "keyctl", "unshare", "perf_event_open", "name_to_handle_at",
    "open_by_handle_at", "setns", "process_vm_readv", "process_vm_writev", "finit_module", "memfd_create",
    "kexec_file_load", "bpf", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "open_tree",
    "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "memfd_secret",
)  # fmt: skip


def profile() -> dict[str, Any]:
    """Return the same filter in the form of container engines (OCI), which look up the numbers themselves.

    >>> profile()["defaultAction"]
    'SCMP_ACT_ALLOW'
    """
    bits = [1 << bit for bit in range(32) if _NEW_NAMESPACES >> bit & 1]
    single = [{"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"} for bit in bits]
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": list(_NAMES), "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            *({"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "args": [flag]} for flag in single),
        ],
    }
