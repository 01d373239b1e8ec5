"""`/discover/movie`: filters over columns that are built the first time somebody asks, and over blocks where need be.

Filters by cast, crew, company, keyword, region, certificate or provider read the block of every movie that passed the
cheap filters; combine them with a date or a vote window in a large catalogue.
"""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reelhouse.emulator.catalogue import Traits
from reelhouse.emulator.world import World

Query = Mapping[str, str]
Test = Callable[[Traits], bool]
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


def _bound(field: str, direction: str, text: str) -> Test | None:
    limit = _number(text)
    if limit is None:
        return None
    if direction == "gte":
        return lambda traits: bool(getattr(traits, field) >= limit)
    return lambda traits: bool(getattr(traits, field) <= limit)


def _date_bound(direction: str, text: str) -> Test | None:
    try:
        limit = date.fromisoformat(text[:10]).toordinal()
    except ValueError:
        return None
    if direction == "gte":
        return lambda traits: traits.day >= limit
    # A movie without a date lies in no window, not even in one that is open to the past.
    return lambda traits: 0 < traits.day <= limit


def _year(text: str) -> Test | None:
    number = _number(text)
    if number is None or not 1 <= number <= 9998:
        return None
    first, after = date(int(number), 1, 1).toordinal(), date(int(number) + 1, 1, 1).toordinal()
    return lambda traits: first <= traits.day < after


def matches(wanted: str, present: set[str]) -> bool:
    """Whether *present* satisfies `a,b` (all of them) or `a|b` (any of them)."""
    if "|" in wanted:
        return not present.isdisjoint(wanted.split("|"))
    return present.issuperset(part for part in wanted.split(",") if part)


def _excludes(unwanted: str, present: set[str]) -> bool:
    return present.isdisjoint(unwanted.replace("|", ",").split(","))


def _genre_texts(traits: Traits) -> set[str]:
    return {str(number) for number in traits.genres}


_CHEAP: dict[str, Callable[[str], Test | None]] = {
    "primary_release_date.gte": lambda text: _date_bound("gte", text),
    "primary_release_date.lte": lambda text: _date_bound("lte", text),
    "release_date.gte": lambda text: _date_bound("gte", text),
    "release_date.lte": lambda text: _date_bound("lte", text),
    "primary_release_year": _year,
    "year": _year,
    "vote_average.gte": lambda text: _bound("vote_average", "gte", text),
    "vote_average.lte": lambda text: _bound("vote_average", "lte", text),
    "vote_count.gte": lambda text: _bound("vote_count", "gte", text),
    "vote_count.lte": lambda text: _bound("vote_count", "lte", text),
    "with_runtime.gte": lambda text: _bound("runtime", "gte", text),
    "with_runtime.lte": lambda text: _bound("runtime", "lte", text),
    "with_genres": lambda text: lambda traits: matches(text, _genre_texts(traits)),
    "without_genres": lambda text: lambda traits: _excludes(text, _genre_texts(traits)),
    "with_original_language": lambda text: lambda traits: traits.language in text.split("|"),
    "with_origin_country": lambda text: lambda traits: matches(text, set(traits.countries)),
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
_SORTS: dict[str, Callable[[Traits], Any]] = {
    "popularity": lambda traits: traits.popularity,
    "revenue": lambda traits: traits.revenue,
    "primary_release_date": lambda traits: traits.day,
    "release_date": lambda traits: traits.day,
    "title": lambda traits: traits.title,
    "original_title": lambda traits: traits.original_title,
    "vote_average": lambda traits: traits.vote_average,
    "vote_count": lambda traits: traits.vote_count,
}


class Discover:
    """Finds the movies a query asks for, in its order; the last few answers are remembered for their later pages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: OrderedDict[tuple[int, Asked], array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def asked(self, query: Query) -> Asked:
        """What of *query* matters."""
        known = (*_CHEAP, *_COSTLY, *_FLAGS)
        field, _, direction = query.get("sort_by", "popularity.desc").partition(".")
        sort_by = f"{field}.{direction}" if field in _SORTS and direction in ("asc", "desc") else "popularity.desc"
        return Asked(tuple((name, query[name]) for name in known if query.get(name)), sort_by)

    def find(self, asked: Asked) -> "array[int]":
        """The indices of all living movies that match."""
        with self._lock:
            key = (self._world.version, asked)
            if key not in self._found:
                self._found[key] = self._search(asked)
            self._found.move_to_end(key)
            while len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
            return self._found[key]

    def _search(self, asked: Asked) -> "array[int]":
        filters = dict(asked.filters)
        tests = [test for name, text in filters.items() if name in _CHEAP and (test := _CHEAP[name](text))]
        tests.extend(_hidden(filters))
        field, _, direction = asked.sort_by.partition(".")
        sort_key = _SORTS[field]
        found = []
        for index in filter(self._world.is_living, range(self._world.count)):
            traits = self._world.catalogue.traits(index)
            if all(test(traits) for test in tests) and self._passes(index, filters):
                found.append((sort_key(traits), index))
        found.sort(reverse=direction == "desc")
        return array("q", (index for _, index in found))

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


def _hidden(filters: Mapping[str, str]) -> list[Test]:
    """Adult movies and videos stay out unless they are asked for."""
    tests: list[Test] = []
    if filters.get("include_adult") != "true":
        tests.append(lambda traits: not traits.adult)
    if filters.get("include_video") != "true":
        tests.append(lambda traits: not traits.video)
    return tests
