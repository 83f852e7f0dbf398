"""`sizewise report`: the HTML page of a study."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sizewise.cli.output import answer, emit, json_option, safe, store_option, talk

if TYPE_CHECKING:
    from sizewise.store.database import Store


@click.command()
@click.argument("study", required=False)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("sizewise-report.html"))
@click.option("--list", "only_list", is_flag=True, help="List the stored studies instead.")
@store_option
@json_option
def command(study: str | None, out: Path, only_list: bool, store_path: Path | None, as_json: bool) -> None:
    """Write the HTML page of STUDY (a key or a name; default: the newest) to one self-contained file."""
    from sizewise.store.database import Store, default_path

    with Store(store_path or default_path()) as store:
        if only_list:
            _list(store, as_json)
            return
        from sizewise.report.content import report_html

        key = find_study(store, study)
        out.write_text(report_html(store, key), encoding="utf-8")
        verdicts = store.verdicts(key)
    if as_json:
        emit({"study": key, "page": str(out), "verdicts": verdicts})
        return
    talk().print(f"Wrote {safe(str(out))}. Next: open it in a browser, or serve it live with `sizewise ui`.")


def find_study(store: Store, asked: str | None) -> str:
    """Return the key of the study asked for by key, name or (None) age; raise `StoreError` when there is none."""
    from sizewise.errors import StoreError

    rows = store.studies()
    if not rows:
        raise StoreError(f"no study in {store.path} yet; run `sizewise demo` or `sizewise run` first")
    if asked is None:
        return rows[0].key
    for row in rows:
        if asked in (row.key, row.name):
            return row.key
    from difflib import get_close_matches

    near = get_close_matches(asked, [name for row in rows for name in (row.key, row.name)], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`sizewise report --list` names them"
    raise StoreError(f"no study {asked!r} in {store.path}; {hint}")


def _list(store: Store, as_json: bool) -> None:
    from rich.table import Table

    rows = store.studies()
    if as_json:
        emit(rows)
        return
    table = Table(box=None, padding=(0, 2))
    for name in ("key", "name", "begun", "trials"):
        table.add_column(name, header_style="dim")
    for row in rows:
        begun = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(row.created_at))
        table.add_row(row.key, safe(row.name), begun, f"{row.trials:,}")
    answer().print(table if rows else "No study yet. Next: sizewise demo")
