"""What starting costs: the help, a build where nothing is new, and the time to the first byte of commands."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.measuring import REELHOUSE, FailedError, Usage, least_of, measured
from bench.report import Measure, Section
from reelhouse.raw.inbox import put_message
from reelhouse.storage.folder import FolderStorage

_TARGET_HELP = 0.3
_TARGET_BUILD = 4.0
# Seconds until a user sees the first byte.
_FIRST_BYTES = {("--help",): 0.1, ("status",): 0.4, ("sql", "select 1"): 1.3}


def measure(*, full: bool, quick: bool) -> Section:
    shown = least_of(10, show_help)
    measures = [
        Measure(
            "`reelhouse --help`",
            "< 0.3 s",
            f"{shown.wall:.2f} s, {shown.cpu:.2f} s CPU",
            shown.wall < _TARGET_HELP,
            "the least of 10",
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        # A lake that nothing was collected into.
        put_message(FolderStorage(Path(folder)), "wish", "movie", run="full")
        built = least_of(5, lambda: measured([REELHOUSE, "--lake", folder, "build", "--json"]))
        measures.append(
            Measure(
                "`reelhouse build` of an empty lake",
                "< 4 s",
                f"{built.wall:.2f} s, {built.cpu:.2f} s CPU",
                built.wall < _TARGET_BUILD,
                "the least of 5",
            )
        )
        for words, target in _FIRST_BYTES.items():
            seconds = min(_first_byte([REELHOUSE, "--lake", folder, *words]) for _ in range(5))
            about = f"first byte of `reelhouse {words[0]}`"
            measures.append(Measure(about, f"< {target:g} s", f"{seconds:.2f} s", seconds < target, "the least of 5"))
    return Section("starting", "python -m bench starting", measures)


def _first_byte(command: list[str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        found = process.stdout.read(1)
        seconds = time.perf_counter() - began
        process.stdout.read()
    if not found or process.returncode:
        raise FailedError(f"{' '.join(command)} ended with {process.returncode}")
    return seconds


def show_help() -> Usage:
    return measured([REELHOUSE, "--help"])
