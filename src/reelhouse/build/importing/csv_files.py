"""CSV files as batches: any of , ; tab and | between values, quotes, gzip, a header, UTF-8 with or without a mark."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pc_csv

from reelhouse.build.importing.columns import SAME, check_same, misfit, named
from reelhouse.build.importing.kinds import Guess, first_misfit, parsed
from reelhouse.build.imports import ImportColumn
from reelhouse.errors import ReelhouseError

_DELIMITERS = ",;\t|"
_SAMPLE = 256 * 1024
_BLOCK = 8 * 1024 * 1024
_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")
_ROW = re.compile(r"Row #(\d+): (.*)", re.DOTALL)
_WIDTH = re.compile(r"Expected (\d+) columns, got (\d+)")


class CsvFile(NamedTuple):
    """One file, and how its lines are to be read."""

    path: Path
    delimiter: str
    quote: str
    columns: list[ImportColumn]
    # Blank lines before the header.
    blank: int


class CsvFiles:
    """Files that make one table: the first names its columns, the others have the same in any order."""

    def __init__(self, paths: Sequence[Path], nulls: Sequence[str] = (), *, quotes: bool = True) -> None:
        self._nulls = ["", *nulls]
        self._files = [_looked_at(path, '"' if quotes else "") for path in paths]
        self._names = [column.name for column in self._files[0].columns]
        for file in self._files[1:]:
            found = [column.name for column in file.columns]
            check_same(self._names, found, str(file.path), str(self._files[0].path), SAME)
        self.notes: list[str] = []

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types, over all values; with *pinned* those, if every value fits."""
        if pinned is not None:
            for _ in self.batches(pinned):
                pass
            return list(pinned)
        guesses = {name: Guess() for name in self._names}
        for file in self._files:
            for batch in self._batches(file):
                for name, guess in guesses.items():
                    guess.see(batch.column(name))
        for name, guess in guesses.items():
            if guess.kind == "timestamp" and guess.zoneless:
                self.notes.append(f"{name}: instants without a time zone are taken as UTC")
        return [
            ImportColumn(column.name, guesses[column.name].kind, column.source) for column in self._files[0].columns
        ]

    def names(self) -> list[str]:
        """What the columns are called."""
        return self._names

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        for file in self._files:
            read = 0
            for batch in self._batches(file):
                yield pa.RecordBatch.from_arrays(
                    [_typed(file, batch, column, read) for column in columns], names=[each.name for each in columns]
                )
                read += len(batch)

    def _batches(self, file: CsvFile) -> Iterator[Any]:
        """All values as texts; nothing between two delimiters is NULL."""
        names = [column.name for column in file.columns]
        with _told(file), opened(file.path) as body:
            counted = _Counted(body)
            reader = pc_csv.open_csv(
                pa.PythonFile(counted, mode="r"),
                # By position: the header's names may be there twice, or span lines.
                pc_csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK,
                    column_names=names,
                    # Blank lines are no rows to Arrow, but here it counts them.
                    skip_rows_after_names=file.blank + 1,
                    encoding="utf8",
                ),
                pc_csv.ParseOptions(
                    delimiter=file.delimiter, quote_char=file.quote or False, newlines_in_values=bool(file.quote)
                ),
                pc_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    strings_can_be_null=True,
                    null_values=self._nulls,
                ),
            )
            yield from (batch for batch in reader if len(batch))
        if counted.quotes % 2:
            _check_closed(file)


def _typed(file: CsvFile, batch: Any, column: ImportColumn, read: int) -> Any:
    texts = batch.column(column.name)
    found = parsed(texts, column.type)
    if found is None:
        raise _misfit(file, batch, column.name, column.type, read)
    return found


def _misfit(file: CsvFile, batch: Any, name: str, kind: str, read: int) -> ReelhouseError:
    at = first_misfit(batch.column(name), kind)
    line = _line_of(file, read + at + 1)
    return misfit(f"{file.path}: {line}", name, batch.column(name)[at].as_py(), kind)


class _Counted(io.RawIOBase):
    """A body that counts its quotes while it is read: an odd number of them is worth a second look."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self._body.read(size)
        self.quotes += found.count(b'"')
        return found


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked where they are gzip; `ReelhouseError` where it cannot be read to its end."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with gzip.open(file) if packed else file as body:
                yield body  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
        raise ReelhouseError(f"{path}: the gzip file is cut short or damaged") from exc
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be read: {exc.strerror or exc}") from exc


def _looked_at(path: Path, quote: str) -> CsvFile:
    with opened(path) as body:
        head = body.read(_SAMPLE)
    if not head.strip(b"\xef\xbb\xbf\r\n\t "):
        raise ReelhouseError(f"{path} is empty")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ReelhouseError(f"{path} is UTF-16: save it as UTF-8")
    text = head.decode("utf-8-sig", errors="replace")
    try:
        delimiter = _delimiter(text, quote)
        blank, headings = next(
            (at, record) for at, record in enumerate(_reader(io.StringIO(text), delimiter, quote)) if record
        )
    except csv.Error as exc:
        raise ReelhouseError(f"{path}: the first lines are no CSV; is a quote left open? ({exc})") from exc
    value = next((heading for heading in headings if _VALUE.fullmatch(heading.strip())), None)
    if value is not None or not any(heading.strip() for heading in headings):
        raise ReelhouseError(
            f"{path}: the first line is no header, it holds {value or ''!r}: put a line with the columns' names first"
        )
    return CsvFile(path, delimiter, quote, named(headings, str(path)), blank)


def _delimiter(text: str, quote: str) -> str:
    """That by which the first lines have the most columns, all the same number."""

    def fitness(delimiter: str) -> tuple[bool, int]:
        widths = [len(record) for record in islice(_records(text, delimiter, quote), 50)]
        # The last one may be cut where the sample ends.
        whole = widths[:-1] if len(widths) > 1 and len(text) >= _SAMPLE // 4 else widths
        return len(set(whole)) == 1 and whole[0] > 1, widths[0]

    return max(_DELIMITERS, key=fitness)


def _records(text: str, delimiter: str, quote: str) -> Iterator[list[str]]:
    """Records that are not blank, as `csv` sees them."""
    return filter(None, _reader(io.StringIO(text), delimiter, quote))


def _reader(lines: IO[str], delimiter: str, quote: str) -> Any:
    if quote:
        return csv.reader(lines, delimiter=delimiter, quotechar=quote)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)


@contextmanager
def _told(file: CsvFile) -> Iterator[None]:
    """What Arrow says inside becomes one line that names file and line."""
    try:
        yield
    except pa.ArrowInvalid as exc:
        raise ReelhouseError(f"{file.path}: {_word(file, str(exc))}") from exc


def _word(file: CsvFile, said: str) -> str:
    if "UTF8" in said:
        return bad_byte(file.path)
    if "straddl" in said:
        _check_closed(file)
        return f"a record is longer than {_BLOCK // 1024**2} MB"
    found = _ROW.search(said)
    if found is None:
        return said.splitlines()[0]
    # Arrow counts the header, and what is blank before it, as its first rows.
    line = _line_of(file, int(found[1]) - 1 - file.blank)
    width = _WIDTH.search(found[2])
    return (
        f"{line} has {width[2]} values, the header names {width[1]}" if width else f"{line}: {found[2].splitlines()[0]}"
    )


def _line_of(file: CsvFile, record: int) -> str:
    """Which line the record of that number begins or ends in; the header is number 0."""
    with opened(file.path) as body:
        lines = io.TextIOWrapper(body, encoding="utf-8-sig", errors="replace", newline="")
        reader = _reader(lines, file.delimiter, file.quote)
        try:
            next(islice(filter(None, reader), record, None))
        except (csv.Error, StopIteration):
            return f"row {record}"
        return f"line {reader.line_num}"


def bad_byte(path: Path) -> str:
    """Where the text stops being UTF-8."""
    with opened(path) as body:
        for number, line in enumerate(body, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as exc:
                return (
                    f"line {number}, byte {exc.start + 1} is {line[exc.start]:#04x}, which is no UTF-8: "
                    "save the file as UTF-8"
                )
    return "it is no UTF-8"


def _check_closed(file: CsvFile) -> None:
    """Raise `ReelhouseError` where a quote is opened and never closed: what follows it would be one long value."""
    if not file.quote:
        return
    with opened(file.path) as body:
        lines = io.TextIOWrapper(body, encoding="utf-8-sig", newline="")
        reader = csv.reader(lines, delimiter=file.delimiter, quotechar=file.quote, strict=True)
        begun = 1
        limit = csv.field_size_limit(2**31 - 1)
        try:
            for _ in reader:
                begun = reader.line_num + 1
        except csv.Error as exc:
            if "end of data" in str(exc):
                raise ReelhouseError(
                    f"{file.path}: line {begun} opens a quote that is never closed (--no-quotes takes quotes as text)"
                ) from exc
        finally:
            csv.field_size_limit(limit)
