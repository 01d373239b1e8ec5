"""How much of TMDB's allowance is used, and how often TMDB must say no."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from bench.collecting import settings_of
from bench.measuring import REELHOUSE
from bench.report import Measure, Section
from reelhouse.emulator import Emulator

_ALLOWED = 40
_TARGET_SHARE = 0.98
_TARGET_THROTTLED = 0.001
# Nobody can start requests on time on a machine that lets sleepers wait.
_TOO_BUSY = 0.01
_PRIORITY = -15


class Paced(NamedTuple):
    """What the emulator counted while *seconds* passed. *overslept* is the share of short sleeps that ended late."""

    seconds: float
    good: int
    throttled: int
    overslept: float

    @property
    def share(self) -> float:
        return self.good / (_ALLOWED * self.seconds)


def measure(*, full: bool, quick: bool) -> Section:
    seconds = 15.0 if quick else 60.0
    _go_first()
    latencies = (0, 200)
    with ThreadPoolExecutor() as pool:
        # Both wait nearly all the time, so they may wait together.
        found = pool.map(lambda latency: collect_paced(seconds, latency), latencies)
        measures = [one for latency, paced in zip(latencies, found, strict=True) for one in _judged(latency, paced)]
    return Section("pacing", "python -m bench pacing", measures)


def _go_first() -> None:
    """Let this process and its children be served before others on the machine, where that is allowed."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)


def _judged(latency: int, paced: Paced) -> list[Measure]:
    where = f"{latency} ms latency" if latency else "no latency"
    answers = paced.good + paced.throttled
    busy = paced.overslept > _TOO_BUSY
    note = f"; not judged: {paced.overslept:.0%} of short sleeps beside it ended late, the machine was too busy"
    return [
        Measure(
            f"Allowance of {_ALLOWED} a second used, {where}",
            "≥ 98 %",
            f"{paced.share:.1%}",
            None if busy else paced.share >= _TARGET_SHARE,
            f"{paced.good:,} good answers in {paced.seconds:.1f} s, counted by the emulator{note if busy else ''}",
        ),
        Measure(
            f"Answers 429, {where}",
            "< 0.1 %",
            f"{paced.throttled / answers:.2%}",
            None if busy else paced.throttled < _TARGET_THROTTLED * answers,
            f"{paced.throttled} of {answers:,}; the emulator allows {_ALLOWED} in any sliding second",
        ),
    ]


def collect_paced(seconds: float, latency: int) -> Paced:
    """Let a collector work for a while against an emulator that allows 40 a second, and read the emulator's counts."""
    with (
        Emulator(process=True, movies=20_000, rate=_ALLOWED, latency_ms=latency) as emulator,
        tempfile.TemporaryDirectory() as folder,
    ):
        env = {**os.environ, **settings_of(emulator.url, emulator.exports_url), "REELHOUSE_RATE": str(_ALLOWED)}
        command = [REELHOUSE, "--lake", folder, "collect", "--json"]
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            while emulator.stats().by_kind.get("detail", 0) < 2 * _ALLOWED:
                time.sleep(0.1)
            emulator.reset_stats()
            began = time.monotonic()
            overslept = _sleep_lightly(seconds)
            counted = emulator.stats().by_status
            lasted = time.monotonic() - began
            process.terminate()
    return Paced(lasted, counted.get("200", 0), counted.get("429", 0), overslept)


def _sleep_lightly(seconds: float) -> float:
    """Sleep in turns of one request's distance; the share of turns that ended more than half a turn late."""
    ends = time.monotonic() + seconds
    late = turns = 0
    while (now := time.monotonic()) < ends:
        time.sleep(1 / _ALLOWED)
        turns += 1
        late += time.monotonic() - now > 1.5 / _ALLOWED
    return late / turns
