"""The interface of catalogues, and how one is brought up to date with a lake; only the lake's own entries change."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from reelhouse.errors import ReelhouseError
from reelhouse.serve.catalog.entries import CatalogEntry
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Step
from reelhouse.warehouse.import_registry import ZONE

# The folders of a lake that hold tables.
FOLDERS = ("tables", "marts", ZONE)
# Catalogues answer slowly, and throttle.
_AT_ONCE = 4


class CatalogTable(NamedTuple):
    """A table in a catalogue: *lake* is the address of the lake that it is marked with, None for other tables."""

    name: str
    lake: str | None
    location: str


class TableCatalogue(Protocol):
    """One database (Glue) or schema (Unity Catalog). Every method may raise `ConfigError` or `ReelhouseError`."""

    def ensure(self, about: str) -> None:
        """Create the database if it is missing; an existing one that is not ours is not changed."""

    def tables(self) -> list[CatalogTable]:
        """All tables in it, including those of others; read once, before anything is changed."""

    def put(self, entry: CatalogEntry) -> str:
        """Create or refresh one; returns `created`, `updated` or `unchanged`."""

    def drop(self, name: str) -> None:
        """Remove a table from the catalogue; its data stays. A missing one is not an error."""


class RegistrationResult(NamedTuple):
    """The names of tables by what a refresh did."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]
    dropped: list[str]


def refresh(
    catalogue: TableCatalogue,
    lake: str,
    entries: list[CatalogEntry],
    present: set[str],
    about: str,
    step: Step = lambda name: None,
) -> RegistrationResult:
    """Update *catalogue* to *entries*, and drop entries of this *lake* for tables that are no longer *present*.

    Raises `ReelhouseError`, before any table is changed, if a table of somebody else has the name of one of *entries*.
    """
    step("looking")
    catalogue.ensure(about)
    found = {table.name: table for table in catalogue.tables()}
    for entry in entries:
        _check_ours(found.get(entry.name), lake)
    done: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}

    def put(entry: CatalogEntry) -> tuple[str, str]:
        step(entry.name)
        return entry.name, catalogue.put(entry)

    for name, outcome in prefetch(put, entries, _AT_ONCE):
        done[outcome].append(name)
    ours = (table.name for table in found.values() if table.lake == lake and _is_in_lake(table, lake))
    gone = sorted(name for name in ours if name not in present)
    for name in gone:
        step(name)
        catalogue.drop(name)
    return RegistrationResult(done["created"], done["updated"], done["unchanged"], gone)


def _is_in_lake(found: CatalogTable, lake: str) -> bool:
    """Whether an entry is where `refresh` would put it: one that somebody copied from ours has our mark too."""
    return found.location.rstrip("/") in {f"{lake}/{zone}/{found.name}" for zone in FOLDERS}


def _check_ours(found: CatalogTable | None, lake: str) -> None:
    if found is None or found.lake == lake:
        return
    whose = (
        f"of the lake {found.lake}" if found.lake else f"not reelhouse's (its location is {found.location or 'empty'})"
    )
    raise ReelhouseError(
        f"the database has a table {found.name} already that is {whose}: nothing is changed; use another database, "
        "or drop or rename that table yourself"
    )
