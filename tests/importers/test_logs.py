"""Logs of other harnesses, in the layout that they write."""

import json
from pathlib import Path

import pytest

from sizewise.errors import DataError
from sizewise.importers.logs import read_log
from sizewise.importers.reading import read_results


def lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_samples_of_the_harness_are_read_for_all_models_beside(tmp_path: Path) -> None:
    name = "samples_gsm8k_2026-01-02T03-04-05.jsonl"
    small = [{"doc_id": i, "metrics": ["exact_match"], "exact_match": float(i == 0)} for i in range(3)]
    large = [{"doc_id": i, "acc": 1.0} for i in range(3)]
    path = lines(tmp_path / "small" / name, small)
    lines(tmp_path / "large" / "samples_gsm8k_2026-02-02T03-04-05.jsonl", large)
    lines(tmp_path / "other" / "samples_mmlu_2026-02-02T03-04-05.jsonl", large)
    matrix = read_log(path)
    assert matrix.scores == {"small": [1.0, 0.0, 0.0], "large": [1.0, 1.0, 1.0]}
    assert "2 models" in matrix.notes[0]


def test_inspect_logs_of_one_task_are_read_together_and_epochs_averaged(tmp_path: Path) -> None:
    def log(model: str, task: str, values: list[object]) -> dict[str, object]:
        samples = [{"id": i % 2, "epoch": 1 + i // 2, "scores": {"match": {"value": v}}} for i, v in enumerate(values)]
        return {"version": 2, "eval": {"task": task, "model": model}, "samples": samples}

    (tmp_path / "a.json").write_text(json.dumps(log("small", "t", ["C", "I", "I", "I"])))
    (tmp_path / "b.json").write_text(json.dumps(log("large", "t", [1.0, True])))
    (tmp_path / "c.json").write_text(json.dumps(log("large", "u", [0.0, 0.0])))
    matrix = read_log(tmp_path / "a.json")
    assert matrix.scores == {"small": [0.5, 0.0], "large": [1.0, 1.0]}


def test_promptfoo_results_are_read_by_provider(tmp_path: Path) -> None:
    rows = [
        {"provider": {"id": p}, "testIdx": t, "promptIdx": 0, "score": s, "success": s > 0.5}
        for p, t, s in (("small", 0, 0.0), ("small", 1, 1.0), ("large", 0, 1.0), ("large", 1, 1.0))
    ]
    (tmp_path / "out.json").write_text(json.dumps({"version": 3, "results": {"version": 3, "results": rows}}))
    evidence = read_results(tmp_path / "out.json").evidence[0]
    assert evidence.scores == {"small": [0.0, 1.0], "large": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("x.json", "{", "not JSON"),
        ("x.json", "{}", "neither an Inspect log"),
        ("x.json", '{"results": {}}', "no list results.results"),
        ("x.jsonl", '{"doc_id": 1}', "no metric"),
        ("x.jsonl", '{"acc": 1}', "no 'doc_id'"),
        ("x.jsonl", '{"doc_id": 1, "acc": 7}', "outside"),
        ("x.jsonl", "", "no scored answer"),
    ],
)
def test_broken_logs_are_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    folder = tmp_path / "runs" / "model"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_log(folder / name)
