"""Whether what was built is what the receipts say: for `verify`, without an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

import msgspec

from reelhouse.delta.log import Sizes, check_log, commits_held, damage, foreign_on_top, list_sizes
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.keys import IMPORTS as REGISTRY
from reelhouse.raw.keys import STAGING
from reelhouse.raw.plan import Plan, plan_of, unpack_lines
from reelhouse.raw.purges import read_purges
from reelhouse.raw.receipt import Receipt, State, read_parts, read_purged, read_receipts
from reelhouse.storage.opening import examined
from reelhouse.storage.prefetch import AT_ONCE, prefetch
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.course.parquet import check_copies
from reelhouse.warehouse.import_registry import ZONE as IMPORTS
from reelhouse.warehouse.import_registry import imported
from reelhouse.warehouse.manifest import (
    BuildInputs,
    BuildManifest,
    ExportRead,
    TableVersion,
    Watermark,
    check_manifest,
    is_outdated,
    newest_build,
    newest_exports,
    read_manifest,
)
from reelhouse.warehouse.purged_tables import leftovers


class _Listed(msgspec.Struct):
    id: int


_decode = msgspec.json.Decoder(_Listed).decode


class _Known(NamedTuple):
    """What the outcomes of one id add up to: its newest one, and whether it is shown, hidden or gone."""

    newest: State
    settled: State | None
    gone: bool


# What repairs a table that TMDB's answers are the source of, and one that a person imported.
_BUILD = "`reelhouse build` makes it again"
_IMPORT = "import it again"


def check_tables(storage: Storage, entities: Mapping[str, Entity] = ENTITIES, *, deep: bool = False) -> list[str]:
    """What is wrong with tables of *entities*: versions that are lost or changed, rows that receipts do not explain.

    Data files are checked by their sizes; with *deep* every value is read and rows are counted, which needs delta-rs.
    """
    storage = examined(storage)
    return [*_check_built(storage, entities, deep), *_check_imports(storage, deep)]


def _check_imports(storage: Storage, deep: bool) -> list[str]:
    """What is wrong with the tables that a person imported."""
    try:
        own = sorted(imported(storage).items())
        listed = list_sizes(storage, f"{IMPORTS}/")
        check = _PinCheck(storage, listed, _IMPORT, deep)
        found = [problem for name, one in own for problem in check(name, one)]
        return found if own else [*found, *_unseen_imports(listed)]
    except LakeError as exc:
        return [str(exc)]


def _unseen_imports(listed: Sizes) -> list[str]:
    """Tables that were imported, where nothing says so: the registry is lost, or the only import was killed."""
    names = sorted({key.split("/")[1] for key in listed if "/_delta_log/" in key})
    if not names:
        return []
    dropped = "import them again, or remove them with `reelhouse import NAME --drop`"
    return [f"{REGISTRY} is lost, or an import was interrupted; readers do not see {', '.join(names)}: {dropped}"]


_UNBUILT = "a purge has erased the tables and not built them again: if none is running, `reelhouse build` makes them"


def _check_built(storage: Storage, entities: Mapping[str, Entity], deep: bool) -> list[str]:
    try:
        old = leftovers(storage)
        if old:
            return [f"{name} is from before the last purge: the next purge erases it" for name in old]
        current, problems = _check_manifest(storage)
        if current is None:
            unbuilt = read_purges(storage).unbuilt
            return [*problems, *([_UNBUILT] if unbuilt else [])]
        # With *deep*, one after another: each is read in batches, and memory holds those of one.
        check = _PinCheck(storage, list_sizes(storage, "tables/", "marts/", STAGING), _BUILD, deep)
        found = prefetch(lambda table: list(check(*table)), _pins(current), 1 if deep else AT_ONCE)
        problems += [problem for table in found for problem in table]
        return [*problems, *_check_counts(storage, current, entities), *check_copies(storage)]
    except LakeError as exc:
        return [str(exc)]


def _check_manifest(storage: Storage) -> tuple[BuildManifest | None, list[str]]:
    """The last whole build, and what is wrong with its manifest; looks again where that moved on meanwhile."""
    while True:
        newest = newest_build(storage)
        current = read_manifest(storage)
        problems = [f"{problem}: `reelhouse build` repairs it" for problem in check_manifest(storage, current, newest)]
        if not problems or read_manifest(storage) == current:
            return current, problems


def _pins(current: BuildManifest) -> Iterator[tuple[str, TableVersion]]:
    """What a build pinned, staging included, of which no rows are written down."""
    yield from sorted(current.tables.items())
    for name, one in current.inputs.streams.items():
        if one.staging is not None:
            yield name, TableVersion(STAGING.rstrip("/"), one.staging, -1, "", "")


class _PinCheck:
    """Checks pinned versions of tables; *remedy* is what repairs one."""

    def __init__(self, storage: Storage, listed: Sizes, remedy: str, deep: bool) -> None:
        self._storage = storage
        self._listed = listed
        self._remedy = remedy
        self._deep = deep

    def __call__(self, name: str, pin: TableVersion) -> Iterator[str]:
        folder = f"{pin.zone}/{name}"
        try:
            yield from self._check(folder, pin)
        except MissingKeyError:
            yield f"{folder} has lost version {pin.version}, which readers are shown: {self._remedy}"
        except LakeError as exc:
            yield f"{exc}: {self._remedy}"

    def _check(self, folder: str, pin: TableVersion) -> Iterator[str]:
        commits = list(commits_held(self._storage, folder, pin.version))
        problems = [
            *damage(self._storage, folder, commits, self._listed),
            *foreign_on_top(self._storage, folder, pin.version, self._listed),
        ]
        rows = sum(commit.rows for commit in commits)
        if pin.rows not in (-1, rows):
            yield f"{folder} version {pin.version} has {rows} rows, {pin.rows} were built"
        yield from (f"{problem}: {self._remedy}" for problem in problems)
        if not problems:
            # What is read here, neither a build nor an import of the same file looks at.
            remedy = (
                f"{_IMPORT} with --new-schema" if pin.zone == IMPORTS else "`reelhouse build --full` makes it again"
            )
            yield from (f"{problem}: {remedy}" for problem in self._read(folder, pin.version, rows))

    def _read(self, folder: str, version: int, rows: int) -> Iterator[str]:
        """What is found by reading more than builds do: the log as other programs need it, with *deep* all values."""
        try:
            check_log(self._storage, folder, version, self._listed)
            if self._deep:
                from reelhouse.delta.delta_rs import delta_files, misread

                # Other programs see files that an overwrite did not remove.
                delta_files(self._storage, folder, version, rows)
                yield from misread(self._storage, folder, version)
        except LakeError as exc:
            yield str(exc)


def _check_counts(storage: Storage, current: BuildManifest, entities: Mapping[str, Entity]) -> Iterator[str]:
    expected = expected_rows(storage, current.inputs, entities)
    for name, rows in expected.items():
        pin = current.tables.get(name)
        if pin is not None and pin.rows != rows:
            yield f"{pin.zone}/{name} was built with {pin.rows} rows, the receipts it reflects make {rows}"


def expected_rows(storage: Storage, read: BuildInputs, entities: Mapping[str, Entity]) -> dict[str, int]:
    """Rows that follow from receipts alone, for the tables where they do."""
    found = dict.fromkeys(("record", "tombstone", "quarantine"), 0)
    for entity, declared in entities.items():
        known, mute, newest = _outcomes(storage, read.stream(entity).receipts, entity)
        gone = {id_ for id_, one in known.items() if one.gone}
        exports = newest_exports(read.exports, entity)
        buried = gone - _listed(storage, [] if is_outdated(exports, newest) else exports, gone)
        shown = sum(one.settled is State.LANDED and id_ not in buried for id_, one in known.items())
        found |= dict.fromkeys(
            (one.name for one in declared.tables if not (one.rows or one.is_daily or one.required)), shown
        )
        found["record"] += len(known)
        found["tombstone"] += len(buried)
        found["quarantine"] += sum(one.newest is State.QUARANTINED for one in known.values()) + mute
    return found


def _outcomes(storage: Storage, reads: Watermark, entity: str) -> tuple[dict[int, _Known], int, date | None]:
    """Every id the receipts name, how many asks are set aside that never got an answer with an id, and the newest day.

    That is the day (UTC) of the answer that was fetched last, None without any.
    """
    known: dict[int, _Known] = {}
    days: set[str] = set()
    answered: set[str] = set()
    silent: dict[str, State] = {}
    for receipt in _receipts(storage, reads, entity):
        for outcome in sorted(receipt.outcomes, key=lambda one: -1 if one.line is None else one.line):
            days.add(outcome.fetched_at[:10])
            if outcome.id is None:
                silent[outcome.key] = outcome.state
                continue
            if outcome.by_external_id:
                answered.add(outcome.key)
            known[outcome.id] = _after(known.get(outcome.id), outcome.state)
    # One that TMDB does not know (gone) is not an answer that is set aside.
    mute = (state for key, state in silent.items() if key not in answered)
    newest = max(filter(None, map(_day, days)), default=None)
    return known, sum(state is State.QUARANTINED for state in mute), newest


def _day(text: str) -> date | None:
    """The day that *text* names; None where staging cannot read it either."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _after(before: _Known | None, state: State) -> _Known:
    settled, gone = (before.settled, before.gone) if before else (None, False)
    if state is State.GONE:
        gone = True
    elif state is not State.QUARANTINED:
        settled, gone = state, False
    return _Known(state, settled, gone)


def _receipts(storage: Storage, reads: Watermark, entity: str) -> Iterator[Receipt]:
    for run in range(1, max([reads.through, *map(int, reads.open)]) + 1):
        plan = plan_of(storage, entity, run, "though tables reflect it")
        yield from (part for part in _parts(storage, reads, plan) if isinstance(part, Receipt))


def _parts(storage: Storage, reads: Watermark, plan: Plan) -> Iterator[object]:
    if plan.run <= reads.through:
        yield from read_receipts(storage, plan)
        return
    purged = read_purged(storage, plan.entity, plan.run)
    for unit, read in sorted(reads.open.get(str(plan.run), {}).items(), key=lambda one: int(one[0])):
        parts = read_parts(storage, plan.entity, plan.run, int(unit), purged=purged)
        yield from (found for _, found in zip(range(read), parts, strict=False))


def _listed(storage: Storage, exports: list[ExportRead], ids: set[int]) -> set[int]:
    """Which of *ids* are in *exports*, which are read only where something is gone."""
    found = set[int]()
    for export in exports if ids else ():
        try:
            lines = unpack_lines(storage.get(export.key))
            found |= ids & {_decode(line).id for line in lines if line}
        except MissingKeyError:
            raise LakeError(f"{export.key} is gone, though {export.plan} names it") from None
    return found
