"""The real small models that the runtimes are tested with."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

LADDER = Path(str(resources.files("sizewise.data"))) / "ladder"


def ladder_model(name: str = "ladder-36k") -> Path:
    """Return the file of a shipped model."""
    return LADDER / f"{name}.gguf"


@pytest.fixture(scope="session")
def model_path() -> Path:
    """A model that answers in milliseconds."""
    return ladder_model()
