"""Reading one answer value by value."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.entities.lenient_parse import Rejection, lenient_parse
from reelhouse.entities.movie import MOVIE
from reelhouse.entities.paths import MapOf, Shape


def _read(leaf: str, value: Any) -> tuple[Any, list[Rejection]]:
    found = lenient_parse(json.dumps({"x": value}).encode(), {"x": leaf})
    return found.values["x"], found.rejected


@pytest.mark.parametrize(
    ("leaf", "sent", "kept"),
    [
        ("bigint", 7, 7),
        ("bigint", 7.0, 7),
        ("bigint", "7", 7),
        ("bigint", "7.0", 7),
        ("bigint", 2**53 + 1, 2**53 + 1),
        ("bigint", "1e5", 100_000),
        ("bigint", -(2**63), -(2**63)),
        ("bigint", "", None),
        ("double", 7, 7.0),
        ("double", "7.25", 7.25),
        ("boolean", True, True),
        ("boolean", "false", False),
        ("boolean", 1, True),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "", None),
        ("timestamp", "2013-02-14T00:00:00.000Z", datetime.fromisoformat("2013-02-14T00:00:00Z")),
        ("timestamp", "2013-02-14 05:06:07 UTC", datetime.fromisoformat("2013-02-14T05:06:07Z")),
        ("string", "x", "x"),
        ("string", "", ""),
        ("string", 5, "5"),
        ("string", None, None),
    ],
)
def test_what_can_be_kept_is_kept(leaf: str, sent: Any, kept: Any) -> None:
    assert _read(leaf, sent) == (kept, [])


@pytest.mark.parametrize(
    ("leaf", "sent"),
    [
        ("bigint", 7.5),
        ("bigint", "7.5"),
        ("bigint", True),
        ("bigint", 2**63),
        ("bigint", "x"),
        ("bigint", [1]),
        ("double", "NaN"),
        ("double", "Infinity"),
        ("double", False),
        ("double", "1_000"),
        ("double", "\u0661"),
        ("double", "1e400"),
        ("bigint", "1_000"),
        ("bigint", "1e99999999999999999999"),
        ("bigint", "1e-99999999999999999999"),
        ("bigint", "0.5e-1000000"),
        ("boolean", "yes"),
        ("boolean", 2),
        ("date", "2023-02-29"),
        ("date", "2025-13-45"),
        ("date", "0000-00-00"),
        ("date", "2025"),
        ("date", "2019-6-1"),
        ("date", "2025-W01-1"),
        ("date", 20250101),
        ("timestamp", "2013-02-14"),
        ("timestamp", "2013-02-30T00:00:00Z"),
        ("string", ["x"]),
        ("string", {"x": 1}),
    ],
)
def test_what_cannot_be_kept_is_named(leaf: str, sent: Any) -> None:
    kept, (rejected,) = _read(leaf, sent)
    assert kept is None
    assert rejected.path == "x"
    assert rejected.raw == (sent if isinstance(sent, str) else json.dumps(sent))


def test_a_long_value_is_named_in_short() -> None:
    assert len(_read("bigint", "9" * 5000)[1][0].raw) == 1000
    found = lenient_parse(b'{"x":' + b"9" * 5000 + b',"y":1}', {"x": "bigint", "y": "bigint"})
    assert (found.values, len(found.rejected[0].raw)) == ({"x": None, "y": 1}, 1000)


def test_a_body_nested_without_end_is_named() -> None:
    assert lenient_parse(b"[" * 100_000, MOVIE.shape).rejected[0][::2] == ("$", "is nested too deeply")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"12345678901234567.0", 12345678901234567),
        (b"9223372036854775807.0", 2**63 - 1),
        (b"1E+17", 10**17),
        (b"1.5e3", 1500),
        (b"-0.0", 0),
    ],
)
def test_a_whole_number_is_read_digit_by_digit_however_it_is_written(sent: bytes, kept: int) -> None:
    assert lenient_parse(b'{"x":%b}' % sent, {"x": "bigint"}) == ({"x": kept}, [])


@pytest.mark.parametrize("sent", ["1e400", "-1E400", "9" * 310, "1e99999999999999999999", "9223372036854775808.0"])
def test_a_number_out_of_range_is_named_as_it_came(sent: str) -> None:
    found = lenient_parse(b'{"x":%b,"y":1}' % sent.encode(), {"x": "bigint", "y": "bigint"})
    assert found == ({"x": None, "y": 1}, [Rejection("x", sent, "is not a whole number")])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def _like(shape: Shape) -> st.SearchStrategy[Any]:
    """Something that mostly looks like *shape*."""
    if isinstance(shape, dict):
        fields = {name: _like(inner) for name, inner in list(shape.items())[:6]}
        return st.fixed_dictionaries({}, optional=fields) | _JSON
    if isinstance(shape, list):
        return st.lists(_like(shape[0]), max_size=2) | _JSON
    return _JSON


@given(_like(MOVIE.shape))
def test_no_answer_is_too_odd_to_be_read(answer: Any) -> None:
    found = lenient_parse(json.dumps(answer).encode(), MOVIE.shape)
    assert all(isinstance(one.raw, str) and one.reason for one in found.rejected)
    if isinstance(answer, dict):
        assert set(found.values) == set(MOVIE.shape)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_are_named(body: bytes) -> None:
    try:
        json.loads(body)
    except ValueError:
        assert lenient_parse(body, MOVIE.shape).rejected[0].reason == "is not JSON"


def test_a_scalar_that_is_null_keeps_its_place_in_a_list() -> None:
    found = lenient_parse(
        b'{"x": [null, "US", {}, "DE"], "y": [null, {"z": "1"}]}', {"x": ["string"], "y": [{"z": "string"}]}
    )
    assert found.values == {"x": [None, "US", None, "DE"], "y": [{"z": "1"}]}


def test_half_a_character_is_in_nothing_that_is_kept() -> None:
    found = lenient_parse(b'{"x": {"\\ud83c": "\\ud83c", "b": ["\\ud83c"]}}', {"x": MapOf("string")})
    assert json.dumps([found.values, found.rejected], ensure_ascii=False).encode()
    assert found.values["x"] == [{"key": "?", "value": None}, {"key": "b", "value": None}]
