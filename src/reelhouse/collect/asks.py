"""Lists of ids that a person brings: one a line, or a CSV with a column of TMDB or IMDb ids."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from reelhouse.errors import ConfigError

_TMDB_COLUMNS = ("tmdbid", "tmdb_id", "movie_id", "id")
_IMDB_COLUMNS = ("imdbid", "imdb_id", "tconst")
_IMDB = re.compile(r"(?:tt)?0*(\d{1,10})")
_DELIMITERS = ",;\t|"


class Asks(NamedTuple):
    """The distinct asks of a list in order, and how many of its rows name nothing."""

    asks: tuple[str, ...]
    blank: int


def read_asks(text: str, column: str | None = None) -> Asks:
    """Parse a list. A CSV's TMDB column is used, and where that is blank its IMDb column (MovieLens' `links.csv`).

    *column* names another one. Raises `ConfigError` with the line of what is no id.
    """
    # Not `splitlines`, which also breaks a title at a form feed or U+2028.
    lines = io.StringIO(text.removeprefix("\ufeff"), newline=None).read().split("\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        return Asks((), 0)
    found = _plain(lines) if column is None and _is_ask(lines[0].strip()) else _table(lines, column)
    asks: dict[str, None] = {}
    blank = 0
    for ask in found:
        if ask:
            asks[ask] = None
        else:
            blank += 1
    return Asks(tuple(asks), blank)


def _plain(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        yield _ask(line.strip(), number, imdb=False)


def _table(lines: list[str], column: str | None) -> Iterator[str]:
    delimiter = max(_DELIMITERS, key=lines[0].count)
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)
    header = [name.strip().lower() for name in next(reader)]
    columns = _columns(header, column, lines[0])
    try:
        for row in reader:
            cells = [(row[at].strip() if at < len(row) else "", imdb) for at, imdb in columns]
            cell, imdb = next(((cell, imdb) for cell, imdb in cells if cell), ("", False))
            # A quoted cell may hold line ends.
            yield _ask(cell, reader.line_num, imdb=imdb)
    except csv.Error as exc:
        raise ConfigError(f"ids: line {reader.line_num}: {exc}") from exc


def _columns(header: list[str], column: str | None, first: str) -> list[tuple[int, bool]]:
    """Positions of the columns to use, best first, each with whether its ids are IMDb's."""
    if column is not None:
        if column.lower() not in header:
            raise ConfigError(f"ids: there is no column {column!r} among {', '.join(header)}")
        return [(header.index(column.lower()), "imdb" in column.lower() or column.lower() in _IMDB_COLUMNS)]
    tmdb = [(header.index(name), False) for name in _TMDB_COLUMNS if name in header][:1]
    imdb = [(header.index(name), True) for name in _IMDB_COLUMNS if name in header][:1]
    if not tmdb and not imdb:
        raise ConfigError(f"ids: line 1, {first[:60]!r}, is neither an id nor a header with a column of ids; name one")
    return tmdb + imdb


def _is_ask(text: str) -> bool:
    return not text or re.fullmatch(r"\d+(\.0)?|tt\d+", text) is not None


def _ask(cell: str, number: int, *, imdb: bool) -> str:
    if not cell:
        return ""
    # Spreadsheets write whole numbers as 862.0 where a column has blanks.
    cell = cell.removesuffix(".0")
    match = _IMDB.fullmatch(cell)
    if match is None or not int(match[1]):
        raise ConfigError(f"ids: line {number}: {cell[:40]!r} is no TMDB id (550) and no IMDb id (tt0137523)")
    if imdb or cell.startswith("tt"):
        return f"tt{int(match[1]):07d}"
    return str(int(match[1]))
