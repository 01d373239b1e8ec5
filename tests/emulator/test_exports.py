"""The daily id exports: their address, what they hold, and that they need no credential."""

import gzip
import json
import zlib
from datetime import timedelta

import pytest

from reelhouse.emulator import Emulator
from tests.emulator.asking import ask, export_path, export_rows, get


def test_an_export_is_one_gzip_member_of_json_lines(tmdb: Emulator) -> None:
    reply = ask(tmdb.address, export_path(tmdb.stats().day))
    assert reply.status == 200
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    unpacker = zlib.decompressobj(31)
    lines = unpacker.decompress(reply.body).splitlines()
    assert unpacker.eof
    assert unpacker.unused_data == b""
    assert len(lines) == 500
    assert list(json.loads(lines[0])) == ["adult", "id", "original_title", "popularity", "video"]


def test_an_export_agrees_with_the_details(tmdb: Emulator) -> None:
    for row in export_rows(tmdb)[:30]:
        body = get(tmdb, f"movie/{row['id']}").json()
        assert row == {key: body[key] for key in row}


def test_an_export_needs_no_credential_and_one_that_comes_is_counted(fresh: Emulator) -> None:
    path = export_path(fresh.stats().day)
    ask(fresh.address, path)
    assert fresh.stats().export_authorizations == 0
    ask(fresh.address, path, {"Authorization": "Bearer leaked"})
    assert fresh.stats().export_authorizations == 1


def test_exports_of_eight_days_are_there_and_no_others(tmdb: Emulator) -> None:
    today = tmdb.stats().day
    bodies = {ask(tmdb.address, export_path(today - timedelta(days=days))).body for days in range(8)}
    assert len(bodies) == 1
    for absent in (today - timedelta(days=8), today + timedelta(days=1)):
        assert ask(tmdb.address, export_path(absent)).status == 403


@pytest.mark.parametrize(
    "name", ["movie_ids_13_45_2026.json.gz", "movie_ids.json.gz", "tv_series_ids_01_01_2026.json.gz"]
)
def test_other_names_are_403(tmdb: Emulator, name: str) -> None:
    assert ask(tmdb.address, f"/p/exports/{name}").status == 403


def test_how_long_exports_are_kept_is_an_option() -> None:
    with Emulator(movies=5, export_days=2) as tmdb:
        today = tmdb.stats().day
        statuses = [ask(tmdb.address, export_path(today - timedelta(days=days))).status for days in range(3)]
        assert statuses == [200, 200, 403]


def test_a_known_etag_of_an_export_is_answered_304(tmdb: Emulator) -> None:
    path = export_path(tmdb.stats().day)
    first = ask(tmdb.address, path)
    again = ask(tmdb.address, path, {"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    head = ask(tmdb.address, path, method="HEAD")
    assert (head.headers["Content-Length"], head.body) == (first.headers["Content-Length"], b"")
    assert "GMT" in first.headers["Date"]


def test_another_process_writes_the_same_export() -> None:
    bodies = []
    for process in (False, True):
        with Emulator(movies=100, seed=4, process=process) as tmdb:
            bodies.append(gzip.decompress(ask(tmdb.address, export_path(tmdb.stats().day)).body))
    assert bodies[0] == bodies[1]
