"""`_reelhouse/imports.json`: the tables that a person brought into the lake, and the version of each that readers see.

They are the person's own, not TMDB's: no build makes them and no purge takes them, so they are pinned apart from
the manifest, which a purge empties. An import's pin moves last, so that a reader sees the old rows or the new ones.
"""

from __future__ import annotations

import re

import msgspec

from reelhouse.entities.schema import ColumnSpec, Table
from reelhouse.errors import ConfigError, LakeError, did_you_mean
from reelhouse.raw.json_objects import change_object, read_object
from reelhouse.raw.keys import FORMAT, IMPORTS
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import TableVersion, believed, built

ZONE = "imports"

_NAME = re.compile(r"[a-z][a-z0-9_]*")

# Of a table and of a column. File systems and catalogues take 255, and a name becomes one of a file with an ending.
LONGEST_NAME = 200

# Tables and marts that later versions make (MODEL): nobody's import may stand in their way.
RESERVED = frozenset(("change",))


class ImportColumn(msgspec.Struct, frozen=True):
    """One column; *type* is `bigint`, `double`, `decimal(p,s)`, `boolean`, `date`, `timestamp` or `string`.

    *source* is its name in the imported file or table, if that cannot name a column of a lake. One that is *untyped*
    has held no value yet: it is a `string` until an import has one.
    """

    name: str
    type: str
    source: str = ""
    untyped: bool = False

    @property
    def comment(self) -> str:
        """What a reader of the table should know of it, if anything."""
        return f"There it is called {self.source}." if self.source else ""


class ImportSource(msgspec.Struct, frozen=True):
    """Where rows came from: a file with what it held, or a database's table without its password."""

    name: str
    sha256: str = ""
    bytes: int = 0


class Import(TableVersion, frozen=True, kw_only=True):
    """An imported table as readers see it: a `Pin` of the zone `imports`, and what it was made from."""

    columns: list[ImportColumn]
    sources: list[ImportSource]
    imported_at: str
    written_by: str = ""


class Imports(msgspec.Struct, frozen=True):
    """All imported tables of a lake by name."""

    tables: dict[str, Import] = {}
    format: int = FORMAT


def imported(storage: Storage) -> dict[str, Import]:
    """What was imported, by name; empty where nothing was."""
    return (read_object(storage, IMPORTS, Imports) or Imports()).tables


def readable(storage: Storage) -> dict[str, TableVersion]:
    """All that readers see, by name: the last whole build, and what was imported, also before a first build.

    Raises `LakeError`, with what to do about it, where there is nothing at all.
    """
    own = imported(storage)
    current = believed(storage) if own else built(storage)
    # A later version may make a table of an import's name: then TMDB's is meant.
    return {**own, **(current.tables if current else {})}


def check_name(name: str, known: frozenset[str]) -> None:
    """Raise `ConfigError` unless an import may be called *name*; *known* are TMDB's tables and marts."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"import: {name!r} is not a name for a table: take a to z, 0 to 9 and _, a letter first")
    if len(name) > LONGEST_NAME:
        said = f"a table's name may have {LONGEST_NAME} letters, and this one has {len(name)}"
        raise ConfigError(f"import: {said}: shorten it")
    if name in known | RESERVED:
        raise ConfigError(f"import: {name} is a table of TMDB's, or will be one: take another name, my_{name} say")
    for product, begin in (("SQLite", "sqlite_"), ("DuckDB", "duckdb_"), ("PostgreSQL", "pg_")):
        if name.startswith(begin):
            raise ConfigError(f"import: {product} keeps names that begin with {begin} for itself: take my_{name}, say")
    if name.startswith("reelhouse_"):
        # An export keeps its notes and its half-made tables under such names.
        raise ConfigError(f"import: names that begin with reelhouse_ are reelhouse's own: take another than {name}")


def pin_import(storage: Storage, name: str, new: Import | None, over: Import | None) -> None:
    """Make *new* what readers see as *name*, None that they see nothing.

    Raises `LakeError` where it is no longer *over* that they see: another import of the same name was quicker.
    """

    def changed(before: Imports) -> Imports:
        if before.tables.get(name) != over:
            raise LakeError(f"{name} was imported by somebody else meanwhile; nothing is changed, import it again")
        tables = {key: value for key, value in before.tables.items() if key != name}
        return Imports(tables if new is None else {**tables, name: new})

    change_object(storage, IMPORTS, Imports(), changed)


def drop_import(storage: Storage, name: str) -> int:
    """Take the table *name* from readers, then its bytes; returns the rows it had.

    Raises `LakeError` where nothing of it is there.
    """
    pins = imported(storage)
    keys = list(storage.list_all_versions(f"{ZONE}/{name}/")) if _NAME.fullmatch(name) else []
    if name not in pins and not keys:
        raise LakeError(f"no table {name!r} was imported{did_you_mean(name, pins)}")
    if name in pins:
        pin_import(storage, name, None, pins[name])
    # The log goes last and backwards, so that whatever a kill leaves is still a table, and can be imported over.
    for logs in (False, True):
        found = (key for key in keys if ("/_delta_log/" in key) is logs)
        for key in sorted(found, key=lambda key: (not key.endswith(".json"), key), reverse=True):
            storage.delete_all_versions(key)
    return pins[name].rows if name in pins else 0


def import_spec(name: str, one: Import) -> Table:
    """The declaration of an imported table."""
    sources = ", ".join(source.name for source in one.sources[:3]) + (", ..." if len(one.sources) > 3 else "")
    return Table(name, f"Imported from {sources}.", column_specs(one.columns), inputs=())


def column_specs(columns: list[ImportColumn]) -> tuple[ColumnSpec, ...]:
    """The declared columns of an import."""
    return tuple(ColumnSpec(each.name, each.type, each.comment) for each in columns)
