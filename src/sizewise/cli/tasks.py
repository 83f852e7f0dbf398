"""`sizewise tasks`: the packs and skills there are, and items of one."""

from __future__ import annotations

import json
from typing import Any

import click

from sizewise.cli.output import answer, json_option, safe


@click.command("tasks")
@click.argument("name", required=False)
@click.option("--level", type=click.IntRange(0, 4), help="0 (the shipped ladder) to 4 (hard for the best).")
@click.option("--seed", type=int, default=0, show_default=True, help="Other seeds give other items.")
@click.option(
    "-n", "--samples", "count", type=click.IntRange(1, 10_000), default=3, show_default=True, help="How many."
)
@click.option("--kind", help="One kind of a pack's items.")
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True, help="Which side.")
@json_option
def command(
    name: str | None, level: int | None, seed: int, count: int, kind: str | None, split: str, as_json: bool
) -> None:
    """List task packs, or print some items of one.

    NAME is a pack (structured), a skill (copy) or your own JSONL or CSV file.
    """
    if name is None:
        _list(as_json)
    else:
        _items(name, level, seed, count, {"kind": kind, "split": None if split == "test" else split}, as_json)


def _packs() -> list[dict[str, Any]]:
    from sizewise.tasks.packs.catalogue import PACKS, find_pack

    found = []
    for pack in map(find_pack, PACKS):
        levels = dict(enumerate(pack.levels))
        found.append(
            {"name": pack.name, "title": pack.title, "kinds": [kind.name for kind in pack.kinds], "levels": levels}
        )
    return found


def _list(as_json: bool) -> None:
    from sizewise.tasks import skills

    packs = _packs()
    if as_json:
        click.echo(json.dumps({"packs": packs, "skills": skills.names()}, ensure_ascii=False, indent=2))
        return
    console = answer()
    for pack in packs:
        console.print(f"[bold]{pack['name']}[/bold]  {safe(pack['title'])}  ({', '.join(pack['kinds'])})")
        for level, text in pack["levels"].items():
            console.print(f"  {level}  {safe(text)}")
    console.print(f"\n[bold]skills of the shipped ladder[/bold]  {', '.join(skills.names())}", soft_wrap=True)
    console.print("\nnext: sizewise tasks structured --level 2  (some items of one)")


def _items(name: str, level: int | None, seed: int, count: int, options: dict[str, Any], as_json: bool) -> None:
    from sizewise.records import TaskRef
    from sizewise.tasks.loading import load_task

    given = {key: value for key, value in options.items() if value is not None}
    task = load_task(TaskRef(ref=name, samples=count, level=level, seed=seed, options=given))
    if as_json:
        from sizewise.store.documents import plain

        for sample in task.samples:
            click.echo(json.dumps(plain(sample), ensure_ascii=False))
        return
    console = answer()
    console.soft_wrap = True
    console.print(f"[bold]{safe(task.name)}[/bold]  {safe(task.description)}")
    for sample in task.samples:
        console.print(
            f"\n[bold]{safe(sample.id)}[/bold]" + (f"  cluster {safe(sample.cluster)}" if sample.cluster else "")
        )
        if sample.system:
            console.print(f"[dim]system:[/dim] {safe(sample.system)}")
        console.print(safe(_short(sample.prompt)))
        wanted = "(nothing: it cannot be known)" if sample.unanswerable else _wanted(sample)
        console.print(f"[dim]expected:[/dim] {safe(_short(wanted))}")
    console.print(f"\nnext: sizewise run --task {safe(name)} --model SMALL --model LARGE  (measure models on it)")


def _wanted(sample: Any) -> str:
    """Return the answer that a person would want to see: the pack's right answer, else the target."""
    answers = sample.attributes.get("answers")
    return str(answers["oracle"]) if isinstance(answers, dict) else str(sample.target)


def _short(text: str, most: int = 1500) -> str:
    return (
        text
        if len(text) <= most
        else f"{text[: most // 2]}\n... ({len(text) - most} characters) ...\n{text[-most // 2 :]}"
    )
