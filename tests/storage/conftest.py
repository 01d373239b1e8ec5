"""The storages that the contract suite runs over. Another one is another line in `PLACES`."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.opening import S3Options
from reelhouse.storage.protocol import Storage
from reelhouse.storage.s3 import S3Storage
from tests import s3servers
from tests.s3proxy import Proxy, proxied


def _in_bucket(name: str, _: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """An empty lake in a bucket that holds others too, on the server of this name."""
    server = s3servers.started(name)
    s3servers.aim(monkeypatch, server)
    bucket = _shared_bucket(server)
    place = f"tests/{secrets.token_hex(4)}"
    for neighbour in ("lakes", "lake-2/a"):
        s3servers.client(server).put_object(Bucket=bucket, Key=f"{place}/{neighbour}", Body=b"a neighbour's")
    return S3Storage(f"s3://{bucket}/{place}/lake", S3Options())


@functools.cache
def _shared_bucket(server: s3servers.S3Server) -> str:
    return s3servers.fresh_bucket(server)


PLACES: dict[str, Callable[[Path, pytest.MonkeyPatch], Storage]] = {
    "folder": lambda tmp_path, _: FolderStorage(tmp_path / "lake"),
    "memory": lambda *_: MemoryStorage(),
    **{name: functools.partial(_in_bucket, name) for name in s3servers.SERVERS},
}


@pytest.fixture
def crowd(storage: Storage) -> int:
    """How many threads make a race: a bucket settles one in seconds where they are many."""
    return 6 if isinstance(storage, S3Storage) else 16


@pytest.fixture(params=["folder", "memory", *s3servers.ON_EACH])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """An empty lake."""
    return PLACES[request.param](tmp_path, monkeypatch)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before moto, which boto3 uses; a failed request is tried four times in all."""
    server = s3servers.started("moto")
    with proxied(server) as proxy:
        s3servers.aim(monkeypatch, server, endpoint=proxy.endpoint)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
        yield proxy


@pytest.fixture
def lake(proxy: Proxy) -> S3Storage:
    """An empty lake behind *proxy*."""
    return S3Storage(f"s3://{s3servers.fresh_bucket(proxy.server)}/lake", S3Options())
