"""Where the output of a child process goes: a nameless file, never the user's terminal."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_LIMIT_BYTES = 8 * 2**20


class ChildLog:
    """A file in append mode: it can be read and emptied here while the child writes on."""

    def __init__(self) -> None:
        descriptor, name = tempfile.mkstemp(prefix="sizewise-engine-")
        os.close(descriptor)
        self._file = open(name, "a+b", buffering=0)  # noqa: SIM115, PTH123 - closed by `close`
        if os.name == "posix":
            Path(name).unlink()

    def fileno(self) -> int:
        """The descriptor that a child gets as its standard error."""
        return self._file.fileno()

    def text(self) -> str:
        """Return what was written so far, the last 8 MiB of it; an empty string once closed."""
        if self._file.closed:
            return ""
        self._file.seek(max(0, os.fstat(self.fileno()).st_size - _LIMIT_BYTES))
        return self._file.read().decode("utf-8", "replace")

    def empty_when_large(self) -> None:
        """Empty the file once it has passed 8 MiB: llama.cpp writes about 3 KB a request at verbosity 4."""
        if not self._file.closed and os.fstat(self.fileno()).st_size > _LIMIT_BYTES:
            self._file.truncate(0)

    def close(self) -> None:
        """Close; what was written is gone."""
        self._file.close()
