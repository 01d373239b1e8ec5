"""CSV by the rules of RFC 4180: what they forbid is an error that names its line, and every line is accounted for.

A lenient reader takes a stray quote for the beginning of a long value, and the rows up to the next quote are gone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from reelhouse.errors import ConfigError, ReelhouseError

DELIMITERS = ",;\t|"

BLOCK = 1 << 20

# A line or a value that is longer is taken for a mistake: memory is bounded by it.
LONGEST = 64 << 20

# Each line of a value that is kept costs some hundred bytes.
_MOST_LINES = 100_000

# Before Python 3.11.5, `(…)*+` is wrong where the group has alternatives (gh-106052). What it means can be written
# otherwise, which needs more memory.
_POSSESSIVE = sys.version_info >= (3, 11, 5)

_QUOTE = b'"'
_ENDS = (b"", b"\n", b"\r\n", b"\r")
_LINE = re.compile(rb"[^\r\n]*+(?:\r\n|\n|\r)")
_BLANK = re.compile(rb"[\r\n]*+")
_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_MARK = b"\xef\xbb\xbf"


class CsvError(ReelhouseError):
    """What is wrong, with the line where the quote opens; *escaped* where a backslash before a quote may be why."""

    def __init__(self, text: str, *, quotes: bool = True, escaped: bool = False) -> None:
        super().__init__(text)
        self.quotes = quotes
        self.escaped = escaped

    def with_remedy(self, no_quotes: str, escape: str) -> str:
        """The text, with what to do about it: *no_quotes* and *escape* say how quotes and backslashes are read."""
        if not self.quotes:
            return str(self)
        escaped = f'{escape} takes \\" as a quote inside a value; ' if self.escaped else ""
        return f"{self} ({escaped}{no_quotes} takes quotes as text)"


def escape_of(given: str) -> str:
    """The character that a person gave as an escape; `ConfigError` where it cannot be one."""
    # A backslash is often doubled on its way through a shell.
    escape = "\\" if given == "\\\\" else given
    if len(escape) > 1 or not escape.isascii() or escape in (*DELIMITERS, '"', "\r", "\n", "\0") or escape.isalnum():
        raise ConfigError(f"escape: one character such as \\ is expected, not {given!r}")
    return escape


class Dialect(NamedTuple):
    """How a text is read. Without *quotes* they are text; after an *escape* any character is."""

    delimiter: str = ","
    quotes: bool = True
    escape: str = ""


@dataclass
class LineCounts:
    """What the lines of a text were: `lines = records + inside + blank`.

    *inside* are lines that go on with a quoted value, *spanning* the values that span lines, *longest* the most lines
    of one of them, which begins in line *longest_at*. *alike* of the lines inside have as many columns as the header.
    """

    lines: int = 0
    records: int = 0
    inside: int = 0
    blank: int = 0
    spanning: int = 0
    longest: int = 0
    longest_at: int = 0
    alike: int = 0

    def words(self, no_quotes: str) -> str:
        """What to tell a person of values that span lines; empty where there are none."""
        if not self.spanning:
            return ""
        alike = f"; {self.alike:,} of the lines inside have as many columns as the header" if self.alike else ""
        return (
            f"{self.spanning:,} values span lines, the longest {self.longest:,} lines from line {self.longest_at} on"
            f"{alike}; if that is a stray quote, {no_quotes} takes quotes as text"
        )


class CsvRow(NamedTuple):
    """One record: the line where it begins, its cells, and the lines after the first that it takes in."""

    line: int
    cells: list[str]
    inside: list[bytes]


@dataclass
class _Open:
    """A record whose lines are not all read yet: the line where it begins, and where its open quote is, if one is."""

    line: int = 0
    quote: int = 0
    size: int = 0
    cells: list[bytes] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    inside: list[bytes] = field(default_factory=list)


class Scanner:
    """Reads a text block by block. With *keep* it makes rows of it, else it only checks and counts."""

    def __init__(self, dialect: Dialect, *, keep: bool = False) -> None:
        self.tally = LineCounts()
        self.columns = 0
        self._keep = keep
        self._quotes = dialect.quotes
        self._delimiter = dialect.delimiter.encode()
        self._escape = dialect.escape.encode()
        self._plain, self._inside, self._cells, self._lines, records = _patterns(dialect)
        # Where an escape may stand before a quote, quotes do not show by themselves where a value begins.
        self._records = records if dialect.quotes and not dialect.escape else None
        self._open = _Open()
        self._rest = b""
        self._begun = False
        self._ends = 0

    def feed(self, block: bytes) -> Iterator[CsvRow]:
        """The rows that *block* completes. Raises `CsvError`."""
        text = self._split(block)
        at = 0
        while at < len(text):
            if not self._open.quote:
                at = self._skip_blank(text, at)
            if self.columns and not self._keep:
                at = self._skip(text, at) if self._open.quote else self._skim_spanning(text, self._skim(text, at))
            if at < len(text):
                found = _LINE.match(text, at)
                assert found is not None
                at = found.end()
                row = self._take(found[0])
                if row is not None:
                    yield row

    def close(self) -> Iterator[CsvRow]:
        """The last row, where no line end follows it. Raises `CsvError` where a quote is open, or lines are missing."""
        rest, self._rest = self._unmarked(self._rest), b""
        self._ends += _line_ends(rest, 0, len(rest)) + (rest != b"" and not rest.endswith((b"\n", b"\r")))
        for line in rest.splitlines(keepends=True):
            row = self._take(line)
            if row is not None:
                yield row
        if self._open.quote:
            raise CsvError(f"line {self._open.quote} opens a quote that is never closed")
        tally = self.tally
        if not tally.lines == self._ends == tally.records + tally.inside + tally.blank:
            raise CsvError(f"of {self._ends} lines {tally} are accounted for", quotes=False)

    def _split(self, block: bytes) -> bytes:
        """The lines that *block* completes, with their ends."""
        text = self._rest + block
        if not self._begun:
            if len(text) < len(_MARK):
                self._rest = text
                return b""
            text = self._unmarked(text)
        # A carriage return at the end may be half of a line end.
        end = max(text.rfind(b"\n"), text.rfind(b"\r", 0, -1)) + 1
        text, self._rest = text[:end], text[end:]
        if len(self._rest) > LONGEST:
            raise CsvError(f"line {self._ends + 1} is longer than {LONGEST >> 20} MB", quotes=False)
        self._ends += _line_ends(text, 0, len(text))
        return text

    def _skip_blank(self, text: bytes, at: int) -> int:
        """Count the blank lines from *at* on, all at once: a file may hold millions of them."""
        found = _BLANK.match(text, at)
        assert found is not None
        lines = _line_ends(text, at, found.end())
        self.tally.lines += lines
        self.tally.blank += lines
        return found.end()

    def _skip(self, text: bytes, at: int) -> int:
        """Count the lines from *at* on that an open value takes in, up to the one that holds the next quote."""
        quote = text.find(_QUOTE, at)
        end = len(text) if quote < 0 else max(at, text.rfind(b"\n", at, quote) + 1, text.rfind(b"\r", at, quote) + 1)
        lines = text[at:end].splitlines()
        self.tally.lines += len(lines)
        self.tally.inside += len(lines)
        self.tally.alike += sum(line.count(self._delimiter) == self.columns - 1 > 0 for line in lines)
        return end

    def _skim(self, text: bytes, at: int) -> int:
        """Count the records from *at* on of which each is one line and no blank one; returns where they end."""
        if not (at or self._special(text) or b"\r" in text or b"\n\n" in text or text.startswith(b"\n")):
            lines = text.count(b"\n")
            self.tally.lines += lines
            self.tally.records += lines
            return len(text)
        found = self._lines.match(text, at)
        assert found is not None
        lines = _line_ends(text, at, found.end())
        self.tally.lines += lines
        self.tally.records += lines
        return found.end()

    def _skim_spanning(self, text: bytes, at: int) -> int:
        """Count the whole records from *at* on, whatever their values span; returns where they end."""
        end = found.end() if self._records and (found := self._records.match(text, at)) else at
        tally, inside = self.tally, 0
        for value in _QUOTED.finditer(text, at, end):
            start, stop = value.span()
            ends = _line_ends(text, start, stop)
            if not ends:
                continue
            inside += ends
            tally.spanning += 1
            if ends >= max(1, tally.longest):
                tally.longest, tally.longest_at = ends + 1, tally.lines + 1 + _line_ends(text, at, start)
            rest = _LINE.match(text, stop)
            assert rest is not None
            for line in text[start : rest.end()].splitlines()[1:]:
                tally.alike += line.count(self._delimiter) == self.columns - 1 > 0
        lines = _line_ends(text, at, end)
        tally.lines += lines
        tally.inside += inside
        tally.records += lines - inside
        return end

    def _unmarked(self, body: bytes) -> bytes:
        body = body if self._begun else body.removeprefix(_MARK)
        self._begun = True
        return body

    def _special(self, text: bytes) -> bool:
        return (self._quotes and _QUOTE in text) or (self._escape != b"" and self._escape in text)

    def _take(self, line: bytes) -> CsvRow | None:
        """Account for one line; returns the row that it completes, if rows are wanted."""
        tally, opened = self.tally, self._open
        tally.lines += 1
        if opened.quote:
            tally.inside += 1
            tally.alike += line.count(self._delimiter) == self.columns - 1 > 0
            if self._keep:
                opened.inside.append(line)
            return self._completed(self._value(line, 0), line)
        if line in _ENDS:
            tally.blank += 1
            return None
        opened.line = tally.lines
        if not self._special(line):
            opened.cells = line.rstrip(b"\r\n").split(self._delimiter)
            return self._record()
        return self._completed(self._cell(line, self._whole_cells(line, 0)), line)

    def _completed(self, at: int, line: bytes) -> CsvRow | None:
        """Read cells from *at* on, where one has ended; -1 tells that its quote is still open."""
        while at >= 0 and line[at : at + 1] == self._delimiter:
            at = self._cell(line, self._whole_cells(line, at + 1))
        if at < 0:
            return None
        if line[at:] not in _ENDS:
            raise CsvError(f"line {self.tally.lines} ends in an escape that nothing follows", quotes=False)
        return self._record()

    def _whole_cells(self, line: bytes, at: int) -> int:
        """Where the last cells of a line begin that are not whole and followed by others, if nobody wants the cells."""
        if self._keep or not self.columns:
            return at
        found = self._cells.match(line, at)
        assert found is not None
        return found.end()

    def _record(self) -> CsvRow | None:
        self.tally.records += 1
        opened, self._open = self._open, _Open()
        self.columns = self.columns or len(opened.cells)
        if not self._keep:
            return None
        try:
            return CsvRow(opened.line, [cell.decode() for cell in opened.cells], opened.inside)
        except UnicodeDecodeError as exc:
            raise CsvError(f"line {opened.line} is not UTF-8 ({exc}): save the file as UTF-8", quotes=False) from exc

    def _cell(self, line: bytes, at: int) -> int:
        """Read the cell that begins at *at*; returns where it ends, or -1."""
        if self._quotes and line[at : at + 1] == _QUOTE:
            self._open.quote = self.tally.lines
            return self._value(line, at + 1)
        found = self._plain.match(line, at)
        assert found is not None
        end = found.end()
        if self._quotes and line[end : end + 1] == _QUOTE:
            raise CsvError(
                f"line {self.tally.lines}: a quote stands inside a value that does not begin with one",
                escaped=line[end - 1 : end] == b"\\",
            )
        self._open.cells.append(self._unescaped(line[at:end]))
        return end

    def _value(self, line: bytes, at: int) -> int:
        """Read on inside a quoted value; returns where the cell ends, or -1."""
        opened = self._open
        found = self._inside.match(line, at)
        assert found is not None
        end = found.end()
        if self._keep:
            opened.pieces.append(line[at:end])
            opened.size += end - at
            if opened.size > LONGEST or len(opened.inside) > _MOST_LINES:
                most = f"{LONGEST >> 20} MB or {_MOST_LINES:,} lines"
                raise CsvError(f"line {opened.quote} opens a quote that is not closed within {most}")
        # A text that is cut behind an escape ends before the line does, and without a quote.
        if line[end : end + 1] != _QUOTE:
            return -1
        self._check_behind(line, end)
        value = b"".join(opened.pieces)
        opened.cells.append(self._unescaped(value.replace(b'""', _QUOTE)))
        opened.pieces, opened.size = [], 0
        self._note_span(opened.quote)
        opened.quote = 0
        return end + 1

    def _check_behind(self, line: bytes, end: int) -> None:
        """Raise `CsvError` unless a delimiter or the line's end follows the closing quote at *end*."""
        behind = line[end + 1 :]
        if behind.startswith(self._delimiter) or behind in _ENDS:
            return
        now = self.tally.lines
        where = "" if self._open.quote == now else f" in line {now}"
        raise CsvError(
            f"line {self._open.quote} opens a quote, and text stands behind the one that closes it{where}",
            escaped=line[end - 1 : end] == b"\\" and end > 0,
        )

    def _note_span(self, begun: int) -> None:
        """Count the value that has just ended, where it spans lines."""
        tally = self.tally
        lines = tally.lines - begun + 1
        tally.spanning += lines > 1
        if lines > max(1, tally.longest):
            tally.longest, tally.longest_at = lines, begun

    def _unescaped(self, cell: bytes) -> bytes:
        if not self._escape or self._escape not in cell:
            return cell
        return re.sub(re.escape(self._escape) + b"(.)", rb"\1", cell, flags=re.DOTALL)


def _patterns(dialect: Dialect) -> Iterator[re.Pattern[bytes]]:
    """Patterns for the rest of a cell without quotes, the inside of quotes, cells, whole lines, and whole records."""
    delimiter, escape = re.escape(dialect.delimiter.encode()), re.escape(dialect.escape.encode())
    special = escape + (_QUOTE if dialect.quotes else b"")
    plain = _any_but(delimiter + special + rb"\r\n", escape and escape + rb"[^\r\n]")
    yield re.compile(plain)
    inside = _any_but(_QUOTE + escape, b'""', escape and escape + b".")
    yield re.compile(inside, re.DOTALL)
    within = _any_but(_QUOTE + escape + rb"\r\n", b'""', escape and escape + rb"[^\r\n]")
    cell = b'(?:"' + within + b'"|(?!")' + plain + b")" if dialect.quotes else plain
    yield re.compile(_all_of(cell + delimiter))
    for one in (cell, b'(?:"' + inside + b'"|(?!")' + plain + b")"):
        yield re.compile(_all_of(rb"(?![\r\n])" + one + _all_of(delimiter + one) + rb"(?:\r\n|\n|\r)"), re.DOTALL)


def _all_of(pattern: bytes) -> bytes:
    """As much of *pattern* repeated as there is."""
    return b"(?:" + pattern + b")*+" if _POSSESSIVE else b"(?>(?:" + pattern + b")*)"


def _any_but(characters: bytes, *besides: bytes) -> bytes:
    """A pattern for as much as possible of all other *characters*, and of what is allowed *besides*."""
    other = b"[^" + characters + b"]*+"
    ways = [way for way in besides if way]
    if len(ways) == 1:
        return other + b"(?:" + ways[0] + other + b")*+"
    return other + _all_of(b"(?:" + b"|".join(ways) + b")" + other) if ways else other


def _line_ends(text: bytes, start: int, end: int) -> int:
    carriage = text.count(b"\r", start, end)
    return text.count(b"\n", start, end) + (carriage and carriage - text.count(b"\r\n", start, end))


def read_rows(body: IO[bytes], dialect: Dialect, tally: LineCounts | None = None) -> Iterator[CsvRow]:
    """The rows of a text in memory that is bounded by its longest one; *tally* is filled. Raises `CsvError`."""
    scanner = Scanner(dialect, keep=True)
    if tally is not None:
        scanner.tally = tally
    for block in iter(lambda: body.read(BLOCK), b""):
        yield from scanner.feed(block)
    yield from scanner.close()


def check(blocks: Iterable[bytes], dialect: Dialect) -> LineCounts:
    """What the lines of a text are. Raises `CsvError`."""
    scanner = Scanner(dialect)
    for block in blocks:
        for _ in scanner.feed(block):
            pass
    for _ in scanner.close():
        pass
    return scanner.tally
