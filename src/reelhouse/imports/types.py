"""Types of columns of texts: decided over all values, and so that none of them is changed or lost.

`0114709` stays text, since as a number it would lose its zero; so does what is a number in some rows only.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

TEXT = "string"

ARROW: dict[str, Any] = {
    "bigint": pa.int64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    TEXT: pa.string(),
}

# The best first: a column gets the first of them that all its values fit.
GUESSES = ("bigint", "double", "boolean", "date", "timestamp")

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)$"
# Whole numbers beyond this are not all told apart by a double.
_EXACT = 2**53
_FEW = 100
# The years that all readers of a lake have, in days and in microseconds.
_YEARS: dict[str, Any] = {
    name: (pa.scalar(first, kind).value, pa.scalar(last, kind).value)
    for name, first, last, kind in (
        ("date", date.min, date.max, ARROW["date"]),
        ("timestamp", datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), ARROW["timestamp"]),
    )
}


def arrow_type(kind: str) -> Any:
    """The Arrow type of a column's *kind*."""
    found = _DECIMAL.fullmatch(kind)
    return pa.decimal128(int(found[1]), int(found[2])) if found else ARROW[kind]


def parsed(texts: Any, kind: str) -> Any | None:
    """An array of texts as *kind*, or None where one of them does not fit."""
    if kind == TEXT or texts.null_count == len(texts):
        return texts.cast(arrow_type(kind))
    try:
        return _PARSERS.get(kind, _decimal)(texts, arrow_type(kind))
    except (pa.ArrowInvalid, OverflowError):
        return None


def within_years(array: Any, kind: str) -> bool:
    """Whether all dates or instants of an array lie in the years 1 to 9999; what is of another *kind* does."""
    if kind not in _YEARS or array.null_count == len(array):
        return True
    first, last = _YEARS[kind]
    found = pc.min_max(array.view(pa.int32() if kind == "date" else pa.int64())).as_py()
    return bool(first <= found["min"] and found["max"] <= last)


def first_misfit(texts: Any, kind: str) -> int:
    """The place of the first text that does not fit *kind*; there is one."""
    good, bad = 0, len(texts)
    while bad - good > 1:
        middle = (good + bad) // 2
        if parsed(texts.slice(0, middle), kind) is None:
            bad = middle
        else:
            good = middle
    return bad - 1


def without_zone(texts: Any) -> bool:
    """Whether one of these instants names no zone."""
    return bool(pc.all(pc.match_substring_regex(texts, _ZONE)).as_py() is False)


class Guess:
    """What one column can be, as far as its values were seen."""

    def __init__(self, kinds: tuple[str, ...] = GUESSES) -> None:
        self._left = list(kinds)
        self._empty = True
        self._exact = True
        self.zoneless = False

    def see(self, texts: Any) -> None:
        """Take more values into account."""
        if texts.null_count == len(texts):
            return
        self._empty = False
        for kind in tuple(self._left):
            if kind == "double" and "bigint" in self._left:
                continue
            # Arrow words an error for each value that does not fit: where all do not, a few tell as much.
            few = texts.slice(0, _FEW) if len(texts) > _FEW else None
            found = None if few is not None and parsed(few, kind) is None else parsed(texts, kind)
            if found is None or (kind == "double" and not self._exact):
                self._left.remove(kind)
            elif kind == "bigint":
                self._exact = self._exact and _is_exact(found)
            elif kind == "timestamp":
                self.zoneless = self.zoneless or without_zone(texts)

    @property
    def kind(self) -> str:
        """The best that all values fit; text where none does, or where there is no value at all."""
        return TEXT if self._empty or not self._left else self._left[0]


def _is_exact(numbers: Any) -> bool:
    found = pc.min_max(numbers).as_py()
    return bool(found["min"] >= -_EXACT and found["max"] <= _EXACT)


def _plain(texts: Any) -> bool:
    """Whether no number is written so that it would not come back: with zeros in front, in hexadecimal, with a plus."""
    odd = pc.or_(pc.or_(pc.starts_with(texts, "0"), pc.starts_with(texts, "-0")), pc.starts_with(texts, "+"))
    if not pc.any(odd).as_py():
        return True
    return not pc.any(pc.match_substring_regex(texts.filter(odd), r"^(\+|-?0[0-9xX]|-0$)")).as_py()


def _bigint(texts: Any, kind: Any) -> Any | None:
    return texts.cast(kind) if _plain(texts) else None


def _double(texts: Any, kind: Any) -> Any | None:
    numbers = texts.cast(kind)
    if not _plain(texts) or not pc.all(pc.is_finite(numbers)).as_py():
        return None
    long = pc.greater(pc.binary_length(texts), 15)
    if pc.any(long).as_py() and pc.any(pc.match_substring_regex(texts.filter(long), r"^-?\d{16,}$")).as_py():
        return None
    return numbers


def _boolean(texts: Any, kind: Any) -> Any | None:
    # 0 and 1 would be taken as well.
    return texts.cast(kind) if pc.min(pc.binary_length(texts)).as_py() >= len("true") else None


def _date(texts: Any, kind: Any) -> Any | None:
    found = texts.cast(kind)
    return found if within_years(found, "date") else None


def _timestamp(texts: Any, kind: Any) -> Any | None:
    if pc.min(pc.binary_length(texts)).as_py() <= len("2026-11-23"):
        return None
    zoned = pc.match_substring_regex(texts, _ZONE)
    nothing = pa.scalar(None, pa.string())
    instants = pc.if_else(zoned, texts, nothing).cast(kind)
    others = pc.if_else(zoned, nothing, texts).cast(pa.timestamp("us")).cast(kind)
    found = pc.coalesce(instants, others)
    return found if within_years(found, "timestamp") else None


def _decimal(texts: Any, kind: Any) -> Any | None:
    return texts.cast(kind)


_PARSERS = {"bigint": _bigint, "double": _double, "boolean": _boolean, "date": _date, "timestamp": _timestamp}
