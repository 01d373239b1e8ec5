"""The data files of tables: written by Arrow, or found where an engine wrote them, with Delta's statistics.

Each writing has a folder of its own below the table's. Only the log makes its files visible; those of a writer that was
killed before its commit are removed by maintenance.
"""

from __future__ import annotations

import io
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import product
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelhouse.delta.delta_rs import footers
from reelhouse.delta.log import DataFile
from reelhouse.storage.protocol import Storage

# A file is in memory as a whole, and so is a group of its rows.
_FILE_BYTES = 64 << 20
_GROUP_BYTES = 16 << 20
_GROUP_ROWS = 131_072

# Texts are bounds of a column only up to this length; engines cut longer ones.
_LONGEST_BOUND = 32


def new_folder() -> str:
    """A name for the folder of one writing."""
    return f"{time.time_ns():x}-{secrets.token_hex(4)}"


def files_in(storage: Storage, folder: str, own: str) -> list[DataFile]:
    """The files with rows that an engine wrote into the folder *own* below the table's; those without are removed."""
    found = sorted(
        (key.removeprefix(f"{folder}/"), size)
        for key, size in storage.sizes(f"{folder}/{own}/")
        if key.endswith(".parquet") and key.count("/") == f"{folder}/{own}".count("/") + 1
    )
    if not found:
        # Without rows Sail writes nothing.
        return []
    read = footers(storage, folder, dict(found))
    files = [DataFile(path, size, statistics(footer)) for (path, size), footer in zip(found, read, strict=True)]
    for file in files:
        if not file.rows:
            storage.delete(f"{folder}/{file.path}")
    return [file for file in files if file.rows]


def write_batches(storage: Storage, folder: str, rows: pa.RecordBatchReader) -> Iterator[DataFile]:
    """Write *rows* into files of bounded size below the table's folder."""
    own = new_folder()
    waiting: list[pa.RecordBatch] = []
    part = _OpenFile(rows.schema)
    number = 0
    for batch in rows:
        waiting.append(batch)
        if sum(one.nbytes for one in waiting) >= _GROUP_BYTES or sum(map(len, waiting)) >= _GROUP_ROWS:
            part.write(waiting)
            waiting = []
        if part.bytes >= _FILE_BYTES:
            yield part.put(storage, folder, f"{own}/part-{number:05}.parquet")
            part, number = _OpenFile(rows.schema), number + 1
    part.write(waiting)
    if part.rows:
        yield part.put(storage, folder, f"{own}/part-{number:05}.parquet")


class _OpenFile:
    """One file on its way."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._sink = io.BytesIO()
        # Without bounds of floating numbers, since bounds leave NaN out: Sail takes a column for constant whose bounds
        # are equal.
        floating = [field.name for field in schema if pa.types.is_floating(field.type)]
        bounded = [name for name in schema.names if name not in floating] if floating else True
        self._nulls = Counter(dict.fromkeys(floating, 0))
        self._writer = pq.ParquetWriter(self._sink, schema, compression="snappy", write_statistics=bounded)
        self.rows = 0

    @property
    def bytes(self) -> int:
        return self._sink.tell()

    def write(self, batches: list[pa.RecordBatch]) -> None:
        group = pa.Table.from_batches(batches, self._schema)
        if len(group):
            self._writer.write_table(group, row_group_size=len(group))
            self._nulls.update({name: group[name].null_count for name in self._nulls})
            self.rows += len(group)

    def put(self, storage: Storage, folder: str, path: str) -> DataFile:
        self._writer.close()
        body = self._sink.getvalue()
        storage.put(f"{folder}/{path}", body)
        stated = statistics(pq.read_metadata(io.BytesIO(body)))
        return DataFile(path, len(body), {**stated, "nullCount": {**stated["nullCount"], **self._nulls}})


def statistics(footer: pq.FileMetaData) -> dict[str, Any]:
    """What Delta's log states of a file: rows, and of columns that are not nested NULLs and bounds."""
    groups = [footer.row_group(at) for at in range(footer.num_row_groups)]
    nulls: dict[str, int] = {}
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    for at in range(footer.num_columns if footer.num_rows else 0):
        name = footer.schema.column(at).path
        found = [group.column(at).statistics for group in groups]
        if "." in name or not all(one and one.has_null_count for one in found):
            continue
        nulls[name] = sum(one.null_count for one in found)
        bounds = [bound for one in found if one.has_min_max for bound in _bounds(one)]
        known = all(one.has_min_max or not one.num_values for one in found)
        if bounds and known and all(map(_is_bound, bounds)):
            least[name], greatest[name] = _json(min(bounds)), _json(max(bounds))
    return {"numRecords": footer.num_rows, "minValues": least, "maxValues": greatest, "nullCount": nulls}


def bounds(storage: Storage, folder: str, sizes: Mapping[str, int]) -> dict[str, tuple[int, Any, Any]]:
    """NULLs, least and greatest value of each column over files of these *sizes*, as far as their footers say."""
    nulls: Counter[str] = Counter()
    values: dict[str, list[Any]] = {}
    for footer in footers(storage, folder, sizes):
        for group, at in product(range(footer.num_row_groups), range(footer.num_columns)):
            column = footer.row_group(group).column(at)
            found = column.statistics
            if found and found.has_null_count:
                nulls[column.path_in_schema] += found.null_count
            if found and found.has_min_max:
                values.setdefault(column.path_in_schema, []).extend((found.min_raw, found.max_raw))
    return {name: (nulls[name], min(some), max(some)) for name, some in values.items()}


def _bounds(column: pq.Statistics) -> tuple[Any, ...]:
    try:
        return column.min, column.max
    except OverflowError:
        # A day before year 1 or after 9999, which Python cannot hold.
        return (None,)


def _is_bound(value: object) -> bool:
    return type(value) in (int, date) or (isinstance(value, str) and len(value) <= _LONGEST_BOUND)


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def all_null(files: Iterable[DataFile], column: str) -> bool:
    """Whether *column*, which is not nested, has no value in any of *files*."""
    return all(file.stats["nullCount"].get(column) == file.rows for file in files)
