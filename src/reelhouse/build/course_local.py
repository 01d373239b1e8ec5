"""`Trusted/Local/Parquet/`: the tables that a person put under `Raw/Local/CSV/`, as Parquet.

Each file becomes one, under the same kind, day and name. All columns are text, as they stand there: what a column means
is its owner's to say. An empty field is NULL.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from reelhouse.errors import LakeError
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    import pyarrow as pa

RAW_LOCAL = "Raw/Local/CSV/"
TRUSTED_LOCAL = "Trusted/Local/Parquet/"

_FILE = re.compile(r"(?P<stem>[A-Za-z]+/\d{4}/\d\d/\d\d/[^/]+?)\.(?:csv|tsv|txt)(?:\.gz)?", re.IGNORECASE)
_AN_ID = re.compile(r"\d+|tt\d+")
_SEPARATORS = "|;\t,"
_BLOCK_BYTES = 8 << 20


class LocalCopy(msgspec.Struct, frozen=True):
    """What became of one file of so many *bytes*: a Parquet file at *key*, or a *problem* in one line."""

    bytes: int
    key: str = ""
    rows: int = 0
    problem: str = ""


def copy_local(storage: Storage, known: dict[str, LocalCopy], step: Callable[[str], None]) -> dict[str, LocalCopy]:
    """Every file under `Raw/Local/CSV/` as Parquet; those that are *known* with the same size are not read again."""
    found: dict[str, LocalCopy] = {}
    targets: dict[str, str] = {}
    for key in storage.keys(RAW_LOCAL):
        match = _FILE.fullmatch(key.removeprefix(RAW_LOCAL))
        size = storage.size(key) if match else None
        if match is None or size is None:
            continue
        target = f"{TRUSTED_LOCAL}{match['stem']}.parquet"
        first = targets.setdefault(target, key)
        if first != key:
            # Of no size, so that it is looked at again once the other has gone.
            found[key] = LocalCopy(-1, problem=f"{first} becomes {target} already: call one of them otherwise")
            continue
        if key in known and known[key].bytes == size:
            found[key] = known[key]
            continue
        step(key)
        found[key] = _copied(storage, key, size, target)
    return found


def _copied(storage: Storage, key: str, size: int, target: str) -> LocalCopy:
    """The outcome for one file: its owner mends it, and no build of TMDB's tables fails for it."""
    try:
        rows, body = as_parquet(key, storage.get(key))
    except LakeError as exc:
        return LocalCopy(size, problem=str(exc))
    storage.put(target, body)
    return LocalCopy(size, target, rows)


def as_parquet(key: str, body: bytes) -> tuple[int, bytes]:
    """A text table as one Parquet file of text columns, and its rows; `LakeError` says why it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        text = gzip.decompress(body) if key.lower().endswith(".gz") else body
        rows, sink = 0, io.BytesIO()
        reader = _reader(text)
        with pq.ParquetWriter(sink, reader.schema, compression="snappy") as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error) as exc:
        raise LakeError(f"it is no table: {' '.join(str(exc).split())[:200]}") from exc
    return rows, sink.getvalue()


def _reader(text: bytes) -> pa.RecordBatchReader:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    separator, names = _header(text)
    return arrow_csv.open_csv(
        io.BytesIO(text),
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def _header(text: bytes) -> tuple[str, list[str]]:
    """The separator and the names of the columns."""
    try:
        line = text[: 1 << 20].removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode().rstrip("\r")
    except UnicodeDecodeError as exc:
        raise LakeError("it is no UTF-8") from exc
    separator = max(_SEPARATORS, key=line.count)
    names = next(csv.reader([line], delimiter=separator), [])
    if not any(names):
        raise LakeError("its first line names no column")
    if all(_AN_ID.fullmatch(name) for name in names):
        raise LakeError("its first line is an id: a list, no table")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LakeError(f"its first line names {twice[0]!r} twice")
    return separator, names
