"""`/discover/{movie,tv}`: filters over columns that the first request builds, and over blocks if necessary.

Filters by cast, crew, company, keyword, region, certificate or provider read the block of every title that passed the
cheap filters; combine them with a date or a vote window in a large catalogue.
"""

import re
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from reelhouse.emulator.catalog.protocol import Titles
from reelhouse.emulator.catalog.series import STATUSES, TYPES
from reelhouse.emulator.columns import TitleColumns, genre_mask
from reelhouse.emulator.world import World

Query = Mapping[str, str]
Test = Callable[[int], bool]
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class DiscoverQuery:
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
    # A title without a date is in no window, not even in one that is open to the past.
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


def _genres(columns: TitleColumns, text: str) -> Test:
    genres = columns.genres
    if "|" in text:
        any_of = sum(set(_genre_masks(text, "|")))
        return lambda index: genres[index] & any_of != 0
    masks = _genre_masks(text, ",")
    all_of = sum(set(masks))
    # No title has an unknown genre.
    return lambda index: 0 not in masks and genres[index] & all_of == all_of


def _no_genres(columns: TitleColumns, text: str) -> Test:
    genres, none_of = columns.genres, sum(set(_genre_masks(text.replace("|", ","), ",")))
    return lambda index: genres[index] & none_of == 0


def _coded(columns: TitleColumns, column: "array[int]", text: str) -> Test:
    """Titles of a language or with a country: `a|b` any of them, `a,b` all of them."""
    join = set.union if "|" in text else set.intersection
    codes = join(*(columns.codes_with(part) for part in re.split(r"[,|]", text)))
    return lambda index: column[index] in codes


def _airs(columns: TitleColumns, text: str) -> Test:
    """Series with an episode in the days from an ordinal on: `739000+7`; each airs every third week."""
    first, _, days = text.partition("+")
    begin, count, day = int(first), int(days), columns.day
    return lambda index: 0 < day[index] < begin + count and (day[index] - begin) % 21 < count


Cheap = dict[str, Callable[[TitleColumns, str], Test | None]]
_BOTH: Cheap = {
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


def _dates(names: tuple[str, ...], years: tuple[str, ...]) -> Cheap:
    """Filters of the date of the (first) release."""
    found: Cheap = {}
    for name in names:
        found[f"{name}.gte"] = lambda columns, text: _date_bound(columns.day, "gte", text)
        found[f"{name}.lte"] = lambda columns, text: _date_bound(columns.day, "lte", text)
    return found | {name: lambda columns, text: _year(columns.day, text) for name in years}


def _or_undated(day: "array[int]", test: Test) -> Test:
    return lambda index: day[index] == 0 or test(index)


def _ids(rows: list[dict[str, Any]]) -> set[str]:
    return {str(row["id"]) for row in rows if "id" in row}


def _positions(names: tuple[str, ...], name: str | None) -> set[str]:
    """Where *name* stands among *names*: how TMDB numbers a status or a type."""
    return {str(names.index(name))} if name in names else set()


class Blocks:
    """The parts of one title that the costly filters look into."""

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
        block = self._read("keywords")
        return _ids(block["keywords"] if "keywords" in block else block["results"])

    def companies(self) -> set[str]:
        return _ids(self._detail().get("production_companies") or [])

    def networks(self) -> set[str]:
        return _ids(self._detail().get("networks") or [])

    def status(self) -> set[str]:
        return _positions(STATUSES, self._detail().get("status"))

    def type(self) -> set[str]:
        return _positions(TYPES, self._detail().get("type"))

    def _detail(self) -> dict[str, Any]:
        return self._world.catalogue.detail(self._index)

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


# filter: how it reads a title, and the parameter that must come with it to have any effect
Costly = dict[str, tuple[Callable[[Blocks, str], set[str]], str | None]]
_COSTLY_FOR_BOTH: Costly = {
    "with_keywords": (lambda blocks, _: blocks.keywords(), None),
    "without_keywords": (lambda blocks, _: blocks.keywords(), None),
    "with_companies": (lambda blocks, _: blocks.companies(), None),
    "without_companies": (lambda blocks, _: blocks.companies(), None),
    "with_watch_providers": (lambda blocks, country: blocks.providers(country), "watch_region"),
    "without_watch_providers": (lambda blocks, country: blocks.providers(country), "watch_region"),
    "with_watch_monetization_types": (lambda blocks, country: blocks.monetizations(country), "watch_region"),
}
_NUMBERS: dict[str, Callable[[TitleColumns], "array[int] | array[float]"]] = {
    "popularity": lambda columns: columns.popularity,
    "revenue": lambda columns: columns.revenue,
    **dict.fromkeys(("primary_release_date", "release_date", "first_air_date"), lambda columns: columns.day),
    "vote_average": lambda columns: columns.vote_average,
    "vote_count": lambda columns: columns.vote_count,
}
_TITLES = {"title": "title", "original_title": "original_title", "name": "title", "original_name": "original_title"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What discover knows for one kind: filters over columns, over blocks, parameters, and the fields to sort by."""

    cheap: Cheap
    costly: Costly
    flags: tuple[str, ...]
    sortable: tuple[str, ...]


FILTERS = {
    "movie": Filters(
        _dates(("primary_release_date", "release_date"), ("primary_release_year", "year")) | _BOTH,
        {
            "with_cast": (lambda blocks, _: blocks.cast(), None),
            "with_crew": (lambda blocks, _: blocks.crew(), None),
            "with_people": (lambda blocks, _: blocks.people(), None),
            **_COSTLY_FOR_BOTH,
            "region": (lambda blocks, _: blocks.regions(), None),
            "with_release_type": (lambda blocks, country: blocks.release_types(country), "region"),
            "certification": (lambda blocks, country: blocks.certificates(country), "certification_country"),
        },
        ("include_adult", "include_video", "watch_region", "certification_country"),
        ("popularity", "revenue", "primary_release_date", "release_date", "vote_average", "vote_count", "title",
         "original_title"),
    ),
    "tv": Filters(
        _dates(("first_air_date", "air_date"), ("first_air_date_year",)) | _BOTH,
        {
            **_COSTLY_FOR_BOTH,
            "with_networks": (lambda blocks, _: blocks.networks(), None),
            "with_status": (lambda blocks, _: blocks.status(), None),
            "with_type": (lambda blocks, _: blocks.type(), None),
        },
        ("include_adult", "include_null_first_air_dates", "watch_region"),
        ("popularity", "first_air_date", "vote_average", "vote_count", "name", "original_name"),
    ),
}  # fmt: skip
# Not one of TMDB's filters: the lists of what airs use it.
AIRS = "airs"


class DiscoverSearch:
    """Finds the titles a query asks for, in its order; the last few answers are remembered for their later pages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._catalogue = cast(Titles, world.catalogue)
        self._filters = FILTERS[world.catalogue.kind.name]
        self._columns = TitleColumns(self._catalogue)
        self._found: OrderedDict[tuple[int, DiscoverQuery], array[int]] = OrderedDict()
        self._lock = threading.Lock()

    def asked(self, query: Query) -> DiscoverQuery:
        """The parts of *query* that matter."""
        known = (*self._filters.cheap, *self._filters.costly, *self._filters.flags)
        field, _, direction = query.get("sort_by", "popularity.desc").partition(".")
        sortable = field in self._filters.sortable and direction in ("asc", "desc")
        sort_by = f"{field}.{direction}" if sortable else "popularity.desc"
        return DiscoverQuery(tuple((name, query[name]) for name in known if query.get(name)), sort_by)

    def find(self, asked: DiscoverQuery) -> "array[int]":
        """The indices of all living titles that match."""
        with self._lock:
            key = (self._world.version, asked)
            if key not in self._found:
                self._columns.follow(self._world)
                self._found[key] = self._search(asked)
            self._found.move_to_end(key)
            while len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
            return self._found[key]

    def _search(self, asked: DiscoverQuery) -> "array[int]":
        filters = dict(asked.filters)
        found: Iterator[int] = iter(range(len(self._columns.day)))
        for test in self._tests(filters):
            found = filter(test, found)
        if any(name in self._filters.costly for name in filters):
            found = (index for index in found if self._passes(index, filters))
        field, _, direction = asked.sort_by.partition(".")
        return array("q", sorted(found, key=self._sort_key(field), reverse=direction == "desc"))

    def _tests(self, filters: Mapping[str, str]) -> list[Test]:
        cheap = self._filters.cheap | {AIRS: _airs}
        made = [(name, cheap[name](self._columns, text)) for name, text in filters.items() if name in cheap]
        undated = filters.get("include_null_first_air_dates") == "true"
        tests = [
            _or_undated(self._columns.day, test) if undated and "air_date" in name else test
            for name, test in made
            if test is not None
        ]
        return [*tests, *self._visible(filters), self._world.is_living]

    def _visible(self, filters: Mapping[str, str]) -> list[Test]:
        """Exclude adult movies and videos unless they are requested."""
        hidden = self._columns.hidden
        unwanted = (filters.get("include_adult") != "true") + 2 * (filters.get("include_video") != "true")
        return [lambda index: hidden[index] & unwanted == 0] if unwanted else []

    def _sort_key(self, field: str) -> Callable[[int], Any]:
        if field in _TITLES:
            return lambda index: getattr(self._catalogue.traits(index), _TITLES[field])
        return _NUMBERS[field](self._columns).__getitem__

    def _passes(self, index: int, filters: Mapping[str, str]) -> bool:
        blocks = Blocks(self._world, index)
        for name, text in filters.items():
            if name not in self._filters.costly:
                continue
            read, companion = self._filters.costly[name]
            if companion is not None and companion not in filters:
                continue
            present = read(blocks, filters.get(companion or "", ""))
            if not (_excludes(text, present) if name.startswith("without") else matches(text, present)):
                return False
        return True
