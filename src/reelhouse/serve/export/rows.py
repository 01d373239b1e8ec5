"""Rows of the lake on their way out: Arrow batches of bounded size, counted, without an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reelhouse.delta.delta_rs import read_delta
from reelhouse.errors import LakeError
from reelhouse.serve.export.tables import ExportTable
from reelhouse.storage.protocol import Storage

Batches = Iterator[pa.RecordBatch]

# PostgreSQL's text holds every character but this one.
_NUL = "\0"
_INSTEAD = "\ufffd"


class TableScan:
    """One pass over a table; *rows*, *oldest* and *replaced* tell about what went through so far.

    What goes wrong inside is kept in *error*, since those who consume Arrow streams hand on its text alone.
    """

    def __init__(self, storage: Storage, table: ExportTable, keep: pa.Table | None = None) -> None:
        self.table = table
        self.rows = 0
        self.replaced = 0
        self.oldest: datetime | None = None
        self.error: Exception | None = None
        self._keep = keep
        self._reader = read_delta(storage, table.folder, table.pin.version, table.spec.column_names)
        self.schema: pa.Schema = self._reader.schema

    def batches(self, change: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None) -> Batches:
        """The rows, those of the answers to keep where these are named; *change* is made to each batch."""
        try:
            for read in self._reader:
                batch = read if self._keep is None else kept(read, self._keep)
                if not len(batch):
                    continue
                self.rows += len(batch)
                self._note_age(batch)
                yield change(batch) if change else batch
        except Exception as exc:
            self.error = exc
            raise

    def stream(self) -> pa.RecordBatchReader:
        """The rows as a stream for those who know Arrow."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def stream_without_nul(self) -> pa.RecordBatchReader:
        """As `stream`, with another character for each NUL; texts that had one are counted."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches(self._plain))

    def check(self) -> None:
        """Raise `LakeError` unless as many rows came as are pinned."""
        if self.rows != self.table.rows:
            raise LakeError(
                f"{self.table.folder} has {self.rows:,} rows, {self.table.rows:,} were built: nothing is exported"
            )

    def _note_age(self, batch: pa.RecordBatch) -> None:
        if self.table.dated:
            found = pc.min(batch.column("fetched_at")).as_py()
            self.oldest = min(filter(None, (self.oldest, found)), default=None)

    def _plain(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([self._without_nul(each) for each in batch.columns], schema=self.schema)

    def _without_nul(self, column: Any) -> Any:
        if not pa.types.is_string(column.type):
            return column
        found = pc.sum(pc.match_substring(column, _NUL)).as_py() or 0
        if not found:
            return column
        self.replaced += found
        return pc.replace_substring(column, _NUL, _INSTEAD)


def kept(batch: pa.RecordBatch, keys: pa.Table) -> pa.RecordBatch:
    """The rows of *batch* whose columns named as those of *keys* have values that are there."""
    if keys.num_columns == 1:
        name = keys.column_names[0]
        return batch.filter(pc.is_in(batch.column(name), value_set=keys.column(0).combine_chunks()))
    found = pa.Table.from_batches([batch]).join(keys, keys.column_names, join_type="left semi", use_threads=False)
    return pa.RecordBatch.from_arrays([each.combine_chunks() for each in found.columns], schema=batch.schema)
