"""A table of PostgreSQL read by Apache Spark: many connections, each with a part of the rows, all of one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.delta.engine import Engine, in_one_line
from reelhouse.delta.log import latest_version
from reelhouse.errors import LakeError
from reelhouse.imports.postgres import Postgres
from reelhouse.imports.run import ColumnSummary, ImportOutcome, columns_of, pinned, shown
from reelhouse.storage.protocol import Step
from reelhouse.tables.schemas import data_type
from reelhouse.tables.schemas import schema_of as declared_schema
from reelhouse.warehouse.import_registry import ZONE, ImportColumn, ImportSource, column_specs, imported

# Connections at a time; a server has a hundred, and other users.
_PARTS = 8
_FETCHED = "10000"


def bring_in_by_jdbc(
    engine: Engine,
    name: str,
    table: Postgres,
    jdbc: Mapping[str, str],
    fingerprint: str,
    *,
    split_by: str | None = None,
    new_schema: bool = False,
    step: Step = lambda text: None,
) -> ImportOutcome:
    """As `bring_in`, with rows that Spark fetches by *jdbc* (`url`, `user`, `password`) and writes.

    They are shared out by *split_by*, or by the table's key where that is one column of whole numbers.
    """
    before = imported(engine.storage).get(name)
    step("looking at the columns")
    columns = columns_of(table, before, name, new_schema=new_schema)
    rows = table.count()
    folder = f"{ZONE}/{name}"
    over = latest_version(engine.storage, folder)
    step("writing")
    with in_one_line():
        files = engine.write(_frame(engine, table, columns, jdbc, split_by), folder)
        arrived = sum(file.rows for file in files)
        if arrived != rows:
            raise LakeError(f"{table.shown} has {rows:,} rows, {arrived:,} arrived; nothing is changed")
        schema = declared_schema(column_specs(columns))
        seen = _seen(engine.read(folder, [file.path for file in files], schema), columns)
    commit = engine.commit(folder, files, schema, mode="overwrite", user={}, over=over)
    sources = [ImportSource(table.shown)]
    made = pinned(engine.storage, name, before, columns, sources, fingerprint, commit.version, rows)
    return ImportOutcome(True, made, seen, table.notes)


def _frame(
    engine: Engine, table: Postgres, columns: Sequence[ImportColumn], jdbc: Mapping[str, str], split_by: str | None
) -> DataFrame:
    reader = engine.spark.read.format("jdbc").options(
        **jdbc,
        driver="org.postgresql.Driver",
        dbtable=f"({table.query(columns, java=True)}) as imported",
        fetchsize=_FETCHED,
        # Each connection sees what the one sees that looked at the columns and counted the rows.
        sessionInitStatement="set transaction isolation level repeatable read, read only; "
        f"set transaction snapshot '{table.snapshot()}'",
        **_split(table, split_by),
    )
    types = {spec.name: data_type(spec.type) for spec in column_specs(list(columns))}
    # Texts of instants are in UTC, as our sessions are.
    return reader.load().select(*(F.col(f"`{name}`").cast(kind).alias(name) for name, kind in types.items()))


def _split(table: Postgres, split_by: str | None) -> dict[str, str]:
    column = table.split_column(split_by)
    bounds = table.bounds(column) if column is not None else None
    if column is None or bounds is None:
        if column is None:
            table.notes.append("one task read all rows: there is no key of one column of numbers; see --split-by")
        return {}
    least, greatest = bounds
    return {
        "partitionColumn": column.column.name,
        "lowerBound": str(least),
        "upperBound": str(greatest + 1),
        "numPartitions": str(min(_PARTS, greatest - least + 1)),
    }


def _seen(frame: DataFrame, columns: Sequence[ImportColumn]) -> dict[str, ColumnSummary]:
    """NULLs and an example of each column, in one look at what was written."""
    names = [f"`{column.name}`" for column in columns]
    row: Any = frame.agg(
        F.count(F.lit(1)).alias("rows"),
        *(F.count(F.col(name)).alias(f"n{at}") for at, name in enumerate(names)),
        *(F.first(F.col(name), ignorenulls=True).alias(f"e{at}") for at, name in enumerate(names)),
    ).collect()[0]
    return {
        column.name: ColumnSummary(row["rows"] - row[f"n{at}"], "" if row[f"e{at}"] is None else shown(row[f"e{at}"]))
        for at, column in enumerate(columns)
    }
