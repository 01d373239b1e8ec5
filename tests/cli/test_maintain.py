"""The command `reelhouse maintain`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from reelhouse.cli.main import main
from reelhouse.delta.delta_rs import write_delta
from reelhouse.errors import pip_install
from reelhouse.maintenance import run
from reelhouse.warehouse.import_registry import Import, imported, pin_import
from tests.warehouse.landing import LakeInTheMaking, a_movie


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeInTheMaking:
    """Answers of today, and a table of a person's own in three files."""
    monkeypatch.setattr(run, "_MANY", 2)
    found = LakeInTheMaking(tmp_path / "lake")
    found.land(a_movie(1), at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    for version in range(3):
        rows = pa.table({"id": [version]}).to_reader()
        write_delta(found.storage, "imports/own", rows, mode="append" if version else "overwrite", user={})
    pin_import(found.storage, "own", Import("imports", 2, 3, "", "", columns=[], sources=[], imported_at=""), None)
    found.storage.put("tables/movie/left.parquet", b"just written")
    return found


def _typed(lake: LakeInTheMaking, *options: str) -> Result:
    return CliRunner().invoke(main, ["--lake", str(lake.root), "maintain", *options], catch_exceptions=False)


def test_a_dry_run_shows_what_is_then_done(lake: LakeInTheMaking) -> None:
    tried = _typed(lake, "--dry-run", "--json")
    assert tried.exit_code == 0
    foreseen = json.loads(tried.stdout)
    assert imported(lake.storage)["own"].version == 2
    done = json.loads(_typed(lake, "--json").stdout)
    assert {**foreseen, "dry_run": False} == done
    assert [(one["folder"], one["files"]) for one in done["rewritten"]] == [("imports/own", 3)]
    assert (done["keep_days"], done["removed"], done["done"]) == (
        7,
        {"files": 0, "bytes": 0, "logs": 0, "old_versions": 0},
        True,
    )
    assert imported(lake.storage)["own"].version == 3


def test_without_json_tables_show_what_was_done(lake: LakeInTheMaking) -> None:
    shown = _typed(lake, "--dry-run").stdout
    assert "Would be rewritten" in shown
    assert "imports/own" in shown
    assert "Maintenance that is due" in shown
    done = _typed(lake)
    assert done.exit_code == 0
    assert "Maintenance is done" in done.stdout
    assert "Rewritten" not in _typed(lake).stdout


def test_answers_older_than_the_terms_allow_are_named_with_their_purge(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(2), a_movie(3), export=[2, 3], day="2020-01-01", at="2020-01-01T08:00:00Z")
    done = _typed(lake)
    assert done.exit_code == 1
    assert "2 answers and 1 exports are older than TMDB's terms allow: run `reelhouse purge --older-than 180d`" in (
        done.stderr
    )
    found = json.loads(_typed(lake, "--json").stdout)
    assert (found["too_old"], found["done"]) == ({"answers": 2, "exports": 1}, False)
    # Only a purge takes them.
    assert len(list(lake.storage.keys("raw/movie/"))) == 2


def test_a_table_that_was_left_alone_sets_the_exit_code(lake: LakeInTheMaking) -> None:
    lake.storage.delete("imports/own/_delta_log/00000000000000000002.json")
    done = _typed(lake)
    assert done.exit_code == 1
    assert "imports/own has lost version 2, which readers see" in done.stderr


def test_a_locked_lake_is_left_alone(lake: LakeInTheMaking) -> None:
    with lake.storage.lock():
        assert _typed(lake).exit_code == 1
        assert _typed(lake, "--dry-run").exit_code == 0
    assert imported(lake.storage)["own"].version == 2


def test_less_than_a_day_is_refused_because_of_active_writers(lake: LakeInTheMaking) -> None:
    assert _typed(lake, "--keep-days", "0").exit_code == 2
    assert _typed(lake, "--keep-days", "1").exit_code == 0


def test_without_delta_rs_the_extra_is_named(lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    done = _typed(lake)
    assert done.exit_code == 2
    assert pip_install("lake") in done.stderr
