"""Fit the shipped family's own training runs with our own tool, and predict the largest one before it is seen.

    python benchmarks/scaling_ladder_fit.py [--runs FILE.csv] [--plot FILE.svg]

The runs are `src/sizewise/data/ladder/isoflop.csv`: tiny models trained by the shipped recipe at several sizes and
token budgets, loss on held-out answers.

The bar: at least 5 sizes and 3 token budgets, the design accepted, and the runs of largest compute, held out,
predicted within 10 % on average. Whether each lies in its 95 % band is printed, not hidden.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from sizewise.errors import NotIdentifiable
from sizewise.report.charts import draw
from sizewise.scaling import curves
from sizewise.scaling.design import look
from sizewise.scaling.fitting import fit_runs
from sizewise.scaling.holdout import hold_out, sensitivity
from sizewise.scaling.runs import parse_runs
from sizewise.units import format_count

RUNS = Path(__file__).resolve().parent.parent / "src" / "sizewise" / "data" / "ladder" / "isoflop.csv"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--plot", type=Path, help="draw the loss curves into this SVG file")
    options = parser.parse_args()
    if not options.runs.exists():
        sys.exit(f"missing {options.runs}: train it with `sizewise ladder train --all`, or name a CSV with --runs")
    runs = parse_runs(options.runs.read_text(encoding="utf-8"), options.runs.name)
    design = look(runs)
    print(f"{design.rows} runs, {design.sizes} sizes, {design.token_counts} token counts")
    try:
        fit, held = fit_runs(runs), hold_out(runs)
    except NotIdentifiable as problem:
        print(problem)
        print("the design is refused (bar: accepted)")
        return 1
    for name in ("e", "a", "b", "alpha", "beta", "size_exponent"):
        value = fit.interval(name)
        print(f"{name:14s} {value.value:10.4g} ({value.low:.4g} to {value.high:.4g})")
    for variant in sensitivity(runs):
        print(f"  {variant.name:28s} E {variant.law.e:.3f} alpha {variant.law.alpha:.3f} beta {variant.law.beta:.3f}")
    for row in held:
        print(
            f"held out {format_count(row.n)} on {format_count(row.d)}: seen {row.observed:.3f}, predicted "
            f"{row.predicted.value:.3f} ({row.predicted.low:.3f} to {row.predicted.high:.3f}), {100 * row.error:+.1f} %"
        )
    if options.plot:
        options.plot.write_text(draw(curves.loss_curves(fit, held), standalone=True), encoding="utf-8")
    error = float(np.mean([abs(row.error) for row in held]))
    inside = sum(row.inside for row in held)
    good = design.sizes >= 5 and design.token_counts >= 3 and error <= 0.10
    print(
        f"{design.sizes} sizes x {design.token_counts} token counts (bar: 5 x 3); held out predicted within "
        f"{100 * error:.1f} % on average (bar: 10), {inside} of {len(held)} inside the band"
    )
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
