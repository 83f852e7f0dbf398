"""The user's own task: JSONL or CSV, read line by line with bounded memory, every fault named with its line.

A row needs `prompt` and, unless the scorer needs none, `expected`. Optional: `id`, `cluster`, `system`, `choices`,
`json_schema`, `tools`, `unanswerable`, `passages` with `gold_passages`. Other fields are kept in `attributes`.
It does not cover compressed files, Excel files, or encodings other than UTF-8.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sizewise.errors import DataError
from sizewise.records import Sample

MAX_LINE_BYTES = 4 * 2**20
"""Longest line read: about a million tokens of text."""

ALIASES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "question", "input", "instruction", "query"),
    "expected": ("expected", "answer", "target", "label", "reference", "ideal", "output"),
    "id": ("id", "item_id", "sample_id", "key"),
    "cluster": ("cluster", "group", "document_id"),
    "system": ("system", "system_prompt"),
    "json_schema": ("json_schema", "schema"),
    "choices": ("choices", "options"),
    "tools": ("tools",),
    "unanswerable": ("unanswerable",),
    "passages": ("passages",),
    "gold_passages": ("gold_passages",),
}
"""Field -> names it may have in the file; the first one wins, two others together are ambiguous."""


class _Fault(Exception):
    """What is wrong with one row; the reader adds file and line."""


def _lines(path: Path, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """Yield (line number, text without its line end), refusing what is not clean UTF-8 text."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError(
                    f"{path}, line 1: the file is UTF-16 (it starts with {raw[:2].hex(' ')}); expected UTF-8. "
                    f"Convert it: iconv -f UTF-16 -t UTF-8 {path.name} > utf8-{path.name}"
                )
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if len(raw) > MAX_LINE_BYTES:
            raise DataError(
                f"{path}, line {number}: the line is longer than {MAX_LINE_BYTES // 2**20} MiB; expected one item a "
                "line. Is the whole file one JSON array? Then: jq -c '.[]' file.json > file.jsonl"
            )
        if b"\x00" in raw:
            raise DataError(
                f"{path}, line {number}: a NUL byte at column {raw.index(0) + 1}; expected text. "
                "The file is binary, UTF-16 without a mark, or damaged."
            )
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number}: byte {raw[error.start]:#04x} at column {error.start + 1} is not UTF-8; "
                f"expected UTF-8. Convert it: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8-{path.name}"
            ) from None
        yield number, text


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise _Fault(f"the field {key!r} stands twice; expected each field once")
        seen[key] = value
    return seen


def _no_constant(name: str) -> Any:
    raise _Fault(f"{name} is not JSON; expected a number, or null")


def _jsonl_rows(path: Path, stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in _lines(path, stream):
        if not text.strip():
            continue
        try:
            row = json.loads(text, object_pairs_hook=_unique_pairs, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            shown = text.strip()
            hint = "One JSON object a line, in double quotes, without a comma at the end."
            if number == 1 and shown.startswith("["):
                hint = f"The file is one JSON array; convert it: jq -c '.[]' {path.name} > items.jsonl"
            raise DataError(
                f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}): "
                f"{shown[:60]!r}{'…' if len(shown) > 60 else ''}. {hint}"
            ) from None
        except _Fault as fault:
            raise DataError(f"{path}, line {number}: {fault}.") from None
        except (RecursionError, ValueError) as error:
            why = "nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]
            raise DataError(f"{path}, line {number}: cannot be read ({why}); expected a flat JSON object.") from None
        if not isinstance(row, dict):
            hint = f" Convert a JSON array: jq -c '.[]' {path.name} > items.jsonl" if isinstance(row, list) else ""
            raise DataError(
                f"{path}, line {number}: a JSON {type(row).__name__}; expected an object such as "
                f'{{"prompt": "2+2?", "expected": "4"}}.{hint}'
            )
        yield number, row


def _csv_rows(path: Path, stream: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = _lines(path, stream)
    first = next(lines, None)
    if first is None:
        return
    head = first[1]
    delimiter = "\t" if "\t" in head and "," not in head else ";" if ";" in head and "," not in head else ","
    reader = csv.reader(_chain(head, lines), delimiter=delimiter, strict=True)
    names: list[str] = []
    # The limit is one number for the whole process and 128 KiB at first: too little for a long prompt.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    while True:
        start = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}, line {start}: not CSV ({error}); expected fields with commas or line breaks in double "
                'quotes, and a double quote inside written twice ("").'
            ) from None
        if not names:
            names = _csv_header(path, row)
        elif row:
            if len(row) != len(names):
                raise DataError(
                    f"{path}, line {start}: {len(row)} fields; expected {len(names)} ({', '.join(names)}). "
                    "Put texts that hold the delimiter in double quotes."
                )
            yield start, {name: value for name, value in zip(names, row, strict=True) if value != ""}


def _chain(head: str, lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    yield head
    for _, text in lines:
        yield text


def _csv_header(path: Path, row: list[str]) -> list[str]:
    names = [name.strip() for name in row]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: the column {twice!r} stands twice; expected each column once.")
    if not set(names) & set(ALIASES["prompt"]):
        raise DataError(
            f"{path}, line 1: no prompt column among {', '.join(map(repr, names))}; expected a header with one of "
            f"{', '.join(ALIASES['prompt'])}, for example: prompt,expected"
        )
    return names


def _pick(row: Mapping[str, Any], field: str) -> tuple[str, Any]:
    """Return (name used, value) of a field by its aliases; ("", None) when absent."""
    names = [name for name in ALIASES[field] if row.get(name) is not None]
    if not names:
        return "", None
    if len(names) > 1 and names[0] != field:
        raise _Fault(f"both {names[0]!r} and {names[1]!r} could be the {field}; rename the right one to {field!r}")
    return names[0], row[names[0]]


def _text(row: Mapping[str, Any], field: str, used: set[str], *, needed: bool = False) -> str | None:
    name, value = _pick(row, field)
    if value is None:
        if needed:
            raise _Fault(f"no {field}; expected a field named {' or '.join(map(repr, ALIASES[field]))}")
        return None
    used.add(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Fault(f"the field {name!r} is a {type(value).__name__}; expected text")
    text = str(value)
    if not text.strip():
        raise _Fault(f"the field {name!r} is empty; expected text")
    return text


def _structure(row: Mapping[str, Any], field: str, used: set[str], kind: type) -> Any:
    """Return a list or object field; in CSV it is JSON text, or for lists parts between `|`."""
    name, value = _pick(row, field)
    if value is None:
        return None
    used.add(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            if kind is list and "|" in value:
                return [part.strip() for part in value.split("|")]
            raise _Fault(f"the field {name!r} is {value[:40]!r}; expected JSON {_KINDS[kind]}") from None
    if not isinstance(value, kind):
        raise _Fault(f"the field {name!r} is a {type(value).__name__}; expected {_KINDS[kind]}")
    return value


_KINDS: dict[type, str] = {list: "an array", dict: "an object"}


def _flag(row: Mapping[str, Any], used: set[str]) -> bool:
    name, value = _pick(row, "unanswerable")
    used.add(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "1", "yes", "false", "0", "no"):
        return value.strip().lower() in ("true", "1", "yes")
    raise _Fault(f"the field 'unanswerable' is {value!r}; expected true or false")


def _sample(row: Mapping[str, Any], number: int, needs_target: bool) -> Sample:
    used: set[str] = set()
    prompt = _text(row, "prompt", used, needed=True) or ""
    schema = _structure(row, "json_schema", used, dict)
    tools = _structure(row, "tools", used, list)
    choices = _structure(row, "choices", used, list)
    passages = _structure(row, "passages", used, list)
    unanswerable = _flag(row, used)
    name, target = _pick(row, "expected")
    used.add(name)
    if isinstance(target, str) and not target.strip():
        raise _Fault(f"the field {name!r} is empty; expected the right answer")
    if target is None and needs_target and schema is None and not unanswerable:
        raise _Fault(f"no expected answer; expected a field named {' or '.join(map(repr, ALIASES['expected']))}")
    gold = _text(row, "gold_passages", used)
    if gold is not None and not (gold.isdigit() and int(gold) <= len(passages or ())):
        raise _Fault(f"gold_passages is {gold!r}; expected a count of at most the {len(passages or ())} passages")
    identity = _text(row, "id", used) or str(number)
    system, cluster = _text(row, "system", used), _text(row, "cluster", used)
    attributes = {key: value for key, value in row.items() if key not in used}
    if choices is not None:
        attributes["choices"] = tuple(choices)
    return Sample(
        id=identity,
        prompt=prompt,
        target=target,
        system=system,
        cluster=cluster,
        json_schema=json.dumps(schema) if schema is not None else None,
        tools=json.dumps(tools) if tools is not None else None,
        unanswerable=unanswerable,
        passages=tuple(str(item) for item in passages or ()),
        gold_passages=int(gold) if gold is not None else 0,
        attributes=attributes,
    )


def _clean(sample: Sample) -> None:
    for text in (sample.prompt, sample.system or "", sample.id, str(sample.target)):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise _Fault(
                f"half a surrogate pair (\\u{ord(text[error.start]):04x}) in the text; expected whole characters"
            ) from None


def read_user_file(path: Path, *, needs_target: bool = True) -> Iterator[Sample]:
    """Yield the samples of a .jsonl or .csv (.tsv) file, in order.

    Raises `DataError` naming file, line, what is wrong, what was expected and what to do: for a bad line, a missing
    field, an id met before, an empty file, a line over 4 MiB, text that is not UTF-8. A byte-order mark and Windows
    line ends are fine. With `needs_target=False` rows may lack the expected answer.
    """
    rows = _csv_rows if path.suffix.lower() in (".csv", ".tsv") else _jsonl_rows
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as stream:
            for number, row in rows(path, stream):
                try:
                    sample = _sample(row, number, needs_target)
                    _clean(sample)
                    if sample.id in seen:
                        raise _Fault(
                            f"the id {sample.id!r} stands on line {seen[sample.id]} too; expected each id once"
                        )
                except _Fault as fault:
                    raise DataError(f"{path}, line {number}: {fault}.") from None
                seen[sample.id] = number
                yield sample
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); expected a JSONL or CSV file.") from None
    if not seen:
        raise DataError(
            f"{path}, line 1: the file has no items; expected one a line, "
            'such as {"prompt": "2+2?", "expected": "4"}.'
        )
