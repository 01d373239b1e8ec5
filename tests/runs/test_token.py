"""The token goes to the API and nowhere else. `conftest.py` looks through what every test here leaves behind."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from aiohttp import web

from reelhouse.bootstrap import collector
from reelhouse.errors import DeniedError
from reelhouse.storage.folder import FolderStorage
from tests.runs.commands import Reelhouse
from tests.runs.lakes import TOKEN, collect, small
from tests.runs.tiny import Tiny
from tests.serving import html, verdict


def test_the_export_host_is_never_shown_it(tiny: Tiny, tmp_path: Path) -> None:
    bearers: set[str] = set()

    def look(request: web.BaseRequest) -> None:
        bearers.add(request.headers["Authorization"])

    tiny.instead = look
    collect(FolderStorage(tmp_path / "lake"), small(tiny))
    collect(FolderStorage(tmp_path / "lake"), small(tiny, append=["credits"]))
    assert bearers == {f"Bearer {TOKEN}"}
    assert tiny.listings["export"] >= 2
    assert tiny.unasked_tokens == 0


def test_no_redirect_is_followed_with_it(tiny: Tiny, tmp_path: Path) -> None:
    tiny.instead = lambda request: html(302, Location=f"{tiny.url}/p/exports/stolen")
    result = collect(FolderStorage(tmp_path / "lake"), small(tiny, outage_minutes=0.002))
    assert result.pending == 30
    assert tiny.unasked_tokens == 0


def test_it_is_in_no_log_however_talkative(
    tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture, reelhouse: Reelhouse
) -> None:
    caplog.set_level(logging.DEBUG)
    collect(FolderStorage(tmp_path / "lake"), small(tiny))
    tiny.instead = lambda request: verdict(401, 7)
    with pytest.raises(DeniedError) as refused:
        collect(FolderStorage(tmp_path / "lake"), small(tiny))
    assert TOKEN not in caplog.text + repr(refused.value) + repr(collector.run_options(small(tiny))) + repr(small(tiny))
    tiny.instead = lambda request: verdict(403, 7, f"not with Authorization: Bearer {TOKEN}")
    with pytest.raises(DeniedError, match=r"Bearer \*\*\*"):
        collect(FolderStorage(tmp_path / "lake"), small(tiny))
    tiny.instead = lambda request: verdict(401, 7)
    # `Reelhouse` looks through what the command says.
    code, _, stderr = reelhouse("collect", "--json", REELHOUSE_LAKE=str(tmp_path / "another"))
    assert code == 2
    assert "refuses the token" in stderr
