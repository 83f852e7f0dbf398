"""JSON answers: a value at a path, a whole document against a JSON Schema and a target. Pure.

Paths are a small part of JSONPath: `$.name`, `$["name"]`, `[0]`, `[-1]`, `[*]` and `.*`; no filters, no `..`.
Schemas never fetch anything: a `$ref` to another document is an error.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Completion, Sample, Score
from sizewise.tasks.base import Scorer
from sizewise.tasks.scorers.answers import judged
from sizewise.tasks.text import find_code, find_json, normalize, parse_json

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z_][\w-]*) | \.\* | \[(?P<index>-?\d+)\] | \[\*\] | \[(?P<quoted>"[^"]*"|'[^']*')\]""",
    re.VERBOSE,
)
MISSING = object()
"""What `at_path` gives where the path leads nowhere; JSON has no such value."""


def json_equal(left: Any, right: Any, *, loose: bool = False) -> bool:
    """Return whether two JSON values are equal; 1 and 1.0 are, 1 and true are not. Loose compares texts' normal forms.

    >>> json_equal({"a": 1.0}, {"a": 1}), json_equal(True, 1), json_equal(["A b"], ["a-b"], loose=True)
    (True, False, True)
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    if loose and isinstance(left, str | int | float) and isinstance(right, str | int | float):
        return normalize(str(left)) == normalize(str(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(left[k], right[k], loose=loose) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(json_equal(a, b, loose=loose) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)


@lru_cache(maxsize=256)
def parse_path(path: str) -> tuple[str | int | None, ...]:
    """Return the steps of a path: a name, an index, or None for "every".

    >>> parse_path("$.items[0]['unit price'][*]")
    ('items', 0, 'unit price', None)
    """
    rest = path.strip().removeprefix("$")
    rest = rest if rest.startswith((".", "[")) or not rest else "." + rest
    steps: list[str | int | None] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            raise ConfigError(
                f"cannot read the JSON path {path!r} at {rest[position:]!r}; expected steps like .name, [0], [*] "
                "or ['a name'], for example $.items[0].price"
            )
        if match["name"] is not None:
            steps.append(match["name"])
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["quoted"] is not None:
            steps.append(match["quoted"][1:-1])
        else:
            steps.append(None)
        position = match.end()
    return tuple(steps)


def at_path(value: Any, path: str) -> Any:
    """Return what stands at the path: a list when the path has a `*`, `MISSING` when it leads nowhere.

    >>> at_path({"items": [{"n": 1}, {"n": 2}]}, "$.items[*].n")
    [1, 2]
    """
    steps = parse_path(path)
    found = [value]
    for step in steps:
        following: list[Any] = []
        for item in found:
            if step is None:
                following += list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
            elif isinstance(step, int):
                if isinstance(item, list) and -len(item) <= step < len(item):
                    following.append(item[step])
            elif isinstance(item, dict) and step in item:
                following.append(item[step])
        found = following
    if None in steps:
        return found
    return found[0] if found else MISSING


def read_json(text: str) -> tuple[Any, bool]:
    """Return (value, strict): strict when the whole answer is JSON; else the JSON in a fence or in the text.

    Raises `ValueError` when the answer holds no JSON.
    """
    try:
        return parse_json(text.strip()), True
    except ValueError:
        code = find_code(text)
        if code is not None and code is not text:
            try:
                return parse_json(code), False
            except ValueError:
                pass
        return find_json(text), False


def json_path(path: str) -> Scorer:
    """Return a scorer that is 1 when the answer is JSON whose value at `path` equals the target.

    Lenient takes JSON inside other text and compares texts without case and punctuation.
    """
    parse_path(path)

    def score(sample: Sample, answer: Completion) -> Score:
        try:
            value, strict = read_json(answer.text)
        except ValueError as error:
            return judged(sample, answer, value=0.0, valid=False, lenient=0.0, explanation=str(error))
        seen = at_path(value, path)
        equal = seen is not MISSING and json_equal(seen, sample.target)
        loose = seen is not MISSING and json_equal(seen, sample.target, loose=True)
        why = "" if seen is not MISSING else f"nothing at {path}"
        return judged(
            sample, answer, value=float(equal and strict), valid=strict and seen is not MISSING, lenient=float(loose),
            explanation=why,
        )  # fmt: skip

    return score


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Any:
    import jsonschema
    from referencing import Registry

    try:
        schema = parse_json(schema_text)
    except ValueError as error:
        raise ConfigError(f"the JSON Schema is not JSON ({error}); expected an object, see json-schema.org") from None
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise ConfigError(f"the JSON Schema is not valid: {error.message}; see json-schema.org") from None
    return kind(schema, registry=Registry())


def schema_errors(value: Any, schema_text: str) -> list[str]:
    """Return how the value breaks the schema, in words; an empty list when it meets it.

    Raises `ConfigError` for a broken schema or one that refers to another document.

    >>> schema_errors({"n": "x"}, '{"properties": {"n": {"type": "integer"}}}')
    ["$.n: 'x' is not of type 'integer'"]
    """
    from referencing.exceptions import Unresolvable

    try:
        errors = sorted(_validator(schema_text).iter_errors(value), key=lambda error: error.json_path)
    except Unresolvable as error:
        raise ConfigError(f"the JSON Schema refers to {error.ref!r}, which is not in it; put it under $defs") from None
    except RecursionError:
        return ["nested too deeply"]
    return [f"{error.json_path}: {error.message[:200]}" for error in errors[:5]]


def json_schema(sample: Sample, answer: Completion) -> Score:
    """Return 1 when the whole answer is JSON that meets the sample's schema and equals the target, where there is one.

    Lenient: JSON inside other text counts, texts are compared without case and punctuation.
    """
    try:
        value, strict = read_json(answer.text)
    except ValueError as error:
        return judged(sample, answer, value=0.0, valid=False, lenient=0.0, explanation=str(error))
    errors = schema_errors(value, sample.json_schema) if sample.json_schema else []
    target = sample.target
    if isinstance(target, str):
        try:
            target = json.loads(target)
        except ValueError:
            target = sample.target
    equal = target is None or json_equal(value, target)
    loose = target is None or json_equal(value, target, loose=True)
    valid = strict and not errors
    why = "; ".join(errors) if errors else "" if strict else "JSON stands inside other text"
    return judged(
        sample, answer, value=float(valid and equal), valid=valid, lenient=float(loose and not errors), explanation=why
    )
