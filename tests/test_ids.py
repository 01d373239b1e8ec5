"""What is an id and what is none, at the one place where that is decided."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.errors import ReelhouseError
from reelhouse.ids import SINGLE, Key, external, external_keys, key_id, read_id, read_key
from reelhouse.tmdb.endpoints import check_path, details_path, find_request


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("603", "603"),
        ("000603", "603"),
        ("9999999999", "9999999999"),
        ("tt0133093", "tt0133093"),
        ("TT133093", "tt0133093"),
        ("tt10872600", "tt10872600"),
        ("Nm206", "nm0000206"),
        ("tvdb:81189", "tvdb:81189"),
        ("TVDB:0081189", "tvdb:81189"),
        ("tvdb://81189", "tvdb:81189"),
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
        "nn1",
        "1" * 11,
        "1" * 23,
        "tt" + "1" * 11,
        "tt//1",
        "tvdb1",
        "tvdb:",
        "tvdb:0",
        "tvdb:/1",
        "tvdb: 1",
        "tvdb:" + "1" * 11,
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


@given(
    st.text() | st.tuples(st.sampled_from(["", "tt", "nm", "tvdb:", "tvdb://"]), st.text("0123456789x/")).map("".join)
)
def test_what_is_asked_is_one_segment_of_digits_and_reading_it_again_changes_nothing(text: str) -> None:
    key = read_id(text)
    if key is not None:
        other = external(key)
        digits = key.removeprefix(other.begins if other else "")
        assert digits.isascii()
        assert digits.isdigit()
        assert read_id(key) == key
        assert (key_id(key) is None) == (other is not None)
        check_path(find_request(key)[0] if other else details_path("/movie/{id}", key))


@pytest.mark.parametrize("key", ["603", "/configuration", "tvdb:../1", "tt1/2"])
def test_only_an_id_of_another_service_is_looked_for(key: str) -> None:
    with pytest.raises(ReelhouseError, match="is not an id of another service"):
        find_request(key)


def test_an_answer_states_ids_of_other_services_by_itself_or_in_a_block() -> None:
    nested = {"imdb_id": "tt1", "tvdb_id": 81189, "wikidata_id": "Q1"}
    assert list(external_keys({"imdb_id": "nm0000002", "external_ids": nested})) == [
        "nm0000002",
        "tt0000001",
        "tvdb:81189",
    ]
    assert list(external_keys({"imdb_id": "", "tvdb_id": None, "external_ids": [1]})) == []


@pytest.mark.parametrize("key", ["²", "٣", "1" * 23, "../account", "", "tt0133093"])
def test_what_is_no_number_has_none(key: str) -> None:
    assert key_id(key) is None


@pytest.mark.parametrize("text", ["/configuration/languages", "/watch/providers/movie"])
def test_a_path_is_the_key_of_the_one_record_there(text: str) -> None:
    assert read_key(text) == Key(text, SINGLE)
    assert details_path(text, text) == text
    with pytest.raises(ReelhouseError, match="is neither a TMDB id"):
        details_path("/movie/{id}", text)


@pytest.mark.parametrize("text", ["/", "/a/", "//a", "/a b", "/a?b", "/a/../b", "a/b", "/a%2f", "/a\n"])
def test_what_could_mean_another_path_is_no_key(text: str) -> None:
    assert read_key(text) is None


def test_an_entity_without_ids_is_not_asked_for_one() -> None:
    with pytest.raises(ReelhouseError, match="is neither a TMDB id"):
        details_path("/configuration/languages", "603")


@pytest.mark.parametrize(("text", "id_"), [("603", 603), ("tt0133093", None)])
def test_an_id_is_a_key(text: str, id_: int | None) -> None:
    assert read_key(text) == Key(text, id_)
