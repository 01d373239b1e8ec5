"""Receipts: the log that says which answers exist. A line of a chunk that no receipt claims does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.raw.layout import FORMAT, receipt_key
from reelhouse.raw.plan import Plan, Reason
from reelhouse.raw.reading import decode, encode
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
    """`runs/<seq>/receipts/<unit>-<part>.json`.

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


class Unreadable(msgspec.Struct, frozen=True):
    """A part that is there and does not parse. It names nothing; it is reported."""

    key: str
    why: str


def read_parts(storage: Storage, run: int, unit: int, start: int = 0) -> Iterator[Receipt | Unreadable]:
    """The parts of one unit from *start* on, found by probing."""
    part = start
    while (found := read_part(storage, run, unit, part)) is not None:
        yield found
        part += 1


def read_part(storage: Storage, run: int, unit: int, part: int) -> Receipt | Unreadable | None:
    """One part, None where there is none."""
    key = receipt_key(run, unit, part)
    try:
        receipt = decode(key, storage.get(key), Receipt)
    except MissingKeyError:
        return None
    except LakeError as exc:
        return Unreadable(key, str(exc))
    if (receipt.run, receipt.unit, receipt.part) != (run, unit, part):
        return Unreadable(key, f"{key} speaks for another place: {receipt.run}, {receipt.unit}, {receipt.part}")
    return receipt


def read_receipts(storage: Storage, plan: Plan) -> Iterator[Receipt | Unreadable]:
    """All parts of all units of a run, in order."""
    for unit in range(plan.units):
        yield from read_parts(storage, plan.run, unit)


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
            storage.put_new(receipt_key(receipt.run, receipt.unit, part), encode(placed))
        except KeyTakenError:
            found = read_part(storage, receipt.run, receipt.unit, part)
            if isinstance(found, Receipt):
                known.update(claim.ask for claim in found.claims)
            part += 1
        else:
            known.update(claim.ask for claim in claims)
            return placed
