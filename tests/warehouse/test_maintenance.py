"""Maintenance: fewer objects, and every reader reads what it read before."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reelhouse.bootstrap import maintaining
from reelhouse.delta.delta_rs import put_checkpoint, read_delta, write_delta
from reelhouse.delta.log import latest_version, log_key, put_commit, read_commit
from reelhouse.errors import LakeError
from reelhouse.maintenance import compaction, run
from reelhouse.maintenance.folders import look
from reelhouse.maintenance.run import MaintenanceResult, Removal
from reelhouse.raw.json_objects import decode
from reelhouse.raw.keys import MANIFEST, staging_folder
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.import_registry import Import, drop_import, imported, pin_import
from reelhouse.warehouse.manifest import BuildManifest, copy_key
from reelhouse.warehouse.purged_tables import leftovers
from reelhouse.warehouse.verify import check_tables
from tests import s3servers
from tests.runs.dying import KilledError, Stepping, dies_at
from tests.warehouse.few import FEW
from tests.warehouse.landing import LakeInTheMaking, Row, a_movie, filtered, gone, quarantined

STAGING = staging_folder("movie")

WEEK = timedelta(days=7)
POPULARITY = "tables/popularity_daily"

_FIELDS: dict[str, Any] = {
    "genres": [{"id": 18, "name": "Drama"}],
    "credits": {"cast": [{"id": 7, "name": "A", "credit_id": "c", "order": 0}], "crew": []},
    # Read again in Python, so that staging holds the answer twice.
    "release_date": "2020-13-02",
}


def _day(lake: LakeInTheMaking) -> None:
    """One more day: one title is new, one is asked again, and one of everything that can be said of others."""
    number = lake.runs + 1
    lake.land(
        a_movie(number, **_FIELDS),
        a_movie(100, **_FIELDS, budget=number),
        filtered(200),
        gone(300 + number),
        quarantined(100 + number),
        quarantined(None, key=f"tt{number}"),
        export=[*range(1, number + 1), 100],
        day=f"2026-11-{number:02}",
    )


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    lake = LakeInTheMaking(tmp_path_factory.mktemp("maintenance") / "lake", registry=FEW)
    for _ in range(3):
        _day(lake)
        lake.build()
    return lake


def _copied(lake: LakeInTheMaking, root: Path) -> LakeInTheMaking:
    shutil.copytree(lake.root, root)
    return LakeInTheMaking(root, lake.runs, lake.chunks, registry=FEW)


@pytest.fixture
def lake(three_days: LakeInTheMaking, tmp_path: Path) -> LakeInTheMaking:
    """Its own copy of three days with a build each."""
    return _copied(three_days, tmp_path / "lake")


@pytest.fixture
def rows(three_days: LakeInTheMaking) -> dict[str, list[Row]]:
    return three_days.everything()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files are many, and two commits a long log."""
    monkeypatch.setattr(run, "_MANY", 2)
    monkeypatch.setattr(run, "_COMMITS", 2)


def _maintain(storage: Storage, *, after: timedelta = timedelta(0), **options: Any) -> MaintenanceResult:
    return run.maintain(storage, datetime.now(UTC) + after, WEEK, **options)


def _older(root: Path, by: timedelta) -> None:
    """Time goes by: everything that lies there is so much older."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_mtime - by.total_seconds(),) * 2)


def _files(root: Path) -> list[str]:
    """Data files and logs of all tables."""
    zones = (root / zone for zone in ("_reelhouse/staging", "tables", "marts", "imports"))
    return sorted(path.relative_to(root).as_posix() for zone in zones for path in zone.rglob("*") if path.is_file())


def test_files_of_a_running_build_stay_where_the_clock_is_ahead(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=30)

    written = f"tables/movie/{'0' * 16}-00000000/part-0.parquet"
    lake.storage.put(written, b"a build has not committed it yet")
    before = _files(lake.root)
    monkeypatch.setattr(maintaining, "datetime", Ahead)
    done = maintaining.maintain(lake.storage, lambda name: None, keep_days=7, dry_run=False)
    assert done.maintenance.removed == Removal()
    assert written in _files(lake.root)
    assert set(before) <= set(_files(lake.root))


@pytest.mark.long
def test_a_young_lake_needs_nothing_but_to_lose_what_newer_answers_replaced(
    lake: LakeInTheMaking, rows: dict[str, list[Row]]
) -> None:
    before = _files(lake.root)
    staging = f"{STAGING}/"
    done = _maintain(lake.storage)
    # Of three answers to 100 one is left, and of all that were read twice.
    assert [(one.folder, one.superseded > 2) for one in done.rewritten] == [(STAGING, True)]
    assert done._replace(rewritten=[]) == MaintenanceResult([], [], Removal(), [])
    assert [name for name in _files(lake.root) if not name.startswith(staging)] == [
        name for name in before if not name.startswith(staging)
    ]
    assert _maintain(lake.storage) == MaintenanceResult([], [], Removal(), [])
    assert lake.everything() == rows
    assert check_tables(lake.storage) == []


@pytest.mark.usefixtures("eager")
def test_what_is_foreseen_is_done_and_nothing_is_changed_by_looking(lake: LakeInTheMaking) -> None:
    later = datetime.now(UTC) + 2 * WEEK
    before = _files(lake.root)
    foreseen = run.preview(lake.storage, later, WEEK)
    assert _files(lake.root) == before
    assert {one.folder for one in foreseen.rewritten} == {POPULARITY, STAGING}
    assert run.maintain(lake.storage, later, WEEK) == foreseen
    assert foreseen.removed.files >= len(FEW.names)


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_builds_go_on_as_if_nothing_had_been_kept_up(lake: LakeInTheMaking, rows: dict[str, list[Row]]) -> None:
    done = _maintain(lake.storage)
    assert [(one.folder, one.files) for one in done.rewritten if one.folder == POPULARITY] == [(POPULARITY, 3)]
    assert len(done.checkpoints) > len(FEW.names)
    pinned = lake.current
    assert (pinned.inputs.stream("movie").staging, pinned.tables["popularity_daily"].version) == (
        read_commit(lake.storage, STAGING, pinned.inputs.stream("movie").staging or 0).user["rewrites"] + 1,
        read_commit(lake.storage, POPULARITY, pinned.tables["popularity_daily"].version).user["rewrites"] + 1,
    )
    # Much later, so that everything of before goes, and twice, so that logs go up to the checkpoints.
    for _ in range(2):
        _older(lake.root, 2 * WEEK)
        _maintain(lake.storage)
    assert len([path for path in (lake.root / POPULARITY).glob("*/*.parquet") if path.parent.name != "_delta_log"]) == 1
    assert lake.everything() == rows
    assert not lake.build().done
    _day(lake)
    assert "movie" in lake.build().rebuilt
    assert check_tables(lake.storage) == []
    step_by_step = lake.everything()
    lake.build(full=True)
    assert lake.everything() == step_by_step != rows


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_who_began_to_read_within_the_week_reads_on(
    lake: LakeInTheMaking, three_days: LakeInTheMaking, rows: dict[str, list[Row]]
) -> None:
    pinned = lake.storage.get(MANIFEST)
    # Old files, of versions that were current until just now.
    _older(lake.root, 2 * WEEK)
    _maintain(lake.storage)
    # A build, which sweeps away what the build before the last one read.
    _day(lake)
    lake.build()
    _older(lake.root, WEEK / 2)
    _maintain(lake.storage)
    newest = lake.storage.get(MANIFEST)
    lake.storage.put(MANIFEST, pinned)
    assert lake.everything() == rows
    assert ["an older one is back" in problem for problem in check_tables(lake.storage)] == [True]
    lake.storage.put(MANIFEST, newest)
    assert check_tables(lake.storage) == []
    # And who is shown the newest version of everything reads what is pinned.
    for name, pin in lake.current.tables.items():
        assert read_delta(lake.storage, f"{pin.zone}/{name}", pin.version).read_all().num_rows == pin.rows


@pytest.mark.long
def test_what_was_rewritten_whole_still_shows_each_title_once(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path / "lake", registry=FEW)
    for budget in (1, 2):
        lake.land(*(a_movie(number, budget=budget, release_date="2020-13-02") for number in (1, 2)))
        lake.build()
    newest = read_commit(lake.storage, STAGING, latest_version(lake.storage, STAGING) or 0)
    assert newest.user["outcomes"] == lake.current.tables["movie"].rows == 2
    compaction.rewrite(lake.storage, STAGING, newest, 8, compaction.staging_notes(lake.current.inputs.stream("movie")))
    lake.land(a_movie(3, budget=2))
    lake.build()
    assert sorted(lake.values("movie", "movie_id", "budget")) == [(1, 2), (2, 2), (3, 2)]


def test_files_of_a_killed_build_go_when_they_are_old(lake: LakeInTheMaking, rows: dict[str, list[Row]]) -> None:
    left = [
        "tables/movie/part-left.parquet",
        "_reelhouse/staging/movie/part-left.parquet",
        "imports/own/part.parquet",
    ]
    for name in left:
        lake.storage.put(name, b"left behind")
    assert _maintain(lake.storage, after=timedelta(days=6)).removed.files == 0
    done = _maintain(lake.storage, after=timedelta(days=8))
    assert not {*left} & {*_files(lake.root)}
    assert done.removed.bytes >= 33
    assert lake.everything() == rows
    # Nothing of raw or of runs is any of its business.
    assert len(list(lake.storage.keys("raw/"))) == 6


@pytest.mark.long
def test_a_version_that_only_a_pin_needs_stays_however_old_it_is(
    lake: LakeInTheMaking, rows: dict[str, list[Row]]
) -> None:
    """A build that was killed before it pinned left newer versions; readers are still shown those of before."""
    pinned = lake.storage.get(MANIFEST)
    _day(lake)
    lake.build()
    lake.storage.put(MANIFEST, pinned)
    lake.storage.delete(copy_key(decode(MANIFEST, pinned, BuildManifest).build + 1))
    _older(lake.root, 10 * WEEK)
    done = _maintain(lake.storage)
    assert done.rewritten == []
    assert lake.everything() == rows
    assert check_tables(lake.storage) == []


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_a_maintenance_that_is_killed_at_any_instant_is_completed_by_the_next(
    three_days: LakeInTheMaking, tmp_path: Path, rows: dict[str, list[Row]]
) -> None:
    lake = _copied(three_days, tmp_path / "old")
    # Once, so that there is what may go; what is due comes on top of it.
    _maintain(lake.storage)
    for _ in range(3):
        newest = read_commit(lake.storage, POPULARITY, lake.current.tables["popularity_daily"].version)
        some = read_delta(lake.storage, POPULARITY, newest.version).read_all().slice(0, 0)
        version = write_delta(lake.storage, POPULARITY, some.to_reader(), mode="append", user=newest.user)
        compaction.follow(lake.storage, {POPULARITY: (newest.version, version)})
    _older(lake.root, 2 * WEEK)
    whole = Stepping(_copied(lake, tmp_path / "whole").storage, lambda step: None)
    undisturbed = _maintain(whole)
    assert undisturbed.removed.files > 5
    assert undisturbed.removed.logs > 20
    steps = range(0, whole.steps, max(1, whole.steps // 8))
    for step in steps:
        killed = _copied(lake, tmp_path / f"killed-{step}")
        with pytest.raises(KilledError):
            _maintain(Stepping(killed.storage, dies_at(step)))
        assert check_tables(killed.storage) == []
        assert killed.everything() == rows
        _maintain(killed.storage)
        assert len(_files(killed.root)) == len(_files(tmp_path / "whole"))
        assert killed.everything() == rows
        shutil.rmtree(killed.root)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("call", ["write_delta", "follow", "put_checkpoint"])
def test_killed_right_after_a_commit_the_pin_follows_next_time(
    lake: LakeInTheMaking, rows: dict[str, list[Row]], call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = compaction if call == "write_delta" else run
    done = getattr(place, call)

    def last(*args: Any, **options: Any) -> Any:
        done(*args, **options)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(place, call, last)
        with pytest.raises(KilledError):
            _maintain(lake.storage)
    assert lake.everything() == rows
    assert check_tables(lake.storage) == []
    _maintain(lake.storage)
    pinned = lake.current
    for folder, version in (
        (STAGING, pinned.inputs.stream("movie").staging),
        (POPULARITY, pinned.tables["popularity_daily"].version),
    ):
        assert version is not None
        assert "rewrites" in read_commit(lake.storage, folder, version).user
    assert _maintain(lake.storage) == MaintenanceResult([], [], Removal(), [])
    assert lake.everything() == rows
    assert check_tables(lake.storage) == []


@pytest.mark.usefixtures("eager")
def test_a_builder_that_writes_meanwhile_comes_first(lake: LakeInTheMaking, rows: dict[str, list[Row]]) -> None:
    def meanwhile(step: str) -> None:
        if step == POPULARITY:
            newest = read_commit(lake.storage, POPULARITY, lake.current.tables["popularity_daily"].version)
            over = latest_version(lake.storage, POPULARITY)
            put_commit(lake.storage, POPULARITY, [], mode="append", user=newest.user, schema="", over=over)

    done = _maintain(lake.storage, step=meanwhile)
    assert [one.folder for one in done.rewritten] == [STAGING]
    assert lake.everything() == rows
    assert check_tables(lake.storage) == []


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_a_build_that_pins_meanwhile_keeps_its_pins(lake: LakeInTheMaking) -> None:
    moved = compaction.follow

    def later(storage: Storage, versions: dict[str, tuple[int, int]]) -> None:
        _day(lake)
        lake.build()
        pinned = lake.current
        moved(storage, versions)
        assert lake.current == pinned

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "follow", later)
        _maintain(lake.storage)
    assert check_tables(lake.storage) == []
    step_by_step = lake.everything()
    assert not lake.build().done
    lake.build(full=True)
    assert lake.everything() == step_by_step


def test_a_table_that_lost_its_pinned_version_is_named_and_left_alone(lake: LakeInTheMaking) -> None:
    _older(lake.root, 10 * WEEK)
    pin = lake.current.tables["movie"]
    lake.storage.delete(log_key("tables/movie", pin.version))
    before = [name for name in _files(lake.root) if name.startswith("tables/movie/")]
    done = _maintain(lake.storage)
    assert done.problems == [f"tables/movie has lost version {pin.version}, which readers see"]
    assert [name for name in _files(lake.root) if name.startswith("tables/movie/")] == before


def test_rows_that_do_not_add_up_are_not_committed(lake: LakeInTheMaking) -> None:
    version = lake.current.tables["popularity_daily"].version
    commit = read_commit(lake.storage, POPULARITY, version)
    with pytest.raises(LakeError, match="1 rows too few"):
        compaction.rewrite(lake.storage, POPULARITY, commit, 10, {})
    assert lake.storage.size(log_key(POPULARITY, version + 1)) is None


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_a_purge_finds_nothing_old_after_a_maintenance_and_erases_all_of_it(lake: LakeInTheMaking) -> None:
    purge(lake.storage, PurgeSelection("1 id", keys=frozenset({"1"})), datetime.now(UTC))
    lake.storage.delete(MANIFEST)
    shutil.rmtree(lake.root / "tables")
    shutil.rmtree(lake.root / "marts")
    shutil.rmtree(lake.root / "_reelhouse/staging")
    lake.build(full=True)
    _day(lake)
    lake.build()
    for _ in range(2):
        _maintain(lake.storage)
        assert leftovers(lake.storage) == []
        _older(lake.root, 2 * WEEK)
    assert check_tables(lake.storage) == []


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_a_build_goes_on_from_a_maintenance_that_was_killed_before_its_pin_followed(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*args: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(run, "follow", killed)
        with pytest.raises(KilledError):
            _maintain(lake.storage)
    before = lake.current.inputs.stream("movie").staging
    _day(lake)
    lake.build()
    after = lake.current.inputs.stream("movie").staging
    assert before is not None and after is not None
    commits = [read_commit(lake.storage, STAGING, version) for version in range(before + 1, after + 1)]
    # The new day alone is parsed: its six answers, and the two of them again that were suspect.
    assert [("rewrites" in one.user, one.rows) for one in commits[1:]] == [(False, 8)]
    assert "rewrites" in commits[0].user
    assert check_tables(lake.storage) == []
    step_by_step = lake.everything()
    lake.build(full=True)
    assert lake.everything() == step_by_step


@pytest.mark.long
def test_logs_that_another_engine_cut_short_are_named_with_what_repairs_them(lake: LakeInTheMaking) -> None:
    for folder in (STAGING, POPULARITY):
        put_checkpoint(lake.storage, folder)
        lake.storage.delete(log_key(folder, 0))
        lake.storage.delete(log_key(folder, 1))
    assert [problem.split(" ")[0] for problem in check_tables(lake.storage)] == [POPULARITY, STAGING]
    done = _maintain(lake.storage)
    assert [one.split(" ")[0] for one in done.problems] == [STAGING, POPULARITY]
    assert all("run `reelhouse build --full`" in one for one in done.problems)
    _day(lake)
    lake.build()
    step_by_step = lake.everything()
    lake.build(full=True)
    assert lake.everything() == step_by_step
    assert check_tables(lake.storage) == []
    assert _maintain(lake.storage, after=2 * WEEK).problems == []


def _own(root: Path) -> tuple[FolderStorage, Callable[[int], None]]:
    """A lake with an import of a person's own, to which rows may be appended."""
    storage = FolderStorage(root)

    def append(day: int) -> None:
        before = imported(storage).get("own")
        held = pa.table({"day": [day], "title": [f"T{day}"]})
        mode = "append" if before else "overwrite"
        version = write_delta(storage, "imports/own", held.to_reader(), mode=mode, user={})  # type: ignore[arg-type]
        new = Import("imports", version, day + 1, "", "", columns=[], sources=[], imported_at="")
        pin_import(storage, "own", new, before)

    return storage, append


def test_an_import_that_is_dropped_and_brought_again_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, append = _own(tmp_path)
    append(0)

    def dropped(*args: Any) -> Any:
        drop_import(storage, "own")
        return look(*args)

    monkeypatch.setattr("reelhouse.maintenance.run.look", dropped)
    _maintain(storage, step=lambda step: append(1) if step == "removing" else None)
    pin = imported(storage)["own"]
    assert read_delta(storage, "imports/own", pin.version).read_all()["day"].to_pylist() == [1]


@pytest.mark.long
def test_two_hundred_days_of_appends_stay_few_files_and_lose_no_row(tmp_path: Path) -> None:
    storage, append = _own(tmp_path)
    most = 0
    for day in range(200):
        append(day)
        _older(tmp_path, timedelta(days=1))
        if day % 7 == 6:
            _maintain(storage)
            most = max(most, len(_files(tmp_path)))
    # Some fifty small files are left to lie, and as many commits; twice that until the former ones are a week old.
    assert most < 250
    pin = imported(storage)["own"]
    found = read_delta(storage, "imports/own", pin.version).read_all()
    assert sorted(found["day"].to_pylist()) == list(range(200)) == list(range(pin.rows))
    assert storage.size(log_key("imports/own", 0)) is None


@pytest.fixture
def bucket(three_days: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """The lake in a bucket with versions, where everything was put twice, and a former build was swept."""
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    storage = open_storage(f"s3://{s3servers.fresh_bucket(server, versioned=True)}/lake")
    # A few tables are enough: each object is a request.
    for place in (
        MANIFEST,
        "_reelhouse/builds/",
        "_reelhouse/runs/movie/",
        "_reelhouse/staging/",
        "tables/movie/",
        "tables/popularity_daily/",
    ):
        for key in three_days.storage.keys(place):
            storage.put(key, three_days.storage.get(key))
    found = json.loads(storage.get(MANIFEST))
    kept = {name: pin for name, pin in found["tables"].items() if name in ("movie", "popularity_daily")}
    storage.put(MANIFEST, json.dumps({**found, "tables": kept}).encode())
    storage.put("tables/movie/swept.parquet", b"of a former build")
    storage.delete("tables/movie/swept.parquet")
    yield storage


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_in_a_bucket_old_versions_go_too(bucket: Storage, rows: dict[str, list[Row]]) -> None:
    assert "tables/movie/swept.parquet" in list(bucket.list_all_versions("tables/"))
    done = _maintain(bucket)
    assert {one.folder for one in done.rewritten} == {STAGING, POPULARITY}
    assert done.removed.old_versions == 1
    _maintain(bucket, after=2 * WEEK)
    _maintain(bucket, after=2 * WEEK)
    zones = ("_reelhouse/staging/", "tables/")
    assert [list(bucket.list_all_versions(zone)) for zone in zones] == [list(bucket.keys(zone)) for zone in zones]
    pin = json.loads(bucket.get(MANIFEST))["tables"]["popularity_daily"]
    assert len([key for key in bucket.keys(f"{POPULARITY}/") if re.search(r"/part-\d+\.parquet$", key)]) == 1
    found = read_delta(bucket, POPULARITY, pin["version"], ["id"]).read_all()
    assert found.num_rows == len(rows["popularity_daily"]) == pin["rows"]


@pytest.mark.long
@pytest.mark.usefixtures("eager")
def test_a_folder_with_a_name_that_delta_rs_refuses_is_left_alone_and_the_name_is_said(bucket: Storage) -> None:
    place, _, prefix = bucket.url.removeprefix("s3://").partition("/")
    odd = f"{prefix}/tables/movie/_delta_log/copy//old.json"
    s3servers.client(s3servers.started("moto")).put_object(Bucket=place, Key=odd, Body=b"{}")
    done = _maintain(bucket)
    assert [POPULARITY in one.folder for one in done.rewritten].count(True) == 1
    (problem,) = done.problems
    assert problem == (
        "tables/movie is left alone: tables/movie cannot be listed: Encountered object with invalid path: Path "
        f'"{odd.removesuffix("old.json")}" contained empty path segment: remove the objects of that name'
    )


def test_a_log_is_cut_before_a_checkpoint_and_has_no_gap(tmp_path: Path) -> None:
    storage, append = _own(tmp_path)
    for day in range(12):
        append(day)
    put_checkpoint(storage, "imports/own")
    write_delta(storage, "imports/own", pa.table({"day": [0], "title": ["T"]}).to_reader(), mode="overwrite", user={})
    _older(tmp_path, 2 * WEEK)
    # The pin is on the last append, whose rows begin with the first commit: nothing can go.
    assert _maintain(storage).removed.logs == 0
    append(0)
    assert _maintain(storage, after=2 * WEEK).removed.logs == 11
    assert sorted(path.name for path in (tmp_path / "imports/own/_delta_log").glob("*.json")) == [
        f"{version:020}.json" for version in (11, 12, 13)
    ]


@pytest.mark.parametrize("word", [None, b'{"version":2}'])
def test_a_log_is_found_by_its_checkpoint_where_the_word_of_it_never_came(tmp_path: Path, word: bytes | None) -> None:
    storage, append = _own(tmp_path)
    for day in range(3):
        append(day)
    write_delta(storage, "imports/own", pa.table({"day": [0], "title": ["T"]}).to_reader(), mode="overwrite", user={})
    append(0)
    put_checkpoint(storage, "imports/own")
    said = "imports/own/_delta_log/_last_checkpoint"
    storage.delete(said) if word is None else storage.put(said, word)
    for version in range(4):
        storage.delete(log_key("imports/own", version))
    # Else a builder would declare the table again below what it holds, and show it without a row.
    assert [latest_version(storage, "imports/own", known) for known in (0, 3, 4)] == [4, 4, 4]
    assert latest_version(storage, "imports/none") is None
