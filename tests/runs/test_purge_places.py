"""`reelhouse purge` as it is typed, and in a bucket that keeps old versions of everything."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner, Result

from reelhouse.bootstrap import purging
from reelhouse.bootstrap.maintaining import maintain
from reelhouse.cli import purge as cli_purge
from reelhouse.cli.main import main
from reelhouse.collect.spool import Spool, SpoolEntry
from reelhouse.collect.verify import verify
from reelhouse.errors import LockedError
from reelhouse.raw.keys import LOGS
from reelhouse.raw.plan import read_plan
from reelhouse.raw.receipt import Receipt
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.opening import S3Options
from reelhouse.storage.protocol import COLLECTOR, Lost, Work, unheard
from reelhouse.storage.s3 import S3Storage
from tests import s3servers
from tests.runs.scenes import two_days

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)

Typed = Callable[..., Result]


@pytest.fixture
def lake(tmp_path: Path) -> FolderStorage:
    made = FolderStorage(tmp_path / "lake")
    for key in two_days().keys(""):
        made.put(key, two_days().get(key))
    return made


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """`reelhouse purge` with these words in a folder that holds `lake`; nobody sits there."""

    def typed(*words: str, given: str = "") -> Result:
        unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
        with chdir(tmp_path):
            return CliRunner(env=unset).invoke(main, ["purge", *words], input=given)

    return typed


def _contents(lake: FolderStorage) -> dict[str, bytes]:
    return {key: lake.get(key) for key in lake.keys("")}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "give one of"),
        (["--yes"], "give one of"),
        (["--all"], "--yes is required"),
        (["--all", "--older-than", "180d", "--yes"], "give one of"),
        (["--older-than", "180", "--yes"], "not an age"),
        (["--older-than", "0d", "--yes"], "not an age"),
        (["--older-than", "-3d", "--yes"], "not an age"),
        (["--older-than", "999999d", "--yes"], "before all dates"),
        (["--entity", "movies", "--yes"], "did you mean 'movie'?"),
        (["--ids", "nowhere.txt", "--yes"], "nowhere.txt"),
        (["--ids", "-", "--yes"], "has no ids"),
        (["--column", "id", "--all", "--yes"], "--ids"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_said_and_nothing_goes(
    lake: FolderStorage, typed: Typed, words: list[str], text: str
) -> None:
    before = _contents(lake)
    result = typed(*words)
    assert result.exit_code == 2
    assert text in result.stderr
    assert _contents(lake) == before


def test_ids_that_are_no_ids_are_named_by_their_line(lake: FolderStorage, typed: Typed) -> None:
    before = _contents(lake)
    result = typed("--ids", "-", "--yes", given="1\nall\n")
    assert (result.exit_code, "line 2" in result.stderr) == (2, True)
    assert _contents(lake) == before


def test_a_purge_of_ids_says_where_their_names_may_remain(lake: FolderStorage, typed: Typed) -> None:
    assert _contents(lake)
    says = "may still name these records: docs/maintain.md"
    assert says in " ".join(typed("--ids", "-", "--yes", given="20\n").stderr.split())
    assert says not in " ".join(typed("--all", "--yes").stderr.split())


class _Losing(FolderStorage):
    """A lake whose locks are lost as soon as they are held."""

    @contextmanager
    def lock(self, *, seconds: float | None = None, lost: Lost = unheard, of: Work = COLLECTOR) -> Iterator[None]:
        with super().lock(seconds=seconds, lost=lost, of=of):
            lost("another process took the lock")
            yield


def test_a_purge_that_loses_its_lock_ends_and_the_next_one_continues(lake: FolderStorage) -> None:
    settings, everything = Settings(lake=str(lake.root)), PurgeSelection("all")
    with pytest.raises(LockedError, match=r"another process took the lock; .* the next purge continues"):
        purging.purge(_Losing(lake.root), settings, everything, NOW, lambda name: None)
    assert purging.purge(lake, settings, everything, NOW, lambda name: None).gone


def test_maintenance_that_loses_its_lock_ends(lake: FolderStorage) -> None:
    with pytest.raises(LockedError, match=r"another process took the lock; .* `reelhouse maintain` continues"):
        maintain(_Losing(lake.root), lambda name: None, keep_days=7, dry_run=False)


def test_a_dry_run_tells_what_a_purge_then_takes(lake: FolderStorage, typed: Typed) -> None:
    before = _contents(lake)
    words = ("--ids", "-", "--json")
    foreseen = typed(*words, "--dry-run", given="20\ntt0000027\n999\n")
    assert _contents(lake) == before
    done = typed(*words, "--yes", given="20\ntt0000027\n999\n")
    assert (foreseen.exit_code, done.exit_code) == (0, 0)
    assert [key for key in lake.keys(LOGS) if lake.get(key).endswith(b"purge: exit code 0\n")]
    foreseen_sums, took = json.loads(foreseen.stdout), json.loads(done.stdout)
    assert {**foreseen_sums, "dry_run": False, "gone": True} == took
    assert took.pop("list")["ids"] == 3
    assert took == {
        "dry_run": False,
        "runs": 2,
        "answers": 3,
        "chunks": 3,
        "rewritten": 3,
        "exports": 0,
        "copies": 0,
        "abandoned": 0,
        "bytes": took["bytes"],
        "unknown": ["999"],
        "problems": [],
        "entities": {"movie": {"runs": 2, "answers": 3, "chunks": 3}},
        "tables": 0,
        "rebuilt": False,
        "note": None,
        "gone": True,
        "done": True,
    }
    assert verify(lake).problems == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets this machine's clock, as far as `purge` asks it."""

    class Set(datetime):
        said = "2026-03-20"

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromisoformat(cls.said).replace(hour=12, tzinfo=tz)

    monkeypatch.setattr(cli_purge, "datetime", Set)

    def set_to(day: str) -> None:
        Set.said = day

    return set_to


Clock = Callable[[str], None]


def test_age_is_counted_from_now(lake: FolderStorage, typed: Typed, clock: Clock) -> None:
    clock("2026-03-20")
    result = typed("--older-than", "1h", "--yes")
    assert result.exit_code == 0, result.stderr
    assert "Purged and gone" in result.stdout
    assert verify(lake).states == {"purged": 58}
    assert typed("--older-than", "100000h", "--yes", "--json").exit_code == 0


@pytest.mark.parametrize("words", [("--yes",), ("--dry-run",), ("--yes", "--json")], ids=" ".join)
@pytest.mark.parametrize(
    ("day", "says"),
    [("2030-03-02", "58 of 58 answers would go"), ("2026-02-20", "2026-03-02 12:00"), ("1970-01-01", "")],
)
def test_a_clock_that_cannot_be_right_is_refused(
    lake: FolderStorage, typed: Typed, clock: Clock, day: str, says: str, words: tuple[str, ...]
) -> None:
    before = _contents(lake)
    clock(day)
    result = typed("--older-than", "180d", *words)
    assert result.exit_code == 2
    assert bool(result.stdout) == ("--json" in words)
    assert "--as-of" in result.stderr
    assert says in result.stderr
    assert f"this machine's clock says {day}" in result.stderr
    assert _contents(lake) == before


@pytest.mark.parametrize("day", ["2030-03-02", "1970-01-01", "2026-03-20"])
def test_with_a_day_that_is_named_the_clock_does_not_count(
    lake: FolderStorage, typed: Typed, clock: Clock, day: str
) -> None:
    clock(day)
    assert typed("--older-than", "10d", "--as-of", "2026-03-05", "--yes").exit_code == 0
    assert "purged" not in verify(lake).states
    assert typed("--older-than", "1d", "--as-of", "2026-03-03", "--yes").exit_code == 0
    # What was fetched on the first day.
    assert 0 < verify(lake).states["purged"] < 58


def test_a_lake_that_nobody_touched_for_a_year_is_purged_once_its_day_is_confirmed(
    lake: FolderStorage, typed: Typed, clock: Clock
) -> None:
    clock("2027-03-10")
    assert typed("--older-than", "180d", "--yes").exit_code == 2
    assert typed("--older-than", "180d", "--as-of", "2027-03-10", "--yes").exit_code == 0
    assert verify(lake).states == {"purged": 58}
    # Nothing is left that a wrong clock could take.
    assert typed("--older-than", "180d", "--yes").exit_code == 0


def test_a_small_part_goes_by_the_clock_alone_however_long_ago_the_lake_was_touched(
    lake: FolderStorage, typed: Typed, clock: Clock
) -> None:
    clock("2026-06-02")
    found = json.loads(typed("--older-than", "93d", "--dry-run", "--json").stdout)
    assert found["answers"] == 0
    assert typed("--older-than", "91d", "--dry-run").exit_code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--older-than", "180d", "--as-of", "2036-11-29"), "2036-11-29 is in the future"),
        (("--older-than", "180d", "--as-of", "29.11.2026"), "--as-of"),
        (("--all", "--as-of", "2026-03-20"), "--older-than"),
        (("--ids", "-", "--as-of", "2026-03-20"), "--older-than"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_day_that_cannot_be_meant_is_refused(
    lake: FolderStorage, typed: Typed, clock: Clock, words: tuple[str, ...], says: str
) -> None:
    before = _contents(lake)
    clock("2026-03-20")
    result = typed(*words, "--yes", given="20\n")
    assert result.exit_code == 2
    assert says in result.stderr
    assert _contents(lake) == before


def test_one_answer_dated_far_ahead_makes_no_wrong_clock_right(lake: FolderStorage, typed: Typed, clock: Clock) -> None:
    (key, *_) = lake.keys("_reelhouse/runs/movie/000001/receipts/")
    lake.put(key, lake.get(key).replace(b"2026-03-01T", b"2029-03-01T", 1))
    for day in ("2026-03-20", "2030-03-02"):
        clock(day)
        assert typed("--older-than", "180d", "--yes").exit_code == 2
    found = json.loads(typed("--older-than", "180d", "--as-of", "2026-03-20", "--yes", "--json").stdout)
    assert found["answers"] == 0


@pytest.mark.parametrize("age", ["600000d", "730000d"])
def test_an_age_of_many_centuries_takes_nothing(lake: FolderStorage, typed: Typed, age: str) -> None:
    # Years of two or three digits must not come after 2026 as text.
    before = _contents(lake)
    assert json.loads(typed("--older-than", age, "--yes", "--json").stdout)["answers"] == 0
    assert _contents(lake) == before


def test_who_collects_is_not_disturbed(lake: FolderStorage, typed: Typed) -> None:
    before = _contents(lake)
    with lake.lock():
        result = typed("--all", "--yes")
    assert (result.exit_code, "another collector" in result.stderr) == (1, True)
    assert _contents(lake) == before


def test_answers_that_wait_in_the_spool_are_not_overlooked(
    lake: FolderStorage, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Spool(tmp_path / "spool", 1 << 20)
    plan = read_plan(lake, "movie", 2)
    assert plan is not None
    receipt = Receipt(run=2, unit=0, part=9, entity="movie", outcomes=[])
    waiting.keep(SpoolEntry(lake.url, plan.ids.sha256, plan.planned_at, receipt), b"")
    monkeypatch.setattr(purging, "spool_of", lambda settings, storage: waiting)
    before = _contents(lake)
    result = typed("--all", "--yes")
    assert (result.exit_code, str(tmp_path / "spool") in result.stderr.replace("\n", "")) == (1, True)
    assert _contents(lake) == before


class Bucket:
    """A lake in a bucket, and all versions that lie there."""

    def __init__(self, name: str, client: Any) -> None:
        self.lake = S3Storage(f"s3://{name}/lake", S3Options())
        self._name = name
        self._client = client

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        """Every version of every object of TMDB's, unpacked."""
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._name):
            for one in page.get("Versions", []):
                if one["Key"].startswith("lake/raw/"):
                    got = self._client.get_object(Bucket=self._name, Key=one["Key"], VersionId=one["VersionId"])
                    yield one["Key"], gzip.decompress(got["Body"].read())


@pytest.fixture(params=s3servers.ON_EACH)
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A lake in a bucket with versions, where everything was put twice and something was deleted."""
    server = s3servers.started(request.param)
    s3servers.aim(monkeypatch, server)
    made = Bucket(s3servers.fresh_bucket(server, versioned=True), s3servers.client(server))
    for key in two_days().keys(""):
        made.lake.put(key, two_days().get(key))
        if key.startswith("raw/"):
            made.lake.put(key, two_days().get(key))
    return made


@pytest.mark.long
def test_old_versions_go_too(bucket: Bucket) -> None:
    lake = bucket.lake
    assert any(b'"key":"20"' in body for _, body in bucket.bodies())
    found = purge(lake, PurgeSelection("1 id", keys=frozenset({"20"})), NOW)
    assert (found.answers, found.problems) == (2, [])
    assert not any(b'"key":"20"' in body for _, body in bucket.bodies())
    assert verify(lake).problems == []
    # One that is there only as an old version is there.
    (gone, *_) = sorted(set(two_days().keys("raw/")) - set(lake.keys("raw/")))
    lake.put(gone, two_days().get(gone))
    lake.delete(gone)
    assert lake.size(gone) is None
    assert [gone in problem for problem in verify(lake).problems] == [True]
    assert purge(lake, PurgeSelection("all"), NOW).problems == []
    assert list(bucket.bodies()) == []
    assert list(lake.list_all_versions("raw/")) == []
    assert verify(lake).problems == []
