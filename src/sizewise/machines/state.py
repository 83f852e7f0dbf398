"""Where sizewise keeps what it measured of this machine: one folder in the place the platform has for it.

SIZEWISE_STATE_DIR wins, then XDG_STATE_HOME (Linux), ~/Library/Application Support (macOS), %LOCALAPPDATA% (Windows).
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def state_dir(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder; it may not exist yet.

    >>> state_dir({"SIZEWISE_STATE_DIR": "here"})
    PosixPath('here')
    """
    env = os.environ if environment is None else environment
    if env.get("SIZEWISE_STATE_DIR"):
        return Path(env["SIZEWISE_STATE_DIR"])
    home = Path(env.get("HOME") or Path.home())
    if platform.system() == "Darwin":
        return home / "Library/Application Support/sizewise"
    if platform.system() == "Windows":
        return Path(env.get("LOCALAPPDATA") or home) / "sizewise"
    return Path(env.get("XDG_STATE_HOME") or home / ".local/state") / "sizewise"


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a stored document, None when it is missing or was cut off."""
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Store a document whole or not at all: written beside, then moved into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False, suffix=".tmp") as file:
        json.dump(document, file, indent=1)
    Path(file.name).replace(path)
