"""`Trusted/Local/Parquet/`: the tables that a person put under `Raw/Local/CSV/`, as Parquet.

Each file becomes one, under the same kind, day and name. All columns are text, as they stand there: what a column means
is its owner's to say. An empty field is NULL. Files are read strictly: one with a stray quote is named, not guessed at,
unless the lake's settings say that quotes are text.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from reelhouse.course.layout import LOCAL
from reelhouse.errors import LakeError, UnreadableError
from reelhouse.storage.protocol import Storage, is_key
from reelhouse.strict_csv import CsvError, Dialect, check, read_rows

if TYPE_CHECKING:
    import pyarrow as pa

TRUSTED_LOCAL = "Trusted/Local/Parquet/"

_FILE = re.compile(r"(?P<stem>[A-Za-z]+/\d{4}/\d\d/\d\d/[^/]+?)\.(?:csv|tsv|txt)(?:\.gz)?", re.IGNORECASE)
_AN_ID = re.compile(r"\d+|tt\d+")
_SEPARATORS = "|;\t,"
_BLOCK_BYTES = 8 << 20
_LONGEST_NAME = 1000

# What was read by other rules than these is read again.
_RULES = "strict 1"
_NO_QUOTES = "`course_quotes = false` in the lake's reelhouse.toml"


class LocalCopy(msgspec.Struct, frozen=True):
    """What became of one file of so many *bytes*: a Parquet file at *key*, or a *problem* in one line.

    *rules* are those that it was read by, *note* is what its owner should look at, though it was read.
    """

    bytes: int
    key: str = ""
    rows: int = 0
    problem: str = ""
    rules: str = ""
    note: str = ""


def copy_local(
    storage: Storage, known: dict[str, LocalCopy], step: Callable[[str], None], *, quotes: bool = True
) -> dict[str, LocalCopy]:
    """Every file under `Raw/Local/CSV/` as Parquet, without *quotes* with these as text.

    Those that are *known* with the same size and rules are not read again.
    """
    rules = _RULES if quotes else f"{_RULES}, no quotes"
    found: dict[str, LocalCopy] = {}
    targets: dict[str, str] = {}
    for key in storage.keys(LOCAL):
        match = _FILE.fullmatch(key.removeprefix(LOCAL))
        if match is None:
            continue
        size = _size(storage, key)
        if isinstance(size, LocalCopy):
            found[key] = size
            continue
        if size is None:
            continue
        target = f"{TRUSTED_LOCAL}{match['stem']}.parquet"
        first = targets.setdefault(target, key)
        if first != key:
            # Of no size, so that it is looked at again once the other has gone.
            found[key] = LocalCopy(-1, problem=f"{first} becomes {target} already: call one of them otherwise")
            continue
        if key in known and (known[key].bytes, known[key].rules) == (size, rules):
            found[key] = known[key]
            continue
        step(key)
        found[key] = msgspec.structs.replace(_copied(storage, key, size, target, quotes=quotes), rules=rules)
    return found


def _size(storage: Storage, key: str) -> int | LocalCopy | None:
    """The size of a file; None if it is gone, or why it cannot be read, which is looked at again next time."""
    if not is_key(key):
        return LocalCopy(-1, problem="its name is not a key of a lake: rename it in plain ASCII")
    try:
        return storage.size(key)
    except UnreadableError as exc:
        return LocalCopy(-1, problem=str(exc))


def _copied(storage: Storage, key: str, size: int, target: str, *, quotes: bool) -> LocalCopy:
    """The outcome for one file: its owner corrects it, and no build of TMDB's tables fails for it."""
    try:
        rows, body, note = as_parquet(key, storage.get(key), quotes=quotes)
    except UnreadableError as exc:
        return LocalCopy(-1, problem=str(exc))
    except LakeError as exc:
        # A copy from before is of another file, or of another reading of it.
        storage.delete(target)
        return LocalCopy(size, problem=str(exc))
    storage.put(target, body)
    return LocalCopy(size, target, rows, note=note)


def as_parquet(key: str, body: bytes, *, quotes: bool = True) -> tuple[int, bytes, str]:
    """A text table as one Parquet file of text columns, its rows, and what to look at; `LakeError` why it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        text = gzip.decompress(body) if key.lower().endswith(".gz") else body
        dialect, names = _header(text, quotes=quotes)
        tally = check([text], dialect)
        rows, sink = 0, io.BytesIO()
        reader = _reader(text, dialect, names)
        with pq.ParquetWriter(sink, reader.schema, compression="snappy") as writer:
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
    except CsvError as exc:
        raise LakeError(f"it is no table: {_refused(exc)}") from exc
    except (pa.ArrowException, OSError, EOFError, zlib.error) as exc:
        raise LakeError(f"it is no table: {' '.join(str(exc).split())[:200]}") from exc
    if rows != tally.records - 1:
        raise LakeError(f"it is no table: {rows} rows were read of {tally}")
    return rows, sink.getvalue(), tally.words(_NO_QUOTES)


def _refused(why: CsvError) -> str:
    return f"{why} ({_NO_QUOTES} takes quotes as text in all of these files)" if why.quotes else str(why)


def _reader(text: bytes, dialect: Dialect, names: list[str]) -> pa.RecordBatchReader:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    return arrow_csv.open_csv(
        io.BytesIO(text),
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char=dialect.quotes and '"', newlines_in_values=dialect.quotes
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=["", "\\N"]
        ),
    )


def _header(text: bytes, *, quotes: bool) -> tuple[Dialect, list[str]]:
    """How the table is to be read, and the names of its columns."""
    try:
        line = text[: 1 << 20].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").split(b"\n", 1)[0].decode().rstrip("\r")
    except UnicodeDecodeError as exc:
        raise LakeError("it is no UTF-8") from exc
    dialect = Dialect(max(_SEPARATORS, key=line.count), quotes)
    header = next(read_rows(io.BytesIO(text), dialect), None)
    names = header.cells if header else []
    if any(len(name) > _LONGEST_NAME for name in names):
        raise LakeError("its first line is no header: a name of a column is some words at most")
    if not any(names):
        raise LakeError("its first line names no column")
    if all(_AN_ID.fullmatch(name) for name in names):
        raise LakeError("its first line is an id: a list, no table")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LakeError(f"its first line names {twice[0]!r} twice")
    return dialect, names
