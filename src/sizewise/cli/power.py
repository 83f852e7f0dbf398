"""`sizewise power`: how many items settle a question of a given size."""

from __future__ import annotations

from math import isfinite

import click

from sizewise.cli.output import answer, emit, json_option


@click.command()
@click.option(
    "--margin", type=float, default=0.03, show_default=True, help="Largest loss of mean score that is good enough."
)
@click.option(
    "--disagreement", type=float, default=0.2, show_default=True,
    help="Share of items on which two candidates differ (0.2 is the median of 378 real pairs).",
)  # fmt: skip
@click.option("--gap", type=float, default=0.0, show_default=True, help="True loss of the candidate against its rival.")
@click.option(
    "--alpha", type=float, default=0.05, show_default=True, help="Chance of passing a candidate that is too weak."
)
@click.option(
    "--power", "chance", type=float, default=0.8, show_default=True, help="Chance of passing one that is not."
)
@click.option(
    "--rivals", type=click.IntRange(1), default=1, show_default=True, help="Other candidates; alpha is shared."
)
@click.option("--items", type=click.IntRange(1), help="Turn it round: what so many items show.")
@json_option
def command(
    margin: float, disagreement: float, gap: float, alpha: float, chance: float, rivals: int, items: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Say how many items show that a candidate is within the margin of a rival, for future items like these."""
    from sizewise.stats.power import items_needed, items_needed_watching, margin_shown, power_of

    needed = items_needed(margin, disagreement, gap, alpha, chance, rivals)
    watching = items_needed_watching(margin, disagreement, gap, alpha, chance, rivals)
    data: dict[str, float | None] = {
        "margin": margin, "disagreement": disagreement, "gap": gap, "alpha": alpha, "power": chance,
        "rivals": float(rivals), "items_needed": needed if isfinite(needed) else None,
        "items_needed_watching": watching if isfinite(watching) else None,
    }  # fmt: skip
    if items is not None:
        data["items"] = float(items)
        data["margin_shown"] = margin_shown(items, disagreement, gap, alpha, chance, rivals)
        data["power_with_items"] = power_of(items, margin, disagreement, gap, alpha, rivals)
    if as_json:
        emit(data)
        return
    console = answer()
    if isfinite(needed):
        console.print(
            f"{needed:,.0f} items show a margin of {100 * margin:g} points at {100 * chance:g} % power, "
            "when their number is fixed beforehand and all are answered (sizewise decide)."
        )
        console.print(
            f"{watching:,.0f} items when every answer is looked at as it comes "
            "(sizewise run, with its anytime-valid certificate for future items)."
        )
    else:
        console.print(
            f"No number of items does: the gap ({100 * gap:g} points) is the margin ({100 * margin:g}) or more."
        )
    if items is not None:
        shown, hope = 100 * float(data["margin_shown"] or 0), 100 * float(data["power_with_items"] or 0)
        console.print(
            f"{items:,} items show a margin of {shown:.1f} points at {100 * chance:g} % power, "
            f"and {100 * margin:g} points with a chance of {hope:.0f} %."
        )
    others = ", ".join(
        f"{n:,.0f} for {100 * m:g} points"
        for m in (0.02, 0.03, 0.05, 0.1)
        if m != margin and isfinite(n := items_needed(m, disagreement, gap, alpha, chance, rivals))
    )
    console.print(f"Also: {others}." if others else "")
    console.print("Next: sizewise run STUDY.toml with that many samples, or sizewise decide FILE on results you have.")
