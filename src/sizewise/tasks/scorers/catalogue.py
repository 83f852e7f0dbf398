"""From a scorer's name to the scorer: built-ins by name, the user's by "module:function" or "file.py:function"."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from sizewise.errors import ConfigError
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers import json_answers, patterns, plain

NAMES: dict[str, tuple[str, frozenset[str]]] = {
    "auto": ("chosen from the file's answers: choice, JSON, numeric or normalized", frozenset()),
    "exact": ("the answer, without outer space, is the target", frozenset()),
    "normalized": ("equal but for case, punctuation, articles and space", frozenset()),
    "numeric": ("a number within a tolerance", frozenset({"relative", "absolute"})),
    "choice": ("the right one of the row's choices, by letter or text", frozenset()),
    "set": ("F1 between the items of the answer and of the target", frozenset()),
    "regex": ("the target, or the option `pattern`, matches", frozenset({"pattern", "timeout_s"})),
    "json_path": ("the JSON value at the option `path` equals the target", frozenset({"path"})),
    "json_schema": ("JSON that meets the row's schema and equals the target, if any", frozenset()),
    "tool_calls": ("the right tools were called with the right arguments", frozenset()),
    "unit_tests": ("the target's tests pass, run in the sandbox", frozenset({"timeout_s", "unsafe_local"})),
    "similarity": ("cosine of embeddings (extra)", frozenset({"model", "threshold"})),
}
"""Scorer -> (one line, its options). A name with a colon is a Python function of the user's."""


def make_scorer(name: str, options: Mapping[str, Any] | None = None) -> Scorer:
    """Return the scorer of that name with its options.

    Raises `ConfigError` for an unknown name or option; the LLM judge is not here because it needs a way to ask
    (`scorers/judge.py`).

    >>> make_scorer("exact") is plain.exact
    True
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    if ":" in name:
        from sizewise.tasks.scorers.user_function import user_function

        return user_function(name)
    if name not in NAMES or name == "auto":
        near = get_close_matches(name, NAMES, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(NAMES)}, or file.py:function."
        raise ConfigError(f"no scorer {name!r}. {hint}")
    unknown = sorted(given.keys() - NAMES[name][1])
    if unknown:
        allowed = ", ".join(sorted(NAMES[name][1])) or "none"
        raise ConfigError(f"the scorer {name!r} has no option {unknown[0]!r}; it takes: {allowed}")
    return _build(name, given)


def _build(name: str, given: dict[str, Any]) -> Scorer:
    simple: dict[str, Scorer] = {
        "exact": plain.exact,
        "normalized": plain.normalized,
        "choice": plain.choice,
        "set": plain.set_f1,
        "json_schema": json_answers.json_schema,
    }
    if name in simple:
        return simple[name]
    if name == "numeric":
        return plain.numeric(**given)
    if name == "regex":
        return patterns.regex(**given)
    if name == "json_path":
        if "path" not in given:
            raise ConfigError("the scorer 'json_path' needs the option `path`, for example path = \"$.items[0].price\"")
        return json_answers.json_path(str(given["path"]))
    if name == "tool_calls":
        from sizewise.tasks.scorers.tool_calls import tool_calls

        return tool_calls
    if name == "unit_tests":
        from sizewise.tasks.scorers.unit_tests import unit_tests

        return unit_tests(**given)
    from sizewise.tasks.scorers.similarity import similarity

    return similarity(**given)
