"""Tool calls: the right tools, the right arguments, several at once, or none. Pure.

A call is `{"name": ..., "arguments": {...}}`; the order of calls does not matter. It does not cover dialogues in which
a tool's result comes back.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sizewise.errors import DataError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.scorers.json_answers import json_equal, read_json, schema_errors


@lru_cache(maxsize=256)
def tool_schemas(tools: str) -> dict[str, str]:
    """Return each tool's parameter schema, as text, from definitions in the OpenAI form.

    >>> tool_schemas('[{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]')
    {'now': '{"type": "object"}'}
    """
    try:
        found = {}
        for tool in json.loads(tools):
            function = tool.get("function", tool)
            found[str(function["name"])] = json.dumps(function.get("parameters", {"type": "object"}))
        return found
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"cannot read the tool definitions ({type(error).__name__}: {error}); expected a JSON list of "
            '{"type": "function", "function": {"name": ..., "parameters": {JSON Schema}}}'
        ) from None


def _as_calls(value: Any) -> list[dict[str, Any]] | None:
    """Return calls in one form, None when the value does not look like calls."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    items = value if isinstance(value, list) else [value]
    calls = []
    for item in items:
        if not isinstance(item, dict):
            return None
        function = item.get("function")
        inner = function if isinstance(function, dict) else item
        name, arguments = inner.get("name"), inner.get("arguments", inner.get("parameters", {}))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments or "{}")
            except ValueError:
                return None
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        calls.append({"name": name, "arguments": arguments})
    return calls


def read_calls(answer: Completion) -> tuple[list[dict[str, Any]] | None, bool]:
    """Return (calls, strict): from the server's tool calls, else from the text.

    An answer in words, without JSON, is no call: []. None means that something like a call is there but broken.
    Strict is False when the calls stand inside other text.
    """
    if answer.tool_calls:
        try:
            return _as_calls(json.loads(answer.tool_calls)), True
        except ValueError:
            return None, False
    text = answer.text.strip()
    try:
        value, strict = read_json(text)
    except ValueError:
        looks_like = '"name"' in text or '"arguments"' in text or "tool_call" in text
        return (None, False) if looks_like else ([], True)
    return _as_calls(value), strict


def _call_errors(calls: list[dict[str, Any]], schemas: dict[str, str]) -> list[str]:
    errors = []
    for call in calls:
        if call["name"] not in schemas:
            errors.append(f"no tool {call['name']!r}; there are {', '.join(schemas)}")
        else:
            errors += schema_errors(call["arguments"], schemas[call["name"]])
    return errors


def same_calls(seen: list[dict[str, Any]], wanted: list[dict[str, Any]], *, loose: bool = False) -> bool:
    """Return whether both lists hold the same calls, whatever their order.

    >>> call = {"name": "add", "arguments": {"a": 1}}
    >>> same_calls([call], [call]), same_calls([call, call], [call])
    (True, False)
    """
    rest = list(wanted)
    for call in seen:
        match = next(
            (
                index
                for index, goal in enumerate(rest)
                if goal["name"] == call["name"] and json_equal(call["arguments"], goal["arguments"], loose=loose)
            ),
            None,
        )
        if match is None:
            return False
        rest.pop(match)
    return not rest


def tool_calls(sample: Sample, answer: Completion) -> Score:
    """Return 1 when exactly the target's calls were made; the target [] means that no tool should be called.

    Valid: every call names a known tool and meets its parameter schema. Lenient: calls inside other text count,
    texts are compared without case and punctuation. Axis `tool` says whether the right tools were picked at all.
    """
    wanted = _as_calls(sample.target if sample.target is not None else []) or []
    calls, strict = read_calls(answer)
    if calls is None:
        why = "not a list of calls with name and arguments"
        return judged(sample, answer, value=0.0, valid=False, lenient=0.0, explanation=why)
    errors = _call_errors(calls, tool_schemas(sample.tools)) if sample.tools else []
    if not wanted and not calls:
        spoke = bool(answer.text.strip())
        return judged(
            sample, answer, value=float(spoke), valid=spoke, lenient=float(spoke), axes={"tool": float(spoke)}
        )
    valid = strict and not errors and bool(calls or not wanted)
    value = float(valid and same_calls(calls, wanted))
    loose = float(not errors and same_calls(calls, wanted, loose=True))
    tool = float(sorted(call["name"] for call in calls) == sorted(call["name"] for call in wanted))
    why = "; ".join(errors[:3]) or ("" if calls or not wanted else "no call was made")
    return judged(sample, answer, value=value, valid=valid, lenient=loose, explanation=why, axes={"tool": tool})
