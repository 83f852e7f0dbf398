"""The served pages, over real HTTP on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from sizewise.records import Candidate, Study, TaskRef
from sizewise.store.database import Store
from sizewise.web.server import make_app


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    path = tmp_path / "store.sqlite"
    study = Study(name="a <b> study", tasks=(TaskRef(ref="t"),), candidates=(Candidate(name="c", model="m"),))
    with Store(path) as store:
        store.add_study("abc", study)
    async with TestServer(make_app(path)) as server:
        yield str(server.make_url("/"))


async def get(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.text(), dict(response.headers)


async def test_the_index_lists_studies_as_text(url: str) -> None:
    status, text, _ = await get(url)
    assert status == 200
    assert '<a href="/study/abc">a &lt;b&gt; study</a>' in text


async def test_a_study_page_refreshes_itself_and_allows_no_script(url: str) -> None:
    status, text, headers = await get(f"{url}study/abc")
    assert status == 200
    assert "No verdict yet." in text
    assert headers["Refresh"] == "5"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_an_unknown_study_is_named(url: str) -> None:
    status, text, _ = await get(f"{url}study/nope")
    assert status == 404
    assert "'nope'" in text


async def test_another_name_for_this_machine_is_refused(url: str) -> None:
    status, text, _ = await get(url, Host="evil.example")
    assert status == 403
    assert "evil.example" in text
