"""The HTTP server: authorization, rate limit, faults and compression."""

import asyncio
import posixpath
import re
import time

import msgspec
from aiohttp import web

from reelhouse.emulator.api import Api
from reelhouse.emulator.catalog.kinds import KINDS
from reelhouse.emulator.errors import Refusal
from reelhouse.emulator.exports import Exports
from reelhouse.emulator.http.bodies import Bodies, PackedBody, render
from reelhouse.emulator.http.control import Control
from reelhouse.emulator.http.fault_responses import (
    GONE,
    Exchange,
    needs_body,
    reset,
    send_cut,
    send_fault,
    send_slowly,
)
from reelhouse.emulator.http.faults import Faults
from reelhouse.emulator.http.rate_limit import RateLimit
from reelhouse.emulator.http.stats import RequestCounts
from reelhouse.emulator.queries import ApiRequest, Query
from reelhouse.emulator.world import Worlds

_KEY = re.compile(r"[0-9a-fA-F]{32}")
_THING = re.compile(rf"({'|'.join(KINDS)})/(\d{{1,18}})(?:-[^/]*)?(/.+)?")
_SEASON = re.compile(r"/season/\d+(/episode/\d+)?")
_READING = ("GET", "HEAD")
_PIECE = 1 << 18
_COUNTED = ("genre", "certification", "watch", "configuration", "find", "trending")
_LISTED = (
    "changes", "latest", "popular", "top_rated", "now_playing", "upcoming", "airing_today", "on_the_air",
)  # fmt: skip
_LIST_AGE = 300
_DETAIL_AGES = (3_000, 23_900)
_ABSENT = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


# A kind and an id.
Thing = tuple[str, int]


class Server:
    """Answers every request to the emulator."""

    def __init__(
        self,
        worlds: Worlds,
        exports: Exports,
        faults: Faults,
        pace: RateLimit,
        *,
        cache: int,
        latency: float,
        token: str | None,
    ) -> None:
        self._worlds, self._exports, self._faults, self._pace = worlds, exports, faults, pace
        self._stats = RequestCounts()
        self._api = Api(worlds)
        self._control = Control(worlds, self._stats, faults, pace)
        self._bodies = Bodies(cache)
        self._latency = latency
        self._token = token
        self._at_once = 0
        self._date = (0, "")
        self.http = web.Server(self.handle, access_log=None)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._handle(request)
        except ConnectionResetError:
            # The client has hung up, as clients with a time limit do; that is not an error of the server.
            return web.Response(status=GONE)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/-/"):
            return await self._control.handle(request, path[3:])
        if "\x00" in path:
            return self._refuse(47)
        if ".." in path:
            path = posixpath.normpath(path)
        if path.startswith("/3/"):
            return await self._counted(request, path[3:].rstrip("/"))
        if path.startswith("/p/exports/"):
            return await self._counted_export(request, path)
        return self._refuse(34)

    async def _counted(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        now, status = time.monotonic(), GONE
        self._at_once += 1
        self._stats.arrived(now, self._at_once, len(self.http.connections))
        kind, thing = _classify(path)
        self._stats.by_kind[kind] += 1
        if thing is not None and kind.endswith("detail"):
            self._stats.asked[thing] += 1
        try:
            response = await self._answer(request, path, now, thing)
            status = response.status
            return response
        finally:
            self._at_once -= 1
            self._stats.by_status[str(status)] += 1

    async def _answer(self, request: web.BaseRequest, path: str, now: float, thing: Thing | None) -> web.StreamResponse:
        admitted = self._pace.admits(now)
        if self._latency:
            await asyncio.sleep(self._latency)
        if not admitted:
            return self._refuse(25)
        if request.method not in _READING:
            return self._refuse(42)
        query = request.query
        if not self._authorized(request, query):
            return self._refuse(7)
        fault = self._faults.for_listing(request.path_qs) if thing is None else self._faults.for_detail(*thing)
        try:
            return await self._good_or_faulty(request, path, thing, fault)
        except Refusal as refusal:
            return self._refuse(refusal.code)

    def _authorized(self, request: web.BaseRequest, query: Query) -> bool:
        """Accept the one token if there is one, else any bearer token and any key in the right form."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        if self._token is not None:
            return bearer == self._token
        return bool(bearer) or _KEY.fullmatch(query.get("api_key", "")) is not None

    async def _good_or_faulty(
        self, request: web.BaseRequest, path: str, thing: Thing | None, fault: str | None
    ) -> web.StreamResponse:
        question = self._api.question
        if fault == "drift":
            # The first page is where a list begins, so nothing can have moved onto it.
            question, fault = (self._api.drifted, fault) if request.query.get("page", "1") != "1" else (question, None)
        if fault is not None:
            self._stats.by_fault[fault] += 1
        if fault == "wrong-id" and thing is not None:
            path, fault = path.replace(str(thing[1]), str(self._somebody_else(*thing)), 1), None
        if fault not in (None, "drift") and not needs_body(fault):
            return await send_fault(fault, Exchange(request, self._plain_headers(), None, self._pace.retry_after))
        body = await self._body(question(path, request.query))
        headers = self._headers(request, body, thing)
        if fault not in (None, "drift"):
            return await send_fault(fault, Exchange(request, headers, body, None))
        if body.etag in request.headers.get("If-None-Match", ""):
            del headers["Content-Type"]
            return web.Response(status=304, headers=headers)
        return web.Response(body=body.packed if "Content-Encoding" in headers else body.plain(), headers=headers)

    async def _body(self, question: ApiRequest) -> PackedBody:
        if question.key is None:
            return render(question.build())
        body = self._bodies.get(question.key)
        if body is None:
            content = await asyncio.to_thread(question.build) if question.slow else question.build()
            body = render(content)
            self._bodies.keep(question.key, body)
        return body

    def _somebody_else(self, kind: str, number: int) -> int:
        """The id of another thing of the kind, for a fault that answers with the wrong body."""
        world = self._worlds.find(kind)
        if world is None:
            return number
        start = (world.catalogue.index_of(number) or 0) + 1
        others = (index % world.count for index in range(start, start + world.count))
        return world.catalogue.id_of(next(filter(world.is_living, others)))

    def _headers(self, request: web.BaseRequest, body: PackedBody, thing: Thing | None) -> dict[str, str]:
        shortest, spread = _DETAIL_AGES
        age = _LIST_AGE if thing is None else shortest + thing[1] % spread
        headers = self._plain_headers()
        headers |= {"Cache-Control": f"public, max-age={age}", "ETag": body.etag, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
        return headers

    def _plain_headers(self) -> dict[str, str]:
        return {"Content-Type": "application/json;charset=utf-8", "Date": self._http_date(), "Server": "openresty"}

    def _http_date(self) -> str:
        """The `Date` header, made at most once a second and movement of the clock."""
        second = int(self._worlds.clock.now().timestamp())
        if second != self._date[0]:
            self._date = (second, self._worlds.clock.http_date())
        return self._date[1]

    def _refuse(self, code: int) -> web.Response:
        refusal = Refusal(code)
        headers = self._plain_headers()
        if code == 25 and self._pace.retry_after is not None:
            headers["Retry-After"] = f"{self._pace.retry_after:g}"
        return web.Response(status=refusal.status, body=msgspec.json.encode(refusal.body()), headers=headers)

    async def _counted_export(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        status = GONE
        self._stats.requests += 1
        self._stats.by_kind["export"] += 1
        self._stats.export_authorizations += "Authorization" in request.headers
        try:
            response = await self._export(request, path)
            status = response.status
            return response
        finally:
            self._stats.by_status[str(status)] += 1

    async def _export(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        named = self._exports.named(path)
        if named is None:
            headers = {"Content-Type": "application/xml", "Date": self._http_date(), "Server": "AmazonS3"}
            return web.Response(status=403, text=_ABSENT, headers=headers)
        file = await asyncio.to_thread(self._exports.file, *named)
        headers = {
            "Content-Type": "application/gzip",
            "ETag": file.etag,
            "Date": self._http_date(),
            "Server": "AmazonS3",
        }
        if file.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        fault = self._faults.for_listing(path, export=True) if request.method == "GET" else None
        if fault is not None:
            return await self._faulty_export(request, headers, fault, file.path.read_bytes())
        response = web.StreamResponse(headers={**headers, "Content-Length": str(file.size)})
        await response.prepare(request)
        if request.method == "GET":
            with file.path.open("rb") as content:
                while piece := content.read(_PIECE):
                    await response.write(piece)
        return response

    async def _faulty_export(
        self, request: web.BaseRequest, headers: dict[str, str], fault: str, content: bytes
    ) -> web.StreamResponse:
        self._stats.by_fault[fault] += 1
        match fault:
            case "cut":
                return await send_cut(request, headers, content)
            case "cut-gzip" | "invalid-json":
                return web.Response(body=content[: len(content) // 2], headers=headers)
            case "slow":
                return await send_slowly(request, headers, content)
            case "reset":
                return await reset(request)
            case _:
                return await send_fault(fault, Exchange(request, self._plain_headers(), None, self._pace.retry_after))


def _classify(path: str) -> tuple[str, Thing | None]:
    """The kind of request under which it is counted (`detail`; of others than movies `tv/detail`), and its thing."""
    found = _THING.fullmatch(path)
    if found is not None:
        kind, rest = found[1], found[3]
        return _prefixed(kind, _what(kind, rest) if rest else "detail"), (kind, int(found[2]))
    if path.startswith("movie/tt"):
        return "append" if path.count("/") > 1 else "detail", None
    first, _, rest = path.partition("/")
    if first in KINDS:
        return (_prefixed(first, rest) if rest in _LISTED else "unknown"), None
    if first == "discover":
        return _prefixed(rest, first), None
    return first if first in _COUNTED else "unknown", None


def _what(kind: str, rest: str) -> str:
    if rest == "/changes":
        return "movie_changes" if kind == "movie" else "item_changes"
    part = _SEASON.match(rest)
    return "append" if part is None else "episode" if part[1] else "season"


def _prefixed(kind: str, what: str) -> str:
    return what if kind == "movie" else f"{kind}/{what}"
