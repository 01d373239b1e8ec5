"""The spool: what waits there is whole or named, and is brought in once, whatever happened to the lake meanwhile."""

from __future__ import annotations

import hashlib
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelhouse.bootstrap.storage import spool_of
from reelhouse.collect.landing import ReplayResult, open_unit, replay
from reelhouse.collect.spool import RunSpool, Spool, SpoolEntry
from reelhouse.errors import ConfigError, LakeError, ReelhouseError, StorageError
from reelhouse.raw.chunk import ChunkWriter, read_chunk
from reelhouse.raw.plan import Plan
from reelhouse.raw.purges import change_purged
from reelhouse.raw.receipt import ChunkRef, Purge, Purged, Receipt, State, read_parts
from reelhouse.raw.reconciliation import reconcile
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import MORNING, a_chunk, a_outcome, a_plan, settle

ROOM = 1 << 20
UNIT = 10


def _plan(storage: MemoryStorage, planned_at: str = MORNING) -> Plan:
    return a_plan(storage, map(str, range(1, 31)), unit_size=UNIT, planned_at=planned_at)


def _spooled(spool: Spool, plan: Plan, keys: list[str], *, unit: int = 0, token: str = "waits") -> ChunkRef:
    """A chunk of *asks* that waits; the last one was filtered and has no line."""
    writer = ChunkWriter(f"raw/movie/2026/11/23/000001-{unit:05d}-{token}.jsonl.gz", plan.run, "movie", "")
    for key in keys[:-1]:
        writer.add(
            b'{"id":%s}' % key.encode(),
            parses=True,
            key=key,
            path=f"/movie/{key}",
            status=200,
            fetched_at=MORNING,
            id=int(key),
        )
    reference, body = writer.close()
    outcomes = [a_outcome(key, line=line) for line, key in enumerate(keys[:-1])]
    outcomes.append(a_outcome(keys[-1], State.FILTERED))
    receipt = Receipt(run=plan.run, unit=unit, part=0, entity="movie", outcomes=outcomes, chunk=reference, requests=3)
    spool.keep(SpoolEntry("memory:", plan.ids.sha256, plan.planned_at, receipt), body)
    return reference


def _claimed(storage: MemoryStorage, unit: int = 0) -> list[str]:
    found = [part for part in read_parts(storage, "movie", 1, unit) if isinstance(part, Receipt)]
    return [outcome.key for receipt in found for outcome in receipt.outcomes]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", ROOM)


@pytest.fixture
def lake() -> MemoryStorage:
    return MemoryStorage()


def test_what_waits_is_brought_in_with_its_receipt_and_goes(lake: MemoryStorage, spool: Spool) -> None:
    plan = _plan(lake)
    chunk = _spooled(spool, plan, ["1", "2", "3"])
    _spooled(spool, plan, ["14", "11"], unit=1)
    assert replay(lake, spool) == ReplayResult(5, [])
    assert spool.waiting() == []
    (receipt,) = read_parts(lake, "movie", 1, 0)
    assert isinstance(receipt, Receipt)
    assert (receipt.chunk, receipt.requests) == (chunk, 3)
    assert [line.key for line in read_chunk(lake, chunk)] == ["1", "2"]
    assert _claimed(lake, 1) == ["14", "11"]
    assert replay(lake, spool) == ReplayResult(0, [])


def test_nothing_is_made_where_nothing_waits(lake: MemoryStorage, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "spool", ROOM)
    assert replay(lake, spool) == ReplayResult(0, [])
    assert list(tmp_path.iterdir()) == []


def test_ids_that_somebody_landed_meanwhile_are_dropped(lake: MemoryStorage, spool: Spool) -> None:
    plan = _plan(lake)
    settle(lake, plan, [a_outcome("2", line=0)], chunk=a_chunk(lake, plan, 0, [("2", b'{"id":2}')]))
    lake.put("_reelhouse/runs/movie/000001/receipts/00000-1.json", b"damaged")
    settle(lake, plan, [a_outcome("5", State.GONE)], known={"2"})
    _spooled(spool, plan, ["1", "2", "5", "7"])
    assert replay(lake, spool) == ReplayResult(2, [])
    assert _claimed(lake) == ["2", "5", "1", "7"]


def test_where_somebody_landed_all_of_it_not_even_the_chunk_is_put(lake: MemoryStorage, spool: Spool) -> None:
    plan = _plan(lake)
    settle(lake, plan, [a_outcome("1", State.GONE), a_outcome("2", State.GONE)])
    chunk = _spooled(spool, plan, ["1", "2"])
    assert replay(lake, spool) == ReplayResult(0, [])
    assert spool.waiting() == []
    assert lake.size(chunk.key) is None


def test_a_run_that_was_reconciled_meanwhile_stays_as_it_is(lake: MemoryStorage, spool: Spool) -> None:
    plan = _plan(lake)
    for unit in range(3):
        settle(lake, plan, [a_outcome(str(UNIT * unit + one), State.GONE) for one in range(1, 11)], unit=unit)
    assert reconcile(lake, plan)[0] is not None
    # Whatever became of its receipts since: nothing is added to a run that is closed.
    lake.delete("_reelhouse/runs/movie/000001/receipts/00000-0.json")
    _spooled(spool, plan, ["1", "2"])
    before = set(lake.keys(""))
    assert replay(lake, spool) == ReplayResult(0, [])
    assert set(lake.keys("")) == before
    assert spool.waiting() == []


def test_what_was_purged_while_it_waited_does_not_come_back(lake: MemoryStorage, spool: Spool) -> None:
    plan = _plan(lake)
    _spooled(spool, plan, ["1", "2", "3"])
    _spooled(spool, plan, ["14", "11"], unit=1)
    change_purged(lake, "movie", 1, lambda before: Purged("movie", 1, [Purge(MORNING, 1, abandoned=["2"])]))
    assert replay(lake, spool) == ReplayResult(2, [])
    assert (_claimed(lake), _claimed(lake, 1)) == ([], ["14", "11"])
    assert len(list(lake.keys("raw/"))) == 1
    assert spool.waiting() == []


def test_a_lake_has_one_spool_whatever_link_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("lake")
    stated = Settings(spool=str(tmp_path / "spool"))
    one, other = (spool_of(stated, FolderStorage(tmp_path / name)).folder for name in ("lake", "link"))
    assert one == other


@pytest.mark.parametrize("theirs", ["none", "of other ids", "of another time"])
def test_what_belongs_to_another_plan_stays_and_is_named(lake: MemoryStorage, spool: Spool, theirs: str) -> None:
    _spooled(spool, _plan(MemoryStorage()), ["1", "2"])
    if theirs == "of other ids":
        a_plan(lake, map(str, range(1, 40)), unit_size=UNIT)
    elif theirs == "of another time":
        _plan(lake, "2026-11-24T09:00:00Z")
    before = set(lake.keys(""))
    (name,) = spool.waiting()
    found = replay(lake, spool)
    assert found.answers == 0
    (text,) = found.left
    assert str(spool.folder / name) in text
    assert "of another movie run 1 than memory: holds" in text
    assert spool.waiting() == [name]
    assert set(lake.keys("")) == before


@settings(deadline=None, max_examples=50)
@given(at=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7), cut=st.booleans())
def test_one_wrong_bit_or_a_missing_end_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int, cut: bool
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool, lake = Spool(folder, ROOM), MemoryStorage()
    plan = _plan(lake)
    _spooled(spool, plan, ["11", "12"], unit=1)
    _spooled(spool, plan, ["1", "2", "3"])
    path = folder / spool.waiting()[0]
    body = bytearray(path.read_bytes())
    if cut:
        del body[at % len(body) :]
    else:
        body[at % len(body)] ^= 1 << bit
    path.write_bytes(body)
    found = replay(lake, spool)
    assert found.answers == 2
    assert [str(path) in text for text in found.left] == [True]
    assert spool.waiting() == [path.name]
    assert path.read_bytes() == body
    shutil.rmtree(folder)


def test_an_entry_of_a_newer_reelhouse_stays_and_is_named(lake: MemoryStorage, spool: Spool) -> None:
    _spooled(spool, _plan(lake), ["1", "2"])
    (name,) = spool.waiting()
    newer = (spool.folder / name).read_bytes().replace(b'"format":3', b'"format":9')
    (spool.folder / name).unlink()
    (spool.folder / f"000001-00000-{hashlib.sha256(newer).hexdigest()[:16]}.spooled").write_bytes(newer)
    (text,) = replay(lake, spool).left
    assert "upgrade reelhouse" in text
    assert len(spool.waiting()) == 1


def test_a_chunk_that_was_put_before_is_recognised_and_another_one_is_not_touched(
    lake: MemoryStorage, spool: Spool
) -> None:
    plan = _plan(lake)
    there = _spooled(spool, plan, ["1", "2", "3"])
    taken = _spooled(spool, plan, ["11", "12"], unit=1)
    _, body = spool.read(spool.waiting()[0])
    lake.put(there.key, body)
    lake.put(taken.key, b"another")
    found = replay(lake, spool)
    assert found.answers == 3
    assert len(found.left) == 1
    assert f"{taken.key} is there already and is another chunk" in found.left[0]
    assert lake.get(taken.key) == b"another"
    assert open_unit(lake, plan, 1).known == set()
    assert len(spool.waiting()) == 1


def test_it_stops_on_request_and_goes_on_later(lake: MemoryStorage, spool: Spool) -> None:
    plan = _plan(lake)
    for unit in range(3):
        _spooled(spool, plan, [str(UNIT * unit + 1), str(UNIT * unit + 2)], unit=unit)
    assert replay(lake, spool, lambda: bool(_claimed(lake))) == ReplayResult(2, [])
    assert len(spool.waiting()) == 2
    assert replay(lake, spool) == ReplayResult(4, [])


@pytest.mark.parametrize("kind", [StorageError, ConfigError])
def test_a_lake_that_still_fails_is_said_and_all_stays(spool: Spool, kind: type[ReelhouseError]) -> None:
    class Refusing(MemoryStorage):
        def put_new(self, key: str, body: bytes) -> None:
            if key.startswith("raw/"):
                raise kind("no right to write")
            super().put_new(key, body)

    lake = Refusing()
    _spooled(spool, _plan(lake), ["1", "2"])
    with pytest.raises(kind, match=r"no right to write; what waits in .* is still there"):
        replay(lake, spool)
    assert len(spool.waiting()) == 1


def test_nobody_else_may_read_what_waits(lake: MemoryStorage, spool: Spool) -> None:
    spool.folder.mkdir(mode=0o755)
    _spooled(spool, _plan(lake), ["1", "2"])
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE((spool.folder / name).stat().st_mode) for name in spool.waiting()] == [0o600]


def test_a_folder_of_somebody_else_is_not_believed(
    lake: MemoryStorage, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spooled(spool, _plan(lake), ["1", "2"])
    owner = spool.folder.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    found = replay(lake, spool)
    assert found.answers == 0
    assert "belongs to another user" in found.left[0]


def _spooling(
    spool: Spool | None, plan: Plan, alarm: Callable[[str], None] = lambda reason: None
) -> tuple[RunSpool, Callable[[int, int], None]]:
    spooling = RunSpool(spool, "memory:", plan, alarm)

    def keep(count: int, size: int) -> None:
        outcomes = [a_outcome(str(number), State.GONE) for number in range(count)]
        spooling.keep(Receipt(run=1, unit=0, part=0, entity="movie", outcomes=outcomes), b"x" * size)

    return spooling, keep


def test_what_does_not_fit_is_counted_as_lost_and_what_fits_is_kept(lake: MemoryStorage, tmp_path: Path) -> None:
    alarms: list[str] = []
    spool = Spool(tmp_path / "spool", 10_000)
    spooling, keep = _spooling(spool, _plan(lake), alarms.append)
    assert not spooling.failed
    spooling.check()
    spooling.fail(StorageError("the bucket is gone"))
    spooling.fail(StorageError("something else"))
    keep(2, 4_000)
    keep(5, 9_000)
    keep(1, 3_000)
    assert spooling.failed
    assert alarms[0] == "the lake cannot be written"
    with pytest.raises(StorageError) as caught:
        spooling.check()
    assert str(caught.value) == (
        f"the bucket is gone; 3 answers wait in {spool.folder}, the next `reelhouse collect` brings them in; "
        "5 responses are lost and will be requested again: spool_megabytes = 0.00953674 does not hold more"
    )
    assert len(spool.waiting()) == 2


@pytest.mark.parametrize("reason", ["no spool", "no room at all", "there is a file of this name"])
def test_without_a_place_everything_is_counted_as_lost_and_nothing_is_made(
    lake: MemoryStorage, tmp_path: Path, reason: str
) -> None:
    folder = tmp_path / "spool"
    if reason == "there is a file of this name":
        folder.write_text("")
    spool = None if reason == "no spool" else Spool(folder, 0 if reason == "no room at all" else ROOM)
    spooling, keep = _spooling(spool, _plan(lake))
    spooling.fail(ConfigError("the credentials have expired"))
    keep(4, 10)
    with pytest.raises(ConfigError, match="have expired; 4 responses are lost and will be requested again"):
        spooling.check()
    assert folder.is_file() == (reason == "there is a file of this name")
    assert not folder.is_dir()


@settings(deadline=None, max_examples=50)
@given(body=st.binary(max_size=300), etag=st.text(max_size=20))
def test_whatever_an_answer_holds_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, etag: str
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder, ROOM)
    outcomes = [a_outcome("1", line=0), a_outcome("2", State.QUARANTINED)]
    receipt = Receipt(run=1, unit=0, part=0, entity="movie", outcomes=outcomes, drift={etag: 1})
    entry = SpoolEntry("s3://bucket/prefix", "a" * 64, MORNING, receipt)
    spool.keep(entry, body)
    (name,) = spool.waiting()
    assert spool.read(name) == (entry, body)
    with pytest.raises(LakeError):
        (folder / name).write_bytes(b"")
        spool.read(name)
    shutil.rmtree(folder)
