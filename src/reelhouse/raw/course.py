"""The course's layout: landed answers alone, in plain JSON arrays that anybody reads; what is known of them stands in
their receipts. A record's index in the array is the *line* that its claim names."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from reelhouse.errors import LakeError
from reelhouse.raw.chunk import Envelope, fits_a_line, read_chunk
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.keys import COURSE, is_course
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import ChunkRef, Receipt, Unreadable, read_receipts
from reelhouse.storage.protocol import Storage

# What the course allows in one file.
MOST_RECORDS = 100
MOST_BYTES = 10_000_000

_HEAD, _BETWEEN, _TAIL = b"[\n", b",\n", b"\n]\n"


class CourseWriter:
    """An open file of the course: an array with each body as it came, on a line of its own."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._bodies: list[bytes] = []
        self._size = len(_HEAD) + len(_TAIL) - len(_BETWEEN)

    @property
    def lines(self) -> int:
        return len(self._bodies)

    @property
    def size(self) -> int:
        """Bytes at rest, were it closed now."""
        return self._size

    def fits(self, body: bytes) -> bool:
        """Whether *body* may join what is there; one that is larger than a file may be is alone in its own."""
        if not self._bodies:
            return True
        return self.lines < MOST_RECORDS and self._size + len(_BETWEEN) + len(body) <= MOST_BYTES

    def add(self, body: bytes, **known: object) -> int:
        """Append one answer and return its index; what is *known* of it is for its receipt to tell."""
        self._bodies.append(body)
        self._size += len(_BETWEEN) + len(body)
        return self.lines - 1

    def close(self) -> tuple[ChunkRef, bytes]:
        """The whole file and what a receipt says of it. Nothing can be added afterwards."""
        body = _HEAD + _BETWEEN.join(self._bodies) + _TAIL
        lines = self.lines
        self._bodies.clear()
        return ChunkRef(self.key, len(body), hashlib.sha256(body).hexdigest(), lines), body


def read_records(key: str, body: bytes) -> list[bytes]:
    """The bodies in a file that `CourseWriter` made, byte for byte; `LakeError` where it is none."""
    try:
        found = msgspec.json.decode(body, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise LakeError(f"{key} is no array of records: {exc}") from exc
    if not found or not body.startswith(_HEAD) or not body.endswith(_TAIL):
        raise LakeError(f"{key} is no file that reelhouse wrote: another form")
    records: list[bytes] = []
    start = len(_HEAD)
    for record in found[:-1]:
        # A body may hold line ends and begin or end with blanks, so neither lines nor values alone tell where it ends.
        raw = bytes(record)
        end = body.index(b",", body.index(raw, start) + len(raw))
        records.append(body[start:end])
        if not body.startswith(_BETWEEN, end):
            raise LakeError(f"{key} is no file that reelhouse wrote: record {len(records)} follows on the same line")
        start = end + len(_BETWEEN)
    return [*records, body[start : -len(_TAIL)]]


def legible_records(body: bytes) -> list[bytes]:
    """What can still be read of a damaged file, line by line; empty where a line is no object."""
    lines = [line.removesuffix(b",") for line in body.removeprefix(_HEAD).removesuffix(_TAIL).split(b"\n")]
    return [line if _is_object(line) else b"" for line in lines]


def _is_object(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def read_answers(storage: Storage, receipt: Receipt) -> Iterator[Envelope]:
    """The answers that lie in a receipt's chunk, in whichever layout; `LakeError` where it is not what was put."""
    if receipt.chunk is None:
        return iter(())
    if is_course(receipt.chunk.key):
        key = receipt.chunk.key
        return _enveloped(receipt, read_records(key, get_named(storage, key, receipt.chunk.sha256, "a receipt")))
    return read_chunk(storage, receipt.chunk)


def _enveloped(receipt: Receipt, records: list[bytes]) -> Iterator[Envelope]:
    """The records that the receipt claims. Parameters stand in the plan; `Age` was not kept."""
    assert receipt.chunk is not None
    for outcome in receipt.outcomes:
        if outcome.line is None:
            continue
        if outcome.line >= len(records):
            raise LakeError(f"{receipt.chunk.key} has {len(records)} records, its receipt claims record {outcome.line}")
        body = records[outcome.line]
        # Never an empty body: encoded, that would be no JSON.
        lying: Any = {"body": msgspec.Raw(body)} if fits_a_line(body) else {"base64": base64.b64encode(body).decode()}
        yield Envelope(
            chunk=receipt.chunk.key,
            run=receipt.run,
            entity=receipt.entity,
            params="",
            line=outcome.line,
            key=outcome.key,
            path=f"/{receipt.entity}/{outcome.key}",
            status=200,
            fetched_at=outcome.fetched_at,
            sha256=hashlib.sha256(body).hexdigest(),
            id=outcome.id,
            etag=outcome.etag,
            **lying,
        )


def drop_unclaimed(storage: Storage, plan: Plan) -> int:
    """Remove the files of a reconciled run that no receipt names, and say how many there were.

    Nobody reads them here, but whoever reads the folder would count their records twice. Each ask of a reconciled run
    is claimed, so what a straggling worker has put can be claimed no more. The caller holds the lake: a purge puts
    files before it names them.
    """
    claimed: set[str] = set()
    for part in read_receipts(storage, plan):
        if isinstance(part, Unreadable):
            # It may name any of them.
            return 0
        if part.chunk is not None:
            claimed.add(part.chunk.key)
    start = f"{plan.run:06d}-"
    ours = (key for key in storage.keys(COURSE) if is_course(key) and key.rpartition("/")[2].startswith(start))
    unclaimed = [key for key in ours if key not in claimed]
    for key in unclaimed:
        storage.delete(key)
    return len(unclaimed)
