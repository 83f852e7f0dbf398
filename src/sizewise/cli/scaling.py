"""`sizewise scaling`: what scaling laws say, where they disagree, and fits of your own runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sizewise.cli.output import json_option

if TYPE_CHECKING:
    from sizewise.records import Plot
    from sizewise.scaling.answers import Basis

_COUNT = "a number such as 7B, 1.4T or 1e21"


def _count(_: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a count; a usage error names the flag."""
    from sizewise.errors import ConfigError
    from sizewise.units import parse_count

    if value is None:
        return None
    try:
        return float(value) if _plain(value) else parse_count(value)
    except ConfigError as error:
        raise click.BadParameter(f"{value!r} is not {_COUNT}", param=parameter) from error


def _plain(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_plot = click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Also draw the picture into this SVG file."
)
_basis = click.option(
    "--runs",
    "runs_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Answer with a fit of your own runs (CSV) instead of the published law.",
)


@click.group("scaling", no_args_is_help=True)
def command() -> None:
    """What scaling laws say, with ranges, sources, and where they disagree.

    \b
    sizewise scaling optimal --flops 1e21
    sizewise scaling serving --params 13B --served 2T
    sizewise scaling trained Meta-Llama-3-8B
    sizewise scaling fit runs.csv --plots pictures --page fit.html
    """


@command.command()
@click.option("--flops", required=True, callback=_count, help="Training compute in FLOP.")
@_basis
@_plot
@json_option
def optimal(flops: float, runs_file: Path | None, plot: Path | None, as_json: bool) -> None:
    """Size and tokens of least loss for a training budget."""
    from sizewise.cli.scaling_output import show
    from sizewise.scaling import curves, questions
    from sizewise.scaling.answers import default_basis

    basis = _own(runs_file)
    show(questions.optimal(flops, basis), as_json)
    _draw(plot, curves.frontier(basis or default_basis()) if plot else None)


@command.command()
@click.option("--served", required=True, callback=_count, help="Tokens served over the model's life.")
@click.option("--params", callback=_count, help="Size whose quality is wanted.")
@click.option("--tokens", callback=_count, help="Its training tokens  [default: compute-optimal]")
@click.option("--flops", callback=_count, help="Or: the quality of the optimum for this compute.")
@click.option("--small", callback=_count, help="Also the break-even volume of this smaller size.")
@_basis
@json_option
def serving(
    served: float, params: float | None, tokens: float | None, flops: float | None, small: float | None,
    runs_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Size of least lifetime compute, training and serving together."""
    from sizewise.cli.scaling_output import show
    from sizewise.scaling.serving import serving as ask

    show(ask(served, n=params, tokens=tokens, flops=flops, small=small, basis=_own(runs_file)), as_json)


@command.command()
@click.argument("model", required=False)
@click.option("--params", callback=_count, help="Active parameters, where MODEL is not given.")
@click.option("--tokens", callback=_count, help="Training tokens.")
@click.option("--total", callback=_count, help="Total parameters of a mixture of experts.")
@_basis
@json_option
def trained(
    model: str | None, params: float | None, tokens: float | None, total: float | None, runs_file: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Is a model under- or over-trained?"""
    from sizewise.cli.scaling_output import show
    from sizewise.data.scaling import find_training
    from sizewise.scaling.questions import trained as ask

    if model is not None:
        known = find_training(model)
        params, tokens, total = params or known.active, tokens or known.tokens, total or known.total
    if params is None or tokens is None:
        raise click.UsageError(
            "expected a model's name, or --params and --tokens. Try: sizewise scaling trained --help"
        )
    show(ask(params, tokens, total, _own(runs_file)), as_json)


@command.command("what-if")
@click.option("--params", required=True, callback=_count, help="Parameters now.")
@click.option("--tokens", required=True, callback=_count, help="Training tokens now.")
@_basis
@json_option
def what_if(params: float, tokens: float, runs_file: Path | None, as_json: bool) -> None:
    """What twice the parameters, data or compute would buy."""
    from sizewise.cli.scaling_output import show
    from sizewise.scaling.questions import what_if as ask

    show(ask(params, tokens, _own(runs_file)), as_json)


@command.command()
@click.option("--ratio", type=click.FloatRange(0, min_open=True), required=True, help="Size over the optimal size.")
@json_option
def overhead(ratio: float, as_json: bool) -> None:
    """What training off the optimal size costs."""
    from sizewise.cli.scaling_output import show
    from sizewise.scaling.questions import overhead as ask

    show(ask(ratio), as_json)


@command.command()
@click.option("--unique", required=True, callback=_count, help="Distinct tokens.")
@click.option("--epochs", type=click.FloatRange(1), required=True, help="Passes over them.")
@json_option
def repeat(unique: float, epochs: float, as_json: bool) -> None:
    """What passes over the same data are worth."""
    from sizewise.cli.scaling_output import show
    from sizewise.scaling.questions import repeated

    show(repeated(unique, epochs), as_json)


@command.command()
@click.option("--total", required=True, callback=_count, help="Total parameters.")
@click.option("--active", required=True, callback=_count, help="Parameters that one token uses.")
@click.option("--task", help="mmlu_pro, gpqa, livecodebench, ifeval, ...  [default: all evidence]")
@click.option("--tokens", callback=_count, help="Training tokens: a law of fine-grained experts speaks too.")
@json_option
def experts(total: float, active: float, task: str | None, tokens: float | None, as_json: bool) -> None:
    """The dense size that a mixture of experts equals, as an interval."""
    from sizewise.cli.scaling_output import show
    from sizewise.scaling.mixture import dense_equivalent

    show(dense_equivalent(total, active, task, tokens), as_json)


@command.command()
@click.option("--bits", type=click.FloatRange(0, min_open=True), required=True, help="Average bits per weight.")
@click.option("--tokens-per-parameter", type=click.FloatRange(0, min_open=True), help="Of the model's training.")
@json_option
def quantization(bits: float, tokens_per_parameter: float | None, as_json: bool) -> None:
    """Expected harm of a quantization, as a range."""
    from sizewise.cli.scaling_output import show
    from sizewise.data.scaling import quant_points
    from sizewise.scaling.compression import quantization_harm

    show(quantization_harm(bits, quant_points(), tokens_per_parameter), as_json)


@command.command()
@click.argument("kind", type=click.Choice(["distillation", "pruning"]))
@json_option
def evidence(kind: str, as_json: bool) -> None:
    """What is published on pruning and distillation, and what would tell here."""
    from sizewise.cli.scaling_output import show
    from sizewise.data.scaling import published_cases
    from sizewise.scaling.compression import evidence_on

    show(evidence_on(kind, published_cases()), as_json)


@command.command()
@click.option("--ratio", type=float, default=2.0, show_default=True, help="How many times larger.")
@click.option("--task", help="MMLU, HellaSwag, GSM8K, ...  [default: each]")
@click.option("--same-family", is_flag=True, help="The next size of one family instead of another family.")
@json_option
def prior(ratio: float, task: str | None, same_family: bool, as_json: bool) -> None:
    """How often the bigger public model won: is it worth measuring?"""
    from sizewise.cli.scaling_output import show
    from sizewise.data.scaling import family_scores
    from sizewise.scaling.public import prior as ask

    show(ask(family_scores(), ratio, task, same_family), as_json)


@command.command()
@json_option
def laws(as_json: bool) -> None:
    """The published laws: constants, units, range, source, status."""
    from sizewise.cli.scaling_output import show_laws

    show_laws(as_json)


@command.command()
@click.argument("runs_csv", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--run-column", help="Column that says which rows are checkpoints of one run.")
@click.option("--size-column", help="Column of the parameters, where there are several.")
@click.option(
    "--delta", type=click.FloatRange(0, min_open=True), default=1e-3, show_default=True, help="Huber threshold."
)
@click.option("--refits", type=click.IntRange(100, 20000), default=1000, show_default=True, help="Reweighted refits.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write loss.svg, isoflop.svg, frontier.svg and residuals.svg into this folder.",
)
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write one HTML page with pictures.")
@json_option
def fit(
    runs_csv: Path, run_column: str | None, size_column: str | None, delta: float, refits: int, seed: int,
    plots: Path | None, page: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Fit L = E + A/N^alpha + B/D^beta to your runs (CSV: parameters, tokens or flops, loss)."""
    from sizewise.cli import scaling_page
    from sizewise.cli.output import talk
    from sizewise.cli.scaling_output import show_fit
    from sizewise.errors import NotIdentifiable
    from sizewise.scaling import holdout
    from sizewise.scaling.fitting import fit_runs
    from sizewise.scaling.runs import parse_runs

    runs = parse_runs(_text(runs_csv), runs_csv.name, run_column, size_column)
    found = fit_runs(runs, delta=delta, refits=refits, seed=seed)
    try:
        held = holdout.hold_out(runs, delta=delta, seed=seed)
    except NotIdentifiable:
        held = []
    variants = holdout.sensitivity(runs, delta=delta)
    show_fit(found, held, variants, as_json)
    if plots is not None:
        for path in scaling_page.write_pictures(found, held, plots):
            talk().print(f"A picture: {path}")
    if page is not None:
        page.write_text(scaling_page.fit_html(found, held, variants), encoding="utf-8")
        talk().print(f"The page: {page}")


def _own(path: Path | None) -> Basis | None:
    """Return the fit of the user's runs as the law to answer with; None without a file."""
    if path is None:
        return None
    from sizewise.scaling.answers import basis_of
    from sizewise.scaling.fitting import fit_runs
    from sizewise.scaling.runs import parse_runs

    return basis_of(fit_runs(parse_runs(_text(path), path.name)))


def _text(path: Path) -> str:
    from sizewise.errors import DataError

    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 at byte {error.start}; expected a CSV in UTF-8. Save it as such."
        ) from error


def _draw(path: Path | None, plot: Plot | None) -> None:
    if path is None or plot is None:
        return
    from sizewise.cli.output import talk
    from sizewise.report.charts import draw

    path.write_text(draw(plot, standalone=True), encoding="utf-8")
    talk().print(f"The picture: {path}")
