"""Tables of databases that are one file: DuckDB, which types its columns, and SQLite, which types its values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.imports.columns import named
from reelhouse.imports.typed_columns import SourcePart, TypedTable
from reelhouse.imports.values import TextBatch, Values, marked
from reelhouse.sql_quoting import quoted

_ROWS = 16_384


class SqliteTable(Values):
    """A table or view of an SQLite file. DuckDB reads these with an extension, which it would fetch from its makers."""

    def __init__(self, shown: str, place: str, file: sqlite3.Connection) -> None:
        self.shown, self._place, self._file = shown, place, file
        with _explained(shown):
            # What is looked at and what is read is one state of the file.
            file.execute("begin")
            cursor = file.execute(f"select * from {place} limit 0")
        super().__init__(named([one[0] for one in cursor.description], shown))

    def read(self) -> Iterator[TextBatch]:
        """Numbers are as JSON writes them; bytes are refused."""
        read = 0
        with _explained(self.shown):
            cursor = self._file.execute(f"select * from {self._place}")
            while rows := cursor.fetchmany(_ROWS):
                texts = [
                    self._texts(name, values)
                    for name, values in zip(self.names(), zip(*rows, strict=True), strict=True)
                ]
                yield TextBatch(pa.RecordBatch.from_arrays(list(texts), names=self.names()), partial(self._row, read))
                read += len(rows)

    def _texts(self, name: str, values: tuple[Any, ...]) -> Any:
        if any(isinstance(value, bytes) for value in values):
            raise ReelhouseError(f"{self.shown}: column {name} holds bytes, which no table here does")
        return pa.array(map(marked, values), pa.string())

    def _row(self, before: int, at: int) -> str:
        return f"{self.shown}: row {before + at + 1}"


@contextmanager
def opened(path: Path, table: str) -> Iterator[TypedTable | SqliteTable]:
    """The *table* of the database in the file at *path*, which is only read."""
    if not path.is_file():
        raise ConfigError(f"{path}: this file does not exist")
    shown, place = f"{path} {table}", ".".join(map(quoted, table.split(".")))
    if path.suffix == ".duckdb":
        with _explained(shown), duckdb.connect(str(path), read_only=True) as file:
            yield TypedTable([_part(shown, file.sql(f"select * from {place}"))])
        return
    # Rows are taken by the thread that writes the table, while this one waits.
    address = f"{path.absolute().as_uri()}?mode=ro"
    with (
        _explained(shown),
        closing(sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)) as database,
    ):
        yield SqliteTable(shown, place, database)


def _part(shown: str, rows: Any) -> SourcePart:
    rows = rows.project(", ".join(map(partial(_kept, rows), rows.columns, map(str, rows.types))))

    def read() -> Iterator[Any]:
        with _explained(shown):
            yield from rows.to_arrow_reader(_ROWS)

    return SourcePart(shown, rows.limit(0).to_arrow_table().schema, read)


def _kept(rows: Any, name: str, kind: str) -> str:
    """The column as DuckDB hands it to Arrow unchanged: it has no digits beyond 38 there, and times have no zone."""
    column = quoted(name)
    if kind in ("HUGEINT", "UHUGEINT"):
        large = rows.filter(f"{column} is not null and try_cast({column} as decimal(38,0)) is null").limit(1).fetchall()
        return f"{column}::{'varchar' if large else 'decimal(38,0)'} as {column}"
    return f"{column}::varchar as {column}" if kind == "TIME WITH TIME ZONE" else column


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    """What a database says inside becomes one line."""
    try:
        yield
    except (sqlite3.Error, duckdb.Error, UnicodeDecodeError) as exc:
        raise ReelhouseError(f"{shown}: {str(exc).strip().splitlines()[0]}") from exc
