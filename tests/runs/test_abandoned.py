"""An open run is announced, can be given up, and keeps no user from what they select next."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from reelhouse.raw.plan import last_run
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.memory import MemoryStorage
from tests.cli.terminal import Terminal
from tests.runs.conftest import Start
from tests.runs.lakes import assert_whole, collect, reasons, small
from tests.runs.tiny import Tiny, tiny_tmdb


def test_what_an_abandoned_run_had_found_changed_or_vanished_is_requested_by_the_next_one(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain))
    plain.now = "2026-03-02T12:00:00+00:00"
    plain.changed = {"2026-03-01": {3, 4}}
    plain.listed = [*range(1, 30), 31, 32]
    opened = collect(lake, small(plain), max_requests=1)
    assert (opened.plan.run, opened.pending) == (2, 4)
    first = set(plain.asked)
    given_up = collect(lake, small(plain), abandon=True)
    assert (given_up.plan.run, given_up.pending, given_up.clean) == (2, 0, True)
    assert given_up.reconciliation is not None
    assert given_up.reconciliation.abandoned == 4
    assert set(plain.asked) == first
    # Title 32 vanishes again, and the changes of the days before were read by the abandoned run.
    plain.now = "2026-03-03T12:00:00+00:00"
    plain.changed = {"2026-03-01": {3, 4}}
    plain.listed = [*range(1, 30), 31]
    landed = {key for key in reasons(lake, 2) if key in plain.asked and plain.asked[key] > (key not in ("31", "32"))}
    collect(lake, small(plain))
    expected = {"3": "changed", "4": "changed", "30": "vanished", "31": "new"}
    expected |= {"32": "vanished"} if "32" in landed else {}
    assert reasons(lake, 3) == {key: cause for key, cause in expected.items() if key not in landed or key == "32"}
    assert_whole(lake)


def test_changes_of_what_only_an_abandoned_run_has_landed_are_not_missed(plain: Tiny) -> None:
    lake = MemoryStorage()
    collect(lake, small(plain), max_requests=5)
    collect(lake, small(plain), abandon=True)
    plain.now = "2026-03-03T12:00:00+00:00"
    plain.changed = {"2026-03-02": {2}}
    plain.listed.remove(4)
    collect(lake, small(plain))
    assert {key: cause for key, cause in reasons(lake, 2).items() if cause != "new"} == {
        "2": "changed",
        "4": "vanished",
    }


def test_an_open_run_of_another_selection_is_finished_or_abandoned_by_the_user_s_word(plain: Tiny, here: Start) -> None:
    here("collect", "--max-requests", "5", "--json")
    plain.forget()
    code, _, stderr = here("collect", "--top", "3")
    assert code == 2
    assert "Run 1 (movie) is open: 25 of 30 ids are pending" in stderr
    assert "`reelhouse collect` without a selection finishes it" in stderr
    assert "`reelhouse collect --abandon` gives it up" in stderr
    assert not plain.asked
    code, said, _ = here("collect", "--abandon", "--json")
    assert (code, said["landed"], said["abandoned"], said["pending"]) == (0, 5, 25, 0)
    assert not plain.asked
    code, said, _ = here("verify", "--json")
    assert (code, said["states"], said["pending"], said["problems"]) == (0, {"landed": 5, "abandoned": 25}, 0, [])
    assert said["notes"] == ["movie run 1 was abandoned: 25 of its ids were not requested"]
    code, _, stderr = here("collect", "--abandon")
    assert (code, stderr.rstrip().endswith("abandon: no run is open of movie")) == (2, True)
    code, said, _ = here("collect", "--top", "7", "--json")
    assert (code, said["run"], said["requested"]) == (0, 2, 2)


def test_abandoning_with_a_selection_begins_that_one(plain: Tiny, here: Start) -> None:
    here("collect", "--max-requests", "5", "--json")
    code, said, _ = here("collect", "--abandon", "--top", "7", "--json")
    assert (code, [run["abandoned"] for run in said["runs"]], said["requested"]) == (0, [25, 0], 2)
    assert set(plain.asked.values()) == {1}
    assert plain.asked.total() == 7


def test_the_same_selection_again_continues_its_open_run(plain: Tiny, here: Start, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("".join(f"{id_}\n" for id_ in range(1, 9)))
    (tmp_path / "more.txt").write_text("9\n")
    here("collect", "--ids", "ids.txt", "--max-requests", "3", "--json")
    code, _, stderr = here("collect", "--ids", "more.txt")
    assert (code, "of another selection" in stderr) == (2, True)
    code, said, _ = here("collect", "--ids", "ids.txt", "--json")
    assert (code, said["clean"], plain.asked.total()) == (0, True, 8)
    here("collect", "--top", "20", "--max-requests", "2", "--json")
    code, said, _ = here("collect", "--top", "20", "--json")
    assert (code, said["clean"], plain.asked.total()) == (0, True, 20)


def test_a_terminal_is_asked_what_becomes_of_an_open_run(plain: Tiny, at_terminal: Callable[..., Terminal]) -> None:
    assert at_terminal("collect", "--max-requests", "5").end() == 1
    terminal = at_terminal("collect", "--top", "7")
    terminal.wait_for("(finish, abandon, quit) [finish]:")
    terminal.type("abandon\n")
    assert terminal.end() == 0
    assert plain.asked.total() == 7
    assert "given up, not requested" in terminal.screen.text


def test_a_run_without_requests_is_not_shown_as_counts_of_nothing(
    plain: Tiny, at_terminal: Callable[..., Terminal]
) -> None:
    assert at_terminal("collect", "--top", "7").end() == 0
    terminal = at_terminal("collect", "--top", "7")
    assert terminal.end() == 0
    assert "nothing to request (complete, no quarantine)" in terminal.screen.text
    assert "landed" not in terminal.screen.text


def test_a_large_first_run_is_confirmed_at_a_terminal_with_its_cost(
    at_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    with tiny_tmdb(Tiny(range(1, 20_002))) as large:
        terminal = at_terminal("collect", url=large.url)
        terminal.wait_for("Begin it? [y/N]:")
        # The question stands before the line is read, and Ctrl-C between the two would wait for the next key.
        time.sleep(0.5)
        terminal.type("\x03")
        assert terminal.end() == 130
        assert terminal.screen.text.endswith("\nreelhouse: interrupted\n")
        terminal = at_terminal("collect", url=large.url)
        terminal.wait_for("Begin it? [y/N]:")
        assert "makes 20,001 requests, 8 min at 40 a second" in " ".join(terminal.screen.text.split())
        terminal.type("n\n")
        assert terminal.end() == 1
        assert last_run(FolderStorage(tmp_path / "lake"), "movie") == 0
        assert not large.asked


def test_a_later_run_that_adds_many_ids_is_confirmed_too(at_terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    with tiny_tmdb(Tiny(range(1, 20_005))) as large:
        assert at_terminal("collect", "--top", "3", url=large.url).end() == 0
        terminal = at_terminal("collect", url=large.url)
        terminal.wait_for("Begin it? [y/N]:")
        assert "Run 2 of movie makes 20,001 requests, 8 min at 40 a second, 20,001 of them for ids that are new" in (
            " ".join(terminal.screen.text.split())
        )
        terminal.type("n\n")
        assert terminal.end() == 1
        assert (last_run(FolderStorage(tmp_path / "lake"), "movie"), large.asked.total()) == (1, 3)


def test_ctrl_c_in_sync_lands_what_was_answered_and_ends_sync(
    plain: Tiny, at_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    plain.delay = 0.2
    terminal = at_terminal("sync")
    _until(lambda: plain.asked.total() > 4)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "The run is open: stopped by SIGINT." in terminal.screen.text
    assert "Verified" not in terminal.screen.text
    assert not (tmp_path / "lake" / "tables").exists()


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)
