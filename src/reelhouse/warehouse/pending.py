"""What lies in the raw zone and was not read yet: parts of receipts, exports that plans name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from reelhouse.errors import LakeError
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.keys import reconciliation_key
from reelhouse.raw.plan import Plan, last_run, plan_of
from reelhouse.raw.receipt import ChunkRef, Purged, Receipt, Unreadable, read_parts, read_purged
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import BuildManifest, ExportRead, Watermark, adult_kind

# Run, unit, part, and a mark of its content: other lakes, and a lake that was restored, have the same numbers.
NamedPart = tuple[int, int, int, str]
_MARK = 16


class ReceiptPart(NamedTuple):
    """One part of a unit's receipts; *receipt* is None where it does not parse and so names nothing."""

    run: int
    unit: int
    part: int
    receipt: Receipt | None

    @property
    def named(self) -> NamedPart:
        """How a commit of staging and a watermark's digest name it: with a mark of all that the receipt says."""
        said = b"" if self.receipt is None else msgspec.json.encode(self.receipt)
        return self.run, self.unit, self.part, hashlib.sha256(said).hexdigest()[:_MARK]


class PendingRuns(NamedTuple):
    """What there is to read of an entity: the plans after what was read, and which of them are closed."""

    plans: list[Plan]
    closed: frozenset[int]


def look_ahead(storage: Storage, entity: str, reads: Watermark) -> PendingRuns:
    """The runs of *entity* that may hold news. Whether one is closed is asked before its parts, so none is missed."""
    last = last_run(storage, entity)
    if reads.through > last:
        raise LakeError(f"the plan of {entity} run {last + 1} is gone, though tables reflect run {reads.through}")
    runs = range(reads.through + 1, last + 1)
    plans = [plan_of(storage, entity, run, f"though run {last} has one") for run in runs]
    closed = set(range(reads.through + 1, last))
    if plans and storage.size(reconciliation_key(entity, last)) is not None:
        closed.add(last)
    return PendingRuns(plans, frozenset(closed))


def new_parts(storage: Storage, reads: Watermark, pending_runs: PendingRuns) -> Iterator[ReceiptPart]:
    """The parts of receipts that *reads* does not hold, in order."""
    for plan in pending_runs.plans:
        purged = read_purged(storage, plan.entity, plan.run)
        look = _looker(storage, purged, reads.open.get(str(plan.run), {}))
        for found in prefetch(look, range(plan.units)):
            yield from found


def _looker(storage: Storage, purged: Purged, known: dict[str, int]) -> Callable[[int], list[ReceiptPart]]:
    entity, run = purged.entity, purged.run

    def look(unit: int) -> list[ReceiptPart]:
        start = known.get(str(unit), 0)
        found = read_parts(storage, entity, run, unit, start, purged)
        return [
            ReceiptPart(run, unit, part, None if isinstance(one, Unreadable) else one)
            for part, one in enumerate(found, start)
        ]

    return look


def answers_pending(storage: Storage, entities: Iterable[str], current: BuildManifest) -> int:
    """How many answers of *entities* no build has read since *current*."""
    streams = ((entity, current.inputs.stream(entity).receipts) for entity in entities)
    parts = (part for name, reads in streams for part in new_parts(storage, reads, look_ahead(storage, name, reads)))
    return sum(len(part.receipt.outcomes) for part in parts if part.receipt)


def has_news(storage: Storage, reads: Watermark, pending_runs: PendingRuns) -> bool:
    """Whether there is any part to read."""
    return any(True for _ in new_parts(storage, reads, pending_runs))


def with_parts(reads: Watermark, parts: Iterable[NamedPart]) -> Watermark:
    """*reads* with more parts read; parts that it holds already change nothing."""
    units = {run: dict(known) for run, known in reads.open.items()}
    digest = int(reads.digest, 16)
    for run, unit, part, mark in sorted(parts):
        known = units.setdefault(str(run), {})
        if run > reads.through and part >= known.get(str(unit), 0):
            known[str(unit)] = part + 1
            # Exclusive or does not mind the order, so a full build gets the same digest.
            digest ^= int(hashlib.sha256(f"{run}-{unit}-{part}-{mark}".encode()).hexdigest(), 16)
    return Watermark(reads.through, units, f"{digest:064x}")


def with_closed(reads: Watermark, pending_runs: PendingRuns) -> Watermark:
    """*reads* after everything that *pending_runs* showed was read: closed runs need no list of parts."""
    through = reads.through
    while through + 1 in pending_runs.closed:
        through += 1
    still_open = {run: units for run, units in reads.open.items() if int(run) > through}
    return msgspec.structs.replace(reads, through=through, open=still_open)


def check_chunks(storage: Storage, chunks: list[ChunkRef], hashes: Mapping[str, str]) -> None:
    """Raise `LakeError` that names the chunk if one is not what its receipt says; *hashes* are known of some."""
    left = [chunk for chunk in chunks if hashes.get(chunk.key) != chunk.sha256]
    for _ in prefetch(lambda chunk: get_named(storage, chunk.key, chunk.sha256, "a receipt"), left, at_once=4):
        pass


def exports_named(known: list[ExportRead], plans: list[Plan]) -> list[ExportRead]:
    """The exports to hold: for each kind and day the one that the latest run names."""
    named = [*known, *(export for plan in plans for export in _exports(plan))]
    newest: dict[tuple[str, str], ExportRead] = {}
    for export in sorted(named, key=lambda one: one.run):
        held = newest.get((export.kind, export.day))
        # A second run over the same file brings nothing new.
        if held is None or held.key != export.key:
            newest[export.kind, export.day] = export
    return sorted(newest.values())


def exports_left(storage: Storage, plans: list[Plan]) -> list[Plan]:
    """*plans* without those whose export was purged."""
    gone = prefetch(lambda plan: read_purged(storage, plan.entity, plan.run).listed, plans)
    return [plan for plan, purged in zip(plans, gone, strict=True) if not purged]


def _exports(plan: Plan) -> Iterator[ExportRead]:
    for named in plan.exports:
        kind = adult_kind(plan.entity) if named == plan.adult_export else plan.entity
        yield ExportRead(named.day, plan.run, named.key, kind, plan.planned_at, named.sha256)


def check_export(storage: Storage, export: ExportRead) -> None:
    """Raise `LakeError` if an export is not what its plan names."""
    get_named(storage, export.key, export.sha256, export.plan)
