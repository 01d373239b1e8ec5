"""Paged listings, read to their last page or refused; and the change feed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

from reelhouse.entities.schema import Entity
from reelhouse.errors import ListingError, TransientError, UntrustedError
from reelhouse.ids import is_number
from reelhouse.tmdb.client import Answer, TmdbClient, UntrustedAnswer, query_of
from reelhouse.tmdb.endpoints import CHANGES_ROWS, LAST_PAGE
from reelhouse.tmdb.retry import ask, whole_json

_ATTEMPTS = 8

# Rows may move to the next page during reading: two in a thousand were observed, never half of a page.
_MOST_MOVED = 5

# Rows of the change feed without an id that can be requested: some were null; a feed of only such rows is refused.
_MOST_NULLS = 10


class ListingRow(msgspec.Struct):
    """A row of any listing. *id* has been null in the past."""

    id: int | None = None
    popularity: float | None = None
    adult: bool | None = None
    video: bool | None = None
    release_date: str | None = None
    first_air_date: str | None = None

    @property
    def dated(self) -> bool:
        """Whether the title has the date by which discover sorts its kind: one that is in the calendar."""
        try:
            date.fromisoformat(self.release_date or self.first_air_date or "")
        except ValueError:
            return False
        return True


class Page(msgspec.Struct):
    """One page; *total_pages* may exceed the readable pages."""

    results: list[ListingRow]
    page: int
    total_pages: int
    total_results: int


_decode_page = msgspec.json.Decoder(Page).decode


class PagedListing(NamedTuple):
    """A paged listing: its path and filters, how many rows a full page has, and whether rows may have no id."""

    path: str
    params: dict[str, Any]
    page_rows: int
    nulls: bool = False


async def read_page(client: TmdbClient, listing: PagedListing, number: int) -> Page:
    """Page *number*, with retries; `ListingError` if it cannot be read."""

    def check(answer: Answer) -> Page:
        page = whole_json(answer, _decode_page)
        if wrong := _wrong_page(listing, page, number):
            raise UntrustedAnswer("listing", wrong, answer)
        return page

    try:
        query = query_of({**listing.params, "page": number})
        return await ask(client, listing.path, query, check, attempts=_ATTEMPTS)
    except (TransientError, UntrustedError) as exc:
        raise ListingError(
            f"page {number} of {listing.path} could not be read, so the listing is not used: {exc}"
        ) from exc


def _wrong_page(listing: PagedListing, page: Page, number: int) -> str | None:
    """Contradictions of a page to its requested number and its own totals."""
    promise = f"{page.total_results} results on {page.total_pages} pages"
    if page.page != number:
        return f"the answer is for page {page.page}"
    if min(page.total_pages, page.total_results) < 0:
        return f"it promises {promise}"
    if page.total_pages > LAST_PAGE and page.total_results <= LAST_PAGE * listing.page_rows:
        return f"it promises {promise}, which does not fit together"
    if not page.results and is_owed_rows(number, page.total_results, listing.page_rows):
        return f"it is empty, though it promises {promise}"
    if not listing.nulls and (nulls := sum(row.id is None or row.id.bit_length() > 63 for row in page.results)):
        return f"{nulls} of its {len(page.results)} rows have no id, or one of more than 64 bits"
    return None


def is_owed_rows(number: int, total: int, page_rows: int) -> bool:
    """Whether page *number* of a list that promises *total* rows must have some."""
    return total - (number - 1) * page_rows > (0 if number == 1 else _drift(total))


def _drift(total: int) -> int:
    """How many of *total* rows may be missing: rows move between pages during reading, and pages can be short.

    In a thousand rows of discover, 2 were repeated and so 2 were missed; a page of 18 rows promised 20.
    """
    return max(min(_MOST_MOVED, max(total // 10, 1)), total // 200) if total > 1 else 0


async def read_pages(client: TmdbClient, listing: PagedListing, first: Page) -> list[ListingRow]:
    """All rows of a listing after its *first* page; pages may repeat some rows.

    A listing that grows beyond page 500 or contradicts its own totals is read once more; then it is a `ListingError`.
    """
    pages = await _read_rest(client, listing, first)
    if _wrong_pages(listing, pages):
        pages = await _read_rest(client, listing, await read_page(client, listing, 1))
    if wrong := _wrong_pages(listing, pages):
        raise ListingError(f"{listing.path} was read twice and is not used: {wrong}")
    return [row for page in pages for row in page.results]


async def _read_rest(client: TmdbClient, listing: PagedListing, first: Page) -> list[Page]:
    pages = [first]
    last = first.total_pages
    # A short page is not the last one, and the number of pages may grow while they are read.
    while len(pages) < last <= LAST_PAGE:
        numbers = range(len(pages) + 1, last + 1)
        pages += await _together([read_page(client, listing, number) for number in numbers])
        last = max(page.total_pages for page in pages)
    return pages


def _wrong_pages(listing: PagedListing, pages: list[Page]) -> str | None:
    """What all pages together lack of their promised rows."""
    if (most := max(page.total_pages for page in pages)) > LAST_PAGE:
        return f"it grew to {most} pages, only {LAST_PAGE} can be read"
    at: dict[int, int] = {}
    for page in pages:
        seen = [row.id for row in page.results if row.id is not None]
        again = [id_ for id_ in seen if id_ in at]
        if len(again) > max(_MOST_MOVED, len(seen) // 2):
            return f"{len(again)} of the {len(seen)} rows of page {page.page} are those of page {at[again[0]]}"
        at.update((id_, page.page) for id_ in seen if id_ not in at)
    promised = min(max(page.total_results for page in pages), LAST_PAGE * listing.page_rows)
    # It is unknown whether the totals of a listing with null ids count every id once.
    got = sum(len(page.results) for page in pages) if listing.nulls else len(at)
    if promised - got <= _drift(promised):
        return None
    short = [page for page in pages[:-1] if len(page.results) < listing.page_rows] or pages[-1:]
    shown = ", ".join(f"page {page.page} has {len(page.results)}" for page in short[:5])
    return f"it promises {promised} results, and its {len(pages)} pages hold {got} ({shown})"


async def _together(reading: Sequence[Coroutine[Any, Any, Page]]) -> list[Page]:
    """All pages, or the first error; then the other requests are cancelled."""
    tasks = [asyncio.create_task(each) for each in reading]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def read_changes(client: TmdbClient, entity: Entity, day: date) -> set[int]:
    """Ids that the change feed names for one UTC day."""
    params = {"start_date": day.isoformat(), "end_date": day.isoformat()}
    feed = PagedListing(entity.changes, params, CHANGES_ROWS, nulls=True)
    first = await read_page(client, feed, 1)
    if first.total_pages > LAST_PAGE:
        raise ListingError(f"{entity.changes} has {first.total_pages} pages for {day}, only {LAST_PAGE} can be read")
    rows = await read_pages(client, feed, first)
    ids = [row.id for row in rows if is_number(row.id)]
    nulls = len(rows) - len(ids)
    if nulls > max(len(rows) // 2, _MOST_NULLS):
        raise ListingError(f"{nulls} of the {len(rows)} rows of {entity.changes} for {day} have no id")
    return set(ids)
