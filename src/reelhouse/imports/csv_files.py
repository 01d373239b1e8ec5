"""CSV files as batches: any of , ; tab and | between values, quotes, gzip, a header, UTF-8 with or without a mark."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pc_csv

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.imports.columns import SAME, check_same, misfit, named
from reelhouse.imports.files import CHANGED
from reelhouse.imports.types import Guess, first_misfit, parsed
from reelhouse.strict_csv import BLOCK, DELIMITERS, CsvError, Dialect, Scanner, Tally, check, read_rows
from reelhouse.warehouse.import_registry import ImportColumn

_ESCAPE = "--escape '\\'"
_SAMPLE = 256 * 1024
_MOST_SEEN = 50
_BLOCK = 8 * 1024 * 1024
_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")
_ROW = re.compile(r"Row #(\d+): (.*)", re.DOTALL)
_WIDTH = re.compile(r"Expected (\d+) columns, got (\d+)")


class CsvFile(NamedTuple):
    """One file, and how its lines are to be read."""

    path: Path
    dialect: Dialect
    columns: list[ImportColumn]
    # Blank lines before the header.
    blank: int

    def refused(self, why: CsvError) -> ReelhouseError:
        """What to say where the file breaks the rules."""
        return _refused(self.path, why)


class CsvFiles:
    """Files that make one table: the first names its columns, the others have the same in any order."""

    def __init__(
        self, paths: Sequence[Path], nulls: Sequence[str] = (), *, quotes: bool = True, escape: str = ""
    ) -> None:
        for null in nulls:
            if escape and escape in null:
                raise ConfigError(f"import: --null {null!r} holds the escape, so that no value would ever be it")
        self._nulls = ["", *nulls]
        self._files = [_looked_at(path, Dialect(quotes=quotes, escape=escape)) for path in paths]
        self._tallies: dict[Path, Tally] = {}
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
        rows = 0
        first = file.path not in self._tallies
        with _told(file), opened(file.path) as body:
            scanned = _Scanned(body, file.dialect)
            reader = pc_csv.open_csv(
                pa.PythonFile(scanned if first else body, mode="r"),
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
                    delimiter=file.dialect.delimiter,
                    quote_char=file.dialect.quotes and '"',
                    escape_char=file.dialect.escape or False,
                    newlines_in_values=file.dialect.quotes,
                ),
                pc_csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    strings_can_be_null=True,
                    null_values=self._nulls,
                ),
            )
            for batch in reader:
                rows += len(batch)
                if len(batch):
                    yield batch
            if first:
                self._tallies[file.path] = scanned.tally()
                if words := self._tallies[file.path].words("--no-quotes"):
                    self.notes.append(f"{file.path.name}: {words}")
        # The header is a record too.
        if rows != self._tallies[file.path].records - 1:
            if not first:
                raise ReelhouseError(CHANGED)
            raise ReelhouseError(f"{file.path}: {rows} rows were read of {self._tallies[file.path]}")


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


class _Scanned(io.RawIOBase):
    """A body that is checked while it is read, since Arrow takes whatever follows a stray quote for one value."""

    def __init__(self, body: IO[bytes], dialect: Dialect) -> None:
        self._body = body
        self._scanner = Scanner(dialect)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = self._body.read(size)
        for _ in self._scanner.feed(found):
            pass
        return found

    def tally(self) -> Tally:
        """What the lines were, once all of them are read."""
        for _ in self._scanner.close():
            pass
        return self._scanner.tally


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


def _refused(path: Path, why: CsvError) -> ReelhouseError:
    return ReelhouseError(f"{path}: {why.with_remedy('--no-quotes', _ESCAPE)}")


def _looked_at(path: Path, dialect: Dialect) -> CsvFile:
    with opened(path) as body:
        head = body.read(_SAMPLE)
    if not head.strip(b"\xef\xbb\xbf\r\n\t "):
        raise ReelhouseError(f"{path} is empty")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ReelhouseError(f"{path} is UTF-16: save it as UTF-8")
    # What is no UTF-8 is said by line once the file is read.
    head = head.decode(errors="replace").encode()
    dialect = dialect._replace(delimiter=_delimiter(head, dialect))
    tally = Tally()
    try:
        header = next(read_rows(io.BytesIO(head), dialect, tally))
    except CsvError as exc:
        with opened(path) as body:
            _check(path, body, dialect)
        raise ReelhouseError(f"{path}: the first line is longer than {_SAMPLE >> 10} KB, so it is no header") from exc
    value = next((heading for heading in header.cells if _VALUE.fullmatch(heading.strip())), None)
    if value is not None or not any(heading.strip() for heading in header.cells):
        raise ReelhouseError(
            f"{path}: the first line is no header, it holds {value or ''!r}: put a line with the columns' names first"
        )
    return CsvFile(path, dialect, named(header.cells, str(path)), header.line - 1)


def _delimiter(head: bytes, dialect: Dialect) -> str:
    """That by which the first lines have the most columns, all the same number."""

    def fitness(delimiter: str) -> tuple[bool, int]:
        scanner = Scanner(dialect._replace(delimiter=delimiter), keep=True)
        widths: list[int] = []
        # What breaks the rules is said once the file is read; the last line may be cut where the sample ends.
        with suppress(CsvError):
            widths.extend(len(row.cells) for row in islice(scanner.feed(head), _MOST_SEEN))
            if len(head) < _SAMPLE:
                widths.extend(len(row.cells) for row in scanner.close())
        first = widths[0] if widths else head.count(delimiter.encode(), 0, head.find(b"\n")) + 1
        return len(set(widths)) == 1 and first > 1, first

    return max(DELIMITERS, key=fitness)


@contextmanager
def _told(file: CsvFile) -> Iterator[None]:
    """What Arrow and the strict reader say becomes one line that names file and line."""
    try:
        yield
    except CsvError as exc:
        raise file.refused(exc) from exc
    except pa.ArrowInvalid as exc:
        raise ReelhouseError(f"{file.path}: {_word(file, str(exc))}") from exc


def _word(file: CsvFile, said: str) -> str:
    if "UTF8" in said:
        return bad_byte(file.path)
    # A quote that is astray is why, and not what Arrow made of it.
    with opened(file.path) as body:
        _check(file.path, body, file.dialect)
    if "straddl" in said:
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


def _check(path: Path, body: IO[bytes], dialect: Dialect) -> None:
    """Raise `ReelhouseError` where a file breaks the rules."""
    try:
        check(iter(lambda: body.read(BLOCK), b""), dialect)
    except CsvError as exc:
        raise _refused(path, exc) from exc


def _line_of(file: CsvFile, record: int) -> str:
    """In which line the record of that number begins; the header is number 0."""
    with opened(file.path) as body:
        try:
            found = next(islice(read_rows(body, file.dialect), record, None))
        except (CsvError, StopIteration):
            return f"row {record}"
        return f"line {found.line}"


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
