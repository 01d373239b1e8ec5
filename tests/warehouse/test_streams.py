"""Two entities built into one lake: each from its own answers, what is known about records from both."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress
from reelhouse.delta.delta_rs import read_delta
from reelhouse.entities.schema import Table
from reelhouse.maintenance.run import maintain
from reelhouse.marts import REGISTRY
from reelhouse.storage.folder import FolderStorage
from reelhouse.tables.metadata_tables import metadata_tables
from reelhouse.tables.popularity import POPULARITY
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.manifest import built
from reelhouse.warehouse.run import build
from reelhouse.warehouse.verify import check_tables
from tests.runs.lakes import collected, small
from tests.runs.test_streams import BOTH, NOW
from tests.runs.tiny import tiny_tmdb
from tests.warehouse.landing import SAIL

FEW: tuple[Table, ...] = (REGISTRY.of_answers["movie"], *BOTH["series"].tables, POPULARITY, *metadata_tables("movie"))
TWO = Registry(BOTH, FEW)


def _values(storage: FolderStorage, table: str, *columns: str) -> set[tuple[object, ...]]:
    rows = read_delta(storage, f"tables/{table}", built(storage).tables[table].version).read_all().to_pylist()
    return {tuple(row[column] for column in columns) for row in rows}


def test_each_entity_is_built_from_its_own_answers(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "lake")
    with tiny_tmdb() as tiny:
        settings = small(tiny, record_filter="")

        def collect(entity: str) -> None:
            collected(storage, settings, CollectOptions(names=(entity,), entities=BOTH), Progress())

        collect("movie")
        # Of what was never collected there are no empty tables.
        assert build(storage, SAIL, registry=TWO).rows.keys() == {one.name for one in FEW} - {"series"}
        assert not build(storage, SAIL, registry=TWO).done
        collect("series")
        done = build(storage, SAIL, registry=TWO)
        assert done.rows["movie"] == done.rows["series"] == 27
        # The other entity's answers are none of a table's business.
        assert "movie" not in done.rebuilt
        assert {"series", "record", "popularity_daily"} <= set(done.rebuilt)
        assert {entity for (entity,) in _values(storage, "record", "entity")} == {"movie", "series"}
        assert done.rows["record"] == 60
        assert _values(storage, "quarantine", "entity", "id") == {("movie", 9), ("series", 9)}
        assert done.inputs.streams.keys() == BOTH.keys()
        assert [one.receipts.through for one in done.inputs.streams.values()] == [1, 1]
        assert check_tables(storage, BOTH) == []
        assert not build(storage, SAIL, registry=TWO).done
        tiny.edition[3] += 1
        tiny.changed = {tiny.today: {3}}
        collect("series")
        done = build(storage, SAIL, registry=TWO)
    assert "movie" not in done.rebuilt
    assert ("Title 3, edition 0",) in _values(storage, "movie", "title")
    maintain(storage, NOW, NOW - NOW, entities=BOTH)
    assert check_tables(storage, BOTH) == []


@pytest.mark.long
@pytest.mark.parametrize("folder", ["_reelhouse/staging/series", "_reelhouse/staging/movie"])
def test_staging_that_is_lost_is_named(tmp_path: Path, folder: str) -> None:
    storage = FolderStorage(tmp_path / "lake")
    with tiny_tmdb() as tiny:
        collected(storage, small(tiny, record_filter=""), CollectOptions(entities=BOTH), Progress())
    build(storage, SAIL, registry=TWO)
    for key in list(storage.keys(f"{folder}/")):
        storage.delete(key)
    assert any(folder in problem for problem in check_tables(storage, BOTH))
    assert build(storage, SAIL, registry=TWO).done
    assert check_tables(storage, BOTH) == []
