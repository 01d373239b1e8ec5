"""What is an id and what is none, at the one place where that is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.errors import ReelhouseError
from reelhouse.ids import read_id, tmdb_id
from reelhouse.tmdb.endpoints import check_path, details_path


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("603", "603"),
        ("000603", "603"),
        ("9999999999", "9999999999"),
        ("tt0133093", "tt0133093"),
        ("TT133093", "tt0133093"),
        ("tt10872600", "tt10872600"),
    ],
)
def test_an_id_is_read_as_it_is_asked(text: str, key: str) -> None:
    assert read_id(text) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "tt0",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "1_000",
        " 1",
        "1 ",
        "1\n",
        "\n1",
        "²",
        "٣",
        "１",
        "tt²",
        "ttt1",
        "nm1",
        "1" * 11,
        "1" * 23,
        "tt" + "1" * 11,
        "../1",
        "1/2",
        "1?",
        "1#",
        "%31",
        "1\x00",
        "TMDB",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert read_id(text) is None
    with pytest.raises(ReelhouseError, match="neither a TMDB id"):
        details_path("/movie/{id}", text)


@given(st.text())
def test_what_is_asked_is_one_segment_of_digits_and_reading_it_again_changes_nothing(text: str) -> None:
    key = read_id(text)
    if key is not None:
        assert key.removeprefix("tt").isascii()
        assert key.removeprefix("tt").isdigit()
        assert read_id(key) == key
        assert (tmdb_id(key) is None) == key.startswith("tt")
        check_path(details_path("/movie/{id}", key))


@pytest.mark.parametrize("key", ["²", "٣", "1" * 23, "../account", "", "tt0133093"])
def test_what_is_no_number_has_none(key: str) -> None:
    assert tmdb_id(key) is None
