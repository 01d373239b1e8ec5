"""The ledger: a cache of the receipts that may be lost, damaged or old without changing what is known."""

from __future__ import annotations

import gzip
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reelhouse.errors import StorageError
from reelhouse.raw.keys import ledger_key, receipt_key
from reelhouse.raw.ledger import Ledger, keep_ledger, open_ledger
from reelhouse.raw.receipt import State
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import ASKING, a_outcome, a_plan, settle

Rows = list[tuple[object, ...]]


def _rows(ledger: Ledger) -> dict[str, Rows]:
    return {
        name: ledger.db.execute(f"select * from {name} order by 1, 2").fetchall() for name in ("known", "alias", "run")
    }


def _live(storage: MemoryStorage, runs: int, *, keep: bool) -> None:
    """Several runs over some ids, each with other ends."""
    chance = random.Random(7)
    for run in range(1, runs + 1):
        keys = [str(id_) for id_ in chance.sample(range(1, 200), 40)] + [f"tt{run:07d}"]
        plan = a_plan(storage, keys, run=run, unit_size=15)
        for unit in range(plan.units):
            of_unit = keys[unit * 15 : unit * 15 + 15]
            for half in (of_unit[:7], of_unit[7:]):
                outcomes = [
                    a_outcome(
                        key,
                        chance.choice(list(State)),
                        fetched_at=f"2026-11-{run:02d}T09:00:00Z",
                        found=None if key.isdigit() else 1000 + run,
                    )
                    for key in half
                ]
                settle(storage, plan, outcomes, unit=unit)
        if keep:
            with open_ledger(storage, "movie", run) as ledger:
                keep_ledger(storage, "movie", ledger)


def _known(storage: MemoryStorage, run: int) -> dict[str, Rows]:
    with open_ledger(storage, "movie", run) as ledger:
        assert ledger.through == run
        return _rows(ledger)


def test_a_ledger_that_was_kept_says_what_one_rebuilt_from_receipts_says() -> None:
    kept, rebuilt = MemoryStorage(), MemoryStorage()
    _live(kept, 6, keep=True)
    _live(rebuilt, 6, keep=False)
    assert _known(kept, 6) == _known(rebuilt, 6)
    assert list(rebuilt.keys("_reelhouse/ledger/movie/")) == []


def test_only_the_newest_few_are_kept() -> None:
    storage = MemoryStorage()
    _live(storage, 6, keep=True)
    assert list(storage.keys("_reelhouse/ledger/movie/")) == [
        ledger_key("movie", 4),
        ledger_key("movie", 5),
        ledger_key("movie", 6),
    ]


def test_the_kept_one_is_used_and_not_every_receipt_read_again() -> None:
    storage = MemoryStorage()
    _live(storage, 3, keep=True)
    before = _known(storage, 3)
    for key in list(storage.keys("_reelhouse/runs/movie/")):
        if "/receipts/" in key:
            storage.delete(key)
    assert _known(storage, 3) == before


def test_the_newest_state_of_an_id_holds_whatever_came_before() -> None:
    storage = MemoryStorage()
    for run, state in enumerate((State.LANDED, State.GONE, State.QUARANTINED), 1):
        plan = a_plan(storage, ["550"], run=run)
        settle(storage, plan, [a_outcome("550", state, fetched_at=f"2026-11-0{run}T00:00:00Z")])
    with open_ledger(storage, "movie", 3) as ledger:
        assert _rows(ledger)["known"] == [("movie", 550, "quarantined", "2026-11-03T00:00:00Z", 3)]
    with open_ledger(storage, "movie", 1) as ledger:
        assert _rows(ledger)["known"] == [("movie", 550, "landed", "2026-11-01T00:00:00Z", 1)]


def test_an_imdb_id_stands_for_the_tmdb_id_that_answered_and_a_gone_one_for_none() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["tt0137523", "tt9999999"])
    settle(storage, plan, [a_outcome("tt0137523", found=550), a_outcome("tt9999999", State.GONE)])
    with open_ledger(storage, "movie", 1) as ledger:
        aliases = ledger.db.execute("select entity, ask, id from alias order by ask").fetchall()
        rows = _rows(ledger)
    assert aliases == [("movie", "tt0137523", 550), ("movie", "tt9999999", None)]
    assert [row[1] for row in rows["known"]] == [550]


def test_a_run_is_remembered_with_what_it_asked_for() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    settle(storage, plan, [a_outcome("1"), a_outcome("2", State.GONE)])
    with open_ledger(storage, "movie", 1) as ledger:
        assert ledger.db.execute("select run, entity, asking from run").fetchall() == [(1, "movie", ASKING.fingerprint)]


def test_an_unreadable_receipt_makes_nothing_known() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    storage.put(receipt_key("movie", 1, 0, 0), b"damaged")
    settle(storage, plan, [a_outcome("2")])
    with open_ledger(storage, "movie", 1) as ledger:
        assert [row[1] for row in _rows(ledger)["known"]] == [2]


def _half_page(packed: bytes) -> bytes:
    whole = gzip.decompress(packed)
    return gzip.compress(whole[: len(whole) // 2 + 100])


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: b"",
        lambda packed: b"no gzip",
        lambda packed: packed[:-9],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: gzip.compress(b"no SQLite" * 1000),
        lambda packed: gzip.compress(b""),
        lambda packed: packed[:200] + bytes([packed[200] ^ 255]) + packed[201:],
        _half_page,
    ],
    ids=["empty", "no gzip", "no end", "half", "no SQLite", "empty file", "one byte", "half the pages"],
)
def test_a_damaged_one_is_passed_over(damage: Callable[[bytes], bytes]) -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    before = _known(storage, 4)
    for key in list(storage.keys("_reelhouse/ledger/movie/")):
        storage.put(key, damage(storage.get(key)))
    assert _known(storage, 4) == before


def test_one_of_another_format_or_run_is_passed_over() -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    before = _known(storage, 4)
    storage.put(ledger_key("movie", 4), storage.get(ledger_key("movie", 3)))
    with open_ledger(storage, "movie", 4) as ledger:
        ledger.db.execute("update meta set format = 99")
        storage.put(ledger_key("movie", 3), ledger.pack())
    assert _known(storage, 4) == before


def test_a_whole_one_before_a_damaged_one_is_brought_up_to_date() -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    before = _known(storage, 4)
    storage.put(ledger_key("movie", 4), b"damaged")
    for key in list(storage.keys("_reelhouse/runs/movie/000001/receipts/")):
        # What run 1 says can only come from the kept ledger of run 3.
        storage.delete(key)
    assert _known(storage, 4) == before


def test_a_full_disk_is_said_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no room for temporary files"), open_ledger(MemoryStorage(), "movie", 0):
        pass
