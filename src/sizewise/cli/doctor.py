"""`sizewise doctor`: does everything that a study needs work here?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from sizewise.cli.output import answer, emit, json_option, safe, store_option
from sizewise.errors import SizewiseError
from sizewise.units import format_bytes, format_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried."""

    what: str
    state: str
    """ok, missing (an optional part is not there) or broken."""
    detail: str
    fix: str = ""


@click.command()
@store_option
@json_option
def command(store_path: Path | None, as_json: bool) -> None:
    """Check engine, shipped models, store, sandbox, machine and servers; exit code 1 when one is broken."""
    findings = list(_findings(store_path))
    broken = [finding for finding in findings if finding.state == "broken"]
    if as_json:
        emit(findings)
    else:
        _print(findings)
        console = answer()
        step = broken[0].fix if broken else "sizewise demo"
        console.print(f"\n{len(broken)} broken. Next: [bold]{safe(step)}[/bold]")
    sys.exit(1 if broken else 0)


def _print(findings: list[Finding]) -> None:
    from rich.table import Table

    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    table = Table(box=None, padding=(0, 2), show_header=False)
    for finding in findings:
        state = f"[{colours[finding.state]}]{finding.state}[/{colours[finding.state]}]"
        detail = safe(finding.detail) + (f" [dim]({safe(finding.fix)})[/dim]" if finding.fix else "")
        table.add_row(safe(finding.what), state, detail)
    answer().print(table)


def _findings(store_path: Path | None) -> Iterator[Finding]:
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("python", _python),
        ("machine", _machine),
        ("shipped models", _ladder),
        ("engine", _engine),
        ("store", lambda: _store(store_path)),
        ("sandbox", _sandbox),
        ("servers", _servers),
    )
    for what, check in checks:
        try:
            yield check()
        except (SizewiseError, OSError, ImportError) as error:
            yield Finding(what=what, state="broken", detail=str(error), fix="pip install --force-reinstall sizewise")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    fix = "" if good else "install Python 3.11, 3.12 or 3.13"
    return Finding(what="python", state="ok" if good else "broken", detail=version, fix=fix)


def _machine() -> Finding:
    from sizewise.machines.detect import detect

    machine = detect()
    processor, *others = machine.devices
    gpus = ", ".join(device.name for device in others) or "no GPU seen"
    free = format_bytes(machine.memory_free_bytes) if machine.memory_free_bytes is not None else "unknown memory"
    detail = f"{processor.name}, {machine.cpu_cores:g} cores, {free} free, {gpus}"
    return Finding(what="machine", state="ok", detail=detail)


def _ladder() -> Finding:
    from sizewise.ladder.family import damaged, models

    wrong = damaged()
    if wrong:
        return Finding(what="shipped models", state="broken", detail=wrong[0], fix="reinstall sizewise")
    return Finding(what="shipped models", state="ok", detail=f"{len(models())} models, files match their checksums")


def _engine() -> Finding:
    from sizewise.ladder.family import base, path
    from sizewise.records import Message, Request, Settings
    from sizewise.runtimes.embedded import EmbeddedRuntime

    smallest = base()[0]
    settings = Settings(context_tokens=256, max_output_tokens=8, chat=False)

    async def ask() -> tuple[str, float]:
        runtime = EmbeddedRuntime(path(smallest.name), settings)
        info = await runtime.start()
        request = Request(messages=(Message(role="user", content="copy abc="),), settings=settings, model=smallest.name)
        completion = await runtime.generate(request)
        await runtime.close()
        if completion.error:
            raise SizewiseError(f"the engine started and did not answer: {completion.error}")
        return f"{info.name} {info.version}", info.load_s or 0.0

    name, load_s = asyncio.run(ask())
    return Finding(
        what="engine", state="ok", detail=f"{name} answers, {smallest.name} loaded in {format_seconds(load_s)}"
    )


def _store(store_path: Path | None) -> Finding:
    from sizewise.store.database import Store, default_path

    path = store_path or default_path()
    with Store(path) as store:
        count = len(store.studies())
    return Finding(what="store", state="ok", detail=f"{path}, {count} studies")


def _sandbox() -> Finding:
    from sizewise.tasks.sandbox.run import probe

    found = probe()
    detail = "; ".join(found.reasons)
    if found.kind is not None:
        return Finding(what="sandbox", state="ok", detail=detail)
    return Finding(what="sandbox", state="missing", detail=detail, fix="it is needed to run generated code only")


def _servers() -> Finding:
    from sizewise.runtimes.discovery import PORTS, find_servers

    found = asyncio.run(find_servers())
    if not found:
        ports = ", ".join(f"{name} {port}" for name, port in PORTS.items())
        return Finding(what="servers", state="missing", detail=f"none listens here on the usual ports ({ports})")
    told = "; ".join(f"{server.kind} at {server.url}: {', '.join(server.models[:5])}" for server in found)
    return Finding(what="servers", state="ok", detail=told)
