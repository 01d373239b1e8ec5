"""Receipts: the log that says which answers exist. A line of a chunk that no receipt claims does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.raw.json_objects import decode, encode
from reelhouse.raw.keys import FORMAT, purged_key, receipt_key
from reelhouse.raw.plan import Plan, Reason
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


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a receipt says of one question.

    *id* is TMDB's (None where the question was an IMDb id that nobody answered to), *line* counts from 0 in the chunk
    (None where no line was kept: filtered), *fetched_at* is TMDB's clock, *why* names the reason for a quarantine.
    """

    ask: str
    state: State
    reason: Reason
    fetched_at: str
    id: int | None = None
    line: int | None = None
    etag: str | None = None
    why: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/receipts/<unit>-<part>.json`.

    *drift* counts what TMDB sent otherwise than expected, *requests* what was asked since the last receipt, with
    retries.
    """

    run: int
    unit: int
    part: int
    entity: str
    claims: list[Claim]
    chunk: ChunkRef | None = None
    drift: dict[str, int] = {}
    requests: int = 0
    format: int = FORMAT


class PurgedClaim(NamedTuple):
    """A claim whose answer was purged when run *through* was the last one planned: plans up to it knew the answer."""

    claim: Claim
    through: int


class Reduced(Receipt, frozen=True):
    """A receipt as readers see it once some of its answers were purged: *claims* and *chunk* are what is left."""

    purged: list[PurgedClaim] = []


class Purge(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one purge took of a run.

    *parts* names the asks that went from `<unit>-<part>`, None for all of them; lines that nobody claims went as well.
    *listed* tells that what the run was listed from (an export, the popularities of discover) went too. *through* is
    the last run that was planned by then.
    """

    at: str
    through: int
    parts: dict[str, list[str] | None] = {}
    listed: bool = False


class Purged(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/purged.json`, put before any byte goes: these answers exist no more.

    *rests* are the chunks that hold what is left of a part's own, in the order of its claims' lines; *replaced* are
    keys of rests that a later purge made smaller.
    """

    entity: str
    run: int
    purges: list[Purge] = []
    rests: dict[str, ChunkRef] = {}
    replaced: list[str] = []
    format: int = FORMAT

    @property
    def listed(self) -> bool:
        return any(purge.listed for purge in self.purges)


class Unreadable(msgspec.Struct, frozen=True):
    """A part that is there and does not parse. It names nothing; it is reported."""

    key: str
    why: str


def read_purged(storage: Storage, entity: str, run: int) -> Purged:
    """What was purged of a run; `LakeError` where that cannot be read: nothing of the run may be believed then."""
    key = purged_key(entity, run)
    try:
        found = decode(key, storage.get(key), Purged)
    except MissingKeyError:
        return Purged(entity, run)
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
    """*receipt* without what was purged: the claims that are left, the chunk that holds them and their lines there."""
    place = place_of(receipt)
    purges = [(purge.parts[place], purge.through) for purge in purged.purges if place in purge.parts]
    if not purges:
        return receipt
    kept, went = receipt.claims, []
    for asks, through in purges:
        taken = {claim.ask for claim in kept} if asks is None else set(asks)
        went += [PurgedClaim(claim, through) for claim in kept if claim.ask in taken]
        kept = [claim for claim in kept if claim.ask not in taken]
    chunk = receipt.chunk
    if all(claim.line is None for claim in kept):
        chunk = None
    elif (rest := purged.rests.get(place)) is not None:
        chunk, kept = rest, _renumbered(kept)
    fields = {name: getattr(receipt, name) for name in Receipt.__struct_fields__}
    return Reduced(**{**fields, "claims": kept, "chunk": chunk, "purged": went})


def place_of(receipt: Receipt) -> str:
    """How `purged.json` names a part."""
    return f"{receipt.unit}-{receipt.part}"


def _renumbered(claims: list[Claim]) -> list[Claim]:
    """The claims with the lines that they have in a rest: counted from 0 in their old order."""
    lines = sorted(claim.line for claim in claims if claim.line is not None)
    at = {line: number for number, line in enumerate(lines)}
    return [claim if claim.line is None else msgspec.structs.replace(claim, line=at[claim.line]) for claim in claims]


def purged_claims(receipt: Receipt) -> list[PurgedClaim]:
    """The claims of a part that were purged."""
    return receipt.purged if isinstance(receipt, Reduced) else []


def readable(parts: Iterator[Receipt | Unreadable]) -> Iterator[Receipt]:
    """The parts that parse; `verify` reports the others."""
    return (part for part in parts if isinstance(part, Receipt))


def put_receipt(storage: Storage, receipt: Receipt, known: set[str], part: int) -> Receipt | None:
    """Append *receipt* to its unit's log at *part* or later, without the asks that others claimed meanwhile.

    *known* are the asks of the parts before *part*; it grows by what this call reads and puts. Returns what was put,
    or None when others had claimed everything.
    """
    while True:
        claims = [claim for claim in receipt.claims if claim.ask not in known]
        if not claims:
            return None
        placed = msgspec.structs.replace(receipt, part=part, claims=claims)
        try:
            storage.put_new(receipt_key(receipt.entity, receipt.run, receipt.unit, part), encode(placed))
        except KeyTakenError:
            found = read_part(storage, receipt.entity, receipt.run, receipt.unit, part)
            if isinstance(found, Receipt):
                known.update(claim.ask for claim in found.claims)
            part += 1
        else:
            known.update(claim.ask for claim in claims)
            return placed
