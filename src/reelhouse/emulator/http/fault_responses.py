"""The response of each fault in `faults.PROFILES`."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web
from zlib_ng import zlib_ng

from reelhouse.emulator.errors import Refusal
from reelhouse.emulator.http.bodies import PackedBody

SLOW_SECONDS = 0.5
# The status in the statistics for a connection closed without a response.
GONE = 499
_SLOW_PIECES = 5
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>openresty</body></html>\r\n"
_CODES = {"429": 25, "500": 11, "502": 43, "503": 9, "504": 24, "vanished": 34}
_PAGES = {"502-html": 502, "504-html": 504, "html-200": 200, "html-404": 404}
_FIRST_TEXT = re.compile(rb'("(?:overview|biography|description|name)":")')
_TITLES = {200: "Just a moment...", 404: "404 Not Found", 502: "502 Bad Gateway", 504: "504 Gateway Time-out"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that gets a fault, and the response that it would have had."""

    request: web.BaseRequest
    headers: dict[str, str]
    body: PackedBody | None
    retry_after: float | None

    @property
    def packed(self) -> bool:
        """Whether the answer goes out gzipped."""
        return "Content-Encoding" in self.headers

    def plain(self) -> bytes:
        """The good answer, unpacked."""
        assert self.body is not None, "a fault that spoils the body needs one"
        return self.body.plain()

    def sent(self) -> bytes:
        """The good answer as it would go out."""
        assert self.body is not None, "a fault that spoils the body needs one"
        return self.body.packed if self.packed else self.body.plain()


def needs_body(fault: str) -> bool:
    """Whether the fault spoils a good answer, rather than replacing it."""
    return fault not in _CODES and fault not in _PAGES and fault != "reset"


async def send_fault(fault: str, exchange: Exchange) -> web.StreamResponse:
    """Answer with *fault*."""
    if fault in _CODES:
        return _error(_CODES[fault], exchange)
    if fault in _PAGES:
        return _page(_PAGES[fault], exchange)
    return await _DEEDS[fault](exchange)


async def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=GONE)


async def send_cut(request: web.BaseRequest, headers: dict[str, str], content: bytes) -> web.StreamResponse:
    """Promise all of *content*, send half, hang up."""
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(content))})
    await response.prepare(request)
    await response.write(content[: len(content) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def send_slowly(request: web.BaseRequest, headers: dict[str, str], content: bytes) -> web.StreamResponse:
    """Send all of *content*, in pieces with pauses."""
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(content))})
    await response.prepare(request)
    step = -(-len(content) // _SLOW_PIECES)
    for start in range(0, len(content), max(1, step)):
        await response.write(content[start : start + step])
        await asyncio.sleep(SLOW_SECONDS / _SLOW_PIECES)
    await response.write_eof()
    return response


def _error(code: int, exchange: Exchange) -> web.Response:
    refusal = Refusal(code)
    headers = {"Date": exchange.headers["Date"], "Content-Type": "application/json;charset=utf-8"}
    if code == 25 and exchange.retry_after is not None:
        headers["Retry-After"] = f"{exchange.retry_after:g}"
    return web.Response(status=refusal.status, body=msgspec.json.encode(refusal.body()), headers=headers)


def _page(status: int, exchange: Exchange) -> web.Response:
    headers = {"Date": exchange.headers["Date"], "Content-Type": "text/html"}
    return web.Response(status=status, text=_PAGE.format(_TITLES[status]), headers=headers)


async def _reset(exchange: Exchange) -> web.StreamResponse:
    return await reset(exchange.request)


async def _slow(exchange: Exchange) -> web.StreamResponse:
    return await send_slowly(exchange.request, exchange.headers, exchange.sent())


async def _cut(exchange: Exchange) -> web.StreamResponse:
    return await send_cut(exchange.request, exchange.headers, exchange.sent())


async def _cut_gzip(exchange: Exchange) -> web.StreamResponse:
    content = exchange.sent()
    return web.Response(body=content[: len(content) // 2], headers=exchange.headers)


async def _invalid_json(exchange: Exchange) -> web.StreamResponse:
    plain = exchange.plain()
    broken = plain[: len(plain) * 2 // 3] + b',"oops":}'
    return web.Response(body=zlib_ng.compress(broken, 1, 31) if exchange.packed else broken, headers=exchange.headers)


async def _gzip_unlabelled(exchange: Exchange) -> web.StreamResponse:
    assert exchange.body is not None, "a fault that spoils the body needs one"
    headers = {name: value for name, value in exchange.headers.items() if name != "Content-Encoding"}
    return web.Response(body=exchange.body.packed, headers=headers)


async def _half_surrogate(exchange: Exchange) -> web.StreamResponse:
    broken = _FIRST_TEXT.sub(rb"\1\\ud83d ", exchange.plain(), count=1)
    return web.Response(body=zlib_ng.compress(broken, 1, 31) if exchange.packed else broken, headers=exchange.headers)


_DEEDS: dict[str, Callable[[Exchange], Awaitable[web.StreamResponse]]] = {
    "reset": _reset,
    "slow": _slow,
    "cut": _cut,
    "cut-gzip": _cut_gzip,
    "invalid-json": _invalid_json,
    "gzip-unlabelled": _gzip_unlabelled,
    "half-surrogate": _half_surrogate,
}
