"""CSV files as texts: any of , ; tab and | between values, quotes, gzip, a header, UTF-8 with or without a mark.

Arrow parses what the strict reader has checked, and must find as many rows. DuckDB's parser, as strict as it can be
set, takes quotes inside values, drops an empty value behind the last column, reads blank lines of one column as rows,
and refuses files whose lines end differently, or that escape quotes in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
from msgspec.structs import replace

from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.imports.columns import SAME, check_same, named
from reelhouse.imports.files import CHANGED, OWN_ENCODING, PLAIN, TextForm, misread, opened
from reelhouse.imports.values import TextBatch, Values
from reelhouse.raw.json_objects import described
from reelhouse.strict_csv import BLOCK, DELIMITERS, CsvError, CsvRow, Dialect, LineCounts, Scanner, check, read_rows
from reelhouse.warehouse.import_registry import ImportColumn

_EXPORTED = "reelhouse_export.json"
_KINDS = {"int": "bigint"}
_TYPE = re.compile(r"bigint|double|boolean|date|timestamp|string|decimal\((3[0-8]|[12]\d|[1-9]),\d\d?\)")
_ESCAPE = "--escape '\\'"
_PREAMBLE = ": if the first lines are not the header, leave them out: --skip-lines N"
_SAMPLE = 256 * 1024
_MOST_SEEN = 50
_BLOCK = 8 * 1024 * 1024
_SEPARATOR = re.compile(rb'(?:\xef\xbb\xbf)?[\r\n]*"?sep=[^\r\n]"?\r?\n', re.IGNORECASE)
_VALUE = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")


class _ExportedColumn(msgspec.Struct):
    name: str
    type: str


class _ExportedTable(msgspec.Struct):
    file: str
    columns: list[_ExportedColumn]


class _ExportedFolder(msgspec.Struct):
    """What of an export's `reelhouse_export.json` tells the types of its files."""

    tables: dict[str, _ExportedTable]


class CsvFile(NamedTuple):
    """One file, and how its lines are to be read."""

    path: Path
    dialect: Dialect
    columns: list[ImportColumn]
    # Blank lines before the header.
    blank: int
    tally: LineCounts
    form: TextForm

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


class CsvFiles(Values):
    """Files that make one table: the first names its columns, the others have the same in any order."""

    marked = False

    def __init__(
        self,
        paths: Sequence[Path],
        nulls: Sequence[str] = (),
        *,
        quotes: bool = True,
        escape: str = "",
        form: TextForm = PLAIN,
    ) -> None:
        for null in nulls:
            if escape and escape in null:
                raise ConfigError(f"import: --null {null!r} holds the escape, so that no value would ever be it")
        self._nulls = list(nulls)
        self._files = [_looked_at(path, Dialect(quotes=quotes, escape=escape), form) for path in paths]
        self._agreed: set[Path] = set()
        super().__init__(self._files[0].columns)
        for file in self._files:
            check_same(self.names(), file.names, str(file.path), str(self._files[0].path), SAME)
            if words := file.tally.words("--no-quotes"):
                self.notes.append(f"{file.path.name}: {words}")

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """As for all values; files of an export of ours have the types that it wrote down, where all values fit."""
        exported = None if pinned is not None else self._exported()
        if exported:
            try:
                self._exported_types = True
                found = super().columns(exported)
            except ReelhouseError as exc:
                self._exported_types = False
                self.notes.append(f"types are not those that {_EXPORTED} names, because a value does not fit: {exc}")
            else:
                self.notes.append(f"types are those that {_EXPORTED} names")
                return found
        return super().columns(pinned)

    def _exported(self) -> list[ImportColumn] | None:
        """The columns with the types that are written next to the first file, if it is one of an export."""
        path = self._files[0].path
        try:
            tables = msgspec.json.decode((path.parent / _EXPORTED).read_bytes(), type=described(_ExportedFolder)).tables
        except (OSError, msgspec.DecodeError):
            return None
        file = next((one for one in tables.values() if one.file == path.name), None)
        kinds = {one.name: _KINDS.get(one.type, one.type) for one in file.columns} if file else {}
        if set(kinds) != set(self.names()) or not all(_TYPE.fullmatch(kind) for kind in kinds.values()):
            return None
        return [replace(column, type=kinds[column.name]) for column in self._columns]

    def read(self) -> Iterator[TextBatch]:
        """Nothing between two delimiters is NULL; two quotes are an empty text."""
        for file in self._files:
            rows = 0
            for texts in _parsed(file, self._nulls):
                yield TextBatch(texts.select(self.names()), partial(_place, file, rows))
                rows += len(texts)
            # The header is a record too.
            if rows != file.tally.records - 1:
                said = f"{file.path}: {rows} rows were read of {file.tally}"
                raise ReelhouseError(CHANGED if file.path in self._agreed else said)
            self._agreed.add(file.path)


class _Ended:
    """A text with a line end behind it: Arrow takes an empty value that ends the text for one in quotes."""

    def __init__(self, body: IO[bytes]) -> None:
        self._body = body
        self._end = b"\n"

    @property
    def closed(self) -> bool:
        return self._body.closed

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> bytes:
        piece = self._body.read(size)
        if not piece:
            piece, self._end = self._end, b""
        return piece


def _parsed(file: CsvFile, nulls: list[str]) -> Iterator[Any]:
    # By position: the header's names may be there twice, or span lines. Blank lines before it count as rows here.
    read = pc_csv.ReadOptions(
        use_threads=False, block_size=_BLOCK, column_names=file.names, skip_rows_after_names=file.blank + 1
    )
    parse = pc_csv.ParseOptions(
        delimiter=file.dialect.delimiter,
        quote_char=file.dialect.quotes and '"',
        escape_char=file.dialect.escape or False,
        newlines_in_values=file.dialect.quotes,
    )
    convert = pc_csv.ConvertOptions(
        column_types=dict.fromkeys(file.names, pa.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=["", *nulls],
    )
    try:
        with opened(file.path, file.form) as body:
            reader = pc_csv.open_csv(pa.PythonFile(_Ended(body), mode="r"), read, parse, convert)
            yield from (_with_nulls(batch, nulls) for batch in reader if len(batch))
    except pa.ArrowInvalid as exc:
        raise ReelhouseError(f"{file.path}: {_fault(file, str(exc))}") from exc


def _with_nulls(batch: Any, nulls: list[str]) -> Any:
    """Texts that were named are NULL in quotes too."""
    if not nulls:
        return batch
    named = pa.array(nulls)
    columns = [pc.if_else(pc.is_in(column, named), None, column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _place(file: CsvFile, before: int, at: int) -> str:
    """The line in which a row begins, after *before* rows and *at* further ones."""
    with opened(file.path, file.form) as body, suppress(CsvError, StopIteration):
        return f"{file.path}: line {next(islice(read_rows(body, file.dialect), before + at + 1, None)).line}"
    return f"{file.path}: row {before + at + 1}"


def _fault(file: CsvFile, said: str) -> str:
    """What is wrong with a file, by line, where Arrow *said* that something is."""
    if "UTF8" in said:
        return misread(file.path, file.form) + OWN_ENCODING
    width = len(file.columns)
    with opened(file.path, file.form) as body, suppress(CsvError):
        for row in read_rows(body, file.dialect):
            if len(row.cells) != width:
                remedy = _PREAMBLE if width == 1 else ""
                return f"line {row.line} has {len(row.cells)} values, the header names {width}{remedy}"
    return f"a record is longer than {_BLOCK >> 20} MB" if "straddl" in said else said.splitlines()[0]


def _looked_at(path: Path, dialect: Dialect, form: TextForm) -> CsvFile:
    with opened(path, form) as body:
        head = body.read(_SAMPLE)
    # Excel's own line, which says what stands between values.
    if named_by_excel := _SEPARATOR.match(head):
        form = form._replace(skip=named_by_excel[0].count(b"\n"))
        with opened(path, form) as body:
            head = body.read(_SAMPLE)
    if not head.strip(b"\xef\xbb\xbf\r\n\t "):
        raise ReelhouseError(f"{path} is empty")
    # What is not UTF-8 is said by line once the file is parsed.
    head = head.decode(errors="replace").encode()
    dialect = dialect._replace(delimiter=_delimiter(head, dialect))
    try:
        with opened(path, form) as body:
            tally = check(iter(lambda: body.read(BLOCK), b""), dialect)
    except CsvError as exc:
        raise ReelhouseError(f"{path}: {exc.with_remedy('--no-quotes', _ESCAPE)}") from exc
    header = _header(path, head, dialect)
    if any("\ufffd" in heading for heading in header.cells):
        raise ReelhouseError(f"{path}: {misread(path, form)}{OWN_ENCODING}")
    value = next((heading for heading in header.cells if _VALUE.fullmatch(heading.strip())), None)
    if _are_years(header.cells):
        value = None
    if value is not None or not any(heading.strip() for heading in header.cells):
        raise ReelhouseError(
            f"{path}: the first line is not a header, it holds {value or ''!r}: put a line with the columns' names "
            "first, or leave out the lines above it: --skip-lines N"
        )
    return CsvFile(path, dialect, named(header.cells, str(path)), header.line - 1, tally, form)


def _are_years(headings: Sequence[str]) -> bool:
    """Whether the headings that are numbers are years in a row, as of a table with a column per year."""
    years = [int(each) for each in headings if re.fullmatch(r"(1[89]|20)\d\d", each.strip())]
    numbers = sum(bool(_VALUE.fullmatch(each.strip())) for each in headings)
    return len(years) == numbers >= 2 and years == list(range(years[0], years[0] + numbers))


def _header(path: Path, head: bytes, dialect: Dialect) -> CsvRow:
    scanner = Scanner(dialect, keep=True)
    with suppress(CsvError):
        for row in scanner.feed(head):
            return row
        # Where the sample ends, a line is cut.
        for row in scanner.close() if len(head) < _SAMPLE else ():
            return row
    raise ReelhouseError(f"{path}: the first line is longer than {_SAMPLE >> 10} KB, so it is not a header")


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
