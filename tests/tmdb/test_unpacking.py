"""Bodies are unpacked in bounded memory, however they are packed and whether or not the header says so."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from aiohttp import web

from reelhouse.errors import TransientError
from reelhouse.tmdb import client as clients
from reelhouse.tmdb.client import Answer, GoneAnswer, UntrustedAnswer
from reelhouse.tmdb.unpacking import unpacked
from tests.runs.listening import listening
from tests.serving import serving, verdict
from tests.tmdb.asking import with_client

BODY = b'{"id":550,"title":"Fight Club"}' * 100
MOST = 1 << 20
RAW = zlib.compressobj(wbits=-15)
PACKED = {
    "as it is": ("", BODY),
    "identity": ("identity", BODY),
    "gzip": ("gzip", gzip.compress(BODY)),
    "x-gzip": ("X-GZIP", gzip.compress(BODY)),
    "deflate": ("deflate", zlib.compress(BODY)),
    "raw deflate": ("deflate", RAW.compress(BODY) + RAW.flush()),
    "gzip without a header": ("", gzip.compress(BODY)),
    "gzip said to be identity": ("identity", gzip.compress(BODY)),
    "gzip twice, said once": ("gzip", gzip.compress(gzip.compress(BODY))),
    "gzip twice, said twice": ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
    "two members": ("gzip", gzip.compress(BODY[:1000]) + gzip.compress(BODY[1000:])),
    "padded": ("gzip", gzip.compress(BODY) + b"\0" * 512),
}


def _bomb(size: int) -> bytes:
    return gzip.compress(b"0" * size, 1)


def _got(body: bytes, encoding: str = "", status: int = 200, largest: int = MOST) -> Answer:
    def answering(request: web.BaseRequest) -> web.Response:
        headers = {"Content-Encoding": encoding} if encoding else {}
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    with serving(answering) as server:
        return with_client(server.url, lambda client: client.get("/movie/550"), largest=largest)


@pytest.mark.parametrize("case", PACKED)
def test_a_body_is_unpacked_by_its_header_and_by_how_it_begins(case: str) -> None:
    encoding, sent = PACKED[case]
    assert _got(sent, encoding).body == BODY


def test_an_error_of_tmdb_s_is_read_though_it_is_packed_without_a_header() -> None:
    with pytest.raises(GoneAnswer):
        _got(gzip.compress(bytes(verdict(404, 34).body or b"")), status=404)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "nonsense"])
def test_an_unrequested_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(UntrustedAnswer, match="not requested") as caught:
        _got(BODY, encoding)
    assert caught.value.reason == "encoding"


@pytest.mark.parametrize(
    "sent",
    [
        gzip.compress(BODY)[:-9],
        gzip.compress(BODY)[:-8] + b"\1" * 8,
        b"\x1f\x8b",
        gzip.compress(BODY) + b"rubbish",
        gzip.compress(b"") * 65,
    ],
    ids=["cut", "wrong sum", "two bytes", "rubbish behind it", "many members"],
)
@pytest.mark.parametrize("encoding", ["gzip", ""])
def test_a_damaged_body_is_asked_again(sent: bytes, encoding: str) -> None:
    with pytest.raises(TransientError, match="/movie/550"):
        _got(sent, encoding)


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        (_bomb(MOST + 1), "gzip"),
        (_bomb(50 * MOST), "gzip"),
        (_bomb(50 * MOST), ""),
        (zlib.compress(b"0" * 50 * MOST), "deflate"),
        (gzip.compress(_bomb(50 * MOST)), "gzip"),
        (_bomb(MOST // 2) * 3, "gzip"),
        (b"0" * (MOST + 1), ""),
    ],
    ids=["by one", "by far", "no header", "deflate", "twice", "members", "plain"],
)
def test_a_body_that_is_too_large_comes_back_as_its_beginning_with_the_reason(sent: bytes, encoding: str) -> None:
    with pytest.raises(UntrustedAnswer, match="more than 1,048,576 bytes") as caught:
        _got(sent, encoding)
    assert caught.value.reason == "too_large"
    assert caught.value.answer.body == b"0" * (1 << 16)


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert len(_got(_bomb(MOST), "gzip").body) == MOST


def test_an_error_page_that_is_too_large_says_what_its_status_says() -> None:
    with pytest.raises(TransientError, match="503"):
        _got(_bomb(5 * MOST), "gzip", status=503)


def test_a_bomb_takes_no_more_memory_than_it_may() -> None:
    bomb = _bomb(256 << 20)
    tracemalloc.start()
    assert unpacked(bomb, "gzip", 8 << 20).reason == "too_large"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 << 20


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["fast", "slow"])
def test_a_body_that_never_ends_ends_by_its_size_or_by_the_time_it_takes(
    pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "_LONGEST", 1.0)

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * (1 << 12))
                await asyncio.sleep(pause)
        except ConnectionError:
            return response

    with listening(endless) as url, pytest.raises(TransientError if pause else UntrustedAnswer):
        with_client(url, lambda client: client.get("/movie/550"), largest=MOST)
