"""Every way to a build passes on what the settings say of quotes in a person's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reelhouse.bootstrap import purging
from reelhouse.bootstrap.storage import lake_of, load_settings
from reelhouse.engines import session
from reelhouse.raw.keys import plan_key
from reelhouse.spark import job
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse import run
from reelhouse.warehouse.run import BuildResult


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What builds of a lake of the course's layout, in which quotes are text, are asked for; none is made."""
    calls: list[dict[str, Any]] = []

    def build(*given: Any, **options: Any) -> BuildResult:
        calls.append(options)
        return BuildResult(done=True, build=1, rows={})

    monkeypatch.setattr(run, "build", build)
    monkeypatch.setattr(session, "adopted_by", lambda *given: None)
    monkeypatch.setattr(session, "session_of", lambda *given: None)
    FolderStorage(tmp_path).put(plan_key("movie", 1), b"{}")
    lake = {"LAKE": str(tmp_path), "LAYOUT": "course", "COURSE_QUOTES": "no"}
    for name, value in lake.items():
        monkeypatch.setenv(f"REELHOUSE_{name}", value)
    return calls


def test_a_spark_job_reads_quotes_as_the_settings_say(asked: list[dict[str, Any]]) -> None:
    job.build(None, [])  # type: ignore[arg-type]
    assert [(one["course"], one.get("course_quotes")) for one in asked] == [(True, False)]


def test_a_build_after_a_purge_reads_quotes_as_the_settings_say(asked: list[dict[str, Any]]) -> None:
    settings = load_settings({})
    assert purging._rebuild(lake_of(settings), settings, lambda name: None).done
    assert [(one["course"], one.get("course_quotes")) for one in asked] == [(True, False)]
