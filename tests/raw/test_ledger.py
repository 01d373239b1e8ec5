"""The ledger: a cache of the receipts that may be lost, damaged or old without changing what is known."""

from __future__ import annotations

import gzip
import itertools
import random
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelhouse.errors import StorageError
from reelhouse.raw import ledger as ledgers
from reelhouse.raw.keys import LedgerKey, ledger_key, receipt_key
from reelhouse.raw.ledger import Ledger, keep_ledger, keep_run, oldest_landed, open_ledger
from reelhouse.raw.plan import Plan, read_plan
from reelhouse.raw.purges import PurgeNote, change_purged, put_note
from reelhouse.raw.receipt import Outcome, Purge, Purged, State, read_receipts, readable
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import ASKING, a_outcome, a_plan, settle

Rows = list[tuple[object, ...]]


def _rows(ledger: Ledger) -> dict[str, Rows]:
    return {
        name: ledger.db.execute(f"select * from {name} order by 1, 2").fetchall()
        for name in ("known", "alias", "purged", "object", "run")
    }


def _live(storage: MemoryStorage, runs: int, *, keep: bool) -> None:
    """Several runs over some ids, each with other ends."""
    chance = random.Random(7)
    for run in range(1, runs + 1):
        plan = _run(storage, run, chance)
        if keep:
            keep_run(storage, plan)


def _run(storage: MemoryStorage, run: int, chance: random.Random) -> Plan:
    keys = [str(id_) for id_ in chance.sample(range(1, 200), 40)] + [f"tt{run:07d}"]
    plan = a_plan(storage, keys, run=run, unit_size=15)
    for unit in range(plan.units):
        of_unit = keys[unit * 15 : unit * 15 + 15]
        for half in (of_unit[:7], of_unit[7:]):
            outcomes = [
                a_outcome(
                    key,
                    chance.choice(list(State)),
                    fetched_at=f"2026-11-{run:02d}T09:00:{chance.randrange(60):02d}Z",
                    found=None if key.isdigit() else 1000 + run,
                )
                for key in half
            ]
            settle(storage, plan, outcomes, unit=unit)
    return plan


def _keep_base(storage: MemoryStorage, run: int) -> None:
    with open_ledger(storage, "movie", run) as ledger:
        keep_ledger(storage, "movie", ledger)


def _segment(run: int) -> str:
    return ledger_key(LedgerKey("movie", run, run))


def _base(run: int) -> str:
    return ledger_key(LedgerKey("movie", 1, run))


def _forget_receipts(storage: MemoryStorage, *runs: int) -> None:
    for run in runs:
        for key in list(storage.keys(f"_reelhouse/runs/movie/{run:06d}/receipts/")):
            storage.delete(key)


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


def test_a_run_puts_its_own_segment_and_touches_no_other() -> None:
    storage = MemoryStorage()
    _live(storage, 6, keep=True)
    assert list(storage.keys("_reelhouse/ledger/movie/")) == [_segment(run) for run in range(1, 7)]


def test_a_new_base_keeps_the_one_before_and_the_segments_since() -> None:
    storage = MemoryStorage()
    _live(storage, 6, keep=True)
    _keep_base(storage, 3)
    assert list(storage.keys("_reelhouse/ledger/movie/")) == sorted([_base(3), *map(_segment, range(1, 7))])
    _keep_base(storage, 5)
    assert list(storage.keys("_reelhouse/ledger/movie/")) == sorted([_base(3), _base(5), *map(_segment, (4, 5, 6))])
    _keep_base(storage, 6)
    assert list(storage.keys("_reelhouse/ledger/movie/")) == sorted([_base(5), _base(6), _segment(6)])


def test_a_new_base_is_worth_it_once_segments_are_many_large_or_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    _live(storage, 6, keep=True)

    def scattered(run: int) -> bool:
        with open_ledger(storage, "movie", run) as ledger:
            return ledger.scattered

    assert not scattered(0)
    assert not scattered(6)
    monkeypatch.setattr(ledgers, "_MOST_SEGMENTS", 4)
    assert scattered(6)
    assert not scattered(5)
    monkeypatch.undo()
    monkeypatch.setattr(ledgers, "_SMALL", 1)
    assert scattered(2)
    monkeypatch.undo()
    storage.delete(_segment(6))
    assert scattered(6)
    _keep_base(storage, 6)
    assert not scattered(6)


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
        assert _rows(ledger)["known"] == [
            ("movie", 550, "quarantined", "2026-11-03T00:00:00Z", 3, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")
        ]
    with open_ledger(storage, "movie", 1) as ledger:
        assert _rows(ledger)["known"] == [("movie", 550, "landed", "2026-11-01T00:00:00Z", 1, None, None)]


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
        assert ledger.db.execute("select run, entity, request_profile from run").fetchall() == [
            (1, "movie", ASKING.fingerprint)
        ]


def test_an_unreadable_receipt_makes_nothing_known() -> None:
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2"])
    storage.put(receipt_key("movie", 1, 0, 0), b"damaged")
    settle(storage, plan, [a_outcome("2")])
    with open_ledger(storage, "movie", 1) as ledger:
        assert [row[1] for row in _rows(ledger)["known"]] == [2]


def _scrambled(whole: bytes) -> bytes:
    """All pages but the first overwritten, and that of `meta`, which comes last."""
    return whole[:4096] + b"\xff" * (len(whole) - 8192) + whole[-4096:]


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
    ids=[
        "empty",
        "no gzip",
        "no end",
        "half",
        "no SQLite",
        "empty file",
        "one byte",
        "half the pages",
    ],
)
def test_a_damaged_piece_is_passed_over(damage: Callable[[bytes], bytes]) -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    _keep_base(storage, 3)
    before, oldest = _known(storage, 4), oldest_landed(storage, "movie", 4)
    pieces = {key: storage.get(key) for key in storage.keys("_reelhouse/ledger/movie/")}
    for spoilt in ([_segment(4)], [_base(3)], list(pieces)):
        for key, piece in pieces.items():
            storage.put(key, damage(piece) if key in spoilt else piece)
        assert _known(storage, 4) == before, spoilt
        assert oldest_landed(storage, "movie", 4) == oldest, spoilt


def test_a_segment_with_pages_of_nonsense_is_passed_over() -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    before = _known(storage, 4)
    storage.put(_segment(3), gzip.compress(_scrambled(gzip.decompress(storage.get(_segment(3))))))
    assert _known(storage, 4) == before


def test_one_of_another_format_or_run_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    before = _known(storage, 4)
    storage.put(_segment(4), storage.get(_segment(3)))
    storage.put(_base(4), storage.get(_segment(1)))
    monkeypatch.setattr(ledgers, "_SHAPE", "another")
    plan = read_plan(storage, "movie", 2)
    assert plan is not None
    keep_run(storage, plan)
    monkeypatch.undo()
    assert _known(storage, 4) == before


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_a_missing_segment_is_read_from_the_receipts_of_its_run_alone(lost: int) -> None:
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    before = _known(storage, 4)
    storage.delete(_segment(lost))
    _forget_receipts(storage, *({1, 2, 3, 4} - {lost}))
    assert _known(storage, 4) == before


def test_segments_fit_any_base_that_ends_before_them() -> None:
    storage = MemoryStorage()
    _live(storage, 5, keep=True)
    before = _known(storage, 5)
    _keep_base(storage, 2)
    _keep_base(storage, 4)
    _forget_receipts(storage, 1, 2, 3, 4, 5)
    assert _known(storage, 5) == before
    # The newest is damaged, so what follows the one before is taken from segments.
    storage.put(_base(4), b"damaged")
    assert _known(storage, 5) == before


def test_an_earlier_ledger_takes_nothing_of_a_later_base() -> None:
    storage, plain = MemoryStorage(), MemoryStorage()
    _live(storage, 4, keep=True)
    _live(plain, 4, keep=False)
    _keep_base(storage, 2)
    _keep_base(storage, 4)
    for run in range(5):
        assert _known(storage, run) == _known(plain, run)


class _Dying(MemoryStorage):
    """Ends what is being done instead of its change number *left*."""

    def __init__(self) -> None:
        super().__init__()
        self.left = -1

    def put(self, key: str, body: bytes) -> None:
        self._step()
        super().put(key, body)

    def delete(self, key: str) -> None:
        self._step()
        super().delete(key)

    def _step(self) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


def test_a_kill_at_any_step_of_keeping_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # So small that a base has many parts and an excerpt.
    monkeypatch.setattr(ledgers, "_PART", 500)
    wanted = MemoryStorage()
    _live(wanted, 5, keep=False)
    want, oldest = _known(wanted, 5), oldest_landed(wanted, "movie", 5)
    for step in itertools.count():
        storage = _Dying()
        _live(storage, 4, keep=True)
        _keep_base(storage, 2)
        chance = random.Random(7)
        for run in range(1, 5):
            _run(MemoryStorage(), run, chance)
        plan = _run(storage, 5, chance)
        storage.left = step
        try:
            keep_run(storage, plan)
            _keep_base(storage, 5)
        except KeyboardInterrupt:
            storage.left = -1
            assert _known(storage, 5) == want, f"killed at step {step}"
            assert oldest_landed(storage, "movie", 5) == oldest, f"killed at step {step}"
            continue
        assert step > 10
        assert any("-oldest" in key for key in storage.keys("_reelhouse/ledger/movie/"))
        assert len(list(storage.keys("_reelhouse/ledger/movie/000001-000005."))) > 1
        return


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_pieces_are_kept_the_ledger_is_that_of_the_receipts(data: st.DataObject) -> None:
    kept, plain = MemoryStorage(), MemoryStorage()
    seed = data.draw(st.integers(0, 1000))
    runs = data.draw(st.integers(1, 7))
    chances = random.Random(seed), random.Random(seed)
    for run in range(1, runs + 1):
        plan = _run(kept, run, chances[0])
        _run(plain, run, chances[1])
        for what in data.draw(st.lists(st.sampled_from(["segment", "base", "lose", "purge"]), max_size=3)):
            keys = list(kept.keys("_reelhouse/ledger/movie/"))
            if what == "segment":
                keep_run(kept, plan)
            elif what == "base":
                with pytest.MonkeyPatch.context() as patched:
                    patched.setattr(ledgers, "_PART", data.draw(st.sampled_from([500, 1 << 20])))
                    patched.setattr(ledgers, "_SHARE", data.draw(st.sampled_from([1, 10, 1000])))
                    _keep_base(kept, run)
            elif what == "lose" and keys:
                kept.delete(data.draw(st.sampled_from(keys)))
            elif what == "purge":
                of = data.draw(st.integers(1, run))
                for storage in (kept, plain):
                    _purge(storage, of, run)
        assert _known(kept, run) == _known(plain, run)
        assert oldest_landed(kept, "movie", run) == oldest_landed(plain, "movie", run)


def _purge(storage: MemoryStorage, run: int, through: int) -> None:
    """Every answer of one part of a run; what was kept stays, as where a collector puts it late."""
    put_note(storage, PurgeNote("2026-11-30T00:00:00Z", "all", {"movie": [run]}))
    change_purged(
        storage,
        "movie",
        run,
        lambda found: Purged("movie", run, [*found.purges, Purge("2026-11-30T00:00:00Z", through, {"0-0": None})]),
    )


def test_a_segment_from_before_a_purge_is_not_used() -> None:
    storage = MemoryStorage()
    _live(storage, 3, keep=True)
    (gone,) = (outcome.id for outcome in _outcomes_of(storage, 3)[:1])
    _purge(storage, 3, 3)
    with open_ledger(storage, "movie", 3) as ledger:
        assert ledger.db.execute("select run from known where id = ? and run = 3", (gone,)).fetchall() == []
        assert ledger.scattered


def _outcomes_of(storage: MemoryStorage, run: int) -> list[Outcome]:
    plan = read_plan(storage, "movie", run)
    assert plan is not None
    return [outcome for receipt in readable(read_receipts(storage, plan)) for outcome in receipt.outcomes]


def test_the_oldest_answer_is_found_without_reading_a_large_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "_PART", 500)
    storage = MemoryStorage()
    _live(storage, 4, keep=True)
    monkeypatch.setattr(ledgers, "_SHARE", 2)
    _keep_base(storage, 3)
    with open_ledger(storage, "movie", 4) as ledger:
        oldest = ledger.oldest_and_newest()[0]
    for key in list(storage.keys("_reelhouse/ledger/movie/")):
        if key.startswith("_reelhouse/ledger/movie/000001-000003."):
            storage.put(key, b"")
    for run in (1, 2, 3):
        storage.delete(_segment(run))
    _forget_receipts(storage, 1, 2, 3, 4)
    assert oldest_landed(storage, "movie", 4) == oldest
    assert oldest is not None


def test_where_all_old_rows_were_replaced_the_whole_ledger_says_which_is_the_oldest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledgers, "_PART", 500)
    monkeypatch.setattr(ledgers, "_SHARE", 1000)
    storage = MemoryStorage()
    plan = a_plan(storage, ["1", "2", "3"])
    settle(storage, plan, [a_outcome(str(id_), fetched_at=f"2026-11-01T00:00:0{id_}Z") for id_ in (1, 2, 3)])
    keep_run(storage, plan)
    again = a_plan(storage, ["1"], run=2)
    settle(storage, again, [a_outcome("1", fetched_at="2026-11-02T00:00:00Z")])
    keep_run(storage, again)
    assert oldest_landed(storage, "movie", 1) == "2026-11-01T00:00:01Z"
    assert oldest_landed(storage, "movie", 2) == "2026-11-01T00:00:02Z"


@pytest.mark.parametrize("newer", [State.QUARANTINED, State.GONE])
@pytest.mark.parametrize("large", [False, True])
def test_a_landed_answer_that_is_still_shown_ages_though_a_newer_one_did_not_land(
    monkeypatch: pytest.MonkeyPatch, newer: State, large: bool
) -> None:
    if large:
        monkeypatch.setattr(ledgers, "_PART", 500)
        monkeypatch.setattr(ledgers, "_SHARE", 1)
    storage = MemoryStorage()
    for run, states in enumerate([(State.LANDED, State.LANDED), (newer, State.LANDED), (newer, State.LANDED)], 1):
        plan = a_plan(storage, ["1", "2"], run=run)
        at = f"2026-11-0{run}T00:00:00Z"
        settle(storage, plan, [a_outcome(str(id_), state, fetched_at=at) for id_, state in enumerate(states, 1)])
        keep_run(storage, plan)
        assert oldest_landed(storage, "movie", run) == "2026-11-01T00:00:00Z"
        _keep_base(storage, run)
        assert oldest_landed(storage, "movie", run) == "2026-11-01T00:00:00Z"


def test_a_full_disk_is_said_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="no room for temporary files"), open_ledger(MemoryStorage(), "movie", 0):
        pass


def test_memory_does_not_grow_with_what_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ledgers, "_PART", 1 << 17)
    storage = FolderStorage(tmp_path)
    settle(storage, a_plan(storage, []), [])
    plan = a_plan(storage, ["5"], run=2)
    settle(storage, plan, [a_outcome("5", fetched_at="2027-01-01T00:00:00Z")])
    tracemalloc.start()
    try:
        with open_ledger(storage, "movie", 1) as ledger:
            ledger.db.execute(
                "insert into known with recursive n(id) as (select 1 union all select id + 1 from n where id < 300000) "
                "select 'movie', id, 'landed', strftime('%Y-%m-%dT%H:%M:%SZ', 1790000000 + id * 48271 % 999983, "
                "'unixepoch'), 1, null, null from n"
            )
            keep_ledger(storage, "movie", ledger)
        keep_run(storage, plan)
        assert oldest_landed(storage, "movie", 2) is not None
        with open_ledger(storage, "movie", 2) as ledger:
            assert ledger.db.execute("select count(*) from known where run = 2").fetchone() == (1,)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    kept = sum(size for _, size in storage.sizes("_reelhouse/ledger/movie/"))
    assert kept > 3_000_000
    # SQLite's own caches, bounded by pragmas, are not traced.
    assert peak < 1_500_000
