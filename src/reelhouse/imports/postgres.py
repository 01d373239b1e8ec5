"""A table of PostgreSQL as batches: all of it in one snapshot, each type brought to one of a lake by the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import pyarrow as pa

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.imports.columns import NEW_SCHEMA, named
from reelhouse.imports.values import arrow_type
from reelhouse.sql_quoting import quoted
from reelhouse.storage.postgres_address import (
    FIRST_SEARCH_PATH,
    POOLED,
    USUAL_SEARCH_PATH,
    Secrets,
    guarded,
    is_lost,
    shown,
    why_refused,
)
from reelhouse.warehouse.import_registry import ImportColumn

_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_LONGEST = 38
_PREFIX = re.compile(r"^[A-Z_]+: \[libpq\] (Failed to [a-z ]+: )?(PGRES_FATAL_ERROR )?(ERROR: +)?")

_KINDS = {
    "smallint": "bigint",
    "integer": "bigint",
    "bigint": "bigint",
    "real": "double",
    "double precision": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",
}

_STYLES = {"datestyle": "ISO", "intervalstyle": "postgres", "bytea_output": "hex", "extra_float_digits": "1"}
_CASTS = {"bigint": "{}::int8", "double": "{}::float8", "boolean": "{}", "date": "{}", "timestamp": "{}::timestamptz"}

# Types are those of PostgreSQL's own functions and operators, to the letter (USUAL_SEARCH_PATH).
_COLUMNS = """
select a.attname, format_type(coalesce(nullif(t.typbasetype, 0::oid), t.oid),
                              case when t.typbasetype = 0::oid then a.atttypmod else t.typtypmod end)
from pg_attribute a join pg_type t on t.oid = a.atttypid
where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""

_TABLE = """
select c.oid::int8, n.nspname::text, c.relname::text
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = coalesce(to_regclass($1), to_regclass($2))::oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
"""

# A key of one column of whole numbers, by which readers can share the rows.
_KEY = """
select a.attname
from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = $1::oid and i.indisprimary and i.indnatts = 1
  and a.atttypid in ('int2'::regtype::oid, 'int4'::regtype::oid, 'int8'::regtype::oid)
"""


class PgColumn(NamedTuple):
    """One column of the database's, and the table's that it becomes."""

    source: str
    declared: str
    column: ImportColumn

    def selected(self, *, java: bool) -> str:
        """The column as an expression that a driver reads as it is: ADBC knows no decimals, and Java not all dates."""
        name, kind = quoted(self.source), self.column.type
        if self.declared == "timestamp without time zone":
            name = f"{name} at time zone 'UTC'"
        if java and kind == "timestamp":
            name = f"({name})::timestamptz at time zone 'UTC'"
        cast = self._java_cast(kind) if java else _CASTS.get(kind, "{}::text")
        return f"({cast.format(f'({name})')}) as {quoted(self.column.name)}"

    def _java_cast(self, kind: str) -> str:
        if kind.startswith("decimal"):
            return f"{{}}::{self.declared}"
        # Java's dates have no days from 5 to 14 October 1582.
        return "{}::text" if kind in ("date", "timestamp") else _CASTS.get(kind, "{}::text")


class Postgres:
    """A table, looked at and read in one transaction of one connection."""

    def __init__(self, url: str, table: str, connection: Any) -> None:
        self.shown = f"{shown(url)} {table}"
        self._url = url
        self._connection = connection
        self.notes: list[str] = []
        # First, since a transaction's kind is set before anything is asked in it.
        self._run("set transaction isolation level repeatable read, read only")
        if self._run(FIRST_SEARCH_PATH) != [("pg_catalog",)]:
            raise ConfigError(f"{shown(url)}: {POOLED}")
        # Else that of the database or of PGCLIENTENCODING, and Arrow takes all texts for UTF-8.
        self._run("set client_encoding = 'UTF8'")
        # Else a role's own styles would be those of texts.
        for name, style in _STYLES.items():
            self._run(f"set {name} = '{style}'")
        self._run(USUAL_SEARCH_PATH)
        self.oid, self.place = self._find(table)
        self.found = self._look()

    def names(self) -> list[str]:
        """What the columns are called."""
        return [one.column.name for one in self.found]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types; with *pinned* those, if they are the same."""
        self._check_finite()
        found = {one.column.name: one.column for one in self.found}
        for column in pinned or ():
            if found[column.name].type != column.type:
                raise ReelhouseError(
                    f"{self.shown}: column {column.name} is {found[column.name].type}, which is not of type "
                    f"{column.type}; {NEW_SCHEMA}"
                )
        return [found[column.name] for column in pinned] if pinned is not None else list(found.values())

    def query(self, columns: Sequence[ImportColumn], *, java: bool) -> str:
        """The rows in SQL, typed as *columns* say, but for what ADBC or *java* reads as text."""
        found = {one.column.name: one for one in self.found}
        wanted = ", ".join(found[column.name].selected(java=java) for column in columns)
        return f"select {wanted} from {self.place}"

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        with _as_errors(self._url), self._connection.cursor() as cursor:
            cursor.execute(self.query(columns, java=False))
            for batch in cursor.fetch_record_batch():
                arrays = [_typed(batch.column(at), column) for at, column in enumerate(columns)]
                yield pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])

    def count(self) -> int:
        """How many rows there are."""
        return int(self._run(f"select count(*) from {self.place}")[0][0])

    def snapshot(self) -> str:
        """A name under which other connections see the same rows, as long as this one lasts."""
        return str(self._run("select pg_export_snapshot()")[0][0])

    def split_column(self, wanted: str | None) -> PgColumn | None:
        """The column of whole numbers by which rows can be shared out: *wanted*, or the table's key, if it has one."""
        keys = [row[0] for row in self._run(_KEY, self.oid)] if wanted is None else [wanted]
        found = [one for one in self.found if keys in ([one.source], [one.column.name])]
        if wanted is not None and (not found or found[0].column.type != "bigint"):
            raise ConfigError(f"split_by: {self.shown} has no column {wanted} of whole numbers")
        return found[0] if found else None

    def bounds(self, column: PgColumn) -> tuple[int, int] | None:
        """The least and the greatest value of a column; None where there is none."""
        name = quoted(column.source)
        ((least, greatest),) = self._run(f"select min({name})::int8, max({name})::int8 from {self.place}")
        return None if least is None else (least, greatest)

    def _find(self, table: str) -> tuple[int, str]:
        # As SQL would read it, else as it is written.
        rows = self._run(_TABLE, table, ".".join(map(quoted, table.split("."))))
        if not rows:
            raise ConfigError(f"table: {shown(self._url)} has no table {table!r} for this user")
        oid, schema, name = rows[0]
        return oid, f"{quoted(schema)}.{quoted(name)}"

    def _look(self) -> list[PgColumn]:
        rows = self._run(_COLUMNS, self.oid)
        if not rows:
            raise ReelhouseError(f"{self.shown} has no columns")
        found = []
        for column, (name, declared) in zip(named([row[0] for row in rows], self.shown), rows, strict=True):
            kind = _kind(declared)
            if declared == "timestamp without time zone":
                self.notes.append(f"{column.name}: instants without a time zone are taken as UTC")
            if declared.startswith("numeric") and kind == "string":
                self.notes.append(f"{column.name}: {declared} has more digits than a column can hold: kept as text")
            found.append(PgColumn(name, declared, ImportColumn(column.name, kind, column.source)))
        return found

    def _check_finite(self) -> None:
        """PostgreSQL has dates and instants that never come; no table of a lake has."""
        for one in self.found:
            if one.column.type in ("date", "timestamp"):
                name = quoted(one.source)
                year = f"extract(year from {name})::float8"
                first = f"select 1 from {self.place} where not isfinite({name}) or {year} "
                if self._run(f"{first} not between 1::float8 and 9999::float8 limit 1"):
                    raise ReelhouseError(f"{self.shown}: column {one.source} holds infinity, or a year of five digits")

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with _as_errors(self._url), self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def opened(url: str, table: str) -> Iterator[Postgres]:
    """The *table* at *url*; `ConfigError` where it cannot be reached so, never with a password in it."""
    from adbc_driver_postgresql import dbapi

    with _as_errors(url, connecting=True):
        connection = dbapi.connect(guarded(url))
    try:
        yield Postgres(url, table, connection)
    finally:
        # It only read: whatever fails here, nothing is lost, and what failed before it is the better word.
        with suppress(dbapi.Error):
            connection.close()


def _kind(declared: str) -> str:
    found = _NUMERIC.fullmatch(declared)
    if found and int(found[2]) <= int(found[1]) <= _LONGEST:
        return f"decimal({found[1]},{found[2]})"
    return _KINDS.get(declared, "string")


def _typed(array: Any, column: ImportColumn) -> Any:
    try:
        return array.cast(arrow_type(column.type))
    except pa.ArrowInvalid as exc:
        raise ReelhouseError(f"{column.name}: {str(exc).splitlines()[0]}") from exc


@contextmanager
def _as_errors(url: str, *, connecting: bool = False) -> Iterator[None]:
    """What the driver says inside, in one line and without the password."""
    from adbc_driver_manager import dbapi

    try:
        yield
    except (dbapi.Error, OSError, pa.ArrowException) as exc:
        lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
        said = _PREFIX.sub("", lines[0]) if lines else type(exc).__name__
        if is_lost(str(exc), getattr(exc, "sqlstate", None)):
            said = "the connection was lost: import again, which takes all rows or none"
        elif connecting:
            raise ConfigError(f"{shown(url)}: {why_refused(url, said)}") from None
        raise ReelhouseError(f"{shown(url)}: {Secrets(url).hide(said.replace(url, '***'))}") from None
