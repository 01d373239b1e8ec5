"""A lake in a bucket with its pins, and both catalogues, each on a server that really answers."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from reelhouse.delta.log import schema_fingerprint
from reelhouse.marts import REGISTRY
from reelhouse.raw.keys import plan_key
from reelhouse.serve.catalog.glue import GlueCatalogue
from reelhouse.serve.catalog.registration import TableCatalogue
from reelhouse.serve.catalog.unity import UnityCatalogue, UnitySchema
from reelhouse.storage.opening import S3Options
from reelhouse.storage.s3 import S3Storage
from reelhouse.tables.schemas import schema_of
from reelhouse.warehouse.import_registry import Import, ImportColumn, ImportSource, pin_import
from reelhouse.warehouse.manifest import BuildInputs, BuildManifest, TableVersion, pin
from tests import s3servers
from tests.catalog.unity_server import UnityServer
from tests.runs.listening import listening
from tests.s3servers import S3Server

SOME = {"movie", "movie_cast", "popularity_daily", "dim_movie", "fact_movie"}
UNITY_TOKEN = "dapi-a-token-that-must-not-be-written"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """moto, which plays S3 and Glue."""
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    return server


@functools.cache
def glue_client(server: S3Server) -> tuple[Any, list[str]]:
    """A Glue client of *server*'s, and the names of what is asked through it. One costs half a second."""
    import boto3

    client = boto3.session.Session().client("glue")
    calls: list[str] = []
    client.meta.events.register("before-call.glue", lambda model, **_: calls.append(model.name))
    return client, calls


@pytest.fixture
def unity() -> Iterator[tuple[UnityServer, str]]:
    """A Unity Catalog and its address."""
    server = UnityServer(UNITY_TOKEN)
    with listening(server.answer) as address:
        yield server, address


@pytest.fixture
def lake(cloud: S3Server) -> S3Storage:
    """A lake of a few tables and one import, as its last build pinned them; nobody looks at the tables themselves."""
    return a_lake(cloud, SOME)


def a_lake(cloud: S3Server, names: set[str]) -> S3Storage:
    """A lake in an empty bucket in which tables and marts of these *names* are built."""
    storage = S3Storage(f"s3://{s3servers.fresh_bucket(cloud)}/lake", S3Options())
    pins = {
        spec.name: TableVersion(zone, 3, 0, schema_fingerprint(schema_of(spec.columns)), "made")
        for zone, specs in REGISTRY.zones.items()
        for spec in specs
        if spec.name in names
    }
    assert pin(storage, BuildManifest(1, pins, BuildInputs()), None)
    storage.put(plan_key("movie", 1), b"{}")
    columns = [ImportColumn("movie_id", "bigint", "movieId"), ImportColumn("rating", "decimal(3,1)")]
    source = [ImportSource("ratings.csv")]
    pin_import(
        storage,
        "ratings",
        Import("imports", 0, 1, "", "made", columns=columns, sources=source, imported_at="2026-11-20T00:00:00Z"),
        None,
    )
    return storage


class Seen(NamedTuple):
    """A table as a catalogue shows it to its readers: names, types and comments of its columns."""

    location: str
    about: str
    columns: list[tuple[str, str, str]]


class Shown(NamedTuple):
    """One catalogue under test: how to open it for a lake, how to see into it, how a stranger makes a table there."""

    name: str
    opened: Callable[[str], TableCatalogue]
    seen: Callable[[], dict[str, Seen]]
    stranger: Callable[[str, str], None]
    changes: Callable[[], int]


@pytest.fixture(params=["glue", "unity"])
def place(request: pytest.FixtureRequest, cloud: S3Server) -> Shown:
    if request.param == "glue":
        return glue_place(*glue_client(cloud), f"films_{secrets.token_hex(4)}")
    return unity_place(*request.getfixturevalue("unity"))


def glue_place(client: Any, calls: list[str], database: str) -> Shown:
    def seen() -> dict[str, Seen]:
        pages = client.get_paginator("get_tables").paginate(DatabaseName=database)
        return {
            table["Name"]: Seen(
                table["StorageDescriptor"]["Location"].rstrip("/"),
                table.get("Description", ""),
                [(one["Name"], one["Type"], one.get("Comment", "")) for one in table["StorageDescriptor"]["Columns"]],
            )
            for page in pages
            for table in page["TableList"]
        }

    def stranger(name: str, location: str) -> None:
        if not [one for one in client.get_databases()["DatabaseList"] if one["Name"] == database]:
            client.create_database(DatabaseInput={"Name": database, "Description": "a stranger's"})
        descriptor = {"Location": location, "Columns": [{"Name": "x", "Type": "int"}]}
        client.create_table(DatabaseName=database, TableInput={"Name": name, "StorageDescriptor": descriptor})

    def changes() -> int:
        return sum(not call.startswith("Get") for call in calls)

    return Shown("glue", lambda lake: GlueCatalogue(client, database, lake), seen, stranger, changes)


def unity_place(server: UnityServer, address: str) -> Shown:
    def seen() -> dict[str, Seen]:
        return {
            table["name"]: Seen(
                table["storage_location"],
                table.get("comment", ""),
                [(one["name"], one["type_text"], one.get("comment", "")) for one in table["columns"]],
            )
            for table in server.tables.values()
        }

    def stranger(name: str, location: str) -> None:
        schema: dict[str, Any] = {"name": "tmdb", "catalog_name": "films", "comment": "a stranger's"}
        server.schemas.setdefault("films.tmdb", schema)
        table = {"name": name, "storage_location": location, "table_type": "EXTERNAL", "columns": [], "properties": {}}
        server.tables[f"films.tmdb.{name}"] = table

    def opened(lake: str) -> TableCatalogue:
        return UnityCatalogue(address, UNITY_TOKEN, UnitySchema("films", "tmdb"), lake)

    return Shown("unity", opened, seen, stranger, lambda: len(server.changes))
