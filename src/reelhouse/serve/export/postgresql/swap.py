"""Puts one loaded table into its place, inside the transaction of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from reelhouse.errors import ReelhouseError
from reelhouse.serve.export.diff import ChangedAnswers
from reelhouse.serve.export.postgresql import ddl as ddl
from reelhouse.serve.export.postgresql.connection import Link, ViolationError
from reelhouse.serve.export.result import Exported, How
from reelhouse.serve.export.tables import ExportTable
from reelhouse.sql_quoting import quoted


class Loaded(NamedTuple):
    """How many rows came, and how many texts had characters that PostgreSQL refuses."""

    rows: int
    replaced: int


@dataclass
class TableChange:
    """One table that is to change."""

    table: ExportTable
    how: How
    first: bool
    changes: ChangedAnswers | None = None
    loaded: Loaded | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def staged(self) -> str:
        return ddl.staged(self.table)

    @property
    def touched(self) -> str:
        return ddl.staged(self.table, ddl.TOUCHED)


class MiscountError(ReelhouseError):
    """An incremental load did not make the rows that are pinned."""

    def __init__(self, work: TableChange) -> None:
        super().__init__(f"{work.table.name} does not add up")
        self.work = work


def _declared(table: ExportTable) -> dict[str, str]:
    return {column.name: ddl.type_of(column) for column in table.spec.columns}


class Swap:
    """Statements of one open transaction."""

    def __init__(self, link: Link, schema: str) -> None:
        self._link = link
        self._schema = schema

    def put(self, work: TableChange) -> Exported:
        """Inside the transaction: make the table hold what is pinned."""
        table, place = work.table, ddl.at(self._schema, work.table.name)
        if work.first:
            written = self._rename(work)
        elif work.changes:
            written = self._exchange(work)
        else:
            written = self._merge(work)
        age = "min(fetched_at)" if table.dated else "null::timestamptz"
        rows, oldest = self._link.rows(f"select count(*), {age} from {place}")[0]
        if rows != table.rows:
            if work.changes:
                raise MiscountError(work)
            raise ReelhouseError(
                f"{table.name} has {rows:,} rows in {self._schema} where {table.rows:,} were loaded: nothing is "
                "changed; a trigger or policy there may be the reason"
            )
        self._link.run(f"analyze {place}")
        return Exported(table.name, rows, written, work.how, oldest, tuple(work.notes))

    def _rename(self, work: TableChange) -> int:
        table = work.table
        self._link.run(f"alter table {ddl.at(self._schema, work.staged)} rename to {quoted(table.name)}")
        self._finish(work, keyed=self._add_key(work))
        return table.rows

    def _exchange(self, work: TableChange) -> int:
        """Rows of some answers for those of the answers before them."""
        table, place = work.table, ddl.at(self._schema, work.table.name)
        assert work.changes is not None and work.loaded is not None
        if not work.changes.answers.num_rows:
            return 0
        if self._columns(place) != _declared(table):
            # Somebody has changed them; what came would be fitted to their types.
            raise MiscountError(work)
        same = " and ".join(f"t.{quoted(name)} = k.{quoted(name)}" for name in table.answer)
        self._link.run(f"delete from {place} t using {ddl.at(self._schema, work.touched)} k where {same}")
        try:
            with self._link.attempt():
                self._insert(work)
        except ViolationError as exc:
            raise MiscountError(work) from exc
        return work.loaded.rows

    def _merge(self, work: TableChange) -> int:
        """All rows, of which those are written that are not there: by their key, where they have one."""
        table = work.table
        self._align(work)
        keyed = self._has_key(table) or self._add_key(work)
        if keyed:
            try:
                with self._link.attempt():
                    written = self._merge_by_key(work)
                    if self._count(table) == table.rows:
                        self._finish(work, keyed=True)
                        return written
                    raise ViolationError(table.name)
            except ViolationError:
                self._drop_key(work)
        self._link.run(f"delete from {ddl.at(self._schema, table.name)}")
        self._insert(work)
        self._finish(work, keyed=self._add_key(work))
        return table.rows

    def _merge_by_key(self, work: TableChange) -> int:
        table, columns = work.table, work.table.spec.columns
        place, staged = ddl.at(self._schema, table.name), ddl.at(self._schema, work.staged)
        same = " and ".join(f"s.{quoted(name)} = t.{quoted(name)}" for name in table.spec.key)
        alike = f"row({ddl.names(columns, 's')}) is not distinct from row({ddl.names(columns, 't')})"
        outdated = f"from {place} t where not exists (select from {staged} s where {same} and {alike})"
        self._link.run(f"delete {outdated}")
        if self._is_guarded(place) and self._link.value(f"select exists (select {outdated})"):
            raise ReelhouseError(
                f"rows of {table.name} in {self._schema} that are out of date were not deleted: nothing is changed; a "
                "rule, trigger or policy there may be the reason"
            )
        written = table.rows - self._count(table)
        self._insert(work, f"where not exists (select from {place} t where {same})")
        return written

    def _is_guarded(self, place: str) -> bool:
        """Whether a table has rules, policies or triggers of others, which may do something else than delete."""
        guarded = self._link.value(
            "select relhasrules or relrowsecurity or exists "
            "(select from pg_trigger where tgrelid = c.oid and not tgisinternal) "
            "from pg_class c where c.oid = $1::regclass::oid",
            [place],
        )
        return bool(guarded)

    def _insert(self, work: TableChange, where: str = "") -> None:
        columns = work.table.spec.columns
        self._link.run(
            f"insert into {ddl.at(self._schema, work.table.name)} ({ddl.names(columns)}) "
            f"select {ddl.names(columns, 's')} from {ddl.at(self._schema, work.staged)} s {where}"
        )

    def _align(self, work: TableChange) -> None:
        """Give a table that is there the columns that are declared now."""
        table, place = work.table, ddl.at(self._schema, work.table.name)
        found, declared = self._columns(place), _declared(table)
        for name in found.keys() - declared.keys():
            self._link.run(f"alter table {place} drop column {quoted(name)}")
        for name, kind in declared.items():
            if found.get(name, kind) != kind:
                self._link.run(f"alter table {place} drop column {quoted(name)}")
            if found.get(name) != kind:
                self._link.run(f"alter table {place} add column {quoted(name)} {kind}")

    def _columns(self, place: str) -> dict[str, str]:
        """Types by the names of a table's columns; what PostgreSQL computes of others is their owner's."""
        return dict(
            self._link.rows(
                "select attname::text, format_type(atttypid, atttypmod) from pg_attribute "
                "where attrelid = $1::regclass::oid and attnum > 0 and not attisdropped and attgenerated = ''",
                [place],
            )
        )

    def _has_key(self, table: ExportTable) -> bool:
        """Whether the table has the declared key; another one that an older version declared is dropped."""
        if not table.spec.key:
            # An import declares none: the one that is there is its owner's.
            return False
        for name, columns in self._keys(table):
            if columns == list(table.spec.key):
                return True
            self._link.run(f"alter table {ddl.at(self._schema, table.name)} drop constraint {quoted(name)}")
        return False

    def _keys(self, table: ExportTable) -> list[tuple[str, list[str]]]:
        """The name and the columns of the primary key, if there is one."""
        place = [ddl.at(self._schema, table.name)]
        names = dict(
            self._link.rows("select attnum, attname::text from pg_attribute where attrelid = $1::regclass::oid", place)
        )
        found = self._link.rows(
            "select conname::text, conkey::text from pg_constraint where conrelid = $1::regclass::oid "
            "and contype = 'p'",
            place,
        )
        return [(name, [names[int(one)] for one in numbers.strip("{}").split(",")]) for name, numbers in found]

    def _add_key(self, work: TableChange) -> bool:
        """Declare the primary key, if the rows of the table have it."""
        if not work.table.spec.key:
            return False
        try:
            with self._link.attempt():
                self._link.run(ddl.add_key(self._schema, work.table))
        except ViolationError:
            self._no_key(work)
            return False
        return True

    def _drop_key(self, work: TableChange) -> None:
        place = ddl.at(self._schema, work.table.name)
        for name, _ in self._keys(work.table):
            self._link.run(f"alter table {place} drop constraint {quoted(name)}")
        for column in work.table.spec.key:
            self._link.run(f"alter table {place} alter column {quoted(column)} drop not null")

    def _no_key(self, work: TableChange) -> None:
        note = f"no primary key: ({', '.join(work.table.spec.key)}) is not unique, or NULL somewhere"
        if note not in work.notes:
            work.notes.append(note)

    def _finish(self, work: TableChange, *, keyed: bool) -> None:
        own = ddl.at(self._schema, work.table.name)
        for name, statement in ddl.indexes(self._schema, work.table, keyed=keyed):
            self._link.run(statement)
            places = [ddl.at(self._schema, name), own]
            if not self._link.rows(
                "select 1 from pg_index where indexrelid = $1::regclass::oid and indrelid = $2::regclass::oid", places
            ):
                work.notes.append(f"no index {name}: something else has this name")
        for statement in ddl.comments(self._schema, work.table):
            self._link.run(statement)

    def _count(self, table: ExportTable) -> int:
        return int(self._link.value(f"select count(*) from {ddl.at(self._schema, table.name)}"))
