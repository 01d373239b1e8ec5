"""JSON files as texts: an array of objects or an object per line, a column per key, what is nested as JSON.

DuckDB's reader, asked for objects, gives NULLs for what is none in a list, takes NaN for a number, the list of a file
that begins with a mark for one row, and names no line in a list.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from reelhouse.errors import ReelhouseError
from reelhouse.imports.columns import named
from reelhouse.imports.files import misread, opened
from reelhouse.imports.values import TextBatch, Values, marked

_ROWS = 8192
# A batch ends before its rows are many where they are long.
_SIGNS = 8 * 1024 * 1024
_BLOCK = 1024 * 1024
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST = 256 * 1024 * 1024
_GAP = re.compile(r"[\s,]*")
# Not a mistake, but the end of what was read so far, if it is this near to it.
_NEAR = 32


class _JsonRecord(NamedTuple):
    line: int
    values: dict[str, Any]
    size: int


class JsonFiles(Values):
    """Files that make one table, each with the same keys; an object that lacks a key has NULL there."""

    def __init__(self, paths: Sequence[Path], of: str = "") -> None:
        super().__init__()
        self._paths = paths
        self._list = of
        rows, listed = 0, ""
        first: list[str] = []
        for path in paths:
            keys = dict.fromkeys(first)
            found: set[str] = set()
            for records in _batched(path, self._list):
                rows += len(records)
                for record in records:
                    listed = listed or next((key for key, value in record.values.items() if _is_rows(value)), "")
                    found.update(record.values)
                    keys.update(dict.fromkeys(record.values))
                # By number: two keys may be one name to SQL.
                self.see(_texts(records, {f"c{at}": key for at, key in enumerate(keys)}))
            if not found:
                raise ReelhouseError(f"{path} is empty")
            first = list(keys)
        if rows == len(paths) and listed:
            self.notes.append(f"each file is one row; --records {listed} imports the list in {listed!r}")
        self._columns = named(first, str(paths[0]))
        self._keys = {column.name: key for column, key in zip(self._columns, first, strict=True)}
        self._bits = {name: self._bits[f"c{at}"] for at, name in enumerate(self._keys)}

    def read(self) -> Iterator[TextBatch]:
        """What is nested is JSON."""
        for path in self._paths:
            for records in _batched(path, self._list):
                yield TextBatch(_texts(records, self._keys), partial(_place, path, records))


def _place(path: Path, records: list[_JsonRecord], at: int) -> str:
    return f"{path}: line {records[at].line}"


def _texts(records: list[_JsonRecord], keys: dict[str, str]) -> Any:
    columns = {
        name: pa.array((marked(record.values.get(key)) for record in records), pa.string())
        for name, key in keys.items()
    }
    return pa.RecordBatch.from_pydict(columns)


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _listed(path: Path, name: str) -> Iterator[_JsonRecord]:
    """The objects of the list that the one object of a file has as *name*. Their line is that of the object."""
    for record in _records(path):
        rows = record.values.get(name)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            has = ", ".join(key for key, value in record.values.items() if _is_rows(value)) or "none"
            raise ReelhouseError(
                f"{path}: line {record.line}: {name!r} is not a list of objects; lists of objects: {has}"
            )
        yield from (_JsonRecord(record.line, row, record.size // len(rows)) for row in rows)


def _batched(path: Path, name: str = "") -> Iterator[list[_JsonRecord]]:
    batch: list[_JsonRecord] = []
    size = 0
    for record in _listed(path, name) if name else _records(path):
        batch.append(record)
        size += record.size
        if len(batch) >= _ROWS or size >= _SIGNS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _records(path: Path) -> Iterator[_JsonRecord]:
    """The objects of a file with the lines they begin in, held one by one."""
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refused, parse_float=_finite)
    with opened(path) as body:
        text = _Text(path, io.TextIOWrapper(body, encoding="utf-8-sig"))
        listed = text.next() == "["
        if listed:
            text.at += 1
        while (sign := text.next()) and not (listed and sign == "]"):
            if sign != "{":
                raise ReelhouseError(f"{path}: line {text.line}: an object is expected, not {text.shown()}")
            line = text.line
            yield _JsonRecord(line, *text.decoded(decoder))
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
        """The next sign that is not a gap, not yet taken; nothing at the end."""
        while True:
            gap = _GAP.match(self._text, self.at)
            assert gap is not None
            self.line += self._text.count("\n", self.at, gap.end())
            self.at = gap.end()
            if self.at < len(self._text) or not self._more():
                return self._text[self.at : self.at + 1]

    def decoded(self, decoder: json.JSONDecoder) -> tuple[Any, int]:
        """The value that begins here, and how many signs it takes."""
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
                raise ReelhouseError(f"{self._path}: line {self.line}: half a character is not text") from exc
            except ValueError as exc:
                raise ReelhouseError(f"{self._path}: line {self.line}: no JSON for a table: {exc}") from exc
            except RecursionError as exc:
                raise ReelhouseError(f"{self._path}: line {self.line}: this is nested too deep") from exc
            self.line += self._text.count("\n", self.at, end)
            size, self.at = end - self.at, end
            return value, size

    def shown(self) -> str:
        return repr(self._text[self.at : self.at + 20])

    def _more(self) -> bool:
        left = len(self._text) - self.at
        if left > _LONGEST:
            raise ReelhouseError(f"{self._path}: line {self.line}: one object is longer than 256 MB")
        try:
            found = self._source.read(max(_BLOCK, left))
        except UnicodeDecodeError as exc:
            raise ReelhouseError(f"{self._path}: {misread(self._path)}") from exc
        self._text = self._text[self.at :] + found
        self.at = 0
        return bool(found)


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        again = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {again!r} is there twice in one object")
    return found


def _finite(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise ValueError(f"{text} is too large a number")
    return found
