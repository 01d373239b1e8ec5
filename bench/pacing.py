"""How much of TMDB's allowance is used, and how often TMDB must say no."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from bench.collecting import settings_of
from bench.measuring import REELHOUSE
from bench.report import Measure, Section
from reelhouse.emulator import Emulator

_ALLOWED = 40
_TARGET_SHARE = 0.98
_TARGET_THROTTLED = 0.001


class Paced(NamedTuple):
    """What the emulator counted while *seconds* passed."""

    seconds: float
    good: int
    throttled: int

    @property
    def share(self) -> float:
        return self.good / (_ALLOWED * self.seconds)


def measure(*, full: bool, quick: bool) -> Section:
    seconds = 15.0 if quick else 60.0
    latencies = (0, 200)
    with ThreadPoolExecutor() as pool:
        # Both wait nearly all the time, so they may wait together.
        found = pool.map(lambda latency: collect_paced(seconds, latency), latencies)
        measures = [one for latency, paced in zip(latencies, found, strict=True) for one in _judged(latency, paced)]
    return Section("pacing", "python -m bench pacing", measures)


def _judged(latency: int, paced: Paced) -> list[Measure]:
    where = f"{latency} ms latency" if latency else "no latency"
    return [
        Measure(
            f"Allowance of {_ALLOWED} a second used, {where}",
            "≥ 98 %",
            f"{paced.share:.1%}",
            paced.share >= _TARGET_SHARE,
            f"{paced.good:,} good answers in {paced.seconds:.1f} s, counted by the emulator",
        ),
        Measure(
            f"Answers 429, {where}",
            "< 0.1 %",
            f"{paced.throttled / (paced.good + paced.throttled):.2%}",
            paced.throttled < _TARGET_THROTTLED * (paced.good + paced.throttled),
            f"{paced.throttled} of {paced.good + paced.throttled:,}; any sliding second counts",
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
            time.sleep(seconds)
            counted = emulator.stats().by_status
            lasted = time.monotonic() - began
            process.terminate()
    return Paced(lasted, counted.get("200", 0), counted.get("429", 0))
