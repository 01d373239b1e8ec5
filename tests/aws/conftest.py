"""A function with a fresh environment for each test, and an AWS that really answers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from reelhouse.aws import handler
from reelhouse.aws.time_budget import LearnedDurations
from reelhouse.bootstrap import aws_clients, secrets
from tests import s3servers
from tests.aws import deployed
from tests.aws.invoking import Function
from tests.lakes import once_per_run
from tests.runs.tiny import Tiny, tiny_tmdb


@pytest.fixture(scope="session", autouse=True)
def one_zip_for_all_processes(tmp_path_factory: pytest.TempPathFactory) -> None:
    deployed.share(partial(once_per_run, tmp_path_factory, "deployed", deployed.fill))


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
    monkeypatch.setattr(handler, "_storages", {})
    monkeypatch.setattr(handler, "_margin", LearnedDurations())
    monkeypatch.setattr(secrets, "_kept", {})
    monkeypatch.setattr(secrets, "_used", set())
    log = logging.getLogger("reelhouse")
    before = (log.handlers[:], log.level, log.propagate)
    yield monkeypatch
    log.handlers[:], log.propagate = before[0], before[2]
    log.setLevel(before[1])


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


@pytest.fixture
def fresh_clients() -> Iterator[None]:
    """Clients of AWS's services that were made for no other test, and serve none: each costs half a second."""
    aws_clients.client.cache_clear()
    yield
    aws_clients.client.cache_clear()
