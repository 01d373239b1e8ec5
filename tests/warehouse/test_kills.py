"""A build that dies after any of its writes: readers see the last one, the next build goes on, nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reelhouse.delta.engine import Engine
from reelhouse.delta.log import latest_version, read_commit
from reelhouse.errors import LakeError
from reelhouse.raw.keys import staging_folder
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse import popularity_daily, staging
from reelhouse.warehouse.run import BuildResult, build
from reelhouse.warehouse.staging import Stager
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


def _die_after(lake: LakeInTheMaking, writes: int, monkeypatch: pytest.MonkeyPatch) -> BuildResult | None:
    """Build until *writes* objects or commits were written; None if the build died."""
    countdown = Countdown(writes)
    commit = Engine.write

    def write(self: Engine, *args: Any, **kwargs: Any) -> Any:
        found = commit(self, *args, **kwargs)
        countdown.wrote()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "write", write)
        try:
            return build(Mortal(lake.storage, countdown), SAIL, registry=FEW)
        except Died:
            return None


def _history(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_FIELDS), a_movie(2, **_FIELDS), export=[1, 2], day="2026-11-01")


def _more_history(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(2, **{**_FIELDS, "budget": 7}), gone(1), a_movie(3, **_FIELDS), export=[2, 3], day="2026-11-02")


def test_a_build_that_dies_after_every_single_write_ends_as_if_it_had_not(
    lake: LakeInTheMaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = LakeInTheMaking(tmp_path / "undisturbed", registry=FEW)
    _history(undisturbed)
    undisturbed.build()
    _more_history(undisturbed)
    undisturbed.build()

    _history(lake)
    lake.build()
    before, pinned = lake.everything(), lake.current
    _more_history(lake)
    deaths = 0
    while _die_after(lake, 1, monkeypatch) is None and lake.current == pinned:
        deaths += 1
        assert deaths < 100, "a build that was killed does not get on"
    # Staging, lenient parsing, the choice of claims, exports, and every table and mart: a death after each.
    assert deaths > len(lake.current.tables)
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
    commit = Engine.write
    left = [1]

    def write(self: Engine, *args: Any, **kwargs: Any) -> Any:
        found = commit(self, *args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            raise Died
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "write", write)
        with pytest.raises(Died):
            lake.build(full=True)
    assert lake.everything() == before
    _more_history(lake)
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == [2, 3]
    assert sorted(lake.values("movie_genre", "movie_id")) == [2, 3]
    assert check_tables(lake.storage) == []


def test_two_builders_at_once_leave_one_whole_build(lake: LakeInTheMaking, tmp_path: Path) -> None:
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
    assert failures == []
    alone = LakeInTheMaking(tmp_path / "alone", registry=FEW)
    _history(alone)
    alone.build()
    assert lake.everything() == alone.everything()
    assert check_tables(lake.storage) == []
    lake.build()
    assert lake.everything() == alone.everything()


def _first_time(folder: str, meanwhile: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let *meanwhile* happen right before a build first writes to *folder*."""
    commit = Engine.write
    left = [folder]

    def write(self: Engine, frame: Any, folder: str, **kwargs: Any) -> Any:
        if folder in left:
            left.clear()
            meanwhile()
        return commit(self, frame, folder, **kwargs)

    monkeypatch.setattr(Engine, "write", write)


@pytest.mark.parametrize("full", [False, True])
def test_who_begins_staging_again_beside_a_build_takes_nothing_from_it(
    lake: LakeInTheMaking, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.land(*(a_movie(id_, **_FIELDS) for id_ in range(1, 6)), export=[1], day="2026-11-01", parts=5)
    lake.build()
    lake.land(a_movie(6, **_FIELDS), a_movie(7, **_FIELDS), export=[1, 6], day="2026-11-02", parts=2)
    # An append for each answer, so that a build is overtaken in the middle.
    monkeypatch.setattr(staging, "BATCH_ANSWERS", 1)
    left = [2]

    def other() -> None:
        commit = Stager._commit

        def dies(*args: Any, **kwargs: Any) -> Any:
            found = commit(*args, **kwargs)
            left[0] -= 1
            if not left[0]:
                raise Died
            return found

        with monkeypatch.context() as patched, pytest.raises(Died):
            patched.setattr(Stager, "_commit", dies)
            lake.build(full=True)

    if full:
        monkeypatch.setattr(Stager, "_append", _second(Stager._append, other))
    else:
        _first_time(STAGING, other, monkeypatch)
    lake.build(full=full)
    assert left == [0]
    assert sorted(lake.values("movie", "movie_id")) == [1, 2, 3, 4, 5, 6, 7]
    assert check_tables(lake.storage) == []
    assert not lake.build().done


def _second(function: Callable[..., Any], meanwhile: Callable[[], None]) -> Callable[..., Any]:
    """*function*, with *meanwhile* before its second call."""
    calls = [0]

    def called(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2:
            meanwhile()
        return function(*args)

    return called


@pytest.mark.parametrize("folder", ["tables/movie", popularity_daily.FOLDER])
def test_rows_that_lie_on_top_of_anothers_are_not_taken_for_a_table(
    lake: LakeInTheMaking, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Sail leaves them where two builders overwrite an empty table, and one of them is killed."""
    _history(lake)
    commit = Engine._write

    def write(self: Engine, frame: Any, name: str, mode: str, user: Any, following: int) -> Any:
        found = commit(self, frame, name, mode, user, following)
        if name == folder:
            commit(self, frame, name, "append", {**user, "over": following - 1}, following)
            raise Died
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "_write", write)
        with pytest.raises(Died):
            lake.build()
    newest = latest_version(lake.storage, folder)
    assert newest is not None
    assert not read_commit(lake.storage, folder, newest).in_place
    lake.build()
    assert sorted(lake.values("movie", "movie_id")) == sorted(lake.values("popularity_daily", "id")) == [1, 2]
    assert check_tables(lake.storage) == []
