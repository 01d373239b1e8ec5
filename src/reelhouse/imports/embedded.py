"""Tables of databases that are one file: DuckDB, which types its columns, and SQLite, which types its values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.imports.arrow_columns import as_pinned, columns_of, typed
from reelhouse.imports.columns import misfit, named
from reelhouse.imports.plain_values import ValueGuess, as_array, first_misfit
from reelhouse.warehouse.import_registry import ImportColumn

_ROWS = 16_384


class DuckTable:
    """A table or view of a DuckDB file."""

    def __init__(self, path: Path, table: str, connection: Any) -> None:
        self.shown = f"{path} {table}"
        self._from = f"from {_quoted(table)}"
        self._connection = connection
        with _told(self.shown):
            schema = connection.sql(f"select * {self._from} limit 0").to_arrow_table().schema
        self._columns, self.notes = columns_of(schema, self.shown)

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in self._columns]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types; with *pinned* those, where they may become them."""
        return as_pinned(self._columns, pinned, self.shown)

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        places = {name: at for at, name in enumerate(self.names())}
        with _told(self.shown):
            for batch in self._connection.sql(f"select * {self._from}").to_arrow_reader(_ROWS):
                arrays = [typed(batch.column(places[each.name]), each, self.shown) for each in columns]
                yield pa.RecordBatch.from_arrays(arrays, names=[each.name for each in columns])


class SqliteTable:
    """A table or view of an SQLite file, in which each value has a type of its own."""

    def __init__(self, path: Path, table: str, connection: sqlite3.Connection) -> None:
        self.shown = f"{path} {table}"
        self._from = f"from {_quoted(table)}"
        self._connection = connection
        self.notes: list[str] = []
        with _told(self.shown):
            # What is looked at and what is read is one state of the file.
            connection.execute("begin")
            cursor = connection.execute(f"select * {self._from} limit 0")
        self._columns = named([one[0] for one in cursor.description], self.shown)

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in self._columns]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types, over all values; with *pinned* those, where every value fits."""
        if pinned is not None:
            for _ in self.batches(pinned):
                pass
            return list(pinned)
        guesses = [ValueGuess() for _ in self._columns]
        for values in self._values():
            for guess, column in zip(guesses, values, strict=True):
                guess.see(column)
        self.notes += [
            f"{column.name}: instants without a time zone are taken as UTC"
            for column, guess in zip(self._columns, guesses, strict=True)
            if guess.zoneless
        ]
        found = zip(self._columns, guesses, strict=True)
        return [ImportColumn(column.name, guess.kind, column.source) for column, guess in found]

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        places = {name: at for at, name in enumerate(self.names())}
        read = 0
        for values in self._values():
            arrays = [self._array(values[places[each.name]], each, read) for each in columns]
            yield pa.RecordBatch.from_arrays(arrays, names=[each.name for each in columns])
            read += len(values[0])

    def _values(self) -> Iterator[list[list[Any]]]:
        """The values by column, some rows at a time."""
        with _told(self.shown):
            cursor = self._connection.execute(f"select * {self._from}")
            while rows := cursor.fetchmany(_ROWS):
                values = [list(column) for column in zip(*rows, strict=True)]
                for name, column in zip(self.names(), values, strict=True):
                    if any(isinstance(value, bytes) for value in column):
                        raise ReelhouseError(f"{self.shown}: column {name} holds bytes, which no table here does")
                yield values

    def _array(self, values: list[Any], column: ImportColumn, read: int) -> Any:
        found = as_array(values, column.type)
        if found is None:
            at = first_misfit(values, column.type)
            raise misfit(f"{self.shown}: row {read + at + 1}", column.name, values[at], column.type)
        return found


@contextmanager
def opened(path: Path, table: str) -> Iterator[DuckTable | SqliteTable]:
    """The *table* of the database in the file at *path*, which is only read."""
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    where = f"{path} {table}"
    if path.suffix == ".duckdb":
        import duckdb

        with _told(where):
            connection = duckdb.connect(str(path), read_only=True)
        with closing(connection):
            yield DuckTable(path, table, connection)
        return
    with _told(where):
        # Rows are taken by the thread that writes the table, while this one waits.
        address = f"{path.absolute().as_uri()}?mode=ro"
        file = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    with closing(file):
        yield SqliteTable(path, table, file)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """What a database says inside, in one line."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as exc:
        raise ReelhouseError(f"{where}: {exc}") from exc
    except Exception as exc:
        # DuckDB need not be installed for SQLite's files.
        if not type(exc).__module__.startswith(("duckdb", "_duckdb")):
            raise
        raise ReelhouseError(f"{where}: {str(exc).strip().splitlines()[0]}") from exc


def _quoted(table: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table.split("."))
