"""The client: the error that each answer means, and the token: in one header, and nowhere else."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import chain, repeat

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from reelhouse.errors import DeniedError, MissingError, ReelhouseError, TmdbError, TransientError, UntrustedError
from reelhouse.tmdb.client import (
    Answer,
    BudgetError,
    GoneAnswer,
    TmdbClient,
    UntrustedAnswer,
    query_of,
    retry_after,
)
from reelhouse.tmdb.clock import ServerClock
from reelhouse.tmdb.rate import Limiter
from reelhouse.tmdb.retry import ask, decode_members, whole_json
from tests.serving import Answering, Server, bare, html, json, reset, serving, verdict
from tests.tmdb.asking import TOKEN, with_client

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

# What is sent, which error it is, and what of its text a person must see.
REFUSALS: dict[str, tuple[Answering, type[TmdbError], str]] = {
    "401 wrong token": (lambda r: verdict(401, 7, "Invalid API key"), DeniedError, "Invalid API key"),
    "401 suspended": (lambda r: verdict(401, 10), DeniedError, "401"),
    "401 without a body": (lambda r: web.Response(status=401), DeniedError, "401"),
    "403 by TMDB": (lambda r: verdict(403, 45, "This user has been suspended."), DeniedError, "suspended"),
    "403 by something in front": (lambda r: html(403), TransientError, "403"),
    "403 with odd JSON": (lambda r: json([1], 403), TransientError, "403"),
    "404 resource": (lambda r: verdict(404, 34), GoneAnswer, "404"),
    "404 invalid id": (lambda r: verdict(404, 6), GoneAnswer, "404"),
    "404 session": (lambda r: verdict(404, 37), TransientError, "404"),
    "404 by something in front": (lambda r: html(404), TransientError, "404"),
    "404 empty": (lambda r: web.Response(status=404), TransientError, "404"),
    "404 cut JSON": (lambda r: web.Response(status=404, body=b'{"status_code":34'), TransientError, "404"),
    "404 no UTF-8": (
        lambda r: web.Response(status=404, body=b'{"status_code":34,"status_message":"\xff"}'),
        TransientError,
        "404",
    ),
    "404 too deep": (lambda r: web.Response(status=404, body=b'{"a":' + b"[" * 99_999), TransientError, "404"),
    "400 page": (lambda r: verdict(400, 22, "Invalid page"), UntrustedAnswer, "Invalid page"),
    "400 appends": (lambda r: verdict(400, 27), UntrustedAnswer, "400"),
    "405": (lambda r: verdict(405, 42), UntrustedAnswer, "405"),
    "406": (lambda r: verdict(406, 19), UntrustedAnswer, "406"),
    "408": (lambda r: web.Response(status=408), TransientError, "408"),
    "422 dates": (lambda r: verdict(422, 20), UntrustedAnswer, "422"),
    "429": (lambda r: verdict(429, 25), TransientError, "429"),
    "429 html": (lambda r: html(429), TransientError, "429"),
    "500": (lambda r: verdict(500, 11, "Internal error"), TransientError, "Internal error"),
    "500 bad id": (lambda r: verdict(500, 44), TransientError, "500"),
    "502 html": (lambda r: html(502), TransientError, "502"),
    "503": (lambda r: verdict(503, 46), TransientError, "503"),
    "504": (lambda r: web.Response(status=504), TransientError, "504"),
    "204": (lambda r: web.Response(status=204), TransientError, "204"),
    "301": (lambda r: html(301, Location="/elsewhere"), TransientError, "301"),
    "302 with no place": (lambda r: html(302), TransientError, "302"),
    "reset": (reset, TransientError, "/movie/550"),
    "cut body": (lambda r: bare(r, HEAD + b'Content-Length: 90\r\n\r\n{"id":'), TransientError, "/movie/550"),
    "cut chunks": (
        lambda r: bare(r, HEAD + b'Transfer-Encoding: chunked\r\n\r\n6\r\n{"id":\r\n'),
        TransientError,
        "/movie/550",
    ),
    "no gzip": (
        lambda r: bare(r, HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
        TransientError,
        "/movie/550",
    ),
    "no HTTP": (lambda r: bare(r, b"SSH-2.0-OpenSSH_9.6\r\n"), TransientError, "/movie/550"),
    "odd header": (lambda r: bare(r, b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), TransientError, "/movie/550"),
    "huge header": (lambda r: bare(r, HEAD + b"X: " + b"x" * 70_000 + b"\r\n\r\n"), TransientError, "/movie/550"),
}


def _get(url: str, path: str = "/movie/550", query: str = "language=en-US") -> Answer:
    return with_client(url, lambda client: client.get(path, query))


def _refused(answering: Answering, limiter: Limiter | None = None) -> TmdbError:
    with serving(answering) as server, pytest.raises(TmdbError) as caught:
        with_client(server.url, lambda client: client.get("/movie/550", "language=en-US"), limiter=limiter)
    return caught.value


def _everything_said(exc: BaseException) -> str:
    """An error with all that hangs on it, as a log or a debugger would show it."""
    said = "".join(traceback.format_exception(exc))
    seen: BaseException | None = exc
    while seen is not None:
        said += f"{seen!r} {seen!s} {seen.args!r} {vars(seen)!r}"
        seen = seen.__cause__ or seen.__context__
    return said


@pytest.mark.parametrize("etag", [b'"\xff"', b'"\x1b[31mx"', b""])
def test_an_etag_that_json_or_a_header_cannot_hold_counts_as_none(etag: bytes) -> None:
    sent = HEAD + b"ETag: %b\r\nContent-Length: 9\r\n\r\n" % etag + b'{"id": 1}'
    with serving(lambda request: bare(request, sent)) as server:
        answer = with_client(server.url, lambda client: client.get("/movie/1", ""))
    assert (answer.body, answer.etag) == (b'{"id": 1}', None)


@pytest.mark.parametrize("case", REFUSALS)
def test_each_refusal_is_the_right_error_and_never_shows_the_token(case: str) -> None:
    answering, kind, text = REFUSALS[case]
    found = _refused(answering)
    assert type(found) is kind
    assert text in str(found)
    assert len(str(found).splitlines()) == 1
    said = _everything_said(found)
    assert TOKEN not in said
    assert TOKEN.rpartition(".")[2] not in said


def test_an_answer_comes_back_as_it_came_with_tmdb_s_clock() -> None:
    body = '{"id": 550,  "title":"Fight Club \u2014 \\u0026"}'.encode()

    def answering(request: web.BaseRequest) -> web.Response:
        headers = {"Date": "Mon, 23 Nov 2026 20:00:00 GMT", "ETag": 'W/"7"', "Age": "321"}
        return web.Response(body=body, headers=headers)

    with serving(answering) as server:
        answer = _get(server.url)
    assert answer == Answer(200, body, "2026-11-23T20:00:00Z", 'W/"7"', 321)


def test_a_compressed_answer_is_the_body_that_was_compressed() -> None:
    body = b'{"id":550}' * 1000

    def answering(request: web.BaseRequest) -> web.Response:
        assert "gzip" in request.headers["Accept-Encoding"]
        response = web.Response(body=body)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    with serving(answering) as server:
        assert _get(server.url).body == body


def test_the_token_goes_into_the_header_and_never_into_the_address() -> None:
    with serving(lambda request: json({"id": 550})) as server:
        _get(server.url)
        (request,) = server.seen
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.path_qs == "/3/movie/550?language=en-US"
    others = [value for name, value in request.headers.items() if name != "Authorization"]
    assert TOKEN not in "".join(others)


def test_the_user_agent_is_honest() -> None:
    with serving(lambda request: json({"id": 550})) as server:
        _get(server.url)
        assert server.seen[0].headers["User-Agent"].startswith("reelhouse")


def test_a_redirect_is_not_followed_so_the_token_goes_nowhere_else() -> None:
    with serving(lambda request: json({"id": 550})) as elsewhere:
        for status in (301, 302, 303, 307, 308):

            def answering(request: web.BaseRequest, status: int = status) -> web.Response:
                return html(status, Location=f"{elsewhere.url}/3/movie/550")

            with serving(answering) as server, pytest.raises(TransientError):
                _get(server.url)
        assert elsewhere.seen == []


def test_a_cookie_is_not_sent_back() -> None:
    def answering(request: web.BaseRequest) -> web.Response:
        return json({"id": 1}, Set_Cookie="session=1")

    async def twice(client: TmdbClient) -> None:
        await client.get("/movie/1")
        await client.get("/movie/1")

    with serving(answering) as server:
        with_client(server.url, twice)
        assert "Cookie" not in server.seen[1].headers


def test_neither_client_nor_settings_show_the_token() -> None:
    async def shown(client: TmdbClient) -> str:
        return f"{client!r} {client!s} {client.limiter!r}"

    with serving(lambda request: json({})) as server:
        assert TOKEN not in with_client(server.url, shown)


def test_a_refused_connection_is_a_transient_error() -> None:
    with serving(lambda request: json({})) as server:
        url = server.url
    with pytest.raises(TransientError, match="/movie/550"):
        _get(url)


def test_gone_and_untrusted_errors_carry_the_answer() -> None:
    gone = _refused(lambda request: verdict(404, 34, "The resource you requested could not be found."))
    assert isinstance(gone, GoneAnswer)
    assert isinstance(gone, MissingError)
    assert gone.answer.status == 404
    assert b'"status_code":34' in gone.answer.body
    odd = _refused(lambda request: verdict(422, 5))
    assert isinstance(odd, UntrustedError)
    assert isinstance(odd, UntrustedAnswer)
    assert odd.reason == "http_422"
    assert odd.answer.status == 422


class RecordingLimiter:
    """A limiter that only listens."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    async def wait_turn(self) -> float:
        self.heard.append("turn")
        return 17.0

    def throttled(self, asked_at: float, wait: float | None, *, repeated: bool) -> None:
        assert not repeated
        self.heard.append((asked_at, wait))

    def answered(self, asked_at: float) -> None:
        self.heard.append("answered")


@pytest.mark.parametrize(
    ("answering", "heard"),
    [
        (lambda r: json({}), ["turn", "answered"]),
        (lambda r: verdict(404, 34), ["turn", "answered"]),
        (lambda r: verdict(503, 9), ["turn", "answered"]),
        (lambda r: json({}, 429, Retry_After="7"), ["turn", (17.0, 7.0)]),
        (lambda r: json({}, 429), ["turn", (17.0, None)]),
        (reset, ["turn"]),
    ],
    ids=["200", "404", "503", "429 with Retry-After", "429", "reset"],
)
def test_each_request_waits_its_turn_and_the_limiter_learns_how_it_went(
    answering: Answering, heard: list[object]
) -> None:
    limiter = RecordingLimiter()

    async def ask(client: TmdbClient) -> None:
        await client.get("/movie/550")

    with serving(answering) as server:
        try:
            with_client(server.url, ask, limiter=limiter)  # type: ignore[arg-type]
        except TmdbError as exc:
            assert getattr(exc, "throttled", False) == isinstance(heard[-1], tuple)
    assert limiter.heard == heard


def test_only_tmdbs_own_answers_count_as_a_sign_of_life() -> None:
    # A 404 of TMDB is life as well as an answer that can be believed; a page of something in front is not.
    async def life(client: TmdbClient) -> list[bool]:
        signs = []
        for path in ("/200", "/200/html", "/404", "/500", "/403", "/429"):
            before = client.last_good
            with suppress(TmdbError):
                await ask(client, path, "", lambda answer: whole_json(answer, decode_members), attempts=1)
            signs.append(client.last_good > before)
        return signs

    def answering(request: web.BaseRequest) -> web.Response:
        last = request.path.rpartition("/")[2]
        if last in ("html", "403"):
            return html(200 if last == "html" else 403)
        status = int(last)
        return json({}) if status == 200 else verdict(status, {404: 34, 500: 11, 429: 25}[status])

    with serving(answering) as server:
        assert with_client(server.url, life) == [True, False, True, False, False, False]


def test_concurrent_requests_never_exceed_the_limit() -> None:
    import asyncio

    async def many(client: TmdbClient) -> int:
        await client.get("/movie/0")
        client.limit_requests(7)
        done = await asyncio.gather(*(client.get(f"/movie/{n}") for n in range(30)), return_exceptions=True)
        assert all(isinstance(each, (Answer, BudgetError)) for each in done)
        client.limit_requests(None)
        await client.get("/movie/0")
        return client.requests

    with serving(lambda request: json({})) as server:
        assert with_client(server.url, many) == len(server.seen) == 9


def test_the_latest_of_tmdb_s_clocks_is_kept() -> None:
    dates = chain(("Mon, 23 Nov 2026 20:00:05 GMT",), repeat("Mon, 23 Nov 2026 20:00:01 GMT"))

    async def twice(client: TmdbClient) -> str | None:
        await client.get("/movie/1")
        await client.get("/movie/1")
        return client.seen_at

    with serving(lambda request: json({}, Date=next(dates))) as server:
        assert with_client(server.url, twice) == "2026-11-23T20:00:05Z"


@pytest.mark.parametrize("age", ["", "no number", "-1", "1.5", "\u00b2", "9" * 5000])
def test_an_odd_age_is_no_age(age: str) -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        return bare(request, HEAD + b"Age: " + age.encode() + b"\r\nContent-Length: 2\r\n\r\n{}")

    with serving(answering) as server:
        assert _get(server.url).age is None


def _server_time(date: str | None) -> str:
    """What a clock makes of a `Date` that a second answer confirms."""
    clock = ServerClock(simulated=True)
    headers = CIMultiDictProxy(CIMultiDict({} if date is None else {"Date": date}))
    return [clock.stamp(clock.read(headers)) for _ in range(2)][1]


def test_tmdb_s_clock_is_read_in_utc() -> None:
    assert _server_time("Mon, 23 Nov 2026 20:00:00 GMT") == "2026-11-23T20:00:00Z"
    assert _server_time("Mon, 23 Nov 2026 20:00:00 +0100") == "2026-11-23T19:00:00Z"


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 99 Foo 2026 0:0:0"])
def test_this_machines_clock_is_used_without_a_date(date: str | None) -> None:
    found = datetime.fromisoformat(_server_time(date))
    assert abs(datetime.now(UTC) - found) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("2.5", 2.5),
        ("120", 120.0),
        ("86400", 120.0),
        ("9" * 400, 120.0),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("7 seconds", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 31 Dec 9998 23:59:59 GMT", 120.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_capped_and_rubbish_says_nothing(
    stated: str | None, seconds: float | None
) -> None:
    assert retry_after(stated) == seconds


@pytest.mark.parametrize("zone", [" GMT", " -0000", ""])
def test_retry_after_as_a_date_is_the_time_until_then_wherever_this_machine_is(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    wait = retry_after(until.replace(" GMT", zone))
    monkeypatch.undo()
    time.tzset()
    assert wait is not None
    assert 58 <= wait <= 61


@given(stated=st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [+-]?\d{4,6}"))
@example(stated="Mon, 23 Nov 2026 20:00:00 +999999")
def test_no_header_can_make_reading_it_fail(stated: str) -> None:
    wait = retry_after(stated)
    assert wait is None or 0 <= wait <= 120
    assert len(_server_time(stated)) == 20


def test_a_query_is_sorted_and_readable() -> None:
    params = {
        "language": "en-US",
        "append_to_response": "credits,watch/providers",
        "with_genres": "18|35",
        "q": "a&b c",
    }
    assert query_of(params) == (
        "append_to_response=credits,watch/providers&language=en-US&q=a%26b+c&with_genres=18%7C35"
    )


def test_a_path_is_sent_as_it_is_encoded() -> None:
    seen: Callable[[Server], list[str]] = lambda server: [request.raw_path for request in server.seen]  # noqa: E731
    with serving(lambda request: json({})) as server:
        _get(server.url, "/movie/550", query_of({"append_to_response": "watch/providers"}))
        assert seen(server) == ["/3/movie/550?append_to_response=watch/providers"]


@pytest.mark.parametrize(
    "path", ["/movie/../account", "/movie//1", "movie/1", "/movie/1?x", "/movie/%2e%2e", "/movie/1\n", "/", "", "/m/²"]
)
def test_a_path_that_could_lead_elsewhere_is_never_sent(path: str) -> None:
    with serving(lambda request: json({"id": 1})) as server:

        async def work(client: TmdbClient) -> None:
            with pytest.raises(ReelhouseError, match="not a path of TMDB's API"):
                await client.get(path)
            assert client.requests == 0

        with_client(server.url, work)
        assert server.seen == []
