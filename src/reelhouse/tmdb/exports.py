"""TMDB's daily id exports: fetched completely or not used. The token is never sent to their host."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import stamina

from reelhouse.errors import ListingError, TransientError
from reelhouse.tmdb.clock import ClockSample, ServerClock, etag_of, is_here
from reelhouse.tmdb.proxy import proxy_of

if TYPE_CHECKING:
    import aiohttp

    from reelhouse.tmdb.client import TmdbClient

# An export appears between 07:00 and 08:00 UTC and may be late; a week without one is a fault.
_DAYS_BACK = 7

# Days of this machine, and days stated by answers, that are requested until two agree on the time.
_LOOKS = 3
_ATTEMPTS = 6
_PIECE = 1 << 14
# The largest export has 77 MB, some 500 MB unpacked, and lines of some hundred bytes.
_MOST_PACKED = 512 << 20
_MOST_UNPACKED = 8 << 30
_LONGEST_LINE = 1 << 20


class _TooLargeError(ListingError):
    """A retry would not help."""


class ExportRow(msgspec.Struct):
    """One line of an export; kinds without popularity or flags have these defaults."""

    id: Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
    popularity: float | None = None
    adult: bool | None = False
    video: bool | None = False


_decode_lines = msgspec.json.Decoder(ExportRow).decode_lines


class ExportDownload(NamedTuple):
    """One day's file, verbatim; *body* is None if the file still has the ETag that was sent."""

    day: date
    body: bytes | None
    etag: str | None
    asked_at: str


async def fetch_export(
    session: aiohttp.ClientSession,
    url: str,
    kind: str,
    known: tuple[date, str] | None = None,
    client: TmdbClient | None = None,
) -> ExportDownload:
    """The newest export of *kind*, going back one day at a time while there is none.

    *known* is the day and ETag of a stored export. *client* knows the time by the API's answers, and notes for how long
    nothing has answered. Raises `ListingError` if no export can be read completely.
    """
    clock = client.clock if client else ServerClock(simulated=is_here(url))
    fetched: dict[date, _Fetched] = {}

    async def of(day: date) -> _Fetched:
        if day not in fetched:
            etag = known[1] if known and known[0] == day else None
            file = f"{url.rstrip('/')}/{kind}_{day:%m_%d_%Y}.json.gz"
            fetched[day] = await _fetch(session, file, etag, clock, client)
        return fetched[day]

    here = clock.today()
    # One answer alone does not prove that this machine's clock is wrong: the next ones say which of the two is.
    for back in range(_LOOKS):
        await of(here - timedelta(days=back))
        if clock.in_doubt:
            await of(clock.stated_day())
        if not clock.in_doubt:
            break
    start = clock.today()
    for back in range(_DAYS_BACK + 1):
        found = await of(day := start - timedelta(days=back))
        if found.body is not None or found.etag is not None:
            stamps = {one: clock.stamp(answer.sample) for one, answer in fetched.items()}
            return ExportDownload(day, found.body, found.etag, stamps[day])
    raise ListingError(f"no export {kind} of the last {_DAYS_BACK} days is at {url}")


class _Fetched(NamedTuple):
    """One day's file; neither body nor ETag if there is none."""

    body: bytes | None
    etag: str | None
    sample: ClockSample | None


async def _fetch(
    session: aiohttp.ClientSession, url: str, etag: str | None, clock: ServerClock, client: TmdbClient | None
) -> _Fetched:
    headers = {"If-None-Match": kept} if (kept := etag_of(etag)) else {}
    try:
        async for attempt in stamina.retry_context(on=TransientError, attempts=_ATTEMPTS, timeout=None, wait_max=30.0):
            with attempt:
                if client:
                    client.waits()
                return await _fetch_once(session, url, headers, clock, client.reached if client else lambda: None)
    except TransientError as exc:
        raise ListingError(f"{url} could not be read completely, so it is not used: {exc}") from exc
    raise AssertionError("unreachable")


async def _fetch_once(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], clock: ServerClock, reached: Callable[[], None]
) -> _Fetched:
    import aiohttp

    try:
        # The file must arrive unchanged, so that its bytes and its checksum can be kept.
        async with session.get(
            url,
            headers={"Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=900, connect=15, sock_read=60),
            **proxy_of(url),
        ) as response:
            sample = clock.read(response.headers)
            if response.status in (403, 404, 304):
                reached()
            if response.status in (403, 404):
                return _Fetched(None, None, sample)
            if response.status == 304 and headers:
                return _Fetched(None, headers["If-None-Match"], sample)
            if response.status != 200:
                raise TransientError(f"HTTP {response.status}")
            reached()
            body = await _read(response)
            _check_gzip(body)
            return _Fetched(body, etag_of(response.headers.get("ETag")) or "", sample)
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise TransientError(str(exc) or type(exc).__name__) from exc


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_PACKED:
            raise _TooLargeError(f"{response.url} has more than {_MOST_PACKED:,} bytes")
    return bytes(body)


def _check_gzip(body: bytes) -> None:
    try:
        for _ in _blocks(body):
            pass
    except _TooLargeError:
        raise
    except ListingError as exc:
        raise TransientError(str(exc)) from exc


def _blocks(body: bytes) -> Iterator[bytes]:
    """Decompressed pieces; `ListingError` if a member is truncated or its CRC differs."""
    unpacker = zlib.decompressobj(31)
    size = 0
    try:
        for start in range(0, len(body), _PIECE):
            piece = body[start : start + _PIECE]
            while piece:
                if unpacker.eof:
                    # A gzip file may have several members; stopping at the first would look like a mass deletion.
                    unpacker = zlib.decompressobj(31)
                block = unpacker.decompress(piece)
                size += len(block)
                if size > _MOST_UNPACKED:
                    raise _TooLargeError(f"the export has more than {_MOST_UNPACKED:,} bytes, unpacked")
                yield block
                piece = unpacker.unused_data
    except zlib.error as exc:
        raise ListingError(f"the export is damaged: {exc}") from exc
    if not unpacker.eof:
        raise ListingError("the export is truncated: its gzip stream does not end")


def read_rows(body: bytes) -> Iterator[list[ExportRow]]:
    """The export's rows in batches; `ListingError` at the first line that does not parse."""
    rest = b""
    for block in _blocks(body):
        whole, cut, tail = (rest + block).rpartition(b"\n")
        rest = tail
        if len(rest) > _LONGEST_LINE:
            raise ListingError(f"the export has a line of more than {_LONGEST_LINE:,} bytes")
        if cut:
            yield _rows(whole)
    if rest:
        yield _rows(rest)


def _rows(lines: bytes) -> list[ExportRow]:
    try:
        return _decode_lines(lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ListingError(f"the export has a line that does not parse: {exc}") from exc
