"""A function with a fresh environment for each test, and an AWS that really answers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelhouse.runtimes import aws, aws_lambda, metrics, tokens
from reelhouse.runtimes.deadlines import Margin
from tests import s3servers
from tests.aws.invoking import Function
from tests.runs.tiny import Tiny, tiny_tmdb


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    """A TMDB of thirty titles, none of them odd."""
    with tiny_tmdb() as world:
        world.short, world.gone, world.broken = set(), set(), set()
        yield world


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An environment that knows nothing of earlier tests, in an empty folder."""
    for name in [name for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(aws_lambda, "_storages", {})
    monkeypatch.setattr(aws_lambda, "_margin", Margin())
    monkeypatch.setattr(tokens, "_kept", {})
    monkeypatch.setattr(tokens, "_used", set())
    aws.client.cache_clear()
    log = logging.getLogger("reelhouse")
    before = (log.handlers[:], log.level, log.propagate)
    yield monkeypatch
    log.handlers[:], log.level, log.propagate = before
    metrics.log.setLevel(before[1])
    aws.client.cache_clear()


@pytest.fixture
def function(cold: pytest.MonkeyPatch, tmp_path: Path, tiny: Tiny) -> Function:
    """A function whose lake is a folder and whose TMDB is the tiny one."""
    return Function(cold, tmp_path, tiny.url)


@pytest.fixture
def cloud(cold: pytest.MonkeyPatch) -> s3servers.S3Server:
    """moto, which plays all of AWS; whatever is asked of AWS goes there."""
    server = s3servers.started("moto")
    s3servers.aim(cold, server)
    return server
