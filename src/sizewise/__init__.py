"""sizewise: which size of language model should I run?

`import sizewise` loads nothing heavy; each public verb is imported on first use.
"""

from __future__ import annotations

__version__ = "0.1.0"

_VERBS: dict[str, str] = {
    "read_model": "sizewise.models.reading",
    "load_task": "sizewise.tasks.loading",
    "decide": "sizewise.verdict",
    "load_test": "sizewise.loadgen.measuring",
}

__all__ = ["__version__", "decide", "load_task", "load_test", "read_model"]


def __getattr__(name: str) -> object:
    """Return a public verb by importing its module on first use."""
    if name in _VERBS:
        from importlib import import_module

        return getattr(import_module(_VERBS[name]), name)
    raise AttributeError(f"module 'sizewise' has no attribute {name!r}")
