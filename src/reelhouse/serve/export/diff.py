"""Which answers of a table differ from those that a target holds: by what they are of, `fetched_at`, and their rows.

The newest `fetched_at` of before would not do: an answer that waited in a spool lands late and is older than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from reelhouse.delta.delta_rs import read_delta
from reelhouse.serve.export.tables import ExportTable
from reelhouse.storage.protocol import Storage

# Groups are added up whenever so many rows of them are waiting.
_WAITING = 1_000_000

COUNT = "rows"


class ChangedAnswers(NamedTuple):
    """The answers (a table's `answer` columns) whose rows are others than the target's, and how many rows they have."""

    answers: pa.Table
    rows: int


def answers_held(storage: Storage, table: ExportTable) -> pa.Table:
    """Each answer of the pinned version, with `fetched_at` and how many rows it has there."""
    reader = read_delta(storage, table.folder, table.pin.version, [*table.answer, "fetched_at"])
    return grouped(reader, [*table.answer, "fetched_at"], reader.schema)


def grouped(batches: Iterable[pa.RecordBatch], by: list[str], schema: pa.Schema) -> pa.Table:
    """How often each combination of the columns *by* occurs, as column `rows`."""
    ones = pa.schema([*(schema.field(name) for name in by), pa.field(COUNT, pa.int64())])
    waiting: list[pa.Table] = []
    for batch in batches:
        found = pa.Table.from_batches([batch]).group_by(by, use_threads=False).aggregate([([], "count_all")])
        waiting.append(found.rename_columns({"count_all": COUNT}).select(ones.names).cast(ones))
        if sum(len(one) for one in waiting) > _WAITING:
            waiting = [_added(waiting, by, ones)]
    return _added(waiting, by, ones)


def _added(parts: list[pa.Table], by: list[str], schema: pa.Schema) -> pa.Table:
    if not parts:
        return schema.empty_table()
    found = pa.concat_tables(parts).group_by(by, use_threads=False).aggregate([(COUNT, "sum")])
    return found.rename_columns({f"{COUNT}_sum": COUNT}).select(schema.names).cast(schema)


def differing(here: pa.Table, there: pa.Table, answer: tuple[str, ...]) -> ChangedAnswers:
    """What makes *there* (a target's answers) into *here*; both as of `grouped`."""
    names = here.column_names
    there = there.select(names).cast(here.schema)
    come = here.join(there, names, join_type="left anti", use_threads=False)
    gone = there.join(here, names, join_type="left anti", use_threads=False)
    by = list(answer)
    answers = pa.concat_tables([come.select(by), gone.select(by)]).group_by(by, use_threads=False).aggregate([])
    return ChangedAnswers(answers, pc.sum(come.column(COUNT)).as_py() or 0)
