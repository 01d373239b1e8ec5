"""What `--to` may name, and the target that it means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from reelhouse.errors import ConfigError
from reelhouse.serve.export.duckdb_file import DuckdbFile
from reelhouse.serve.export.folders import ExportFolder
from reelhouse.serve.export.postgresql.connection import SCHEMES
from reelhouse.serve.export.postgresql.ddl import LONGEST
from reelhouse.serve.export.postgresql.target import SCHEMA, Load, PostgresTarget, load_by_copy
from reelhouse.serve.export.result import Target
from reelhouse.serve.export.sqlite_file import SqliteFile

_EXPECTED = "postgresql://..., NAME.duckdb, NAME.sqlite, csv:FOLDER or parquet:FOLDER is expected"

_BY_PREFIX: dict[str, Callable[[Path], Target]] = {
    "duckdb": DuckdbFile,
    "sqlite": SqliteFile,
    "csv": partial(ExportFolder, suffix="csv"),
    "parquet": partial(ExportFolder, suffix="parquet"),
}
_PREFIXES = {".duckdb": "duckdb", ".sqlite": "sqlite", ".sqlite3": "sqlite"}


def is_database(place: str) -> bool:
    """Whether *place* is the address of a PostgreSQL."""
    return place.startswith(SCHEMES)


def target_of(place: str, schema: str | None = None, load: Load = load_by_copy, *, excel_safe: bool = False) -> Target:
    """The target at *place*; `ConfigError` where it is none. *schema* and *load* are for PostgreSQL.

    *excel_safe* is for CSV.
    """
    if excel_safe:
        if not place.startswith("csv:"):
            raise ConfigError("excel-safe: this is about CSV files: --to csv:FOLDER --excel-safe")
        return ExportFolder(Path(place.removeprefix("csv:")), "csv", excel_safe=True)
    if is_database(place):
        return PostgresTarget(place, _checked(schema or SCHEMA), load)
    if schema is not None:
        raise ConfigError("schema: only PostgreSQL has one; files hold tables by their plain names")
    prefix, colon, path = place.partition(":")
    if "://" in place:
        scheme = place.partition("://")[0].rpartition(":")[2]
        raise ConfigError(f"to: {_EXPECTED}, on this machine; not an address that begins with {scheme}://")
    if colon and prefix in _BY_PREFIX and path:
        return _BY_PREFIX[prefix](Path(path))
    if Path(place).suffix in _PREFIXES:
        return _BY_PREFIX[_PREFIXES[Path(place).suffix]](Path(place))
    # A database's address with a slash too few is none, nor are `name=value` pairs, and they may hold a password.
    raise ConfigError(f"to: {_EXPECTED}" + ("" if "@" in place or "=" in place else f", not {place!r}"))


def _checked(schema: str) -> str:
    if schema.startswith("pg_") or schema == "information_schema":
        raise ConfigError(f"schema: {schema} is PostgreSQL's own")
    if len(schema.encode()) > LONGEST:
        # PostgreSQL cuts such a name where it makes the schema, and finds none of it afterwards.
        size = len(schema.encode())
        raise ConfigError(f"schema: PostgreSQL has names of up to {LONGEST} bytes, and this one has {size}: shorten it")
    return schema
