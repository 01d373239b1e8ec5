"""A slice that the function collected in several short lives makes the tables that one from a laptop makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests import s3servers
from tests.aws import deployed
from tests.aws.lambda_service import LambdaService
from tests.end_to_end.conftest import environment, printed_json
from tests.end_to_end.equal_tables import LINEAGE, differences
from tests.in_process import reelhouse
from tests.runs.lakes import TOKEN

COUNT = 150


@pytest.mark.long
def test_a_lake_of_the_function_makes_the_tables_of_a_laptops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = s3servers.started("moto")
    bucket = s3servers.fresh_bucket(server)
    environ = {
        **server.environ,
        "REELHOUSE_LAKE": f"s3://{bucket}/films",
        "REELHOUSE_TOP": str(COUNT),
        # Some three lives of ten seconds, of which asking gets half.
        "REELHOUSE_RATE": "10",
        "REELHOUSE_LAYOUT": "course",
        "TMDB_TOKEN": TOKEN,
    }
    with Emulator(movies=1500, seed=29, process=True) as tmdb:
        environ |= {"REELHOUSE_TMDB_URL": f"{tmdb.address}/3", "REELHOUSE_EXPORTS_URL": f"{tmdb.address}/p/exports"}
        with LambdaService(deployed.task(), env=environ, timeout=10) as function:
            states: list[str] = []
            copied: list[list[int]] = []
            while not states or states[-1] != "reconciled":
                states.append(function.invoke({"tick": True}).answer["state"])
                copied.append(_copied(server, bucket))
                assert len(states) < 20
            assert states[0] == "open"
            # Who invokes the function finds JSON, at once and each time more of it.
            assert 0 < len(copied[0]) < len(copied[-1])
            assert len(copied[-1]) == len(set(copied[-1])) == COUNT
        here = environment(tmdb, tmp_path / "laptop")
        done = reelhouse("sync", "--top", str(COUNT), "--json", env=here, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        there = environment(tmdb, _downloaded(server, bucket, tmp_path / "function"))
        for command in ("build", "verify"):
            done = reelhouse(command, "--json", env=there, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        assert printed_json(done)["states"] == {"landed": COUNT}
    assert differences(tmp_path / "function", tmp_path / "laptop", without=LINEAGE) == []


def _copied(server: s3servers.S3Server, bucket: str) -> list[int]:
    """The ids in the JSON files of the course."""
    client = s3servers.client(server)
    listed = client.list_objects_v2(Bucket=bucket, Prefix="films/Raw/TMDB/JSON/").get("Contents", ())
    keys = [entry["Key"] for entry in listed if entry["Key"].endswith(".json")]
    bodies = [client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]
    return [record["id"] for body in bodies for record in json.loads(body)]


def _downloaded(server: s3servers.S3Server, bucket: str, into: Path) -> Path:
    """The bucket's lake as a folder."""
    client = s3servers.client(server)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="films/"):
        for entry in page["Contents"]:
            path = into / entry["Key"].removeprefix("films/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, entry["Key"], str(path))
    return into
