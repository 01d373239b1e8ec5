"""Maintenance: rewrite tables of many small files, checkpoint long logs, remove what no reader needs.

In this order it may be killed anywhere: nothing is removed that a published version or a running reader needs, and the
next run continues. The caller keeps purges away, which create tables again under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from reelhouse.delta.delta_rs import files_below, put_checkpoint
from reelhouse.delta.log import Commit
from reelhouse.entities.paths import staged_name
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import KeyTakenError
from reelhouse.maintenance.compaction import follow, rewrite, rewritten, staging_notes
from reelhouse.maintenance.folders import TableFolder, folders, look
from reelhouse.maintenance.superseded import Outcomes, outcomes_of
from reelhouse.raw.keys import staging_folder
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Step, Storage
from reelhouse.warehouse.import_registry import ZONE, imported
from reelhouse.warehouse.manifest import BuildManifest, believed

# A file this large is not merged with others.
_LARGE = 32 << 20
# This many small files cost queries more than one rewrite.
_MANY = 50
# Up to this many commits are read as quickly as a checkpoint.
_COMMITS = 10
# If newer answers have replaced more than this share of staging, every build reads it for nothing.
_SUPERSEDED = 0.2


class Compaction(NamedTuple):
    """A table of many small files, or with many unused rows; *files* and *bytes* of its version."""

    folder: str
    files: int
    bytes: int
    superseded: int = 0


class Removal(NamedTuple):
    """Objects to remove: data *files*, entries of *logs*, and *old_versions* of objects that a bucket keeps."""

    files: int = 0
    bytes: int = 0
    logs: int = 0
    old_versions: int = 0


class MaintenanceResult(NamedTuple):
    """What maintenance did, or would do. *problems* say what it left alone, and why."""

    rewritten: list[Compaction]
    checkpoints: list[str]
    removed: Removal
    problems: list[str]

    def summary(self) -> dict[str, Any]:
        """The result as plain data."""
        rewritten = [one._asdict() for one in self.rewritten]
        return {**self._asdict(), "rewritten": rewritten, "removed": self.removed._asdict()}


def preview(
    storage: Storage, now: datetime, keep: timedelta, entities: Mapping[str, Entity] = ENTITIES
) -> MaintenanceResult:
    """What `maintain` would do; nothing is changed."""
    work = _LakeBeforeMaintenance(storage, now - keep, lambda name: None, entities)
    due = [found for folder in work.folders if (found := work.due(folder)) is not None]
    return MaintenanceResult(due, work.long_logs(), work.removal(), work.problems)


def maintain(
    storage: Storage,
    now: datetime,
    keep: timedelta,
    step: Step = lambda name: None,
    entities: Mapping[str, Entity] = ENTITIES,
) -> MaintenanceResult:
    """Do what is due; what readers that began less than *keep* ago need stays."""
    work = _LakeBeforeMaintenance(storage, now - keep, step, entities)
    done = work.rewrite()
    checkpoints = work.long_logs()
    for name in checkpoints:
        step(name)
        put_checkpoint(storage, name)
    step("removing")
    removed = work.removal()
    work.remove()
    return MaintenanceResult(done, checkpoints, removed, work.problems)


class _LakeBeforeMaintenance:
    """The state of the lake before maintenance."""

    def __init__(self, storage: Storage, before: datetime, step: Step, entities: Mapping[str, Entity]) -> None:
        self._storage = storage
        self._before = before
        self._step = step
        self._staging = {staging_folder(name): one for name, one in entities.items()}
        step("looking")
        self._current = believed(storage)
        pins = _pins(storage, self._current)
        ever = folders(storage, pins)
        self.folders = list(
            prefetch(lambda name: look(storage, name, pins.get(name), ever[name], before), sorted(ever))
        )
        self.problems = [folder.problem for folder in self.folders if folder.problem]

    def due(self, folder: TableFolder) -> Compaction | None:
        """Why a table should be rewritten, if it should. One that is being written waits until it is published."""
        if folder.problem or folder.latest is None or folder.latest.version != folder.pinned:
            return None
        sizes = [folder.files[path].size for path in folder.live if path in folder.files]
        found = Compaction(folder.name, len(sizes), sum(sizes))
        if folder.name in self._staging:
            outcomes = self._outcomes(folder.name, folder.pinned)
            found = found._replace(superseded=outcomes.superseded)
            if outcomes.superseded > _SUPERSEDED * outcomes.rows:
                return found
        return found if sum(size < _LARGE for size in sizes) > _MANY else None

    def rewrite(self) -> list[Compaction]:
        """Rewrite what is due and publish it, including rewrites that a killed run did not publish."""
        done: list[Compaction] = []
        moved: dict[str, tuple[int, int]] = {}
        for folder in self.folders:
            latest, pinned = folder.latest, folder.pinned
            if latest is None or pinned is None:
                continue
            if rewritten(latest, pinned):
                moved[folder.name] = (pinned, latest.version)
            found = self.due(folder)
            if found is not None:
                self._step(folder.name)
                try:
                    moved[folder.name] = (pinned, self._rewritten(folder.name, latest))
                except KeyTakenError:
                    # Another writer is changing it, so it is left alone.
                    continue
                done.append(found)
        if moved:
            follow(self._storage, moved)
        return done

    def _rewritten(self, name: str, latest: Commit) -> int:
        if name not in self._staging:
            return rewrite(self._storage, name, latest, _rows(self._storage, self._current, name), {})
        assert self._current is not None
        outcomes = self._outcomes(name, latest.version)
        notes = staging_notes(self._current.inputs.stream(self._staging[name].name))
        return rewrite(self._storage, name, latest, len(outcomes.sequences), notes, outcomes.of)

    def _outcomes(self, name: str, version: int) -> Outcomes:
        entity = self._staging[name]
        blanked = frozenset(map(staged_name, entity.fields_of_today))
        return outcomes_of(self._storage, name, version, blanked if entity.keeps_days else None)

    def long_logs(self) -> list[str]:
        """Tables whose log is long enough for a checkpoint."""
        return [one.name for one in self.folders if not one.problem and one.since_checkpoint >= _COMMITS]

    def removal(self) -> Removal:
        """What there is to remove."""
        files = [(one, path) for one in self.folders for path in one.unneeded(self._before)]
        size = sum(one.files[path].size for one, path in files)
        logs = sum(len(one.outdated(self._before)) for one in self.folders)
        return Removal(len(files), size, logs, sum(len(one.deleted) for one in self.folders))

    def remove(self) -> None:
        """Remove it, old versions in a bucket included."""
        keys = [f"{one.name}/{path}" for one in self.folders for path in one.unneeded(self._before)]
        for _ in prefetch(self._storage.delete_all_versions, keys):
            pass
        for _ in prefetch(self._clean, [one for one in self.folders if one.deleted or one.outdated(self._before)]):
            pass

    def _clean(self, folder: TableFolder) -> None:
        """Remove objects whose table may have been created again meanwhile: an import dropped and imported again."""
        # Check again: only a table that was created again has young entries under these names.
        there = files_below(self._storage, folder.name)
        for path in folder.deleted:
            if path not in there:
                self._storage.delete_all_versions(f"{folder.name}/{path}")
        for path in folder.outdated(self._before):
            if path in there and there[path].put < self._before:
                self._storage.delete_all_versions(f"{folder.name}/{path}")


def _pins(storage: Storage, current: BuildManifest | None) -> dict[str, int]:
    """The version of each folder that readers see."""
    pins = {f"{ZONE}/{name}": one.version for name, one in imported(storage).items()}
    if current is not None:
        pins |= {f"{one.zone}/{name}": one.version for name, one in current.tables.items()}
        pins |= current.inputs.staged
    return pins


def _rows(storage: Storage, current: BuildManifest | None, folder: str) -> int:
    zone, _, name = folder.rpartition("/")
    return imported(storage)[name].rows if zone == ZONE or current is None else current.tables[name].rows
