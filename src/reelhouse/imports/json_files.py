"""JSON files as batches: an array of objects or an object a line, a column a key, what is nested as JSON."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from reelhouse.errors import ReelhouseError
from reelhouse.imports.columns import SAME, check_same, misfit, named
from reelhouse.imports.csv_files import bad_byte, opened
from reelhouse.imports.plain_values import ValueGuess, as_array, first_misfit
from reelhouse.warehouse.import_registry import ImportColumn

_ROWS = 8192
_BLOCK = 1024 * 1024
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST = 256 * 1024 * 1024
_GAP = re.compile(r"[\s,]*")
# Not a mistake, but the end of what was read so far, if it is this near to it.
_NEAR = 32


class _Record(NamedTuple):
    line: int
    values: dict[str, Any]


class JsonFiles:
    """Files that make one table, each with the same keys; an object that lacks a key has NULL there."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.notes: list[str] = []
        self._guesses: dict[str, ValueGuess] = {}
        for path in paths:
            keys: dict[str, None] = {}
            for records in _batched(path):
                keys.update((key, None) for record in records for key in record.values)
                for key in keys:
                    self._guesses.setdefault(key, ValueGuess()).see([record.values.get(key) for record in records])
            if not keys:
                raise ReelhouseError(f"{path} is empty")
            if path == paths[0]:
                first = list(keys)
            check_same(first, keys, str(path), str(paths[0]), SAME)
        self._columns = named(first, str(paths[0]))
        self._keys = {column.name: key for column, key in zip(self._columns, first, strict=True)}

    def names(self) -> list[str]:
        """What the columns are called."""
        return [column.name for column in self._columns]

    def columns(self, pinned: Sequence[ImportColumn] | None) -> list[ImportColumn]:
        """The columns with their types, over all values; with *pinned* those, where every value fits."""
        if pinned is not None:
            for _ in self.batches(pinned):
                pass
            return list(pinned)
        guesses = {name: self._guesses[key] for name, key in self._keys.items()}
        self.notes += [
            f"{name}: instants without a time zone are taken as UTC"
            for name, guess in guesses.items()
            if guess.zoneless
        ]
        return [ImportColumn(column.name, guesses[column.name].kind, column.source) for column in self._columns]

    def batches(self, columns: Sequence[ImportColumn]) -> Iterator[Any]:
        """The rows, typed as *columns* say."""
        for path in self._paths:
            for records in _batched(path):
                arrays = [_array(path, records, self._keys[each.name], each) for each in columns]
                yield pa.RecordBatch.from_arrays(arrays, names=[each.name for each in columns])


def _array(path: Path, records: list[_Record], key: str, column: ImportColumn) -> Any:
    values = [record.values.get(key) for record in records]
    found = as_array(values, column.type)
    if found is None:
        at = first_misfit(values, column.type)
        raise misfit(f"{path}: line {records[at].line}", column.name, values[at], column.type)
    return found


def _batched(path: Path) -> Iterator[list[_Record]]:
    records = _records(path)
    while batch := list(islice(records, _ROWS)):
        yield batch


def _records(path: Path) -> Iterator[_Record]:
    """The objects of a file with the lines they begin in, held one by one."""
    decoder = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)
    with opened(path) as body:
        text = _Text(path, io.TextIOWrapper(body, encoding="utf-8-sig"))
        listed = text.next() == "["
        if listed:
            text.at += 1
        while (sign := text.next()) and not (listed and sign == "]"):
            if sign != "{":
                raise ReelhouseError(f"{path}: line {text.line}: an object is expected, not {text.shown()}")
            line = text.line
            yield _Record(line, text.decoded(decoder))
        if listed:
            if not sign:
                raise ReelhouseError(f"{path} ends in the middle of its list: it is cut short")
            text.at += 1
            if text.next():
                raise ReelhouseError(f"{path}: line {text.line}: something follows the list: {text.shown()}")


class _Text:
    """A text that is read bit by bit, and where one is in it."""

    def __init__(self, path: Path, source: io.TextIOWrapper) -> None:
        self._path = path
        self._source = source
        self._text = ""
        self.at = 0
        self.line = 1

    def next(self) -> str:
        """The next sign that is no gap, not yet taken; nothing at the end."""
        while True:
            gap = _GAP.match(self._text, self.at)
            assert gap is not None
            self.line += self._text.count("\n", self.at, gap.end())
            self.at = gap.end()
            if self.at < len(self._text) or not self._more():
                return self._text[self.at : self.at + 1]

    def decoded(self, decoder: json.JSONDecoder) -> Any:
        """The value that begins here."""
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self.at)
                if _ESCAPED_HALF.search(self._text, self.at, end):
                    json.dumps(value, ensure_ascii=False).encode()
            except json.JSONDecodeError as exc:
                near = exc.pos >= len(self._text) - _NEAR or exc.msg.startswith("Unterminated string")
                if near and self._more():
                    continue
                line = self.line + self._text.count("\n", self.at, exc.pos)
                raise ReelhouseError(f"{self._path}: line {line}: no JSON: {exc.msg}") from exc
            except UnicodeEncodeError as exc:
                raise ReelhouseError(f"{self._path}: line {self.line}: half a character is no text") from exc
            except ValueError as exc:
                raise ReelhouseError(f"{self._path}: line {self.line}: no JSON for a table: {exc}") from exc
            except RecursionError as exc:
                raise ReelhouseError(f"{self._path}: line {self.line}: this is nested too deep") from exc
            self.line += self._text.count("\n", self.at, end)
            self.at = end
            return value

    def shown(self) -> str:
        return repr(self._text[self.at : self.at + 20])

    def _more(self) -> bool:
        left = len(self._text) - self.at
        if left > _LONGEST:
            raise ReelhouseError(f"{self._path}: line {self.line}: one object is longer than 256 MB")
        try:
            found = self._source.read(max(_BLOCK, left))
        except UnicodeDecodeError as exc:
            raise ReelhouseError(f"{self._path}: {bad_byte(self._path)}") from exc
        self._text = self._text[self.at :] + found
        self.at = 0
        return bool(found)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _finite(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise ValueError(f"{text} is too large a number")
    return found
