"""`reelhouse purge`: answers, exports and chunks, then the tables that may hold them; success only once all is gone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from reelhouse.bootstrap.storage import spool_of
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError, LakeError, LockedError, ReelhouseError, StorageError, did_you_mean
from reelhouse.raw.purges import note_unbuilt, read_purges
from reelhouse.retention import erasure
from reelhouse.retention.erasure import PurgeCounts
from reelhouse.retention.selection import CutoffClock, PurgeSelection
from reelhouse.settings import Settings
from reelhouse.storage.protocol import BUILD, Step, Storage
from reelhouse.warehouse.manifest import read_manifest
from reelhouse.warehouse.purged_tables import erase_tables, leftovers

_AGE = re.compile(r"(\d{1,6})([dh])")


def chosen_by(
    clock: CutoffClock, *, older_than: str | None, entity: str | None, keys: tuple[str, ...], everything: bool
) -> PurgeSelection:
    """What the options of the command select; `ConfigError` unless exactly one of them is given."""
    if clock.as_of is not None and older_than is None:
        raise ConfigError("as_of: give --older-than too, whose age is counted from it")
    if entity is not None and entity not in ENTITIES:
        raise ConfigError(f"entity: {entity!r} is not collected{did_you_mean(entity, ENTITIES)}")
    if sum((older_than is not None, entity is not None and not keys, bool(keys), everything)) != 1:
        raise ConfigError("purge: give one of --older-than 180d, --entity NAME, --ids FILE and --all")
    if older_than is not None:
        as_of = "" if clock.as_of is None else f" as of {clock.as_of:%Y-%m-%d}"
        before = _before(older_than, clock.as_of or clock.now)
        return PurgeSelection(f"older than {older_than}{as_of}", before=before, clock=clock)
    if entity is not None:
        words = f"{len(keys)} ids of {entity}" if keys else f"entity {entity}"
        return PurgeSelection(words, entity=entity, keys=frozenset(keys) if keys else None)
    return PurgeSelection("all") if everything else PurgeSelection(f"{len(keys)} ids", keys=frozenset(keys))


def _before(age: str, now: datetime) -> str:
    found = _AGE.fullmatch(str(age))
    if found is None or not int(found[1]):
        raise ConfigError(f"older_than: {age!r} is not an age: a number of days (180d) or hours (12h) is expected")
    try:
        before = now - (timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1])))
    except OverflowError:
        raise ConfigError(f"older_than: {age!r} is before all dates") from None
    # Not by `strftime`: it writes early years with fewer digits, which sort after all others.
    return f"{before.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


class PurgeResult(PurgeCounts, frozen=True):
    """What a purge deleted, or with *dry_run* would delete, in raw data and tables.

    *tables* were erased, *rebuilt* says whether they were built again, *note* why not. *gone* is proven by listing.
    """

    dry_run: bool
    tables: int
    rebuilt: bool
    note: str | None
    gone: bool
    done: bool

    @property
    def ok(self) -> bool:
        """Whether the command exits with 0."""
        return self.done

    @property
    def issues(self) -> list[str]:
        """Why it does not, in lines."""
        return [] if self.done else [*self.problems, *([self.note] if self.note else [])]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return dict(msgspec.to_builtins(self))


def preview(storage: Storage, chosen: PurgeSelection, now: datetime) -> PurgeResult:
    """What a purge would delete; nothing is changed."""
    found = erasure.preview(storage, chosen, now)
    tables = _tables(storage) if found.answers or found.exports or leftovers(storage) else 0
    return _summary(found, dry_run=True, tables=tables, built=_Built(done=False))


def unless_lost(lost: list[str], step: Step, then: str) -> Step:
    """*step*, or `LockedError` that also says *then*, once *lost* says how the lock was lost."""

    def held_step(name: str) -> None:
        if lost:
            raise LockedError(f"{lost[0]}; {then}")
        step(name)

    return held_step


def purge(storage: Storage, settings: Settings, chosen: PurgeSelection, now: datetime, step: Step) -> PurgeResult:
    """Purge, erase the tables that may hold purged data, and build them again if an engine is installed."""
    lost: list[str] = []
    held_step = unless_lost(lost, step, "what is purged by now is recorded, and the next purge continues")
    storage.check()
    # A build would read what is erased under its hands.
    with storage.lock(lost=lost.append), storage.lock(lost=lost.append, of=BUILD):
        _check_spool(settings, storage)
        tables = _tables(storage)
        # A purge was killed after it had erased them and before it had built them again.
        unbuilt = not tables and read_purges(storage).unbuilt
        found = erasure.purge(storage, chosen, now, held_step)
        erased = 0
        if leftovers(storage):
            held_step("erasing tables")
            if tables:
                unbuilt = True
                note_unbuilt(storage, unbuilt=True)
            erased = erase_tables(storage)
        left = [f"{name} is from before this purge and still exists: purge again" for name in leftovers(storage)]
        try:
            storage.delete_unfinished()
        except StorageError as exc:
            left.append(f"parts of files that a killed writer left may remain: {exc}")
    found = msgspec.structs.replace(found, problems=[*found.problems, *left])
    built = _rebuild(storage, settings, step) if unbuilt else _Built(done=False)
    return _summary(found, dry_run=False, tables=erased, built=built)


def _check_spool(settings: Settings, storage: Storage) -> None:
    """Raise if answers wait in the spool: they would land after the purge that was to delete them."""
    spool = spool_of(settings, storage)
    if spool.waiting():
        raise ReelhouseError(
            f"answers wait in {spool.folder}: let `reelhouse collect` bring them in, or remove them; nothing is purged"
        )


def _tables(storage: Storage) -> int:
    """Tables and marts that the last build made."""
    try:
        current = read_manifest(storage)
    except LakeError:
        # It is erased anyway.
        return 1
    return len(current.tables) if current else 0


class _Built(NamedTuple):
    """Whether tables were built again; if not, a note for the user, and whether that is a failure."""

    done: bool
    note: str | None = None
    failed: bool = False


def _rebuild(storage: Storage, settings: Settings, step: Step) -> _Built:
    """Build everything again. What was purged stays gone if this fails."""
    from reelhouse.engines.session import session_of

    def answers() -> int:
        # Late: declarations of marts load an engine, which may be missing.
        from reelhouse.warehouse.run import answers_ahead

        return answers_ahead(storage, full=True)

    try:
        session = session_of(settings, storage, answers)
    except ConfigError as exc:
        return _Built(done=False, note=f"The tables are erased; `reelhouse build` makes them again when it can: {exc}")
    from reelhouse.warehouse.run import build

    try:
        course, quotes = settings.layout == "course", settings.course_quotes
        build(storage, session, full=True, progress=step, course=course, course_quotes=quotes)
    except ReelhouseError as exc:
        return _Built(done=False, note=f"The tables are erased and could not be built again: {exc}", failed=True)
    return _Built(done=True)


def _summary(found: PurgeCounts, *, dry_run: bool, tables: int, built: _Built) -> PurgeResult:
    return PurgeResult(
        **msgspec.structs.asdict(found),
        dry_run=dry_run,
        tables=tables,
        rebuilt=built.done,
        note=built.note,
        gone=not dry_run and not found.problems,
        done=dry_run or not (found.problems or built.failed),
    )
