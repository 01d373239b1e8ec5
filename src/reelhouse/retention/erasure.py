"""Purging: said first, believed by every reader from then on, and only then the bytes go.

Killed anywhere, what was said holds; the next purge erases what is left, and until then `verify` names it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import msgspec

from reelhouse.course.copies import copies_before, write_again
from reelhouse.course.layout import is_file
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import KeyTakenError, LakeError
from reelhouse.raw.checkpoint import drop_checkpoint
from reelhouse.raw.chunk import ChunkWriter, Envelope, read_answers
from reelhouse.raw.keys import chunk_place, renewed_key
from reelhouse.raw.ledger import drop_ledgers
from reelhouse.raw.plan import last_run
from reelhouse.raw.purges import PurgeNote, change_purged, purge_count, put_note
from reelhouse.raw.receipt import ChunkRef, Purge, Purged, Receipt, read_part, reduced
from reelhouse.retention.audit import ToErase, remaining, to_erase
from reelhouse.retention.selection import PurgePlan, PurgeSelection, RunPurge, plan_purge
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Step, Storage

# The step that changes nothing.
LOOKING = "looking"

# What an envelope tells of an answer, apart from its place and its body.
_FIELDS = ("key", "path", "status", "fetched_at", "id", "etag", "age", "reason")


class EntityPurge(msgspec.Struct, frozen=True):
    """What goes of one entity: the *runs* that lose answers, these *answers*, and the *chunks* that held them."""

    runs: int
    answers: int
    chunks: int


class PurgeCounts(msgspec.Struct, frozen=True):
    """What a purge took, or would take; *entities* has the counts of each entity that loses something.

    *chunks* and *exports* are objects that went (*rewritten* chunks were put again without what was purged), *bytes*
    theirs; *copies* are files of the course layout, which are written again without what was purged. *unknown* are ids
    that no answer in the lake is about. *abandoned* counts pending ids that open runs do not request any more.
    *problems* name what is not gone.
    """

    runs: int
    answers: int
    chunks: int
    rewritten: int
    exports: int
    copies: int
    bytes: int
    abandoned: int
    unknown: list[str]
    problems: list[str]
    entities: dict[str, EntityPurge]


def preview(
    storage: Storage, chosen: PurgeSelection, now: datetime, entities: Mapping[str, Entity] = ENTITIES
) -> PurgeCounts:
    """What `purge` would take; nothing is changed. Raises as `purge` does."""
    found = _checked_plan(storage, chosen, now, entities)
    before = to_erase(storage, entities)
    copies = copies_before(storage, purge_count(storage) + 1) if found.runs else before.copies
    going = _erasable(storage, ToErase(before.dead | found.going, before.orphans | set(found.orphans), copies), now)
    return _result(storage, found, going, found.problems)


def purge(
    storage: Storage,
    chosen: PurgeSelection,
    now: datetime,
    step: Step = lambda name: None,
    entities: Mapping[str, Entity] = ENTITIES,
) -> PurgeCounts:
    """Take what is *chosen*, and what earlier purges left; the caller holds the lake, and sees to its tables.

    Raises `LakeError` where a plan cannot be read, `ConfigError` where the clock cannot be right: then nothing is
    changed.
    """
    step(LOOKING)
    found = _checked_plan(storage, chosen, now, entities)
    problems = list(found.problems)
    if found.runs or found.orphans:
        problems += _say(storage, chosen, found, now, step)
    going = _erasable(storage, to_erase(storage, entities), now)
    if going:
        step("erasing")
    result = _result(storage, found, going, problems)
    for _ in prefetch(storage.delete_all_versions, going):
        pass
    step(LOOKING)
    dead, orphans, copies = to_erase(storage, entities)
    left = remaining(storage, dead | orphans | copies)
    problems += write_again(storage, entities.values())
    return msgspec.structs.replace(result, problems=[*problems, *(_still_there(key, key in orphans) for key in left)])


def _checked_plan(storage: Storage, chosen: PurgeSelection, now: datetime, entities: Mapping[str, Entity]) -> PurgePlan:
    found = plan_purge(storage, chosen, now, entities)
    if chosen.clock is not None:
        found.check_clock(chosen.clock)
    return found


def _say(storage: Storage, chosen: PurgeSelection, found: PurgePlan, now: datetime, step: Step) -> Iterator[str]:
    """Write down what goes; yields what cannot."""
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    runs: dict[str, list[int]] = {}
    for one in found.runs:
        runs.setdefault(one.plan.entity, []).append(one.plan.run)
    through = {entity: last_run(storage, entity) for entity in runs}
    # First, since by this ledgers and tables that know more than what is left count as none.
    put_note(storage, PurgeNote(at, chosen.words, runs, found.orphans))
    for one in found.runs:
        entity, run = one.plan.entity, one.plan.run
        step(f"{entity} run {run}")
        saying = _PurgedFile(storage, one, at, through[entity])
        change_purged(storage, entity, run, saying.with_this)
        yield from saying.problems
        drop_checkpoint(storage, entity, run)
    if found.runs:
        drop_ledgers(storage)


class _PurgedFile:
    """What `purged.json` of one run says after a purge."""

    def __init__(self, storage: Storage, one: RunPurge, at: str, through: int) -> None:
        self._storage = storage
        self._one = one
        self._at = at
        self._through = through
        self.problems: list[str] = []

    def with_this(self, before: Purged) -> Purged:
        """*before* with this purge; the chunks that hold what is left lie there by then."""
        self.problems = []
        parts = dict(self._one.parts)
        remaining_chunks = dict(before.remaining_chunks)
        replaced = list(before.replaced)
        for place, keys in self._one.parts.items():
            try:
                rest = self._rest(before, place, keys)
            except LakeError as exc:
                # What is to stay must not be lost over what is to go.
                self.problems.append(f"nothing of this part is purged, since what is left of it cannot be read: {exc}")
                del parts[place]
                continue
            if rest is not None:
                replaced += [remaining_chunks[place].key] if place in remaining_chunks else []
                remaining_chunks[place] = rest
        done = Purge(self._at, self._through, parts, self._one.listed, self._one.abandoned)
        return Purged(before.entity, before.run, [*before.purges, done], remaining_chunks, replaced)

    def _rest(self, before: Purged, place: str, keys: list[str] | None) -> ChunkRef | None:
        """The chunk of a part without the answers to *keys*, put; None where none is left or it stays as it is."""
        unit, part = map(int, place.split("-"))
        receipt = read_part(self._storage, before.entity, before.run, unit, part)
        if keys is None or not isinstance(receipt, Receipt):
            return None
        now = reduced(receipt, before)
        if now.chunk is None or self._storage.size(now.chunk.key) is None:
            # A chunk that was lost holds nothing to keep; `verify` names it.
            return None
        going = set(keys)
        kept = sorted((line, one.key) for one in now.outcomes if one.key not in going for line in one.span)
        if not kept or len(kept) == now.chunk.lines:
            return None
        lines = {answer.line: answer for answer in read_answers(self._storage, now)}
        missing = [key for line, key in kept if line not in lines]
        if missing:
            raise LakeError(f"{now.chunk.key} lacks the answer to {missing[0]}")
        assert receipt.chunk is not None
        token = hashlib.sha256("\n".join([receipt.chunk.key, *(key for _, key in kept)]).encode()).hexdigest()[:8]
        return _put_rest(self._storage, renewed_key(receipt.chunk.key, token), [lines[line] for line, _ in kept])


def _put_rest(storage: Storage, key: str, answers: list[Envelope]) -> ChunkRef:
    """The same answers as a chunk at *key*."""
    one = answers[0]
    writer = ChunkWriter(key, one.run, one.entity, one.params)
    for answer in answers:
        fields = {name: getattr(answer, name) for name in _FIELDS}
        writer.add(answer.bytes, parses=answer.base64 is None, **fields)
    reference, body = writer.close()
    try:
        storage.put_new(key, body)
    except KeyTakenError:
        # The same rest, from a purge that was killed before it could name it.
        if storage.get(key) != body:
            storage.put(key, body)
    return reference


def _still_there(key: str, orphan: bool) -> str:
    if orphan:
        return f"{key} is still there: no receipt names it, but one may yet until it is a day old; purge again then"
    return f"{key} is still there though it was erased: purge again"


def _erasable(storage: Storage, keys: ToErase, now: datetime) -> list[str]:
    """Those of *keys* that are there and may go."""
    yesterday = (now - timedelta(days=1)).date()
    young = {key for key in keys.orphans if (place := chunk_place(key)) is not None and place.day >= yesterday}
    return remaining(storage, (keys.dead | keys.orphans | keys.copies) - young)


def _result(storage: Storage, found: PurgePlan, going: list[str], problems: list[str]) -> PurgeCounts:
    chunks = Counter(place.entity for key in going if (place := chunk_place(key)) is not None)
    runs = Counter(one.plan.entity for one in found.runs)
    copies = sum(is_file(key) for key in going)
    return PurgeCounts(
        runs=len(found.runs),
        answers=found.answers.total(),
        chunks=chunks.total(),
        rewritten=found.rewritten,
        exports=len(going) - chunks.total() - copies,
        copies=copies,
        bytes=sum(size or 0 for size in prefetch(storage.size, going)),
        abandoned=sum(len(one.abandoned) for one in found.runs),
        unknown=sorted(found.unknown),
        problems=problems,
        entities={name: EntityPurge(runs[name], found.answers[name], chunks[name]) for name in sorted(runs | chunks)},
    )
