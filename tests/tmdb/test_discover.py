"""Discover, at a server that keeps TMDB's rules: twenty a page, five hundred pages, unknown filters ignored."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, ListingError
from reelhouse.tmdb.discover import discover
from tests.serving import Answering, Server, json, serving, verdict
from tests.tmdb.asking import with_client

MOVIE = ENTITIES["movie"]


class Title(NamedTuple):
    """A row of the catalogue; no date is "" as TMDB writes it."""

    released: str
    votes: int
    runtime: int
    id: int
    popularity: float


class Catalogue:
    """Titles, most popular first, and the filters that TMDB's discover applies to them; *date* is a row's field."""

    def __init__(self, titles: list[Title], date: str = "release_date") -> None:
        self.titles = titles
        self.date = date
        self._found: dict[tuple[tuple[str, str], ...], list[Title]] = {}

    def answer(self, request: web.BaseRequest) -> web.Response:
        page = int(request.query.get("page", "1"))
        if not 1 <= page <= 500:
            return verdict(400, 22)
        found = self._select({name: value for name, value in request.query.items() if name != "page"})
        rows = [
            {"id": title.id, "popularity": title.popularity, self.date: title.released, "genre_ids": []}
            for title in found[page * 20 - 20 : page * 20]
        ]
        # As TMDB, it promises more pages than it gives.
        return json({"page": page, "results": rows, "total_pages": -(-len(found) // 20), "total_results": len(found)})

    def _select(self, query: dict[str, str]) -> list[Title]:
        key = tuple(sorted(query.items()))
        if key not in self._found:
            self._found[key] = self._selected(query)
        return self._found[key]

    def _selected(self, query: dict[str, str]) -> list[Title]:
        found = self.titles
        fields: dict[str, Callable[[Title], Any]] = {
            "primary_release_date": lambda title: title.released,
            "first_air_date": lambda title: title.released,
            "vote_count": lambda title: title.votes,
            "with_runtime": lambda title: title.runtime,
        }
        for name, value in query.items():
            field, _, bound = name.partition(".")
            if field in fields and bound:
                limit: Any = value if field.endswith("_date") else int(value)
                get = fields[field]
                # A title without a date lies in no window.
                found = [title for title in found if get(title) != ""]
                found = [t for t in found if (get(t) >= limit if bound == "gte" else get(t) <= limit)]
        order = query.get("sort_by", "")
        if order.startswith(("primary_release_date", "first_air_date")):
            found = sorted(found, key=lambda title: title.released, reverse=order.endswith("desc"))
        return found


def _titles(count: int, *, days: int = 20_000, votes: int = 3000, runtime: int = 240, seed: int = 1) -> list[Title]:
    chance = random.Random(seed)
    first = date(1960, 1, 1)
    return [
        Title(
            (first + timedelta(days=chance.randrange(days))).isoformat(),
            chance.randrange(votes),
            chance.randrange(runtime),
            id_,
            round(chance.random(), 4),
        )
        for id_ in range(1, count + 1)
    ]


def _discover(
    catalogue: Catalogue, filters: dict[str, str] | None = None, entity: Entity = MOVIE
) -> tuple[dict[int, float], Server]:
    with serving(catalogue.answer) as server:
        return with_client(server.url, lambda client: discover(client, entity, filters or {})), server


def _whole(titles: list[Title]) -> dict[int, float]:
    return {title.id: title.popularity for title in titles}


def test_what_fits_is_read_page_by_page() -> None:
    titles = _titles(333)
    found, server = _discover(Catalogue(titles), {"with_people": "18"})
    assert found == _whole(titles)
    assert len(server.seen) == 17
    assert {request.query["with_people"] for request in server.seen} == {"18"}


def test_nothing_found_is_nothing() -> None:
    assert _discover(Catalogue([]))[0] == {}


@pytest.mark.parametrize("name", ["with_genre", "primary_release_date", "page", "with_networks", "first_air_date.gte"])
def test_a_filter_that_tmdb_would_ignore_is_refused_before_anything_is_asked(name: str) -> None:
    with serving(Catalogue([]).answer) as server:
        with pytest.raises(ConfigError, match=name):
            with_client(server.url, lambda client: discover(client, MOVIE, {name: "1"}))
        assert server.seen == []


@pytest.mark.parametrize(("kind", "date"), [("movie", "release_date"), ("tv", "first_air_date")])
def test_past_five_hundred_pages_the_dates_are_split_and_every_title_is_found_once(kind: str, date: str) -> None:
    titles = _titles(21_000)
    found, server = _discover(Catalogue(titles, date), entity=ENTITIES[kind])
    assert found == _whole(titles)
    assert max(int(request.query["page"]) for request in server.seen) <= 500
    # Splitting asks for little beyond the pages themselves.
    assert len(server.seen) < 21_000 / 20 * 1.1


def test_titles_with_an_impossible_date_are_found_and_those_out_of_reach_are_counted() -> None:
    titles = _titles(10_300)
    # No window begins before 1870.
    ends = [titles[0]._replace(released="0000-00-00"), titles[1]._replace(released="1860-01-01")]
    notes: list[str] = []
    with serving(Catalogue([*ends, *titles[2:]]).answer) as server:
        found = with_client(server.url, lambda client: discover(client, MOVIE, {}, notes.append))
    assert set(_whole(titles)) - set(found) == {titles[1].id}
    assert notes == ["discover promises 10,300 titles, 1 of them could not be reached"]


@pytest.mark.long
def test_a_single_day_over_the_cap_is_split_by_votes_and_then_by_runtime() -> None:
    one_day = [title._replace(released="2020-01-01") for title in _titles(10_500, seed=2)]
    assert _discover(Catalogue(one_day))[0] == _whole(one_day)
    no_votes = [title._replace(votes=0) for title in one_day]
    found, server = _discover(Catalogue(no_votes))
    assert found == _whole(no_votes)
    assert any("with_runtime.gte" in request.query for request in server.seen)


def test_what_cannot_be_split_is_refused_in_words_and_not_cut() -> None:
    same = [title._replace(released="2020-01-01", votes=0, runtime=0) for title in _titles(10_001)]
    with pytest.raises(ListingError, match=r"10001 titles for .*2020-01-01.*nothing left to split by"):
        _discover(Catalogue(same))


def test_exactly_five_hundred_pages_need_no_split() -> None:
    titles = _titles(10_000)
    found, server = _discover(Catalogue(titles))
    assert found == _whole(titles)
    assert len(server.seen) == 500


def test_titles_without_a_date_are_found_though_no_window_holds_them() -> None:
    titles = [*_titles(10_050), *(Title("", 0, 0, id_, 0.1) for id_ in range(90_001, 91_000))]
    assert _discover(Catalogue(titles))[0] == _whole(titles)


def test_titles_without_a_date_that_cannot_all_be_reached_are_a_fault_and_no_smaller_listing() -> None:
    titles = [*_titles(10_000), *(Title("", 0, 0, id_, 0.1) for id_ in range(90_001, 100_501))]
    with pytest.raises(ListingError, match=r"promises 20500 titles, 20000 could be reached"):
        _discover(Catalogue(titles))


def test_a_user_s_own_bounds_are_kept_and_only_narrowed() -> None:
    titles = _titles(16_000, days=7305)
    undated = [Title("", 0, 0, id_, 0.1) for id_ in range(90_001, 90_100)]
    dates = sorted(title.released for title in titles)
    low, high = dates[1000], dates[14_000]
    filters = {"primary_release_date.gte": low, "primary_release_date.lte": high, "vote_count.gte": "1"}
    found, server = _discover(Catalogue([*titles, *undated]), filters)
    assert found == _whole([t for t in titles if low <= t.released <= high and t.votes >= 1])
    assert all(low <= request.query["primary_release_date.gte"] for request in server.seen)
    assert all(request.query["primary_release_date.lte"] <= high for request in server.seen)
    assert bisect_right(dates, high) - bisect_left(dates, low) > 10_000


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"primary_release_date.gte": "1.1.2020"}, "write YYYY-MM-DD"),
        ({"primary_release_date.gte": "2020"}, "write YYYY-MM-DD"),
        ({"vote_count.gte": "many"}, "not a whole number"),
    ],
)
def test_a_bound_that_is_none_is_refused_before_anything_is_asked(filters: dict[str, str], text: str) -> None:
    with serving(Catalogue(_titles(50)).answer) as server:
        with pytest.raises(ConfigError, match=text):
            with_client(server.url, lambda client: discover(client, MOVIE, filters))
        assert server.seen == []


def test_counts_that_move_a_little_while_they_are_read_are_tolerated() -> None:
    titles = _titles(12_000)
    catalogue = Catalogue(titles)

    def answering(request: web.BaseRequest) -> web.Response:
        if "primary_release_date.gte" not in request.query and "sort_by" not in request.query:
            rows = [{"id": 1, "popularity": 1.0}]
            return json({"page": 1, "results": rows, "total_pages": 601, "total_results": 12_015})
        return catalogue.answer(request)

    with serving(answering) as server:
        found = with_client(server.url, lambda client: discover(client, MOVIE, {}))
    assert found.keys() == _whole(titles).keys()


_FIRST: list[dict[str, Any]] = [{"id": id_} for id_ in range(1, 21)]


def _odd(change: Callable[[int, dict[str, Any]], dict[str, Any]], count: int = 60) -> Answering:
    """Sixty titles on three pages, of which *change* makes something else."""
    catalogue = Catalogue(_titles(count))

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        body = msgspec.json.decode(catalogue.answer(request).text or "")
        return json(change(body["page"], body))

    return answering


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda page, body: {**body, "results": []} if page == 2 else body, "page 2 .* empty, though it promises 60"),
        (lambda page, body: {**body, "results": []} if page > 1 else body, "page [23] .* empty"),
        (lambda page, body: {**body, "results": _FIRST}, "20 of the 20 rows of page 2 are those of page 1"),
        (lambda page, body: {**body, "results": [{"id": None}] * 20} if page == 3 else body, "page 3 .* have no id"),
        (lambda page, body: {**body, "page": 1}, "page [23] .* the answer is for page 1"),
        (lambda page, body: {**body, "total_pages": 1}, "promises 60 results, and its 1 pages hold 20"),
        (lambda page, body: {**body, "results": body["results"][:10]}, r"hold 30 \(page 1 has 10, page 2 has 10\)"),
    ],
    ids=["empty page", "empty pages", "the same page", "null ids", "wrong number", "cut total", "half pages"],
)
def test_pages_that_do_not_hold_what_they_promise_are_a_fault_and_no_smaller_listing(
    change: Callable[[int, dict[str, Any]], dict[str, Any]], said: str
) -> None:
    with serving(_odd(change)) as server, pytest.raises(ListingError, match=said):
        with_client(server.url, lambda client: discover(client, MOVIE, {}))


def test_two_duplicates_in_a_thousand_are_what_tmdb_does() -> None:
    def moved(page: int, body: dict[str, Any]) -> dict[str, Any]:
        if page in (3, 40):
            body["results"][0] = {"id": (page - 1) * 20}
        return {**body, "total_results": 1000 + page % 3}

    with serving(_odd(moved, 1000)) as server:
        assert len(with_client(server.url, lambda client: discover(client, MOVIE, {}))) == 998
