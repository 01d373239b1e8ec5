"""Lists that people bring: plain ids, MovieLens, Kaggle, spreadsheets, and what is wrong with them, by line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.collect.asks import Asks, read_asks
from reelhouse.errors import ConfigError


def test_a_plain_list_keeps_its_order_and_names_each_id_once() -> None:
    assert read_asks("550\ntt0137523\n 11 \n550\n0013\n") == Asks(("550", "tt0137523", "11", "13"), 0)


def test_blank_lines_name_nothing_and_are_counted() -> None:
    assert read_asks("\n550\n\n  \n11\n") == Asks(("550", "11"), 3)


@pytest.mark.parametrize("text", ["", "\ufeff", "\n", "\n\n"])
def test_an_empty_list_is_empty(text: str) -> None:
    assert read_asks(text).asks == ()


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_end_ends_a_line(ending: str) -> None:
    assert read_asks(ending.join(("550", "11", ""))) == Asks(("550", "11"), 0)
    assert read_asks(ending.join(("id,title", "550,Fight Club", "11,Star Wars", ""))) == Asks(("550", "11"), 0)


def test_a_byte_order_mark_is_no_part_of_the_first_id_or_column() -> None:
    assert read_asks("\ufeff550\n11").asks == ("550", "11")
    assert read_asks("\ufeffid\n550").asks == ("550",)


def test_a_spreadsheet_s_whole_numbers_are_ids() -> None:
    assert read_asks("862.0\n550.0").asks == ("862", "550")
    assert read_asks("id\n862.0\n").asks == ("862",)


def test_imdb_ids_are_written_as_imdb_writes_them() -> None:
    assert read_asks("tt137523\ntt00137523\ntt10872600").asks == ("tt0137523", "tt10872600")


def test_movielens_links_use_tmdb_s_id_and_where_it_is_blank_imdb_s() -> None:
    text = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,8844\n142,0094878,\n3,,\n"
    assert read_asks(text) == Asks(("862", "8844", "tt0094878"), 1)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("id;title\n550;Fight Club, uncut\n", ("550",)),
        ("title|tmdb_id\nFight Club|550\n", ("550",)),
        ("tconst\ttitleType\ntt0137523\tmovie\n", ("tt0137523",)),
        ("TMDB_ID,IMDB_ID\n,tt0137523\n11,\n", ("tt0137523", "11")),
        ("movie_id,title,cast\n19995,Avatar,[]\n", ("19995",)),
        ('"id","title"\n"550","a ""quoted"", title"\n', ("550",)),
        ("imdb_id,title\n0137523,no letters\n", ("tt0137523",)),
        ("title,id\nshort row\nStar Wars,11\n", ("11",)),
    ],
)
def test_tables_of_any_usual_shape_are_read(text: str, asks: tuple[str, ...]) -> None:
    assert read_asks(text).asks == asks


def test_a_named_column_is_the_one_that_is_read() -> None:
    text = "id,Film,imdb_id\n1,550,tt0137523\n2,11,\n"
    assert read_asks(text, "film").asks == ("550", "11")
    assert read_asks(text, "IMDB_ID") == Asks(("tt0137523",), 1)
    assert read_asks("550\n11\n12\n", "550").asks == ("11", "12")


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no column 'film' among id, title"):
        read_asks("id,title\n1,x\n", "film")


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("550\nFight Club\n", 2, "Fight Club"),
        ("550\n-1\n", 2, "-1"),
        ("550\n0\n", 2, "0"),
        ("550\n5.5\n", 2, "5.5"),
        ("550\n12345678901\n", 2, "12345678901"),
        ("550\nnm0000093\n", 2, "nm0000093"),
        ("id,title\n550,x\n1997-08-20,y\n", 3, "1997-08-20"),
        ('id,title\n550,"two\nlines"\nx,y\n', 4, "x"),
    ],
)
def test_what_is_no_id_is_named_with_its_line(text: str, line: int, shown: str) -> None:
    with pytest.raises(ConfigError, match=rf"line {line}: '{shown}' is no TMDB id"):
        read_asks(text)


def test_a_table_without_a_column_of_ids_says_so() -> None:
    with pytest.raises(ConfigError, match=r"line 1, 'title,year', is neither an id nor a header"):
        read_asks("title,year\nFight Club,1999\n")


def test_a_cell_too_large_for_a_csv_is_an_error_in_words() -> None:
    with pytest.raises(ConfigError, match=r"line 2: field larger"):
        read_asks("id,overview\n550," + "x" * 200_000)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 2_000_000),
            # A lone carriage return ends a line of a CSV, though Python's writer does not quote it.
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r")),
        ),
        max_size=20,
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_whatever_stands_in_other_columns_the_ids_are_read(rows: list[tuple[int, str]], delimiter: str) -> None:
    written = io.StringIO()
    table = csv.writer(written, delimiter=delimiter, lineterminator="\n")
    table.writerows([("id", "title"), *rows])
    assert read_asks(written.getvalue()).asks == tuple(dict.fromkeys(str(id_) for id_, _ in rows))
