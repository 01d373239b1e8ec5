"""One Sail session for all tests of marts, and a way to make a lake of hand-written rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reelhouse.engines.session import session_factory
from tests.marts.lake import Lake, Row

LakeOf = Callable[..., Lake]


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    return session_factory("sail")()


@pytest.fixture
def lake_of(spark: SparkSession) -> LakeOf:
    def make(**tables: list[Row]) -> Lake:
        marts: dict[str, Any] = {"marts": tables.pop("marts")} if "marts" in tables else {}
        return Lake(spark, tables, **marts)

    return make
