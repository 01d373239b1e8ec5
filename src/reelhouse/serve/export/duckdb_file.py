"""Tables in a DuckDB file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from reelhouse.errors import ConfigError, ReelhouseError, pip_install
from reelhouse.serve.export.database_file import DatabaseFile, listed
from reelhouse.serve.export.result import NOTES, TERMS
from reelhouse.serve.export.rows import TableScan
from reelhouse.serve.export.tables import ExportTable
from reelhouse.sql_quoting import literal, quoted

_NOTES = f"""
create table if not exists {NOTES} (
    table_name varchar primary key, build bigint, version bigint, rows bigint, mark varchar, form varchar,
    oldest_answer timestamp with time zone, exported_at timestamp with time zone, exported_by varchar,
    columns varchar
)
"""


class DuckdbFile(DatabaseFile):
    """A DuckDB file."""

    types: ClassVar = {"int": "integer", "string": "varchar", "timestamp": "timestamp with time zone"}
    names = (
        "select table_name from duckdb_tables() where schema_name = 'main' "
        "union all select view_name from duckdb_views() where not internal"
    )
    additions = (
        "select 'index ' || index_name, sql from duckdb_indexes() "
        "where schema_name = 'main' and table_name = ? and sql is not null"
    )
    columns = "select column_name from duckdb_columns() where schema_name = 'main' and table_name = ?"

    enforces = True

    @contextmanager
    def opened(self, path: Path, *, read_only: bool = False) -> Iterator[Any]:
        try:
            import duckdb
        except ImportError as exc:
            raise ConfigError(f"DuckDB is not installed; install it with: {pip_install('sql')}") from exc
        try:
            if read_only and path.with_name(f"{path.name}.wal").exists():
                # A program that wrote was killed: what waits in its log would be taken for the new file's.
                with duckdb.connect(str(path)) as file:
                    file.execute("checkpoint")
            with duckdb.connect(str(path), read_only=read_only) as file:
                yield file
                if not read_only:
                    file.execute("checkpoint")
        except duckdb.Error as exc:
            line = str(exc).splitlines()[0]
            opened = " is open in another program: close it there, then export again"
            raise ReelhouseError(path.name + (opened if "lock" in line.lower() else f": {line}")) from exc

    def locked(self) -> AbstractContextManager[Any]:
        # DuckDB lets nobody write to a file that another process reads.
        return self.opened(self._path, read_only=True)

    def copy(self, made: Path) -> None:
        # Open for reading meanwhile, which keeps writers out.
        with self.opened(self._path, read_only=True):
            shutil.copyfile(self._path, made)

    def clear_free_space(self, made: Path) -> None:
        # DuckDB overwrites free blocks only when it needs them.
        fresh = made.with_name(f"{made.name}.fresh")
        try:
            with self.opened(made, read_only=True) as file:
                (own,) = file.execute("select current_database()").fetchone()
                file.execute(f"attach {literal(str(fresh))} as reelhouse_fresh (read_write)")
                file.execute(f"copy from database {quoted(own)} to reelhouse_fresh")
                file.execute("detach reelhouse_fresh")
        except ReelhouseError as exc:
            raise ReelhouseError(
                f"{self.place} cannot be written again without what was purged, export into a new file: {exc}"
            ) from exc
        fresh.replace(made)

    def prepare(self, file: Any) -> None:
        file.execute("set timezone = 'UTC'")
        file.execute(_NOTES)
        file.execute(f"comment on table {NOTES} is {literal(TERMS)}")

    def insert(self, file: Any, table: ExportTable, scan: TableScan) -> str:
        file.register("reelhouse_rows", scan.stream())
        try:
            file.execute(f"insert into {quoted(table.name)} select * from reelhouse_rows")
        except Exception:
            if scan.error is not None:
                raise scan.error from None
            raise
        file.unregister("reelhouse_rows")
        return ""

    def key(self, table: ExportTable) -> str:
        """None: a key that is added to rows is made faster than one that they must pass."""
        return ""

    def refused(self, exc: Exception) -> bool:
        import duckdb

        # The other one: the table that is referred to has no key.
        return isinstance(exc, (duckdb.ConstraintException, duckdb.BinderException))

    def index(self, file: Any, table: ExportTable) -> str:
        """DuckDB finds other rows than a key's without indexes; comments are added here too."""
        import duckdb

        name = quoted(table.name)
        file.execute(f"comment on table {name} is {literal(table.spec.about)}")
        for column in table.spec.columns:
            if column.comment:
                file.execute(f"comment on column {name}.{quoted(column.name)} is {literal(column.comment)}")
        try:
            if table.spec.key:
                file.execute(f"alter table {name} add primary key ({listed(table.spec.key)})")
        except duckdb.ConstraintException:
            return f"no primary key: ({', '.join(table.spec.key)}) is not unique, or NULL somewhere"
        return ""
