"""What a user learns while a collection runs: answers as they come, limits, outages, and a log that is kept."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from reelhouse.collect import reporting
from reelhouse.logs import log
from reelhouse.storage.memory import MemoryStorage
from tests.cli.terminal import Terminal, shown
from tests.runs.conftest import Start
from tests.runs.lakes import collect, small
from tests.runs.tiny import Tiny


def test_a_terminal_counts_answers_before_they_land_with_their_rate(
    plain: Tiny,
    at_terminal: Callable[..., Terminal],
) -> None:
    plain.delay = 0.5
    terminal = at_terminal("collect", "--max-requests", "12")
    # No chunk lands before its 15 seconds are over.
    terminal.wait_for("8 of 30 · ")
    terminal.wait_for("/s · ")
    assert terminal.end() == 1


def test_an_outage_is_said_while_it_lasts_and_counted(
    plain: Tiny,
    at_terminal: Callable[..., Terminal],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    broken = time.monotonic() + 3

    def failing(request: web.BaseRequest) -> web.StreamResponse | None:
        return web.Response(status=502, text="bad gateway") if time.monotonic() < broken else None

    plain.instead = failing
    beats: list[reporting.RequestStats] = []
    monkeypatch.setattr(reporting, "SILENCE", 1.0)
    monkeypatch.setattr(reporting.Progress, "beat", _kept(beats, reporting.Progress.beat))
    records = _records(log)
    result = collect(MemoryStorage(), small(plain, attempts=3, retry_wait=0.2, outage_minutes=1.0))
    assert result.retries > 0
    assert max(beat.silent for beat in beats) > 1
    assert any("TMDB has not answered for" in text and "502" in text for text in records)


@pytest.mark.parametrize(
    ("command", "host"), [("collect", "instead"), ("plan", "export_instead"), ("diff", "export_instead")]
)
def test_a_tmdb_that_takes_a_request_and_answers_nothing_is_named_before_the_first_failure(
    plain: Tiny, here: Start, monkeypatch: pytest.MonkeyPatch, command: str, host: str
) -> None:
    slow = [2.5]
    if command == "diff":
        here("collect")

    def silent(request: web.BaseRequest) -> None:
        if slow:
            time.sleep(slow.pop())

    setattr(plain, host, silent)
    monkeypatch.setattr(reporting, "SILENCE", 1.0)
    code, _, stderr = here(command, "-v")
    assert code == 0, stderr
    assert re.search(r"WARNING TMDB has not answered for \d s$", stderr, re.MULTILINE)


def _kept(
    beats: list[reporting.RequestStats], beat: Callable[[reporting.Progress, reporting.RequestStats], None]
) -> Callable[..., None]:
    def keeping(progress: reporting.Progress, found: reporting.RequestStats) -> None:
        beats.append(found)
        beat(progress, found)

    return keeping


def _records(logger: logging.Logger) -> list[str]:
    texts: list[str] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    logger.addHandler(Keeping())
    return texts


def test_without_a_terminal_lines_come_by_and_by(
    plain: Tiny,
    here: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain.delay = 0.2
    monkeypatch.setattr(reporting, "_LINE", 1.0)
    code, _, stderr = here("collect")
    assert code == 0
    assert "run 1 (movie): " in stderr
    assert " of 30 · " in stderr


def test_limits_stand_in_the_summary_and_in_json(plain: Tiny, here: Start) -> None:
    seen: set[str] = set()

    def refusing(request: web.BaseRequest) -> web.StreamResponse | None:
        if request.path.endswith(("/3", "/4")) and request.path not in seen:
            seen.add(request.path)
            return web.Response(status=429, headers={"Retry-After": "0.2"})
        return None

    plain.instead = refusing
    code, said, _ = here("collect", "--json")
    assert (code, said["throttled"], said["requests"] >= 32) == (0, 2, True)
    assert said["waited_seconds"] >= 0.2
    assert said["retries"] == 0


def test_logs_of_a_lake_take_no_other_files(plain: Tiny, here: Start, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for day in range(1, 26):
        (own / f"2020-01-{day:02d}T000000Z.log").write_text("mine\n")
    (tmp_path / "lake/_reelhouse").mkdir(parents=True)
    (tmp_path / "lake/_reelhouse/logs").symlink_to(own)
    code, _, stderr = here("-q", "collect")
    assert code == 1
    assert "_reelhouse/logs is a link" in stderr
    assert len(list(own.iterdir())) == 25
    (tmp_path / "lake/_reelhouse/logs").unlink()
    own.rename(tmp_path / "lake/_reelhouse/logs")
    for name in range(25):
        (tmp_path / f"lake/_reelhouse/logs/{name}.log").write_text("mine\n")
    assert here("-q", "collect")[0] == 0
    left = [path.name for path in (tmp_path / "lake/_reelhouse/logs").iterdir()]
    assert len(left) == 25 + 20


def test_quiet_commands_still_say_why_they_end_with_1(plain: Tiny, here: Start, tmp_path: Path) -> None:
    code, _, stderr = here("-q", "collect", "--max-requests", "1")
    assert (code, "The run is open" in stderr) == (1, True)
    code, _, stderr = here("-q", "verify")
    assert (code, "ids are pending" in stderr) == (1, True)
    assert here("-q", "collect")[0] == 0
    next(tmp_path.rglob("receipts/00000-0.json")).unlink()
    code, _, stderr = here("-q", "verify")
    assert code == 1
    assert "receipt" in stderr


def test_the_log_goes_where_the_options_say_and_the_last_ones_stay_in_the_lake(
    plain: Tiny,
    here: Start,
    tmp_path: Path,
) -> None:
    kept = tmp_path / "lake" / "_reelhouse" / "logs"
    kept.mkdir(parents=True)
    for day in range(1, 26):
        (kept / f"2020-01-{day:02d}T000000Z.log").write_text("old\n")
    code, _, stderr = here("-q", "collect", "--log-file", "run.log", "--log-format", "json")
    assert (code, stderr) == (0, "")
    lines = [json.loads(line) for line in (tmp_path / "run.log").read_text().splitlines()]
    assert [line["message"] for line in (lines[0], lines[-1])] == [
        "reelhouse collect begins",
        "reelhouse collect: exit code 0",
    ]
    assert lines[1]["message"] == "working"
    assert lines[1]["requested"] == 30
    names = sorted(path.name for path in kept.iterdir())
    assert len(names) == 20
    assert "working run=1 entity=movie requested=30" in (kept / names[-1]).read_text()
    code, _, stderr = here("collect", "-vv", "--log-format", "json")
    assert "working" in [json.loads(line)["message"] for line in stderr.splitlines() if line.startswith("{")]
    code, said, _ = here("verify", "--json")
    assert (code, said["problems"]) == (0, [])
    code, _, stderr = here("-q", "--log-file", "failed.log", "--lake", "nosuch", "verify")
    begins, ended = (tmp_path / "failed.log").read_text().splitlines()
    assert code == 2
    assert begins.endswith(" INFO reelhouse verify begins")
    assert " ERROR reelhouse verify: there is no lake at nosuch" in ended
    code, _, stderr = here("collect", "--log-file", "nosuch/run.log")
    assert code == 2
    assert "--log-file: nosuch/run.log cannot be written" in stderr


@pytest.mark.parametrize("columns", [80, pytest.param(120, marks=pytest.mark.long)])
def test_status_fits_and_says_what_is_due_and_what_to_type(
    plain: Tiny, here: Start, tmp_path: Path, columns: int
) -> None:
    plain.now = f"{datetime.now(UTC) - timedelta(hours=50):%Y-%m-%dT%H:%M:%S+00:00}"
    plain.gone, plain.broken = {7, 17}, {9}
    here("collect")
    code, screen = shown(["--lake", "lake", "status"], columns=columns, cwd=tmp_path)
    lines = screen.rstrip("\n").split("\n")
    assert code == 0
    assert max(map(len, lines)) <= columns
    assert lines[0] == "lake: 1 run"
    assert "movie 30 27 2 d ago 2 d ago due after 1 min" in [" ".join(line.split()) for line in lines]
    assert "movie: 2 gone, 1 quarantined" in lines
    assert lines[-1] == "Collect what is due, build and verify: reelhouse sync"
    plain.now = f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H:%M:%S+00:00}"
    plain.listed += [31, 32, 33]
    here("collect", "--max-requests", "1")
    code, screen = shown(["--lake", "lake", "status"], columns=columns, cwd=tmp_path)
    text = " ".join(screen.split())
    assert "lake: 2 runs" in text
    lake = {"REELHOUSE_ENTITIES": "movie,job"}
    code, screen = shown(["--lake", "lake", "status"], columns=columns, cwd=tmp_path, **lake)
    assert "job 0 0 due not begun" in " ".join(screen.split())
    assert "3 h ago open " in text
    # The terminal wraps this line where it is full.
    assert text.replace(" ", "").endswith("Continue:reelhousecollect")
