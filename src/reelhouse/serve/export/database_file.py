"""One file with all tables as a target: a copy of it is brought up to date, then takes its name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec

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
from reelhouse.serve.export.result import NOTES, ROWS_ALONE, Exported, Noted, Step, as_before, noted, unchanged
from reelhouse.serve.export.rows import Reading
from reelhouse.serve.export.tables import ExportTable, Snapshot


class DatabaseFile(ABC):
    """The file at *path*, made where there is none; what else is in it stays.

    Subclasses say what differs between programs that keep tables in one file. All of it may raise `ReelhouseError`.
    """

    # What a column's type is called there if not as in the lake, and a statement that names all tables and views.
    types: ClassVar[Mapping[str, str]]
    names: ClassVar[str]
    not_looked_at = ROWS_ALONE

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        # A link stays one, and names another file afterwards.
        self._path = Path(os.path.realpath(path.expanduser()))

    @abstractmethod
    def opened(self, path: Path, *, read_only: bool = False) -> AbstractContextManager[Any]:
        """The file, open, each statement committed."""

    @abstractmethod
    def copy(self, made: Path) -> None:
        """Make *made* of the file, whole, or raise where somebody is writing to it."""

    @abstractmethod
    def prepare(self, file: Any) -> None:
        """Make the table of notes where there is none."""

    @abstractmethod
    def insert(self, file: Any, table: ExportTable, reading: Reading) -> str:
        """Put all rows into an empty table; returns which values the program does not hold, if any."""

    @abstractmethod
    def index(self, file: Any, table: ExportTable) -> str:
        """Declare the key and whatever helps readers; returns why there is no key, where the rows have none."""

    def export(self, snapshot: Snapshot, *, full: bool, step: Step) -> list[Exported]:
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
                self.copy(made)
            with self.opened(made) as file:
                self.prepare(file)
                done = []
                for table in wanted:
                    step(f"{table.name}: loading")
                    done.append(self._load(file, snapshot, table))
            snapshot.check()
            sync(made)
            # What others wrote since it was copied would go with the old file.
            if self._stamps() != before:
                raise ReelhouseError(
                    f"{self.place} was changed by another program meanwhile, and stays as that left it: export again"
                )
            put_in_place(made, self._path)
        return done

    def _load(self, file: Any, snapshot: Snapshot, table: ExportTable) -> Exported:
        name, reading = quoted(table.name), Reading(snapshot.storage, table)
        kinds = {column.name: str(column.type) for column in table.spec.columns}
        columns = ", ".join(
            f"{quoted(column)} {self.types.get(kind.partition('(')[0], kind)}" for column, kind in kinds.items()
        )
        file.execute(f"drop table if exists {name}")
        file.execute(f"create table {name} ({columns})")
        changed = self.insert(file, table, reading)
        reading.check()
        note = noted(snapshot, table, reading.rows, reading.oldest)
        values = [each.isoformat() if isinstance(each, datetime) else each for each in msgspec.structs.astuple(note)]
        file.execute(f"insert or replace into {NOTES} values ({', '.join('?' * len(values))})", values)
        notes = tuple(filter(None, (changed, self.index(file, table))))
        return Exported(table.name, reading.rows, reading.rows, "full", reading.oldest, notes)

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        """By these a file is known that somebody writes to, as are the logs beside it."""
        return [stamp(self._path.with_name(f"{self._path.name}{log}")) for log in ("", ".wal", "-wal", "-journal")]

    def _held(self, snapshot: Snapshot, known: dict[str, Noted]) -> set[str]:
        """Names of tables that have what is pinned, and from which nobody took rows since."""
        same = [table for table in snapshot.tables if unchanged(table, known)]
        if not same:
            return set()
        with self.opened(self._path, read_only=True) as file:
            count = "select count(*) from {}".format
            return {one.name for one in same if file.execute(count(quoted(one.name))).fetchone()[0] == one.rows}

    def _known(self, snapshot: Snapshot) -> dict[str, Noted]:
        """What is noted in the file; refuses tables that are somebody else's."""
        if not self._path.exists():
            return {}
        with self.opened(self._path, read_only=True) as file:
            there = {name for (name,) in file.execute(self.names).fetchall()}
            rows = file.execute(f"select * from {NOTES}").fetchall() if NOTES in there else []
        notes = (msgspec.convert(dict(zip(Noted.__struct_fields__, row, strict=True)), Noted) for row in rows)
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


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str]) -> str:
    """Names as SQL has them in a list."""
    return ", ".join(map(quoted, names))
