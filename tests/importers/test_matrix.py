"""Matrices in any form become the same evidence; what cannot be right is refused with what to do."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sizewise.errors import ConfigError, DataError
from sizewise.importers.matrix import read_matrix
from sizewise.importers.reading import read_results

ITEMS_AS_ROWS = "item,small,large\na,1,1\nb,0,1\nc,0.5,\n"


def put(folder: Path, text: str, name: str = "scores.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_items_as_rows_models_as_rows_and_answers_as_rows_are_the_same(tmp_path: Path) -> None:
    first = read_matrix(put(tmp_path, ITEMS_AS_ROWS))
    second = read_matrix(put(tmp_path, "model,a,b,c\nsmall,1,0,0.5\nlarge,1,1,\n", "turned.csv"))
    answers = "model,item,score\nsmall,a,1\nsmall,b,0\nsmall,c,0.5\nlarge,a,true\nlarge,b,1\n"
    third = read_matrix(put(tmp_path, answers, "long.csv"))
    for other in (second, third):
        assert other.items == first.items == ("a", "b", "c")
        for name in ("small", "large"):
            np.testing.assert_array_equal(other.scores[name], first.scores[name])
    assert np.isnan(first.scores["large"][2])


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pq.write_table(pa.table({"item": ["a", "b"], "m": [True, False], "m_chars": [120, 90]}), tmp_path / "x.parquet")
    matrix = read_matrix(tmp_path / "x.parquet")
    assert matrix.scores == {"m": [1.0, 0.0]}
    assert "left out: m_chars" in matrix.notes[1]


def test_tasks_and_clusters_are_found_by_name(tmp_path: Path) -> None:
    path = put(tmp_path, "task,id,doc,m\nx,1,p,1\nx,2,p,0\ny,1,q,1\n")
    matrix = read_matrix(path, cluster="doc")
    assert matrix.items == ("x/1", "x/2", "y/1")
    assert matrix.clusters == {"x/1": "p", "x/2": "p", "y/1": "q"}
    both = read_results(path, by_task=True, ignore=["doc"])
    assert [e.task for e in both.evidence] == ["scores/x", "scores/y"]
    assert read_results(path, tasks=["y"], ignore=["doc"]).evidence[0].items == ("y/1",)


def test_costs_come_from_a_table_from_words_or_from_the_order(tmp_path: Path) -> None:
    path = put(tmp_path, ITEMS_AS_ROWS)
    listed = read_results(path).evidence[0]
    assert [(c.name, c.cost) for c in listed.contenders] == [("small", 1.0), ("large", 2.0)]
    words = read_results(path, costs=["small=5", "large=2"]).evidence[0]
    assert {c.name: c.cost for c in words.contenders} == {"small": 5.0, "large": 2.0}
    put(tmp_path, "model,params_b,cost\nsmall,1,0.1\nlarge,70,9\n", "models.csv")
    beside = read_results(path)
    assert {c.name: (c.cost, c.size) for c in beside.evidence[0].contenders} == {
        "small": (0.1, 1e9),
        "large": (9.0, 7e10),
    }
    assert beside.notes[-1] == "cost: USD per call, from models.csv"


def test_costs_in_the_file_itself_are_costs_and_not_scores(tmp_path: Path) -> None:
    wide = put(tmp_path, "model,params_b,usd_per_mtok_out,q1,q2\nl,70,0.9,1,1\ns,1,0.1,1,0\n")
    evidence = read_results(wide).evidence[0]
    assert evidence.items == ("q1", "q2")
    assert {c.name: (c.cost, c.size) for c in evidence.contenders} == {"s": (1e9, 1e9), "l": (7e10, 7e10)}
    answers = "model,item,score,cost_usd\ns,a,1,0.1\ns,b,0,0.3\nl,a,1,2\nl,b,1,4\n"
    long = read_results(put(tmp_path, answers, "long.csv"))
    assert {c.name: c.cost for c in long.evidence[0].contenders} == pytest.approx({"s": 0.2, "l": 3.0})
    assert long.notes[-1] == "cost: USD per call, from long.csv"


def test_a_candidate_named_like_a_unit_is_a_candidate(tmp_path: Path) -> None:
    answers = "model,item,score\ns,a,1\ns,b,0\nms,a,1\nms,b,1\n"
    assert set(read_matrix(put(tmp_path, answers)).scores) == {"s", "ms"}
    assert set(read_matrix(put(tmp_path, "item,s,x_tokens\na,1,0.5\nb,0,0.7\n")).scores) == {"s"}


def test_a_file_without_tasks_is_not_split_and_one_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names no tasks to split by"):
        read_results(put(tmp_path, ITEMS_AS_ROWS), by_task=True)
    with pytest.raises(DataError, match="the cells are all empty"):
        read_results(put(tmp_path, "item,a,b\n1,,\n2,,\n"))
    by = read_results(put(tmp_path, "id,category,a,b\n1,x,1,1\n2,y,0,1\n"), by_task=True)
    assert [e.task for e in by.evidence] == ["scores/x", "scores/y"]


def test_a_candidate_without_scores_or_cost_is_skipped_with_the_reason(tmp_path: Path) -> None:
    path = put(tmp_path, "item,a,b,c\n1,1,,1\n2,0,,1\n")
    evidence = read_results(path, costs=["a=1"]).evidence[0]
    assert [c.name for c in evidence.contenders] == ["a"]
    assert {s.candidate: s.reason for s in evidence.skipped} == {
        "b": "it has no score on any item",
        "c": "--cost has no cost for it",
    }


def test_confidences_are_matched_by_name(tmp_path: Path) -> None:
    path = put(tmp_path, ITEMS_AS_ROWS)
    sure = put(tmp_path, "item,small\na,0.9\nb,0.1\nc,0.5\n", "sure.csv")
    assert read_results(path, confidence=sure).evidence[0].confidences["small"] == [0.9, 0.1, 0.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item,m\na,55.2\n", "outside .0, 1.*rescale them.*--ignore 'm'"),
        ("item,m\na,-0.1\n", "outside"),
        ("item,m\na,1\na,0\n", "'a' is there twice"),
        ("item,m,m\na,1,1\n", "two columns named 'm'"),
        ("item,m\na,1,2\n", "line 2: 3 cells"),
        ("item,m\n", "expected a header line"),
        ("", "expected a header line"),
        ("item,m\na,1\nb,yes\n", "the word 'yes' at item 'b'"),
        ("item,note\na,hello\n", "no column of scores"),
        ("model,item,score\nm,a,1\nm,a,0\n", "second score"),
        ("model,score\nm,1\n", "no item column"),
        ("model,a\nm,1\nm,0\n", "two rows for candidate 'm'"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_matrix(put(tmp_path, text))


def test_files_that_are_not_there_or_not_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_matrix(tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"expected \.csv"):
        read_matrix(put(tmp_path, "x", "scores.xlsx"))
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_matrix(put(tmp_path, "not parquet", "x.parquet"))
    (tmp_path / "latin.csv").write_bytes(b"item,m\n\xe9,1\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_matrix(tmp_path / "latin.csv")


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path, ITEMS_AS_ROWS)
    for options, words in (
        ({"models": ["tiny"]}, "no candidate 'tiny'"),
        ({"tasks": ["x"]}, "no task 'x'"),
        ({"ignore": ["x"]}, "no column 'x'"),
    ):
        with pytest.raises(ConfigError, match=words):
            read_results(path, **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="NAME=VALUE"):
        read_results(path, costs=["small"])
    with pytest.raises(DataError, match="no candidate has both"):
        read_results(path, costs=["other=1"])
