"""The user's JSONL and CSV: what is read, and that every fault names its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sizewise.errors import ConfigError, DataError
from sizewise.records import TaskRef
from sizewise.tasks.loading import load_task
from sizewise.tasks.scorers.answers import completion

GOOD = b'{"prompt":"2+2?","expected":"4"}\n'


def write(folder: Path, content: bytes, name: str = "items.jsonl") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


BROKEN = {
    "bad line": (GOOD + b'{"prompt": "x", expected: 3}\n', 2, "not JSON"),
    "array": (b'[\n{"prompt":"x","expected":"1"}\n]', 1, "one JSON array"),
    "array on one line": (b'[{"prompt":"x","expected":"1"}]', 1, "a JSON list"),
    "no answer": (GOOD + b'{"prompt":"x"}\n', 2, "no expected answer"),
    "no prompt": (GOOD + b'{"expected":"x"}\n', 2, "no prompt"),
    "empty prompt": (b'{"prompt":" ","expected":"x"}\n', 1, "is empty"),
    "empty answer": (b'{"prompt":"q","expected":""}\n', 1, "is empty"),
    "wrong type": (b'{"prompt":{"a":1},"expected":"x"}\n', 1, "expected text"),
    "duplicate id": (
        b'{"id":"a","prompt":"p","expected":"1"}\n\n{"id":"a","prompt":"q","expected":"1"}\n',
        3,
        "line 1",
    ),
    "empty file": (b"", 1, "no items"),
    "blank lines": (b"\n \n", 1, "no items"),
    "10 MB line": (GOOD + b'{"prompt":"' + b"x" * 10_000_000 + b'","expected":"1"}\n', 2, "longer than 4 MiB"),
    "latin-1": (GOOD + '{"prompt":"café","expected":"1"}\n'.encode("latin-1"), 2, "not UTF-8"),
    "UTF-16": ('{"prompt":"x","expected":"1"}\n'.encode("utf-16"), 1, "UTF-16"),
    "UTF-16 without mark": ('{"prompt":"x","expected":"1"}\n'.encode("utf-16-le"), 1, "NUL byte"),
    "NUL": (GOOD + b'{"prompt":"a\0b","expected":"1"}\n', 2, "NUL byte"),
    "half a surrogate": (b'{"prompt":"\\ud800","expected":"1"}\n', 1, "surrogate"),
    "NaN": (b'{"prompt":"x","expected":NaN}\n', 1, "NaN"),
    "field twice": (b'{"prompt":"x","prompt":"y","expected":"1"}\n', 1, "stands twice"),
    "deep": (b'{"prompt":' + b"[" * 200_000 + b"\n", 1, "nested too deeply"),
    "endless digits": (b'{"prompt":"x","expected":' + b"9" * 5000 + b"}\n", 1, "cannot be read"),
    "two prompts": (b'{"question":"x","input":"y","expected":"1"}\n', 1, "rename"),
    "bad choices": (b'{"prompt":"x","expected":"A","choices":"red"}\n', 1, "JSON an array"),
    "bad gold": (b'{"prompt":"x","expected":"A","passages":["p"],"gold_passages":2}\n', 1, "gold_passages"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_jsonl_names_file_line_and_fault(name: str, tmp_path: Path) -> None:
    content, line, words = BROKEN[name]
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        load_task(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert words in message
    assert len(message) < 600


BROKEN_CSV = {
    "too many fields": (b"prompt,expected\na,b,c\n", 2, "3 fields"),
    "open quote": (b'prompt,expected\n"a,b\n', 2, "not CSV"),
    "no header": (b"a,b\nc,d\n", 1, "no prompt column"),
    "column twice": (b"prompt,prompt,expected\na,b,c\n", 1, "stands twice"),
    "no answer": (b"prompt,expected\na,\n", 2, "no expected answer"),
    "header only": (b"prompt,expected\n", 1, "no items"),
}


@pytest.mark.parametrize("name", BROKEN_CSV)
def test_broken_csv_names_file_line_and_fault(name: str, tmp_path: Path) -> None:
    content, line, words = BROKEN_CSV[name]
    path = write(tmp_path, content, "items.csv")
    with pytest.raises(DataError, match=words) as caught:
        load_task(path)
    assert f"{path}, line {line}: " in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf" + GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD.strip(), b"\n" + GOOD + b"\n"]
)
def test_marks_line_ends_and_blank_lines_do_no_harm(content: bytes, tmp_path: Path) -> None:
    (sample,) = load_task(write(tmp_path, content)).samples
    assert (sample.prompt, sample.target) == ("2+2?", "4")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        load_task(str(tmp_path / "none.jsonl"))


def test_all_optional_fields_arrive(tmp_path: Path) -> None:
    row = {
        "id": 7, "question": "Which?", "answer": "B", "cluster": "doc 1", "system": "Be brief.",
        "options": ["red", "blue"], "passages": ["p1", "p2"], "gold_passages": 1, "language": "en",
    }  # fmt: skip
    (sample,) = load_task(write(tmp_path, json.dumps(row).encode())).samples
    assert (sample.id, sample.cluster, sample.system) == ("7", "doc 1", "Be brief.")
    assert (sample.passages, sample.gold_passages) == (("p1", "p2"), 1)
    assert sample.attributes == {"choices": ("red", "blue"), "language": "en"}


def test_csv_reads_quotes_line_breaks_and_semicolons(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, b'id;prompt;expected\r\n1;"a; b";2\r\n2;"line\nbreak";3\r\n', "a.csv"))
    assert [sample.prompt for sample in task.samples] == ["a; b", "line\nbreak"]


@pytest.mark.parametrize(
    ("row", "right", "wrong", "name"),
    [
        ({"prompt": "2+2?", "expected": "4"}, "4.0", "5", "numeric"),
        ({"prompt": "Capital?", "expected": "Paris"}, "paris.", "Rome", "normalized"),
        ({"prompt": "Which?", "expected": "blue", "choices": ["red", "blue"]}, "B", "A", "choice"),
        ({"prompt": "JSON", "expected": {"a": 1}}, '{"a": 1}', '{"a": 2}', "json_schema"),
    ],
)
def test_the_scorer_fits_the_answers(row: dict[str, object], right: str, wrong: str, name: str, tmp_path: Path) -> None:
    task = load_task(write(tmp_path, json.dumps(row).encode()))
    assert task.description.endswith(f"scored by {name}")
    assert task.score(task.samples[0], completion(right)).value == 1.0
    assert task.score(task.samples[0], completion(wrong)).value == 0.0


def test_a_subset_is_the_same_for_a_seed_and_keeps_the_order(tmp_path: Path) -> None:
    path = write(tmp_path, b"".join(b'{"prompt":"p%d","expected":"1"}\n' % n for n in range(200)))
    first = load_task(TaskRef(ref=path, samples=20, seed=5)).samples
    again = load_task(TaskRef(ref=path, samples=20, seed=5)).samples
    other = load_task(TaskRef(ref=path, samples=20, seed=6)).samples
    assert first == again != other
    assert [int(sample.id) for sample in first] == sorted(int(sample.id) for sample in first)


def test_unknown_names_and_options_get_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'structured'"):
        load_task("strctured")
    with pytest.raises(ConfigError, match="Did you mean 'numeric'"):
        load_task(TaskRef(ref=write(tmp_path, GOOD), scorer="numerc"))
    with pytest.raises(ConfigError, match="Did you mean 'relative'"):
        load_task(TaskRef(ref=write(tmp_path, GOOD), scorer="numeric", options={"relativ": 0.1}))
    with pytest.raises(ConfigError, match="has no levels"):
        load_task(TaskRef(ref=write(tmp_path, GOOD), level=1))


def test_a_function_of_the_user_judges(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "def half(sample, answer):\n    return 0.5 if sample.target in answer.text else False\n"
        "def broken(sample, answer):\n    return 1 / 0\ndef odd(sample, answer):\n    return 'yes'\n"
    )
    path = write(tmp_path, GOOD)
    task = load_task(TaskRef(ref=path, scorer=f"{tmp_path}/own.py:half"))
    assert [task.score(task.samples[0], completion(text)).value for text in ("is 4", "no")] == [0.5, 0.0]
    for name, words in (("broken", "ZeroDivisionError"), ("odd", "expected a number")):
        task = load_task(TaskRef(ref=path, scorer=f"{tmp_path}/own.py:{name}"))
        with pytest.raises(ConfigError, match=words):
            task.score(task.samples[0], completion("4"))
    with pytest.raises(ConfigError, match="no function 'none'"):
        load_task(TaskRef(ref=path, scorer=f"{tmp_path}/own.py:none"))
