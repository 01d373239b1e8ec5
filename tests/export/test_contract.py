"""What holds for all targets: equal rows, nothing written twice, and whatever fails, what was there stays."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from reelhouse.errors import ConfigError, LakeError, ReelhouseError
from reelhouse.raw.keys import MANIFEST
from reelhouse.raw.purges import PurgeNote, note_unbuilt, put_note
from reelhouse.serve.export.tables import look
from reelhouse.serve.export.targets import target_of
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.manifest import read_manifest
from tests.export.lakes import OWN, bring, counted, moved, own_rows, rows_of
from tests.export.targets import FILES, Place, export, place_in_postgres
from tests.postgres import Postgres
from tests.warehouse.few import FEW
from tests.warehouse.landing import Answer, LakeInTheMaking

# One of an answer, one of several, one mart, one of a person's own.
SOME = ("movie", "movie_genre", "dim_genre", OWN)

_ABSENT = r"(?i)does not exist|no such (file|table)|\.parquet"


@pytest.fixture(params=["postgresql", *FILES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return place_in_postgres(server.database())
    return FILES[request.param](tmp_path)


def check_equal(lake: Path, place: Place, *names: str) -> None:
    """Every table there has the rows of the lake."""
    for table in look(FolderStorage(lake), names or None).tables:
        expected = rows_of(lake, table.name)
        found = place.read(table, expected.schema)
        assert counted(found) == counted(expected), table.name


@pytest.mark.long
def test_every_table_is_read_back_equal(states_of_all: tuple[Path, Path], place: Place) -> None:
    lake = states_of_all[0]
    done = export(lake, place.to)
    assert Counter(one.how for one in done.values()) == {"full": len(done)}
    assert {name: one.rows for name, one in done.items()} == {
        table.name: table.rows for table in look(FolderStorage(lake)).tables
    }
    check_equal(lake, place)


def test_what_is_there_already_is_not_written_again(lake: Path, place: Place) -> None:
    export(lake, place.to, *SOME)
    again = export(lake, place.to, *SOME)
    assert [(one.how, one.written) for one in again.values()] == [("unchanged", 0)] * len(SOME)
    assert {one.how for one in export(lake, place.to, *SOME, full=True).values()} == {"full"}
    check_equal(lake, place, *SOME)


@pytest.mark.parametrize("place", ["postgresql", "duckdb", "sqlite"], indirect=True)
def test_rows_that_somebody_took_away_come_back(lake: Path, place: Place) -> None:
    assert place.empty is not None
    export(lake, place.to, *SOME)
    place.empty("movie_genre")
    done = export(lake, place.to, *SOME)
    assert {name for name, one in done.items() if one.how != "unchanged"} == {"movie_genre"}
    check_equal(lake, place, *SOME)


def test_what_changed_replaces_what_was_there(lake: Path, states: tuple[Path, Path], place: Place) -> None:
    export(lake, place.to, *SOME)
    moved(lake, states[1])
    done = export(lake, place.to, *SOME)
    assert done[OWN].how == "unchanged"
    assert {one.how for name, one in done.items() if name != OWN} <= {"full", "incremental"}
    check_equal(lake, place, *SOME)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two lakes of other movies: equal runs, units, parts, and numbers of rows."""
    made = []
    for name in ("A", "B"):
        lake = LakeInTheMaking(tmp_path_factory.mktemp("twins") / name, registry=FEW)
        lake.land(Answer(1, {"id": 1, "title": name, "genres": [{"id": ord(name), "name": name}]}))
        lake.build()
        made.append(lake.root)
    return made[0], made[1]


def test_another_lake_is_not_taken_for_the_one_that_was_exported(twins: tuple[Path, Path], place: Place) -> None:
    export(twins[0], place.to)
    assert {one.how for name, one in export(twins[1], place.to).items() if name in SOME} <= {"full", "incremental"}
    check_equal(twins[1], place)


def test_a_copy_of_a_lake_is_not_exported_again(twins: tuple[Path, Path], place: Place, tmp_path: Path) -> None:
    export(twins[0], place.to)
    copy = Path(shutil.copytree(twins[0], tmp_path / "copy"))
    assert {one.how for one in export(copy, place.to).values()} == {"unchanged"}


def test_other_columns_replace_those_that_were_there(lake: Path, place: Place) -> None:
    export(lake, place.to, OWN)
    other = own_rows("a", "b").drop_columns(["fee", "rating"])
    bring(lake, other)
    export(lake, place.to, OWN)
    check_equal(lake, place, OWN)
    bring(lake, own_rows("a", None))
    export(lake, place.to, OWN)
    check_equal(lake, place, OWN)


def test_a_table_named_later_comes_beside_the_others(lake: Path, place: Place) -> None:
    export(lake, place.to, "movie")
    assert export(lake, place.to, "movie_genre", "movie")["movie"].how == "unchanged"
    check_equal(lake, place, "movie", "movie_genre")


def test_a_table_without_rows_is_there(lake: Path, place: Place) -> None:
    assert export(lake, place.to, "quarantine")["quarantine"].rows == 0
    check_equal(lake, place, "quarantine")


def test_a_damaged_lake_leaves_all_that_was_there(lake: Path, states: tuple[Path, Path], place: Place) -> None:
    export(lake, place.to, *SOME)
    before = {table.name: table for table in look(FolderStorage(lake), SOME).tables}
    moved(lake, states[1])
    current = read_manifest(FolderStorage(lake))
    assert current is not None
    for path in (lake / "marts" / "dim_genre").glob("*/*.parquet"):
        path.unlink()
    with pytest.raises(LakeError, match="dim_genre"):
        export(lake, place.to, *SOME)
    for name, table in before.items():
        expected = rows_of(states[0], name)
        assert counted(place.read(table, expected.schema)) == counted(expected), name
    moved(lake, states[1])
    export(lake, place.to, *SOME)
    check_equal(lake, place, *SOME)


def test_fewer_rows_than_were_built_are_refused(lake: Path, place: Place) -> None:
    path = lake / "_reelhouse" / "manifest.json"
    body = path.read_text()
    rows = look(FolderStorage(lake), ("dim_genre",)).tables[0].rows
    path.write_text(body.replace(f'"rows":{rows},', f'"rows":{rows + 1},'))
    assert path.read_text() != body
    with pytest.raises(LakeError, match="dim_genre"):
        export(lake, place.to, "dim_genre")


def test_what_is_purged_meanwhile_is_not_exported(lake: Path, place: Place) -> None:
    storage = FolderStorage(lake)
    snapshot = look(storage, SOME)
    steps: list[str] = []

    def step(text: str) -> None:
        if not steps:
            put_note(storage, PurgeNote("2026-11-25T00:00:00Z", "all", runs={"movie": [1]}))
        steps.append(text)

    with pytest.raises(LakeError, match="purged while they were exported"):
        target_of(place.to).export(snapshot, full=False, step=step)
    with pytest.raises(Exception, match=_ABSENT):
        place.read(snapshot.tables[0], rows_of(lake, OWN).schema)


@pytest.mark.parametrize("erased", [False, True])
def test_while_a_purge_erases_tables_imports_alone_are_exported(lake: Path, erased: bool) -> None:
    storage = FolderStorage(lake)
    put_note(storage, PurgeNote("2026-11-25T00:00:00Z", "all", runs={"movie": [1]}))
    if erased:
        note_unbuilt(storage, unbuilt=True)
        storage.delete(MANIFEST)
    for names in (None, (OWN, "movie")):
        with pytest.raises(LakeError, match="a purge erases the tables" if erased else "answers were purged since"):
            look(storage, names)
    assert [table.spec.name for table in look(storage, (OWN,)).tables] == [OWN]


def test_a_table_of_somebody_elses_is_left_alone(lake: Path, place: Place) -> None:
    place.squat("movie")
    with pytest.raises(ConfigError, match=r"movie\b.* reelhouse did not make"):
        export(lake, place.to, "movie", "movie_genre")
    genres = look(FolderStorage(lake), ("movie_genre",)).tables[0]
    with pytest.raises(Exception, match=_ABSENT):
        place.read(genres, rows_of(lake, "movie_genre").schema)


@pytest.mark.parametrize("place", ["parquet"], indirect=True)
def test_an_unknown_table_is_named_with_what_is_meant(lake: Path, place: Place) -> None:
    with pytest.raises(ConfigError, match=r"no table 'movi' \(did you mean 'movie'\?\)"):
        export(lake, place.to, "movi")


@pytest.mark.parametrize("place", ["parquet"], indirect=True)
def test_nothing_is_exported_of_a_lake_that_was_not_built(tmp_path: Path, place: Place) -> None:
    with pytest.raises(ReelhouseError, match="nothing is built"):
        export(tmp_path / "none", place.to)
