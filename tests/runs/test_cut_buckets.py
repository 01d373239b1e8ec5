"""An S3 that goes away in the middle of a run costs no answer; when it is back, the next start goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pytest

from reelhouse.bootstrap.storage import spool_of
from reelhouse.errors import StorageError
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.lease import LEASES
from reelhouse.storage.opening import S3Options
from reelhouse.storage.s3 import S3Storage
from tests import s3servers
from tests.runs.lakes import answers, assert_whole, collect, small
from tests.runs.tiny import Tiny
from tests.s3proxy import Answer, Proxy, Request, passes, proxied

ONCE = {str(id_): 1 for id_ in range(1, 31)}


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxied(s3servers.started("moto")) as made:
        s3servers.aim(monkeypatch, made.server, endpoint=made.endpoint)
        # How long to wait for an S3 that does not answer is tested elsewhere.
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
        yield made


def _fresh_lake(proxy: Proxy) -> S3Storage:
    return S3Storage(f"s3://{s3servers.fresh_bucket(proxy.server)}/lake", S3Options())


def _gone_at(proxy: Proxy, place: int, kind: str, key: str) -> None:
    """S3 goes away when it is asked this for the *place*-th time."""

    def goes_away(_: Request, on: Callable[[], Answer]) -> None:
        proxy.off()

    proxy.when(*repeat(passes, place), goes_away, kind=kind, key=key)


def _cut_and_go_on(proxy: Proxy, lake: S3Storage, chosen: Settings) -> str:
    """Collect until S3 is gone, and again when it is back; returns what was said of the failure."""
    with pytest.raises(StorageError) as caught:
        collect(lake, chosen)
    proxy.forget()
    proxy.on()
    # As if two minutes were over: a lease that could not be let go expires.
    lake.delete_all_versions(LEASES["collector"])
    if read_reconciliation(lake, "movie", 1) is None:
        assert collect(lake, chosen).complete
    return str(caught.value)


@pytest.mark.parametrize("key", [pytest.param("raw/movie/", marks=pytest.mark.long), "receipts/"])
def test_an_s3_that_goes_away_costs_no_answer(tiny: Tiny, proxy: Proxy, tmp_path: Path, key: str) -> None:
    tiny.broken = set()
    lake = _fresh_lake(proxy)
    chosen = small(tiny, spool=str(tmp_path / "spool"))
    _gone_at(proxy, 3, "PUT", key)
    said = _cut_and_go_on(proxy, lake, chosen)
    assert " answers wait in " in said
    assert "\n" not in said
    assert tiny.asked == ONCE
    assert len(answers(lake)) == 30
    assert assert_whole(lake).unclaimed == 0
    assert spool_of(chosen, lake).waiting() == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_s3_that_goes_away_at_any_request_costs_no_answer(tiny: Tiny, proxy: Proxy, tmp_path: Path) -> None:
    tiny.broken = set()
    collect(_fresh_lake(proxy), small(tiny))
    # Which thread is quicker makes a difference of a few reads.
    requests = sum("/r" in request.key for request in proxy.seen) - 3
    assert requests > 30
    for place in range(requests):
        tiny.forget()
        lake = _fresh_lake(proxy)
        chosen = small(tiny, spool=str(tmp_path / str(place)))
        _gone_at(proxy, place, "", "/r")
        _cut_and_go_on(proxy, lake, chosen)
        assert tiny.asked == ONCE, f"gone at request {place}"
        assert assert_whole(lake).unclaimed == 0, f"gone at request {place}"
        assert spool_of(chosen, lake).waiting() == [], f"gone at request {place}"
