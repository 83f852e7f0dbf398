"""Logs of other harnesses: lm-evaluation-harness samples, Inspect logs, promptfoo results.

Layouts as written by lm-evaluation-harness 0.4 (`--log_samples`), Inspect's JSON log version 2, promptfoo's
`eval -o out.json` version 3. Not covered: Inspect's binary .eval archives (convert: `inspect log convert --to json`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

from sizewise.errors import DataError
from sizewise.importers.latency import latency_form
from sizewise.importers.matrix import Matrix

HARNESS_METRICS = ("exact_match", "acc", "acc_norm", "pass@1", "f1", "em", "score")
INSPECT_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}


def read_log(path: Path) -> Matrix:
    """Return the scores of one log file, or of all logs of one kind in the same folder that belong to the task.

    lm-evaluation-harness writes one file a model: the files `samples_<task>_*.jsonl` of all sibling model
    folders are read together. Inspect writes one log a model: give the folder's logs as a `.json` list, or one.
    """
    if not path.is_file():
        raise DataError(f"there is no file {path}; give a log of lm-evaluation-harness, Inspect or promptfoo")
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        return _harness(path)
    data = _json(path.read_text(encoding="utf-8"), path.name)
    if isinstance(data, Mapping) and "eval" in data and "samples" in data:
        return _inspect(path)
    if isinstance(data, Mapping) and "results" in data:
        return _promptfoo(path, data)
    form = latency_form(data)
    if form is not None:
        raise DataError(
            f"{path.name} is a report of {form}: latencies without scores. Give the scores as FILE, and this with: "
            f"--latency NAME={path}"
        )
    raise DataError(
        f"{path.name} is JSON, but neither an Inspect log (keys eval, samples) nor promptfoo results (key results); "
        "convert it to a CSV with columns model, item, score"
    )


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}, line {error.lineno}: not JSON ({error.msg}); the file may be cut short") from error


def _matrix(answers: Sequence[tuple[str, str, float]], note: str) -> Matrix:
    """Return answers (candidate, item, score) as a matrix; several of one candidate on one item are averaged."""
    if not answers:
        raise DataError(f"{note}: no scored answer found")
    items = tuple(dict.fromkeys(item for _, item, _ in answers))
    place = {item: i for i, item in enumerate(items)}
    names = tuple(dict.fromkeys(name for name, _, _ in answers))
    sums = {name: [0.0] * len(items) for name in names}
    counts = {name: [0] * len(items) for name in names}
    for name, item, score in answers:
        if not 0 <= score <= 1:
            raise DataError(f"{note}: the score of {name!r} on {item!r} is {score:g}, outside [0, 1]")
        sums[name][place[item]] += score
        counts[name][place[item]] += 1
    scores = {name: [s / n if n else nan for s, n in zip(sums[name], counts[name], strict=True)] for name in names}
    tasks = tuple(item.split("/", 1)[0] if "/" in item else "" for item in items)
    shared = tasks if all(tasks) else ()
    words = f"{note}: {len(items)} items x {len(names)} candidates"
    return Matrix(items=items, scores=scores, clusters={}, tasks=shared, notes=(words,))


def _harness(path: Path) -> Matrix:
    """Read the samples of one task from every model folder beside this one."""
    task = re.sub(r"_\d{4}-\d\d-\d\dT.*$", "", path.stem)
    folders = sorted(p for p in path.parent.parent.iterdir() if p.is_dir()) if path.parent.parent != path.parent else []
    files = {path.parent.name: path}
    for folder in folders:
        found = sorted(folder.glob(f"{task}_*.jsonl"))
        if found and folder != path.parent:
            files[folder.name] = found[-1]
    answers: list[tuple[str, str, float]] = []
    for name, file in files.items():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                row = _json(line, f"{file.name} (line {number})")
                answers.append((name, str(_key(row, "doc_id", file, number)), _metric(row, file, number)))
    return _matrix(answers, f"{path.name} (lm-evaluation-harness, {len(files)} models)")


def _key(row: Any, key: str, file: Path, number: int) -> Any:
    if not isinstance(row, Mapping) or key not in row:
        raise DataError(f"{file.name}, line {number}: no {key!r}; expected samples written by lm_eval --log_samples")
    return row[key]


def _metric(row: Mapping[str, Any], file: Path, number: int) -> float:
    named = row.get("metrics")
    order = [*(named if isinstance(named, list) else []), *HARNESS_METRICS]
    name = next((m for m in order if isinstance(row.get(m), int | float)), None)
    if name is None:
        raise DataError(f"{file.name}, line {number}: no metric; looked for {', '.join(HARNESS_METRICS)}")
    return float(row[name])


def _inspect(path: Path) -> Matrix:
    """Read an Inspect log, and those of the same task beside it."""
    first = _json(path.read_text(encoding="utf-8"), path.name)
    task = first["eval"].get("task", "task")
    answers: list[tuple[str, str, float]] = []
    logs = 0
    for file in sorted(path.parent.glob("*.json")):
        data = first if file == path else _json(file.read_text(encoding="utf-8"), file.name)
        if not isinstance(data, Mapping) or "eval" not in data or data["eval"].get("task", "task") != task:
            continue
        logs += 1
        for sample in data.get("samples") or ():
            score = _inspect_score(sample, file)
            if score is not None:
                answers.append((str(data["eval"]["model"]), str(sample["id"]), score))
    return _matrix(answers, f"{path.name} (Inspect, task {task}, {logs} logs)")


def _inspect_score(sample: Mapping[str, Any], file: Path) -> float | None:
    scores = sample.get("scores") or {}
    if not scores:
        return None
    value = next(iter(scores.values())).get("value")
    if isinstance(value, str) and value in INSPECT_LETTERS:
        return INSPECT_LETTERS[value]
    if isinstance(value, bool | int | float):
        return float(value)
    raise DataError(f"{file.name}, sample {sample.get('id')!r}: score {value!r}; expected a number, or C, I, P, N")


def _promptfoo(path: Path, data: Mapping[str, Any]) -> Matrix:
    inner = data["results"]
    rows = inner.get("results") if isinstance(inner, Mapping) else inner
    if not isinstance(rows, list):
        raise DataError(f"{path.name}: no list results.results; write it with: promptfoo eval -o {path.name}")
    answers: list[tuple[str, str, float]] = []
    for number, row in enumerate(rows):
        provider = row.get("provider") or {}
        name = provider.get("label") or provider.get("id") if isinstance(provider, Mapping) else str(provider)
        score = row.get("score", float(bool(row.get("success"))))
        if name is None or not isinstance(score, int | float):
            raise DataError(f"{path.name}, result {number}: no provider or no score")
        if len({r.get("promptIdx", 0) for r in rows}) > 1:
            name = f"{name} prompt {row.get('promptIdx', 0)}"
        answers.append((str(name), str(row.get("testIdx", number)), float(score)))
    return _matrix(answers, f"{path.name} (promptfoo)")
