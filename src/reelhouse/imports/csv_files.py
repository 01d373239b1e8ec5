"""CSV files as texts: any of , ; tab and | between values, quotes, gzip, a header, UTF-8 with or without a mark.

Arrow parses what the strict reader checks while it is read. DuckDB's parser, as strict as it can be set, takes quotes
inside values, drops an empty value behind the last column, reads blank lines of one column as rows, and refuses files
whose lines end differently, or that escape quotes in two ways.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.csv as pc_csv

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.imports.columns import SAME, check_same, named
from reelhouse.imports.files import CHANGED, misread, opened
from reelhouse.imports.values import Batch, Values
from reelhouse.strict_csv import BLOCK, DELIMITERS, CsvError, Dialect, Scanner, Tally, check, read_rows
from reelhouse.warehouse.import_registry import ImportColumn

_ESCAPE = "--escape '\\'"
_SAMPLE = 256 * 1024
_MOST_SEEN = 50
_BLOCK = 8 * 1024 * 1024
_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")


class CsvFile(NamedTuple):
    """One file, and how its lines are to be read."""

    path: Path
    dialect: Dialect
    columns: list[ImportColumn]
    # Blank lines before the header.
    blank: int


class CsvFiles(Values):
    """Files that make one table: the first names its columns, the others have the same in any order."""

    marked = False

    def __init__(
        self, paths: Sequence[Path], nulls: Sequence[str] = (), *, quotes: bool = True, escape: str = ""
    ) -> None:
        for null in nulls:
            if escape and escape in null:
                raise ConfigError(f"import: --null {null!r} holds the escape, so that no value would ever be it")
        self._nulls = ["", *nulls]
        self._files = [_looked_at(path, Dialect(quotes=quotes, escape=escape)) for path in paths]
        self._tallies: dict[Path, Tally] = {}
        super().__init__(self._files[0].columns)
        for file in self._files[1:]:
            found = [column.name for column in file.columns]
            check_same(self.names(), found, str(file.path), str(self._files[0].path), SAME)

    def read(self) -> Iterator[Batch]:
        """Nothing between two delimiters is NULL."""
        for file in self._files:
            rows, again = 0, file.path in self._tallies
            for texts in self._texts(file):
                yield Batch(texts.select(self.names()), partial(_place, file, rows))
                rows += len(texts)
            tally = self._tallies[file.path]
            # The header is a record too.
            if rows != tally.records - 1:
                raise ReelhouseError(CHANGED if again else f"{file.path}: {rows} rows were read of {tally}")

    def _texts(self, file: CsvFile) -> Iterator[Any]:
        first = file.path not in self._tallies
        with _explained(file.path), opened(file.path) as body:
            scanned = _Scanned(body, file.dialect)
            try:
                yield from _parsed(file, scanned if first else body, self._nulls)
            except pa.ArrowInvalid as exc:
                raise ReelhouseError(f"{file.path}: {_fault(file, str(exc))}") from exc
            if first:
                tally = self._tallies[file.path] = scanned.tally()
                self.notes += [f"{file.path.name}: {words}" for words in [tally.words("--no-quotes")] if words]


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


def _parsed(file: CsvFile, body: Any, nulls: list[str]) -> Iterator[Any]:
    names = [column.name for column in file.columns]
    reader = pc_csv.open_csv(
        pa.PythonFile(body, mode="r"),
        # By position: the header's names may be there twice, or span lines. Blank lines before it count as rows here.
        pc_csv.ReadOptions(
            use_threads=False, block_size=_BLOCK, column_names=names, skip_rows_after_names=file.blank + 1
        ),
        pc_csv.ParseOptions(
            delimiter=file.dialect.delimiter,
            quote_char=file.dialect.quotes and '"',
            escape_char=file.dialect.escape or False,
            newlines_in_values=file.dialect.quotes,
        ),
        pc_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=nulls
        ),
    )
    yield from (batch for batch in reader if len(batch))


def _place(file: CsvFile, before: int, at: int) -> str:
    """The line in which a row begins, after *before* rows and *at* further ones."""
    with opened(file.path) as body, suppress(CsvError, StopIteration):
        return f"{file.path}: line {next(islice(read_rows(body, file.dialect), before + at + 1, None)).line}"
    return f"{file.path}: row {before + at + 1}"


def _fault(file: CsvFile, said: str) -> str:
    """What is wrong with a file, by line, where Arrow *said* that something is; raises `CsvError` for a stray quote."""
    if "UTF8" in said:
        return misread(file.path)
    width = len(file.columns)
    with opened(file.path) as body:
        for row in read_rows(body, file.dialect):
            if len(row.cells) != width:
                return f"line {row.line} has {len(row.cells)} values, the header names {width}"
    return f"a record is longer than {_BLOCK >> 20} MB" if "straddl" in said else said.splitlines()[0]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What breaks the rules becomes an error that names the file, and the option to use."""
    try:
        yield
    except CsvError as exc:
        raise ReelhouseError(f"{path}: {exc.with_remedy('--no-quotes', _ESCAPE)}") from exc


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
    try:
        header = next(read_rows(io.BytesIO(head), dialect))
    except CsvError as exc:
        with opened(path) as body, _explained(path):
            check(iter(lambda: body.read(BLOCK), b""), dialect)
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
