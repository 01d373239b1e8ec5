"""Unity Catalog: responses of its server, what must not be sent to it, and that another client finds the tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress

import pyarrow as pa
import pytest
from aiohttp import web

from reelhouse.cli.register import register
from reelhouse.delta.delta_rs import write_delta
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.serve.catalog.entries import CatalogColumn, CatalogEntry, entries_of
from reelhouse.serve.catalog.registration import refresh
from reelhouse.serve.catalog.unity import UnityCatalogue, UnitySchema, parsed_place
from reelhouse.settings import Settings
from reelhouse.storage.s3 import S3Storage
from reelhouse.tables.schemas import data_type
from tests.catalog.conftest import UNITY_TOKEN
from tests.catalog.unity_server import UnityServer, refused
from tests.s3servers import S3Server
from tests.serving import reset, serving

Unity = tuple[UnityServer, str]

ENTRY = CatalogEntry(
    "movie", "A movie.", "s3://films/lake/tables/movie", (CatalogColumn("movie_id", data_type("bigint"), "Id."),)
)

READS = """
import sys
from deltalake import DeltaTable
print(sorted(DeltaTable(sys.argv[1]).to_pyarrow_table().column("movie_id").to_pylist()))
"""


def catalogue(unity: Unity, token: str = UNITY_TOKEN, place: str = "films.tmdb") -> UnityCatalogue:
    return UnityCatalogue(unity[1], token, parsed_place(place), "s3://films/lake")


def put(unity: Unity, entry: CatalogEntry = ENTRY, **options: str) -> None:
    refresh(catalogue(unity, **options), "s3://films/lake", [entry], {entry.name}, "A lake.")


@pytest.mark.long
def test_another_client_finds_and_reads_a_table_by_its_name_alone(
    unity: Unity, lake: S3Storage, cloud: S3Server
) -> None:
    server, address = unity
    write_delta(lake, "tables/movie", pa.table({"movie_id": [3, 1]}).to_reader(), mode="overwrite", user={})
    entry = next(entry for entry in entries_of(lake) if entry.name == "movie")
    opened = UnityCatalogue(address, UNITY_TOKEN, UnitySchema("films", "tmdb"), lake.url)
    refresh(opened, lake.url, [entry], {"movie"}, "A lake.")
    server.keys = {"access_key_id": cloud.access_key, "secret_access_key": cloud.secret_key, "session_token": ""}
    # delta-rs asks the catalog where the table lies and with which keys; only the endpoint is configured.
    settings = {
        "UNITY_CATALOG_URL": address,
        "DATABRICKS_HOST": address,
        "DATABRICKS_WORKSPACE_URL": address,
        "DATABRICKS_TOKEN": UNITY_TOKEN,
        "DATABRICKS_ACCESS_TOKEN": UNITY_TOKEN,
        "UNITY_ALLOW_HTTP_URL": "true",
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": cloud.region,
        "TOKIO_WORKER_THREADS": "16",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = _read_by_another("uc://films.tmdb.movie", {**kept, **settings})
    assert done.stdout.strip() == "[1, 3]", done.stderr
    assert ("GET", "/tables/films.tmdb.movie") in server.calls


def _read_by_another(address: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What delta-rs makes of *address*; now and then it waits for itself, where there are few cores."""
    command = [sys.executable, "-c", READS, address]
    for _ in range(5):
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(command, env=env, capture_output=True, text=True, timeout=10, check=False)
    pytest.skip("delta-rs hung five times without an answer")


def test_a_server_without_properties_gets_nothing_twice(unity: Unity) -> None:
    unity[0].keeps_properties = False
    put(unity)
    before = len(unity[0].changes)
    put(unity)
    assert len(unity[0].changes) == before


def test_a_schema_of_ours_gets_the_newest_description_and_a_strangers_keeps_its_own(unity: Unity) -> None:
    put(unity)
    refresh(catalogue(unity), "s3://films/lake", [ENTRY], {"movie"}, "Another lake.")
    assert unity[0].schemas["films.tmdb"]["comment"] == "Another lake."
    unity[0].schemas["films.tmdb"]["properties"] = {}
    put(unity)
    assert unity[0].schemas["films.tmdb"]["comment"] == "Another lake."


def test_a_catalog_that_is_not_there_is_not_made(unity: Unity) -> None:
    with pytest.raises(ConfigError, match="there is no catalog 'film' in Unity Catalog: create it, or name another"):
        put(unity, place="film.tmdb")


def test_a_wrong_token_is_one_line_without_it(unity: Unity) -> None:
    with pytest.raises(ConfigError, match="refuses this token") as caught:
        put(unity, token="dapi-another")
    assert "dapi" not in str(caught.value)


def test_a_right_that_is_missing_is_named(unity: Unity) -> None:
    said = "User lacks EXTERNAL_USE_SCHEMA\non Schema films.tmdb"
    unity[0].instead = lambda method, path: refused(403, "PERMISSION_DENIED", said) if method == "POST" else None
    with pytest.raises(ConfigError, match=r"access denied: User lacks EXTERNAL_USE_SCHEMA on Schema films\.tmdb"):
        put(unity)


def test_a_server_that_fails_is_asked_again(unity: Unity) -> None:
    failing = [503, 429, 500]
    unity[0].instead = lambda method, path: refused(failing.pop(), "BUSY", "later") if failing else None
    put(unity)
    assert [*unity[0].tables] == ["films.tmdb.movie"]


def test_one_that_keeps_failing_is_one_line(unity: Unity) -> None:
    unity[0].instead = lambda method, path: refused(503, "BUSY", "later")
    with pytest.raises(ReelhouseError, match="Unity Catalog says 503: later"):
        put(unity)


def test_an_answer_that_was_lost_does_no_harm(unity: Unity) -> None:
    server = unity[0]
    real = server._create_table
    lost: list[object] = []

    def create(body: object) -> web.Response:
        made = real(body)
        if not lost:
            lost.append(body)
            return refused(500, "INTERNAL_ERROR", "lost")
        return made

    server._create_table = create  # type: ignore[method-assign]
    put(unity)
    assert lost
    assert [*server.tables] == ["films.tmdb.movie"]


def test_the_token_goes_nowhere_else(unity: Unity) -> None:
    with serving(lambda request: web.json_response({})) as elsewhere:
        moved = web.Response(status=302, headers={"Location": elsewhere.url})
        unity[0].instead = lambda method, path: moved
        with pytest.raises(ConfigError, match="redirects: correct unity_url"):
            put(unity)
        assert elsewhere.paths == []


def test_the_token_to_this_machine_goes_through_no_proxy(unity: Unity, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda request: web.Response(status=502)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        put(unity)
        assert proxy.paths == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reset, "cannot be reached"),
        (
            lambda request: web.Response(text="<html>", content_type="text/html"),
            "not a Unity Catalog: correct unity_url",
        ),
        (lambda request: web.Response(status=404, text="not here"), "there is no catalog 'films'"),
    ],
)
def test_what_is_no_unity_catalog_is_one_line(answer: object, says: str) -> None:
    with serving(answer) as server, pytest.raises(ReelhouseError, match=says):  # type: ignore[arg-type]
        put((UnityServer(), server.url))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "address is missing: set unity_url or DATABRICKS_HOST"),
        ("ftp://films", "an address such as"),
        ("https://me:secret@films", "an address such as"),
    ],
)
def test_an_address_that_is_none_is_said_without_its_secrets(address: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        UnityCatalogue(address, "", UnitySchema("films", "tmdb"), "s3://films/lake")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["films", "a.b.c", "films.", ".tmdb", "fil ms.tmdb", "films.tm/db"])
def test_a_schema_is_named_with_its_catalog(name: str) -> None:
    with pytest.raises(ConfigError, match=r"catalog\.schema is expected"):
        parsed_place(name)


def test_the_command_finds_address_and_token_where_databricks_puts_them(
    unity: Unity, lake: S3Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(lake=lake.url, unity_url=unity[1] + "/", unity_token=f"{UNITY_TOKEN}\n")
    register(settings, "unity", "films.tmdb", ("movie", "ratings"), as_json=True)
    assert json.loads(capsys.readouterr().out)["created"] == ["movie", "ratings"]
    assert UNITY_TOKEN not in repr(settings)
    register(settings, "unity", "films.tmdb", None, as_json=False)
    assert "unchanged" in capsys.readouterr().out
