"""`sizewise calibrate`: measure this machine once, so that every later prediction fits it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import click


@click.command(name="calibrate")
@click.option("--seconds", default=48.0, show_default=True, help="Stop taking new tensor types after this long.")
@click.option("--threads", type=int, default=None, help="Threads of the engine; default: the engine's own choice.")
@click.option("--wait", default=10.0, show_default=True, help="Wait up to this many seconds for others to be idle.")
@click.option("--show", is_flag=True, help="Print the stored calibration instead of measuring.")
@click.option("--json", "as_json", is_flag=True, help="Print the calibration as JSON.")
def command(seconds: float, threads: int | None, wait: float, show: bool, as_json: bool) -> None:
    """Measure memory, the engine's speed by tensor type, attention at depth and loading, in under a minute.

    The result is stored for this user and used by `sizewise fit`, `plan` and `run`. Close other programs first:
    readings that others disturb are taken again, and said so.
    """
    from sizewise.machines.calibration import calibrate
    from sizewise.machines.detect import detect
    from sizewise.machines.stored import save, store_path, with_calibration
    from sizewise.prediction.own_errors import with_own_errors

    machine = detect()
    if show:
        calibration = with_calibration(machine).calibration
        if calibration is None:
            raise click.ClickException(f"nothing is stored at {store_path()}; run: sizewise calibrate")
    else:
        start = time.monotonic()
        plain, checks = calibrate(
            machine,
            seconds=seconds,
            threads=threads,
            wait_s=wait,
            now=time.time(),
            say=lambda text: click.echo(text, err=True),
        )
        calibration = with_own_errors(plain, checks, machine)
        path = save(calibration, machine)
        click.echo(f"measured in {time.monotonic() - start:.0f} s, stored at {path}", err=True)
    if as_json:
        click.echo(json.dumps(asdict(calibration), indent=1))
        return
    _print(asdict(calibration))


def _print(calibration: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{calibration['engine']}, {calibration['threads']} threads")
    for heading in ("tensor type", "decode GB/s", "prompt GMAC/s"):
        table.add_column(heading, justify="left" if heading == "tensor type" else "right")
    for kind, rate in calibration["decode_bytes_per_s"].items():
        table.add_row(kind, f"{rate / 1e9:.1f}", f"{calibration['prefill_macs_per_s'][kind] / 1e9:.1f}")
    console = Console()
    console.print(table)
    console.print(
        f"memory {calibration['bandwidth_bytes_per_s'] / 1e9:.1f} GB/s; "
        f"{calibration['token_overhead_s'] * 1e3:.2f} ms a token and "
        f"{calibration['layer_overhead_s'] * 1e6:.0f} µs a layer besides"
    )
    for quantity, half in calibration["residual"].items():
        factor = calibration["correction"].get(quantity, 1.0)
        console.print(f"{quantity}: corrected by {factor - 1:+.0%}, 90 % of cases within a factor of {1 + half:.2f}")
    for line in calibration["rejected"]:
        click.echo(f"note: {line}", err=True)
    click.echo("next: sizewise fit", err=True)
