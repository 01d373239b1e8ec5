"""Paged listings, read to their last page or refused: the change feed and the shape that all of them share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import date
from typing import Any

import msgspec

from reelhouse.entities.schema import Entity
from reelhouse.errors import ListingError, TransientError, UntrustedError
from reelhouse.tmdb.asking import ask, whole_json
from reelhouse.tmdb.client import Answer, TmdbClient, query_of
from reelhouse.tmdb.endpoints import LAST_PAGE

_ATTEMPTS = 8


class Row(msgspec.Struct):
    """What every listing says of a thing. *id* has been null in the past."""

    id: int | None = None
    popularity: float | None = None
    adult: bool | None = None
    video: bool | None = None
    release_date: str | None = None


class Page(msgspec.Struct):
    """One page; *total_pages* may exceed what can be asked."""

    results: list[Row]
    page: int
    total_pages: int
    total_results: int


async def read_page(client: TmdbClient, path: str, params: dict[str, Any], number: int) -> Page:
    """Page *number*, asked again while TMDB stumbles; `ListingError` where it cannot be had."""

    def check(answer: Answer) -> Page:
        return whole_json(answer, Page)

    try:
        return await ask(client, path, query_of({**params, "page": number}), check, attempts=_ATTEMPTS)
    except (TransientError, UntrustedError) as exc:
        raise ListingError(f"page {number} of {path} could not be read, so nothing of it is used: {exc}") from exc


async def read_pages(client: TmdbClient, path: str, params: dict[str, Any], first: Page) -> list[Row]:
    """All rows of a listing whose first page is there, up to page 500; pages may repeat rows."""
    rows = list(first.results)
    done, last = 1, min(first.total_pages, LAST_PAGE)
    # A short page is not the last one, and the number of pages may grow while they are read.
    while done < last:
        pages = await _together([read_page(client, path, params, n) for n in range(done + 1, last + 1)])
        done = last
        for page in pages:
            rows.extend(page.results)
            last = max(last, min(page.total_pages, LAST_PAGE))
    return rows


async def _together(reading: Sequence[Coroutine[Any, Any, Page]]) -> list[Page]:
    """All pages, or the first error; then the others are not asked for any more."""
    tasks = [asyncio.create_task(each) for each in reading]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def read_changes(client: TmdbClient, entity: Entity, day: date) -> set[int]:
    """Ids that the change feed names for one UTC day."""
    params = {"start_date": day.isoformat(), "end_date": day.isoformat()}
    first = await read_page(client, entity.changes, params, 1)
    if first.total_pages > LAST_PAGE:
        raise ListingError(f"{entity.changes} has {first.total_pages} pages for {day}, only {LAST_PAGE} can be read")
    rows = await read_pages(client, entity.changes, params, first)
    return {row.id for row in rows if row.id is not None}
