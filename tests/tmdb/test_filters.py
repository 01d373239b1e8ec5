"""Discover's filters: a value that TMDB would ignore is refused, and names become the codes of TMDB's lists."""

from __future__ import annotations

import json as plain_json
from collections.abc import Iterator

import pytest
from aiohttp import web

from reelhouse.emulator import Emulator
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError, ListingError
from reelhouse.tmdb.discover import discover
from reelhouse.tmdb.filters import check_filters, resolve_filters
from tests.lakes import tmdb_data
from tests.serving import html, json, serving, verdict
from tests.tmdb.asking import with_client

MOVIE = ENTITIES["movie"]

Filters = dict[str, str]


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=3000, seed=1) as emulator:
        yield emulator


def _resolved(tmdb: Emulator, **filters: str) -> Filters:
    return with_client(tmdb.address, lambda client: resolve_filters(client, MOVIE, filters))


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"with_genres": ""}, "has an empty value"),
        ({"with_genres": "18,"}, "has an empty value"),
        ({"with_genres": "18,35|27"}, r"either a,b \(all of them\) or a\|b \(any of them\)"),
        ({"with_cast": "Brad Pitt"}, "'Brad Pitt': that is not a TMDB id"),
        ({"with_keywords": "1|two"}, "'two': that is not a TMDB id"),
        ({"without_companies": "-1"}, "'-1': that is not a TMDB id"),
        ({"year": "99"}, "not a year"),
        ({"primary_release_year": "199x"}, "not a year"),
        ({"primary_release_date.gte": "20200101"}, "write YYYY-MM-DD"),
        ({"primary_release_date.gte": "2020-W01-1"}, "write YYYY-MM-DD"),
        ({"release_date.lte": "2020-02-30"}, "write YYYY-MM-DD"),
        ({"release_date.lte": "2020-01-01 "}, "write YYYY-MM-DD"),
        ({"vote_count.gte": "1_000"}, "not a whole number"),
        ({"vote_count.gte": "+5"}, "not a whole number"),
        ({"vote_count.gte": "\u0663"}, "not a whole number"),
        ({"vote_average.gte": "7,5"}, "a number such as 7 or 7.5"),
        ({"vote_average.gte": "nan"}, "a number such as 7 or 7.5"),
        ({"with_runtime.lte": "1e3"}, "not a whole number"),
        ({"include_adult": "yes"}, "one of true, false"),
        ({"include_video": "True"}, "one of true, false"),
        ({"sort_by": "popularity"}, r"did you mean 'popularity\.\w+'"),
        ({"with_release_type": "7", "region": "BR"}, "one of 1, 2, 3, 4, 5, 6"),
        ({"with_watch_monetization_types": "flatrat", "watch_region": "BR"}, r"did you mean 'flatrate'\?"),
        ({"language": "portugu\u00eas"}, "a language such as pt or pt-BR"),
        ({"vote_count.gte": "10", "vote_count.lte": "9"}, "vote_count from 10 to 9 selects nothing"),
        ({"release_date.gte": "2020-01-02", "release_date.lte": "2020-01-01"}, "selects nothing"),
        ({"with_watch_providers": "8"}, "ignores with_watch_providers without watch_region"),
        ({"with_watch_monetization_types": "free"}, "without watch_region"),
        ({"watch_region": "BR"}, "without with_watch_providers or"),
        ({"with_release_type": "3"}, "ignores with_release_type without region"),
        ({"certification": "R"}, "without certification_country or region"),
        ({"certification_country": "US"}, "ignores certification_country without certification"),
        ({"vote_count": "5"}, r"did you mean 'vote_count\.\wte'"),
        ({"with_genres ": "18"}, "did you mean 'with_genres'"),
    ],
    ids=str,
)
def test_a_value_that_tmdb_would_ignore_is_refused_before_anything_is_asked(filters: Filters, said: str) -> None:
    with serving(lambda request: json({})) as server:
        with pytest.raises(ConfigError, match=said):
            with_client(server.url, lambda client: discover(client, MOVIE, filters))
        assert server.seen == []


def test_every_filter_of_the_official_spec_is_declared_with_its_type() -> None:
    spec = plain_json.loads(tmdb_data("openapi.json").read_text())
    declared = {one["name"]: one for one in spec["paths"]["/3/discover/movie"]["get"]["parameters"]}
    assert declared.keys() == MOVIE.discover.filters.keys()
    kinds = {"boolean": {"flag"}, "integer": {"whole", "year", "choice"}, "number": {"number", "whole"}}
    for name, one in declared.items():
        schema, takes = one["schema"], MOVIE.discover.filters[name]
        assert takes.kind in kinds.get(schema["type"], {"date", "choice", "id", "name", "locale"}), name
        assert (schema.get("format") == "date") == (takes.kind == "date"), name
        assert set(schema.get("enum", takes.choices)) == set(takes.choices), name


@pytest.mark.parametrize(
    "filters",
    [
        {"vote_average.gte": "7.5", "vote_average.lte": "8", "year": "1999", "include_adult": "false"},
        {"with_cast": "287|819", "with_keywords": "1,2", "sort_by": "vote_count.desc", "language": "pt-BR"},
        {"with_release_type": "2|3", "region": "US"},
        {"certification.lte": "PG-13", "certification_country": "US"},
    ],
    ids=str,
)
def test_what_the_spec_allows_is_taken(filters: Filters) -> None:
    check_filters(MOVIE, filters)


@pytest.mark.parametrize(
    ("given", "language", "resolved"),
    [
        ("Drama", "en-US", "18"),
        ("drama,SCIENCE fiction", "en-US", "18,878"),
        ("terror|Com\u00e9dia", "pt-BR", "27|35"),
        ("ficcao cientifica", "pt-BR", "878"),
        ("Horror", "pt-BR", "27"),
        ("18, 35", "pt-BR", "18,35"),
        ("27|Drama", "", "27|18"),
    ],
)
def test_genres_are_taken_by_name_in_the_language_that_is_asked_for_or_in_english(
    tmdb: Emulator, given: str, language: str, resolved: str
) -> None:
    chosen = {"language": language} if language else {}
    for name in ("with_genres", "without_genres"):
        assert _resolved(tmdb, **{name: given}, **chosen)[name] == resolved


@pytest.mark.parametrize(
    ("filters", "resolved"),
    [
        ({"with_original_language": "Portuguese|fr"}, "pt|fr"),
        ({"with_original_language": "EN"}, "en"),
        ({"with_origin_country": "brasil"}, "BR"),
        ({"region": "br"}, "BR"),
        ({"with_watch_providers": "Kinoplus|8", "watch_region": "BR"}, "9|8"),
        ({"certification": "pg-13", "certification_country": "US"}, "PG-13"),
    ],
    ids=str,
)
def test_other_lists_are_taken_by_name_or_code(tmdb: Emulator, filters: Filters, resolved: str) -> None:
    assert _resolved(tmdb, **filters)[next(iter(filters))] == resolved


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"with_genres": "terror", "language": "en-US"}, r"with_genres='terror': .*/genre/movie/list .*'horror'"),
        ({"with_genres": "18,Dramma"}, r"'Dramma': .*did you mean 'drama'\?"),
        ({"with_genres": "99999"}, "'99999'"),
        ({"with_genres": "Comediaa", "language": "pt-BR"}, r"did you mean 'comedia'\?"),
        ({"with_original_language": "english language"}, "/configuration/languages .*no such value"),
        ({"with_original_language": "qq"}, "'qq'"),
        ({"with_origin_country": "UK"}, "with_origin_country='UK'"),
        ({"region": "BRA"}, r"region='BRA': .*did you mean"),
        ({"certification": "PG13", "certification_country": "US"}, r"did you mean 'pg-13'\?"),
        ({"certification": "12A", "certification_country": "US"}, "'12A'"),
        ({"with_watch_providers": "Kinoplux", "watch_region": "BR"}, r"did you mean 'kinoplus'\?"),
        ({"with_watch_providers": "97", "watch_region": "BR"}, "with_watch_providers='97'"),
    ],
    ids=str,
)
def test_what_tmdb_s_own_lists_lack_is_refused_with_what_may_be_meant(
    tmdb: Emulator, filters: Filters, said: str
) -> None:
    tmdb.reset_stats()
    with pytest.raises(ConfigError, match=said):
        with_client(tmdb.address, lambda client: discover(client, MOVIE, filters))
    assert "discover" not in tmdb.stats().by_kind


def test_each_list_is_asked_once_and_only_where_a_filter_needs_it(tmdb: Emulator) -> None:
    tmdb.reset_stats()
    _resolved(tmdb, **{"vote_count.gte": "5", "with_cast": "1"})
    assert tmdb.stats().requests == 0
    _resolved(tmdb, with_genres="18", without_genres="27", with_origin_country="BR", region="US", language="pt-BR")
    assert tmdb.stats().by_kind == {"genre": 1, "configuration": 1}


def test_a_tmdb_without_a_list_takes_codes_alone() -> None:
    with serving(lambda request: verdict(404, 34)) as server:
        resolved = with_client(server.url, lambda client: resolve_filters(client, MOVIE, {"with_genres": "18|35"}))
        assert resolved == {"with_genres": "18|35"}
        with pytest.raises(ConfigError, match="has no list /genre/movie/list"):
            with_client(server.url, lambda client: resolve_filters(client, MOVIE, {"with_genres": "Drama"}))


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("body", [html(503), json({}), json({"genres": []}), json([]), web.Response(body=b'{"gen')])
def test_a_list_that_cannot_be_read_selects_nothing(body: web.Response) -> None:
    sent = body.body
    with serving(lambda request: web.Response(body=sent, status=body.status)) as server, pytest.raises(ListingError):
        with_client(server.url, lambda client: resolve_filters(client, MOVIE, {"with_genres": "18"}))


def test_names_of_the_recorded_lists_with_their_odd_blanks_are_found() -> None:
    lists = {
        "/3/genre/movie/list": tmdb_data("recorded", "genre", "genre_movie_list__language-da.json").read_bytes(),
        "/3/configuration/languages": tmdb_data(
            "recorded", "configuration", "configuration_languages.json"
        ).read_bytes(),
        "/3/configuration/countries": tmdb_data(
            "recorded", "configuration", "configuration_countries.json"
        ).read_bytes(),
    }
    asked = {
        "with_genres": "historie|Gyser",
        "with_original_language": "Norwegian|xx",
        "with_origin_country": "SU",
        "language": "da",
    }
    with serving(lambda request: web.Response(body=lists[request.path])) as server:
        found = with_client(server.url, lambda client: resolve_filters(client, MOVIE, asked))
    assert (found["with_genres"], found["with_origin_country"]) == ("36|27", "SU")
    assert found["with_original_language"] == "no|xx"
