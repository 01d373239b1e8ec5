"""Receipts: the log that says which answers exist. A line of a chunk that no receipt claims does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.ids import key_id
from reelhouse.raw.json_objects import decode, encode, read_object
from reelhouse.raw.keys import FORMAT, purged_key, receipt_key
from reelhouse.raw.plan import Cause, Plan
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage


class State(StrEnum):
    """What became of an id that was asked. An id without a state is pending."""

    LANDED = "landed"
    FILTERED = "filtered"
    GONE = "gone"
    QUARANTINED = "quarantined"


class ChunkRef(msgspec.Struct, frozen=True):
    """A chunk as it was put: *size* in bytes at rest, *lines* answers."""

    key: str
    size: int
    sha256: str
    lines: int


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a receipt says of one requested key.

    *id* is TMDB's (None for another service's that nobody answered to), *line* counts from 0 in the chunk (None where
    no line was kept: filtered). A record that took several requests has as many *lines*, one after the other.
    *fetched_at* is TMDB's clock at the first, *reason* says why it was quarantined, or of which kind an id of another
    service is that is gone.
    """

    key: str
    state: State
    cause: Cause
    fetched_at: str
    id: int | None = None
    line: int | None = None
    lines: int = 1
    etag: str | None = None
    reason: str | None = None

    @property
    def by_external_id(self) -> bool:
        """Whether the record was requested by an id of another service."""
        return key_id(self.key) is None

    @property
    def span(self) -> range:
        """The lines of the chunk that hold the record."""
        return range(0) if self.line is None else range(self.line, self.line + self.lines)


class Receipt(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/receipts/<unit>-<part>.json`.

    *drift* counts what TMDB sent otherwise than expected, *requests* what was asked since the last receipt, with
    retries.
    """

    run: int
    unit: int
    part: int
    entity: str
    outcomes: list[Outcome]
    chunk: ChunkRef | None = None
    drift: dict[str, int] = {}
    requests: int = 0
    format: int = FORMAT


class PurgedOutcome(NamedTuple):
    """An outcome whose answer was purged after run *through* was planned: plans up to that run knew the answer."""

    outcome: Outcome
    through: int


class ReducedReceipt(Receipt, frozen=True):
    """A receipt as readers see it once some of its answers were purged: *outcomes* and *chunk* are what is left."""

    purged: list[PurgedOutcome] = []


class Purge(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one purge took of a run.

    *parts* names the keys that went from `<unit>-<part>`, None for all of them; lines that nobody claims went as well.
    *listed* tells that what the run was listed from (an export, the popularities of discover) went too. *through* is
    the last run that was planned by then. *abandoned* are keys that were pending and are not to be requested any more.
    """

    at: str
    through: int
    parts: dict[str, list[str] | None] = {}
    listed: bool = False
    abandoned: list[str] = []


class Purged(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/purged.json`, put before any byte goes: these answers exist no more.

    *remaining_chunks* are the chunks that hold what is left of a part's own, in the order of its outcomes' lines;
    *replaced* are keys of such chunks that a later purge made smaller.
    """

    entity: str
    run: int
    purges: list[Purge] = []
    remaining_chunks: dict[str, ChunkRef] = {}
    replaced: list[str] = []
    format: int = FORMAT

    @property
    def listed(self) -> bool:
        return any(purge.listed for purge in self.purges)

    def abandoned(self, keys: set[str]) -> set[str]:
        """Those of *keys* that a purge named before they were requested."""
        return {key for purge in self.purges for key in purge.abandoned} & keys


class Unreadable(msgspec.Struct, frozen=True):
    """A part that is there and does not parse. It names nothing; it is reported."""

    key: str
    reason: str


def read_purged(storage: Storage, entity: str, run: int) -> Purged:
    """What was purged of a run; `LakeError` where that cannot be read: nothing of the run may be believed then."""
    key = purged_key(entity, run)
    found = read_object(storage, key, Purged) or Purged(entity, run)
    if (found.entity, found.run) != (entity, run):
        raise LakeError(f"{key} speaks for another run: {found.entity} {found.run}")
    return found


def read_parts(
    storage: Storage, entity: str, run: int, unit: int, start: int = 0, purged: Purged | None = None
) -> Iterator[Receipt | Unreadable]:
    """The parts of one unit from *start* on, found by probing; without what was *purged* of them."""
    part = start
    while (found := read_part(storage, entity, run, unit, part)) is not None:
        yield reduced(found, purged) if purged and isinstance(found, Receipt) else found
        part += 1
        if isinstance(found, Unreadable) and not _in_reach(storage, found.key):
            return


def _in_reach(storage: Storage, key: str) -> bool:
    """Whether the folder of *key* can be read; of one that cannot, every part would seem to be there."""
    try:
        storage.size(key)
    except LakeError:
        return False
    return True


def read_part(storage: Storage, entity: str, run: int, unit: int, part: int) -> Receipt | Unreadable | None:
    """One part, None where there is none."""
    key = receipt_key(entity, run, unit, part)
    try:
        receipt = decode(key, storage.get(key), Receipt)
    except MissingKeyError:
        return None
    except LakeError as exc:
        return Unreadable(key, str(exc))
    said = (receipt.entity, receipt.run, receipt.unit, receipt.part)
    if said != (entity, run, unit, part):
        return Unreadable(key, f"{key} speaks for another place: {', '.join(map(str, said))}")
    return receipt


def read_receipts(storage: Storage, plan: Plan) -> Iterator[Receipt | Unreadable]:
    """All parts of all units of a run, in order, without what was purged of them."""
    purged = read_purged(storage, plan.entity, plan.run)
    read = partial(read_parts, storage, plan.entity, plan.run, purged=purged)
    for parts in prefetch(lambda unit: list(read(unit)), range(plan.units)):
        yield from parts


def reduced(receipt: Receipt, purged: Purged) -> Receipt:
    """*receipt* without what was purged: the outcomes that are left, their chunk and their lines there."""
    place = place_of(receipt)
    purges = [(purge.parts[place], purge.through) for purge in purged.purges if place in purge.parts]
    if not purges:
        return receipt
    kept, went = receipt.outcomes, []
    for keys, through in purges:
        taken = {outcome.key for outcome in kept} if keys is None else set(keys)
        went += [PurgedOutcome(outcome, through) for outcome in kept if outcome.key in taken]
        kept = [outcome for outcome in kept if outcome.key not in taken]
    chunk = receipt.chunk
    if all(outcome.line is None for outcome in kept):
        chunk = None
    elif (rest := purged.remaining_chunks.get(place)) is not None:
        chunk, kept = rest, _renumbered(kept)
    fields = {name: getattr(receipt, name) for name in Receipt.__struct_fields__}
    return ReducedReceipt(**{**fields, "outcomes": kept, "chunk": chunk, "purged": went})


def place_of(receipt: Receipt) -> str:
    """How `purged.json` names a part."""
    return f"{receipt.unit}-{receipt.part}"


def _renumbered(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes with the lines that they have in a rest: counted from 0 in their old order."""
    lines = sorted(line for outcome in outcomes for line in outcome.span)
    at = {line: number for number, line in enumerate(lines)}
    return [
        outcome if outcome.line is None else msgspec.structs.replace(outcome, line=at[outcome.line])
        for outcome in outcomes
    ]


def purged_outcomes(receipt: Receipt) -> list[PurgedOutcome]:
    """The outcomes of a part that were purged."""
    return receipt.purged if isinstance(receipt, ReducedReceipt) else []


def outcomes_and_purged(receipt: Receipt) -> list[Outcome]:
    """All outcomes of a part as it was put, those that were purged since included."""
    return [*receipt.outcomes, *(one.outcome for one in purged_outcomes(receipt))]


def readable(parts: Iterator[Receipt | Unreadable]) -> Iterator[Receipt]:
    """The parts that parse; `verify` reports the others."""
    return (part for part in parts if isinstance(part, Receipt))


def put_receipt(storage: Storage, receipt: Receipt, known: set[str], part: int) -> Receipt | None:
    """Append *receipt* to its unit's log at *part* or later, without the keys that others claimed meanwhile.

    *known* are the keys of the parts before *part*; it grows by what this call reads and puts. Returns what was put,
    or None when others had claimed everything.
    """
    while True:
        outcomes = [outcome for outcome in receipt.outcomes if outcome.key not in known]
        if not outcomes:
            return None
        placed = msgspec.structs.replace(receipt, part=part, outcomes=outcomes)
        try:
            storage.put_new(receipt_key(receipt.entity, receipt.run, receipt.unit, part), encode(placed))
        except KeyTakenError:
            found = read_part(storage, receipt.entity, receipt.run, receipt.unit, part)
            if isinstance(found, Receipt):
                known.update(outcome.key for outcome in found.outcomes)
            part += 1
        else:
            known.update(outcome.key for outcome in outcomes)
            return placed
