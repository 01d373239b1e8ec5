"""Whether what was built is what the receipts say: for `verify`, without an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from reelhouse.build.course_parquet import check_copies
from reelhouse.build.delta_log import commits_held
from reelhouse.build.imports import imported
from reelhouse.build.leftovers import leftovers
from reelhouse.build.pins import Current, ExportRead, Pin, Reads, read_current
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.plan import Plan, read_plan, unpack_lines
from reelhouse.raw.receipt import Receipt, State, read_parts, read_purged, read_receipts
from reelhouse.storage.ahead import ahead
from reelhouse.storage.protocol import Storage


class _Listed(msgspec.Struct):
    id: int


class _Known(NamedTuple):
    """What the claims of one id add up to: its newest one, and whether it is shown, hidden or gone."""

    newest: State
    settled: State | None
    gone: bool


_MENDS = "`reelhouse build --full` mends it"


def check_tables(storage: Storage, entities: Mapping[str, Entity] = ENTITIES) -> list[str]:
    """What is wrong with tables of *entities*: versions that are lost or changed, rows that receipts do not explain."""
    return [*_check_built(storage, entities), *_check_imports(storage)]


def _check_imports(storage: Storage) -> list[str]:
    """What is lost of the tables that a person imported."""
    try:
        own = imported(storage)
        mends = "import it again"
        return [problem for name, one in sorted(own.items()) for problem in _check_pin(storage, name, one, mends)]
    except LakeError as exc:
        return [str(exc)]


def _check_built(storage: Storage, entities: Mapping[str, Entity]) -> list[str]:
    try:
        old = leftovers(storage)
        if old:
            return [f"{name} is from before the last purge: the next purge erases it" for name in old]
        current = read_current(storage)
        if current is None:
            return []
        checked = ahead(lambda table: list(_check_pin(storage, *table)), sorted(current.tables.items()))
        problems = [problem for found in checked for problem in found]
        return [*problems, *_check_counts(storage, current, entities), *check_copies(storage)]
    except LakeError as exc:
        return [str(exc)]


def _check_pin(storage: Storage, name: str, pin: Pin, mends: str = _MENDS) -> Iterator[str]:
    folder = f"{pin.zone}/{name}"
    try:
        commits = list(commits_held(storage, folder, pin.version))
    except MissingKeyError:
        yield f"{folder} has lost version {pin.version}, which readers are shown: {mends}"
        return
    rows = sum(commit.rows for commit in commits)
    if rows != pin.rows:
        yield f"{folder} version {pin.version} has {rows} rows, {pin.rows} were built"
    for path in (path for commit in commits for path in commit.files):
        if storage.size(f"{folder}/{unquote(path)}") is None:
            yield f"{folder}/{path} is gone, though version {pin.version} needs it: {mends}"


def _check_counts(storage: Storage, current: Current, entities: Mapping[str, Entity]) -> Iterator[str]:
    expected = expected_rows(storage, current.read.receipts, current.read.exports, entities)
    for name, rows in expected.items():
        pin = current.tables.get(name)
        if pin is not None and pin.rows != rows:
            yield f"{pin.zone}/{name} was built with {pin.rows} rows, the receipts it reflects make {rows}"


def expected_rows(
    storage: Storage, reads: Reads, exports: list[ExportRead], entities: Mapping[str, Entity]
) -> dict[str, int]:
    """Rows that follow from receipts alone, for the tables where they do."""
    (entity,) = entities
    known, mute = _claims(storage, reads, entity)
    gone = {id_ for id_, one in known.items() if one.gone}
    buried = gone - _listed(storage, exports, gone)
    landed = sum(one.settled is State.LANDED and id_ not in buried for id_, one in known.items())
    aside = sum(one.newest is State.QUARANTINED for one in known.values())
    return {entity: landed, "record": len(known), "tombstone": len(buried), "quarantine": aside + mute}


def _claims(storage: Storage, reads: Reads, entity: str) -> tuple[dict[int, _Known], int]:
    """Every id the receipts name, and how many asks are set aside that never got an answer with an id."""
    known: dict[int, _Known] = {}
    answered: set[str] = set()
    silent: dict[str, State] = {}
    for receipt in _receipts(storage, reads, entity):
        for claim in sorted(receipt.claims, key=lambda one: -1 if one.line is None else one.line):
            if claim.id is None:
                silent[claim.ask] = claim.state
                continue
            if not claim.ask.isdigit():
                answered.add(claim.ask)
            known[claim.id] = _after(known.get(claim.id), claim.state)
    # One that TMDB does not know (gone) is no answer that is set aside.
    mute = (state for ask, state in silent.items() if ask not in answered)
    return known, sum(state is State.QUARANTINED for state in mute)


def _after(before: _Known | None, state: State) -> _Known:
    settled, gone = (before.settled, before.gone) if before else (None, False)
    if state is State.GONE:
        gone = True
    elif state is not State.QUARANTINED:
        settled, gone = state, False
    return _Known(state, settled, gone)


def _receipts(storage: Storage, reads: Reads, entity: str) -> Iterator[Receipt]:
    for run in range(1, max([reads.through, *map(int, reads.open)]) + 1):
        plan = read_plan(storage, run)
        if plan is None:
            raise LakeError(f"the plan of run {run} is gone, though tables reflect it")
        if plan.entity == entity:
            yield from (part for part in _parts(storage, reads, plan) if isinstance(part, Receipt))


def _parts(storage: Storage, reads: Reads, plan: Plan) -> Iterator[object]:
    if plan.run <= reads.through:
        yield from read_receipts(storage, plan)
        return
    purged = read_purged(storage, plan.run)
    for unit, read in sorted(reads.open.get(str(plan.run), {}).items(), key=lambda one: int(one[0])):
        parts = read_parts(storage, plan.run, int(unit), purged=purged)
        yield from (found for _, found in zip(range(read), parts, strict=False))


def _listed(storage: Storage, exports: list[ExportRead], ids: set[int]) -> set[int]:
    """Which of *ids* the newest export has; it is read only where something is gone."""
    if not ids or not exports:
        return set()
    newest = max(exports)
    decode = msgspec.json.Decoder(_Listed).decode
    try:
        lines = unpack_lines(storage.get(newest.key))
        return ids & {decode(line).id for line in lines if line}
    except MissingKeyError:
        raise LakeError(f"{newest.key} is gone, though the plan of run {newest.run} names it") from None
