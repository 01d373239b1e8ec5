"""One connection to PostgreSQL, by ADBC (libpq): statements, bulk loads, and its errors as a person can use them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyarrow as pa

from reelhouse.errors import ConfigError, ReelhouseError, pip_install
from reelhouse.storage.postgres_address import (
    FIRST_SEARCH_PATH,
    POOLED,
    USUAL_SEARCH_PATH,
    guarded,
    is_lost,
    shown,
    why_refused,
)

SCHEMES = ("postgresql://", "postgres://")

# A wrong address is known in ten seconds, a dead connection in a minute or two; libpq's own defaults are hours.
_TIMEOUTS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "tcp_user_timeout": "120000",
    "application_name": "reelhouse",
}

_DENIED = "42501"
_DEPENDENT = "2BP01"
_LOCKED = "55P03"
_TOO_LARGE = "54000"
_UNENCODABLE = "22P05"
_VIOLATIONS = ("23505", "23502")


class LostError(ReelhouseError):
    """The connection ended."""


class ViolationError(ReelhouseError):
    """Rows are not what a key promises."""


def patient(url: str) -> str:
    """*url* with limits to how long libpq waits, where it names none."""
    named = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    more = urlencode({name: value for name, value in _TIMEOUTS.items() if name not in named})
    return f"{url}{'&' if '?' in url else '?'}{more}" if more else url


class Link:
    """A connection that commits each statement, unless inside `transaction`."""

    def __init__(self, connection: Any, place: str) -> None:
        self._connection = connection
        self._place = place

    def run(self, statement: str) -> None:
        """A statement without rows."""
        with self._telling(), self._connection.cursor() as cursor:
            cursor.execute(statement)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds; `$1` stands for the first of *values*."""
        with self._telling(), self._connection.cursor() as cursor:
            cursor.execute(query, list(values) or None)
            return list(cursor.fetchall())

    def value(self, query: str, values: Sequence[Any] = ()) -> Any:
        """The one value that a query finds; *values* as for `rows`."""
        return self.rows(query, values)[0][0]

    def arrow(self, query: str) -> pa.Table:
        """What a query finds, as an Arrow table."""
        with self._telling(), self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def load(self, schema: str, table: str, rows: pa.RecordBatchReader) -> int:
        """Append *rows* to a table by COPY; returns how many."""
        with self._telling(), self._connection.cursor() as cursor:
            return int(cursor.adbc_ingest(table, rows, mode="append", db_schema_name=schema))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All inside or nothing of it."""
        self.run("begin")
        try:
            yield
        except BaseException:
            self._roll_back()
            raise
        try:
            self.run("commit")
        except LostError as exc:
            raise LostError(
                f"the connection to {self._place} was lost at the very end: all tables there are new or none is; "
                "export again, which writes only what is missing"
            ) from exc

    def _roll_back(self) -> None:
        try:
            self.run("rollback")
        except ReelhouseError:
            # Without a connection the server does it by itself; the earlier error is the one to report.
            return

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Inside a transaction: what is inside may fail with `ViolationError` without ending it."""
        self.run("savepoint attempt")
        try:
            yield
        except ViolationError:
            self.run("rollback to savepoint attempt")
            raise
        self.run("release savepoint attempt")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        from adbc_driver_manager import Error

        try:
            yield
        except (Error, pa.ArrowException) as exc:
            raise _error_of(exc, self._place) from exc


@contextmanager
def linked(url: str) -> Iterator[Link]:
    """A connection to the database at *url*; libpq completes it from PG... variables and ~/.pgpass.

    Raises `ConfigError` where there is none to be had.
    """
    dbapi = _driver()
    from adbc_driver_manager import Error

    place = shown(url)
    try:
        connection = dbapi.connect(guarded(patient(url)), autocommit=True)
    except (Error, ValueError) as exc:
        said = _lines(exc)[0] if isinstance(exc, Error) else "it is not an address"
        raise ConfigError(f"{place} cannot be reached: {why_refused(url, said)}") from None
    try:
        link = Link(connection, place)
        if link.value(FIRST_SEARCH_PATH) != "pg_catalog":
            raise ConfigError(f"{place}: {POOLED}")
        # Else that of the database or of PGCLIENTENCODING: texts are sent in UTF-8, and would be taken for others.
        link.run("set client_encoding = 'UTF8'")
        link.run(USUAL_SEARCH_PATH)
        link.run("set standard_conforming_strings = on")
        link.run("set client_min_messages = warning")
        # A session that holds a lock on a table is not waited for without an end.
        link.run("set lock_timeout = '60s'")
        yield link
    finally:
        _close(connection)


def _driver() -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as exc:
        raise ConfigError(f"PostgreSQL needs a driver that is not installed: {pip_install('sql')}") from exc
    return dbapi


def _close(connection: Any) -> None:
    from adbc_driver_manager import Error

    try:
        connection.close()
    except Error:
        # It ended before, and its error was reported.
        return


def _error_of(exc: Any, place: str) -> ReelhouseError:
    lines = _lines(exc)
    state = getattr(exc, "sqlstate", None)
    if is_lost(str(exc), state):
        return LostError(
            f"the connection to {place} was lost, and its tables are as they were: export again, which also drops the "
            "unfinished tables reelhouse_new__..."
        )
    if state == _DENIED:
        return ConfigError(f"{place}: {lines[0]}; grant it, or export as another user or into another --schema")
    if state == _DEPENDENT:
        return ReelhouseError(
            f"{place}: {'; '.join(lines[:2])}: columns have changed, so drop it and make it again after"
        )
    if state == _LOCKED:
        return ReelhouseError(
            f"{place}: somebody has locked a table there for a minute: {lines[0]}; export again later"
        )
    if state == _TOO_LARGE:
        return ReelhouseError(
            f"{place}: a table is too wide for PostgreSQL ({lines[0]}): name other tables with --tables, or export "
            "it to parquet:FOLDER"
        )
    if state == _UNENCODABLE:
        return ReelhouseError(f"{place}: {lines[0]}: export into a database of `create database ... encoding 'UTF8'`")
    return ViolationError(f"{place}: {lines[0]}") if state in _VIOLATIONS else ReelhouseError(f"{place}: {lines[0]}")


def _lines(exc: BaseException) -> list[str]:
    """What libpq and the server say: the error, then its detail, without the statement and ADBC's own words."""
    text = str(exc).partition("\n\nQuery was:")[0]
    text = re.sub(r"\. SQLSTATE: \w+\s*$", "", text)
    _, _, said = text.rpartition("ERROR:")
    lines = [line.strip() for line in (said or text).splitlines() if line.strip()]
    if lines:
        lines[0] = lines[0].removeprefix("IO: ").removeprefix("[libpq] ")
    return [line for line in lines if not line.startswith(("LINE ", "^", "CONTEXT:"))] or [type(exc).__name__]
