"""What a lake in a bucket is asked: so many requests and no more, and no listing that has to be right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from reelhouse.collect.status import status
from reelhouse.collect.verify import verify
from reelhouse.emulator import Emulator
from reelhouse.entities.registry import ENTITIES
from reelhouse.raw.inbox import put_message, waiting
from reelhouse.raw.ledger import open_ledger
from reelhouse.raw.plan import last_run
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.lease import LeaseTiming
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.opening import S3Options
from reelhouse.storage.protocol import Storage
from reelhouse.storage.s3 import S3Storage
from reelhouse.warehouse.run import build
from reelhouse.warehouse.verify import check_tables
from tests import s3servers
from tests.runs.dying import KilledError, Stepping, dies_at
from tests.runs.lakes import answers, assert_whole, collect, collect_small, of, small
from tests.runs.tiny import Tiny
from tests.s3proxy import Proxy, proxied
from tests.warehouse.landing import SAIL

COUNT = 2000
UNITS = 2


class World:
    """A catalogue, and a lake in a bucket that counts what it is asked."""

    def __init__(self, tmdb: Emulator, proxy: Proxy, bucket: str) -> None:
        self.settings = of(tmdb, top=COUNT, append=[])
        self.proxy = proxy
        self.bucket = bucket

    @property
    def storage(self) -> S3Storage:
        """The lake, opened as a new process would."""
        return S3Storage(f"s3://{self.bucket}/lake", S3Options())

    def counted(self) -> Counter[str]:
        """What was asked since the last time, by kind."""
        counts = self.proxy.counts
        self.proxy.forget()
        return counts


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    server = s3servers.started("moto")
    with (
        pytest.MonkeyPatch.context() as patched,
        proxied(server) as proxy,
        Emulator(movies=COUNT + 100, seed=3, process=True) as tmdb,
    ):
        s3servers.aim(patched, server, endpoint=proxy.endpoint)
        yield World(tmdb, proxy, s3servers.fresh_bucket(server))


def assert_within(counts: Counter[str], **most: int) -> None:
    """No more than *most* of each kind, and none of any other."""
    over = {kind: count for kind, count in counts.items() if count > most.get(kind, 0)}
    assert not over, f"{dict(counts)}, allowed: {most}"


@pytest.mark.long
def test_a_collection_puts_two_objects_for_each_chunk(world: World) -> None:
    world.counted()
    began = time.monotonic()
    assert collect(world.storage, world.settings, selected=True).clean
    counts = world.counted()
    renewals = int((time.monotonic() - began) / LeaseTiming().every)
    chunks = verify(world.storage).chunks
    # Besides: probe, lease taken and released, export, ids, plan, reconciliation, ledger. Four listings look for what
    # is left of a lost run, two for pieces of the ledger.
    most = {"PUT": 2 * chunks + 10 + renewals, "GET": 5 * UNITS + 15 + renewals}
    assert_within(counts, **most, HEAD=chunks + 6, LIST=6, DELETE=2)


@pytest.mark.long
def test_a_run_with_nothing_to_ask_costs_little(world: World) -> None:
    world.counted()
    assert collect(world.storage, world.settings, selected=True).plan.ids.count == 0
    assert_within(world.counted(), PUT=8, GET=23, HEAD=8, LIST=7, DELETE=2)


@pytest.mark.long
def test_status_and_verify_put_nothing(world: World) -> None:
    chunks = verify(world.storage).chunks
    world.counted()
    status(world.storage, 40)
    # Whether an entity has a run, and what is left where it has none, several at a time. The first key that is missing
    # makes each thread that meets it ask whether the bucket is there.
    each, threads = len(ENTITIES), 16
    assert_within(world.counted(), GET=10 + each, HEAD=12 + 2 * each, LIST=1 + 3 * each + threads)
    assert verify(world.storage).clean
    runs = last_run(world.storage, "movie")
    # Each unit's receipts are read three times, each chunk once; listings are what verify finds leavings by.
    world.counted()
    assert verify(world.storage).clean
    most = {"GET": 7 * UNITS + chunks + 24 * runs + 2 * each, "HEAD": chunks + 10 * runs + 2 * each}
    assert_within(world.counted(), **most, LIST=7 + 5 * each + threads)


class Shortsighted:
    """A storage whose listings show every *nth* key, or none at all."""

    def __init__(self, inner: Storage, nth: int) -> None:
        self._inner = inner
        self._nth = nth

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def keys(self, prefix: str) -> Iterator[str]:
        return islice(self._inner.keys(prefix), self._nth - 1, None, self._nth) if self._nth else iter(())

    list_all_versions = keys


@pytest.mark.parametrize("nth", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_listings_that_lack_keys_cost_neither_an_answer_nor_a_row(tiny: Tiny, tmp_path: Path, nth: int) -> None:
    seeing = FolderStorage(tmp_path / "lake")
    storage: Storage = Shortsighted(seeing, nth)
    with pytest.raises(KilledError):
        collect_small(Stepping(storage, dies_at(40)), small(tiny))
    assert collect_small(storage, small(tiny)).complete
    tiny.changed["2026-03-01"] = {1, 2, 3}
    tiny.edition.update((1, 2, 3))
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed.append(40)
    assert build(storage, SAIL).done
    assert collect_small(storage, small(tiny)).complete
    assert build(storage, SAIL).done
    assert not build(storage, SAIL).done
    assert_whole(seeing)
    assert check_tables(seeing) == []
    assert set(answers(storage)) == set(map(str, tiny.listed))
    with open_ledger(storage, "movie", last_run(storage, "movie")) as ledger:
        assert ledger.db.execute("select count(*) from known").fetchone() == (len(tiny.listed),)


def test_a_letter_that_a_listing_lacks_waits_for_the_next_one(tiny: Tiny) -> None:
    seeing = MemoryStorage()
    assert collect_small(seeing, small(tiny)).complete
    put_message(seeing, "an-event", "movie", ["33"])
    collect_small(Shortsighted(seeing, 0), small(tiny))
    assert [letter.keys for _, letter in waiting(seeing, "movie")] == [["33"]]
    collect_small(seeing, small(tiny))
    assert list(waiting(seeing, "movie")) == []
    assert "33" in answers(seeing)
