"""`sizewise ladder`: list, verify, train, quantize and merge the shipped family of small real models."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.group()
def command() -> None:
    """The shipped family of small real models: list, verify, train, quantize, merge."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest's rows as JSON on stdout.")
def list_models(as_json: bool) -> None:
    """Print every shipped model: size, kind, quantization, training, scores."""
    from sizewise.ladder import family

    found = family.models()
    if as_json:
        click.echo(json.dumps([asdict(model) for model in found], indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="The ladder",
        box=None,
        pad_edge=False,
        caption="score: mean over all skills, held-out items, greedy, measured in training; F16 files only",
    )
    for heading in ("name", "kind", "format", "parameters", "kB", "tokens", "score"):
        left = heading in ("name", "kind", "format")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for model in found:
        score = f"{sum(model.scores.values()) / len(model.scores):.3f}" if model.scores else ""
        size = f"{model.bytes / 1000:.0f}"
        tokens = f"{model.training_tokens / 1e6:.1f} M"
        table.add_row(model.name, model.kind, model.quantization, f"{model.parameters:,}", size, tokens, score)
    Console().print(table)
    small, large = (family.base()[i].name for i in (0, -1))
    click.echo(f"Next: sizewise run --model {small} --model {large} --task skill:copy", err=True)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print what is wrong as a JSON list on stdout.")
def verify(as_json: bool) -> None:
    """Check that every shipped file is there and unchanged."""
    from sizewise.errors import ModelError
    from sizewise.ladder import family

    wrong = family.damaged()
    if as_json:
        click.echo(json.dumps(wrong))
    if wrong:
        raise ModelError("; ".join(wrong))
    if not as_json:
        click.echo(f"{len(family.models())} files are as they were made.")
        click.echo("Next: sizewise ladder list", err=True)


@command.command()
@click.option(
    "--all", "everything", is_flag=True, help="Every member, variants and seeds included, and the compute grid."
)
@click.option("--only", multiple=True, metavar="NAME", help="Train one member; may be repeated.")
@click.option("--grid", is_flag=True, help="Only the compute grid: tiny sizes at three budgets, into isoflop.csv.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("ladder"), show_default=True, help="Folder.")
@click.option("--threads", type=int, default=1, show_default=True, help="CPU threads.")
def train(everything: bool, only: tuple[str, ...], grid: bool, out: Path, threads: int) -> None:
    """Train members anew (extra: pip install 'sizewise[ladder]'); without options the plain sizes.

    Stopped runs continue from their checkpoints under OUT/checkpoints.
    """
    from sizewise.errors import ConfigError
    from sizewise.ladder import recipe

    try:
        from sizewise.ladder import building, isoflop
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"training needs torch, and {missing.name!r} is not installed; run: pip install 'sizewise[ladder]'"
        ) from missing
    chosen = [recipe.find(name) for name in only] or list(recipe.ALL if everything else recipe.BASE)

    def progress(line: str) -> None:
        click.echo(line, err=True)

    out.mkdir(parents=True, exist_ok=True)
    if only or not grid:
        building.build_all(chosen, out, threads, progress)
    if grid or (everything and not only):
        isoflop.train_grid(out / "isoflop.csv", 1, threads, progress)
    click.echo(f"Next: compare {out / 'manifest.json'} with `sizewise ladder list --json`", err=True)


@command.command()
@click.argument("name")
@click.option(
    "--format", "formats", multiple=True, metavar="FORMAT", help="Q8_0, Q4_K, Q2_K, ...; default: those of its recipe."
)
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True,
    help="Folder with the member's F16 file and a manifest; the new files go there.",
)  # fmt: skip
def quantize(name: str, formats: tuple[str, ...], folder: Path) -> None:
    """Add quantizations to a finished member without training again."""
    from sizewise.ladder import recipe, shipping

    wanted = tuple(format_.upper() for format_ in formats) or recipe.find(name).quantizations
    rows = shipping.add_quantizations(name, wanted, folder)
    for row in rows:
        click.echo(f"{row.name}: {row.quantization}, {row.bytes:,} bytes")
    if not rows:
        click.echo(f"{name} has them all.")
    click.echo(f"Next: sizewise run --model {folder / (name + '.gguf')} --task skill:copy", err=True)


@command.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the family to add to."
)
@click.option("--only", multiple=True, metavar="NAME", help="Look at this member alone; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print what was taken and refused as JSON on stdout.")
def merge(source: Path, into: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Copy finished members that are what their recipes say into a family's folder.

    Exit code 1 when a member was refused; the others are copied all the same.
    """
    from sizewise.errors import ModelError
    from sizewise.ladder import shipping

    done = shipping.merge(source, into, only)
    if as_json:
        click.echo(json.dumps(asdict(done)))
    else:
        for name in done.taken:
            click.echo(f"{name}: taken")
        click.echo(f"{len(done.taken)} taken, {len(done.same)} there already, {done.total_bytes:,} bytes in all")
    if done.refused:
        raise ModelError("; ".join(done.refused))
    if not as_json:
        click.echo("Next: sizewise ladder list", err=True)
