"""Lists that TMDB ranks: popular, top rated, in cinemas, on the air, trending; and what discover finds."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from functools import lru_cache, partial
from itertools import chain, islice
from typing import Any

from reelhouse.emulator.catalog.facts import TODAY
from reelhouse.emulator.catalog.seeds import mix, mix_text
from reelhouse.emulator.discover import AIRS, FILTERS, DiscoverQuery, DiscoverSearch
from reelhouse.emulator.errors import Refusal
from reelhouse.emulator.queries import LAST_PAGE, PAGE_SIZE, ApiRequest, Query, page_of, page_slice
from reelhouse.emulator.revising import revise
from reelhouse.emulator.world import World, Worlds

_TRENDING = ("movie", "tv", "person")
# Of a page of people trending this week TMDB leaves a few out.
_SHORT_BY = 2
Dates = dict[str, str]
Ranking = Callable[[date], tuple[DiscoverQuery, Dates | None]]


def _top_rated(today: date) -> tuple[DiscoverQuery, Dates | None]:
    return DiscoverQuery((("vote_count.gte", "100"),), "vote_average.desc"), None


def _released(first: int, last: int) -> Ranking:
    """Movies released between two days counted from today, which the answer names."""

    def ranking(today: date) -> tuple[DiscoverQuery, Dates | None]:
        begin, end = ((today + timedelta(days=days)).isoformat() for days in (first, last))
        filters = (("primary_release_date.gte", begin), ("primary_release_date.lte", end))
        return DiscoverQuery(filters, "popularity.desc"), {"maximum": end, "minimum": begin}

    return ranking


def _airing(days: int) -> Ranking:
    return lambda today: (DiscoverQuery(((AIRS, f"{today.toordinal()}+{days}"),), "popularity.desc"), None)


_RANKED: dict[tuple[str, str], Ranking] = {
    ("movie", "top_rated"): _top_rated,
    ("movie", "now_playing"): _released(-42, 0),
    ("movie", "upcoming"): _released(1, 21),
    ("tv", "top_rated"): _top_rated,
    ("tv", "airing_today"): _airing(1),
    ("tv", "on_the_air"): _airing(7),
}


class Lists:
    """Answers requests for lists; `by_path` holds what each path is answered with."""

    def __init__(self, worlds: Worlds) -> None:
        self._worlds = worlds
        self.by_path: dict[str, Callable[[Query], ApiRequest]] = {}
        for world in worlds:
            kind = world.catalogue.kind.name
            if kind in FILTERS:
                discover = DiscoverSearch(world)
                self.by_path[f"discover/{kind}"] = partial(self._discovered, world, discover)
                for (_, name), ranking in filter(lambda item: item[0][0] == kind, _RANKED.items()):
                    self.by_path[f"{kind}/{name}"] = partial(self._ranked, world, discover, ranking)
            if kind in _TRENDING:
                self.by_path[f"{kind}/popular"] = partial(self._popular, world)
                for window in ("day", "week"):
                    self.by_path[f"trending/{kind}/{window}"] = partial(self._trending, (kind,), window)
        for window in ("day", "week"):
            self.by_path[f"trending/all/{window}"] = partial(self._trending, _TRENDING, window)
        self._trend = lru_cache(8)(self._new_trend)

    def _popular(self, world: World, query: Query) -> ApiRequest:
        page, catalogue = page_of(query), world.catalogue

        def build() -> dict[str, Any]:
            everything = chain(catalogue.by_popularity(), range(catalogue.size, world.count))
            living = filter(world.is_living, everything)
            here = islice(living, (page - 1) * PAGE_SIZE, page * PAGE_SIZE)
            return _page(world, here, page, world.living_count())

        return ApiRequest(build, key=("popular", catalogue.kind.name, world.version, page))

    def _discovered(self, world: World, discover: DiscoverSearch, query: Query) -> ApiRequest:
        return self._found(world, discover, discover.asked(query), None, page_of(query))

    def _ranked(self, world: World, discover: DiscoverSearch, ranking: Ranking, query: Query) -> ApiRequest:
        asked, dates = ranking(self._today(world))
        return self._found(world, discover, asked, dates, page_of(query))

    def _found(
        self, world: World, discover: DiscoverSearch, asked: DiscoverQuery, dates: Dates | None, page: int
    ) -> ApiRequest:
        def build() -> dict[str, Any]:
            found = discover.find(asked)
            body = _page(world, page_slice(found, page, PAGE_SIZE), page, len(found))
            return {"dates": dates, **body} if dates else body

        return ApiRequest(build, ("discover", world.catalogue.kind.name, world.version, asked, page), slow=True)

    @staticmethod
    def _today(world: World) -> date:
        """The invented catalogue's own today, so that something is always in cinemas and on the air."""
        return date.fromordinal(TODAY + world.days_passed())

    def _trending(self, kinds: tuple[str, ...], window: str, query: Query) -> ApiRequest:
        page = page_of(query)
        worlds = [world for world in map(self._worlds.find, kinds) if world is not None]
        today = self._worlds.clock.today().toordinal()
        turn = today if window == "day" else today // 7
        versions = tuple(world.version for world in worlds)

        def build() -> dict[str, Any]:
            trends = [self._trend(world.catalogue.kind.name, window, turn, world.version) for world in worlds]
            merged = sorted((place, at, index) for at, trend in enumerate(trends) for place, index in enumerate(trend))[
                : LAST_PAGE * PAGE_SIZE
            ]
            rows = [_row(worlds[at], index, named=True) for _, at, index in page_slice(merged, page, PAGE_SIZE)]
            if kinds == ("person",) and window == "week" and len(rows) == PAGE_SIZE:
                del rows[-_SHORT_BY:]
            pages = -(-len(merged) // PAGE_SIZE)
            return {"page": page, "results": rows, "total_pages": pages, "total_results": len(merged)}

        return ApiRequest(build, ("trending", kinds, window, turn, versions, page), slow=True)

    def _new_trend(self, kind: str, window: str, turn: int, version: int) -> list[int]:
        """The best known of a kind in the order of one day or week, at most as many as TMDB shows."""
        world = self._worlds.of(kind)
        catalogue = world.catalogue
        shown = (
            index for index in catalogue.by_popularity() if world.is_living(index) and not catalogue.is_adult(index)
        )
        best = list(enumerate(islice(shown, LAST_PAGE * PAGE_SIZE)))
        luck = mix_text(turn, kind + window)
        return [index for _, index in sorted(best, key=lambda one: (one[0] + 1) * (1 + mix(luck, one[1]) % 64))]


def latest(world: World) -> int:
    """The id of the newest thing; raises `Refusal` when there is none."""
    index = world.last_living()
    if index is None:
        raise Refusal(34)
    return world.catalogue.id_of(index)


def list_row(world: World, index: int) -> dict[str, Any]:
    """A row of a list that mixes kinds."""
    return _row(world, index, named=True)


def _row(world: World, index: int, *, named: bool = False) -> dict[str, Any]:
    row = world.catalogue.row(index)
    revise(row, world.revision(index))
    return {**row, "media_type": world.catalogue.kind.name} if named else row


def _page(world: World, indices: Iterable[int], page: int, total: int) -> dict[str, Any]:
    rows = [_row(world, index) for index in indices]
    return {"page": page, "results": rows, "total_pages": -(-total // PAGE_SIZE), "total_results": total}
