"""Files of the course: arrays of a hundred records and ten megabytes at most, each body as it came."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.course.layout import (
    MOST_BYTES,
    MOST_RECORDS,
    as_array,
    file_key,
    file_number,
    folder_of,
    is_file,
    pack,
)
from reelhouse.warehouse.course.local import as_parquet
from tests.lakes import tmdb_data

FOLDER = "Raw/TMDB/JSON/2026/11/23/"


def test_a_file_is_an_array_with_a_record_on_each_line() -> None:
    made = as_array([b'{"id":1, "title":"\\u00e9"}', '{"id":2,"title":"é\u2028"}'.encode()])
    assert made.decode() == '[\n{"id":1, "title":"\\u00e9"},\n{"id":2,"title":"é\u2028"}\n]\n'
    assert [record["title"] for record in json.loads(made)] == ["é", "é\u2028"]


def test_a_hundred_records_fit_and_no_more() -> None:
    assert [len(group) for group in pack([b"{}"] * (2 * MOST_RECORDS + 1))] == [MOST_RECORDS, MOST_RECORDS, 1]
    assert list(pack([])) == []


def test_a_file_may_have_ten_megabytes_and_not_a_byte_more() -> None:
    first = b'{"a":"%b"}' % (b"x" * 5_000_000)
    rest = MOST_BYTES - len(as_array([first, b""]))
    (whole,) = pack([first, b"x" * rest])
    assert len(as_array(whole)) == MOST_BYTES
    assert [len(group) for group in pack([first, b"x" * (rest + 1)])] == [1, 1]


def test_a_record_that_is_larger_than_a_file_may_be_is_alone_in_its_own() -> None:
    large = b"x" * (MOST_BYTES + 1)
    assert [len(group) for group in pack([b"{}", large, b"{}", b"{}"])] == [1, 1, 2]


@given(st.lists(st.binary(max_size=400_000), max_size=300))
def test_every_body_is_in_one_group_in_its_order(bodies: list[bytes]) -> None:
    groups = list(pack(bodies))
    assert [body for group in groups for body in group] == bodies
    assert all(len(group) <= MOST_RECORDS for group in groups)
    assert all(len(as_array(group)) <= MOST_BYTES for group in groups)


def test_all_recorded_movies_are_kept_byte_for_byte() -> None:
    files = sorted(path for path in tmdb_data("recorded", "movie").iterdir() if path.is_file())[:MOST_RECORDS]
    bodies = [path.read_bytes() for path in files]
    made = as_array(bodies)
    assert all(body in made for body in bodies)
    assert json.loads(made) == [json.loads(body) for body in bodies]


@pytest.mark.parametrize(
    ("kinds", "number", "purges", "key"),
    [
        (False, 1, 0, "Raw/TMDB/JSON/2026/11/23/movies_0001.json"),
        (True, 12345, 0, "Raw/TMDB/JSON/Movies/2026/11/23/movies_12345.json"),
        (True, 7, 2, "Raw/TMDB/JSON/Movies/2026/11/23/movies_0007-p2.json"),
    ],
)
def test_names_are_made_and_known_again(kinds: bool, number: int, purges: int, key: str) -> None:
    assert file_key(folder_of("Movies", "2026/11/23", kinds=kinds), "Movies", number, purges) == key
    assert is_file(key)
    assert file_number(key, purges) == number
    assert file_number(key, purges + 1) is None


@pytest.mark.parametrize(
    "name",
    ["_SUCCESS", "movies.json", "mine_0001.json.bak", "Movies_0001.json", "movies_01.json", "x/movies_0001.json"],
)
def test_other_names_are_other_peoples(name: str) -> None:
    assert not is_file(FOLDER + name)
    assert not is_file("raw/" + FOLDER + "movies_0001.json")


def test_mysql_s_word_for_null_is_null_in_the_copies_of_local_files() -> None:
    rows, body, _ = as_parquet("a.csv", b"id|t\n1|\\N\n2|x\n")
    assert (rows, pq.read_table(io.BytesIO(body)).to_pylist()) == (2, [{"id": "1", "t": None}, {"id": "2", "t": "x"}])
