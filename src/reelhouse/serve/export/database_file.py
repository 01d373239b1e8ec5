"""One file with all tables as a target: a copy of it is brought up to date, then takes its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.serve.export.atomic_files import (
    check_file,
    check_outside,
    clear_leftovers,
    put_in_place,
    scratch_in,
    stamp,
    sync,
)
from reelhouse.serve.export.result import Exported, Noted, Step, as_before, unchanged
from reelhouse.serve.export.tables import ExportTable, Snapshot


class Form(Protocol):
    """What differs between programs that keep tables in one file. Everything may raise `ReelhouseError`."""

    def check(self) -> None:
        """Raise `ConfigError` where the program is not installed."""

    def held(self, path: Path) -> tuple[set[str], list[Noted]]:
        """The names of all tables and views in a file, and what earlier exports noted there."""

    def count(self, path: Path, names: list[str]) -> list[int]:
        """How many rows tables have."""

    def copy(self, path: Path, made: Path) -> None:
        """Make *made* of the file, whole, or raise where somebody is writing to it."""

    def write(self, made: Path, snapshot: Snapshot, wanted: list[ExportTable], step: Step) -> list[Exported]:
        """Replace the *wanted* tables in *made*, with a note of each."""


class DatabaseFile:
    """The file at *path*, made where there is none. What else is in it stays."""

    def __init__(self, path: Path, form: Form) -> None:
        self.place = str(path)
        # A link stays one, and names another file afterwards.
        self._path = Path(os.path.realpath(path.expanduser()))
        self._form = form

    def export(self, snapshot: Snapshot, *, full: bool, step: Step) -> list[Exported]:
        self._form.check()
        check_outside(self._path, snapshot.storage)
        check_file(self._path)
        known = self._known(snapshot)
        held = self._held(snapshot, known)
        wanted = [table for table in snapshot.tables if full or table.name not in held]
        done = {one.name: one for one in self._put(snapshot, wanted, step)} if wanted else {}
        return [done.get(table.name) or as_before(table, known) for table in snapshot.tables]

    def _put(self, snapshot: Snapshot, wanted: list[ExportTable], step: Step) -> list[Exported]:
        with scratch_in(self._path.parent) as folder:
            clear_leftovers(self._path.parent)
            made, before = folder / self._path.name, self._stamps()
            if self._path.exists():
                self._form.copy(self._path, made)
            done = self._form.write(made, snapshot, wanted, step)
            snapshot.check()
            sync(made)
            # What others wrote since it was copied would go with the old file.
            if self._stamps() != before:
                raise ReelhouseError(
                    f"{self.place} was changed by another program meanwhile, and stays as that left it: export again"
                )
            put_in_place(made, self._path)
        return done

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        """By these a file is known that somebody writes to, as are the logs beside it."""
        return [stamp(self._path.with_name(f"{self._path.name}{log}")) for log in ("", ".wal", "-wal", "-journal")]

    def _held(self, snapshot: Snapshot, known: dict[str, Noted]) -> set[str]:
        """Names of tables that have what is pinned, and from which nobody took rows since."""
        same = [table for table in snapshot.tables if unchanged(table, known)]
        counts = self._form.count(self._path, [table.name for table in same]) if same else []
        return {table.name for table, rows in zip(same, counts, strict=True) if rows == table.rows}

    def _known(self, snapshot: Snapshot) -> dict[str, Noted]:
        """What is noted in the file; refuses tables that are somebody else's."""
        if not self._path.exists():
            return {}
        there, notes = self._form.held(self._path)
        known = {one.table_name: one for one in notes if one.table_name in there}
        # To these programs Title and title are one name, also in quotes.
        names = {name.casefold(): name for name in there}
        for table in snapshot.tables:
            if table.name in names and table.name not in known:
                raise ConfigError(
                    f"to: {self.place} has a table {names[table.name]} that reelhouse did not make: take another file, "
                    "or give it another name"
                )
        return known
