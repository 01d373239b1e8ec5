"""Exports: complete or not used, and their host never gets the token."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from aiohttp import web

from reelhouse.errors import ListingError
from reelhouse.tmdb import exports
from reelhouse.tmdb.exports import ExportDownload, ExportRow, fetch_export, read_rows
from tests.lakes import tmdb_data
from tests.serving import bare, html, serving
from tests.tmdb.asking import with_session

Answering = Callable[[web.BaseRequest], web.StreamResponse]


def _lines(ids: range) -> bytes:
    chance = random.Random(1)
    rows = (
        {"adult": False, "id": id_, "original_title": "Ö" * (id_ % 9), "popularity": chance.random(), "video": False}
        for id_ in ids
    )
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


WHOLE = gzip.compress(_lines(range(1, 20_001)), mtime=0)
# gzip files may be made of several members: `cat a.gz b.gz` is one.
MEMBERS = [gzip.compress(_lines(range(start, start + 5000)), mtime=0) for start in (1, 5001, 10_001, 15_001)]


OLDER = gzip.compress(_lines(range(1, 10)), mtime=0)


def test_an_export_that_never_ends_or_unpacks_to_too_much_is_given_up_at_once(
    monkeypatch: pytest.MonkeyPatch, no_waits: None
) -> None:
    for name, most in (("_MOST_PACKED", len(WHOLE) - 1), ("_MOST_UNPACKED", 1 << 20)):
        with monkeypatch.context() as patched, serving(_published({_today(): WHOLE})) as server:
            patched.setattr(exports, name, most)
            with pytest.raises(ListingError, match=f"more than {most:,} bytes"):
                _fetch(server.url)
            assert len(server.seen) == 1


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    body = gzip.compress(b"0" * (64 << 20), 1)
    tracemalloc.start()
    with pytest.raises(ListingError, match="a line of more than 1,048,576 bytes"):
        _ids(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48 << 20


def _ids(body: bytes) -> list[int]:
    return [row.id for batch in read_rows(body) for row in batch]


def _fetch(url: str, known: tuple[date, str] | None = None) -> ExportDownload:
    return with_session(lambda session: fetch_export(session, f"{url}/p/exports", "movie_ids", known))


def _today() -> date:
    return datetime.now(UTC).date()


def _name(day: date) -> str:
    return f"/p/exports/movie_ids_{day:%m_%d_%Y}.json.gz"


def _published(days: dict[date, bytes], **headers: str) -> Answering:
    """A host that has these days' files and answers 403 for all others, as S3 does."""
    files = {_name(day): body for day, body in days.items()}

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in files:
            return html(403, **headers)
        return web.Response(body=files[request.path], headers=headers, content_type="application/gzip")

    return answering


def test_today_s_file_comes_verbatim_and_says_when_it_was_asked() -> None:
    with serving(_published({_today(): WHOLE}, ETag='"abc"')) as server:
        export = _fetch(server.url)
    assert (export.day, export.body, export.etag) == (_today(), WHOLE, '"abc"')
    assert export.asked_at.startswith(_today().isoformat())


def test_no_credential_is_shown_to_the_export_host() -> None:
    with serving(_published({_today(): WHOLE})) as server:
        _fetch(server.url)
        (request,) = server.seen
    assert "Authorization" not in request.headers
    assert request.path_qs == _name(_today())


@pytest.mark.parametrize("missing", [403, 404])
@pytest.mark.parametrize("back", [1, 3, 6])
def test_it_walks_back_a_day_at_a_time_to_the_newest_that_is_there(missing: int, back: int) -> None:
    there = _published({_today() - timedelta(days=back): WHOLE, _today() - timedelta(days=back + 1): OLDER})

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        found = there(request)
        return html(missing) if found.status == 403 else found

    with serving(answering) as server:
        export = _fetch(server.url)
        assert server.paths == [_name(_today() - timedelta(days=each)) for each in range(back + 1)]
    assert (export.day, export.body) == (_today() - timedelta(days=back), WHOLE)


def test_a_week_without_an_export_is_a_fault_and_no_empty_listing() -> None:
    with serving(_published({})) as server, pytest.raises(ListingError, match="no export movie_ids"):
        _fetch(server.url)


@pytest.mark.parametrize("off", [-400, -1, 1, 40])
def test_tmdb_s_clock_decides_which_day_it_is(off: int) -> None:
    theirs = _today() + timedelta(days=off)
    stated = f"{datetime(theirs.year, theirs.month, theirs.day, 12):%a, %d %b %Y %H:%M:%S} GMT"
    # What this machine calls today may exist there too, if its clock is behind.
    with serving(_published({theirs: WHOLE, theirs - timedelta(days=1): OLDER}, Date=stated)) as server:
        export = _fetch(server.url)
    assert (export.day, export.body) == (theirs, WHOLE)
    assert export.asked_at.startswith(theirs.isoformat())


def test_with_a_wrong_clock_it_still_walks_back_from_tmdb_s_day() -> None:
    theirs = _today() - timedelta(days=100)
    stated = f"{datetime(theirs.year, theirs.month, theirs.day, 6):%a, %d %b %Y %H:%M:%S} GMT"
    with serving(_published({theirs - timedelta(days=2): WHOLE}, Date=stated)) as server:
        assert _fetch(server.url).day == theirs - timedelta(days=2)


def test_a_stored_export_is_not_downloaded_again() -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("If-None-Match") == '"abc"':
            return web.Response(status=304)
        return web.Response(body=WHOLE, headers={"ETag": '"abc"'})

    with serving(answering) as server:
        export = _fetch(server.url, (_today(), '"abc"'))
        assert (export.day, export.body, export.etag) == (_today(), None, '"abc"')
        # One of another day is another file.
        assert _fetch(server.url, (_today() - timedelta(days=1), '"abc"')).body == WHOLE


@pytest.mark.parametrize("etag", ['"\x1b[31mx"', '"\udcff"', '"a\r\nX-Other: b"', ""])
def test_an_etag_that_no_header_can_hold_is_not_sent(etag: str) -> None:
    with serving(_published({_today(): WHOLE}, ETag='"abc"')) as server:
        assert _fetch(server.url, (_today(), etag)).body == WHOLE
        assert "If-None-Match" not in server.seen[0].headers


@pytest.mark.parametrize("etag", [b'"\xff"', b'"\x1b[31mx"'])
def test_an_etag_that_json_or_a_header_cannot_hold_counts_as_none(etag: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: %d\r\n\r\n" % (etag, len(OLDER))
    with serving(lambda request: bare(request, head + OLDER)) as server:
        export = _fetch(server.url)
    assert (export.body, export.etag) == (OLDER, "")


@pytest.mark.usefixtures("no_waits")
def test_an_export_that_is_said_to_be_unchanged_though_nothing_was_sent_is_refused() -> None:
    with serving(lambda request: web.Response(status=304)) as server, pytest.raises(ListingError, match="HTTP 304"):
        _fetch(server.url)


def test_a_file_with_content_encoding_keeps_its_bytes() -> None:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=WHOLE, headers={"Content-Encoding": "gzip"})

    with serving(answering) as server:
        assert _fetch(server.url).body == WHOLE


def _sent(head: str, body: bytes) -> Answering:
    def answering(request: web.BaseRequest) -> web.StreamResponse:
        return bare(request, f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)

    return answering


CUTS = (0, 1, 9, 10, 18, 1000, len(WHOLE) // 2, 1 << 16, len(WHOLE) - 9, len(WHOLE) - 8, len(WHOLE) - 1)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("at", CUTS)
def test_a_truncated_download_is_refused_with_and_without_a_length(at: int) -> None:
    stated = _sent(f"Content-Length: {len(WHOLE)}", WHOLE[:at])
    unstated = _sent("Connection: close", WHOLE[:at])
    shortened = _published({_today(): WHOLE[:at]})
    for answering in (stated, unstated, shortened):
        with serving(answering) as server, pytest.raises(ListingError, match="so it is not used"):
            _fetch(server.url)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_cut_between_two_gzip_members_is_seen_by_the_length(members: int) -> None:
    stated = f"Content-Length: {sum(map(len, MEMBERS))}"
    with serving(_sent(stated, b"".join(MEMBERS[:members]))) as server, pytest.raises(ListingError):
        _fetch(server.url)


def test_a_file_of_several_gzip_members_is_read_to_its_end() -> None:
    body = b"".join(MEMBERS)
    with serving(_published({_today(): body})) as server:
        assert _fetch(server.url).body == body
    assert _ids(body) == list(range(1, 20_001))


def _flipped(at: int) -> bytes:
    return WHOLE[:at] + bytes([WHOLE[at] ^ 0x10]) + WHOLE[at + 1 :]


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize(
    "body",
    [
        _flipped(len(WHOLE) - 6),
        _flipped(len(WHOLE) - 2),
        _flipped(len(WHOLE) // 3),
        _flipped(0),
        WHOLE + b"rubbish after the end",
        b"<html>",
        MEMBERS[0] + MEMBERS[1][:-3],
        MEMBERS[0] + MEMBERS[1][:5],
    ],
    ids=["crc", "length", "middle", "magic", "rubbish", "html", "second member cut", "second member begun"],
)
def test_a_damaged_file_is_refused(body: bytes) -> None:
    with serving(_published({_today(): body})) as server, pytest.raises(ListingError, match="so it is not used"):
        _fetch(server.url)
    with pytest.raises(ListingError):
        _ids(body)


@pytest.mark.usefixtures("no_waits")
@pytest.mark.parametrize("length", [len(WHOLE) - 1, len(WHOLE) + 1])
def test_a_length_that_is_not_the_body_s_is_refused(length: int) -> None:
    with serving(_sent(f"Content-Length: {length}", WHOLE)) as server, pytest.raises(ListingError):
        _fetch(server.url)


@pytest.mark.usefixtures("no_waits")
def test_a_transient_error_is_retried() -> None:
    answers = iter((html(503), html(500), html(301, Location="/p/exports/other"), web.Response(body=WHOLE[:999])))

    def answering(request: web.BaseRequest) -> web.StreamResponse:
        return next(answers, web.Response(body=WHOLE))

    with serving(answering) as server:
        assert _fetch(server.url).body == WHOLE
        assert len(server.seen) == 5


@pytest.mark.usefixtures("no_waits")
def test_a_host_that_never_answers_right_is_given_up() -> None:
    with serving(lambda request: html(503)) as server, pytest.raises(ListingError, match="503"):
        _fetch(server.url)


@pytest.mark.parametrize(
    "line",
    [b"{", b"[1]", b"null", b'{"id":null}', b'{"popularity":1.0}', b'{"id":"5"}', b"\xff", b'{"id":1}{"id":2}x'],
)
@pytest.mark.parametrize("where", ["first", "middle", "last", "unended"])
def test_one_line_that_does_not_parse_refuses_the_whole(line: bytes, where: str) -> None:
    good = _lines(range(1, 4000))
    body = {
        "first": line + b"\n" + good,
        "middle": good + line + b"\n" + good,
        "last": good + line + b"\n",
        "unended": good + line,
    }[where]
    with pytest.raises(ListingError, match="does not parse"):
        _ids(gzip.compress(body))


def test_a_last_line_without_an_end_counts() -> None:
    assert _ids(gzip.compress(_lines(range(1, 10))[:-1])) == list(range(1, 10))


def test_every_kind_s_own_shape_is_read() -> None:
    lines = (
        b'{"adult":false,"id":3924,"original_title":"Blondie","popularity":1.8133,"video":false}\n'
        b'{"id":1,"original_name":"\xe3\x83\x97\xe3\x83\xa9\xe3\x82\xa4\xe3\x83\x89","popularity":3.8242}\n'
        b'{"id":10,"name":"Star Wars Collection"}\n'
        b'{"adult":null,"id":11,"popularity":null,"video":null,"added_later":[{}]}\n'
        b'{"adult":true,"id":26228,"original_title":"x","popularity":28,"video":true}\n'
    )
    (rows,) = read_rows(gzip.compress(lines))
    assert rows == [
        ExportRow(3924, 1.8133, False, False),
        ExportRow(1, 3.8242, False, False),
        ExportRow(10, None, False, False),
        ExportRow(11, None, None, None),
        ExportRow(26228, 28.0, True, True),
    ]


def test_the_batches_are_small_however_well_the_file_is_packed() -> None:
    body = gzip.compress(_lines(range(1, 200_000)))
    assert sum(len(batch) for batch in read_rows(body)) == 199_999


def test_an_export_of_tmdb_s_own_reads_whole() -> None:
    plain = tmdb_data("exports", "keyword_ids_06_23_2025.json").read_bytes()
    assert len(_ids(gzip.compress(plain))) == len(plain.splitlines()) > 70_000
