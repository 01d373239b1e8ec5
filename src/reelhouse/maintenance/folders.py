"""What lies in a table's folder, what of it somebody may still read, and what may therefore go.

Needed are the pinned version, the newest one (others read that), and every version that was the newest within the time
that readers are given; each with the commits and files it consists of. What no commit names may be a writer's at work,
so it too stays until it is older than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

from reelhouse.delta.delta_rs import File, files_below
from reelhouse.delta.log import Commit, read_commit
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.keys import STAGING
from reelhouse.storage.protocol import Storage, is_key

ZONES = (STAGING.rstrip("/"), "tables", "marts", "imports")

_COMMIT = re.compile(r"_delta_log/(\d{20})\.json")
_CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint\.parquet")
_ENTRY = re.compile(r"_delta_log/(\d{20})\.[^/]+")


class Folder(NamedTuple):
    """One table's folder.

    *commits* are those that anything kept consists of, oldest first; *past* are paths of which a bucket has only old
    versions. A *problem* is why nothing in it may be touched.
    """

    name: str
    pinned: int | None
    files: dict[str, File]
    commits: list[Commit]
    past: list[str]
    problem: str | None = None

    @property
    def latest(self) -> Commit | None:
        return self.commits[-1] if self.commits else None

    @property
    def live(self) -> list[str]:
        """The files of the newest version."""
        found: list[str] = []
        for commit in reversed(self.commits):
            found += (unquote(path) for path in commit.files)
            if commit.overwrites:
                break
        return found

    @property
    def since_checkpoint(self) -> int:
        """Commits that a reader has to go through one by one."""
        newest = max(_versions(_CHECKPOINT, self.files), default=-1)
        return self.latest.version - newest if self.latest else 0

    def unneeded(self, before: datetime) -> list[str]:
        """Data files that nobody reads and that were put *before*."""
        if self.problem:
            return []
        named = {unquote(path) for commit in self.commits for path in commit.files}
        return [
            path
            for path, file in self.files.items()
            if path not in named and file.put < before and not path.startswith("_delta_log/") and self._removable(path)
        ]

    def outdated(self, before: datetime) -> list[str]:
        """What of the log came before a checkpoint that all kept versions can be read from, oldest first.

        In that order it goes one by one: whatever a kill leaves has no gap.
        """
        if self.problem or not self.commits:
            return []
        whole = [version for version in _versions(_CHECKPOINT, self.files) if version <= self.commits[0].version]
        first = max(whole, default=0)
        entries = ((path, _ENTRY.fullmatch(path)) for path in sorted(self.files))
        return [
            path
            for path, entry in entries
            if entry and int(entry[1]) < first and self.files[path].put < before and self._removable(path)
        ]

    def _removable(self, path: str) -> bool:
        # Others may have put what this package could not have named.
        return is_key(f"{self.name}/{path}")


def folders(storage: Storage, pins: dict[str, int]) -> dict[str, list[str]]:
    """What ever lay in each table's folder, old versions included, by the folder's name."""
    found: dict[str, list[str]] = {name: [] for name in pins}
    for zone in ZONES:
        for key in storage.list_all_versions(f"{zone}/"):
            name, _, path = key.removeprefix(f"{zone}/").partition("/")
            if path:
                found.setdefault(f"{zone}/{name}", []).append(path)
    return found


def look(storage: Storage, name: str, pinned: int | None, ever: Iterable[str], before: datetime) -> Folder:
    """One folder. *ever* was listed before, so that what is not there any more was removed, and is not new."""
    files = files_below(storage, name)
    past = [path for path in ever if path not in files]
    put = {version: files[f"_delta_log/{version:020d}.json"].put for version in _versions(_COMMIT, files)}
    if pinned is not None and pinned not in put:
        return Folder(name, pinned, files, [], past, f"{name} has lost version {pinned}, which readers are shown")
    if not put:
        return Folder(name, pinned, files, [], past)
    try:
        commits = _needed(storage, name, put, pinned, before)
    except MissingKeyError:
        lost = f"{name} is left alone, since its log has lost its beginning: `reelhouse build --full` begins it anew"
        return Folder(name, pinned, files, [], past, lost)
    except LakeError as exc:
        return Folder(name, pinned, files, [], past, f"{name} is left alone: {exc}")
    return Folder(name, pinned, files, commits, past)


def _needed(
    storage: Storage, name: str, put: dict[int, datetime], pinned: int | None, before: datetime
) -> list[Commit]:
    """The commits that the versions to keep consist of, oldest first."""
    oldest = latest = max(put)
    # A version is read until the next one comes, and by whoever opened it then for some time more.
    while oldest - 1 in put and put[oldest] >= before:
        oldest -= 1
    if pinned is not None:
        oldest = min(oldest, pinned)
    found: list[Commit] = []
    for version in range(latest, -1, -1):
        found.append(read_commit(storage, name, version))
        if version <= oldest and found[-1].overwrites:
            break
    return found[::-1]


def _versions(pattern: re.Pattern[str], paths: Iterable[str]) -> Iterator[int]:
    return (int(found[1]) for path in paths if (found := pattern.fullmatch(path)))
