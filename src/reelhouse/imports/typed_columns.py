"""Tables whose columns come typed, from Parquet files or DuckDB: which type of a lake holds all that theirs can.

Parquet is read by Arrow: DuckDB's reader makes doubles of decimals with more than 38 digits, and renames columns that
would be one name.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from reelhouse.errors import ReelhouseError
from reelhouse.imports.columns import NEW_SCHEMA, SAME, check_same, named
from reelhouse.imports.values import TEXT, ZONELESS, arrow_type
from reelhouse.warehouse.import_registry import ImportColumn

_ROWS = 32_768
_LONGEST = 38
_SECONDS = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "ns": Decimal("1e-9")}
# Zeros after the last digit of a second's fraction.
_ZEROS = re.compile(r"\.(\d*?)0+(?=\D|$)")


class SourcePart(NamedTuple):
    """One of the places that a table's rows are in: what an error calls it, its columns, and its batches."""

    where: str
    schema: Any
    read: Callable[[], Iterator[Any]]


class TypedTable:
    """Parts that make one table: the first names its columns and their types, the others have the same."""

    def __init__(self, parts: Sequence[SourcePart]) -> None:
        self.notes: list[str] = []
        # Instants with more digits than a lake's have, by column.
        self._cut: Counter[str] = Counter()
        self._parts = [(part, self._columns_of(part)) for part in parts]
        self.shown, self._first = parts[0].where, self._parts[0][1]
        for part, columns in self._parts[1:]:
            self._check_same(part.where, {column.name: column.type for column in columns})

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in self._first]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types; with *pinned* those, where they may become them, value by value."""
        kinds = {column.name: column.type for column in self._first}
        for column in pinned or ():
            found, wanted = kinds[column.name], column.type
            wider = found == "bigint" and wanted.startswith(("double", "decimal"))
            if wanted not in (found, TEXT) and not wider:
                raise ReelhouseError(
                    f"{self.shown}: column {column.name} is {found}, which is not of type {wanted}; {NEW_SCHEMA}"
                )
        return list(self._first if pinned is None else pinned)

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        names = [column.name for column in columns]
        self._cut.clear()
        for part, found in self._parts:
            places = {column.name: at for at, column in enumerate(found)}
            for batch in part.read():
                arrays = [batch.column(places[name]) for name in names]
                self._cut.update({name: _finer(array) for name, array in zip(names, arrays, strict=True)})
                typed = [_typed(array, column, part.where) for array, column in zip(arrays, columns, strict=True)]
                yield pa.RecordBatch.from_arrays(typed, names=names)
        cut = [f"{name}: {count:,} instants are cut to microseconds" for name, count in (+self._cut).items()]
        self.notes += [note for note in cut if note not in self.notes]

    def _columns_of(self, part: SourcePart) -> list[ImportColumn]:
        columns = []
        for column, field in zip(named(part.schema.names, part.where), part.schema, strict=True):
            kind = _kind(field.type)
            if kind is None:
                raise ReelhouseError(
                    f"{part.where}: column {field.name} is {field.type}, which no table here holds: leave it out"
                )
            note = f"{column.name}: {ZONELESS}"
            if pt.is_timestamp(field.type) and field.type.tz is None and note not in self.notes:
                self.notes.append(note)
            columns.append(ImportColumn(column.name, kind, column.source))
        return columns

    def _check_same(self, where: str, kinds: dict[str, str]) -> None:
        check_same(self.names(), kinds, where, self.shown, SAME)
        for name, kind in ((column.name, column.type) for column in self._first):
            if kinds[name] != kind:
                raise ReelhouseError(f"{where}: column {name} is {kinds[name]}, in {self.shown} it is {kind}; {SAME}")


def parquet_files(paths: Sequence[Path]) -> TypedTable:
    """Parquet files as one table."""

    def part(path: Path) -> SourcePart:
        def read() -> Iterator[Any]:
            with _opened(path) as file:
                yield from file.iter_batches(batch_size=_ROWS)

        with _opened(path) as file:
            return SourcePart(str(path), file.schema_arrow, read)

    return TypedTable([part(path) for path in paths])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as file:
            yield file
    except pa.ArrowException as exc:
        raise ReelhouseError(f"{path} is not a Parquet file, or damaged: {str(exc).splitlines()[0]}") from exc
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be read: {exc.strerror or str(exc).splitlines()[0]}") from exc


def _kind(kind: Any) -> str | None:
    """The lake's type for an Arrow type; None where there is none. What is nested becomes JSON."""
    if pt.is_dictionary(kind):
        return _kind(kind.value_type)
    if pt.is_uint64(kind):
        return "decimal(20,0)"
    if pt.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})" if 0 <= kind.scale <= kind.precision <= _LONGEST else TEXT
    return next((name for name, tests in _KINDS.items() if any(test(kind) for test in tests)), None)


_KINDS = {
    "boolean": (pt.is_boolean,),
    "bigint": (pt.is_integer,),
    "double": (pt.is_floating,),
    "date": (pt.is_date,),
    "timestamp": (pt.is_timestamp,),
    TEXT: (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_time, pt.is_null, pt.is_nested),
}


def _typed(array: Any, column: ImportColumn, where: str) -> Any:
    """An array as *column* is, or `ReelhouseError` where a value does not fit."""
    try:
        found = _converted(array, column.type)
    except (pa.ArrowException, ValueError) as exc:
        said = str(exc).splitlines()[0]
        raise ReelhouseError(
            f"{where}: column {column.name} is not of type {column.type}: {said}; {NEW_SCHEMA}"
        ) from exc
    if not _within_years(found):
        raise ReelhouseError(f"{where}: column {column.name} holds infinity, or a year before 1 or after 9999")
    return found


def _converted(array: Any, kind: str) -> Any:
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pt.is_nested(array.type):
        values = (_plain(value, array.type) for value in array.cast(_legible(array.type)).to_pylist())
        return pa.array(
            (None if value is None else msgspec.json.encode(value).decode() for value in values), pa.string()
        )
    if pt.is_timestamp(array.type):
        # What is finer than a microsecond no engine of a lake would show.
        array = array.cast(pa.timestamp("us", array.type.tz), safe=array.type.unit != "ns")
    return array.cast(arrow_type(kind))


def _finer(array: Any) -> int:
    """How many instants have digits beyond microseconds, which no engine of a lake would show."""
    if not pt.is_timestamp(array.type) or array.type.unit != "ns":
        return 0
    return pc.sum(pc.not_equal(pc.floor_temporal(array, unit="microsecond"), array)).as_py() or 0


def _legible(kind: Any) -> Any:
    """A nested type whose times are texts: Python's hold no nanoseconds."""
    if pt.is_struct(kind):
        return pa.struct([field.with_type(_legible(field.type)) for field in kind])
    if pt.is_map(kind):
        return pa.map_(_legible(kind.key_type), _legible(kind.item_type))
    if hasattr(kind, "value_type"):
        inner = _legible(kind.value_type)
        return inner if pt.is_dictionary(kind) else pa.large_list(inner)
    if pt.is_duration(kind):
        return pa.int64()
    return pa.string() if pt.is_temporal(kind) else kind


def _plain(value: Any, kind: Any) -> Any:
    """A value of `_legible(kind)` as JSON has it. A map is an object where its keys are distinct texts."""
    if value is None or pt.is_null(kind):
        return None
    if pt.is_struct(kind):
        return {field.name: _plain(value[field.name], field.type) for field in kind}
    if pt.is_map(kind):
        pairs = [(_plain(key, kind.key_type), _plain(item, kind.item_type)) for key, item in value]
        keys = {key for key, _ in pairs if isinstance(key, str)}
        return dict(pairs) if len(keys) == len(pairs) else pairs
    if hasattr(kind, "value_type"):
        return _plain(value, kind.value_type) if pt.is_dictionary(kind) else [_plain(v, kind.value_type) for v in value]
    return _plain_scalar(value, kind)


def _plain_scalar(value: Any, kind: Any) -> Any:
    if pt.is_timestamp(kind):
        return _ZEROS.sub(lambda found: found[1] and f".{found[1]}", value.replace(" ", "T", 1))
    if pt.is_duration(kind):
        return f"PT{(value * _SECONDS[kind.unit]).normalize():f}S"
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    return value


def _within_years(array: Any) -> bool:
    """Whether all dates or instants lie in the years that all readers of a lake have, 1 to 9999."""
    kind = array.type
    if not (pt.is_date(kind) or pt.is_timestamp(kind)) or array.null_count == len(array):
        return True
    first, last = date.min, date.max
    if pt.is_timestamp(kind):
        first, last = datetime.min, datetime.max
    whole = pa.int32() if pt.is_date(kind) else pa.int64()
    bounds = pc.min_max(array.view(whole)).as_py()
    plain = pa.date32() if pt.is_date(kind) else pa.timestamp("us")
    return bool(pa.scalar(first, plain).value <= bounds["min"] and bounds["max"] <= pa.scalar(last, plain).value)
