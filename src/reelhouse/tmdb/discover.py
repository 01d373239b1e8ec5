"""Discover beyond its limit: a query over 500 pages is split by date, votes and runtime until every part fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, NamedTuple

from reelhouse.entities.schema import PAGE_ROWS, Entity
from reelhouse.errors import ListingError
from reelhouse.tmdb.client import TmdbClient
from reelhouse.tmdb.endpoints import LAST_PAGE
from reelhouse.tmdb.filters import check_filters, resolve_filters
from reelhouse.tmdb.pagination import ListingRow, Page, PagedListing, read_page, read_pages

_MOST_ROWS = LAST_PAGE * PAGE_ROWS

# TMDB's counts move while they are read; a larger gap means that rows could not be reached.
_TOLERANCE = 0.001
_SLACK = 20


class _Dimension(NamedTuple):
    """A filter with whole-number bounds, and how to write a bound."""

    name: str
    low: int
    high: int
    write: Callable[[int], str]
    read: Callable[[str], int]


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _dimensions(entity: Entity) -> tuple[_Dimension, ...]:
    first, last = date(1870, 1, 1).toordinal(), date(2100, 12, 31).toordinal()
    return (
        _Dimension(entity.discover.date, first, last, lambda day: date.fromordinal(day).isoformat(), _day),
        _Dimension("vote_count", 0, 1 << 20, str, int),
        _Dimension("with_runtime", 0, 1 << 12, str, int),
    )


async def discover(
    client: TmdbClient, entity: Entity, filters: dict[str, str], note: Callable[[str], None] = lambda text: None
) -> dict[int, float]:
    """Every id that the filters select, with its popularity; *note* gets what a person should know of it.

    Raises `ConfigError` for a filter or a value that TMDB would ignore, and `ListingError` if some rows cannot be
    reached.
    """
    check_filters(entity, filters)
    filters = await resolve_filters(client, entity, filters)
    reader = _Reader(client, entity.discover.path)
    first = await reader.page(filters)
    if first.total_pages <= LAST_PAGE:
        await reader.rest(filters, first)
        return reader.found
    await reader.split(filters, first, list(_dimensions(entity)))
    dated = any(name.startswith(f"{entity.discover.date}.") for name in filters)
    if not dated:
        await reader.undated(filters, entity.discover.date)
    missing = first.total_results - len(reader.found)
    if missing > max(_SLACK, first.total_results * _TOLERANCE):
        raise ListingError(
            f"discover promises {first.total_results} titles, {len(reader.found)} could be reached: {missing} have no "
            f"date to split by. Give {entity.discover.date}.gte and .lte, or select from the export"
        )
    if missing > 0:
        note(f"discover promises {first.total_results:,} titles, {missing:,} of them could not be reached")
    return reader.found


class _Reader:
    """Collects distinct ids."""

    def __init__(self, client: TmdbClient, path: str) -> None:
        self._client = client
        self._path = path
        self.found: dict[int, float] = {}

    async def page(self, filters: dict[str, Any], number: int = 1) -> Page:
        return await read_page(self._client, self._listing(filters), number)

    async def rest(self, filters: dict[str, Any], first: Page) -> None:
        self._keep(await read_pages(self._client, self._listing(filters), first))

    async def split(self, filters: dict[str, Any], first: Page, dimensions: list[_Dimension]) -> None:
        """Read the two halves of *filters*, each split again while it is over the limit."""
        if first.total_pages <= LAST_PAGE:
            await self.rest(filters, first)
            return
        while dimensions and _width(filters, dimensions[0]) < 2:
            dimensions = dimensions[1:]
        if not dimensions:
            shown = ", ".join(f"{name}={value}" for name, value in sorted(filters.items()))
            raise ListingError(
                f"discover lists {first.total_results} titles for {shown}; only {_MOST_ROWS} can be read, and there is "
                "nothing left to split by. Add a filter"
            )
        for half in _halves(filters, dimensions[0]):
            await self.split(half, await self.page(half), dimensions)

    async def undated(self, filters: dict[str, Any], dimension: str) -> None:
        """Read titles without a date, which no window contains: they are at one end of the order by date."""
        for order in ("asc", "desc"):
            sorted_by = {**filters, "sort_by": f"{dimension}.{order}"}
            for number in range(1, LAST_PAGE + 1):
                page = await self.page(sorted_by, number)
                rows = [row for row in page.results if not row.dated]
                self._keep(rows)
                if not rows:
                    break

    def _listing(self, filters: dict[str, Any]) -> PagedListing:
        return PagedListing(self._path, filters, PAGE_ROWS)

    def _keep(self, rows: list[ListingRow]) -> None:
        self.found.update((row.id, row.popularity or 0.0) for row in rows if row.id is not None)


def _bounds(filters: dict[str, Any], dimension: _Dimension) -> tuple[int, int]:
    low, high = filters.get(f"{dimension.name}.gte"), filters.get(f"{dimension.name}.lte")
    return (
        dimension.low if low is None else dimension.read(low),
        dimension.high if high is None else dimension.read(high),
    )


def _width(filters: dict[str, Any], dimension: _Dimension) -> int:
    low, high = _bounds(filters, dimension)
    return high - low + 1


def _halves(filters: dict[str, Any], dimension: _Dimension) -> Iterator[dict[str, Any]]:
    low, high = _bounds(filters, dimension)
    middle = (low + high) // 2
    for start, end in ((low, middle), (middle + 1, high)):
        yield {
            **filters,
            f"{dimension.name}.gte": dimension.write(start),
            f"{dimension.name}.lte": dimension.write(end),
        }
