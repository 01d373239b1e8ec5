"""Rows into PostgreSQL by Apache Spark: several connections at a time, each with a part of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.build.engine import Engine
from reelhouse.build.engine_errors import ENGINE_ERRORS, first_line
from reelhouse.errors import LakeError, ReelhouseError
from reelhouse.serve.export.postgres_ddl import at
from reelhouse.serve.export.postgres_link import Link, LostError
from reelhouse.serve.export.postgres_swap import Loaded
from reelhouse.serve.export.tables import ExportTable, Snapshot

# As many connections as a small server takes beside its own work, and rows that are worth one.
_CONNECTIONS = 8
_ROWS_EACH = 100_000

_SAID = re.compile(r"org\.postgresql\.util\.PSQLException: (.*)")
_LOST = re.compile("I/O error|connection|terminating", re.IGNORECASE)
_ATTEMPTS = 2


class Jdbc(NamedTuple):
    """How Spark reaches the database: an address without secrets, and `user` and `password` beside it."""

    url: str
    properties: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Jdbc({self.url!r})"


class LoadByJdbc:
    """Loads for `PostgresTarget`; *engine* gives the session when the first table is loaded."""

    def __init__(self, engine: Callable[[], Engine], jdbc: Jdbc) -> None:
        self._engine = engine
        self._jdbc = jdbc

    def __call__(
        self, link: Link, schema: str, name: str, snapshot: Snapshot, table: ExportTable, keep: pa.Table | None
    ) -> Loaded:
        frame = self._frame(table, keep)
        texts = [each.name for each in table.spec.columns if each.data_type.simpleString() == "string"]
        place = at(schema, name)
        with _telling(table):
            replaced = _with_nul(frame, texts)
            if replaced:
                frame = frame.withColumns({each: F.translate(F.col(f"`{each}`"), "\0", "\ufffd") for each in texts})
            for _ in range(_ATTEMPTS):
                self._write(frame, place, table.rows if keep is None else len(keep))
                rows = int(link.value(f"select count(*) from {place}"))
                # A task that Spark ran twice may have left its rows twice.
                if keep is not None or rows == table.rows:
                    return Loaded(rows, replaced)
                link.run(f"truncate {place}")
        raise LakeError(f"{table.folder} gave {rows:,} rows, {table.rows:,} were built: nothing is exported")

    def _frame(self, table: ExportTable, keep: pa.Table | None) -> DataFrame:
        engine = self._engine()
        frame = engine.table(table.folder, table.pin.version).select(*(f"`{each}`" for each in table.spec.column_names))
        if keep is None:
            return frame
        wanted = engine.spark.createDataFrame(keep)
        return frame.join(F.broadcast(wanted), keep.column_names, "left_semi")

    def _write(self, frame: DataFrame, place: str, rows: int) -> None:
        parts = min(_CONNECTIONS, -(-rows // _ROWS_EACH)) or 1
        options = {
            **self._jdbc.properties,
            "url": self._jdbc.url,
            "dbtable": place,
            "driver": "org.postgresql.Driver",
            "batchsize": "10000",
        }
        frame.repartition(parts).write.format("jdbc").options(**options).mode("append").save()


def _with_nul(frame: DataFrame, texts: list[str]) -> int:
    """How many texts hold a NUL."""
    if not texts:
        return 0
    counts = [F.sum(F.contains(F.col(f"`{each}`"), F.lit("\0")).cast("bigint")) for each in texts]
    row = frame.agg(*(count.alias(f"c{at}") for at, count in enumerate(counts))).collect()[0]
    return sum(count or 0 for count in row)


@contextmanager
def _telling(table: ExportTable) -> Iterator[None]:
    """What Spark says inside becomes one line."""
    try:
        yield
    except ENGINE_ERRORS as exc:
        said = _SAID.search(str(exc))
        if said and _LOST.search(said[1]):
            raise LostError(
                f"{table.name}: Spark lost its connection to the database, whose tables are as they were: {said[1]}"
            ) from exc
        raise ReelhouseError(f"{table.name}: {said[1] if said else first_line(exc)}") from exc
