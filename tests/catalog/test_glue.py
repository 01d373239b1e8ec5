"""Glue's catalogue: entries as its readers want them, its limits, and what AWS may say instead."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reelhouse.bootstrap import aws_clients
from reelhouse.cli.register import register
from reelhouse.errors import ConfigError, ReelhouseError
from reelhouse.marts import REGISTRY
from reelhouse.serve.catalog.entries import CatalogColumn, CatalogEntry
from reelhouse.serve.catalog.glue import GlueCatalogue, check_database, table_input
from reelhouse.serve.catalog.registration import refresh
from reelhouse.settings import Settings
from reelhouse.storage.s3 import S3Storage
from reelhouse.tables.schemas import data_type
from tests.aws import calls
from tests.aws.iam import Policy
from tests.catalog.conftest import glue_client
from tests.s3servers import ROOT, S3Server
from tests.serving import serving

LAKE = "s3://films/lake"
ENTRY = CatalogEntry(
    "movie", "A movie.", f"{LAKE}/tables/movie", (CatalogColumn("movieId", data_type("bigint"), "Id."),)
)

# Glue's patterns for one line: botocore checks lengths, AWS these.
LINE = re.compile("[\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff\t]*")


@pytest.fixture
def fresh(cloud: S3Server) -> Iterator[S3Server]:
    """moto, and clients that no other test made."""
    aws_clients.client.cache_clear()
    yield cloud
    aws_clients.client.cache_clear()


def a_database() -> str:
    return f"films_{secrets.token_hex(4)}"


def test_an_entry_is_a_native_delta_table_for_athena_spark_and_trino() -> None:
    assert table_input(ENTRY, LAKE) == {
        "Name": "movie",
        "Description": "A movie.",
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [],
        "Parameters": {
            "EXTERNAL": "TRUE",
            "classification": "delta",
            "table_type": "DELTA",
            "spark.sql.sources.provider": "delta",
            "reelhouse.lake": LAKE,
        },
        "StorageDescriptor": {
            "Columns": [{"Name": "movieid", "Type": "bigint", "Comment": "Id."}],
            "Location": f"{LAKE}/tables/movie/",
            "InputFormat": "org.apache.hadoop.mapred.SequenceFileInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"serialization.format": "1", "path": f"{LAKE}/tables/movie/"},
            },
        },
    }


@pytest.mark.parametrize("text", ["ü" * 300, "two\nlines \r\n and\ta tab", "x" * 255, "x" * 254 + "ü", "🎬" * 90])
def test_a_comment_is_one_line_of_at_most_255_bytes(text: str) -> None:
    column = ENTRY.columns[0]._replace(comment=text)
    made = table_input(ENTRY._replace(columns=(column,), about=text * 20), LAKE)
    comment = made["StorageDescriptor"]["Columns"][0]["Comment"]
    assert len(comment.encode()) <= 255
    assert len(made["Description"].encode()) <= 2048
    assert LINE.fullmatch(comment)
    assert comment == " ".join(text.split()) or comment.endswith("…")


def test_what_tools_of_aws_added_to_an_entry_stays(cloud: S3Server) -> None:
    client, asked = glue_client(cloud)
    database = a_database()
    refresh(GlueCatalogue(client, database, LAKE), LAKE, [ENTRY], {"movie"}, "A lake.")
    table = client.get_table(DatabaseName=database, Name="movie")["Table"]
    wanted = {name: table[name] for name in ("Name", "Description", "TableType", "PartitionKeys", "StorageDescriptor")}
    added = {**wanted, "Parameters": {**table["Parameters"], "their.statistics": "42"}}
    client.update_table(DatabaseName=database, TableInput=added)
    before = len(asked)
    refresh(GlueCatalogue(client, database, LAKE), LAKE, [ENTRY], {"movie"}, "A lake.")
    assert [name for name in asked[before:] if not name.startswith("Get")] == []
    refresh(GlueCatalogue(client, database, LAKE), LAKE, [ENTRY._replace(about="New.")], {"movie"}, "Another lake.")
    table = client.get_table(DatabaseName=database, Name="movie")["Table"]
    assert (table["Description"], table["Parameters"]["their.statistics"]) == ("New.", "42")
    assert client.get_database(Name=database)["Database"]["Description"] == "Another lake."


class _Forgetful:
    """A client whose first answer to `create_table` is lost, so that botocore retries and gets "already exists"."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_table(self, **given: Any) -> Any:
        self._client.create_table(**given)
        return self._client.create_table(**given)


def test_an_answer_that_was_lost_does_no_harm(cloud: S3Server) -> None:
    client = _Forgetful(glue_client(cloud)[0])
    done = refresh(GlueCatalogue(client, a_database(), LAKE), LAKE, [ENTRY], {"movie"}, "A lake.")
    assert done.unchanged == ["movie"]


@pytest.mark.parametrize("name", ["Films", "my-films", "films.tmdb", "", "fílms"])
def test_a_database_has_a_name_that_athena_can_write(name: str) -> None:
    with pytest.raises(ConfigError, match="is not a valid name for a Glue database"):
        check_database(name)


def answering(named: str, status: int = 400, message: str = "User: arn:aws:iam::1:user/x may not") -> Any:
    """A Glue that refuses everything."""

    def answer(request: web.BaseRequest) -> web.Response:
        body = json.dumps({"__type": named, "message": message})
        return web.Response(body=body, status=status, content_type="application/x-amz-json-1.1")

    return answer


@pytest.mark.parametrize(
    ("named", "kind", "says"),
    [
        ("AccessDeniedException", ConfigError, "access denied: glue:GetDatabase is not allowed here"),
        ("ExpiredTokenException", ConfigError, "the AWS credentials have expired: sign in again"),
        ("UnrecognizedClientException", ConfigError, "the AWS access key or its secret is wrong"),
        ("GlueEncryptionException", ConfigError, "Glue says GlueEncryptionException: User: arn"),
    ],
)
def test_what_aws_refuses_is_one_line(
    fresh: S3Server, lake: S3Storage, monkeypatch: pytest.MonkeyPatch, named: str, kind: type[Exception], says: str
) -> None:
    with serving(answering(named)) as glue:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", glue.url)
        with pytest.raises(kind, match=f"Glue database films: {says}") as caught:
            register(Settings(lake=lake.url), "glue", "films", None, as_json=True)
        assert "\n" not in str(caught.value)
        assert len(glue.paths) == 1


@pytest.mark.long
def test_a_glue_that_is_too_busy_is_one_line(fresh: S3Server, lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with serving(answering("ThrottlingException")) as glue:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", glue.url)
        with pytest.raises(ReelhouseError, match="Glue answers ThrottlingException again and again: try later"):
            register(Settings(lake=lake.url), "glue", "films", None, as_json=True)


def test_without_a_region_nothing_is_guessed(fresh: S3Server, lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ConfigError, match="no AWS region is set: set s3_region, AWS_REGION"):
        register(Settings(lake=lake.url), "glue", "films", None, as_json=True)


def test_a_profile_that_is_not_there_is_one_line(fresh: S3Server, lake: S3Storage) -> None:
    from reelhouse.serve.catalog.glue import opened

    with pytest.raises(ConfigError, match="there is no AWS profile 'nobody'"):
        opened(lambda: aws_clients.client("glue", profile="nobody"))


def test_the_documented_policy_is_what_it_calls_and_no_more(
    fresh: S3Server, lake: S3Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "catalogues.md").read_text(encoding="utf-8")
    bucket, prefix = lake.url.removeprefix("s3://").split("/")
    text = page.partition("```json\n")[2].partition("```")[0].replace("your-bucket/lake", f"{bucket}/{prefix}")
    policy = Policy([json.loads(text.replace("your-bucket", bucket).replace('"lake/*"', f'"{prefix}/*"'))])
    place = "arn:aws:glue:us-east-1:123456789012"
    for name in ("GetDatabase", "CreateDatabase", "UpdateDatabase"):
        monkeypatch.setitem(calls.NEEDS, ("glue", name), (f"glue:{name}", lambda given: f"{place}:database/tmdb"))
    for name in ("GetTable", "GetTables", "CreateTable", "UpdateTable", "DeleteTable"):
        monkeypatch.setitem(calls.NEEDS, ("glue", name), (f"glue:{name}", lambda given: f"{place}:table/tmdb/x"))
    client, _ = glue_client(fresh)
    if "tmdb" in {one["Name"] for one in client.get_databases()["DatabaseList"]}:
        client.delete_database(Name="tmdb")
    with calls.recorded() as asked:
        register(Settings(lake=lake.url), "glue", "tmdb", None, as_json=True)
        for text in ("the first", "another"):
            one = GlueCatalogue(_Forgetful(client), "tmdb", lake.url)
            entry = ENTRY._replace(name="record", about=text)
            refresh(one, lake.url, [entry], {"record"}, text)
    capsys.readouterr()
    assert policy.refused(asked) == []
    used = {call.action for call in asked}
    assert {one.action for one in policy.allowed} - used <= {"s3:ListBucket"}


def test_the_pages_question_names_columns_that_are_there() -> None:
    page = (ROOT / "docs" / "catalogues.md").read_text(encoding="utf-8")
    asked = page.partition("```sql\n")[2].partition("```")[0]
    columns = set(REGISTRY.of_answers["movie"].column_names)
    assert set(re.findall(r"[a-z_]{3,}", asked)) - {"movie"} <= columns


@pytest.mark.long
def test_the_command_registers_a_lake(cloud: S3Server, lake: S3Storage, tmp_path: Path) -> None:
    database = a_database()
    command = [sys.executable, "-m", "reelhouse.cli.main", "--lake", lake.url, "register", "--catalog", "glue"]
    done = subprocess.run(
        [*command, "--database", database, "--tables", "movie, ratings", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["created"], said["database"], said["lake"]) == (["movie", "ratings"], database, lake.url)
    tables = glue_client(cloud)[0].get_tables(DatabaseName=database)["TableList"]
    assert sorted(table["Name"] for table in tables) == ["movie", "ratings"]
