"""Parquet files (zstd), with the comments of table and columns in their metadata."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reelhouse.serve.export.folders import Folder
from reelhouse.serve.export.result import TERMS
from reelhouse.serve.export.rows import Reading

# Rows that are in memory at a time, and that readers may skip together.
_GROUP = 131_072


class ParquetFolder(Folder):
    """A folder of `<table>.parquet`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "parquet", _write)


def _write(reading: Reading, path: Path) -> None:
    spec = reading.table.spec
    fields = [reading.schema.field(column.name).with_metadata({"comment": column.comment}) for column in spec.columns]
    schema = pa.schema(fields, {"comment": spec.about, "key": ", ".join(spec.key), "terms": TERMS})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        waiting: list[pa.RecordBatch] = []
        for batch in reading.batches():
            waiting.append(batch)
            if sum(map(len, waiting)) >= _GROUP:
                file.write_table(_table(waiting, schema))
                waiting = []
        if waiting:
            file.write_table(_table(waiting, schema))


def _table(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches).cast(schema)
