"""`/discover/movie`: filters over columns that the first request builds, and over blocks if necessary.

Filters by cast, crew, company, keyword, region, certificate or provider read the block of every movie that passed the
cheap filters; combine them with a date or a vote window in a large catalogue.
"""

import re
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reelhouse.emulator.columns import Columns, genre_mask
from reelhouse.emulator.world import World

Query = Mapping[str, str]
Test = Callable[[int], bool]
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters of a query that TMDB knows, in one order; anything else it ignores."""

    filters: tuple[tuple[str, str], ...]
    sort_by: str


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _bound(column: "array[int] | array[float]", direction: str, text: str) -> Test | None:
    limit = _number(text)
    if limit is None:
        return None
    return (lambda index: column[index] >= limit) if direction == "gte" else (lambda index: column[index] <= limit)


def _date_bound(day: "array[int]", direction: str, text: str) -> Test | None:
    try:
        limit = date.fromisoformat(text[:10]).toordinal()
    except ValueError:
        return None
    if direction == "gte":
        return lambda index: day[index] >= limit
    # A movie without a date is in no window, not even in one that is open to the past.
    return lambda index: 0 < day[index] <= limit


def _year(day: "array[int]", text: str) -> Test | None:
    number = _number(text)
    if number is None or not 1 <= number <= 9998:
        return None
    first, after = date(int(number), 1, 1).toordinal(), date(int(number) + 1, 1, 1).toordinal()
    return lambda index: first <= day[index] < after


def matches(wanted: str, present: set[str]) -> bool:
    """Whether *present* satisfies `a,b` (all of them) or `a|b` (any of them)."""
    if "|" in wanted:
        return not present.isdisjoint(wanted.split("|"))
    return present.issuperset(part for part in wanted.split(",") if part)


def _excludes(unwanted: str, present: set[str]) -> bool:
    return present.isdisjoint(unwanted.replace("|", ",").split(","))


def _genre_masks(text: str, separator: str) -> list[int]:
    return [genre_mask((int(part),)) for part in text.split(separator) if part.isascii() and part.isdigit()]


def _genres(columns: Columns, text: str) -> Test:
    genres = columns.genres
    if "|" in text:
        any_of = sum(set(_genre_masks(text, "|")))
        return lambda index: genres[index] & any_of != 0
    masks = _genre_masks(text, ",")
    all_of = sum(set(masks))
    # No movie has an unknown genre.
    return lambda index: 0 not in masks and genres[index] & all_of == all_of


def _no_genres(columns: Columns, text: str) -> Test:
    genres, none_of = columns.genres, sum(set(_genre_masks(text.replace("|", ","), ",")))
    return lambda index: genres[index] & none_of == 0


def _coded(columns: Columns, column: "array[int]", text: str) -> Test:
    """Movies of a language or with a country: `a|b` any of them, `a,b` all of them."""
    join = set.union if "|" in text else set.intersection
    codes = join(*(columns.codes_with(part) for part in re.split(r"[,|]", text)))
    return lambda index: column[index] in codes


_CHEAP: dict[str, Callable[[Columns, str], Test | None]] = {
    "primary_release_date.gte": lambda columns, text: _date_bound(columns.day, "gte", text),
    "primary_release_date.lte": lambda columns, text: _date_bound(columns.day, "lte", text),
    "release_date.gte": lambda columns, text: _date_bound(columns.day, "gte", text),
    "release_date.lte": lambda columns, text: _date_bound(columns.day, "lte", text),
    "primary_release_year": lambda columns, text: _year(columns.day, text),
    "year": lambda columns, text: _year(columns.day, text),
    "vote_average.gte": lambda columns, text: _bound(columns.vote_average, "gte", text),
    "vote_average.lte": lambda columns, text: _bound(columns.vote_average, "lte", text),
    "vote_count.gte": lambda columns, text: _bound(columns.vote_count, "gte", text),
    "vote_count.lte": lambda columns, text: _bound(columns.vote_count, "lte", text),
    "with_runtime.gte": lambda columns, text: _bound(columns.runtime, "gte", text),
    "with_runtime.lte": lambda columns, text: _bound(columns.runtime, "lte", text),
    "with_genres": _genres,
    "without_genres": _no_genres,
    "with_original_language": lambda columns, text: _coded(columns, columns.language, text),
    "with_origin_country": lambda columns, text: _coded(columns, columns.countries, text),
}


def _ids(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["id"]) for row in rows if "id" in row}


class Blocks:
    """The parts of one movie that the costly filters look into."""

    def __init__(self, world: World, index: int) -> None:
        self._world, self._index = world, index

    def _read(self, name: str) -> dict[str, Any]:
        return self._world.catalogue.block(self._index, name, 1)

    def cast(self) -> set[str]:
        return _ids(self._read("credits")["cast"])

    def crew(self) -> set[str]:
        return _ids(self._read("credits")["crew"])

    def people(self) -> set[str]:
        return self.cast() | self.crew()

    def keywords(self) -> set[str]:
        return _ids(self._read("keywords")["keywords"])

    def companies(self) -> set[str]:
        return _ids(self._world.catalogue.detail(self._index).get("production_companies") or [])

    def regions(self) -> set[str]:
        return {row["iso_3166_1"] for row in self._read("release_dates")["results"]}

    def certificates(self, country: str) -> set[str]:
        return {release["certification"] for release in self._releases(country)}

    def release_types(self, country: str) -> set[str]:
        return {str(release["type"]) for release in self._releases(country)}

    def _releases(self, country: str) -> list[dict[str, Any]]:
        results = self._read("release_dates")["results"]
        return [release for row in results if row["iso_3166_1"] == country for release in row["release_dates"]]

    def providers(self, country: str) -> set[str]:
        return {str(row["provider_id"]) for rows in self._offers(country).values() for row in rows}

    def monetizations(self, country: str) -> set[str]:
        return set(self._offers(country))

    def _offers(self, country: str) -> dict[str, list[dict[str, Any]]]:
        offers = self._read("watch/providers")["results"].get(country, {})
        return {kind: rows for kind, rows in offers.items() if isinstance(rows, list)}


# filter: how it reads a movie, and the parameter that must come with it to have any effect
_COSTLY: dict[str, tuple[Callable[[Blocks, str], set[str]], str | None]] = {
    "with_cast": (lambda blocks, _: blocks.cast(), None),
    "with_crew": (lambda blocks, _: blocks.crew(), None),
    "with_people": (lambda blocks, _: blocks.people(), None),
    "with_keywords": (lambda blocks, _: blocks.keywords(), None),
    "without_keywords": (lambda blocks, _: blocks.keywords(), None),
    "with_companies": (lambda blocks, _: blocks.companies(), None),
    "without_companies": (lambda blocks, _: blocks.companies(), None),
    "region": (lambda blocks, _: blocks.regions(), None),
    "with_release_type": (lambda blocks, country: blocks.release_types(country), "region"),
    "certification": (lambda blocks, country: blocks.certificates(country), "certification_country"),
    "with_watch_providers": (lambda blocks, country: blocks.providers(country), "watch_region"),
    "without_watch_providers": (lambda blocks, country: blocks.providers(country), "watch_region"),
    "with_watch_monetization_types": (lambda blocks, country: blocks.monetizations(country), "watch_region"),
}
_FLAGS = ("include_adult", "include_video", "watch_region", "certification_country")
_NUMBERS: dict[str, Callable[[Columns], "array[int] | array[float]"]] = {
    "popularity": lambda columns: columns.popularity,
    "revenue": lambda columns: columns.revenue,
    "primary_release_date": lambda columns: columns.day,
    "release_date": lambda columns: columns.day,
    "vote_average": lambda columns: columns.vote_average,
    "vote_count": lambda columns: columns.vote_count,
}
_TITLES = ("title", "original_title")


class Discover:
    """Finds the movies a query asks for, in its order; the last few answers are remembered for their later pages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._columns = Columns()
        self._found: OrderedDict[tuple[int, Asked], array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def asked(self, query: Query) -> Asked:
        """The parts of *query* that matter."""
        known = (*_CHEAP, *_COSTLY, *_FLAGS)
        field, _, direction = query.get("sort_by", "popularity.desc").partition(".")
        sortable = (field in _NUMBERS or field in _TITLES) and direction in ("asc", "desc")
        sort_by = f"{field}.{direction}" if sortable else "popularity.desc"
        return Asked(tuple((name, query[name]) for name in known if query.get(name)), sort_by)

    def find(self, asked: Asked) -> "array[int]":
        """The indices of all living movies that match."""
        with self._lock:
            key = (self._world.version, asked)
            if key not in self._found:
                self._columns.follow(self._world)
                self._found[key] = self._search(asked)
            self._found.move_to_end(key)
            while len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
            return self._found[key]

    def _search(self, asked: Asked) -> "array[int]":
        filters = dict(asked.filters)
        found: Iterator[int] = iter(range(len(self._columns.day)))
        for test in self._tests(filters):
            found = filter(test, found)
        if any(name in _COSTLY for name in filters):
            found = (index for index in found if self._passes(index, filters))
        field, _, direction = asked.sort_by.partition(".")
        return array("q", sorted(found, key=self._sort_key(field), reverse=direction == "desc"))

    def _tests(self, filters: Mapping[str, str]) -> list[Test]:
        made = (_CHEAP[name](self._columns, text) for name, text in filters.items() if name in _CHEAP)
        return [*(test for test in made if test is not None), *self._visible(filters), self._world.is_living]

    def _visible(self, filters: Mapping[str, str]) -> list[Test]:
        """Exclude adult movies and videos unless they are requested."""
        hidden = self._columns.hidden
        unwanted = (filters.get("include_adult") != "true") + 2 * (filters.get("include_video") != "true")
        return [lambda index: hidden[index] & unwanted == 0] if unwanted else []

    def _sort_key(self, field: str) -> Callable[[int], Any]:
        if field in _TITLES:
            return lambda index: getattr(self._world.catalogue.traits(index), field)
        return _NUMBERS[field](self._columns).__getitem__

    def _passes(self, index: int, filters: Mapping[str, str]) -> bool:
        blocks = Blocks(self._world, index)
        for name, text in filters.items():
            if name not in _COSTLY:
                continue
            read, companion = _COSTLY[name]
            if companion is not None and companion not in filters:
                continue
            present = read(blocks, filters.get(companion or "", ""))
            if not (_excludes(text, present) if name.startswith("without") else matches(text, present)):
                return False
        return True
