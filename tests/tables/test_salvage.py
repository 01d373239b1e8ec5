"""Reading one answer value by value."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.tables.movie_shape import MOVIE
from reelhouse.tables.salvage import Rejection, salvage
from reelhouse.tables.shape import Keyed, Shape


def _read(leaf: str, value: Any) -> tuple[Any, list[Rejection]]:
    found = salvage(json.dumps({"x": value}).encode(), {"x": leaf})
    return found.values["x"], found.rejected


@pytest.mark.parametrize(
    ("leaf", "sent", "kept"),
    [
        ("whole", 7, 7),
        ("whole", 7.0, 7),
        ("whole", "7", 7),
        ("whole", "7.0", 7),
        ("whole", 2**53 + 1, 2**53 + 1),
        ("whole", "1e5", 100_000),
        ("whole", -(2**63), -(2**63)),
        ("whole", "", None),
        ("number", 7, 7.0),
        ("number", "7.25", 7.25),
        ("flag", True, True),
        ("flag", "false", False),
        ("flag", 1, True),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("date", "", None),
        ("instant", "2013-02-14T00:00:00.000Z", datetime.fromisoformat("2013-02-14T00:00:00Z")),
        ("instant", "2013-02-14 05:06:07 UTC", datetime.fromisoformat("2013-02-14T05:06:07Z")),
        ("text", "x", "x"),
        ("text", "", ""),
        ("text", 5, "5"),
        ("text", None, None),
    ],
)
def test_what_can_be_kept_is_kept(leaf: str, sent: Any, kept: Any) -> None:
    assert _read(leaf, sent) == (kept, [])


@pytest.mark.parametrize(
    ("leaf", "sent"),
    [
        ("whole", 7.5),
        ("whole", "7.5"),
        ("whole", True),
        ("whole", 2**63),
        ("whole", "x"),
        ("whole", [1]),
        ("number", "NaN"),
        ("number", "Infinity"),
        ("number", False),
        ("number", "1_000"),
        ("number", "\u0661"),
        ("number", "1e400"),
        ("whole", "1_000"),
        ("whole", "1e99999999999999999999"),
        ("whole", "1e-99999999999999999999"),
        ("whole", "0.5e-1000000"),
        ("flag", "yes"),
        ("flag", 2),
        ("date", "2023-02-29"),
        ("date", "2025-13-45"),
        ("date", "0000-00-00"),
        ("date", "2025"),
        ("date", "2019-6-1"),
        ("date", "2025-W01-1"),
        ("date", 20250101),
        ("instant", "2013-02-14"),
        ("instant", "2013-02-30T00:00:00Z"),
        ("text", ["x"]),
        ("text", {"x": 1}),
    ],
)
def test_what_cannot_be_kept_is_named(leaf: str, sent: Any) -> None:
    kept, (rejected,) = _read(leaf, sent)
    assert kept is None
    assert rejected.path == "x"
    assert rejected.raw == (sent if isinstance(sent, str) else json.dumps(sent))


def test_a_long_value_is_named_in_short() -> None:
    assert len(_read("whole", "9" * 5000)[1][0].raw) == 1000
    found = salvage(b'{"x":' + b"9" * 5000 + b',"y":1}', {"x": "whole", "y": "whole"})
    assert (found.values, len(found.rejected[0].raw)) == ({"x": None, "y": 1}, 1000)


def test_a_body_nested_without_end_is_named() -> None:
    assert salvage(b"[" * 100_000, MOVIE).rejected[0][::2] == ("$", "is nested too deeply")


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
    assert salvage(b'{"x":%b}' % sent, {"x": "whole"}) == ({"x": kept}, [])


@pytest.mark.parametrize("sent", ["1e400", "-1E400", "9" * 310, "1e99999999999999999999", "9223372036854775808.0"])
def test_a_number_out_of_range_is_named_as_it_came(sent: str) -> None:
    found = salvage(b'{"x":%b,"y":1}' % sent.encode(), {"x": "whole", "y": "whole"})
    assert found == ({"x": None, "y": 1}, [Rejection("x", sent, "is no whole number")])


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


@given(_like(MOVIE))
def test_no_answer_is_too_odd_to_be_read(answer: Any) -> None:
    found = salvage(json.dumps(answer).encode(), MOVIE)
    assert all(isinstance(one.raw, str) and one.rule for one in found.rejected)
    if isinstance(answer, dict):
        assert set(found.values) == set(MOVIE)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_json_are_named(body: bytes) -> None:
    try:
        json.loads(body)
    except ValueError:
        assert salvage(body, MOVIE).rejected[0].rule == "is no JSON"


def test_a_scalar_that_is_null_keeps_its_place_in_a_list() -> None:
    found = salvage(b'{"x": [null, "US", {}, "DE"], "y": [null, {"z": "1"}]}', {"x": ["text"], "y": [{"z": "text"}]})
    assert found.values == {"x": [None, "US", None, "DE"], "y": [{"z": "1"}]}


def test_half_a_character_is_in_nothing_that_is_kept() -> None:
    found = salvage(b'{"x": {"\\ud83c": "\\ud83c", "b": ["\\ud83c"]}}', {"x": Keyed("text")})
    assert json.dumps([found.values, found.rejected], ensure_ascii=False).encode()
    assert found.values["x"] == [{"key": "?", "value": None}, {"key": "b", "value": None}]
