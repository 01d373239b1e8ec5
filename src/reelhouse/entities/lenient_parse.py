"""Reads one suspect answer again, value by value: what can be kept is kept, what cannot is named."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple

from reelhouse.entities.paths import ITEMS, NUMBERED, KeyedList, MapOf, Shape

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?")
# What both engines cast to a number; Python would also take `1_0`, `nan` and digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BIGGEST = 2**63 - 1
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class Rejection(NamedTuple):
    """A value that is left out, where it was and the rule it breaks."""

    path: str
    raw: str
    reason: str


class _ParseNotes(NamedTuple):
    """What is left out, and the keys that were *seen* in lists of a shape, by the shape's identity."""

    rejected: list[Rejection]
    seen: dict[int, set[tuple[Any, ...]]]


class Parsed(NamedTuple):
    """The typed answer in staging's form, and what of it had to be left out."""

    values: dict[str, Any]
    rejected: list[Rejection]


def lenient_parse(body: bytes, shape: Mapping[str, Shape]) -> Parsed:
    """Everything of *body* that fits *shape*."""
    found = _ParseNotes([], {})
    try:
        answer = json.loads(body, parse_int=_int, parse_float=_float)
    except RecursionError:
        return nothing_of(body, "is nested too deeply")
    except ValueError:
        return nothing_of(body, "is not JSON")
    if ITEMS in shape:
        return Parsed({ITEMS: _read(answer, shape[ITEMS], "$", found)}, found.rejected)
    if not isinstance(answer, dict):
        return Parsed({}, [Rejection("$", _raw(answer), "is not an object")])
    values = {name: _read(_member(answer, name), inner, name, found) for name, inner in shape.items()}
    return Parsed(values, found.rejected)


def _member(answer: dict[str, Any], name: str) -> Any:
    """A member of the answer; all that are named by number as one object."""
    if not name.endswith(NUMBERED):
        return answer.get(name)
    start = name.removesuffix("*")
    return {key.removeprefix(start): value for key, value in answer.items() if key.startswith(start)}


def nothing_of(body: bytes, reason: str) -> Parsed:
    """An answer of which nothing can be read, and why."""
    return Parsed({}, [Rejection("$", _raw(body.decode(errors="replace")), reason)])


def _read(value: Any, shape: Shape, path: str, found: _ParseNotes) -> Any:
    if value is None:
        return None
    if isinstance(shape, str):
        return _read_leaf(value, shape, path, found)
    if isinstance(shape, list):
        return _read_list(value, shape, path, found)
    if not isinstance(value, dict):
        found.rejected.append(Rejection(path, _raw(value), "is not an object"))
        return None
    if isinstance(shape, MapOf):
        return _read_map(value, shape, path, found)
    return {name: _read(value.get(name), inner, f"{path}.{name}", found) for name, inner in shape.items()}


def _read_list(value: Any, shape: list[Shape], path: str, found: _ParseNotes) -> Any:
    if not isinstance(value, list):
        found.rejected.append(Rejection(path, _raw(value), "is not a list"))
        return None
    items = [_read(item, shape[0], f"{path}[{place}]", found) for place, item in enumerate(value)]
    if isinstance(shape, KeyedList):
        items = _distinct(items, value, shape, path, found)
    # A scalar that is NULL keeps its place, as it does where nothing is suspect.
    return items if isinstance(shape[0], str) else [item for item in items if item is not None]


def _distinct(items: list[Any], value: list[Any], shape: KeyedList, path: str, found: _ParseNotes) -> list[Any]:
    """The *items* without those whose key an earlier one has; what is NULL in a key is equal to nothing."""
    seen = found.seen.setdefault(id(shape), set()) if shape.anywhere else set()
    kept = []
    for place, item in enumerate(items):
        key = tuple(reduce(lambda inner, name: inner and inner[name], members, item) for members in shape.key)
        if key in seen:
            found.rejected.append(Rejection(f"{path}[{place}]", _raw(value[place]), "has the key of an earlier item"))
            continue
        if not {None, ""}.intersection(key):
            seen.add(key)
        kept.append(item)
    return kept


def _read_map(value: dict[str, Any], shape: MapOf, path: str, found: _ParseNotes) -> Any:
    pairs = [
        {"key": key, "value": _read(inner, shape.values, f"{path}.{key}", found)}
        for key, inner in ((_whole_characters(key), inner) for key, inner in value.items())
        if key not in shape.fields
    ]
    if not shape.fields:
        return pairs
    fields = {name: _read(value.get(name), "string", f"{path}.{name}", found) for name in shape.fields}
    return {**fields, "rest": pairs}


def _read_leaf(value: Any, leaf: str, path: str, found: _ParseNotes) -> Any:
    if value == "":
        return "" if leaf == "string" else None
    read, reason = _READERS[leaf]
    kept = read(value)
    if kept is None:
        found.rejected.append(Rejection(path, _raw(value), reason))
    return kept


def _whole_characters(text: str) -> str:
    """*text* without halves of characters: JSON can escape them (`\\ud800`), and no table can hold them."""
    return text.encode(errors="replace").decode()


def _int(digits: str) -> int | str:
    # Python refuses numbers of thousands of digits; as a text one is named like any other misfit.
    return int(digits) if len(digits) < 100 else digits


def _float(digits: str) -> float | str:
    number = float(digits)
    # Beyond, a double is infinite or no longer every whole number: the digits are read, or named, as they came.
    return number if abs(number) < 2**53 else digits


def _string(value: Any) -> str | None:
    if isinstance(value, str):
        return value if _whole_characters(value) == value else None
    return None if isinstance(value, (dict, list)) else json.dumps(value)


def _bigint(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = _exact(value.strip())
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) and value.is_integer() else None
    return value if isinstance(value, int) and -_BIGGEST - 1 <= value <= _BIGGEST else None


def _exact(text: str) -> int | None:
    """The whole number that *text* writes, however it does; None where it is none, or far too large."""
    if not _NUMBER.fullmatch(text) or abs(float(text)) > 2 * _BIGGEST:
        return None
    try:
        number = Decimal(text)
    except ArithmeticError:
        # An exponent beyond what a Decimal holds.
        return None
    return int(number) if number == number.to_integral_value() else None


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    return _FLAGS.get(json.dumps(value).strip('"').lower()) if isinstance(value, (bool, int, str)) else None


def _date(value: Any) -> date | None:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _timestamp(value: Any) -> datetime | None:
    text = value.removesuffix(" UTC") if isinstance(value, str) else ""
    if not _INSTANT.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "string": (_string, "is not text"),
    "bigint": (_bigint, "is not a whole number"),
    "double": (_double, "is not a number"),
    "boolean": (_boolean, "is neither true nor false"),
    "date": (_date, "is not a date"),
    "timestamp": (_timestamp, "is not a timestamp"),
}


def _raw(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # A whole sub-document would make the table of rejections a second raw zone.
    return _whole_characters(text[:1000])
