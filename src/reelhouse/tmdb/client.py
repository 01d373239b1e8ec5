"""One request to TMDB: rate limit, token, and the error that its answer means. Nothing is retried here."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import stamina
from multidict import CIMultiDictProxy
from yarl import URL

from reelhouse.errors import DeniedError, MissingError, ReelhouseError, TransientError, UntrustedError
from reelhouse.tmdb.clock import ClockSample, ServerClock, age_of, etag_of, is_here, parse_date
from reelhouse.tmdb.endpoints import CANARY, check_path
from reelhouse.tmdb.proxy import proxy_of
from reelhouse.tmdb.rate import LONGEST_PAUSE, Limiter
from reelhouse.tmdb.unpacking import DamagedBodyError, UnpackedBody, read_body

if TYPE_CHECKING:
    import aiohttp

# Seconds that a request may take.
_LONGEST = 90.0
_USER_AGENT = "reelhouse (+https://github.com/reelhouse/reelhouse)"
_GONE_CODES = frozenset((6, 34))
_LARGEST = 64 << 20

_REMEDY = (
    " Set TMDB_TOKEN to the API Read Access Token (the long one, not the API Key) of your TMDB account's settings."
)

# How often TMDB is asked for the time if an answer's time disagrees with this machine's and no other confirms it.
_LOOKS = 4


class Answer(NamedTuple):
    """An unchanged answer; *fetched_at* is TMDB's time (`Date`, if plausible) in UTC, to the second."""

    status: int
    body: bytes
    fetched_at: str
    etag: str | None
    age: int | None


class GoneAnswer(MissingError):
    """TMDB's own 404, with its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("TMDB has no such record (404)")
        self.answer = answer


class UntrustedAnswer(UntrustedError):
    """An answer that cannot be trusted, kept as evidence."""

    def __init__(self, reason: str, text: str, answer: Answer) -> None:
        super().__init__(reason, text)
        self.answer = answer


class BudgetError(ReelhouseError):
    """The allowed requests are used up, or requests were halted."""


class _StatusBody(msgspec.Struct):
    status_code: int = 0
    status_message: str = ""


_decode_status = msgspec.json.Decoder(_StatusBody).decode


class _Reply(NamedTuple):
    """One answer without a time yet, and its own time headers."""

    answer: Answer
    body: UnpackedBody
    sample: ClockSample | None
    headers: CIMultiDictProxy[str]


@asynccontextmanager
async def open_session(connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A session of at most *connections* connections. It carries no token: that goes with each request to the API."""
    # Retries are counted in receipts; a line on stderr for each would hide the progress bar.
    stamina.instrumentation.set_on_retry_hooks([])
    # Here and below: a build, a query and an export need no HTTP client, which is dear to load.
    import aiohttp

    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        headers={"User-Agent": _USER_AGENT, "Accept": "application/json"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=_LONGEST, sock_connect=15, sock_read=20),
    ) as session:
        yield session


class TmdbClient:
    """TMDB's API, one request at a time. The token stays in here and in the header.

    A body of more than *largest* bytes, packed or unpacked, is not kept in memory.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: str,
        limiter: Limiter,
        clock: ServerClock | None = None,
        *,
        largest: int = _LARGEST,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._token = token.encode()
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
        self._proxy = proxy_of(url)
        self._largest = largest
        self.limiter = limiter
        self.clock = clock or ServerClock(simulated=is_here(url))
        self._looking = asyncio.Lock()
        self._looks = _LOOKS
        self._assumed: str | None = None
        self.requests = 0
        self.last_good = time.monotonic()
        self.retries = 0
        self.last_failure = ""
        self._silent_since: float | None = None
        # Also those of the export host.
        stamina.instrumentation.set_on_retry_hooks([self._retried])
        self._most: int | None = None
        self._halted = False

    def limit_requests(self, more: int | None) -> None:
        """Raise `BudgetError` after *more* further requests; None removes the limit."""
        self._most = None if more is None else self.requests + more

    def halt(self) -> None:
        """Raise `BudgetError` for any further request, also for those that wait for their turn."""
        self._halted = True

    def assume(self, instant: str) -> None:
        """Use *instant* as TMDB's time until an answer has one."""
        self._assumed = instant

    @property
    def seen_at(self) -> str | None:
        """The latest plausible time of TMDB's answers."""
        return self.clock.seen() or self._assumed

    async def get(self, path: str, query: str = "", *, refused_at: float = math.inf) -> Answer:
        """Make one request. *path* and *query* are already encoded; *refused_at* is when it was last answered 429.

        Raises `TransientError` (retry), `GoneAnswer`, `UntrustedAnswer`, `DeniedError` (stop) or `BudgetError`.
        """
        check_path(path)
        if self._halted or (self._most is not None and self.requests >= self._most):
            raise BudgetError("no further request is allowed")
        # Counted before waiting for a turn, so that waiting tasks cannot exceed the limit together.
        self.requests += 1
        try:
            reply = await self._once(path, query, refused_at)
        except BudgetError:
            self.requests -= 1
            raise
        except TransientError as exc:
            self._failed(exc)
            raise
        if self.clock.in_doubt:
            await self._settle_clock()
        answer = reply.answer._replace(fetched_at=self.clock.stamp(reply.sample))
        if answer.status == 200:
            if reply.body.reason:
                raise UntrustedAnswer(reply.body.reason, f"{path}: {reply.body.text}", answer)
            return answer
        error = _error(path, answer, reply.headers, self._date(reply.headers))
        if isinstance(error, MissingError):
            self.believed()
        elif isinstance(error, TransientError):
            self._failed(error)
        raise error

    async def _settle_clock(self) -> None:
        """Ask for the time, at most `_LOOKS` times: one answer alone does not prove that this clock is wrong."""
        async with self._looking:
            while self.clock.in_doubt and self._looks and not self._halted:
                self._looks -= 1
                # Not a request of the run, so it is neither counted nor limited. Without an answer the clock stays in
                # doubt, and the summary says so.
                with suppress(TransientError, BudgetError):
                    await self._once(CANARY, "")

    async def _once(self, path: str, query: str, refused_at: float = math.inf) -> _Reply:
        """Wait for a turn and make one request; the answer has no time yet."""
        import aiohttp

        started = await self.limiter.wait_turn()
        if self._halted:
            raise BudgetError("no further request is allowed")
        self.waits()
        url = URL(f"{self._url}{path}?{query}" if query else f"{self._url}{path}", encoded=True)
        broken, by_proxy = None, 0
        try:
            # A redirect could carry the token to another host.
            async with self._session.get(
                url, headers=self._headers, allow_redirects=False, auto_decompress=False, **self._proxy
            ) as response:
                if response.status != 429:
                    self.limiter.answered(started)
                body = await read_body(response, self._largest)
        except (TimeoutError, aiohttp.ClientError, DamagedBodyError, OSError) as exc:
            # Its messages have several lines.
            broken = " ".join(str(exc).split()) or type(exc).__name__
            by_proxy = exc.status if isinstance(exc, aiohttp.ClientHttpProxyError) else 0
        if by_proxy == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise DeniedError("the proxy refuses (407): set HTTPS_PROXY to http://NAME:PASSWORD@HOST:PORT")
        if by_proxy:
            raise TransientError(f"{path}: the proxy that HTTPS_PROXY names refuses ({by_proxy})")
        if broken is not None:
            # Not raised from aiohttp's error, which carries the request's headers and so the token.
            raise TransientError(f"{path}: {broken}")
        headers = response.headers
        if response.status == 429:
            wait = retry_after(headers.get("Retry-After"), self._date(headers))
            self.limiter.throttled(started, wait, repeated=self.last_good > refused_at)
            raise TransientError(f"{path}: TMDB asks to slow down (429)", retry_after=wait, throttled=True)
        sample = self.clock.read(headers)
        # An error may quote what was sent, and what it says is shown, logged or stored.
        content = body.content if response.status == 200 else body.content.replace(self._token, b"***")
        answer = Answer(response.status, content, "", etag_of(headers.get("ETag")), age_of(headers.get("Age")))
        return _Reply(answer, body, sample, headers)

    def _date(self, headers: CIMultiDictProxy[str]) -> str | None:
        stated = headers.get("Date")
        return stated if self.clock.trusts(stated) else None

    def believed(self) -> None:
        """Note that TMDB itself has just answered a request."""
        self.last_good = time.monotonic()
        self.reached()

    def waits(self) -> None:
        """Note that a request waits for an answer of TMDB or its export host."""
        if self._silent_since is None:
            self._silent_since = time.monotonic()

    def reached(self) -> None:
        """Note that TMDB or its export host has just answered."""
        self._silent_since, self.last_failure = None, ""

    @property
    def silent(self) -> float:
        """Seconds since the first of the requests after which nothing was answered."""
        return 0.0 if self._silent_since is None else time.monotonic() - self._silent_since

    def _failed(self, failure: BaseException) -> None:
        self.last_failure = str(failure)
        self.waits()

    def _retried(self, details: stamina.instrumentation.RetryDetails) -> None:
        self.retries += 1
        self._failed(details.caused_by)


def _error(path: str, answer: Answer, headers: CIMultiDictProxy[str], date: str | None) -> Exception:
    verdict = _verdict(answer.body)
    code, text = verdict.status_code, verdict.status_message or f"HTTP {answer.status}"
    if answer.status == 404 and code in _GONE_CODES:
        return GoneAnswer(answer)
    if answer.status == 401:
        return DeniedError(f"TMDB refuses the token (401, code {code}): {text}{_REMEDY}")
    if answer.status == 403 and code:
        return DeniedError(f"TMDB denies access (403, code {code}): {text}")
    # A 403, 404 or redirect without TMDB's own JSON comes from a proxy, and says nothing about the id.
    if answer.status >= 500 or answer.status in (403, 404, 408) or answer.status < 400:
        wait = retry_after(headers.get("Retry-After"), date)
        return TransientError(f"{path}: {text} ({answer.status})", retry_after=wait)
    return UntrustedAnswer(f"http_{answer.status}", f"{path}: {text} ({answer.status})", answer)


def _verdict(body: bytes) -> _StatusBody:
    try:
        return _decode_status(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _StatusBody()


def retry_after(stated: str | None, date: str | None = None) -> float | None:
    """Seconds to wait by a `Retry-After` header (seconds or a date), capped; None if it is not usable.

    A date is compared with TMDB's own clock, a plausible `Date` header *date*, if there is one: this machine's may be
    wrong.
    """
    if stated is None:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", stated.strip()):
        return min(float(stated), LONGEST_PAUSE)
    until = parse_date(stated)
    return None if until is None else min(max(until - (parse_date(date) or time.time()), 0.0), LONGEST_PAUSE)


def query_of(params: Mapping[str, Any], appends: Sequence[str] = ()) -> str:
    """Parameters as an encoded query, sorted by name; `,` and `/` stay readable. *appends* replace theirs."""
    if appends:
        params = {**params, "append_to_response": ",".join(appends)}
    return str(URL.build(query={name: str(params[name]) for name in sorted(params)}).raw_query_string)
