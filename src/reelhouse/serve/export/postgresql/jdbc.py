"""Rows into PostgreSQL by Apache Spark: several connections at a time, each with a part of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.delta.engine import Engine
from reelhouse.delta.engine_errors import ENGINE_ERRORS, first_line
from reelhouse.errors import ReelhouseError
from reelhouse.serve.export.postgresql.connection import Link, LostError
from reelhouse.serve.export.postgresql.ddl import at
from reelhouse.serve.export.postgresql.swap import Loaded
from reelhouse.serve.export.tables import ExportTable, LakeSnapshot

# As many connections as a small server takes beside its own work, and rows that are worth one.
_CONNECTIONS = 8
_ROWS_EACH = 100_000

_SAID = re.compile(r"org\.postgresql\.util\.PSQLException: (.*)")
_LOST = re.compile("I/O error|connection|terminating", re.IGNORECASE)
_NUL = re.compile("invalid byte sequence for encoding .*0x00")
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
        self, link: Link, schema: str, name: str, snapshot: LakeSnapshot, table: ExportTable, keep: pa.Table | None
    ) -> Loaded:
        frame = self._frame(table, keep)
        place, wanted = at(schema, name), table.rows if keep is None else None
        with _telling(table):
            try:
                return Loaded(self._load(link, frame, place, wanted), 0)
            except ENGINE_ERRORS as exc:
                if not _NUL.search(str(exc)):
                    raise
            # So rare that looking for it each time would cost more than doing it twice.
            link.run(f"truncate {place}")
            texts = [each.name for each in table.spec.columns if each.type == "string"]
            replaced = _with_nul(frame, texts)
            plain = frame.withColumns({each: F.translate(F.col(f"`{each}`"), "\0", "\ufffd") for each in texts})
            return Loaded(self._load(link, plain, place, wanted), replaced)

    def _load(self, link: Link, frame: DataFrame, place: str, wanted: int | None) -> int:
        """Append to *place* until it has the *wanted* rows, or whatever came where None are named; returns how many."""
        rows = 0
        for _ in range(_ATTEMPTS):
            self._write(frame, place, wanted or 0)
            rows = int(link.value(f"select count(*) from {place}"))
            if wanted is None or rows == wanted:
                break
            # A task that Spark ran twice may have left its rows twice. Who called counts once more.
            link.run(f"truncate {place}")
        return rows

    def _frame(self, table: ExportTable, keep: pa.Table | None) -> DataFrame:
        engine = self._engine()
        frame = engine.table(table.folder, table.pin.version).select(*(f"`{each}`" for each in table.spec.column_names))
        if keep is None:
            return frame
        wanted = engine.spark.createDataFrame(keep)
        return frame.join(F.broadcast(wanted), keep.column_names, "left_semi")

    def _write(self, frame: DataFrame, place: str, rows: int) -> None:
        parts = min(_CONNECTIONS, -(-rows // _ROWS_EACH))
        # Small tables need no shuffle.
        shared = frame.repartition(parts) if parts > 1 else frame.coalesce(1)
        # Java's dates have no days from 5 to 14 October 1582, so PostgreSQL reads texts.
        shared = shared.withColumns(
            {
                name: F.concat(F.col(f"`{name}`").cast("string"), F.lit("Z" if kind == "timestamp" else ""))
                for name, kind in shared.dtypes
                if kind in ("date", "timestamp")
            }
        )
        options = {
            **self._jdbc.properties,
            "url": self._jdbc.url,
            "dbtable": place,
            "driver": "org.postgresql.Driver",
            "batchsize": "10000",
        }
        shared.write.format("jdbc").options(**options).mode("append").save()


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
