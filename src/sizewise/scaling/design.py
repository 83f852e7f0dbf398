"""Can these runs carry a scaling law at all, and if not, which runs to add.

The additive law has five constants. It needs at least three sizes and three token counts that vary
*independently*: along a line (fixed tokens, fixed tokens per parameter, one compute budget) the two terms
cannot be told apart. `require_identifiable` refuses such designs; `suggest_runs` names the cheapest runs that
would help most. Does not judge whether the runs were trained well.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from sizewise.errors import NotIdentifiable
from sizewise.scaling.laws import BESIROGLU
from sizewise.scaling.runs import Runs
from sizewise.units import format_count

Array = NDArray[np.float64]

LEVEL_GAP = 0.15
"""Two sizes (or token counts) count as different when their logs differ by more than this (16 %)."""
MIN_OFF_LINE = 0.25
"""Least spread (natural log, standard deviation) of tokens around the best line in size, and the reverse."""
MIN_ROWS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What the runs span."""

    rows: int
    sizes: int
    """Sizes that differ by more than 16 %."""
    token_counts: int
    off_line: float
    """Smaller of the two spreads of log tokens around a line in log size, and of log size around one in log tokens."""
    slope: float
    """d log tokens / d log size along the runs."""
    problems: tuple[str, ...]


def look(runs: Runs) -> Design:
    """Return what the design of the runs spans and what is wrong with it.

    >>> from sizewise.scaling.runs import make_runs
    >>> look(make_runs([1e6, 2e6, 4e6], [1e8] * 3, [3.0, 2.8, 2.7])).token_counts
    1
    """
    x, y = np.log(runs.n), np.log(runs.d)
    sizes, counts = _levels(x), _levels(y)
    off_line, slope = _off_line(x, y)
    problems = []
    if counts < 3:
        problems.append(_few("token count", counts, "fixed D: a longer run's gain cannot be seen"))
    if sizes < 3:
        problems.append(_few("model size", sizes, "fixed N: a larger model's gain cannot be seen"))
    if counts >= 2 and sizes >= 2 and off_line < MIN_OFF_LINE:
        problems.append(_line(slope, off_line))
    if len(runs) < MIN_ROWS:
        problems.append(f"{len(runs)} runs for five constants; expected at least {MIN_ROWS}")
    return Design(
        rows=len(runs), sizes=sizes, token_counts=counts, off_line=off_line, slope=slope, problems=tuple(problems)
    )


def require_identifiable(runs: Runs) -> Design:
    """Return the design; raises NotIdentifiable with the reasons and the runs to add."""
    design = look(runs)
    if design.problems:
        wanted = ", ".join(f"({format_count(n)} parameters, {format_count(d)} tokens)" for n, d in suggest_runs(runs))
        raise NotIdentifiable(
            f"{runs.name}: these {len(runs)} runs cannot carry E + A/N^alpha + B/D^beta: "
            + "; ".join(design.problems)
            + f". Expected at least 3 sizes and 3 token counts that vary independently. Add for example {wanted}."
        )
    return design


def suggest_runs(runs: Runs, most: int = 6) -> list[tuple[float, float]]:
    """Return up to `most` (parameters, tokens) pairs to train next, cheapest information first.

    Greedy D-optimal: of a grid around the runs (a factor of 4 beyond each end in size and tokens, compute at
    most twice the largest run's), the pair that raises the log determinant of the information matrix most for
    its compute; the derivatives are those of the default published law.
    """
    top = 2.0 * float(runs.flops.max())
    axis_n = np.geomspace(runs.n.min() / 4, runs.n.max() * 4, 7)
    axis_d = np.geomspace(runs.d.min() / 4, runs.d.max() * 4, 7)
    grid = [(n, d) for n, d in product(axis_n, axis_d) if 6 * n * d <= top]
    information = _information(runs.n, runs.d) + 1e-6 * np.eye(5)
    chosen: list[tuple[float, float]] = []
    added = make_like(runs, chosen)
    while grid and len(chosen) < most and (look(added).problems or len(chosen) < 3):
        gains = [_gain(information, n, d) / (6 * n * d / top + 0.05) for n, d in grid]
        n, d = grid.pop(int(np.argmax(gains)))
        information = information + _information(np.array([n]), np.array([d]))
        chosen.append((float(n), float(d)))
        added = make_like(runs, chosen)
    return chosen


def make_like(runs: Runs, more: list[tuple[float, float]]) -> Runs:
    """Return the runs with further (n, d) rows of unknown loss, for judging a design only."""
    n, d = np.r_[runs.n, [m[0] for m in more]], np.r_[runs.d, [m[1] for m in more]]
    return Runs(n=n, d=d, loss=np.ones_like(n), unit=np.arange(n.size), name=runs.name)


def _levels(logs: Array) -> int:
    ordered = np.sort(logs)
    count, last = 1, ordered[0]
    for value in ordered[1:]:
        if value - last > LEVEL_GAP:
            count, last = count + 1, value
    return count


def _off_line(x: Array, y: Array) -> tuple[float, float]:
    sx, sy = float(x.std()), float(y.std())
    if sx < 1e-9 or sy < 1e-9:
        return 0.0, 0.0
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1.0, 1.0))
    return min(sx, sy) * float(np.sqrt(1.0 - r * r)), r * sy / sx


def _few(what: str, count: int, why: str) -> str:
    return f"only {count} {what}{'' if count == 1 else 's'} that differ{'s' if count == 1 else ''} by over 16 % ({why})"


def _line(slope: float, off_line: float) -> str:
    kind = "tokens and size move together"
    if abs(slope - 1.0) < 0.15:
        kind = "fixed D/N: every run has about the same tokens per parameter"
    elif abs(slope + 1.0) < 0.15:
        kind = "one compute budget: tokens fall exactly as size grows"
    return f"{kind} (slope {slope:.2f}, spread off the line {off_line:.2f} < {MIN_OFF_LINE} in natural log)"


def _information(n: Array, d: Array) -> Array:
    law = BESIROGLU
    u, v = law.a * n**-law.alpha, law.b * d**-law.beta
    total = law.e + u + v
    rows = np.stack([u, v, np.full_like(u, law.e), -u * np.log(n / 1e9), -v * np.log(d / 2e10)], axis=1)
    rows = rows / total[:, None]
    return np.asarray(rows.T @ rows)


def _gain(information: Array, n: float, d: float) -> float:
    more = information + _information(np.array([n]), np.array([d]))
    return float(np.linalg.slogdet(more)[1] - np.linalg.slogdet(information)[1])
