"""`Trusted/Local/Parquet/`: the tables that a person put under `Raw/Local/CSV/`, as Parquet.

Each file becomes one, under the same kind, day and name. All columns are text, as they stand there: what a column means
is its owner's to say. An empty field is NULL. Files are read strictly: one with a stray quote is named, not guessed at,
unless the lake's settings say that quotes are text.

`_reelhouse/local_copies.json` names each Parquet file that was put, with its sha256. Only what is still the same is
replaced, or removed once its source is gone: all else under `Trusted/Local/` is its owner's.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING, cast

import msgspec

from reelhouse.course.layout import LOCAL
from reelhouse.errors import LakeError, MissingKeyError, UnreadableError
from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import FORMAT
from reelhouse.storage.protocol import HOUSE, Step, Storage, is_key
from reelhouse.strict_csv import BLOCK, CsvError, Dialect, Scanner, check

if TYPE_CHECKING:
    import pyarrow as pa

TRUSTED_LOCAL = "Trusted/Local/Parquet/"
LOCAL_COPIES = f"{HOUSE}local_copies.json"

_FILE = re.compile(r"(?P<stem>[A-Za-z]+/\d{4}/\d\d/\d\d/[^/]+?)\.(?:csv|tsv|txt)(?:\.gz)?", re.IGNORECASE)
_AN_ID = re.compile(r"\d+|tt\d+")
_SEPARATORS = "|;\t,"
_BLOCK_BYTES = 8 << 20
_LONGEST_NAME = 1000

# A file is read into memory as it is stored; a compressed one is unpacked as a stream.
_MOST_STORED = 1 << 30
_MOST_UNPACKED = 4 << 30

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


class WrittenParquet(msgspec.Struct, frozen=True):
    """A Parquet file that was put, and the *source* that it was made of."""

    source: str
    sha256: str


class LocalCopies(msgspec.Struct):
    """What became of each file under `Raw/Local/CSV/`, and the Parquet files that were *written*, both by their keys.

    *not_removed* names Parquet files whose source is gone and that somebody else has changed.
    """

    files: dict[str, LocalCopy] = {}
    written: dict[str, WrittenParquet] = {}
    not_removed: list[str] = []
    format: int = FORMAT

    @property
    def problems(self) -> list[str]:
        """Files that could not be taken over, by name."""
        return [f"{key}: {one.problem}" for key, one in sorted(self.files.items()) if one.problem]

    @property
    def notes(self) -> list[str]:
        """What should be looked at, by name."""
        return [*(f"{key}: {one.note}" for key, one in sorted(self.files.items()) if one.note), *self.not_removed]


def read_local_copies(storage: Storage) -> LocalCopies:
    """What the last build said of local files; nothing before the first one."""
    return read_object(storage, LOCAL_COPIES, LocalCopies) or LocalCopies()


def copy_local(storage: Storage, step: Step, *, quotes: bool = True) -> LocalCopies:
    """Every file under `Raw/Local/CSV/` as Parquet, without *quotes* with these as text.

    Those that are known with the same size and rules are not read again. What was made of a file that has gone is
    removed.
    """
    before = read_local_copies(storage)
    rules = _RULES if quotes else f"{_RULES}, no quotes"
    made = LocalCopies(written=dict(before.written))
    targets: dict[str, str] = {}
    for key in storage.keys(LOCAL):
        match = _FILE.fullmatch(key.removeprefix(LOCAL))
        if match is None:
            continue
        size = _size(storage, key)
        if isinstance(size, LocalCopy):
            made.files[key] = size
            continue
        if size is None:
            continue
        target = f"{TRUSTED_LOCAL}{match['stem']}.parquet"
        first = targets.setdefault(target, key)
        known = before.files.get(key)
        if first != key:
            # Of no size, so that it is looked at again once the other has gone.
            made.files[key] = LocalCopy(-1, problem=f"{first} becomes {target} already: call one of them otherwise")
        elif known is not None and (known.bytes, known.rules) == (size, rules):
            made.files[key] = known
        else:
            step(key)
            copy = _copied(storage, key, size, target, made.written, quotes=quotes)
            made.files[key] = msgspec.structs.replace(copy, rules=rules)
    _remove_orphans(storage, made, targets)
    if made != before:
        storage.put(LOCAL_COPIES, encode(made))
    return made


def _remove_orphans(storage: Storage, made: LocalCopies, targets: dict[str, str]) -> None:
    """Remove what was made of files that have gone, as long as nobody has changed it."""
    for target, one in sorted(made.written.items()):
        # A listing alone does not prove that a file is gone.
        if target in targets or storage.size(one.source) is not None:
            continue
        if not _removed(storage, target, made.written):
            made.not_removed.append(
                f"{target} was changed after reelhouse wrote it, and {one.source} is gone: it stays"
            )


def _removed(storage: Storage, target: str, written: dict[str, WrittenParquet]) -> bool:
    """Remove the Parquet file at *target*; false where one is there that is not what was *written*."""
    there = _sha256_of(storage, target)
    if there and (target not in written or there != written[target].sha256):
        return False
    if there:
        storage.delete(target)
    written.pop(target, None)
    return True


def _sha256_of(storage: Storage, key: str) -> str:
    try:
        return hashlib.sha256(storage.get(key)).hexdigest()
    except MissingKeyError:
        return ""


def _size(storage: Storage, key: str) -> int | LocalCopy | None:
    """The size of a file; None if it is gone, or why it cannot be read, which is looked at again next time."""
    if not is_key(key):
        return LocalCopy(-1, problem="its name is not a key of a lake: rename it in plain ASCII")
    try:
        return storage.size(key)
    except UnreadableError as exc:
        return LocalCopy(-1, problem=str(exc))


def _copied(
    storage: Storage, key: str, size: int, target: str, written: dict[str, WrittenParquet], *, quotes: bool
) -> LocalCopy:
    """The outcome for one file: its owner corrects it, and no build of TMDB's tables fails for it."""
    try:
        if size > _MOST_STORED:
            raise LakeError(f"it has more than {_MOST_STORED >> 20:,} MB: split it into several files")
        rows, body, note = as_parquet(key, storage.get(key), quotes=quotes)
    except UnreadableError as exc:
        return LocalCopy(-1, problem=str(exc))
    except LakeError as exc:
        # A copy from before is of another file, or of another reading of it.
        stays = "" if _removed(storage, target, written) else f"; {target} is of another time, or yours, and stays"
        return LocalCopy(size, problem=f"{exc}{stays}")
    sha256 = hashlib.sha256(body).hexdigest()
    there = _sha256_of(storage, target)
    if there not in ("", sha256) and (target not in written or there != written[target].sha256):
        return LocalCopy(-1, problem=f"{target} was written or changed by somebody else: move or remove it")
    if there != sha256:
        storage.put(target, body)
    written[target] = WrittenParquet(key, sha256)
    return LocalCopy(size, target, rows, note=note)


def as_parquet(key: str, body: bytes, *, quotes: bool = True) -> tuple[int, bytes, str]:
    """A text table as one Parquet file of text columns, its rows, and what to look at; `LakeError` why it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with _text(key, body) as text:
            dialect, names = _header(text.read(BLOCK), quotes=quotes)
        with _text(key, body) as text:
            tally = check(_bounded(text), dialect)
        rows, sink = 0, io.BytesIO()
        with (
            _text(key, body) as text,
            _reader(text, dialect, names) as reader,
            pq.ParquetWriter(sink, reader.schema, compression="snappy") as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
                rows += batch.num_rows
    except CsvError as exc:
        raise LakeError(f"it is not a table: {_refused(exc)}") from exc
    except (pa.ArrowException, OSError, EOFError, zlib.error) as exc:
        raise LakeError(f"it is not a table: {' '.join(str(exc).split())[:200]}") from exc
    if rows != tally.records - 1:
        raise LakeError(f"it is not a table: {rows} rows were read of {tally}")
    return rows, sink.getvalue(), tally.words(_NO_QUOTES)


def _text(key: str, body: bytes) -> IO[bytes]:
    """A file's text from its beginning, unpacked as it is read."""
    file = io.BytesIO(body)
    return cast("IO[bytes]", gzip.open(file)) if key.lower().endswith(".gz") else file


def _bounded(text: IO[bytes]) -> Iterator[bytes]:
    """A text block by block; `LakeError` beyond the limit."""
    size = 0
    for block in iter(lambda: text.read(BLOCK), b""):
        size += len(block)
        if size > _MOST_UNPACKED:
            raise LakeError(f"it has more than {_MOST_UNPACKED >> 20:,} MB, unpacked: split it into several files")
        yield block


def _refused(why: CsvError) -> str:
    return f"{why} ({_NO_QUOTES} takes quotes as text in all of these files)" if why.quotes else str(why)


def _reader(text: IO[bytes], dialect: Dialect, names: list[str]) -> pa.RecordBatchReader:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    return arrow_csv.open_csv(
        text,
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char=dialect.quotes and '"', newlines_in_values=dialect.quotes
        ),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=["", "\\N"]
        ),
    )


def _header(start: bytes, *, quotes: bool) -> tuple[Dialect, list[str]]:
    """How a table is to be read that begins with the block *start*, and the names of its columns."""
    try:
        line = start.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").split(b"\n", 1)[0].decode().rstrip("\r")
    except UnicodeDecodeError as exc:
        raise LakeError("it is not UTF-8") from exc
    dialect = Dialect(max(_SEPARATORS, key=line.count), quotes)
    scanner = Scanner(dialect, keep=True)
    header = next(chain(scanner.feed(start), scanner.close() if len(start) < BLOCK else ()), None)
    names = header.cells if header else []
    if any(len(name) > _LONGEST_NAME for name in names):
        raise LakeError("its first line is not a header: a name of a column is some words at most")
    if not any(names):
        raise LakeError("its first line names no column")
    if all(_AN_ID.fullmatch(name) for name in names):
        raise LakeError("its first line is an id: a list, no table")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise LakeError(f"its first line names {twice[0]!r} twice")
    return dialect, names
