"""`reelhouse diff`: each id in which the lake and TMDB's newest export differ is named, and why."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reelhouse.cli.main import main
from reelhouse.emulator import Emulator
from reelhouse.storage.folder import FolderStorage
from tests.runs.lakes import TOKEN
from tests.runs.tiny import Tiny, tiny_tmdb


class Lake:
    """A lake in a folder, used by the command line in this process."""

    def __init__(self, url: str, place: Path) -> None:
        self.place = place
        self._environ = {
            "REELHOUSE_LAKE": str(place),
            "REELHOUSE_TMDB_URL": f"{url}/3",
            "REELHOUSE_EXPORTS_URL": f"{url}/p/exports",
            "REELHOUSE_RATE": "0",
            "REELHOUSE_RETRY_WAIT": "0.005",
            "REELHOUSE_ATTEMPTS": "1",
            "REELHOUSE_APPEND": "",
        }

    def __call__(self, *words: str, **environ: str) -> Result:
        return CliRunner(env={**self._environ, **environ}).invoke(main, words, input="")

    def collect(self, *words: str) -> None:
        done = self("collect", *words, TMDB_TOKEN=TOKEN)
        assert done.exit_code == 0, done.stderr

    def diff(self, *words: str) -> tuple[int, dict[str, Any], dict[str, list[int]]]:
        """Exit code, the counts that differ, and their ids, of movies."""
        done = self("diff", "--json", *words)
        found = json.loads(done.stdout)
        (entity,) = found["entities"].values()
        ids = {name: some for name, some in entity["ids"].items() if some}
        assert {name: len(some) for name, some in ids.items()} == {name: entity[name] for name in ids}
        assert found["equal"] == (not ids) == (done.exit_code == 0)
        return done.exit_code, entity, ids


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    with tiny_tmdb() as tmdb:
        tmdb.gone, tmdb.broken = set(), set()
        yield tmdb


@pytest.fixture
def lake(tiny: Tiny, tmp_path: Path) -> Lake:
    return Lake(tiny.url, tmp_path / "lake")


def test_a_lake_that_has_all_that_is_listed_is_equal_and_nothing_is_written(tiny: Tiny, lake: Lake) -> None:
    lake.collect()
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed.reverse()
    before = dict(FolderStorage(lake.place).sizes(""))
    tiny.forget()
    code, found, ids = lake.diff()
    assert (code, ids) == (0, {})
    assert (found["day"], found["rows"], found["excluded"]) == ("2026-03-02", 30, 0)
    assert not tiny.asked
    assert dict(FolderStorage(lake.place).sizes("")) == before


def test_each_id_that_differs_is_named_with_the_reason(tiny: Tiny, lake: Lake, tmp_path: Path) -> None:
    tiny.gone = {7}
    tiny.broken = {9}
    lake("collect", TMDB_TOKEN=TOKEN)
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed = [*(id_ for id_ in tiny.listed if id_ != 12), 31]
    code, _, ids = lake.diff("--output", str(tmp_path / "ids.csv"))
    assert (code, ids) == (1, {"missing": [9, 31], "extra": [12], "tombstoned": [7]})
    rows = list(csv.DictReader((tmp_path / "ids.csv").read_text().splitlines()))
    assert [(row["entity"], row["difference"], row["id"], row["state"]) for row in rows] == [
        ("movie", "extra", "12", "landed"),
        ("movie", "missing", "9", "quarantined"),
        ("movie", "missing", "31", ""),
        ("movie", "tombstoned", "7", "gone"),
    ]
    shown = lake("diff")
    assert shown.exit_code == 1
    assert "movie, missing: 9, 31\n" in shown.stderr
    # One that TMDB no longer lists and no longer has does not differ.
    tiny.gone.add(12)
    lake("collect", TMDB_TOKEN=TOKEN)
    assert lake.diff()[2] == {"missing": [9], "tombstoned": [7]}


def test_what_is_too_old_is_stale(tiny: Tiny, lake: Lake) -> None:
    lake.collect()
    tiny.now = "2026-07-29T11:00:00+00:00"
    assert lake.diff()[0] == 0
    tiny.now = "2026-07-29T13:00:00+00:00"
    code, found, ids = lake.diff()
    assert (code, found["stale"], ids["stale"]) == (1, 30, list(range(1, 31)))
    shown = "movie, stale: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 20 more (--output FILE has all)\n"
    assert lake("diff").stderr.endswith(shown)


def test_only_what_was_selected_can_be_missing(tiny: Tiny, lake: Lake, tmp_path: Path) -> None:
    lake.collect("--top", "5")
    code, found, _ = lake.diff()
    assert (code, found["excluded"]) == (0, 25)
    # A list adds to a slice, it does not replace it.
    (tmp_path / "ids.txt").write_text("20\n")
    lake.collect("--ids", str(tmp_path / "ids.txt"))
    assert lake.diff()[0] == 0
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed.remove(20)
    tiny.listed.append(0)
    tiny.listed.append(-5)
    assert lake.diff()[2] == {"extra": [20]}


@pytest.mark.parametrize("slice_", [("--top", "5"), ("--min-popularity", "1000")])
def test_after_discover_what_it_found_and_a_slice_left_out_is_not_missing(
    tmp_path: Path, slice_: tuple[str, str]
) -> None:
    with Emulator(movies=60, seed=3) as tmdb:
        lake = Lake(tmdb.address, tmp_path / "lake")
        lake.collect("--discover", "vote_count.gte=0", *slice_)
        landed = 5 if slice_[0] == "--top" else 0
        code, found, ids = lake.diff()
        assert (code, ids, found["excluded"]) == (0, {}, found["rows"] - landed)


def test_the_export_of_adult_ones_is_compared_where_the_lake_lists_it(tiny: Tiny, lake: Lake) -> None:
    tiny.adult = [3, 101]
    lake.collect()
    assert lake.diff()[2] == {}
    assert lake("collect", TMDB_TOKEN=TOKEN, REELHOUSE_ADULT_EXPORT="true").exit_code == 0
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.adult = [101, 102]
    code, found, ids = lake.diff()
    assert (code, found["rows"], ids) == (1, 32, {"missing": [102]})
    shown = lake("plan", TMDB_TOKEN=TOKEN, REELHOUSE_ADULT_EXPORT="true")
    assert "export of 2026-03-02 and that of adult ones" in " ".join(shown.output.split())


def test_a_lake_of_lists_lacks_what_its_last_list_names(tiny: Tiny, lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("3\n4\n5\n")
    lake("collect", "--ids", str(tmp_path / "ids.txt"), "--max-requests", "1", TMDB_TOKEN=TOKEN)
    assert len(lake.diff()[2]["missing"]) in (1, 2)
    lake.collect()
    code, found, _ = lake.diff()
    assert (code, found["excluded"], found["rows"]) == (0, 27, 30)


def test_what_cannot_be_compared_is_exit_code_2_and_a_bad_export_1(tiny: Tiny, lake: Lake, tmp_path: Path) -> None:
    assert "there is no lake" in (none := lake("diff")).stderr
    assert none.exit_code == 2
    lake.collect()
    for words, said in (
        (("--entity", "tv"), "tv was never collected: reelhouse sync --entity tv"),
        (("--entity", "language"), "TMDB has no export of language"),
        (("--entity", "moviez"), "did you mean"),
        (("--output", str(lake.place / "x.csv")), "take a place outside"),
        (("--output", "/nosuch/x.csv"), "there is no folder /nosuch"),
    ):
        done = lake("diff", *words)
        assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    tiny.now = "2026-03-02T12:00:00+00:00"
    tiny.listed = tiny.listed[:10]
    (tmp_path / "ids.csv").write_text("before")
    done = lake("diff", "--output", str(tmp_path / "ids.csv"))
    assert (done.exit_code, "plausible" in done.stderr) == (1, True)
    assert (tmp_path / "ids.csv").read_text() == "before"
