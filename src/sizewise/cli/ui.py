"""`sizewise ui`: the reports, served live on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from sizewise.cli.output import safe, store_option, talk


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True)
@store_option
def command(host: str, port: int, store_path: Path | None) -> None:
    """Serve the report pages; a running study's page fills as answers come in. Ctrl-C ends it."""
    from aiohttp import web

    from sizewise.errors import SizewiseError
    from sizewise.store.database import Store, default_path
    from sizewise.web.server import make_app

    path = store_path or default_path()
    Store(path).close()
    loopback = host in ("127.0.0.1", "localhost", "::1")
    if not loopback:
        talk().print(f"[yellow]Anyone who reaches {safe(host)} can read every prompt and answer.[/yellow]")
    talk().print(f"Reports at http://{safe(host)}:{port}/ . Ctrl-C ends.")
    try:
        web.run_app(make_app(path, any_host=not loopback), host=host, port=port, print=None)
    except OSError as error:
        raise SizewiseError(
            f"cannot listen on {host}:{port}: {error.strerror}; name a free port, for example --port {port + 1}"
        ) from error
