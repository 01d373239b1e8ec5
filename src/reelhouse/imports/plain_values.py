"""Columns of plain Python values, from JSON or SQLite, where each value has a type of its own."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from reelhouse.imports.types import TEXT, Guess, arrow_type, parsed

_INT64 = range(-(2**63), 2**63)
_EXACT = 2**53

_FITTING = {
    "bigint": {"bigint", "wide"},
    "double": {"bigint", "double"},
    "boolean": {"boolean"},
    "date": {"text"},
    "timestamp": {"text"},
}


class ValueGuess:
    """What one column can be, as far as its values were seen. Texts are never numbers, but may all be dates."""

    def __init__(self) -> None:
        self._texts = Guess(("date", "timestamp"))
        self._kinds: set[str] = set()

    def see(self, values: list[Any]) -> None:
        """Take more values into account."""
        self._kinds.update(map(_kind, values))
        texts = [value for value in values if isinstance(value, str)]
        if texts and self._kinds <= {"", "text"}:
            self._texts.see(pa.array(texts, pa.string()))

    @property
    def kind(self) -> str:
        """The type that holds all values; text where none else does."""
        found = self._kinds - {""}
        if found == {"text"}:
            return self._texts.kind
        for kind in ("bigint", "double", "boolean"):
            if found and found <= _FITTING[kind]:
                return kind
        return TEXT

    @property
    def zoneless(self) -> bool:
        """Whether these are instants of which one names no zone."""
        return self.kind == "timestamp" and self._texts.zoneless


def _kind(value: Any) -> str:
    """What a value is; `wide` is a whole number that a double might change, nothing is NULL."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "bigint" if abs(value) <= _EXACT else "wide" if value in _INT64 else "nested"
    if isinstance(value, float):
        return "double"
    return "text" if isinstance(value, str) else "nested"


def as_array(values: list[Any], kind: str) -> Any | None:
    """Values as an array of *kind*, or None where one does not fit."""
    if kind == TEXT:
        return pa.array(map(_text, values), pa.string())
    if not set(map(_kind, values)) - {""} <= _FITTING.get(kind, {"bigint", "wide", "double", "text"}):
        return None
    if kind in ("bigint", "double", "boolean"):
        return pa.array(values, arrow_type(kind))
    return parsed(pa.array(map(_text, values), pa.string()), kind)


def first_misfit(values: list[Any], kind: str) -> int:
    """The place of the first value that does not fit *kind*; there is one."""
    return next(at for at, value in enumerate(values) if as_array([value], kind) is None)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
