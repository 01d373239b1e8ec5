"""One Sail session for all tests of marts, and a way to make a lake of hand-written rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

from tests.marts.lake import Lake, Row

LakeOf = Callable[..., Lake]


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    server = SparkConnectServer()
    server.start()
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    yield session
    session.stop()
    server.stop()


@pytest.fixture
def lake_of(spark: SparkSession) -> LakeOf:
    def make(**tables: list[Row]) -> Lake:
        marts: dict[str, Any] = {"marts": tables.pop("marts")} if "marts" in tables else {}
        return Lake(spark, tables, **marts)

    return make
