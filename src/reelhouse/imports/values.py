"""Types of columns whose values come without one, as texts: decided over all values, so that none is changed or lost.

`0114709` stays text, since as a number it would lose its zero; so does what is a number in some rows only. DuckDB finds
what each text is, and casts it: a text has a type if it comes back from it as it was.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from reelhouse.imports.columns import misfit
from reelhouse.sql_quoting import quoted
from reelhouse.warehouse.import_registry import ImportColumn

TEXT = "string"
ZONELESS = "instants without a time zone are taken as UTC"
# What casts a text as SQL, and what it then is to Arrow.
_SQL = {"bigint": "bigint", "double": "double", "boolean": "boolean", "date": "date", "timestamp": "timestamptz"}
_ARROW: dict[str, Any] = {
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    TEXT: pa.string(),
}
_DAYS = ("date", "timestamp")
# Columns in one statement.
_AT_ONCE = 32

C = TypeVar("C")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")

_ZONE = r"(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)"
_INSTANT = rf"\d{{4}}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{{1,6}})?)?{_ZONE}?"
_NUMBER = r"-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
# Whole numbers beyond 2**53 are not all distinct as doubles.
_EXACT = "(length($) < 16 or try_cast($ as bigint) between -9007199254740992 and 9007199254740992)"

# Whether the text $ is a value of a type.
_FITS = {
    "bigint": "try_cast($ as bigint)::varchar = $",
    "double": f"regexp_full_match($, '{_NUMBER}') and $ <> '-0' and isfinite(try_cast($ as double)) "
    f"and ({_EXACT} or regexp_matches($, '[.eE]'))",
    "boolean": "lower($) in ('true', 'false')",
    "date": "length($) = 10 and try_cast($ as date)::varchar = $",
    "timestamp": f"regexp_full_match($, '{_INSTANT}') and try_cast($ as timestamptz) between "
    "timestamptz '0001-01-01 00:00:00+00' and timestamptz '9999-12-31 23:59:59.999999+00'",
}

# How our own exports write doubles that no number in a file of others stands for.
_EXPORTED_DOUBLE = "$ in ('nan', 'inf', '-inf', '-0')"

# What a value is, a bit each; those of a column together say what all its values are. A column gets the first type that
# allows all of them.
_EXACTLY, _WIDE, _REAL, _TRUTH, _DAY, _ZONED, _UNZONED, _OTHER = (1 << at for at in range(8))
_ALLOWED = {
    "bigint": _EXACTLY | _WIDE,
    "double": _EXACTLY | _REAL,
    "boolean": _TRUTH,
    "date": _DAY,
    "timestamp": _ZONED | _UNZONED,
}
_BITS = {
    "bigint": f"if({_EXACT}, {_EXACTLY}, {_WIDE})",
    "double": _REAL,
    "boolean": _TRUTH,
    "date": _DAY,
    "timestamp": rf"if(regexp_matches($, '{_ZONE}\z'), {_ZONED}, {_UNZONED})",
}


class TextBatch(NamedTuple):
    """Some rows as columns of texts, and how an error calls the row at a place in it."""

    texts: Any
    where: Callable[[int], str]


class Values(ABC):
    """Rows of values without types, as `read` gives them.

    Texts that are *marked* begin with a quote, and can be dates; all else is then JSON, and none of it is a date.
    """

    marked = True

    def __init__(self, columns: Sequence[ImportColumn] = ()) -> None:
        self._columns = list(columns)
        self.notes: list[str] = []
        # Whether the types of columns are those with which we have written the values.
        self._exported_types = False
        self._bits: dict[str, int] = {}
        # Columns that all values are known to fit.
        self._proven: list[ImportColumn] = []
        # What is needed comes with DuckDB itself; nothing is ever fetched from its makers.
        self._duckdb = duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )
        self._duckdb.execute("set timezone = 'UTC'")

    @abstractmethod
    def read(self) -> Iterator[TextBatch]:
        """All rows in batches of bounded size, with the columns in one order."""

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in self._columns]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types, over all values; with *pinned* those, if every value fits."""
        if pinned is not None:
            for _ in self.batches(pinned):
                pass
            self._proven = list(pinned)
            return self._proven
        if not self._bits:
            for batch in self.read():
                self.see(batch.texts)
        bits = {column.name: self._bits.get(column.name, 0) for column in self._columns}
        self._proven = [
            replace(column, type=_type(bits[column.name]), untyped=not bits[column.name]) for column in self._columns
        ]
        zoneless = (
            column.name for column in self._proven if column.type == "timestamp" and bits[column.name] & _UNZONED
        )
        self.notes += [f"{name}: {ZONELESS}" for name in zoneless]
        return self._proven

    def see(self, texts: Any) -> None:
        """Take more values into account. A column that is text already needs no further look."""
        names = [name for name in texts.schema.names if not (bits := self._bits.get(name, 0)) or _type(bits) != TEXT]
        for some in _few_at_a_time(names):
            wanted = ", ".join(f"bit_or({self._bit(name)})" for name in some)
            found = self._duckdb.from_arrow(texts.select(some)).aggregate(wanted).fetchall()[0]
            self._bits.update((name, self._bits.get(name, 0) | more) for name, more in zip(some, found, strict=True))

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say; `ReelhouseError` at the first value that does not fit."""
        schema = pa.schema([(column.name, arrow_type(column.type)) for column in columns])
        self._empty: dict[str, int] = {}
        for batch in self.read():
            if not self.marked:
                batch = batch._replace(texts=self._without_empty(batch.texts, columns))
            casts = [found for some in _few_at_a_time(columns) for found in self._casts(batch.texts, some)]
            found = pa.table(casts, names=schema.names).cast(schema)
            for column in columns:
                texts, typed = batch.texts.column(column.name), found.column(column.name)
                if typed.null_count > texts.null_count:
                    at = pc.index(pc.and_(typed.is_null(), texts.is_valid()), True).as_py()
                    text = self._duckdb.from_arrow(batch.texts.slice(at, 1)).project(self._text(column.name))
                    raise misfit(batch.where(at), column.name, text.fetchall()[0][0], column.type)
            yield from found.combine_chunks().to_batches()
        notes = [f'{name}: {count:,} empty texts ("") are read as NULL' for name, count in self._empty.items()]
        self.notes += [note for note in notes if note not in self.notes]

    def _without_empty(self, texts: Any, columns: Sequence[ImportColumn]) -> Any:
        """Empty texts are values of a column of texts alone; in others they are NULL, and noted."""
        arrays = dict(zip(texts.schema.names, texts.columns, strict=True))
        for column in columns:
            empty = pc.equal(arrays[column.name], "")
            if column.type != TEXT and (count := pc.sum(empty).as_py()):
                self._empty[column.name] = self._empty.get(column.name, 0) + count
                arrays[column.name] = pc.if_else(empty, None, arrays[column.name])
        return pa.RecordBatch.from_pydict(arrays)

    def _casts(self, texts: Any, columns: Sequence[ImportColumn]) -> list[Any]:
        """The values of some *columns*, cast."""
        cast = ", ".join(f"{self._cast(column)} as {quoted(column.name)}" for column in columns)
        some = texts.select([column.name for column in columns])
        return list(self._duckdb.from_arrow(some).project(cast).to_arrow_table().columns)

    def _cast(self, column: ImportColumn) -> str:
        """The value as SQL, NULL where it does not fit."""
        text = self._text(column.name)
        if column.type == TEXT:
            return text
        decimal = _DECIMAL.fullmatch(column.type)
        if decimal:
            fits = rf"regexp_full_match($, '-?\d*(\.\d{{0,{decimal[2]}}}0*)?')"
            return f"case when {fits} then try_cast($ as {column.type}) end".replace("$", text)
        cast = f"try_cast($ as {_SQL[column.type]})"
        fits = _FITS[column.type]
        if column.type == "double" and self._exported_types:
            fits = f"({fits}) or {_EXPORTED_DOUBLE}"
        cast = cast if column in self._proven else f"case when {fits} then {cast} end"
        return cast.replace("$", text if column.type in _DAYS else quoted(column.name))

    def _text(self, name: str) -> str:
        name = quoted(name)
        return f"if({name}[1] = '\"', {name}[2:], {name})" if self.marked else name

    def _bit(self, name: str) -> str:
        """What a value is. What others of the column were is tried first: what fits two types, fits the column's."""
        seen, value = self._bits.get(name, 0), quoted(name)
        day = f"{value}[2:]" if self.marked else value
        tests = "".join(
            f" when {_FITS[kind]} then {_BITS[kind]}".replace("$", day if kind in _DAYS else value)
            for kind in sorted(_FITS, key=lambda kind: not seen & _ALLOWED[kind])
        )
        nothing = f"{value} is null" if self.marked else f"{value} is null or {value} = ''"
        return f"case when {nothing} then 0{tests} else {_OTHER} end"


def _few_at_a_time(columns: Sequence[C]) -> Iterator[Sequence[C]]:
    """*columns* in groups: the time that DuckDB takes to plan a statement grows with the square of its columns."""
    return (columns[at : at + _AT_ONCE] for at in range(0, len(columns), _AT_ONCE))


def marked(value: object) -> str | None:
    """A value as a `Values` of marked texts has it."""
    return None if value is None else f'"{value}' if isinstance(value, str) else _json(value)


def arrow_type(kind: str) -> Any:
    """The Arrow type of a column's *kind*."""
    found = _DECIMAL.fullmatch(kind)
    return pa.decimal128(int(found[1]), int(found[2])) if found else _ARROW[kind]


def _type(bits: int) -> str:
    """The first type that holds all values of a column; text where none does, or where there is no value."""
    return next((kind for kind, allowed in _ALLOWED.items() if bits and not bits & ~allowed), TEXT)


_json = json.JSONEncoder(ensure_ascii=False).encode
