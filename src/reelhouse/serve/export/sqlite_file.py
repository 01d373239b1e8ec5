"""Tables in a SQLite file.

Dates and instants are ISO 8601 (`2026-11-23T20:00:00.000000Z`), which SQLite's functions know; truth is 1 and 0.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from reelhouse.errors import ReelhouseError
from reelhouse.serve.browse.metadata import check_metadata, write_metadata
from reelhouse.serve.export.database_file import DatabaseFile, listed
from reelhouse.serve.export.result import NOTES, Exported, ExportedVersion
from reelhouse.serve.export.rows import TableScan
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot, check_columns, look
from reelhouse.sql_quoting import quoted
from reelhouse.storage.protocol import Step

# As SQLite is built unless somebody builds it otherwise.
_MOST_COLUMNS = 2000


class SqliteFile(DatabaseFile):
    """A SQLite file."""

    types: ClassVar = {"bigint": "integer", "int": "integer", "double": "real", "decimal": "text", "string": "text"}
    names = "select name from sqlite_master where type in ('table', 'view')"
    additions = (
        "select type || ' ' || name, sql from sqlite_master "
        "where tbl_name = ? and type in ('index', 'trigger') and sql is not null"
    )
    columns = "select name from pragma_table_xinfo(?)"

    enforces = False

    @contextmanager
    def opened(self, path: Path, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as file:
                yield file
        except sqlite3.Error as exc:
            raise ReelhouseError(f"{path.name}: {exc}") from exc

    def export(self, snapshot: LakeSnapshot, *, full: bool, step: Step) -> list[Exported]:
        """As of all files; beside it comes what datasette shows of it."""
        for table in snapshot.tables:
            check_columns(table, "SQLite", _MOST_COLUMNS)
        check_metadata(self._path)
        done = super().export(snapshot, full=full, step=step)
        with self.opened(self._path, read_only=True) as file:
            there = {name for (name,) in file.execute(self.names)}
        write_metadata(self._path, [table.spec for table in look(snapshot.storage).tables if table.name in there])
        return done

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self.opened(self._path) as file:
            # With a log of writes, which tells by itself whether somebody has the file open, this one would keep it.
            if file.execute("pragma journal_mode").fetchone() != ("wal",):
                file.execute("begin immediate")
                yield
                return
        yield

    def copy(self, made: Path) -> None:
        with self.opened(self._path) as file:
            file.execute("vacuum into ?", [str(made)])
        if self._path.with_name(f"{self._path.name}-wal").exists():
            # It stays while somebody has the file open, and would be taken for the new file's.
            raise ReelhouseError(f"{self._path} is open in another program: close it there, then export again")

    def prepare(self, file: sqlite3.Connection) -> None:
        # Whatever happens to this copy, the file itself is untouched: nothing here has to survive a crash.
        for setting in ("journal_mode = off", "synchronous = off", "cache_size = -200000"):
            file.execute(f"pragma {setting}")
        # What was purged must not stay in free pages.
        file.execute("pragma secure_delete = on")
        first, *others = ExportedVersion.__struct_fields__
        file.execute(f"create table if not exists {NOTES} ({first} primary key, {', '.join(others)})")

    def insert(self, file: sqlite3.Connection, table: ExportTable, scan: TableScan) -> str:
        into = f"insert into {quoted(table.name)} values ({', '.join('?' * len(table.spec.columns))})"
        key = [table.spec.column_names.index(name) for name in table.spec.key]
        nan = 0
        file.execute("begin")
        try:
            for batch in scan.batches():
                # SQLite would write a number of its own where the one column of a key is NULL.
                if any(batch.column(at).null_count for at in key) and self._has_key(file, table):
                    raise sqlite3.IntegrityError("NULL in a key")
                file.executemany(into, zip(*map(_values, batch.columns), strict=True))
                floats = (column for column in batch.columns if pa.types.is_floating(column.type))
                nan += sum(pc.sum(pc.is_nan(column)).as_py() or 0 for column in floats)
        finally:
            # Without a journal nothing can be rolled back: a table that is refused is dropped.
            file.execute("commit")
        return f"{nan:,} values were NaN, which SQLite does not hold: now NULL" if nan else ""

    @staticmethod
    def _has_key(file: sqlite3.Connection, table: ExportTable) -> bool:
        return any(row[-1] for row in file.execute(f"pragma table_info({quoted(table.name)})"))

    def key(self, table: ExportTable) -> str:
        return f"primary key ({listed(table.spec.key)})" if table.spec.key else ""

    def refused(self, exc: Exception) -> bool:
        return isinstance(exc, sqlite3.IntegrityError)

    def index(self, file: sqlite3.Connection, table: ExportTable) -> str:
        """Indexes on ids of other things; keys are declared before rows come."""
        for column in table.indexed:
            name = quoted(f"{table.name}_{column}_idx")
            file.execute(f"create index {name} on {quoted(table.name)} ({quoted(column)})")
        return ""


def _values(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_timestamp(kind):
        column = pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")
    elif pa.types.is_date(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.string())
    found: list[Any] = column.to_pylist()
    return found
