"""From a path and its query to the body of the response: everything under `/3`."""

import re
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any, cast

from reelhouse.emulator.catalog import reference
from reelhouse.emulator.catalog.kinds import EPISODE_BLOCKS, SEASON_BLOCKS
from reelhouse.emulator.catalog.protocol import Series
from reelhouse.emulator.catalog.seasons import brief, summary_of
from reelhouse.emulator.discover import FILTERS
from reelhouse.emulator.errors import Refusal
from reelhouse.emulator.history import changes_block
from reelhouse.emulator.lists import Lists, latest, list_row
from reelhouse.emulator.localizing import localize, localize_season
from reelhouse.emulator.queries import (
    PAGE_SIZE,
    ApiRequest,
    Query,
    appends_of,
    date_of,
    filtered,
    filters_of,
    page_of,
    page_slice,
)
from reelhouse.emulator.revising import revise, revise_season, season_revision
from reelhouse.emulator.world import World, Worlds

CHANGES_PAGE_SIZE, LONGEST_RANGE = 100, 14
_ID = re.compile(r"(\d{1,18})(?:-.*)?")
_SEASON = re.compile(r"season/(\d{1,18})")
_PART = re.compile(r"season/(\d{1,18})(?:/episode/(\d{1,18}))?(?:/(.+))?")
_PART_CHANGES = re.compile(r"(season|episode)/(\d{1,18})/changes")
_FIND_KINDS = ("movie_results", "person_results", "tv_results", "tv_episode_results", "tv_season_results")
# Every so many rows of a feed that has them, one has no id.
_NULL_ID_EVERY = 25
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


class Api:
    """Answers requests about the worlds of all kinds."""

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        lists = Lists(worlds)
        self._lists: dict[str, Callable[[Query], ApiRequest]] = {
            **lists.by_path,
            **{f"genre/{kind}/list": partial(_genres, kind) for kind in ("movie", "tv")},
            **{f"watch/providers/{kind}": partial(_providers, kind) for kind in ("movie", "tv")},
        }
        for world in worlds:
            kind = world.catalogue.kind
            if kind.feed:
                self._lists[f"{kind.name}/changes"] = partial(self._changes, world)
                self._lists[f"{kind.name}/latest"] = partial(self._latest, world)

    def question(self, path: str, query: Query) -> ApiRequest:
        """The response to *path* (below `/3/`); raises `Refusal` as TMDB would."""
        if path in self._lists:
            return self._lists[path](query)
        if path in _FIXED:
            return ApiRequest(_FIXED[path], key=path)
        first, _, rest = path.partition("/")
        name, _, block = rest.partition("/")
        world = self._worlds.find(first)
        if world is not None and name:
            return self._of_kind(world, name, block, query)
        if first == "find" and name and not block:
            return self._find(name, query)
        raise Refusal(34)

    def drifted(self, path: str, query: Query) -> ApiRequest:
        """A page of a list to which one row was added at the front since the page before it was requested."""
        body = self.question(path, query).build()
        if not isinstance(body, dict) or "total_pages" not in body:
            return ApiRequest(lambda: body)
        size = CHANGES_PAGE_SIZE if path.endswith("/changes") else PAGE_SIZE
        before = self.question(path, {**query, "page": str(page_of(query) - 1)}).build()["results"]
        rows = [*before[-1:], *body["results"]][:size] if len(before) == size else body["results"]
        total = body["total_results"] + 1
        return ApiRequest(lambda: {**body, "results": rows, "total_pages": -(-total // size), "total_results": total})

    def _of_kind(self, world: World, name: str, block: str, query: Query) -> ApiRequest:
        if not block:
            return self._detail(world, name, query)
        if (world.catalogue.kind.name, block) == ("keyword", "movies"):
            return self._movies_of_keyword(world, name, query)
        if world.catalogue.kind.name == "tv":
            changes = _PART_CHANGES.fullmatch(f"{name}/{block}")
            if changes is not None:
                return self._part_changes(world, changes[1], int(changes[2]))
            part = _PART.fullmatch(block)
            if part is not None:
                return self._part(world, name, part, query)
        return self._block(world, name, block, query)

    def _movies_of_keyword(self, world: World, name: str, query: Query) -> ApiRequest:
        """The list from before there was discover, which has the same rows."""
        number = world.catalogue.id_of(_index(world, name))
        found = self._lists["discover/movie"]({**query, "with_keywords": str(number)})
        return ApiRequest(lambda: {"id": number, **found.build()})

    def _detail(self, world: World, name: str, query: Query) -> ApiRequest:
        kind = world.catalogue.kind
        asked = appends_of(query)
        appends = tuple(append for append in asked if append in kind.blocks or _is_season(world, append))
        index = _index(world, name)
        revision, filters = world.revision(index), filters_of(query, bool(appends))
        # The block of changes moves with the clock, so a body that carries it is built each time.
        # A collection shows its movies as they are now.
        others = self._worlds.of("movie").version if kind.name == "collection" else 0
        key = None if "changes" in appends else ("detail", kind.name, index, revision, appends, filters, others)

        def build() -> dict[str, Any]:
            body = world.catalogue.detail(index)
            for append in appends:
                if append in kind.blocks:
                    body[append] = self._read_block(world, index, append, query, 1)
                else:
                    self._append_season(body, world, index, append, query)
            self._localize(world, body, index, query.get("language", ""))
            revise(body, revision)
            if kind.name == "collection":
                body["parts"] = self._living_parts(body["parts"])
            return body

        # The first collection reads every movie.
        return ApiRequest(build, key, slow=kind.name == "collection")

    def _living_parts(self, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        movies = self._worlds.of("movie")
        living = ((movies.living(row["id"]), row) for row in parts)
        return [list_row(movies, index) for index, _ in living if index is not None]

    def _block(self, world: World, name: str, block: str, query: Query) -> ApiRequest:
        kind = world.catalogue.kind
        if block not in kind.blocks:
            raise Refusal(34)
        index = _index(world, name)
        page = page_of(query) if "page" in kind.blocks[block] else 1
        revision = world.revision(index)
        number = world.catalogue.id_of(index)
        filters = filters_of(query, blocks=True)
        key = None if block == "changes" else ("block", kind.name, index, revision, block, page, filters)

        def build() -> dict[str, Any]:
            body = {block: self._read_block(world, index, block, query, page)}
            revise(body, revision)
            return body[block] if block in ("changes", "recommendations", "similar") else {"id": number, **body[block]}

        return ApiRequest(build, key)

    def _localize(self, world: World, body: dict[str, Any], index: int, language: str) -> None:
        kind = world.catalogue.kind
        if language and not language.startswith("en") and "translations" in kind.blocks:
            translations = world.catalogue.block(index, "translations", 1)["translations"]
            localize(body, translations, language, kind.title)

    def _read_block(self, world: World, index: int, name: str, query: Query, page: int) -> dict[str, Any]:
        if name == "changes":
            first, last = self._range(query)
            return changes_block(world, index, first, last)
        block = world.catalogue.block(index, name, page)
        return filtered(name, block, query) if world.catalogue.kind.language_filters else block

    def _append_season(self, body: dict[str, Any], world: World, index: int, append: str, query: Query) -> None:
        """A season that does not exist is left out; one that does has no `id` here."""
        season = _season(world, index, int(append.partition("/")[2]), query)
        if season is not None:
            del season["id"]
            body[append] = season

    def _part(self, world: World, name: str, part: re.Match[str], query: Query) -> ApiRequest:
        """A season or an episode, or a block of one."""
        number, episode, block = int(part[1]), part[2] and int(part[2]), part[3]
        blocks = SEASON_BLOCKS if episode is None else EPISODE_BLOCKS
        if block is not None and block not in blocks:
            raise Refusal(34)
        appends = tuple(append for append in appends_of(query) if append in blocks) if block is None else ()
        index = _index(world, name)
        filters = filters_of(query, blocks=True)

        def build() -> dict[str, Any]:
            season = _season(world, index, number, query)
            if season is None:
                raise Refusal(34)
            catalogue = cast(Series, world.catalogue)
            if episode is None:
                body, read = season, partial(catalogue.season_block, index, number)
            else:
                found = [row for row in season["episodes"] if row["episode_number"] == episode]
                if not found:
                    raise Refusal(34)
                body = found[0]
                read = partial(catalogue.episode_block, index, number, body)
            if block is not None:
                return {"id": body["id"], **filtered(block, read(block), query)}
            more = {append: filtered(append, read(append), query) for append in appends}
            # Alone, an episode does not name its series.
            return {key: body[key] for key in body if episode is None or key != "show_id"} | more

        revision = world.revision(index)
        return ApiRequest(build, ("part", index, revision, number, episode, block, appends, filters))

    def _part_changes(self, world: World, part: str, number: int) -> ApiRequest:
        """Which season or episode changed is in the feed of its series only."""
        catalogue = cast(Series, world.catalogue)
        found = catalogue.find_season(number) if part == "season" else catalogue.find_episode(number)
        if found is None or not world.is_living(found[0]):
            raise Refusal(34)
        return ApiRequest(lambda: {"changes": []})

    def _changes(self, world: World, query: Query) -> ApiRequest:
        page, (first, last) = page_of(query), self._range(query)

        def build() -> dict[str, Any]:
            changed: list[int | None] = list(world.changed_between(first, last))
            if world.catalogue.kind.null_ids:
                for place in range(_NULL_ID_EVERY, len(changed) + 1, _NULL_ID_EVERY + 1):
                    changed.insert(place, None)
            rows = (_change_row(world, index) for index in page_slice(changed, page, CHANGES_PAGE_SIZE))
            pages = -(-len(changed) // CHANGES_PAGE_SIZE)
            return {"results": list(rows), "page": page, "total_pages": pages, "total_results": len(changed)}

        return ApiRequest(build)

    def _range(self, query: Query) -> tuple[date, date]:
        """The requested days, both included; by default the last 24 hours."""
        first, last = date_of(query.get("start_date")), date_of(query.get("end_date"))
        today = self._worlds.clock.today()
        if first is None:
            last = last or today
            return _shifted(last, -1), last
        if last is None:
            return first, _shifted(first, LONGEST_RANGE)
        if not 0 <= (last - first).days <= LONGEST_RANGE:
            raise Refusal(20)
        return first, last

    def _latest(self, world: World, query: Query) -> ApiRequest:
        return ApiRequest(self._detail(world, str(latest(world)), {}).build)

    def _find(self, external_id: str, query: Query) -> ApiRequest:
        source, world = query.get("external_source"), self._worlds.find("tv")

        def build() -> dict[str, list[Any]]:
            results: dict[str, list[Any]] = {kind: [] for kind in _FIND_KINDS}
            if source == "imdb_id":
                for kind in ("movie", "person", "tv"):
                    self._find_by_imdb(results[f"{kind}_results"], kind, external_id)
                if world is not None:
                    episode = cast(Series, world.catalogue).episode_of_imdb(external_id)
                    results["tv_episode_results"] += _found_episode(world, episode)
            elif world is not None and source == "tvdb_id" and external_id.isascii() and external_id.isdigit():
                _find_by_tvdb(world, results, int(external_id))
            return results

        return ApiRequest(build)

    def _find_by_imdb(self, results: list[Any], kind: str, text: str) -> None:
        world = self._worlds.find(kind)
        index = world.catalogue.index_of_imdb(text) if world is not None else None
        if world is not None and index is not None and world.is_living(index):
            results.append(list_row(world, index))


def _find_by_tvdb(world: World, results: dict[str, list[Any]], number: int) -> None:
    """A series, a season and an episode may have one TVDB id."""
    catalogue = cast(Series, world.catalogue)
    index = catalogue.index_of_tvdb(number)
    if index is not None and world.is_living(index):
        results["tv_results"].append(list_row(world, index))
    found = catalogue.find_season(number)
    season = _season(world, *found, {}) if found is not None and world.is_living(found[0]) else None
    if season is not None and found is not None:
        row = {**summary_of(season), "show_id": catalogue.id_of(found[0]), "media_type": "tv_season"}
        results["tv_season_results"].append(row)
    results["tv_episode_results"] += _found_episode(world, number)


def _found_episode(world: World, number: int | None) -> list[dict[str, Any]]:
    """The episode with this id as a row of `/find`, or no row."""
    found = cast(Series, world.catalogue).find_episode(number) if number is not None else None
    season = _season(world, *found, {}) if found is not None and world.is_living(found[0]) else None
    rows = season["episodes"] if season is not None else []
    return [{**brief(row), "media_type": "tv_episode"} for row in rows if row["id"] == number]


def _shifted(day: date, days: int) -> date:
    """So many days later, or as far as the calendar goes."""
    return date.fromordinal(min(max(day.toordinal() + days, date.min.toordinal()), date.max.toordinal()))


def _genres(kind: str, query: Query) -> ApiRequest:
    language = query.get("language", "")
    return ApiRequest(lambda: reference.genre_list(kind, language))


def _providers(kind: str, query: Query) -> ApiRequest:
    region = query.get("watch_region", "")
    return ApiRequest(lambda: reference.provider_list(kind, region))


def _index(world: World, name: str) -> int:
    """The thing that a TMDB id (with or without a slug) names, or for movies an IMDb id."""
    if name.startswith("tt") and world.catalogue.kind.name == "movie":
        index = world.catalogue.index_of_imdb(name)
        index = index if index is not None and world.is_living(index) else None
    else:
        number = _ID.fullmatch(name)
        if number is None:
            raise Refusal(6)
        index = world.living(int(number[1]))
    if index is None:
        raise Refusal(34)
    return index


def _is_season(world: World, append: str) -> bool:
    return world.catalogue.kind.name == "tv" and _SEASON.fullmatch(append) is not None


def _season(world: World, index: int, number: int, query: Query) -> dict[str, Any] | None:
    """A season as the edits of its series left it."""
    catalogue = cast(Series, world.catalogue)
    season = catalogue.season(index, number)
    if season is None:
        return None
    language = query.get("language", "")
    if language and not language.startswith("en"):
        localize_season(season)
    revision = world.revision(index)
    if revision:
        numbers = [other for other, _ in catalogue.seasons(index)]
        revise_season(season, season_revision(revision, numbers.index(number), len(numbers)))
    return season


def _change_row(world: World, index: int | None) -> dict[str, Any]:
    if index is None:
        return {"id": None, "adult": None, "softcore": None}
    number, catalogue = world.catalogue.id_of(index), world.catalogue
    # TMDB leaves `adult` null in some rows of the feed.
    adult = None if number % 41 == 0 else catalogue.is_adult(index)
    softcore = catalogue.kind.name in FILTERS and bool(catalogue.row(index).get("softcore"))
    return {"id": number, "adult": adult, "softcore": softcore}
