"""Tables in a SQLite file.

Dates and instants are ISO 8601 (`2026-11-23T20:00:00.000000Z`), which SQLite's functions know; truth is 1 and 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from reelhouse.entities.schema import ColumnSpec
from reelhouse.errors import ReelhouseError
from reelhouse.serve.export.result import NOTES, Exported, Noted, Step, noted
from reelhouse.serve.export.rows import Reading
from reelhouse.serve.export.tables import ExportTable, Snapshot

_TYPES = {
    "bigint": "integer",
    "int": "integer",
    "double": "real",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}


class SqliteForm:
    """How SQLite's files are read and written."""

    def check(self) -> None:
        """Python has it."""

    def held(self, path: Path) -> tuple[set[str], list[Noted]]:
        with _opened(path) as file:
            there = {name for (name,) in file.execute("select name from sqlite_master where type in ('table', 'view')")}
            return there, _notes(file) if NOTES in there else []

    def count(self, path: Path, names: list[str]) -> list[int]:
        with _opened(path) as file:
            return [file.execute(f"select count(*) from {_quoted(name)}").fetchone()[0] for name in names]

    def copy(self, path: Path, made: Path) -> None:
        with _opened(path) as file:
            file.execute("vacuum into ?", [str(made)])
        if path.with_name(f"{path.name}-wal").exists():
            # It stays while somebody has the file open, and would be taken for the new file's.
            raise ReelhouseError(f"{path} is open in another program: close it there, then export again")

    def write(self, made: Path, snapshot: Snapshot, wanted: list[ExportTable], step: Step) -> list[Exported]:
        with _opened(made) as file:
            # Whatever happens to this copy, the file itself is untouched: nothing here has to survive a crash.
            file.execute("pragma journal_mode = off")
            file.execute("pragma synchronous = off")
            file.execute("pragma cache_size = -200000")
            first, *others = Noted.__struct_fields__
            file.execute(f"create table if not exists {NOTES} ({first} primary key, {', '.join(others)})")
            done = []
            for table in wanted:
                step(f"{table.name}: loading")
                done.append(_load(file, snapshot, table))
        return done


def _load(file: sqlite3.Connection, snapshot: Snapshot, table: ExportTable) -> Exported:
    name = _quoted(table.name)
    reading = Reading(snapshot.storage, table)
    columns = ", ".join(f"{_quoted(column.name)} {_type(column)}" for column in table.spec.columns)
    marks = ", ".join("?" * len(table.spec.columns))
    file.execute(f"drop table if exists {name}")
    file.execute(f"create table {name} ({columns})")
    file.execute("begin")
    for batch in reading.batches():
        file.executemany(
            f"insert into {name} values ({marks})", zip(*(_values(each) for each in batch.columns), strict=True)
        )
    file.execute("commit")
    reading.check()
    notes = _index(file, table)
    note = noted(snapshot, table, reading.rows, reading.oldest)
    values = [value.isoformat() if isinstance(value, datetime) else value for value in msgspec.structs.astuple(note)]
    file.execute(f"insert or replace into {NOTES} values ({', '.join('?' * len(values))})", values)
    return Exported(table.name, reading.rows, reading.rows, "full", reading.oldest, notes)


def _index(file: sqlite3.Connection, table: ExportTable) -> tuple[str, ...]:
    """A unique index on the key, where the rows have it, and indexes on ids of other things."""
    name = _quoted(table.name)
    notes: tuple[str, ...] = ()
    if table.spec.key:
        key = ", ".join(_quoted(each) for each in table.spec.key)
        index = _quoted(f"{table.name}_key")
        try:
            file.execute(f"create unique index {index} on {name} ({key})")
        except sqlite3.IntegrityError:
            file.execute(f"create index {index} on {name} ({key})")
            notes = (f"no unique key: ({', '.join(table.spec.key)}) is not unique",)
    for column in table.indexed:
        file.execute(f"create index {_quoted(f'{table.name}_{column}_idx')} on {name} ({_quoted(column)})")
    return notes


def _values(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    elif pa.types.is_date(kind):
        column = column.cast(pa.string())
    found: list[Any] = column.to_pylist()
    return [None if value is None else str(value) for value in found] if pa.types.is_decimal(kind) else found


def _notes(file: sqlite3.Connection) -> list[Noted]:
    rows = file.execute(f"select * from {NOTES}").fetchall()
    return [msgspec.convert(dict(zip(Noted.__struct_fields__, row, strict=True)), Noted) for row in rows]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, open, each statement committed; `ReelhouseError` for whatever SQLite says."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            yield file
    except sqlite3.Error as exc:
        raise ReelhouseError(f"{path.name}: {exc}") from exc


def _type(column: ColumnSpec) -> str:
    return _TYPES.get(str(column.type), "text")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
