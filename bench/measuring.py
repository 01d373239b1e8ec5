"""What a process costs: CPU seconds, peak memory and wall time of a command, from the outside."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

REELHOUSE = str(Path(sys.executable).parent / "reelhouse")
_LOOKS_EVERY = 0.02
MB = 1 << 20


class Usage(NamedTuple):
    """CPU seconds (user and system, descendants included), peak resident bytes of the process itself, wall seconds."""

    cpu: float
    peak: int
    wall: float
    output: str


class FailedError(RuntimeError):
    """A measured command ended otherwise than it should."""


def measured(command: Sequence[str], env: Mapping[str, str] | None = None, *, expect: int = 0) -> Usage:
    """Run *command* to its end. Its environment is this process's with *env* on top."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        began = time.perf_counter()
        # What a shell of the person who measures has set must not reach what is measured.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
        process = subprocess.Popen(command, env={**clean, **(env or {})}, stdout=output, stderr=complaints)
        watch = _Watch(process.pid)
        _, status, spent = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = watch.stop()
        output.seek(0)
        complaints.seek(0)
        if process.returncode != expect:
            said = complaints.read().decode(errors="replace")[-2000:]
            raise FailedError(f"{' '.join(command)} ended with {process.returncode}: {said}")
        return Usage(spent.ru_utime + spent.ru_stime, peak, wall, output.read().decode(errors="replace"))


def median_of(times: int, measure: Callable[[], Usage]) -> Usage:
    """The medians of several runs, each figure by itself; the output is the last one's."""
    runs = [measure() for _ in range(times)]
    return Usage(
        statistics.median(run.cpu for run in runs),
        int(statistics.median(run.peak for run in runs)),
        statistics.median(run.wall for run in runs),
        runs[-1].output,
    )


def least_of(times: int, measure: Callable[[], Usage]) -> Usage:
    """As `median_of` with the least of each figure: for wall time, to which others on the machine only ever add."""
    runs = [measure() for _ in range(times)]
    cpu, wall = min(run.cpu for run in runs), min(run.wall for run in runs)
    return Usage(cpu, max(run.peak for run in runs), wall, runs[-1].output)


def measured_with_children(command: Sequence[str], env: Mapping[str, str] | None = None) -> Usage:
    """As `measured`, for a command whose work is done by others that it starts, such as a JVM.

    CPU seconds are those of all of them, peak what they held at one moment together; both as looked at ten times a
    second, so that some tenths of a second of each are missed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        began = time.perf_counter()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("REELHOUSE_", "TMDB_"))}
        process = subprocess.Popen(command, env={**clean, **(env or {})}, stdout=output, stderr=complaints)
        family = Family(process.pid)
        while process.poll() is None:
            family.look()
            time.sleep(0.1)
        wall = time.perf_counter() - began
        # A JVM ends a moment after who started it.
        while family.look() and time.perf_counter() - began < wall + 20:
            time.sleep(0.1)
        output.seek(0)
        complaints.seek(0)
        if process.returncode:
            said = complaints.read().decode(errors="replace")[-2000:]
            raise FailedError(f"{' '.join(command)} ended with {process.returncode}: {said}")
        return Usage(sum(family.cpu.values()), family.peak, wall, output.read().decode(errors="replace"))


class Family:
    """A process and all that it started, as long as they live: CPU seconds of each, and their memory at once."""

    def __init__(self, pid: int) -> None:
        self._known = {pid}
        self.cpu: dict[int, float] = {}
        self.peak = 0

    def look(self) -> bool:
        """Note what they have used so far; tells whether any of them lives."""
        stats = _stats()
        grown = True
        while grown:
            born = {pid for pid, one in stats.items() if one.parent in self._known} - self._known
            self._known |= born
            grown = bool(born)
        living = self._known & stats.keys()
        self.cpu |= {pid: stats[pid].cpu for pid in living}
        self.peak = max(self.peak, sum(stats[pid].resident for pid in living))
        return bool(living)


class _Stat(NamedTuple):
    parent: int
    cpu: float
    resident: int


def _stats() -> dict[int, _Stat]:
    """All processes of this machine that have not ended."""
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *rest = (folder / "stat").read_text().rsplit(") ", 1)[1].split()
        except (OSError, IndexError):
            continue
        if state != "Z":
            user, system, resident = int(rest[9]), int(rest[10]), int(rest[19])
            found[int(folder.name)] = _Stat(int(parent), (user + system) / tick, resident * page)
    return found


class _Watch:
    """Reads the high-water mark of a process until told to stop.

    The kernel keeps the mark, so only what grows after the last look is missed. `ru_maxrss` would count the memory of
    the process that measures, which its child shares until it becomes the command.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while not self._ended.wait(_LOOKS_EVERY):
            self._peak = max(self._peak, high_water(self._pid))


def high_water(pid: int) -> int:
    """The most resident memory a process ever had, in bytes; 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = (line.split() for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(words[1]) * 1024 for words in found), 0)
