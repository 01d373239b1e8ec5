"""Paged listings and retries: read to their last page, or refused."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec
import pytest
from aiohttp import web

from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import DeniedError, ListingError, MissingError, TransientError, UntrustedError
from reelhouse.tmdb.client import Answer, TmdbClient
from reelhouse.tmdb.pagination import Page, read_changes
from reelhouse.tmdb.rate import Limiter
from reelhouse.tmdb.retry import ask, decode_members, whole_json
from tests.serving import html, json, reset, serving, verdict
from tests.tmdb.asking import with_client

DAY = date(2026, 11, 22)
Rows = list[dict[str, Any]]


def _row(id_: int | None) -> dict[str, Any]:
    return {"id": id_, "adult": False, "softcore": False}


def _paged(pages: list[Rows], total: int | None = None) -> Callable[[web.BaseRequest], web.StreamResponse]:
    """A feed of these pages, which refuses others as TMDB does."""

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        if not 1 <= number <= 500:
            return verdict(400, 22)
        rows = pages[number - 1] if number <= len(pages) else []
        promised = sum(len(page) for page in pages) if total is None else total * 100
        return json({"results": rows, "page": number, "total_pages": total or len(pages), "total_results": promised})

    return answering


def _changes(url: str) -> set[int]:
    return with_client(url, lambda client: read_changes(client, ENTITIES["movie"], DAY))


def test_every_page_of_a_day_is_read() -> None:
    pages = [[_row(page * 100 + row) for row in range(100)] for page in range(13)]
    with serving(_paged(pages)) as server:
        assert _changes(server.url) == set(range(1, 1300))
        asked = [(request.path, dict(request.query)) for request in server.seen]
    assert {path for path, _ in asked} == {"/3/movie/changes"}
    assert {(query["start_date"], query["end_date"]) for _, query in asked} == {("2026-11-22", "2026-11-22")}
    assert sorted(int(query["page"]) for _, query in asked) == list(range(1, 14))


def test_a_day_without_changes_is_one_request() -> None:
    with serving(_paged([[]])) as server:
        assert _changes(server.url) == set()
        assert len(server.seen) == 1


def test_rows_that_moved_between_pages_count_once_and_null_ids_not_at_all() -> None:
    pages = [[_row(1), _row(2), _row(None)], [_row(2), _row(3)], [_row(None)], [_row(3), _row(4)]]
    with serving(_paged(pages)) as server:
        assert _changes(server.url) == {1, 2, 3, 4}


def test_rows_whose_ids_cannot_be_requested_do_not_stop_the_feed() -> None:
    pages = [[_row(1), _row(0), _row(-3)], [_row(1 << 40), _row(1 << 63), _row(1 << 200), _row(2)]]
    with serving(_paged(pages)) as server:
        assert _changes(server.url) == {1, 2}


def test_a_feed_that_grows_beyond_the_last_page_that_can_be_read_is_refused() -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        pages = 2 if number == 1 else 502
        rows = [_row(number * 100 + row) for row in range(100)]
        return json({"results": rows, "page": number, "total_pages": pages, "total_results": pages * 100})

    with serving(answering) as server, pytest.raises(ListingError, match="grew to 502 pages, only 500 can be read"):
        _changes(server.url)


def test_a_short_or_empty_page_is_not_the_last() -> None:
    with serving(_paged([[_row(1)], [], [_row(2)]])) as server:
        assert _changes(server.url) == {1, 2}


def test_pages_that_are_added_while_reading_are_read_too() -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        total = {1: 2, 2: 3, 3: 5}.get(number, 5)
        return json({"results": [_row(number)], "page": number, "total_pages": total, "total_results": 5})

    with serving(answering) as server:
        assert _changes(server.url) == {1, 2, 3, 4, 5}


def test_odd_flags_and_unknown_fields_do_no_harm() -> None:
    rows: Rows = [{"id": 1, "adult": None, "softcore": None, "later": {}}, {"id": 2}, {"id": 3, "adult": True}]
    with serving(_paged([rows])) as server:
        assert _changes(server.url) == {1, 2, 3}


def test_a_day_with_more_pages_than_can_be_asked_is_refused() -> None:
    with serving(_paged([[_row(1)]], total=501)) as server, pytest.raises(ListingError, match="501 pages"):
        _changes(server.url)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    "answering",
    [
        lambda request: html(503),
        lambda request: html(404),
        lambda request: web.Response(body=b'{"results":[{"id":1'),
        lambda request: web.Response(body=b'{"results":[{"id":"1"}],"page":1,"total_pages":1,"total_results":1}'),
        lambda request: json({"success": True}),
        lambda request: verdict(422, 20),
        reset,
    ],
    ids=["503", "404 html", "cut", "string id", "no page", "422", "reset"],
)
def test_a_page_that_fails_for_ever_refuses_the_whole_listing(
    answering: Callable[[web.BaseRequest], web.StreamResponse],
) -> None:
    good = _paged([[_row(page)] for page in range(6)])
    with (
        serving(lambda request: answering(request) if request.query["page"] == "4" else good(request)) as server,
        pytest.raises(ListingError, match="page 4 of /movie/changes"),
    ):
        _changes(server.url)


def test_when_one_page_is_refused_the_others_are_not_asked_for_any_more() -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        if number == 2:
            return verdict(401, 7)
        return json({"results": [_row(number)], "page": number, "total_pages": 500, "total_results": 500})

    async def work(client: TmdbClient) -> int:
        with pytest.raises(DeniedError):
            await read_changes(client, ENTITIES["movie"], DAY)
        asked = len(server.seen)
        await asyncio.sleep(0.5)
        return len(server.seen) - asked

    with serving(answering) as server:
        # Spaced, or all pages were asked for before the first could fail. Some are on their way at that moment.
        assert with_client(server.url, work, limiter=Limiter(100)) < 20


@pytest.mark.usefixtures("no_waits")
def test_a_page_with_a_transient_error_is_retried() -> None:
    tries: Counter[str] = Counter()
    good = _paged([[_row(page)] for page in range(9)])

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = request.query["page"]
        tries[number] += 1
        if tries[number] == 1:
            return html(503)
        return web.Response(body=b'{"resu') if tries[number] == 2 else good(request)

    with serving(answering) as server:
        assert _changes(server.url) == set(range(1, 9))
    assert set(tries.values()) == {3}


def _feed(pages: dict[int, Rows], total: int, **said: Any) -> Callable[[web.BaseRequest], web.StreamResponse]:
    """A feed of *pages* that promises *total* rows; *said* is what its answers say instead of what is right."""

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        body = {"page": number, "total_pages": -(-total // 100), "total_results": total, **said}
        return json({**body, "results": pages.get(number, [])})

    return answering


def _full(first: int, rows: int = 100) -> Rows:
    return [_row(first + row) for row in range(rows)]


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (_feed({}, 300), "page 1 .* it is empty, though it promises 300 results on 3 pages"),
        (_feed({}, 1), "page 1 .* it is empty, though it promises 1 results"),
        (_feed({1: _full(1), 3: _full(300)}, 300), "page 2 .* it is empty, though it promises 300 results on 3 pages"),
        (_feed({1: _full(1), 2: _full(200)}, 300), "page 3 .* it is empty"),
        (_feed(dict.fromkeys((1, 2, 3), _full(1)), 300), "100 of the 100 rows of page 2 are those of page 1"),
        (_feed({1: _full(1), 2: _full(1), 3: _full(300, 20)}, 220), "rows of page 2 are those of page 1"),
        (_feed({1: _full(1), 2: _full(200)}, 300, total_pages=2), "promises 300 results, and its 2 pages hold 200"),
        (_feed({1: _full(1)}, 300, total_pages=0), "promises 300 results, and its 1 pages hold 100"),
        (_feed({1: _full(1), 2: _full(200, 40), 3: _full(300)}, 300), r"hold 240 \(page 2 has 40\)"),
        (_feed({1: _full(1)}, 100, page=2), "page 1 .* the answer is for page 2"),
        (_feed({1: _full(1), 2: _full(101)}, 200, page=1), "page 2 .* the answer is for page 1"),
        (_feed({1: _full(1)}, 100, total_results=-1), "promises -1 results"),
        (_feed({1: _full(1)}, 100, total_pages=1 << 40), "which does not fit together"),
        (_feed({1: [_row(None)] * 100, 2: _full(1)[:60]}, 160), "100 of the 160 rows .* have no id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_feed_that_does_not_keep_what_it_promises_is_read_again_and_then_refused(
    feed: Callable[[web.BaseRequest], web.StreamResponse], said: str
) -> None:
    with serving(feed) as server, pytest.raises(ListingError, match=said):
        _changes(server.url)


def test_a_feed_that_promises_less_than_it_gives_is_believed() -> None:
    # So TMDB once answered: all ids on one page, as one result.
    with serving(_feed({1: _full(1, 2687)}, 1)) as server:
        assert _changes(server.url) == set(range(1, 2688))


def test_rows_that_moved_while_they_were_read_are_within_the_measured_drift() -> None:
    pages = {number: _full(number * 100) for number in range(1, 11)}
    pages[2][0], pages[7][0] = pages[1][99], pages[6][99]
    pages[10] = pages[10][:98]
    with serving(_feed(pages, 1000)) as server:
        assert len(_changes(server.url)) == 996
        assert len(server.seen) == 10


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("wrong", [{"page": 9}, {"results": []}, {"results": _full(1)}], ids=["page", "empty", "again"])
def test_a_page_that_is_wrong_once_is_asked_again(wrong: dict[str, Any]) -> None:
    good = {1: _full(1), 2: _full(200), 3: _full(300)}
    left = [wrong]

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        number = int(request.query["page"])
        body = {"page": number, "total_pages": 3, "total_results": 300, "results": good[number]}
        return json({**body, **left.pop()} if number == 2 and left else body)

    with serving(answering) as server:
        assert len(_changes(server.url)) == 300


def _asked(*answers: Callable[[], web.Response], attempts: int = 5) -> str:
    """What comes of asking a server that gives these answers, and after how many."""
    left = list(answers)

    async def work(client: TmdbClient) -> str:
        def check(answer: Answer) -> str:
            whole_json(answer, decode_members)
            return "answered"

        try:
            return await ask(client, "/movie/550", "", check, attempts=attempts, wait=0.001)
        except (TransientError, UntrustedError, DeniedError, MissingError) as exc:
            return type(exc).__name__

    with serving(lambda request: left.pop(0)()) as server:
        ended = with_client(server.url, work)
        return f"{ended} after {len(server.seen)}"


def _cut() -> web.Response:
    return web.Response(body=b'{"id":')


def _good() -> web.Response:
    return json({"id": 550})


def test_transient_and_untrusted_answers_are_retried_a_number_of_times() -> None:
    assert _asked(lambda: html(503), _good) == "answered after 2"
    assert _asked(lambda: html(502), _cut, lambda: html(404), _good) == "answered after 4"
    assert _asked(lambda: html(500), lambda: html(503), _good, attempts=2) == "TransientError after 2"
    assert _asked(lambda: html(500), _cut, attempts=2) == "UntrustedAnswer after 2"


def test_final_errors_are_not_retried() -> None:
    assert _asked(lambda: verdict(404, 34)) == "GoneAnswer after 1"
    assert _asked(lambda: verdict(401, 7)) == "DeniedError after 1"


def test_after_a_429_only_the_limiter_waits() -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        return verdict(429, 25) if len(server.seen) < 4 else json({"id": 550})

    async def work(client: TmdbClient) -> float:
        # A limiter that lets go at once shows whether anybody else waits.
        began = time.monotonic()
        await ask(client, "/movie/550", "", lambda answer: answer, attempts=5, wait=5.0)
        return time.monotonic() - began

    async def no_sleep(seconds: float) -> None:
        skipped.append(seconds)

    skipped: list[float] = [0.0]
    limiter = Limiter(0, now=lambda: time.monotonic() + sum(skipped), sleep=no_sleep, chance=lambda: 0.5)
    with serving(answering) as server:
        assert with_client(server.url, work, limiter=limiter) < 1.0
    assert sum(skipped) == pytest.approx(0.15 + 0.3 + 0.6, abs=0.1)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"\xff", b'{"page":1}', b"[" * 100_000, b"null"])
def test_an_incomplete_page_is_refused(body: bytes) -> None:
    with pytest.raises(UntrustedError):
        whole_json(Answer(200, body, "", None, None), msgspec.json.Decoder(Page).decode)
