"""Tables in a DuckDB file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from reelhouse.entities.schema import ColumnSpec
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.serve.export.result import NOTES, TERMS, Exported, Noted, Step, noted
from reelhouse.serve.export.rows import Reading
from reelhouse.serve.export.tables import ExportTable, Snapshot

_TYPES = {"int": "integer", "string": "varchar", "timestamp": "timestamp with time zone"}

_NOTES = f"""
create table if not exists {NOTES} (
    table_name varchar primary key, build bigint, version bigint, rows bigint, mark varchar, form varchar,
    oldest_answer timestamp with time zone, exported_at timestamp with time zone, exported_by varchar
)
"""


class DuckdbForm:
    """How DuckDB's files are read and written."""

    def check(self) -> None:
        try:
            import duckdb  # noqa: F401
        except ImportError as exc:
            raise ConfigError('DuckDB is not installed; install it with: pip install "reelhouse[sql]"') from exc

    def held(self, path: Path) -> tuple[set[str], list[Noted]]:
        log = path.with_name(f"{path.name}.wal")
        if log.exists():
            # Whoever wrote last was ended: what waits in the log would be taken for the new file's.
            with _opened(path) as file:
                file.execute("checkpoint")
        query = (
            "select table_name from duckdb_tables() where schema_name = 'main' "
            "union all select view_name from duckdb_views() where not internal"
        )
        with _opened(path, read_only=True) as file:
            there = {name for (name,) in file.execute(query).fetchall()}
            return there, _notes(file) if NOTES in there else []

    def count(self, path: Path, names: list[str]) -> list[int]:
        with _opened(path, read_only=True) as file:
            return [file.execute(f"select count(*) from {_quoted(name)}").fetchone()[0] for name in names]

    def copy(self, path: Path, made: Path) -> None:
        # Open for reading meanwhile, which keeps writers out.
        with _opened(path, read_only=True):
            shutil.copyfile(path, made)

    def write(self, made: Path, snapshot: Snapshot, wanted: list[ExportTable], step: Step) -> list[Exported]:
        with _opened(made) as file:
            file.execute("set timezone = 'UTC'")
            file.execute(_NOTES)
            file.execute(f"comment on table {NOTES} is {_text(TERMS)}")
            done = []
            for table in wanted:
                step(f"{table.name}: loading")
                done.append(_load(file, snapshot, table))
            file.execute("checkpoint")
        return done


def _load(file: Any, snapshot: Snapshot, table: ExportTable) -> Exported:
    name = _quoted(table.name)
    reading = Reading(snapshot.storage, table)
    columns = ", ".join(f"{_quoted(column.name)} {_type(column)}" for column in table.spec.columns)
    file.execute(f"drop table if exists {name}")
    file.execute(f"create table {name} ({columns})")
    file.register("reelhouse_rows", reading.stream())
    try:
        file.execute(f"insert into {name} select * from reelhouse_rows")
    except Exception:
        if reading.error is not None:
            raise reading.error from None
        raise
    file.unregister("reelhouse_rows")
    reading.check()
    _comment(file, table)
    note = noted(snapshot, table, reading.rows, reading.oldest)
    file.execute(f"delete from {NOTES} where table_name = ?", [table.name])
    file.execute(f"insert into {NOTES} values ({', '.join('?' * 9)})", list(msgspec.structs.astuple(note)))
    notes = _add_key(file, table)
    return Exported(table.name, reading.rows, reading.rows, "full", reading.oldest, notes)


def _comment(file: Any, table: ExportTable) -> None:
    name = _quoted(table.name)
    file.execute(f"comment on table {name} is {_text(table.spec.about)}")
    for column in table.spec.columns:
        if column.comment:
            file.execute(f"comment on column {name}.{_quoted(column.name)} is {_text(column.comment)}")


def _add_key(file: Any, table: ExportTable) -> tuple[str, ...]:
    """Declare the key where the rows have it. DuckDB finds other rows without indexes."""
    import duckdb

    key = ", ".join(_quoted(name) for name in table.spec.key)
    if not key:
        return ()
    try:
        file.execute(f"alter table {_quoted(table.name)} add primary key ({key})")
    except duckdb.ConstraintException:
        return (f"no primary key: ({', '.join(table.spec.key)}) is not unique, or NULL somewhere",)
    return ()


def _notes(file: Any) -> list[Noted]:
    rows = file.execute(f"select * from {NOTES}").fetchall()
    return [msgspec.convert(dict(zip(Noted.__struct_fields__, row, strict=True)), Noted) for row in rows]


@contextmanager
def _opened(path: Path, *, read_only: bool = False) -> Iterator[Any]:
    """The file, open; `ReelhouseError` for whatever DuckDB says."""
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=read_only) as file:
            yield file
    except duckdb.Error as exc:
        line = str(exc).splitlines()[0]
        if "lock" in line.lower():
            raise ReelhouseError(f"{path.name} is open in another program: close it there, then export again") from exc
        raise ReelhouseError(f"{path.name}: {line}") from exc


def _type(column: ColumnSpec) -> str:
    name = str(column.type)
    return _TYPES.get(name, name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
