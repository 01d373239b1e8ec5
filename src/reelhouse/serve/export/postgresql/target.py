"""PostgreSQL as a target: rows are loaded beside the tables, then all tables change in one transaction.

A table that is there is never dropped: rows that differ are deleted and inserted, so that readers wait for nothing and
see all of one export or all of the one before, and views, grants, policies and indexes of others stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import msgspec
import pyarrow as pa

from reelhouse.errors import ConfigError, LakeError, ReelhouseError
from reelhouse.raw.json_objects import described
from reelhouse.serve.export.diff import COUNT, ChangedAnswers, answers_held, differing
from reelhouse.serve.export.postgresql import ddl as ddl
from reelhouse.serve.export.postgresql.connection import Link, LostError, linked
from reelhouse.serve.export.postgresql.state import NOTES_SCHEMA, complete_notes, create_notes
from reelhouse.serve.export.postgresql.swap import Loaded, MiscountError, Swap, TableChange
from reelhouse.serve.export.result import (
    NOTES,
    ROWS_ALONE,
    TERMS,
    Exported,
    ExportedVersion,
    as_before,
    check_columns_kept,
    noted,
    unchanged,
)
from reelhouse.serve.export.rows import TableScan
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot
from reelhouse.sql_quoting import literal, quoted
from reelhouse.storage.postgres_address import shown
from reelhouse.storage.protocol import Step

SCHEMA = "tmdb"

# Beyond this share of new rows, loading all of them is less work than deleting and inserting these.
_MOST = 0.3


# Appends the rows of a table (those of some answers, where they are named) to a table of this schema and name.
Load = Callable[[Link, str, str, LakeSnapshot, ExportTable, "pa.Table | None"], Loaded]


def load_by_copy(
    link: Link, schema: str, name: str, snapshot: LakeSnapshot, table: ExportTable, keep: pa.Table | None
) -> Loaded:
    """By COPY over the connection itself."""
    scan = TableScan(snapshot.storage, table, keep)
    try:
        rows = link.load(schema, name, scan.stream_without_nul())
    except ReelhouseError:
        if scan.error is not None:
            raise scan.error from None
        raise
    return Loaded(rows, scan.replaced)


class PostgresTarget:
    """A *schema* of the database at *url*, made where it is not there."""

    not_compared = ROWS_ALONE

    def __init__(self, url: str, schema: str = SCHEMA, load: Load = load_by_copy) -> None:
        self.place = f"{shown(url)} (schema {schema})"
        self._url = url
        self._schema = schema
        self._load = load

    def export(self, snapshot: LakeSnapshot, *, full: bool, step: Step) -> list[Exported]:
        for table in snapshot.tables:
            ddl.check_fits(table)
        with linked(self._url) as link, _alone(link, self._schema):
            return _PostgresExport(link, self._schema, self._load, snapshot, step).run(full=full)


@contextmanager
def _alone(link: Link, schema: str) -> Iterator[None]:
    """Keep other exports out of the schema; the server lets go when the connection ends."""
    lock = f"pg_try_advisory_lock(hashtext('reelhouse export'), hashtext({literal(schema)}))"
    if not link.value(f"select {lock}"):
        raise ReelhouseError(f"another export into schema {schema} is under way: wait for it, then export again")
    yield


class _PostgresExport:
    def __init__(self, link: Link, schema: str, load: Load, snapshot: LakeSnapshot, step: Step) -> None:
        self._link = link
        self._schema = schema
        self._load = load
        self._snapshot = snapshot
        self._step = step

    def run(self, *, full: bool) -> list[Exported]:
        known, there = self._prepare()
        self._drop_leftovers()
        wanted = [
            table for table in self._snapshot.tables if full or table.name not in there or not self._holds(table, known)
        ]
        self._check_kept(wanted, known)
        try:
            works = [self._planned(table, known, there, full=full) for table in wanted]
            done = self._execute(works) if works else {}
        finally:
            self._tidy()
        return [done.get(table.name) or as_before(table, known) for table in self._snapshot.tables]

    def _prepare(self) -> tuple[dict[str, ExportedVersion], set[str]]:
        """What is known of earlier exports, and which tables are there; refuses tables that are somebody else's."""
        if not self._link.rows("select 1 from pg_namespace where nspname = $1", [self._schema]):
            self._link.run(f"create schema {quoted(self._schema)}")
        query = (
            "select c.relname::text, c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = $1"
        )
        there = dict(self._link.rows(query, [self._schema]))
        if NOTES not in there:
            self._link.run(create_notes(self._schema))
            self._link.run(f"comment on table {ddl.at(self._schema, NOTES)} is {literal(TERMS)}")
        elif "columns" not in self._columns([NOTES])[NOTES]:
            self._link.run(complete_notes(self._schema))
        columns = ", ".join(quoted(name) for name in NOTES_SCHEMA.names)
        found = self._link.arrow(f"select {columns} from {ddl.at(self._schema, NOTES)}").to_pylist()
        try:
            known = {row["table_name"]: msgspec.convert(row, described(ExportedVersion)) for row in found}
        except msgspec.ValidationError as exc:
            raise ReelhouseError(
                f"{self._schema}.{NOTES} has a row that no export wrote ({exc}): delete that row, then export again"
            ) from None
        for table in self._snapshot.tables:
            if table.name in there and (table.name not in known or there[table.name] not in ("r", "p")):
                raise ConfigError(
                    f"schema: {self._schema}.{table.name} is there already, and reelhouse did not make it: take "
                    "another --schema, or give it another name"
                )
        return known, set(there)

    def _columns(self, names: list[str]) -> dict[str, list[str]]:
        """The columns of tables that are there, without those that PostgreSQL computes of others."""
        found: dict[str, list[str]] = {}
        query = (
            "select c.relname::text, a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid "
            "join pg_namespace n on n.oid = c.relnamespace where a.attnum > 0 and not a.attisdropped "
            f"and a.attgenerated = '' and n.nspname = $1 and c.relname in ({', '.join(map(literal, names))})"
        )
        for table, column in self._link.rows(query, [self._schema]):
            found.setdefault(table, []).append(column)
        return found

    def _check_kept(self, wanted: list[ExportTable], known: dict[str, ExportedVersion]) -> None:
        """Refuse what would lose somebody else's values or rows with the rows that are exchanged."""
        if not wanted:
            return
        names = [table.name for table in wanted]
        there = self._columns(names)
        for table in wanted:
            check_columns_kept(self._schema, table, there.get(table.name, ()), known.get(table.name))
        # Of a partition the rows are the table's own.
        heirs = self._link.rows(
            "select i.inhrelid::regclass::text, c.relname::text from pg_inherits i join pg_class c on "
            "c.oid = i.inhparent join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' "
            f"and n.nspname = $1 and c.relname in ({', '.join(map(literal, names))})",
            [self._schema],
        )
        for other, name in heirs:
            raise ReelhouseError(
                f"{other} would lose its rows: it inherits from {self._schema}.{name}, which has them too; end that "
                f"with `alter table {other} no inherit {ddl.at(self._schema, name)}`"
            )
        found = self._link.rows(
            "select f.conrelid::regclass::text, f.conname::text, c.relname::text "
            "from pg_constraint f join pg_class c on c.oid = f.confrelid join pg_namespace n on n.oid = c.relnamespace "
            "where f.contype = 'f' and f.confdeltype in ('c', 'n', 'd') and n.nspname = $1 "
            f"and c.relname in ({', '.join(map(literal, names))})",
            [self._schema],
        )
        for other, key, name in found:
            raise ReelhouseError(
                f"{other} would lose rows: its foreign key {key} on {self._schema}.{name} acts on delete, and rows "
                "that change are deleted and inserted; make it `deferrable initially deferred` without `on delete`"
            )

    def _holds(self, table: ExportTable, known: dict[str, ExportedVersion]) -> bool:
        """Whether the table has what is pinned, and nobody took rows away since."""
        if not unchanged(table, known):
            return False
        rows = self._link.value(f"select count(*) from {ddl.at(self._schema, table.name)}")
        return int(rows) == table.rows

    def _planned(
        self, table: ExportTable, known: dict[str, ExportedVersion], there: set[str], *, full: bool
    ) -> TableChange:
        first = table.name not in there
        before = known.get(table.name)
        same_form = before is not None and before.form == table.form and table.form != ""
        if full or first or not same_form:
            return TableChange(table, "full", first)
        self._step(f"{table.name}: looking for changes")
        changes = self._changes(table)
        if changes.rows > _MOST * table.rows:
            return TableChange(table, "full", first)
        return TableChange(table, "incremental", first, changes)

    def _changes(self, table: ExportTable) -> ChangedAnswers:
        here = answers_held(self._snapshot.storage, table)
        by = ddl.names((*table.answer, "fetched_at"))
        query = f"select {by}, count(*) as {quoted(COUNT)} from {ddl.at(self._schema, table.name)} group by {by}"
        return differing(here, self._link.arrow(query), table.answer)

    def _execute(self, works: list[TableChange]) -> dict[str, Exported]:
        while True:
            for work in works:
                if work.loaded is None:
                    self._stage(work)
            self._snapshot.check()
            self._step("putting tables into place")
            try:
                with self._link.transaction():
                    swap = Swap(self._link, self._schema)
                    done = {work.table.name: swap.put(work) for work in works}
                    self._note(done, works)
                    # As late as can be: what was purged meanwhile must not be shown.
                    self._snapshot.check()
            except MiscountError as exc:
                self._drop_leftovers([exc.work])
                again = replace(exc.work, how="full", changes=None, loaded=None)
                works = [again if work is exc.work else work for work in works]
                continue
            return done

    def _stage(self, work: TableChange) -> None:
        table = work.table
        self._step(f"{table.name}: loading")
        keep = work.changes.answers if work.changes else None
        if keep is not None and not keep.num_rows:
            work.loaded = Loaded(0, 0)
            return
        # What becomes the table itself must survive a crash of the server; what is copied into it need not.
        self._link.run(ddl.create(self._schema, work.staged, table.spec.columns, logged=work.first))
        work.loaded = self._load(self._link, self._schema, work.staged, self._snapshot, table, keep)
        if keep is None and work.loaded.rows != table.rows:
            raise LakeError(
                f"{table.folder} gave {work.loaded.rows:,} rows, {table.rows:,} were built: nothing is exported; "
                "`reelhouse verify` checks the stored files"
            )
        if work.loaded.replaced:
            work.notes.append(
                f"{work.loaded.replaced:,} texts had NUL characters, which PostgreSQL refuses: now \ufffd"
            )
        if keep is not None:
            columns = tuple(column for column in table.spec.columns if column.name in table.answer)
            self._link.run(ddl.create(self._schema, work.touched, columns, logged=False))
            ordered = keep.select([column.name for column in columns])
            self._link.load(
                self._schema, work.touched, pa.RecordBatchReader.from_batches(ordered.schema, ordered.to_batches())
            )
            self._link.run(f"analyze {ddl.at(self._schema, work.touched)}")
        if not work.first:
            self._link.run(f"analyze {ddl.at(self._schema, work.staged)}")

    def _note(self, done: dict[str, Exported], works: list[TableChange]) -> None:
        names = ", ".join(literal(name) for name in done)
        self._link.run(f"delete from {ddl.at(self._schema, NOTES)} where table_name in ({names})")
        notes = [
            noted(self._snapshot, work.table, done[work.table.name].rows, done[work.table.name].oldest_answer)
            for work in works
        ]
        batch = pa.RecordBatch.from_pylist(msgspec.to_builtins(notes, builtin_types=(datetime,)), schema=NOTES_SCHEMA)
        self._link.load(self._schema, NOTES, pa.RecordBatchReader.from_batches(batch.schema, [batch]))

    def _drop_leftovers(self, of: list[TableChange] | None = None) -> None:
        """Drop what this or an earlier export put beside the tables."""
        found = self._link.rows(
            "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = $1 and c.relkind = 'r' and (starts_with(c.relname::text, $2) "
            "or starts_with(c.relname::text, $3))",
            [self._schema, ddl.STAGED, ddl.TOUCHED],
        )
        wanted = None if of is None else {name for work in of for name in (work.staged, work.touched)}
        for (name,) in found:
            if wanted is None or name in wanted:
                self._link.run(f"drop table {ddl.at(self._schema, name)}")

    def _tidy(self) -> None:
        try:
            self._drop_leftovers()
        except LostError:
            # The next export does it; an error was reported already, or there was none.
            return
