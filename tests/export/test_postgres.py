"""Exports to a real PostgreSQL: rows, keys, comments, what changes and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.serve.export.outcome import Exported
from reelhouse.serve.export.postgres import PostgresTarget
from reelhouse.serve.export.tables import look
from reelhouse.storage.folder import FolderStorage
from tests.export.lakes import moved, rows_of, sorted_rows
from tests.postgres import Database, Postgres


@pytest.fixture
def database(postgres: Postgres) -> Database:
    return postgres.database()


def export(
    lake: Path, database: Database, *names: str, full: bool = False, schema: str = "tmdb"
) -> dict[str, Exported]:
    snapshot = look(FolderStorage(lake), names or None)
    done = PostgresTarget(database.url, schema).export(snapshot, full=full, step=lambda text: None)
    return {one.name: one for one in done}


def check_equal(lake: Path, database: Database, *names: str) -> None:
    """Every table there has the rows of the lake, and no other."""
    snapshot = look(FolderStorage(lake), names or None)
    for table in snapshot.tables:
        columns = ", ".join('"' + name.replace('"', '""') + '"' for name in table.spec.column_names)
        found = database.arrow(f'select {columns} from tmdb."{table.name}"')
        assert sorted_rows(found) == sorted_rows(rows_of(lake, table.name)), table.name


def test_every_table_is_read_back_equal(lake: Path, database: Database) -> None:
    done = export(lake, database)
    assert {one.how for one in done.values()} == {"full"}
    check_equal(lake, database)


def test_what_changed_alone_is_loaded(lake: Path, states: tuple[Path, Path], database: Database) -> None:
    export(lake, database)
    moved(lake, states[1])
    done = export(lake, database)
    check_equal(lake, database)
    print(done)
    assert done["movie_cast"].how == "incremental"
    assert export(lake, database)["movie_cast"].how == "unchanged"
