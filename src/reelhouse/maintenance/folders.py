"""The contents of a table's folder: what readers may still need, and what may be removed.

Needed are the published version, the newest one (which other programs read), and every version that was the newest
within the time that readers are given; each with its commits and files. Files that no commit names may belong to an
active writer, so they stay until they are older than that time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

from reelhouse.delta.delta_rs import FileInfo, files_below
from reelhouse.delta.log import Commit, read_commit
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.keys import STAGING
from reelhouse.storage.protocol import Storage, is_key

ZONES = (STAGING.rstrip("/"), "tables", "marts", "imports")

_COMMIT = re.compile(r"_delta_log/(\d{20})\.json")
_CHECKPOINT = re.compile(r"_delta_log/(\d{20})\.checkpoint\.parquet")
_ENTRY = re.compile(r"_delta_log/(\d{20})\.[^/]+")


class TableFolder(NamedTuple):
    """One table's folder.

    *commits* are those of all kept versions, oldest first; *deleted* are paths of which a bucket has only old versions.
    With a *problem* nothing in the folder may be changed.
    """

    name: str
    pinned: int | None
    files: dict[str, FileInfo]
    commits: list[Commit]
    deleted: list[str]
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
        """Commits that a reader must read one by one."""
        newest = max(_versions(_CHECKPOINT, self.files), default=-1)
        return self.latest.version - newest if self.latest else 0

    def unneeded(self, before: datetime) -> list[str]:
        """Data files that no reader needs and that were put *before*."""
        if self.problem:
            return []
        named = {unquote(path) for commit in self.commits for path in commit.files}
        return [
            path
            for path, file in self.files.items()
            if path not in named and file.put < before and not path.startswith("_delta_log/") and self._removable(path)
        ]

    def outdated(self, before: datetime) -> list[str]:
        """The log entries before a checkpoint from which all kept versions can be read, oldest first.

        They are removed in that order, so a kill leaves no gap.
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
        # Other programs may have put names that are not valid keys.
        return is_key(f"{self.name}/{path}")


def folders(storage: Storage, pins: dict[str, int]) -> dict[str, list[str]]:
    """Everything in each table's folder, old versions included, by the folder's name."""
    found: dict[str, list[str]] = {name: [] for name in pins}
    for zone in ZONES:
        for key in storage.list_all_versions(f"{zone}/"):
            name, _, path = key.removeprefix(f"{zone}/").partition("/")
            if path:
                found.setdefault(f"{zone}/{name}", []).append(path)
    return found


def look(storage: Storage, name: str, pinned: int | None, ever: Iterable[str], before: datetime) -> TableFolder:
    """Read one folder. *ever* was listed before, so a missing object was removed, and is not new."""
    try:
        files = files_below(storage, name)
    except LakeError as exc:
        return TableFolder(name, pinned, {}, [], [], f"{name} is left alone: {exc}")
    deleted = [path for path in ever if path not in files]
    put = {version: files[f"_delta_log/{version:020d}.json"].put for version in _versions(_COMMIT, files)}
    if pinned is not None and pinned not in put:
        return TableFolder(name, pinned, files, [], deleted, f"{name} has lost version {pinned}, which readers see")
    if not put:
        return TableFolder(name, pinned, files, [], deleted)
    try:
        commits = _needed(storage, name, put, pinned, before)
    except MissingKeyError:
        lost = f"{name} is left alone, because the beginning of its log is missing: run `reelhouse build --full`"
        return TableFolder(name, pinned, files, [], deleted, lost)
    except LakeError as exc:
        return TableFolder(name, pinned, files, [], deleted, f"{name} is left alone: {exc}")
    return TableFolder(name, pinned, files, commits, deleted)


def _needed(
    storage: Storage, name: str, put: dict[int, datetime], pinned: int | None, before: datetime
) -> list[Commit]:
    """The commits that the versions to keep consist of, oldest first."""
    oldest = latest = max(put)
    # A version is read until the next one exists, and for some time longer by readers that opened it before.
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
