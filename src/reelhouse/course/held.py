"""What a file of the course still holds of the answers that its receipt claims. It names no ids: its records do."""

from __future__ import annotations

import msgspec

from reelhouse.errors import LakeError
from reelhouse.raw.course import legible_records, read_records
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.receipt import ChunkRef, Outcome, Receipt
from reelhouse.storage.protocol import Storage


class _Ids(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"null")


def held_in_course(storage: Storage, receipt: Receipt, chunk: ChunkRef) -> tuple[dict[int, str], str | None]:
    """Whose answer each record is, as far as it can be read, and what is wrong with the file."""
    problem = None
    try:
        records = read_records(chunk.key, get_named(storage, chunk.key, chunk.sha256, "a receipt"))
    except LakeError as exc:
        problem = str(exc)
        records = legible_records(storage.get(chunk.key)) if storage.size(chunk.key) is not None else []
    if len(records) != chunk.lines:
        problem = problem or f"{chunk.key} has {len(records)} records, its receipt says {chunk.lines}"
    held = {
        outcome.line: outcome.key
        for outcome in receipt.outcomes
        if outcome.line is not None and outcome.line < len(records) and _speaks_of(records[outcome.line], outcome)
    }
    return held, problem


def _speaks_of(record: bytes, outcome: Outcome) -> bool:
    try:
        found = bytes(msgspec.json.decode(record, type=_Ids).id).strip(b'"')
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return found.isdigit() and int(found) == outcome.id
