"""The user's own scorer: a Python function named "module:function" or "path/to/file.py:function".

The function gets the sample and the completion and returns a number in [0, 1], a truth value, or a `Score`. It is the
user's code and runs in this process, with the user's rights.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers.answers import judged


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        try:
            return importlib.import_module(place)
        except ImportError as error:
            raise ConfigError(
                f"cannot import {place!r} for the scorer ({error}); expected an installed module or a .py file's path"
            ) from error
    path = Path(place).resolve()
    if not path.is_file():
        raise ConfigError(f"no file {place!r} for the scorer; expected a path such as scorers.py:my_score")
    name = f"sizewise_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"cannot load {place!r} as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"{place} failed while loading: {type(error).__name__}: {error}") from error
    return module


def load_function(name: str) -> Callable[..., Any]:
    """Return the function that "module:function" or "file.py:function" names; `ConfigError` when there is none."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise ConfigError(f"cannot read {name!r} as a scorer; expected module:function or file.py:function")
    module = _module(place)
    function = getattr(module, attribute, None)
    if not callable(function):
        known = [key for key in vars(module) if not key.startswith("_") and callable(getattr(module, key))]
        raise ConfigError(f"{place} has no function {attribute!r}; it has: {', '.join(known) or 'none'}")
    return function  # type: ignore[no-any-return]


def user_function(name: str) -> Scorer:
    """Return the scorer that calls the user's function.

    Raises `ConfigError` when the function fails or returns something else than a number in [0, 1], a truth value or
    a `Score`: a broken scorer must stop the study, not score 0.
    """
    function = load_function(name)

    def score(sample: Sample, answer: Completion) -> Score:
        try:
            result = function(sample, answer)
        except Exception as error:
            raise ConfigError(
                f"the scorer {name} failed on sample {sample.id!r}: {type(error).__name__}: {error}. Correct it and "
                "run again; what is stored stays."
            ) from error
        if isinstance(result, Score):
            return result
        if isinstance(result, bool | int | float) and 0 <= result <= 1:
            return judged(sample, answer, value=float(result), valid=bool(answer.text.strip()))
        raise ConfigError(
            f"the scorer {name} returned {result!r} for sample {sample.id!r}; expected a number from 0 to 1, "
            "True or False, or a sizewise.records.Score"
        )

    return score
