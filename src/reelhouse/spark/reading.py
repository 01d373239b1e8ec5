"""Shared by batches and streams: the requested columns, and the rows of one partition."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.sql import types as T
from pyspark.sql.datasource import InputPartition

from reelhouse.errors import ConfigError, LakeError, ReelhouseError, did_you_mean
from reelhouse.spark.api_partitions import AskedPartition, ask_partition
from reelhouse.spark.lake_partitions import FilePartition, lake_batches, lake_schema
from reelhouse.spark.options import OF_OUTCOMES, Options
from reelhouse.spark.rows import batches_of
from reelhouse.tables.schemas import schema_of

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def message_first() -> Iterator[None]:
    """Let a worker of Spark report an error of ours by its message, which else stands behind a traceback."""
    try:
        yield
    except ReelhouseError:
        main = sys.modules["__main__"].__spec__
        if main is not None and main.name.startswith("pyspark."):
            # The worker ends with this error. It would otherwise hide those of others.
            os.environ.setdefault("SPARK_HIDE_TRACEBACK", "1")
        raise


def known_columns(options: Options) -> T.StructType:
    """The columns of the table; a lake is read only if it was named, or if nothing else knows the table."""
    from_api = options.table in options.from_api
    if options.asks_tmdb or (options.lake is None and from_api):
        return schema_of(options.spec.columns)
    try:
        return lake_schema(options.lake, options.table)
    except LakeError as exc:
        if from_api:
            raise
        hint = did_you_mean(options.table, options.from_api)
        raise LakeError(f"{exc}; nor is {options.table!r} made directly from the API{hint}") from exc


def check_columns(wanted: T.StructType, known: T.StructType) -> None:
    """Check a given schema: it may leave out columns, but change none."""
    types = {field.name: field.dataType for field in known.fields}
    for one in wanted.fields:
        if types.get(one.name) != one.dataType:
            there = types[one.name].simpleString() if one.name in types else "not in this table"
            raise ConfigError(f"schema: column {one.name} is {there}, not {one.dataType.simpleString()}")


def read_partition(partition: InputPartition, options: Options, schema: T.StructType) -> Iterator[pa.RecordBatch]:
    """The rows of one partition."""
    with message_first():
        if isinstance(partition, FilePartition):
            yield from lake_batches(partition, schema)
        elif isinstance(partition, AskedPartition):
            asked = ask_partition(partition, options.declared, keep_quarantined=options.table in OF_OUTCOMES)
            yield from batches_of(asked, options.declared, options.spec, schema, partition.elsewhere)
        # Spark makes one partition if there are none.
