"""After a purge no table shows what went and no file holds it; what is built again is as if it had never been."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from reelhouse.bootstrap import purging
from reelhouse.delta import engine
from reelhouse.delta.log import put_commit
from reelhouse.errors import LakeError, LockedError, StorageError
from reelhouse.marts import REGISTRY
from reelhouse.raw.json_objects import encode
from reelhouse.raw.keys import FORMAT, MANIFEST
from reelhouse.raw.purges import purge_count, read_purges
from reelhouse.retention.audit import purge_remains
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.serve.dictionary import describe
from reelhouse.serve.lake import Lake
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import BUILD, Storage
from reelhouse.warehouse import materialize
from reelhouse.warehouse.manifest import BuildInputs, BuildManifest, TableVersion, built, pin, read_manifest, reading
from reelhouse.warehouse.purged_tables import erase_tables, leftovers
from reelhouse.warehouse.verify import check_tables
from tests.runs.dying import KilledError, Stepping, dies_at
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie, filtered, gone, quarantined

NOW = datetime(2026, 12, 20, tzinfo=UTC)
TWO = PurgeSelection("2 ids", keys=frozenset({"2", "7"}))
FIRST = PurgeSelection("older", before="2026-11-02T00:00:00Z")

# Distinct from everything else in any file.
_TITLE = "Purgatorio"


def _fields(id_: int) -> dict[str, Any]:
    return {
        "title": f"{_TITLE} {id_}" if id_ in (2, 7) else f"Movie {id_}",
        "genres": [{"id": 18, "name": "Drama"}],
        "credits": {"cast": [{"id": id_, "name": f"Person {id_}", "credit_id": f"c{id_}", "order": 0}], "crew": []},
        "release_date": "2020-13-02" if id_ == 3 else "2020-12-02",
    }


def _live(lake: LakeInTheMaking, without: frozenset[int] = frozenset()) -> None:
    """Two runs; the second one asks some again."""
    lake.land(
        *(a_movie(id_, **_fields(id_)) for id_ in range(1, 7) if id_ not in without),
        *(filtered(id_) for id_ in (8, 9) if id_ not in without),
        export=[1, 2, 3],
        day="2026-11-01",
        parts=3,
    )
    lake.land(
        *(a_movie(id_, **_fields(id_)) for id_ in (1, 2, 7, 8) if id_ not in without),
        gone(6),
        quarantined(5),
        export=[1, 2, 3, 4, 5],
        day="2026-11-02",
        parts=2,
    )


def _paired(lake: LakeInTheMaking) -> list[tuple[str, str]]:
    return list(zip(leftovers(lake.storage), check_tables(lake.storage), strict=True))


def _holding(root: Path, text: str) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def _everything(lake: LakeInTheMaking) -> dict[str, Any]:
    """All rows, without where an answer lies: a chunk that lost one counts its lines again."""
    return {
        name: sorted(str({key: value for key, value in row.items() if key != "line"}) for row in rows)
        for name, rows in lake.everything().items()
    }


@pytest.mark.long
def test_tables_after_a_purge_are_those_of_a_lake_that_never_had_it(lake: LakeInTheMaking, tmp_path: Path) -> None:
    _live(lake)
    lake.build()
    id_before = DeltaTable(f"{lake.root}/tables/movie").metadata().id
    assert _holding(lake.root / "tables", _TITLE)
    with pytest.raises(LakeError, match="purged since the last build"):
        purge(lake.storage, TWO, NOW)
        Lake(lake.storage, SAIL).tables()
    assert all(one["rows"] is None for one in describe(lake.storage, None)["tables"])
    # What is still stored is named; a table without a row has nothing to hide.
    assert {MANIFEST, "_reelhouse/staging/movie", "tables/movie", "marts/dim_genre"} <= set(leftovers(lake.storage))
    assert [name in problem for name, problem in _paired(lake)] == [True] * len(leftovers(lake.storage))
    # A build that comes before they are erased parses everything again.
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == [1, 3, 4, 5, 8]
    assert "_reelhouse/staging/movie" in leftovers(lake.storage)
    assert erase_tables(lake.storage) == len(FEW.names)
    assert [
        key
        for zone in ("_reelhouse/staging", "tables", "marts", "_reelhouse/builds")
        for key in lake.storage.list_all_versions(f"{zone}/")
    ] == []
    assert check_tables(lake.storage) == []
    lake.build()
    # Versions begin at 0 again, which a program that follows them can tell by the id only.
    again = DeltaTable(f"{lake.root}/tables/movie")
    assert (again.version(), again.metadata().id == id_before) == (0, False)
    assert _holding(lake.root, _TITLE) == []
    assert check_tables(lake.storage) == list(purge_remains(lake.storage, ["movie"])) == []
    fresh = LakeInTheMaking(tmp_path / "fresh", registry=FEW)
    _live(fresh, without=frozenset({2, 7}))
    fresh.build()
    assert _everything(lake) == _everything(fresh)
    # And so it goes on, step by step.
    for one in (lake, fresh):
        one.land(a_movie(2, title="Asked again"), a_movie(10), export=[1, 2], day="2026-11-03")
        one.build()
    assert _everything(lake) == _everything(fresh)
    assert "Asked again" in lake.values("movie", "title")
    assert check_tables(lake.storage) == []
    assert not lake.build().done


@pytest.mark.long
def test_a_purged_export_leaves_the_history_of_popularity(lake: LakeInTheMaking) -> None:
    lake.registry = REGISTRY
    _live(lake)
    lake.build()
    assert len(lake.rows("popularity_daily")) == 8
    result = purging.purge(lake.storage, Settings(lake=str(lake.root)), FIRST, NOW, lambda name: None)
    assert (result.exports, result.answers, result.rebuilt, result.done) == (1, 8, True, True)
    assert result.tables == len(lake.current.tables)
    assert {str(day) for day in lake.values("popularity_daily", "day")} == {"2026-11-02"}
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 7, 8]
    assert check_tables(lake.storage) == list(purge_remains(lake.storage, ["movie"])) == []
    again = purging.purge(lake.storage, Settings(lake=str(lake.root)), FIRST, NOW, lambda name: None)
    assert (again.tables, again.rebuilt, again.done) == (0, False, True)
    # Nothing is built from what nobody has.
    all_gone = purging.purge(lake.storage, Settings(lake=str(lake.root)), PurgeSelection("all"), NOW, lambda name: None)
    assert all_gone.done
    assert lake.values("movie", "movie_id") == lake.values("popularity_daily", "id") == []
    # Of the titles; comments of columns speak of movies too.
    assert _holding(lake.root, "Movie ") == []


def test_without_an_engine_tables_are_erased_and_a_build_makes_them_again(lake: LakeInTheMaking) -> None:
    _live(lake)
    lake.storage.put("tables/movie/_delta_log/00000000000000000000.json", _commit(["part-0.parquet"], purges=0))
    lake.storage.put("tables/movie/part-0.parquet", _TITLE.encode())
    assert pin(
        lake.storage,
        BuildManifest(build=1, tables={"movie": TableVersion("tables", 0, 1, "", "")}, inputs=BuildInputs()),
        None,
    )
    settings = Settings(lake=str(lake.root), engine="local[2]")
    result = purging.purge(lake.storage, settings, TWO, NOW, lambda name: None)
    assert (result.tables, result.rebuilt, result.gone, result.done) == (1, False, True, True)
    assert "`reelhouse build`" in str(result.note)
    assert _holding(lake.root, _TITLE) == []
    assert read_manifest(lake.storage) is None
    with pytest.raises(LakeError, match="a purge erases the tables and builds them again before it ends"):
        built(lake.storage)
    assert read_purges(lake.storage).unbuilt
    lake.build()
    assert not read_purges(lake.storage).unbuilt


@pytest.mark.parametrize("cut", ["erasing", "building"])
def test_a_purge_that_was_killed_before_it_built_tables_again_is_named_and_the_next_one_builds(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    _live(lake)
    lake.build()
    settings = Settings(lake=str(lake.root))

    def killed(*_: object) -> None:
        if cut == "erasing":
            lake.storage.delete(MANIFEST)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(purging, "erase_tables" if cut == "erasing" else "_rebuild", killed)
        with pytest.raises(KeyboardInterrupt):
            purging.purge(lake.storage, settings, TWO, NOW, lambda name: None)
    assert check_tables(lake.storage) != []
    again = purging.purge(lake.storage, settings, TWO, NOW, lambda name: None)
    assert (again.rebuilt, again.done) == (True, True)
    assert check_tables(lake.storage) == []
    assert sorted(lake.values("movie", "movie_id"))
    last = purging.purge(lake.storage, settings, TWO, NOW, lambda name: None)
    assert (last.rebuilt, last.done) == (False, True)


def test_a_purge_that_cannot_look_for_unfinished_uploads_does_not_say_gone(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: FolderStorage) -> None:
        raise StorageError("s3:ListBucketMultipartUploads is not allowed")

    _live(lake)
    monkeypatch.setattr(FolderStorage, "delete_unfinished", denied)
    result = purging.purge(lake.storage, Settings(lake=str(lake.root)), TWO, NOW, lambda name: None)
    assert (result.gone, result.done) == (False, False)
    assert result.problems == [
        "parts of files that a killed writer left may remain: s3:ListBucketMultipartUploads is not allowed"
    ]


def test_a_purge_does_not_begin_while_a_build_runs(lake: LakeInTheMaking) -> None:
    _live(lake)
    with lake.storage.lock(of=BUILD), pytest.raises(LockedError, match="locked by another build"):
        purging.purge(lake.storage, Settings(lake=str(lake.root)), TWO, NOW, lambda name: None)
    assert purge_count(lake.storage) == 0


def test_a_reader_whose_tables_are_purged_meanwhile_says_so(lake: LakeInTheMaking) -> None:
    _live(lake)
    with pytest.raises(LakeError, match="Missing commit file"), reading(lake.storage):
        raise LakeError("Missing commit file")
    with pytest.raises(LakeError, match="answers were purged while the tables were read"), reading(lake.storage):
        purge(lake.storage, TWO, NOW)
        raise LakeError("Missing commit file")


def test_a_build_that_a_purge_overtakes_is_believed_by_nobody(lake: LakeInTheMaking) -> None:
    _live(lake)
    purge(lake.storage, TWO, NOW)
    # It pins what it made of what it saw.
    assert pin(lake.storage, BuildManifest(build=1, tables={}, inputs=BuildInputs(), purges=0), None)
    with pytest.raises(LakeError, match="purged since the last build"):
        Lake(lake.storage, SAIL).sql("select * from movie")
    assert leftovers(lake.storage) == [MANIFEST]
    assert check_tables(lake.storage) == [f"{MANIFEST} is from before the last purge: the next purge erases it"]


@pytest.mark.parametrize("committed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_build_that_a_purge_overtakes_begins_no_table_that_was_erased(
    lake: LakeInTheMaking, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _live(lake)
    lake.build()
    lake.land(a_movie(10), export=[1, 2], day="2026-11-03")
    purged: list[int] = []

    def meanwhile(folder: str) -> None:
        if folder == "tables/movie" and not purged:
            purged.append(1)
            purge(lake.storage, TWO, NOW)
            erase_tables(lake.storage)

    if committed:
        own = put_commit

        def put(storage: Storage, folder: str, *args: Any, **kwargs: Any) -> Any:
            meanwhile(folder)
            return own(storage, folder, *args, **kwargs)

        monkeypatch.setattr(engine, "put_commit", put)
    else:
        made = materialize._make

        def make(one: Any, zone: str, spec: Any, *args: Any, **kwargs: Any) -> None:
            meanwhile(f"{zone}/{spec.name}")
            made(one, zone, spec, *args, **kwargs)

        monkeypatch.setattr(materialize, "_make", make)
        monkeypatch.setattr(materialize.BuildPass, "made_already", lambda *_: None)
    with pytest.raises(LakeError, match="run `reelhouse build`"):
        lake.build()
    monkeypatch.undo()
    assert purged
    assert leftovers(lake.storage) == []
    assert lake.build().done
    assert sorted(lake.values("movie", "movie_id")) == [1, 3, 4, 5, 8, 10]
    assert check_tables(lake.storage) == []
    assert _holding(lake.root, _TITLE) == []


def test_tables_whose_erasing_was_cut_short_are_named_until_they_are_gone() -> None:
    lake = MemoryStorage()
    before = {"tables/movie": 2, "marts/dim_person": 1, "_reelhouse/staging/movie": 3}
    for folder, commits in before.items():
        for version in range(commits):
            files = [f"part-{version}.parquet"]
            lake.put(f"{folder}/_delta_log/{version:020d}.json", _commit(files, purges=0))
            lake.put(f"{folder}/{files[0]}", b"PAR1")
    lake.put(MANIFEST, encode({"build": 1, "tables": {}, "inputs": {}, "format": FORMAT}))
    assert leftovers(lake) == []
    note = {"at": "2026-12-20T00:00:00Z", "selection": "all", "runs": {"movie": [1]}}
    lake.put("_reelhouse/purges.json", encode({"notes": [note], "format": FORMAT}))
    assert set(leftovers(lake)) == {MANIFEST, *before}
    steps = 0
    while leftovers(lake):
        with pytest.raises(KilledError):
            # Dies as soon as one more object is gone.
            erase_tables(Stepping(lake, dies_at(1)))
        steps += 1
        assert steps < 30
    erase_tables(lake)
    assert list(lake.keys("tables/")) == list(lake.keys("marts/")) == list(lake.keys("_reelhouse/staging/")) == []
    # What is made afterwards stays, and an old file that comes back is named.
    lake.put("tables/movie/_delta_log/00000000000000000000.json", _commit(["part-9.parquet"], purges=1))
    assert leftovers(lake) == []
    lake.put("marts/dim_person/part-0.parquet", b"PAR1")
    assert leftovers(lake) == ["marts/dim_person"]


def _commit(files: list[str], purges: int) -> bytes:
    user = encode({"purges": purges}).decode()
    about = {"partitionValues": {}, "size": 1, "modificationTime": 1, "dataChange": True}
    added = (encode({"add": {"path": path, **about}}) for path in files)
    return b"".join([encode({"commitInfo": {"userMetadata": user}}), *added])
