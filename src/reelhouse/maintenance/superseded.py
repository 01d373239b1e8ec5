"""The rows of staging that tables still depend on; all others are answers that newer ones replaced.

By the rule of `raw/current.py` only the newest of an id's outcomes, the newest that settled it and the newest that says
it is gone can speak for it; no later outcome can bring back a former one of these. `tables/metadata_tables.py` asks
whether another service's id was ever answered, so the newest answer to each requested key stays too, and everything
quarantined without an id.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelhouse.delta.delta_rs import read_delta
from reelhouse.raw.current import SETTLED
from reelhouse.storage.protocol import Storage

COLUMNS = ("sequence", "append_id", "id", "state", "requested_key")
# Every answer has it, and of a superseded one no table shows it: without it, an answer was blanked.
_MARK = "sha256"
_SETTLED = pa.array([state.value for state in SETTLED])

_Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]
_Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Outcomes(NamedTuple):
    """The rows to keep: *sequences*, sorted, each in the append of *append_ids* that is its newest; *rows* are all.

    Those that are kept for tables of days alone are not *current*, and lose the columns *blanked*; so many of them are
    still *whole*.
    """

    sequences: _Numbers
    append_ids: _Numbers
    rows: int
    current: _Marks | None = None
    blanked: frozenset[str] = frozenset()
    whole: int = 0

    @property
    def superseded(self) -> int:
        """The number of rows that no table depends on any more."""
        return self.rows - len(self.sequences) + self.whole

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of *batch* to keep."""
        sequences = batch.column("sequence").to_numpy(zero_copy_only=False)
        at = np.searchsorted(self.sequences, sequences)
        at[at == len(self.sequences)] = 0
        if not len(self.sequences):
            return batch.slice(0, 0)
        kept = (self.sequences[at] == sequences) & (
            self.append_ids[at] == batch.column("append_id").to_numpy(zero_copy_only=False)
        )
        found = batch.filter(pa.array(kept))
        if self.current is None:
            return found
        current = pa.array(self.current[at[kept]])
        columns = [
            pc.if_else(current, column, pa.nulls(len(found), column.type)) if name in self.blanked else column
            for name, column in zip(found.schema.names, found.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=found.schema)


def outcomes_of(storage: Storage, folder: str, version: int, blanked: frozenset[str] | None = None) -> Outcomes:
    """The rows of a version of staging that tables still depend on; reads a few narrow columns.

    Where tables need the answers of all days, all rows stay, without the columns *blanked* where they are superseded.
    """
    columns = COLUMNS if blanked is None else (*COLUMNS, _MARK)
    return outcomes_needed(read_delta(storage, folder, version, columns), blanked)


def outcomes_needed(rows: pa.RecordBatchReader, blanked: frozenset[str] | None = None) -> Outcomes:
    """The rows among *rows*, the narrow columns of staging, that tables still depend on."""
    read = _AnswerColumns.of(rows)
    newest = _last_of(read.append_ids, read.sequences)
    one = read.at(newest)
    named = ~one.unnamed
    kept = one.unnamed.copy()
    for marked in (named & one.settled, named & one.gone):
        rows = np.flatnonzero(marked)
        kept[rows[_last_of(one.sequences[rows], one.ids[rows])]] = True
    # The newest outcome of an id is the newest of one of its requested keys.
    rows = np.flatnonzero(named)
    kept[rows[_last_of(one.sequences[rows], one.keys[rows], one.ids[rows])]] = True
    if blanked is not None:
        whole = int(np.count_nonzero(one.whole & ~kept))
        return Outcomes(one.sequences, one.append_ids, len(read.sequences), kept, blanked | {_MARK}, whole)
    return Outcomes(one.sequences[kept], one.append_ids[kept], len(read.sequences))


class _AnswerColumns(NamedTuple):
    """The narrow columns of rows; *keys* as hashes, which must differ only among the few keys of one id."""

    sequences: _Numbers
    append_ids: _Numbers
    ids: _Numbers
    keys: _Numbers
    unnamed: _Marks
    settled: _Marks
    gone: _Marks
    whole: _Marks

    @classmethod
    def of(cls, rows: pa.RecordBatchReader) -> _AnswerColumns:
        columns = list(zip(*(_arrays(batch) for batch in rows), strict=True))
        if not columns:
            numbers, marks = np.empty(0, np.int64), np.empty(0, np.bool_)
            return cls(numbers, numbers, numbers, numbers, marks, marks, marks, marks)
        return cls(*(np.concatenate(column) for column in columns))

    def at(self, rows: _Numbers) -> _AnswerColumns:
        columns: list[Any] = [column[rows] for column in self]
        return _AnswerColumns(*columns)


def _arrays(batch: pa.RecordBatch) -> Iterator[np.ndarray[tuple[int], np.dtype[Any]]]:
    states = batch.column("state")
    yield batch.column("sequence").to_numpy(zero_copy_only=False)
    yield batch.column("append_id").to_numpy(zero_copy_only=False)
    yield batch.column("id").fill_null(0).to_numpy(zero_copy_only=False)
    yield np.fromiter((hash(key) for key in batch.column("requested_key").to_pylist()), np.int64, len(batch))
    yield batch.column("id").is_null().to_numpy(zero_copy_only=False)
    yield pc.is_in(states, value_set=_SETTLED).to_numpy(zero_copy_only=False)
    yield pc.fill_null(pc.equal(states, "gone"), False).to_numpy(zero_copy_only=False)
    marked = batch.column(_MARK).is_valid() if _MARK in batch.schema.names else pa.array(np.zeros(len(batch), np.bool_))
    yield marked.to_numpy(zero_copy_only=False)


def _last_of(ranks: _Numbers, *groups: _Numbers) -> _Numbers:
    """The index of the greatest of *ranks* for each value of *groups*, which are sorted."""
    order = np.lexsort((ranks, *reversed(groups)))
    ends = np.ones(len(order), np.bool_)
    ends[:-1] = np.any([group[order][1:] != group[order][:-1] for group in groups], axis=0)
    return order[ends]
