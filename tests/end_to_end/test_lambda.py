"""A slice that the function collected in several short lives makes the tables that one from a laptop makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.emulator import Emulator
from tests import s3servers
from tests.aws import deployed
from tests.aws.lambda_service import LambdaService
from tests.end_to_end.conftest import environment, reelhouse, told
from tests.end_to_end.equal_tables import LINEAGE, differences
from tests.runs.lakes import TOKEN

COUNT = 150


def test_a_lake_of_the_function_makes_the_tables_of_a_laptops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = s3servers.started("moto")
    bucket = s3servers.fresh_bucket(server)
    environ = {
        **server.environ,
        "REELHOUSE_LAKE": f"s3://{bucket}/films",
        "REELHOUSE_TOP": str(COUNT),
        # Some three lives of four seconds, of which asking gets half.
        "REELHOUSE_RATE": "25",
        "TMDB_TOKEN": TOKEN,
    }
    with Emulator(movies=1500, seed=29, process=True) as tmdb:
        environ |= {"REELHOUSE_TMDB_URL": f"{tmdb.address}/3", "REELHOUSE_EXPORTS_URL": f"{tmdb.address}/p/exports"}
        with LambdaService(deployed.task(), env=environ, timeout=4) as function:
            states: list[str] = []
            while not states or states[-1] != "reconciled":
                states.append(function.invoke({"tick": True}).answer["state"])
                assert len(states) < 20
            assert states[0] == "open"
        here = environment(tmdb, tmp_path / "laptop")
        done = reelhouse("sync", "--top", str(COUNT), "--json", env=here, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        there = environment(tmdb, _downloaded(server, bucket, tmp_path / "function"))
        for command in ("build", "verify"):
            done = reelhouse(command, "--json", env=there, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        assert told(done)["states"] == {"landed": COUNT}
    assert differences(tmp_path / "function", tmp_path / "laptop", without=LINEAGE) == []


def _downloaded(server: s3servers.S3Server, bucket: str, into: Path) -> Path:
    """The bucket's lake as a folder."""
    client = s3servers.client(server)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="films/"):
        for entry in page["Contents"]:
            path = into / entry["Key"].removeprefix("films/")
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, entry["Key"], str(path))
    return into
