"""What `verify` can tell about tables without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec
import pytest

from reelhouse.delta.log import Mode, latest_version, put_commit, read_commit, schema_at
from reelhouse.errors import KeyTakenError, LakeError
from reelhouse.marts import REGISTRY
from reelhouse.raw.json_objects import encode
from reelhouse.storage.memory import MemoryStorage
from reelhouse.tables.schemas import schema_of
from reelhouse.warehouse.manifest import BuildInputs, BuildManifest, StreamRead, TableVersion, pin
from reelhouse.warehouse.verify import check_tables
from tests.warehouse.few import FEW
from tests.warehouse.landing import LakeInTheMaking, a_movie


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    lake = LakeInTheMaking(tmp_path_factory.mktemp("check") / "lake", registry=FEW)
    lake.land(a_movie(1, genres=[{"id": 1, "name": "A"}]), a_movie(2), export=[1, 2])
    lake.build()
    return lake


def _repinned(lake: LakeInTheMaking, name: str, **changes: object) -> bytes:
    """Pin *name* otherwise; returns what was pinned, to be put back."""
    before = lake.storage.get("_reelhouse/manifest.json")
    tables = dict(lake.current.tables)
    tables[name] = msgspec.structs.replace(tables[name], **changes)
    lake.storage.put("_reelhouse/manifest.json", encode(msgspec.structs.replace(lake.current, tables=tables)))
    return before


def test_nothing_built_is_no_problem() -> None:
    assert check_tables(MemoryStorage()) == []


@pytest.mark.long
def test_a_whole_build_has_no_problem(built: LakeInTheMaking) -> None:
    assert check_tables(built.storage) == []


def test_a_version_that_is_gone_is_named(built: LakeInTheMaking) -> None:
    before = _repinned(built, "movie", version=99)
    (problem,) = check_tables(built.storage)
    built.storage.put("_reelhouse/manifest.json", before)
    assert "tables/movie" in problem
    assert "99" in problem


def test_a_file_that_is_gone_is_named(built: LakeInTheMaking) -> None:
    (path,) = (built.root / "tables/movie_genre").glob("*/*.parquet")
    saved = path.read_bytes()
    path.unlink()
    (problem,) = check_tables(built.storage)
    path.write_bytes(saved)
    assert path.name in problem


def test_a_file_of_an_earlier_append_is_missed_too(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path / "lake", registry=FEW)
    lake.land(a_movie(1), export=[1], day="2026-11-01")
    lake.build()
    (first,) = (lake.root / "tables/popularity_daily").glob("*/*.parquet")
    lake.land(a_movie(2), export=[1, 2], day="2026-11-02")
    lake.build()
    assert check_tables(lake.storage) == []
    first.unlink()
    (problem,) = check_tables(lake.storage)
    assert first.name in problem


def test_rows_that_the_receipts_do_not_explain_are_named(built: LakeInTheMaking) -> None:
    pinned = built.current.tables["movie"]
    earlier = TableVersion(pinned.zone, pinned.version, pinned.rows, pinned.schema_fingerprint, pinned.fingerprint)
    assert earlier == pinned
    log = built.root / f"tables/movie/_delta_log/{pinned.version:020d}.json"
    saved = log.read_text()
    log.write_text(saved.replace('\\"numRecords\\":2', '\\"numRecords\\":1'))
    before = _repinned(built, "movie", rows=1)
    altered, problem = check_tables(built.storage)
    log.write_text(saved)
    built.storage.put("_reelhouse/manifest.json", before)
    assert "is not as it was written" in altered
    assert "1 rows" in problem
    assert "make 2" in problem


def _staged(version: int) -> BuildInputs:
    return BuildInputs(streams={"movie": StreamRead(staging=version)})


def test_a_build_that_another_one_overtook_is_not_pinned() -> None:
    storage = MemoryStorage()
    assert pin(storage, BuildManifest(1, {}, BuildInputs()), None)
    seen = storage.get("_reelhouse/manifest.json")
    assert pin(storage, BuildManifest(2, {}, _staged(2)), seen)
    assert not pin(storage, BuildManifest(2, {}, _staged(1)), seen)
    assert not pin(storage, BuildManifest(1, {}, BuildInputs()), None)
    assert storage.get("_reelhouse/manifest.json") == encode(BuildManifest(2, {}, _staged(2)))


def test_each_overwrite_states_the_columns_of_its_version(tmp_path: Path) -> None:
    storage = MemoryStorage()
    movie, genre = (schema_of(table.columns).json() for table in REGISTRY.tables[:2])
    over = None
    for mode, schema in (("overwrite", movie), ("append", genre), ("overwrite", genre)):
        over = put_commit(storage, "tables/x", [], mode=cast(Mode, mode), user={}, schema=schema, over=over).version
    assert [schema_at(storage, "tables/x", version) for version in range(3)] == [movie, movie, genre]


def test_a_commit_comes_after_the_version_that_was_read_or_not_at_all() -> None:
    storage = MemoryStorage()
    put_commit(storage, "t", [], mode="overwrite", user={"n": 0}, schema="{}", over=None)
    for over in (None, 0):
        if over is not None:
            put_commit(storage, "t", [], mode="append", user={"n": 1}, schema="{}", over=over)
        with pytest.raises(KeyTakenError):
            put_commit(storage, "t", [], mode="append", user={"n": 2}, schema="{}", over=over)
    assert [read_commit(storage, "t", version).user["n"] for version in (0, 1)] == [0, 1]
    with pytest.raises(LakeError, match="t was erased meanwhile"):
        put_commit(storage, "t", [], mode="append", user={}, schema="{}", over=7)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 21])
def test_the_newest_version_is_found_from_anywhere(count: int) -> None:
    storage = MemoryStorage()
    assert latest_version(storage, "t") is None
    for version in range(count):
        put_commit(storage, "t", [], mode="append", user={"n": 1}, schema="{}", over=version - 1 if version else None)
    assert {latest_version(storage, "t", known) for known in range(count + 3)} == {count - 1}
    assert all(read_commit(storage, "t", version).user["n"] == 1 for version in range(1, count))
