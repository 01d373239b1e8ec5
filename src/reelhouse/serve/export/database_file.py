"""One file with all tables as a target: a copy of it is brought up to date, then takes its name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.raw.json_objects import described
from reelhouse.serve.export.atomic_files import (
    check_file,
    check_outside,
    clear_leftovers,
    put_in_place,
    scratch_in,
    stamp,
    sync,
)
from reelhouse.serve.export.result import (
    NOTES,
    ROWS_ALONE,
    Exported,
    ExportedVersion,
    as_before,
    check_columns_kept,
    noted,
    unchanged,
)
from reelhouse.serve.export.rows import TableScan
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot, look
from reelhouse.serve.references import ForeignKey, declarable, parents_first
from reelhouse.sql_quoting import quoted
from reelhouse.storage.protocol import Step


class DatabaseFile(ABC):
    """The file at *path*, made where there is none; what else is in it stays.

    Subclasses say what differs between programs that keep tables in one file. All of it may raise `ReelhouseError`.
    """

    # What a column's type is called there if not as in the lake, a statement that names all tables and views, one that
    # names indexes and triggers of a table with their statements, one that names its columns, and whether foreign keys
    # are enforced: then a table cannot be replaced without those that refer to it.
    types: ClassVar[Mapping[str, str]]
    names: ClassVar[str]
    additions: ClassVar[str]
    columns: ClassVar[str]
    not_compared = ROWS_ALONE
    enforces: ClassVar[bool]

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        # A link stays one, and names another file afterwards.
        self._path = Path(os.path.realpath(path.expanduser()))

    @abstractmethod
    def opened(self, path: Path, *, read_only: bool = False) -> AbstractContextManager[Any]:
        """The file, open, each statement committed."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[Any]:
        """Keep other programs from writing to the file; raise where one is about to."""

    @abstractmethod
    def copy(self, made: Path) -> None:
        """Make *made* of the file, whole, or raise where somebody is writing to it."""

    @abstractmethod
    def prepare(self, file: Any) -> None:
        """Make the table of notes where there is none."""

    @abstractmethod
    def insert(self, file: Any, table: ExportTable, scan: TableScan) -> str:
        """Put all rows into an empty table; returns which values the program does not hold, if any."""

    @abstractmethod
    def key(self, table: ExportTable) -> str:
        """The primary key as `create table` declares it; empty where it is added to the rows by `index`."""

    @abstractmethod
    def refused(self, exc: Exception) -> bool:
        """Whether an error says that rows do not fit a declared key."""

    @abstractmethod
    def index(self, file: Any, table: ExportTable) -> str:
        """Declare the key and whatever helps readers; returns why there is no key, where the rows have none."""

    def clear_free_space(self, made: Path) -> None:
        """Leave nothing of dropped tables in *made*, for a program whose files keep that."""
        return

    def export(self, snapshot: LakeSnapshot, *, full: bool, step: Step) -> list[Exported]:
        check_outside(self._path, snapshot.storage)
        check_file(self._path)
        known = self._known(snapshot)
        held = self._held(snapshot, known)
        wanted = [table for table in snapshot.tables if full or table.name not in held]
        if self.enforces and wanted:
            snapshot, wanted = self._with_children(snapshot, wanted, known)
        if known and wanted:
            with self.opened(self._path, read_only=True) as file:
                for table in wanted:
                    check_columns_kept(self.place, table, self._columns(file, table.name), known.get(table.name))
        done = {one.name: one for one in self._put(snapshot, wanted, step)} if wanted else {}
        return [done.get(table.name) or as_before(table, known) for table in snapshot.tables]

    def _with_children(
        self, snapshot: LakeSnapshot, wanted: list[ExportTable], known: Mapping[str, ExportedVersion]
    ) -> tuple[LakeSnapshot, list[ExportTable]]:
        """What must be loaded with *wanted*: tables in the file that refer to them, also if nobody named these."""
        there = {table.name for table in snapshot.tables} | known.keys()
        every = look(snapshot.storage)
        declared = declarable([table.spec for table in every.tables if table.name in there], enforced=True)
        names = {table.name for table in wanted}
        while (
            more := {name for name, keys in declared.items() if name in known and {one.parent for one in keys} & names}
            - names
        ):
            names |= more
        tables = {table.name: table for table in (*every.tables, *snapshot.tables)}
        named = {table.name for table in snapshot.tables}
        extra = [tables[name] for name in sorted(names - named)]
        snapshot = replace(snapshot, tables=(*snapshot.tables, *extra))
        return snapshot, [table for table in snapshot.tables if table.name in names]

    def _put(self, snapshot: LakeSnapshot, wanted: list[ExportTable], step: Step) -> list[Exported]:
        with scratch_in(self._path.parent) as folder, ExitStack() as lock:
            clear_leftovers(self._path.parent)
            made, before = folder / self._path.name, self._stamps()
            if self._path.exists():
                self.copy(made)
                # What another program commits to the old file from now on would go with it. Not before: a process that
                # closes a copied file loses its locks. And Windows replaces no file that is open.
                if os.name != "nt":
                    lock.enter_context(self.locked())
            with self.opened(made) as file:
                self.prepare(file)
                if "columns" not in self._columns(file, NOTES):
                    # A version of reelhouse without it has made the table.
                    file.execute(f"alter table {NOTES} add column columns varchar default ''")
                done = self._load_all(file, snapshot, wanted, step)
            if snapshot.purges and self._path.exists():
                self.clear_free_space(made)
            snapshot.check()
            sync(made)
            # What others wrote before the lock would go with the old file.
            if self._stamps() != before:
                raise ReelhouseError(
                    f"{self.place} was changed by another program meanwhile, and stays as that left it: export again"
                )
            put_in_place(made, self._path)
        return done

    def _columns(self, file: Any, table: str) -> list[str]:
        return [name for (name,) in file.execute(self.columns, [table]).fetchall()]

    def _load_all(self, file: Any, snapshot: LakeSnapshot, wanted: list[ExportTable], step: Step) -> list[Exported]:
        there = {name for (name,) in file.execute(self.names).fetchall()} | {table.name for table in wanted}
        # What is in the file and not in this export is referred to as well.
        specs = [table.spec for table in look(snapshot.storage).tables if table.name in there]
        declared = declarable(specs, enforced=self.enforces)
        tables = {table.name: table for table in wanted}
        order = parents_first(tables, declared)
        additions = {name: file.execute(self.additions, [name]).fetchall() for name in order}
        for name in reversed(order):
            self._drop(file, name)
        done = []
        for name in order:
            step(f"{name}: loading")
            done.append(self._load(file, snapshot, tables[name], declared.get(name, [])))
        for name in order:
            self._add_again(file, name, additions[name])
        return done

    def _drop(self, file: Any, name: str) -> None:
        try:
            file.execute(f"drop table if exists {quoted(name)}")
        except Exception as exc:
            line = str(exc).splitlines()[0]
            if "main key table" not in line:
                raise
            raise ReelhouseError(
                f"{self.place}: a table of yours refers to {name} by a foreign key ({line}): make it again without "
                "that key, or export into another file"
            ) from exc

    def _add_again(self, file: Any, table: str, additions: list[tuple[str, str]]) -> None:
        """Make indexes and triggers again that went with the table before; ours are there already."""
        there = {what for what, _ in file.execute(self.additions, [table]).fetchall()}
        for what, statement in additions:
            try:
                if what not in there:
                    file.execute(statement)
            except Exception as exc:
                raise ReelhouseError(
                    f"{self.place}: your {what} cannot be made again ({str(exc).splitlines()[0]}): drop it, then export"
                ) from exc

    def _load(self, file: Any, snapshot: LakeSnapshot, table: ExportTable, keys: list[ForeignKey]) -> Exported:
        scan, notes = self._filled(file, snapshot, table, keys)
        note = noted(snapshot, table, scan.rows, scan.oldest)
        values = [each.isoformat() if isinstance(each, datetime) else each for each in msgspec.structs.astuple(note)]
        file.execute(f"insert or replace into {NOTES} values ({', '.join('?' * len(values))})", values)
        why = self.index(file, table)
        return Exported(table.name, scan.rows, scan.rows, "full", scan.oldest, (*notes, *((why,) if why else ())))

    def _filled(
        self, file: Any, snapshot: LakeSnapshot, table: ExportTable, keys: list[ForeignKey]
    ) -> tuple[TableScan, list[str]]:
        """Make the table with its rows: with all its keys, or else without those that the rows do not have."""
        own, others, notes = self.key(table), [_foreign_key(one) for one in keys], list[str]()
        while True:
            scan = TableScan(snapshot.storage, table)
            try:
                file.execute(self._create(table, [*filter(None, (own,)), *others]))
                changed = self.insert(file, table, scan)
            except Exception as exc:
                if not (own or others) or not self.refused(exc):
                    raise
                # Foreign keys first: in a table without its own key, other tables cannot refer to it.
                if others:
                    notes.append("no foreign keys: a row names what another table lacks")
                    others = []
                else:
                    notes.append(f"no primary key: ({', '.join(table.spec.key)}) is not unique, or NULL somewhere")
                    own = ""
                file.execute(f"drop table if exists {quoted(table.name)}")
                continue
            scan.check()
            return scan, [*filter(None, (changed,)), *notes]

    def _create(self, table: ExportTable, keys: list[str]) -> str:
        kinds = {column.name: str(column.type) for column in table.spec.columns}
        columns = [f"{quoted(name)} {self.types.get(kind.partition('(')[0], kind)}" for name, kind in kinds.items()]
        return f"create table {quoted(table.name)} ({', '.join((*columns, *keys))})"

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        """By these a file is known that somebody writes to, as are the logs beside it."""
        return [stamp(self._path.with_name(f"{self._path.name}{log}")) for log in ("", ".wal", "-wal", "-journal")]

    def _held(self, snapshot: LakeSnapshot, known: dict[str, ExportedVersion]) -> set[str]:
        """Names of tables that have what is pinned, and from which nobody took rows since."""
        same = [table for table in snapshot.tables if unchanged(table, known)]
        if not same:
            return set()
        with self.opened(self._path, read_only=True) as file:
            count = "select count(*) from {}".format
            return {one.name for one in same if file.execute(count(quoted(one.name))).fetchone()[0] == one.rows}

    def _known(self, snapshot: LakeSnapshot) -> dict[str, ExportedVersion]:
        """What is noted in the file; refuses tables that are somebody else's."""
        if not self._path.exists():
            return {}
        with self.opened(self._path, read_only=True) as file:
            there = {name for (name,) in file.execute(self.names).fetchall()}
            rows = file.execute(f"select * from {NOTES}").fetchall() if NOTES in there else []
        notes = (
            # Of an older version of reelhouse the last are missing.
            msgspec.convert(dict(zip(ExportedVersion.__struct_fields__, row, strict=False)), described(ExportedVersion))
            for row in rows
        )
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


def _foreign_key(one: ForeignKey) -> str:
    return f"foreign key ({listed(one.columns)}) references {quoted(one.parent)} ({listed(one.parent_columns)})"


def listed(names: Iterable[str]) -> str:
    """Names as SQL has them in a list."""
    return ", ".join(map(quoted, names))
