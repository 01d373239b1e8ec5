"""A build that dies after any of its writes: readers see the last one, the next build goes on, nothing is lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reelhouse.delta.engine import Engine
from reelhouse.errors import LakeError, LockedError
from reelhouse.marts import REGISTRY
from reelhouse.raw.keys import staging_folder
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse import run, staging
from reelhouse.warehouse.run import BuildResult, build
from reelhouse.warehouse.verify import check_tables
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie, gone

STAGING = staging_folder("movie")

_FIELDS: dict[str, Any] = {
    "genres": [{"id": 18, "name": "Drama"}],
    "credits": {"cast": [{"id": 7, "name": "A", "credit_id": "c", "order": 0}], "crew": []},
    "release_date": "2020-13-02",
}


class Died(BaseException):
    """Stands for the end of the process: nothing in the package may catch it."""


class Countdown:
    """Lets so many writes pass and dies right after the last of them."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def wrote(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Died


class Mortal:
    """A storage whose writes count."""

    def __init__(self, storage: Storage, countdown: Countdown) -> None:
        self._storage = storage
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._storage, name)
        if not name.startswith("put"):
            return found

        def put(*args: Any) -> None:
            found(*args)
            self._countdown.wrote()

        return put


def _die_after(
    lake: LakeInTheMaking, writes: int, monkeypatch: pytest.MonkeyPatch, registry: Registry = FEW
) -> BuildResult | None:
    """Build until *writes* objects were put, commits among them, or frames written; None if the build died."""
    countdown = Countdown(writes)
    own = Engine.write

    def write(self: Engine, *args: Any) -> Any:
        found = own(self, *args)
        countdown.wrote()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "write", write)
        try:
            return build(Mortal(lake.storage, countdown), SAIL, registry=registry)
        except Died:
            return None


def _dying_commit(commits: int, folder: str = "") -> Callable[..., Any]:
    """`Engine.commit` that dies right after so many commits to *folder*, or to any."""
    own, countdown = Engine.commit, Countdown(commits)

    def commit(self: Engine, to: str, *args: Any, **kwargs: Any) -> Any:
        found = own(self, to, *args, **kwargs)
        if folder in ("", to):
            countdown.wrote()
        return found

    return commit


def _history(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_FIELDS), a_movie(2, **_FIELDS), export=[1, 2], day="2026-11-01")


def _more_history(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(2, **{**_FIELDS, "budget": 7}), gone(1), a_movie(3, **_FIELDS), export=[2, 3], day="2026-11-02")


def test_a_build_that_dies_after_every_single_write_ends_as_if_it_had_not(
    lake: LakeInTheMaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(table for table in REGISTRY.tables if table.name in ("movie", "rejected_value", "popularity_daily"))
    small = replace(REGISTRY, tables=few, marts=())
    undisturbed = LakeInTheMaking(tmp_path / "undisturbed")
    _history(undisturbed)
    undisturbed.build(registry=small)
    _more_history(undisturbed)
    undisturbed.build(registry=small)

    _history(lake)
    lake.build(registry=small)
    before, pinned = lake.everything(), lake.current
    _more_history(lake)
    deaths = 0
    # What was written and not committed is written again: so each build dies at another step of a commit.
    while _die_after(lake, deaths % 5 + 1, monkeypatch, small) is None and lake.current == pinned:
        assert lake.everything() == before
        deaths += 1
        assert deaths < 100, "a build that was killed does not get on"
    assert deaths > len(few)
    assert lake.everything() == undisturbed.everything() != before
    assert check_tables(lake.storage) == []


def test_readers_see_the_last_whole_build_and_the_next_one_completes(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(lake)
    lake.build()
    before = lake.everything()
    _more_history(lake)
    assert _die_after(lake, 8, monkeypatch) is None
    assert lake.everything() == before
    assert check_tables(lake.storage) == []
    assert lake.build().done
    assert sorted(lake.values("movie", "movie_id")) == [2, 3]
    assert lake.values("tombstone", "id") == [1]


def test_a_full_build_that_dies_is_completed_by_a_plain_one(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(lake)
    lake.build()
    before = lake.everything()
    with monkeypatch.context() as patched:
        patched.setattr(Engine, "commit", _dying_commit(1))
        with pytest.raises(Died):
            lake.build(full=True)
    assert lake.everything() == before
    _more_history(lake)
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == [2, 3]
    assert sorted(lake.values("movie_genre", "movie_id")) == [2, 3]
    assert check_tables(lake.storage) == []


def test_a_second_build_ends_with_one_line_and_the_first_is_whole(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(lake)
    monkeypatch.setattr(run, "_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(run, "_LOOK_AGAIN_SECONDS", 0.1)
    refused: list[str] = []

    def other() -> None:
        with pytest.raises(LockedError) as failed:
            lake.build()
        refused.append(str(failed.value))
        # Collectors do not wait for builds.
        with lake.storage.lock():
            pass

    _before_commit(1, "tables/movie", other, monkeypatch)
    lake.build()
    assert [text.partition(" (")[0] for text in refused] == ["the lake is locked by another build"]
    assert sorted(lake.values("movie", "movie_id")) == [1, 2]
    assert check_tables(lake.storage) == []
    assert not lake.build().done


def test_a_second_build_waits_for_the_first_and_finds_its_work_done(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(lake)
    monkeypatch.setattr(run, "_LOOK_AGAIN_SECONDS", 0.1)
    steps: list[str] = []
    done: list[bool] = []
    second = threading.Thread(
        target=lambda: done.append(build(lake.storage, SAIL, progress=steps.append, registry=FEW).done)
    )
    _before_commit(1, "tables/movie", second.start, monkeypatch)
    lake.build()
    second.join()
    assert all(step.startswith("waiting until ") for step in steps)
    by = "the lake is locked by another build ("
    assert all(by in step and f", process {os.getpid()} on " in step for step in steps)
    assert done == [False]
    assert lake.current.tables["movie"].version == 0
    assert check_tables(lake.storage) == []
    assert not lake.build().done


def test_builders_without_a_lease_leave_one_whole_build(
    lake: LakeInTheMaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a lease was lost: commits that are the next version or none protect the rows."""
    monkeypatch.setattr(FolderStorage, "lock", lambda *_, **__: nullcontext())
    _history(lake)
    failures: list[BaseException] = []

    def one() -> None:
        try:
            build(lake.storage, SAIL, registry=FEW)
        except LakeError as exc:
            failures.append(exc)

    builders = [threading.Thread(target=one) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert all("other builds of this lake keep coming first" in str(one) for one in failures)
    lake.build()
    alone = LakeInTheMaking(tmp_path / "alone", registry=FEW)
    _history(alone)
    alone.build()
    assert lake.everything() == alone.everything()
    assert check_tables(lake.storage) == []


def _before_commit(number: int, folder: str, meanwhile: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let *meanwhile* happen right before a build commits to *folder* for the *number*-th time."""
    own, calls = Engine.commit, [0]

    def commit(self: Engine, to: str, *args: Any, **kwargs: Any) -> Any:
        calls[0] += to == folder
        if to == folder and calls[0] == number:
            meanwhile()
        return own(self, to, *args, **kwargs)

    monkeypatch.setattr(Engine, "commit", commit)


@pytest.mark.long
@pytest.mark.parametrize("full", [False, True])
def test_who_begins_staging_again_beside_a_build_takes_nothing_from_it(
    lake: LakeInTheMaking, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(*(a_movie(id_, **_FIELDS) for id_ in range(1, 6)), export=[1], day="2026-11-01", parts=5)
    lake.build()
    lake.land(a_movie(6, **_FIELDS), a_movie(7, **_FIELDS), export=[1, 6], day="2026-11-02", parts=2)
    # An append for each answer, so that a build is overtaken in the middle.
    monkeypatch.setattr(staging, "BATCH_ANSWERS", 1)
    died: list[int] = []
    # Its lease was lost.
    monkeypatch.setattr(FolderStorage, "lock", lambda *_, **__: nullcontext())

    def other() -> None:
        with monkeypatch.context() as patched, pytest.raises(Died):
            patched.setattr(Engine, "commit", _dying_commit(2, STAGING))
            lake.build(full=True)
        died.append(1)

    _before_commit(2 if full else 1, STAGING, other, monkeypatch)
    lake.build(full=full)
    assert died
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 3, 4, 5, 6, 7]
    assert check_tables(lake.storage) == []
    assert not lake.build().done
