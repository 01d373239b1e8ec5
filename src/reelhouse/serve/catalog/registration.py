"""What every catalogue can do, and how one is brought up to a lake: nothing is changed that is not the lake's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from reelhouse.errors import ReelhouseError
from reelhouse.serve.catalog.entries import Entry
from reelhouse.storage.prefetch import prefetch

# Catalogues answer slowly, and say so when they are asked too much.
_AT_ONCE = 4


class Found(NamedTuple):
    """A table as a catalogue has it: *lake* is the address of the lake it is marked with, None for a foreign one."""

    name: str
    lake: str | None
    location: str


class Catalogue(Protocol):
    """One database (Glue) or schema (Unity Catalog). Every method may raise `ConfigError` or `ReelhouseError`."""

    def ensure(self, about: str) -> None:
        """Make the database where there is none; one that is there and is not ours stays as it is."""

    def tables(self) -> list[Found]:
        """All tables in it, also those of others; asked once, before anything is changed."""

    def put(self, entry: Entry) -> str:
        """Create or refresh one; returns `created`, `updated` or `unchanged`."""

    def drop(self, name: str) -> None:
        """Take a table out of the catalogue; its data stays. One that is not there is no error."""


class Registered(NamedTuple):
    """What a refresh did, by the names of tables."""

    created: list[str]
    updated: list[str]
    unchanged: list[str]
    dropped: list[str]


def refresh(
    catalogue: Catalogue,
    lake: str,
    entries: list[Entry],
    present: set[str],
    about: str,
    step: Callable[[str], None] = lambda name: None,
) -> Registered:
    """Bring *catalogue* to say what *entries* say, and drop entries of this *lake* for what is no longer *present*.

    Raises `ReelhouseError`, before any table is changed, where another's table has the name of one of *entries*.
    """
    step("looking")
    catalogue.ensure(about)
    found = {table.name: table for table in catalogue.tables()}
    for entry in entries:
        _check_ours(found.get(entry.name), lake)
    done: dict[str, list[str]] = {"created": [], "updated": [], "unchanged": []}

    def put(entry: Entry) -> tuple[str, str]:
        step(entry.name)
        return entry.name, catalogue.put(entry)

    for name, outcome in prefetch(put, entries, _AT_ONCE):
        done[outcome].append(name)
    gone = sorted(table.name for table in found.values() if table.lake == lake and table.name not in present)
    for name in gone:
        step(name)
        catalogue.drop(name)
    return Registered(done["created"], done["updated"], done["unchanged"], gone)


def _check_ours(found: Found | None, lake: str) -> None:
    if found is None or found.lake == lake:
        return
    whose = (
        f"of the lake {found.lake}" if found.lake else f"not reelhouse's (it lies at {found.location or 'no place'})"
    )
    raise ReelhouseError(
        f"the database has a table {found.name} already that is {whose}: nothing is changed; take another database, "
        "or drop or rename that table yourself"
    )
