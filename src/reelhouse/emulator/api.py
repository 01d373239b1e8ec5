"""From a path and its query to the body of the response: everything under `/3`."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import chain, islice
from typing import Any

from reelhouse.emulator.catalog import reference
from reelhouse.emulator.catalog.protocol import APPENDS, EMPTY_BLOCKS
from reelhouse.emulator.discover import Discover
from reelhouse.emulator.errors import Refusal
from reelhouse.emulator.history import changes_block
from reelhouse.emulator.localizing import localize
from reelhouse.emulator.revising import revise
from reelhouse.emulator.world import World

Query = Mapping[str, str]
PAGE_SIZE, CHANGES_PAGE_SIZE, LAST_PAGE, MOST_APPENDS, LONGEST_RANGE = 20, 100, 500, 20, 14
_MOVIE_ID = re.compile(r"(\d{1,18})(?:-.*)?")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T].*)?")
_FIND_KINDS = ("movie_results", "person_results", "tv_results", "tv_episode_results", "tv_season_results")
_FIXED: dict[str, Callable[[], Any]] = {
    "certification/movie/list": lambda: reference.certification_list("movie"),
    "certification/tv/list": lambda: reference.certification_list("tv"),
    "configuration": lambda: reference.CONFIGURATION,
    "configuration/countries": reference.country_list,
    "configuration/jobs": reference.job_list,
    "configuration/languages": reference.language_list,
    "configuration/primary_translations": reference.primary_translation_list,
    "configuration/timezones": reference.timezone_list,
    "watch/providers/regions": reference.region_list,
}


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """How to *build* the requested body, the *key* to cache it by (None: never), and whether it takes long."""

    build: Callable[[], Any]
    key: Hashable = None
    slow: bool = False


class Api:
    """Answers requests about one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._catalogue = world.catalogue
        self._discover = Discover(world)
        self._lists: dict[str, Callable[[Query], ApiRequest]] = {
            "movie/changes": self._changes,
            "movie/latest": self._latest,
            "movie/popular": self._popular,
            "discover/movie": self._discovered,
            **{f"genre/{kind}/list": partial(_genres, kind) for kind in ("movie", "tv")},
            **{f"watch/providers/{kind}": partial(_providers, kind) for kind in ("movie", "tv")},
        }

    def question(self, path: str, query: Query) -> ApiRequest:
        """The response to *path* (below `/3/`); raises `Refusal` as TMDB would."""
        if path in self._lists:
            return self._lists[path](query)
        if path in _FIXED:
            return ApiRequest(_FIXED[path], key=path)
        first, _, rest = path.partition("/")
        name, _, block = rest.partition("/")
        if first == "movie" and name:
            return self._block(name, block, query) if block else self._detail(name, query)
        if first == "find" and name and not block:
            return self._find(name, query)
        raise Refusal(34)

    def _index(self, name: str) -> int:
        """The movie that a TMDB id (with or without a slug) or an IMDb id names."""
        if name.startswith("tt"):
            index = self._catalogue.index_of_imdb(name)
            index = index if index is not None and self._world.is_living(index) else None
        else:
            number = _MOVIE_ID.fullmatch(name)
            if number is None:
                raise Refusal(6)
            index = self._world.living(int(number[1]))
        if index is None:
            raise Refusal(34)
        return index

    def _detail(self, name: str, query: Query) -> ApiRequest:
        appends = _appends(query.get("append_to_response", ""))
        index = self._index(name)
        revision, filters = self._world.revision(index), _filters(query, appends)
        # The block of changes moves with the clock, so a body that carries it is built each time.
        key = None if "changes" in appends else ("detail", index, revision, appends, filters)

        def build() -> dict[str, Any]:
            body = self._catalogue.detail(index)
            for append in appends:
                body[append] = self._read_block(index, append, query, 1)
            self._localize(body, index, query.get("language", ""))
            revise(body, revision)
            return body

        return ApiRequest(build, key)

    def _block(self, name: str, block: str, query: Query) -> ApiRequest:
        if block not in APPENDS:
            raise Refusal(34)
        index = self._index(name)
        page = _page(query) if "page" in EMPTY_BLOCKS[block] else 1
        revision = self._world.revision(index)
        number = self._catalogue.id_of(index)
        key = None if block == "changes" else ("block", index, revision, block, page, _filters(query, (block,)))

        def build() -> dict[str, Any]:
            body = {block: self._read_block(index, block, query, page)}
            revise(body, revision)
            return body[block] if block in ("changes", "recommendations", "similar") else {"id": number, **body[block]}

        return ApiRequest(build, key)

    def _localize(self, body: dict[str, Any], index: int, language: str) -> None:
        if language and not language.startswith("en"):
            translations = self._catalogue.block(index, "translations", 1)["translations"]
            localize(body, translations, language)

    def _read_block(self, index: int, name: str, query: Query, page: int) -> dict[str, Any]:
        if name == "changes":
            first, last = self._range(query)
            return changes_block(self._world, index, first, last)
        return _filtered(name, self._catalogue.block(index, name, page), query)

    def _changes(self, query: Query) -> ApiRequest:
        page, (first, last) = _page(query), self._range(query)

        def build() -> dict[str, Any]:
            changed = self._world.changed_between(first, last)
            rows = (self._change_row(index) for index in _slice(changed, page, CHANGES_PAGE_SIZE))
            pages = -(-len(changed) // CHANGES_PAGE_SIZE)
            return {"results": list(rows), "page": page, "total_pages": pages, "total_results": len(changed)}

        return ApiRequest(build)

    def _change_row(self, index: int) -> dict[str, Any]:
        row = self._catalogue.export_row(index)
        # TMDB leaves `adult` null in some rows of the feed.
        adult = None if row.id % 41 == 0 else row.adult
        return {"id": row.id, "adult": adult, "softcore": bool(self._catalogue.row(index).get("softcore"))}

    def _range(self, query: Query) -> tuple[date, date]:
        """The requested days, both included; by default the last 24 hours."""
        first, last = _date(query.get("start_date")), _date(query.get("end_date"))
        today = self._world.clock.today()
        if first is None:
            last = last or today
            return last - timedelta(days=1), last
        if last is None:
            return first, first + timedelta(days=LONGEST_RANGE)
        if not 0 <= (last - first).days <= LONGEST_RANGE:
            raise Refusal(20)
        return first, last

    def _latest(self, query: Query) -> ApiRequest:
        index = self._world.last_living()
        if index is None:
            raise Refusal(34)
        return ApiRequest(self._detail(str(self._catalogue.id_of(index)), {}).build)

    def _popular(self, query: Query) -> ApiRequest:
        page, world = _page(query), self._world

        def build() -> dict[str, Any]:
            everything = chain(self._catalogue.by_popularity(), range(self._catalogue.size, world.count))
            living = filter(world.is_living, everything)
            here = islice(living, (page - 1) * PAGE_SIZE, page * PAGE_SIZE)
            return self._page_of(here, page, world.living_count())

        return ApiRequest(build, key=("popular", world.version, page))

    def _discovered(self, query: Query) -> ApiRequest:
        page, asked = _page(query), self._discover.asked(query)

        def build() -> dict[str, Any]:
            found = self._discover.find(asked)
            return self._page_of(_slice(found, page, PAGE_SIZE), page, len(found))

        return ApiRequest(build, ("discover", self._world.version, asked, page), slow=True)

    def _find(self, external_id: str, query: Query) -> ApiRequest:
        results: dict[str, list[Any]] = {kind: [] for kind in _FIND_KINDS}
        index = self._catalogue.index_of_imdb(external_id) if query.get("external_source") == "imdb_id" else None
        if index is not None and self._world.is_living(index):
            results["movie_results"].append({**self._row(index), "media_type": "movie"})
        return ApiRequest(lambda: results)

    def _page_of(self, indices: Iterable[int], page: int, total: int) -> dict[str, Any]:
        rows = [self._row(index) for index in indices]
        return {"page": page, "results": rows, "total_pages": -(-total // PAGE_SIZE), "total_results": total}

    def _row(self, index: int) -> dict[str, Any]:
        row = self._catalogue.row(index)
        revise(row, self._world.revision(index))
        return row


def _genres(kind: str, query: Query) -> ApiRequest:
    language = query.get("language", "")
    return ApiRequest(lambda: reference.genre_list(kind, language))


def _providers(kind: str, query: Query) -> ApiRequest:
    region = query.get("watch_region", "")
    return ApiRequest(lambda: reference.provider_list(kind, region))


def _slice(found: Any, page: int, size: int) -> Any:
    return found[(page - 1) * size : page * size]


def _appends(text: str) -> tuple[str, ...]:
    """The requested blocks that exist; unknown names are counted, then ignored."""
    names = [name for name in text.split(",") if name]
    if len(names) > MOST_APPENDS:
        raise Refusal(27)
    return tuple(dict.fromkeys(name for name in names if name in EMPTY_BLOCKS))


def _page(query: Query) -> int:
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PAGE):
        raise Refusal(22)
    return int(text)


def _date(text: str | None) -> date | None:
    """A date; TMDB ignores a time of day."""
    if not text:
        return None
    found = _DATE.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError:
        raise Refusal(23) from None


def _filters(query: Query, blocks: tuple[str, ...]) -> tuple[str | None, ...]:
    """The parts of the query that change a body with the requested blocks."""
    names = ("language", "country", "include_image_language", "include_video_language")
    return tuple(query.get(name) for name in (names if blocks else names[:1]))


def _filtered(name: str, block: dict[str, Any], query: Query) -> dict[str, Any]:
    """The rows of images and videos in the requested languages, of alternative titles in the requested country."""
    if name == "alternative_titles" and query.get("country"):
        return {"titles": [row for row in block["titles"] if row["iso_3166_1"] == query["country"]]}
    if name not in ("images", "videos"):
        return block
    asked = query.get(f"include_{name[:-1]}_language") or query.get("language", "")
    languages = {part.partition("-")[0] for part in asked.split(",") if part}
    if not languages:
        return block
    return {
        key: [row for row in rows if str(row["iso_639_1"] or "null") in languages] if isinstance(rows, list) else rows
        for key, rows in block.items()
    }
