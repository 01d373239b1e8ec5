"""Lists that people bring: plain ids, MovieLens, Kaggle, spreadsheets, and what is wrong with them, by line."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelhouse.collect import id_lists
from reelhouse.collect.id_lists import KeyList, Reading, read_keys, read_lists
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError


def test_a_plain_list_keeps_its_order_and_names_each_id_once() -> None:
    assert read_keys("550\ntt0137523\n 11 \n550\n0013\n") == KeyList(("550", "tt0137523", "11", "13"), 0)


def test_blank_lines_name_nothing_and_are_counted() -> None:
    assert read_keys("\n550\n\n  \n11\n") == KeyList(("550", "11"), 3)


@pytest.mark.parametrize("text", ["", "\ufeff", "\n", "\n\n"])
def test_an_empty_list_is_empty(text: str) -> None:
    assert read_keys(text).keys == ()


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_any_line_end_ends_a_line(ending: str) -> None:
    assert read_keys(ending.join(("550", "11", ""))) == KeyList(("550", "11"), 0)
    assert read_keys(ending.join(("id,title", "550,Fight Club", "11,Star Wars", ""))) == KeyList(("550", "11"), 0)


def test_a_byte_order_mark_is_no_part_of_the_first_id_or_column() -> None:
    assert read_keys("\ufeff550\n11").keys == ("550", "11")
    assert read_keys("\ufeffid\n550").keys == ("550",)


def test_a_spreadsheet_s_whole_numbers_are_ids() -> None:
    assert read_keys("862.0\n550.0").keys == ("862", "550")
    assert read_keys("id\n862.0\n").keys == ("862",)


def test_imdb_ids_are_written_as_imdb_writes_them() -> None:
    assert read_keys("tt137523\ntt00137523\ntt10872600").keys == ("tt0137523", "tt10872600")


def test_movielens_links_use_tmdb_s_id_and_where_it_is_blank_imdb_s() -> None:
    text = "movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,8844\n142,0094878,\n3,,\n"
    assert read_keys(text) == KeyList(("862", "8844", "tt0094878"), 1)


@pytest.mark.parametrize(
    ("text", "keys"),
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
def test_tables_of_any_usual_shape_are_read(text: str, keys: tuple[str, ...]) -> None:
    assert read_keys(text).keys == keys


_OF_TRAKT = [
    {"type": "movie", "rank": 1, "movie": {"title": 'A, "b"', "ids": {"trakt": 1, "tmdb": 550, "imdb": "tt0137523"}}},
    {"type": "movie", "movie": {"title": "No TMDB", "ids": {"trakt": 2, "tmdb": None, "imdb": "tt0076759"}}},
    {"type": "episode", "episode": {"ids": {"tmdb": 63056}}, "show": {"ids": {"tmdb": 1399}}},
    {"plays": 2, "show": {"ids": {"tmdb": 1396, "tvdb": 81189}}},
    {"type": "movie", "movie": {"ids": {"trakt": 3}}},
]


def test_the_json_of_trakt_is_read_by_its_ids_and_kinds() -> None:
    movies, series = read_lists(json.dumps(_OF_TRAKT).encode(), Reading(), ["movie", "tv"])
    assert (movies.keys, series.keys) == (("550", "tt0076759"), ("1396",))
    assert (movies.blank, movies.others) == (1, {"episode": 1})
    plain = [{"title": "x", "ids": {"tmdb": 11}}, {"title": "y", "ids": {"imdb": "tt0137523"}}]
    assert read_keys(json.dumps(plain)).keys == ("11", "tt0137523")


@pytest.mark.parametrize("items", [[{"id": 550}], [{"ids": [550]}], [{"type": [1], "ids": None}]])
def test_objects_without_ids_are_refused_with_what_is_read(items: list[object]) -> None:
    with pytest.raises(ConfigError, match=r"no object of the JSON list has an id .*\[603, 550\], is read too"):
        read_keys(json.dumps(items))


def test_a_named_column_is_the_one_that_is_read() -> None:
    text = "id,Film,imdb_id\n1,550,tt0137523\n2,11,\n"
    assert read_keys(text, "film").keys == ("550", "11")
    assert read_keys(text, "IMDB_ID") == KeyList(("tt0137523",), 1)
    assert read_keys("550\n11\n12\n", "550").keys == ("11", "12")


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no column 'film' among id, title"):
        read_keys("id,title\n1,x\n", "film")


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("550\nFight Club\n", 2, "Fight Club"),
        ("550\n-1\n", 2, "-1"),
        ("550\n0\n", 2, "0"),
        ("550\n5.5\n", 2, "5.5"),
        ("550\n²\n", 2, "²"),
        ("550\n5 new\n", 2, "5 new"),
        ("550\n../account\n", 2, "../account"),
        ("550\n12345678901\n", 2, "12345678901"),
    ],
)
def test_what_is_no_id_is_named_with_its_line(text: str, line: int, shown: str) -> None:
    with pytest.raises(ConfigError, match=rf"line {line}: '{shown}' is neither a TMDB id"):
        read_keys(text)


def test_a_table_without_a_column_of_ids_says_so() -> None:
    with pytest.raises(ConfigError, match=r"line 1, 'title,year', is neither an id nor a header"):
        read_keys("title,year\nFight Club,1999\n")


def test_a_cell_of_any_length_is_read() -> None:
    long = "x" * 200_000
    assert read_keys(f"id,overview\n550,{long}\n").keys == ("550",)
    assert read_keys(f'id,overview\n550,"{long}"\n11,y\n').keys == ("550", "11")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('862,Toy\n8844,"Bad title\n949,Heat\n550,Fight\n', "line 3 opens a quote that is never closed"),
        ('1,"Broken\n2,t2\n3,t3\n', "line 2 opens a quote that is never closed"),
        ('862,"A\n2,B\n3,"C\n4,D\n', "line 2 opens a quote, and text stands behind the one that closes it in line 4"),
        ('862,"Alpha" Beta\n2,plain\n', "line 2 opens a quote, and text stands behind the one that closes it"),
        ('862,5" disc\n2,plain\n', "line 2: a quote stands inside a value that does not begin with one"),
        ('862,x\n2,"\n', "line 3 opens a quote that is never closed"),
        ('862,"A\n949,B\n550,C"\n11,D\n', "line 2 opens a quote and takes in a line that looks like a row, '949,B"),
        ('862,"A\n949,"\n550,C\n', "line 2 opens a quote and takes in a line that looks like a row, '949,"),
    ],
)
def test_a_stray_quote_takes_no_row_away(rows: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        read_keys("tmdbId,title\n" + rows)
    assert "(--no-quotes takes quotes as text)" in str(caught.value)
    ids = tuple(line.split(",")[0] for line in rows.splitlines())
    assert read_keys("tmdbId,title\n" + rows, Reading(quotes=False)).keys == ids


def test_a_stray_quote_in_a_title_before_the_ids_takes_no_row_away() -> None:
    with pytest.raises(ConfigError, match="line 2 opens a quote"):
        read_keys('title,tmdb_id\n"A,1\nB,2"\nC,3\n')
    with pytest.raises(ConfigError, match="line 2 opens a quote and takes in a line that looks like a row, 'B,2'"):
        read_keys('title,tmdb_id\n"A,1\nB,2\nC",3\n')


def test_a_value_that_spans_lines_in_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 2 opens a quote and goes on for 2 lines, and then it has 3 values"):
        read_keys('id,title\n862,"A\nb\n",x\n')


def test_two_columns_of_one_name_are_named() -> None:
    with pytest.raises(ConfigError, match="several columns are called 'id': rename all but one"):
        read_keys("id,id\n1,2\n")


def test_a_stray_quote_in_the_column_of_ids_or_in_a_plain_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="line 2 opens a quote that is never closed"):
        read_keys('id\n"550\n11\n')
    with pytest.raises(ConfigError, match="line 2: a quote stands inside"):
        read_keys('550\n11"\n12\n')


def test_what_a_quote_takes_in_is_bounded() -> None:
    with pytest.raises(ConfigError, match=r"line 2 opens a quote that is not closed within 64 MB or 100,000 lines"):
        read_keys('id,title\n550,"' + "x\n" * 150_000)


def test_escapes_are_read_where_they_are_named_and_suggested_where_they_are_likely() -> None:
    text = 'id,title\n550,"He said \\"hi\\" and left"\n11,x\n'
    with pytest.raises(ConfigError, match=r"line 2 opens a quote.*\(--escape .*; --no-quotes"):
        read_keys(text)
    assert read_keys(text, Reading(escape="\\")).keys == ("550", "11")


def test_values_that_span_lines_are_read_and_counted() -> None:
    found = read_keys('id,title\n550,"two\nlines"\n11,"a\n\nb, c"\n')
    assert (found.keys, found.spanning) == (("550", "11"), 2)
    assert "values of the list that span lines: 2" in found.notes


KINDS = "rated_at,type,title,year,imdb_id,tmdb_id\n"


def test_rows_of_other_kinds_are_not_asked_but_counted_by_kind() -> None:
    rows = "d,movie,Heat,1995,tt0113277,949\nd,show,S,2008,tt0000001,1396\nd,episode,P,2008,tt0000002,62085\n"
    found = read_keys(KINDS + rows)
    assert (found.keys, found.others) == (("949",), {"show": 1, "episode": 1})
    assert found.notes == [
        "ids read from column tmdb_id and, where that is blank, imdb_id",
        "not requested, because they are not movies: 1 show, 1 episode",
    ]
    assert read_keys(KINDS + rows, Reading(kinds=False)).keys == ("949", "1396", "62085")


@pytest.mark.parametrize("column", ["Type", "media_type", "kind", "titleType", "Title Type", "MEDIA TYPE"])
@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("movie", True),
        ("Movie", True),
        ("TV Movie", True),
        ("Película", True),
        ("short", True),
        ("tvSeries", False),
        ("TV Mini Series", False),
        ("Série", False),
        ("season", False),
        ("person", False),
        ("podcast", False),
        ("", False),
    ],
)
def test_a_column_of_kinds_is_honoured_whatever_it_is_called(column: str, kind: str, asked: bool) -> None:
    found = read_keys(f"tmdb_id,{column}\n1,movie\n2,{kind}\n")
    assert found.keys == (("1", "2") if asked else ("1",))
    assert found.others == ({} if asked else {kind or "without a kind": 1})


def test_a_kind_that_nobody_knows_is_named_as_such() -> None:
    found = read_keys("tmdb_id,type\n1,movie\n2,podcast\n3,\n")
    why = "not requested, because they are not movies"
    assert found.notes[1] == f"{why}: 1 of an unknown kind ('podcast'), 1 without a kind"


def test_a_list_without_any_movie_says_what_it_holds_and_how_to_ask_it_all_the_same() -> None:
    with pytest.raises(ConfigError, match=r"holds no movie, only 2 show; --all-kinds requests every row as a movie"):
        read_keys("tmdb_id,type\n1,show\n2,show\n")


def test_tmdb_s_column_wins_over_imdb_s_and_a_blank_one_falls_back_to_it() -> None:
    found = read_keys("TMDb ID,IMDb ID,Type,Name\n603,tt0133093,movie,a\n,tt0000005,movie,b\n1399,tt0944947,tv,c\n")
    assert (found.keys, found.others) == (("603", "tt0000005"), {"tv": 1})


@pytest.mark.parametrize(
    ("header", "both", "choose"),
    [
        ("id,imdb_id,title", "id and imdb_id", "--ids-column id or --ids-column imdb_id"),
        ("tmdb_id,id,title", "tmdb_id and id", "--ids-column tmdb_id or --ids-column id"),
        ("movie_id,id,title", "movie_id and id", "--ids-column movie_id or --ids-column id"),
        ("imdb_id,tconst,title", "imdb_id and tconst", "--ids-column imdb_id or --ids-column tconst"),
        ("TMDb ID,tmdb_id,title", "TMDb ID and tmdb_id", "--ids-column 'TMDb ID' or --ids-column tmdb_id"),
    ],
)
def test_two_columns_that_may_be_meant_are_a_question(header: str, both: str, choose: str) -> None:
    text = f"{header}\n1,tt0114709,First\n"
    with pytest.raises(
        ConfigError, match=re.escape(f"{both} may all hold the ids that are meant; say which: {choose}")
    ):
        read_keys(text)
    chosen = header.split(",")[1]
    with contextlib.suppress(ConfigError):
        assert read_keys(text, chosen).columns == (chosen,)


def test_a_chosen_column_is_the_only_one_that_is_read() -> None:
    text = "id,imdb_id,title\n1,tt0114709,First\n2,,Second\n"
    assert read_keys(text, "imdb_id") == KeyList(("tt0114709",), 1)
    assert read_keys(text, "id") == KeyList(("1", "2"), 0)


def test_every_row_of_a_list_is_accounted_for() -> None:
    found = read_keys("tmdb_id,type\n1,movie\n1,movie\n,movie\n\n2,show\n3,movie\n")
    assert found.summary() == {
        "columns": ["tmdb_id"],
        "ids": 2,
        "duplicates": 1,
        "blank": 2,
        "invalid": 0,
        "other_kinds": {"show": 1},
        "spanning": 0,
    }


def test_upper_case_and_quotes_around_ids_are_read() -> None:
    assert read_keys('TT0114709\n"603"\n').keys == ("tt0114709", "603")


@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 2_000_000),
            # A lone carriage return ends a line of a CSV, though Python's writer does not quote it; and what has an id
            # after a line end would look like a row.
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r0123456789")),
        ),
        max_size=20,
    ),
    delimiter=st.sampled_from(",;\t|"),
)
def test_whatever_stands_in_other_columns_the_ids_are_read(rows: list[tuple[int, str]], delimiter: str) -> None:
    written = io.StringIO()
    table = csv.writer(written, delimiter=delimiter, lineterminator="\n")
    table.writerows([("id", "title"), *rows])
    assert read_keys(written.getvalue()).keys == tuple(dict.fromkeys(str(id_) for id_, _ in rows))


@pytest.fixture
def gadgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second entity that lists call gadget."""
    second = replace(ENTITIES["movie"], name="gadget", plural="gadgets", words="gadget gadgets", course_name="Gadgets")
    monkeypatch.setitem(ENTITIES, "gadget", second)
    monkeypatch.setattr(id_lists, "_KIND_OF", {**id_lists._KIND_OF, "gadget": "gadget", "gadgets": "gadget"})


_MIXED = b"type,tmdb\nmovie,1\ngadget,2\nseries,3\nMovie,4\ngadget,1\n"


@pytest.mark.usefixtures("gadgets")
def test_rows_of_a_mixed_list_go_to_the_entity_that_they_are_about() -> None:
    movies, gadgets = read_lists(_MIXED, Reading(), ["movie", "gadget"])
    assert (movies.entity, movies.keys, movies.others) == ("movie", ("1", "4"), {"series": 1})
    assert (gadgets.entity, gadgets.keys, gadgets.others) == ("gadget", ("2", "1"), {"series": 1})
    (only,) = read_lists(_MIXED, Reading(), ["gadget"])
    assert (only.keys, only.others) == (("2", "1"), {"movie": 1, "series": 1, "Movie": 1})
    (only,) = read_lists(b"type,tmdb\ngadget,2\n", Reading(), ["movie", "gadget"])
    assert (only.entity, only.keys) == ("gadget", ("2",))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"1\n2\n", "say what the ids are about, with --entity movie or --entity gadget"),
        (b"tmdb\n1\n", "say what the ids are about"),
        (b"type,tmdb\nseries,1\n", "the list holds no movie, gadget, only 1 series"),
        (b"", "the list holds no movie, gadget id$"),
    ],
)
@pytest.mark.usefixtures("gadgets")
def test_ids_of_nobody_knows_what_are_requested_of_nobody(text: bytes, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_lists(text, Reading(), ["movie", "gadget"])


_UNKNOWN = b"tt0133093\nnm0000206\nhttps://www.themoviedb.org/tv/1399\nhttps://www.imdb.com/title/tt0944947/\n"


def test_ids_that_say_what_they_are_need_no_column_of_kinds() -> None:
    series, people, movies = read_lists(_UNKNOWN, Reading(), ["movie", "tv", "person"])
    # A title may be either, or both: movies come last, since `/find` says which these are.
    assert (series.entity, series.keys, series.others) == ("tv", ("tt0133093", "1399", "tt0944947"), {})
    assert (movies.entity, movies.keys, movies.others) == ("movie", ("tt0133093", "tt0944947"), {})
    assert (people.entity, people.keys, people.others) == ("person", ("nm0000206",), {})
    people, movies = read_lists(_UNKNOWN, Reading(), ["movie", "person"])
    assert (movies.others, people.others) == ({"tv": 1}, {"tv": 1})
    (movies,) = read_lists(b"const\ntt0133093\n", Reading(), ["movie", "company"])
    assert movies.keys == ("tt0133093",)


@pytest.mark.parametrize("text", [_UNKNOWN + b"603\n", b"imdbId\n0133093\n", b"tmdb,imdb_id\n,tt0133093\n603,\n"])
def test_one_number_that_may_be_anything_makes_the_list_unclear(text: bytes) -> None:
    with pytest.raises(ConfigError, match="say what the ids are about, with --entity movie or --entity tv"):
        read_lists(text, Reading(), ["movie", "tv", "person"])


def test_the_name_of_a_file_says_whose_ids_it_has() -> None:
    (series,) = read_lists(b"1399\n", Reading(name="lists/series.csv"), ["movie", "tv"])
    assert (series.entity, series.keys) == ("tv", ("1399",))
    with pytest.raises(ConfigError, match="is about tv, not about movie"):
        read_lists(b"1399\n", Reading(name="series.csv"), ["movie", "person"])
    for how in (Reading(name="series.csv", kinds=False), Reading(name="movies and series.txt")):
        with pytest.raises(ConfigError, match="say what the ids are about"):
            read_lists(b"1399\n", how, ["movie", "tv"])
    # A column of kinds knows better.
    movies, series = read_lists(b"type,tmdb\nmovie,1\ntv,2\n", Reading(name="series.csv"), ["movie", "tv"])
    assert (movies.keys, series.keys) == (("1",), ("2",))


@pytest.mark.parametrize("name", ["series.csv", "lists/My-Series_2020.csv", "tv.txt"])
def test_a_list_that_is_named_after_another_kind_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="is about tv, not about movie: --all-kinds"):
        read_keys("id\n1\n", Reading(name=name))
    assert read_keys("id\n1\n", Reading(name=name, kinds=False)).keys == ("1",)
    assert read_keys("type,id\nmovie,1\n", Reading(name=name)).keys == ("1",)


@pytest.mark.parametrize("name", ["", "-", "list.csv", "links.csv", "movies.csv", "movies and series.csv", "name.csv"])
def test_a_list_whose_name_says_nothing_else_is_read(name: str) -> None:
    assert read_keys("id\n1\n", Reading(name=name)).keys == ("1",)


def test_cells_that_are_no_ids_are_counted_with_their_lines_and_requested_never() -> None:
    rows = ("603,a", "0,b", "-1,c", "nan,d", "\\N,e", "1997-08-20,f", "٣,g", '550,"two', 'lines"', "x,y")
    found = read_keys("tmdbId,title\n" + "\n".join(rows) + "\n")
    assert found.keys == ("603", "550")
    assert found.invalid == 7
    assert found.invalid_shown[0] == "line 3: '0'"
    assert "cells that are not ids of movies and were not requested: 7 (line 3: '0', line 4: '-1'" in found.notes[1]
    with pytest.raises(ConfigError, match=r"line 2: 'x' is neither a TMDB id \(550\), .* and the list contains no ids"):
        read_keys("id,title\nx,y\n")


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (b"[1, 2]", ("1", "2")),
        (b'["tt0114709", 603]\n', ("tt0114709", "603")),
        (gzip.compress(b"603\n550\n"), ("603", "550")),
        (gzip.compress(b"tmdbId,title\n603,x\n"), ("603",)),
        (gzip.compress(b"603\n") + gzip.compress(b"550\n"), ("603", "550")),
        (b"tmdbId,title\n603,x,\n550\n", ("603", "550")),
        ("tmdbId,title\n603,é\n".encode("latin-1"), ("603",)),
        ("tmdbId,title\n603,é\n".encode("utf-16"), ("603",)),
        (b"\xef\xbb\xbf[603, 550]", ("603", "550")),
        (b'\xef\xbb\xbf [{"tmdbId": 603}]', ("603",)),
        (b"\n \n\nid,title\n603,x\n", ("603",)),
        (b'TT0114709\n"603"\n', ("tt0114709", "603")),
        (
            b"https://www.themoviedb.org/movie/603-the-first\nhttps://www.imdb.com/title/tt0114709/\n",
            ("603", "tt0114709"),
        ),
        (b"https://www.themoviedb.org/tv/1399\nthemoviedb.org/movie/603?language=de\n", ("603",)),
        (b"id,title\nhttps://www.themoviedb.org/movie/603,x\n", ("603",)),
        (b" Const ,Your Rating\ntt0114709,8\n", ("tt0114709",)),
    ],
)
def test_lists_are_read_as_people_have_them(body: bytes, keys: tuple[str, ...]) -> None:
    assert read_keys(body).keys == keys


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[1,", "the list begins with [ but is not JSON"),
        (b'[{"id": 1}]', "no object of the JSON list has an id"),
        (gzip.compress(b"603\n550\n")[:-6], "the gzip file is cut short"),
        (b"\x1f\x8bxxxxxxxxxxxx", "the gzip file is damaged"),
        (gzip.compress(b"603\n") + b"550\n", "the gzip file is damaged"),
        (b"tmdb_id\n1,2\n3\n", "line 2 has 2 values where the header names 1: quote values that contain ','"),
        (b'title,tmdb_id\n"A",1\nSeven, 2,3\n', "line 3 has 3 values where the header names 2"),
        (b"a,,b\n1,2,3\n", "is neither an id nor a header with a column of ids"),
    ],
)
def test_a_list_that_cannot_be_read_says_why(body: bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_keys(body)


@pytest.mark.parametrize(
    ("entity", "text", "keys", "others"),
    [
        ("person", "nm0000093\n287\nhttps://www.imdb.com/name/nm0000206/\n", ("nm0000093", "287", "nm0000206"), {}),
        ("person", "nconst\n0000093\nnm206\n", ("nm0000093", "nm0000206"), {}),
        ("person", "nm0000093\ntt0137523\n", ("nm0000093",), {"title": 1}),
        ("movie", "nm0000093\ntt0137523\n", ("tt0137523",), {"person": 1}),
        ("tv", "imdb_id,name\ntt0903747,a\nnm0000093,b\n0944947,c\n", ("tt0903747", "tt0944947"), {"person": 1}),
        ("collection", "10\ntt0137523\n", ("10",), {"title": 1}),
    ],
)
def test_an_imdb_id_of_another_kind_is_counted_and_not_asked(
    entity: str, text: str, keys: tuple[str, ...], others: dict[str, int]
) -> None:
    found = read_keys(text, Reading(entity=entity))
    assert (found.keys, found.others) == (keys, others)
    assert "unknown kind" not in str(found.notes)


def test_a_list_of_nothing_but_other_imdb_ids_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ids: the list holds no movie, only 2 person$"):
        read_keys("nm0000093\nnm0000206\n")


_TV = Reading(entity="tv")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("tvdb:81189\nTVDB:0121361\ntvdb://78874\n1396\n", ("tvdb:81189", "tvdb:121361", "tvdb:78874", "1396")),
        ("81189\n121361\n", ("81189", "121361")),
        ("tvdb_id\n81189\n121361.0\ntvdb:5\n", ("tvdb:81189", "tvdb:121361", "tvdb:5")),
        ("title,TVDB\na,81189\n", ("tvdb:81189",)),
        ("thetvdb_id\n81189\n", ("tvdb:81189",)),
        ("id,title\ntvdb:81189,a\n1396,b\n", ("tvdb:81189", "1396")),
        # Of one row TMDB's id is taken before IMDb's, and TVDB's last.
        (
            "tvdb_id,imdb_id,tmdb_id\n81189,tt0903747,1396\n121361,tt0944947,\n78874,,\n,,\n",
            ("1396", "tt0944947", "tvdb:78874"),
        ),
        ('["tvdb:81189", 1396]', ("tvdb:81189", "1396")),
        # As Sonarr has them.
        (
            '[{"title": "a", "tvdbId": 81189, "tmdbId": 0}, {"tvdbId": 2, "imdbId": "tt0944947"}]',
            ("tvdb:81189", "tt0944947"),
        ),
    ],
)
def test_ids_of_tvdb_are_read_and_never_taken_for_ids_of_tmdb(text: str, keys: tuple[str, ...]) -> None:
    assert read_keys(text, _TV).keys == keys


def test_the_column_of_tvdb_ids_is_named_and_chosen_like_others() -> None:
    text = "id,series_tvdb_id\n1,81189\n2,\n"
    assert read_keys(text, _TV._replace(column="series_tvdb_id")) == KeyList(("tvdb:81189",), 1)
    with pytest.raises(ConfigError, match="id and tvdb_id may all hold the ids that are meant"):
        read_keys("id,tvdb_id\n1,81189\n", _TV)
    with pytest.raises(ConfigError, match="TVDB and thetvdb_id may all hold"):
        read_keys("TVDB,thetvdb_id\n1,81189\n", _TV)
    (note, *_) = read_keys("tvdb_id,tmdb_id\n81189,\n", _TV).notes
    assert note == "ids read from column tmdb_id and, where that is blank, tvdb_id"


def test_tvdb_ids_in_the_json_of_trakt_are_those_of_series_only() -> None:
    shows = [
        {"type": "show", "show": {"ids": {"tmdb": None, "imdb": None, "tvdb": 81189}}},
        {"type": "movie", "movie": {"ids": {"tmdb": 550}}},
        {"type": "movie", "movie": {"ids": {"tvdb": 99}}},
    ]
    movies, series = read_lists(json.dumps(shows).encode(), Reading(), ["movie", "tv"])
    assert (series.keys, series.others, series.invalid) == (("tvdb:81189",), {}, 0)
    # TVDB has movies too; TMDB does not know their ids.
    assert (movies.keys, movies.others, movies.invalid_shown) == (("550",), {}, ("line 4: '99'",))


def test_tvdb_ids_say_by_themselves_that_they_are_of_series() -> None:
    text = b"tvdb_id,imdb_id\n81189,\n,tt0137523\n"
    series, movies = read_lists(text, Reading(), ["movie", "tv"])
    assert (series.entity, series.keys, series.others) == ("tv", ("tvdb:81189", "tt0137523"), {})
    assert (movies.entity, movies.keys, movies.others) == ("movie", ("tt0137523",), {})
    alone = read_keys(text)
    assert (alone.keys, alone.others) == (("tt0137523",), {"tv": 1})
    assert "not requested, because they are not movies: 1 tv" in alone.notes


@pytest.mark.parametrize(
    ("entity", "text", "keys"),
    [
        ("person", "movie_id,person_id\n1,2\n1,3\n", ("2", "3")),
        ("movie", "movie_id,person_id\n1,2\n4,3\n", ("1", "4")),
        ("tv", "tv id\n5\n", ("5",)),
    ],
)
def test_a_column_named_after_an_entity_has_its_ids(entity: str, text: str, keys: tuple[str, ...]) -> None:
    assert read_keys(text, Reading(entity=entity)).keys == keys


def test_a_column_named_after_another_entity_is_not_requested_unless_it_is_named() -> None:
    text = "person_id\n2\n3\n"
    with pytest.raises(ConfigError, match="person_id does not hold ids of movie: select --entity person, or name"):
        read_keys(text)
    assert read_keys(text, Reading("person_id")).keys == ("2", "3")
    [people] = read_lists(text.encode(), Reading(), ["movie", "person"])
    assert (people.entity, people.keys) == ("person", ("2", "3"))
    with pytest.raises(ConfigError, match="tv_id or person_id does not hold"):
        read_keys("tv_id,person_id\n1,2\n")
