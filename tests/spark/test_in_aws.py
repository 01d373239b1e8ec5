"""Executors with their own environment: a lake in a bucket, and a token in Parameter Store."""

from __future__ import annotations

import secrets
from pathlib import Path

import boto3
import pyarrow as pa
import pytest
from aiohttp import web

from reelhouse.engines.session import session_factory
from reelhouse.entities.movie import MOVIE
from reelhouse.errors import DeniedError
from reelhouse.settings import Settings
from reelhouse.spark.api_partitions import ask_partition, partitions_of
from reelhouse.spark.data_source import TmdbSource
from reelhouse.spark.options import Options
from tests import s3servers
from tests.runs.lakes import TOKEN, settings
from tests.runs.tiny import Tiny, tiny_tmdb
from tests.serving import verdict
from tests.spark.reading import counted, read
from tests.warehouse.landing import LakeInTheMaking, a_movie


@pytest.mark.long
def test_a_lake_in_a_bucket_is_read_with_the_environments_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = LakeInTheMaking(tmp_path / "lake")
    lake.land(*(a_movie(number, budget=number) for number in range(1, 30)))
    lake.build()
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    bucket = s3servers.fresh_bucket(server)
    for path in (path for folder in ("_reelhouse", "tables/movie") for path in (lake.root / folder).rglob("*.*")):
        key = f"some/lake/{path.relative_to(lake.root)}"
        s3servers.client(server).put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    spark = session_factory("sail")()
    spark.dataSource.register(TmdbSource)
    found = read(spark, lake=f"s3://{bucket}/some/lake")
    assert counted(found) == counted(pa.Table.from_pylist(lake.rows("movie"), schema=found.schema))
    assert found.num_rows == 29


@pytest.mark.parametrize("where", ["driver", "executor"])
def test_executors_read_a_token_from_parameter_store(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    name = f"/reelhouse/{secrets.token_hex(4)}"
    boto3.session.Session().client("ssm").put_parameter(Name=name, Value=TOKEN, Type="SecureString")
    shown: set[str] = set()
    tiny = Tiny()

    def look(request: web.BaseRequest) -> None:
        shown.add(request.headers["Authorization"])

    tiny.instead = look
    with tiny_tmdb(tiny):
        (partition,) = partitions_of(["1"], Options(), _as_driver(tiny, name if where == "driver" else ""))
        assert TOKEN not in repr(vars(partition)) + partition.settings.token
        monkeypatch.setenv("TMDB_TOKEN", f"ssm:{name}" if where == "executor" else "")
        ((settled,),) = ask_partition(partition, MOVIE, keep_quarantined=False)
    assert settled.outcome.id == 1
    assert shown == {f"Bearer {TOKEN}"}


def test_a_replaced_token_is_read_by_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    server = s3servers.started("moto")
    s3servers.aim(monkeypatch, server)
    name = f"/reelhouse/{secrets.token_hex(4)}"
    parameters = boto3.session.Session().client("ssm")
    parameters.put_parameter(Name=name, Value="the-token-before", Type="SecureString")
    tiny = Tiny()
    good = {"Bearer the-token-before"}
    tiny.instead = lambda request: None if request.headers["Authorization"] in good else verdict(401, 7)
    monkeypatch.setenv("TMDB_TOKEN", "")
    with tiny_tmdb(tiny):
        (partition,) = partitions_of(["1"], Options(), _as_driver(tiny, name))
        assert list(ask_partition(partition, MOVIE, keep_quarantined=False))
        parameters.put_parameter(Name=name, Value=TOKEN, Type="SecureString", Overwrite=True)
        good = {f"Bearer {TOKEN}"}
        with pytest.raises(DeniedError):
            list(ask_partition(partition, MOVIE, keep_quarantined=False))
        # Spark starts the task again, perhaps in this very worker.
        assert list(ask_partition(partition, MOVIE, keep_quarantined=False))


def _as_driver(tiny: Tiny, parameter: str) -> Settings:
    # A driver's own token stays with it.
    return settings(tiny.url, append=[], token=f"ssm:{parameter}" if parameter else "a-token-of-the-driver")
