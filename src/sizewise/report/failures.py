"""The tables of how answers fail: not one number but one for each way."""

from __future__ import annotations

from collections import defaultdict

from sizewise.records import Trial
from sizewise.report.cells import mean_share
from sizewise.report.gathering import Gathered
from sizewise.report.page import Cell, Row, Table, TableSection
from sizewise.units import format_seconds


def failures(gathered: Gathered) -> TableSection:
    """Return the section on how answers fail, a table a task."""
    tables = []
    for verdict in gathered.verdicts:
        groups = _by_candidate(gathered.trials.get(verdict.task, []))
        if groups:
            tables.append(_failure_table(gathered, verdict.task, groups))
    return TableSection(
        id="failures",
        title="How answers fail",
        text="Quality is not one number: an answer can be wrong, cut off, out of form, refused or made up. "
        "“Right when complete” leaves out answers that were cut off, empty, looped or failed; “right if form is "
        "forgiven” and “said unknown” are there where a task knows them.",
        tables=tuple(tables),
        empty="No answers are stored yet.",
    )


def _failure_table(gathered: Gathered, task: str, groups: dict[str, list[Trial]]) -> Table:
    scores = [trial.score for group in groups.values() for trial in group if trial.score]
    axes = sorted({axis for score in scores for axis in score.axes})
    head = [
        "candidate", "right", "right when complete", "valid form", "cut off", "empty", "looped", "refused",
        "made up", "failed", "answer, median",
    ]  # fmt: skip
    forgiving = any(score.lenient is not None and score.lenient != score.value for score in scores)
    abstaining = any(score.abstained for score in scores)
    rows = []
    for name in (name for name in gathered.names() if name in groups):
        own = [trial.score for trial in groups[name] if trial.score]
        more = [mean_share([s.value if s.lenient is None else s.lenient for s in own])] if forgiving else []
        more += [mean_share([float(s.abstained) for s in own])] if abstaining else []
        more += [mean_share([s.axes[axis] for s in own if axis in s.axes]) for axis in axes]
        rows.append(Row(cells=(*_failure_cells(name, groups[name]), *(Cell(text=text) for text in more))))
    head += ["right if form is forgiven"] * forgiving + ["said unknown"] * abstaining
    return Table(title=task, head=(*head, *axes), rows=tuple(rows))


def _failure_cells(name: str, trials: list[Trial]) -> tuple[Cell, ...]:
    scored = [trial for trial in trials if trial.score is not None]
    whole = [trial for trial in scored if not (trial.truncated or trial.empty or trial.looped)]
    times = sorted(trial.timing.total_s for trial in trials if trial.error is None)
    return (
        Cell(text=name),
        Cell(text=mean_share([trial.score.value for trial in scored if trial.score])),
        Cell(text=mean_share([trial.score.value for trial in whole if trial.score])),
        Cell(text=mean_share([float(trial.score.valid) for trial in scored if trial.score])),
        Cell(text=mean_share([float(trial.truncated) for trial in trials])),
        Cell(text=mean_share([float(trial.empty) for trial in trials])),
        Cell(text=mean_share([float(trial.looped) for trial in trials])),
        Cell(text=mean_share([float(trial.score.refused) for trial in scored if trial.score])),
        Cell(text=mean_share([float(trial.score.hallucinated) for trial in scored if trial.score])),
        Cell(text=mean_share([float(trial.error is not None) for trial in trials])),
        Cell(text=format_seconds(times[len(times) // 2]) if times else "none"),
    )


def _by_candidate(trials: list[Trial]) -> dict[str, list[Trial]]:
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[trial.key.candidate].append(trial)
    return groups
