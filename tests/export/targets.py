"""All targets for one suite: how each is made, and read by something else than what wrote it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from reelhouse.serve.export.result import Exported
from reelhouse.serve.export.tables import ExportTable, look
from reelhouse.serve.export.targets import target_of
from reelhouse.storage.folder import FolderStorage
from tests.postgres import Database


class Place(NamedTuple):
    """A target: its address, and its rows of a table, typed as the lake's."""

    to: str
    read: Callable[[ExportTable, pa.Schema], pa.Table]
    # Puts a table of that name there that is somebody else's.
    squat: Callable[[str], None]
    # Takes the rows of a table away.
    empty: Callable[[str], None] | None = None


def export(lake: Path, to: str, *names: str, full: bool = False, schema: str | None = None) -> dict[str, Exported]:
    """What `reelhouse export` does, in this process."""
    done = target_of(to, schema).export(look(FolderStorage(lake), names or None), full=full, step=lambda text: None)
    return {one.name: one for one in done}


def place_in_postgres(database: Database) -> Place:
    def read(table: ExportTable, schema: pa.Schema) -> pa.Table:
        return database.arrow(f'select {_names(table)} from tmdb."{table.name}"')

    def squat(name: str) -> None:
        database.run("create schema if not exists tmdb", f"create table tmdb.{name} (mine text)")

    return Place(database.url, read, squat, lambda name: database.run(f"delete from tmdb.{name}"))


def place_in_duckdb(folder: Path) -> Place:
    path = folder / "lake.duckdb"

    def read(table: ExportTable, schema: pa.Schema) -> pa.Table:
        with duckdb.connect(str(path), read_only=True) as file:
            file.execute("set timezone = 'UTC'")
            return file.sql(f'select {_names(table)} from "{table.name}"').to_arrow_table()

    def squat(name: str) -> None:
        with duckdb.connect(str(path)) as file:
            file.execute(f"create table {name} (mine text)")

    def empty(name: str) -> None:
        with duckdb.connect(str(path)) as file:
            file.execute(f"delete from {name}")

    return Place(str(path), read, squat, empty)


def place_in_sqlite(folder: Path) -> Place:
    path = folder / "lake.sqlite"

    def read(table: ExportTable, schema: pa.Schema) -> pa.Table:
        with closing(sqlite3.connect(path)) as file:
            rows = file.execute(f'select {_names(table)} from "{table.name}"').fetchall()
        typed = [[_typed(value, field.type) for value, field in zip(row, schema, strict=True)] for row in rows]
        return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in typed], schema=_texts(schema))

    def squat(name: str) -> None:
        with closing(sqlite3.connect(path)) as file:
            file.execute(f"create table {name} (mine text)")

    def empty(name: str) -> None:
        with closing(sqlite3.connect(path)) as file:
            file.execute(f"delete from {name}")
            file.commit()

    return Place(str(path), read, squat, empty)


def place_in_csv(folder: Path) -> Place:
    def read(table: ExportTable, schema: pa.Schema) -> pa.Table:
        convert = pc_csv.ConvertOptions(
            column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        )
        parse = pc_csv.ParseOptions(newlines_in_values=True)
        return pc_csv.read_csv(folder / "csv" / f"{table.name}.csv", parse_options=parse, convert_options=convert)

    return Place(f"csv:{folder}/csv", read, _squatting(folder / "csv", "csv"))


def place_in_parquet(folder: Path) -> Place:
    def read(table: ExportTable, schema: pa.Schema) -> pa.Table:
        return pq.read_table(folder / "parquet" / f"{table.name}.parquet")

    return Place(f"parquet:{folder}/parquet", read, _squatting(folder / "parquet", "parquet"))


def _squatting(folder: Path, suffix: str) -> Callable[[str], None]:
    def squat(name: str) -> None:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.{suffix}").write_text("mine")

    return squat


FILES = {
    "duckdb": place_in_duckdb,
    "sqlite": place_in_sqlite,
    "csv": place_in_csv,
    "parquet": place_in_parquet,
}


def _names(table: ExportTable) -> str:
    return ", ".join(f'"{name}"' for name in table.spec.column_names)


def _typed(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(value).astimezone(UTC)
    if pa.types.is_boolean(kind):
        return bool(value)
    return date.fromisoformat(value) if pa.types.is_date(kind) else value


def _texts(schema: pa.Schema) -> pa.Schema:
    """*schema* with decimals as the texts that SQLite has."""
    return pa.schema(
        [pa.field(each.name, pa.string() if pa.types.is_decimal(each.type) else each.type) for each in schema]
    )
