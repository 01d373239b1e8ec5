"""A build that dies after any of its writes: readers see the last one, the next build goes on, nothing is lost."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from reelhouse.build.check import check_tables
from reelhouse.build.engine import Engine
from reelhouse.build.run import BuildResult, build
from reelhouse.errors import LakeError
from reelhouse.storage.protocol import Storage
from tests.build.landing import SAIL, LakeInTheMaking, a_movie, gone

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
            return build(Mortal(lake.storage, countdown), SAIL)
        except Died:
            return None


def _history(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1, **_FIELDS), a_movie(2, **_FIELDS), export=[1, 2], day="2026-11-01")


def _more_history(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(2, **{**_FIELDS, "budget": 7}), gone(1), a_movie(3, **_FIELDS), export=[2, 3], day="2026-11-02")


def test_a_build_that_dies_after_every_single_write_ends_as_if_it_had_not(
    lake: LakeInTheMaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = LakeInTheMaking(tmp_path / "undisturbed")
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
    # Staging, salvage, the choice of claims, exports, and every table and mart: a death after each.
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
    assert _die_after(lake, 40, monkeypatch) is None
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
            build(lake.storage, SAIL)
        except LakeError as exc:
            failures.append(exc)

    builders = [threading.Thread(target=one) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert failures == []
    alone = LakeInTheMaking(tmp_path / "alone")
    _history(alone)
    alone.build()
    assert lake.everything() == alone.everything()
    assert check_tables(lake.storage) == []
    lake.build()
    assert lake.everything() == alone.everything()
