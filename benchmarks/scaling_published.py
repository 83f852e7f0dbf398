"""Muennighoff's, Gadre's and Clark's published constants from their own runs, with the same caveats.

    python benchmarks/scaling_published.py [--shared ../shared/data]

The bar: Muennighoff's published point is a minimum of its objective (refit within 1 %), its R2 and that of the law
without decay within .0005, and the ridge (other points as good) is seen; all 12 loss and 9 error constants of Gadre
agree to three digits, held-out errors as noted; Clark's RL-R and HASH slopes a, b, d within 5 % (c, printed with two
digits, within 7 %), S-BASE's b known to be weakly identified.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import curve_fit, least_squares, minimize

from sizewise.scaling import laws
from sizewise.scaling.solver import huber

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
Rows = list[dict[str, str]]


def read(folder: Path, name: str) -> Rows:
    path = folder / "scaling" / name
    if not path.exists():
        sys.exit(f"missing {path}: give the folder of the shared data with --shared")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(rows: Rows, name: str) -> np.ndarray:
    return np.array([float(row[name]) for row in rows])


def muennighoff(folder: Path) -> int:
    rows = read(folder, "muennighoff_datablations_fit182.csv")
    n, d, unique, loss = (column(rows, name) for name in ("params", "tokens", "unique_tokens", "val_loss"))

    def predicted(r_d: float, r_n: float) -> np.ndarray:
        return np.array([laws.muennighoff_loss(*run, r_d, r_n) for run in zip(n, d, unique, strict=True)])

    def objective(logs: np.ndarray) -> float:
        return float(huber(np.log(predicted(*np.exp(logs))) - np.log(loss), np.ones_like(loss), 1e-3))

    def r2(guess: np.ndarray) -> float:
        return float(1 - ((loss - guess) ** 2).sum() / ((loss - loss.mean()) ** 2).sum())

    published = np.log([15.3878, 5.3097])
    options = {"xatol": 1e-6, "fatol": 1e-12, "maxiter": 2000}
    near = np.exp(minimize(objective, published, method="Nelder-Mead", options=options).x)
    far = minimize(objective, np.log([95, 1.7]), method="Nelder-Mead", options=options)
    law = laws.MUENNIGHOFF
    with_decay = r2(predicted(15.3878, 5.3097))
    without = r2(law.e + law.a / n**law.alpha + law.b / d**law.beta)
    print(f"Muennighoff: objective {objective(published):.7f} at the published point (notebook .0158259)")
    print(f"  refit from there: RD {near[0]:.2f}, RN {near[1]:.2f} (published 15.39, 5.31)")
    print(f"  R2 {with_decay:.4f} (published .7722), without decay {without:.4f} (.4452)")
    other = np.exp(far.x)
    print(f"  caveat: RD {other[0]:.0f}, RN {other[1]:.2f} gives {far.fun:.7f}, lower: late epochs are not identified")
    good = abs(near[0] / 15.3878 - 1) < 0.01 and abs(near[1] / 5.3097 - 1) < 0.01
    good &= abs(with_decay - 0.7722) < 5e-4 and abs(without - 0.4452) < 5e-4 and far.fun < objective(published)
    return int(not good)


def gadre(folder: Path) -> int:
    rows = read(folder, "gadre_overtraining_104runs.csv")
    wrong = 0
    for label, name in (("c4", "c4_original"), ("redpajama", "rpj"), ("refinedweb", "rw_original")):
        own = [row for row in rows if row["dataset"] == name]
        small = [r for r in own if float(r["params"]) < 5e8 and float(r["multiplier"]) == 1]
        small += [r for r in own if float(r["params"]) < 2e7 and float(r["multiplier"]) == 16]
        middle = [r for r in own if 1e9 < float(r["params"]) < 2e9 and float(r["multiplier"]) == 1]

        def form(run: np.ndarray, e: float, a: float, b: float, eta: float) -> np.ndarray:
            return np.asarray(e + (a * run[1] ** eta + b * run[1] ** -eta) * run[0] ** -eta)

        def shape(chosen: Rows) -> np.ndarray:
            n, d = column(chosen, "params"), column(chosen, "tokens")
            return np.stack([6 * n * d, d / n])

        loss, _ = curve_fit(form, shape(small), column(small, "loss_c4_val"), p0=(1.8, 100, 100, 0.12), maxfev=100000)
        link = [*small, *middle]
        error, _ = curve_fit(
            lambda x, top, k, gamma: top - k * np.exp(-gamma * x),
            column(link, "loss_c4_val"), column(link, "err17"), p0=(0.85, 2, 0.7), maxfev=100000,
        )  # fmt: skip
        known = laws.GADRE[label]
        for key, value in zip(("e", "a", "b", "eta", "top", "k", "gamma"), (*loss, *error), strict=True):
            digits = len(f"{known[key]}".split(".")[1])
            differs = abs(value - known[key]) > 0.5001 * 10**-digits
            wrong += differs
            print(
                f"  {label:10s} {key:6s} published {known[key]:8.4g} ours {value:9.5g} {'DIFFERS' if differs else ''}"
            )
        for run in own:
            if float(run["params"]) > 1e9 and (float(run["params"]) > 6e9 or float(run["multiplier"]) > 1):
                seen = float(run["loss_c4_val"])
                gap = abs(form(shape([run])[:, 0], *loss) / seen - 1)
                where = f"{float(run['params']) / 1e9:.1f}B at {20 * float(run['multiplier']):.0f} tokens/parameter"
                print(f"  {label:10s} held out {where}: {100 * gap:.2f} % off")
    print(f"Gadre: {wrong} of 21 constants differ at the printed digits")
    return wrong


def clark(folder: Path) -> int:
    rows = read(folder, "clark2022_final_losses.csv")
    worst = 0.0
    for key, name in (("s-base", "S-Base"), ("rl-r", "RL-R"), ("hash", "Hash")):
        own = [row for row in rows if row["router_type"] in (name, "Dense")]
        size, experts = np.log10(column(own, "dense_parameter_count")), column(own, "num_experts")
        seen = np.log10(column(own, "loss_validation"))

        def residual(t: np.ndarray, size=size, experts=experts, seen=seen) -> np.ndarray:  # type: ignore[no-untyped-def]
            start, top = np.exp(t[4]), np.exp(t[5])
            routed = np.log10([laws.clark_experts(e, start, top) for e in experts])
            return np.asarray(t[0] * size + t[1] * routed + t[2] * size * routed + t[3] - seen)

        k = laws.CLARK[key]
        begin = [k["a"], k["b"], k["c"], k["d"], np.log(k["start"]), np.log(k["max"])]
        found = least_squares(residual, begin, x_scale=[0.1, 0.1, 0.01, 1, 1, 1], xtol=1e-13, ftol=1e-13).x
        gaps = {part: float(abs(found[i] / k[part] - 1)) for i, part in enumerate("abcd")}
        text = " ".join(f"{part} {found[i]:.4f} ({100 * gaps[part]:.1f} % off)" for i, part in enumerate("abcd"))
        print(f"Clark {key:7s} {text}; start {np.exp(found[4]):.2f} max {np.exp(found[5]):.0f}")
        if key != "s-base":
            worst = max(worst, gaps["a"] / 0.05, gaps["b"] / 0.05, gaps["d"] / 0.05, gaps["c"] / 0.07)
    print("  caveat: S-BASE's b is weakly identified; 64 experts on 1.3B equal", end=" ")
    print(
        ", ".join(f"{laws.clark_dense_equivalent(1.3e9, 64, key) / 1e9:.1f}B" for key in laws.CLARK), "dense, not 6.1B"
    )
    return int(worst > 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=SHARED)
    folder = parser.parse_args().shared
    failed = (muennighoff(folder), gadre(folder), clark(folder))
    print(f"deviations: Muennighoff {failed[0]}, Gadre {failed[1]} constants, Clark {failed[2]} (bar: 0, 0, 0)")
    return int(any(failed))


if __name__ == "__main__":
    sys.exit(main())
