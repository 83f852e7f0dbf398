"""The report pages over HTTP, on this machine: a list of studies, and each study's page as it stands now."""

from __future__ import annotations

from html import escape
from pathlib import Path

from aiohttp import web

from sizewise.errors import StoreError
from sizewise.report.content import report_html
from sizewise.report.visible import visible
from sizewise.store.database import Store

REFRESH_S = 5
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>sizewise</title>'
    "<style>:root{color-scheme:light dark}body{font:16px/1.6 system-ui;max-width:720px;margin:40px auto}</style>"
)
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def make_app(store_path: Path, *, any_host: bool = False) -> web.Application:
    """Return the web application over a store.

    Unless `any_host`, requests whose Host header is not this machine's own name are refused, so that a page on the
    web cannot read the reports by pointing its own name here.
    """

    @web.middleware
    async def guard(request: web.Request, handler: object) -> web.StreamResponse:
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        if not any_host and host not in _LOOPBACK:
            return web.Response(status=403, text=f"this server answers on loopback names only, not {host!r}\n")
        response: web.StreamResponse = await handler(request)  # type: ignore[operator]
        response.headers.update(_HEADERS)
        return response

    async def index(_: web.Request) -> web.Response:
        with Store(store_path) as store:
            rows = "".join(
                f'<li><a href="/study/{escape(row.key)}">{escape(visible(row.name))}</a> ({row.trials:,} answers)</li>'
                for row in store.studies()
            )
        body = rows or "<li>No study yet. Start one with <code>sizewise demo</code>.</li>"
        page = f"{_HEAD}<h1>Studies</h1><ul>{body}</ul></html>"
        return web.Response(text=page, content_type="text/html")

    async def study(request: web.Request) -> web.Response:
        with Store(store_path) as store:
            try:
                page = report_html(store, request.match_info["key"])
            except StoreError as error:
                return web.Response(status=404, text=f"{error}\n")
        return web.Response(text=page, content_type="text/html", headers={"Refresh": str(REFRESH_S)})

    app = web.Application(middlewares=[guard])
    app.router.add_get("/", index)
    app.router.add_get("/study/{key}", study)
    return app
