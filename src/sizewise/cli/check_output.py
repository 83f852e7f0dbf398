"""The reality checks as a person reads them in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sizewise.claims.base import Claim, Finding, Judgement
from sizewise.cli.output import answer, emit, safe, talk
from sizewise.data.scaling import published_cases

COLOURS = {
    Finding.SUPPORTED: "green",
    Finding.REFUTED: "red",
    Finding.UNDECIDED: "yellow",
    Finding.NOT_MEASURED: "dim",
}


def list_claims(claims: Sequence[Claim], as_json: bool) -> None:
    """Print the claims, their tests, what would refute them and what is published."""
    if as_json:
        emit([_facts(claim) for claim in claims])
        return
    console = answer()
    for claim in claims:
        console.print(f"\n[bold]{claim.number}. {safe(claim.says)}[/bold]  ({claim.key})")
        console.print(f"  test: {safe(claim.test)}", soft_wrap=True)
        console.print(f"  refuted by: {safe(claim.refuted_by)}", soft_wrap=True)
        if claim.changed:
            console.print(f"  changed after a first look at results: {safe(claim.changed)}", soft_wrap=True)
        for case in published_of(claim):
            console.print(f"  [dim]published: {safe(case)}[/dim]", soft_wrap=True)
    console.print("\nNext: [bold]sizewise check[/bold]")


def published_of(claim: Claim) -> list[str]:
    """Return the published cases that bear on a claim, each with numbers and source."""
    return [f"{c.case}: {c.numbers} ({c.source})" for c in published_cases() if c.kind in claim.published]


def _facts(claim: Claim) -> dict[str, object]:
    return {
        "number": claim.number,
        "key": claim.key,
        "says": claim.says,
        "refuted_by": claim.refuted_by,
        "test": claim.test,
        "changed": claim.changed,
        "published": published_of(claim),
    }


def print_judgements(
    claims: Sequence[Claim], judgements: Sequence[Judgement], *, key: str, page: Path, took_s: float, as_json: bool
) -> None:
    """Print what was found of each claim, or its data."""
    if as_json:
        found = [{**_facts(c), "judgement": j} for c, j in zip(claims, judgements, strict=True)]
        emit({"study": key, "page": str(page), "seconds": round(took_s, 1), "claims": found})
        return
    console = answer()
    for claim, judgement in zip(claims, judgements, strict=True):
        colour = COLOURS[judgement.finding]
        console.print(f"\n[bold]{claim.number}. {safe(claim.says)}[/bold]  [{colour}]{judgement.finding}[/{colour}]")
        console.print(f"   {safe(judgement.words)}", soft_wrap=True)
        if judgement.estimate is not None:
            value = judgement.estimate
            interval = f"{value.value:+.3f} ({value.low:+.3f} to {value.high:+.3f})"
            console.print(
                f"   [bold]{interval}[/bold] {safe(judgement.unit)}; {judgement.trials:,} answers", soft_wrap=True
            )
    measured = sum(j.finding is not Finding.NOT_MEASURED for j in judgements)
    timing = f" in {took_s:.0f} s" if took_s else ""
    console.print(f"\n{measured} of {len(judgements)} claims measured{timing}; answers are in the store as study {key}")
    talk().print(f"The evidence: [bold]{safe(str(page))}[/bold] (open it in a browser)")
    open_ones = [j for j in judgements if j.finding in (Finding.NOT_MEASURED, Finding.UNDECIDED) and j.next_step]
    step = open_ones[0].next_step if open_ones else "sizewise run --task YOURS.jsonl --model SMALL --model LARGE"
    talk().print(f"Next: [bold]{safe(step)}[/bold]")
