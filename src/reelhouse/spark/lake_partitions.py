"""Reads a lake for a Spark job without an engine: the files of partitions, and their rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import types as T
from pyspark.sql.datasource import InputPartition

from reelhouse.bootstrap.storage import load_settings, storage_of
from reelhouse.delta.delta_rs import delta_files, open_delta, read_files
from reelhouse.delta.engine import arrow_schema
from reelhouse.errors import LakeError
from reelhouse.serve.dictionary import where_to_find
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import TableVersion, built

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FilePartition(InputPartition):
    """One file of a version of a table of the lake at *lake*. Each machine's own environment has the credentials."""

    lake: str
    table: str
    pin: TableVersion
    path: str


def lake_schema(lake: str | None, table: str) -> T.StructType:
    """The columns of a table of the last complete build, with their comments."""
    storage = _open(lake)
    folder, pin = _pinned(storage, table)
    # Delta writes schemas as Spark does.
    return T.StructType.fromJson(json.loads(open_delta(storage, folder, pin.version).schema().to_json()))


def lake_partitions(lake: str | None, table: str) -> list[FilePartition]:
    """The files of a table of the last complete build."""
    storage = _open(lake)
    folder, pin = _pinned(storage, table)
    paths = delta_files(storage, folder, pin.version, pin.rows)
    return [FilePartition(storage.url, table, pin, path) for path in paths]


def lake_batches(partition: FilePartition, schema: T.StructType) -> Iterator[pa.RecordBatch]:
    """The rows of one file, with the columns of *schema* only. `LakeError` also if a later build replaced the file."""
    storage = _open(partition.lake)
    try:
        yield from read_files(storage, _folder(partition.table, partition.pin), [partition.path], arrow_schema(schema))
    except LakeError as exc:
        if built(storage).tables.get(partition.table) == partition.pin:
            raise
        raise LakeError(
            f"{partition.table}: the lake was built again since this DataFrame was used first: load it again"
        ) from exc


def _open(lake: str | None) -> Storage:
    return storage_of(load_settings({"lake": lake}))


def _pinned(storage: Storage, table: str) -> tuple[str, TableVersion]:
    pins: dict[str, TableVersion] = built(storage).tables
    if table not in pins:
        raise LakeError(f"option table: the lake has no table {table!r}{where_to_find(table, pins)}")
    return _folder(table, pins[table]), pins[table]


def _folder(table: str, pin: TableVersion) -> str:
    return f"{pin.zone}/{table}"
