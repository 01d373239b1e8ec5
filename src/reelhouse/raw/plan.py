"""Plans: what a run asks, decided once. The ids lie in an object of their own, what changed first, what is new last."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

import msgspec

from reelhouse.errors import LakeError
from reelhouse.ids import key_id
from reelhouse.raw.json_objects import encode, get_named, read_object
from reelhouse.raw.keys import FORMAT, ids_key, plan_key
from reelhouse.storage.protocol import Storage


class Cause(StrEnum):
    """Why an id is asked."""

    NEW = "new"
    CHANGED = "changed"
    VANISHED = "vanished"
    STALE = "stale"
    SETTINGS = "settings"
    RETRY = "retry"
    LISTED = "listed"


class Request(NamedTuple):
    """One line of a plan: *key* is a TMDB id, one of another service or the path of what has no ids."""

    key: str
    cause: Cause

    @property
    def id(self) -> int | None:
        """The id that the key holds; None for one of another service."""
        return key_id(self.key)


class Unit(NamedTuple):
    """Questions [1000n, 1000n+1000) of a plan."""

    number: int
    requests: list[Request]


class IdsObject(msgspec.Struct, frozen=True):
    """Where a plan's ids lie: gzip, one `key cause` a line."""

    key: str
    sha256: str
    count: int


class ExportRef(msgspec.Struct, frozen=True):
    """The export that a plan is based on, as it was landed."""

    key: str
    sha256: str
    day: str
    rows: int
    etag: str | None = None


class RequestProfile(msgspec.Struct, frozen=True):
    """The settings that decide what an answer holds; a change of these asks everything again."""

    language: str
    append: tuple[str, ...]
    region: str = ""
    record_filter: str = ""

    @property
    def params(self) -> dict[str, str]:
        """The query with which every record is asked."""
        given = {"language": self.language, "region": self.region, "append_to_response": ",".join(self.append)}
        return {name: value for name, value in given.items() if value}

    @property
    def fingerprint(self) -> str:
        """The same for the same settings, whatever the order of the appends."""
        parts = (self.language, ",".join(sorted(self.append)), self.region, self.record_filter)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class Selection(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which ids a run is about. *source* is `export`, `discover`, `column`, `single`, `pages` or `list`.

    With *adult_export*, TMDB's export of adult ones is listed too.
    """

    source: str = "export"
    top: int | None = None
    min_popularity: float | None = None
    include_adult: bool = True
    include_video: bool = True
    adult_export: bool = False
    discover: dict[str, str] = {}


class Counts(msgspec.Struct, frozen=True):
    """The first equation: listed + not_in_listing = sum(excluded) + up_to_date + sum(requested).

    *listed* are the distinct ids of the listing, *not_in_listing* those requested though the listing lacks them
    (vanished, stale, retry), *excluded* those filtered before requesting, by filter, *up_to_date* those known and in no
    need of a request, *requested* the others, by cause.
    """

    listed: int
    not_in_listing: int
    excluded: dict[str, int]
    up_to_date: int
    requested: dict[str, int]

    @property
    def balanced(self) -> bool:
        return self.listed + self.not_in_listing == sum(self.excluded.values()) + self.up_to_date + sum(
            self.requested.values()
        )


class SetAside(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run cannot request: *count* keys of the inbox message *key* that are not ids, or all of them.

    *shown* are the first of those keys. A message of which nothing is understood stays in the inbox.
    """

    key: str
    reason: str
    count: int = 0
    shown: list[str] = []


class Plan(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/plan.json`.

    *listed_at* is when the newest run up to this one was planned that is about more than a list; empty for none yet.
    *set_aside* is what of the inbox this run cannot ask.
    """

    run: int
    entity: str
    planned_at: str
    ids: IdsObject
    unit_size: int
    request_profile: RequestProfile
    selection: Selection
    counts: Counts
    export: ExportRef | None = None
    adult_export: ExportRef | None = None
    listing: IdsObject | None = None
    changes_read_to: str | None = None
    listed_at: str = ""
    inbox: list[str] = []
    set_aside: list[SetAside] = []
    written_by: str = ""
    format: int = FORMAT

    @property
    def name(self) -> str:
        """What a person calls the run."""
        return f"{self.entity} run {self.run}"

    @property
    def exports(self) -> list[ExportRef]:
        """The exports that are listed, as they are read: one, or none, and that of adult ones."""
        return [one for one in (self.export, self.adult_export) if one is not None]

    @property
    def sha256(self) -> str:
        """The hash of all that the plan says."""
        return hashlib.sha256(encode(self)).hexdigest()

    @property
    def units(self) -> int:
        return -(-self.ids.count // self.unit_size)


def pack_ids(lines: Iterable[str]) -> tuple[bytes, int]:
    """Gzip the lines, the same bytes for the same lines; returns the bytes and how many lines there were."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    parts: list[bytes] = []
    batch: list[str] = []
    count = 0
    for line in lines:
        batch.append(line)
        count += 1
        if len(batch) == 10_000:
            parts.append(packer.compress(("\n".join(batch) + "\n").encode()))
            batch.clear()
    if batch:
        parts.append(packer.compress(("\n".join(batch) + "\n").encode()))
    parts.append(packer.flush())
    return b"".join(parts), count


def put_ids(storage: Storage, entity: str, run: int, lines: Iterable[str]) -> IdsObject:
    """Put the lines where a plan of an *entity*'s *run* may name them."""
    body, count = pack_ids(lines)
    sha256 = hashlib.sha256(body).hexdigest()
    key = ids_key(entity, run, sha256)
    storage.put(key, body)
    return IdsObject(key, sha256, count)


def put_plan(storage: Storage, plan: Plan) -> None:
    """Make *plan* the plan of its run, or raise `KeyTakenError`: somebody else's holds."""
    if not plan.counts.balanced:
        raise LakeError(f"plan of {plan.name} does not add up: {plan.counts}")
    storage.put_new(plan_key(plan.entity, plan.run), encode(plan))


def read_plan(storage: Storage, entity: str, run: int) -> Plan | None:
    """The plan of an *entity*'s *run*, None where there is none; `LakeError` where it cannot be read."""
    key = plan_key(entity, run)
    found = read_object(storage, key, Plan)
    if found is not None and (found.entity, found.run) != (entity, run):
        raise LakeError(f"{key} speaks for another run: {found.entity} {found.run}")
    return found


def plan_of(storage: Storage, entity: str, run: int, otherwise: str) -> Plan:
    """The plan of a *run* that has one; `LakeError` where it is gone, with *otherwise* after it."""
    plan = read_plan(storage, entity, run)
    if plan is None:
        raise LakeError(f"the plan of {entity} run {run} is gone, {otherwise}")
    return plan


def last_run(storage: Storage, entity: str) -> int:
    """The highest run of *entity* that has a plan, 0 where there is none; some 2·log2(n) look-ups, no listing."""
    return _gallop(lambda run: storage.size(plan_key(entity, run)) is not None)


def _gallop(there: Callable[[int], bool]) -> int:
    high = 1
    while there(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if there(middle) else (low, middle)
    return low


def read_lines(storage: Storage, ids: IdsObject) -> Iterator[str]:
    """The lines of an ids object, little by little; `LakeError` where it is not what the plan named."""
    yield from unpack_lines(get_named(storage, ids.key, ids.sha256, "a plan"))


def unpack_lines(body: bytes) -> Iterator[str]:
    """The lines of gzip bytes; memory does not grow with their number."""
    unpacker = zlib.decompressobj(31)
    rest = b""
    for start in range(0, len(body), 1 << 16):
        *lines, rest = (rest + unpacker.decompress(body[start : start + (1 << 16)])).split(b"\n")
        for line in lines:
            yield line.decode()
    if rest:
        yield rest.decode()


def read_units(storage: Storage, plan: Plan, first: int = 0) -> Iterator[Unit]:
    """The units of a plan in order, from number *first* on."""
    lines = islice(read_lines(storage, plan.ids), first * plan.unit_size, None)
    requests: list[Request] = []
    number = first
    for line in lines:
        requests.append(_request(line, plan.ids.key))
        if len(requests) == plan.unit_size:
            yield Unit(number, requests)
            requests = []
            number += 1
    if requests:
        yield Unit(number, requests)


def _request(line: str, named_by: str) -> Request:
    key, _, cause = line.partition(" ")
    try:
        return Request(key, Cause(cause))
    except ValueError:
        raise LakeError(f"{named_by} holds {line[:60]!r}, which is not an id with a reason to ask it") from None


def listed_at(plan: Plan | None) -> str:
    """When the newest run up to *plan*'s was planned that is about more than a list; empty for none yet."""
    if plan is None:
        return ""
    return plan.planned_at if plan.selection.source != "list" else plan.listed_at
