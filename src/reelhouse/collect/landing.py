"""Landing: answers go into chunks, chunks into the lake, and only then a receipt says that they exist.

What waited in the spool lands the same way, as if it had just been answered.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from reelhouse.collect.spool import RunSpool, Spool, SpoolEntry
from reelhouse.collect.validation import Validated
from reelhouse.errors import ConfigError, DeletedRunError, KeyTakenError, LakeError, ReelhouseError, StorageError
from reelhouse.raw.chunk import ChunkWriter
from reelhouse.raw.keys import chunk_key, plan_key, receipt_key
from reelhouse.raw.plan import Plan, Request, read_plan
from reelhouse.raw.receipt import Outcome, Receipt, State, put_receipt, read_parts, read_purged
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import Answer

# Open and landing together: this is what a kill may cost, and what bounds memory.
MOST_CHUNKS = 2


class ChunkLimits(NamedTuple):
    """When a chunk is closed: at so many answers, bytes at rest or seconds, whichever comes first."""

    answers: int = 1000
    size: int = 8 << 20
    seconds: float = 15.0


class OpenUnit:
    """One unit being asked: what its receipts claim so far, and how many requests are still out."""

    def __init__(self, number: int, known: set[str], part: int) -> None:
        self.number = number
        self.known = known
        self.part = part
        self.outstanding = 0
        self.guard = asyncio.Lock()


def open_unit(storage: Storage, plan: Plan, number: int) -> OpenUnit:
    """What the receipts of a unit claim; everything else of it is pending."""
    known: set[str] = set()
    part = 0
    for receipt in read_parts(storage, plan.entity, plan.run, number):
        part += 1
        if isinstance(receipt, Receipt):
            known.update(outcome.key for outcome in receipt.outcomes)
    return OpenUnit(number, known, part)


def put_chunk(storage: Storage, key: str, body: bytes) -> None:
    """Put a chunk under its own key; one that lies there already must be the same, from an attempt that seemed lost."""
    try:
        storage.put_new(key, body)
    except KeyTakenError:
        if storage.get(key) != body:
            raise LakeError(f"{key} is there already and is another chunk") from None


class _OpenChunk:
    def __init__(self, unit: OpenUnit, writer: ChunkWriter, until: float) -> None:
        self.unit = unit
        self.writer = writer
        self.until = until
        self.outcomes: list[Outcome] = []
        self.drift: Counter[str] = Counter()
        self.requests = 0


class ChunkSink:
    """Takes outcomes of one run and lands them.

    Once the lake fails it is not tried again: what is open, and whatever else is added, goes to the spool, and `finish`
    says so. Any other error surfaces at the next call. *copy* gets each receipt once it is in the lake, in the thread
    that put it; it must not fail.
    """

    def __init__(
        self,
        storage: Storage,
        plan: Plan,
        path: str,
        params: str,
        limits: ChunkLimits,
        landed: Callable[[Receipt], None] = lambda receipt: None,
        requests: Callable[[], int] = lambda: 0,
        spooling: RunSpool | None = None,
        copy: Callable[[Receipt], None] = lambda receipt: None,
    ) -> None:
        self._storage = storage
        self._plan = plan
        self._path = path
        self._params = params
        self._limits = limits
        self._landed = landed
        self._requests = requests
        self._requests_before = requests()
        self._spooling = spooling or RunSpool(None, storage.url, plan, lambda reason: None)
        self._slots = asyncio.Semaphore(MOST_CHUNKS)
        self._copy = copy
        self._open: dict[int, _OpenChunk] = {}
        self._opening = asyncio.Lock()
        self._landing: set[asyncio.Task[None]] = set()
        self._error: BaseException | None = None

    async def add(self, unit: OpenUnit, request: Request, validated: Validated) -> None:
        """Put one outcome into its unit's chunk, and land the chunk if that fills it or ends the unit."""
        self._check()
        chunk = await self._chunk_for(unit, validated)
        self._write(chunk, request, validated)
        unit.outstanding -= 1
        full = len(chunk.outcomes) >= self._limits.answers or chunk.writer.size >= self._limits.size
        if full or not unit.outstanding:
            self._close(chunk)

    def release(self, unit: OpenUnit) -> None:
        """A request of *unit* stays pending; land what the unit has if it was the last one out."""
        unit.outstanding -= 1
        if not unit.outstanding and (chunk := self._open.get(unit.number)) is not None:
            self._close(chunk)

    async def tick(self) -> None:
        """Land chunks that have been open for long enough, for ever, until cancelled."""
        while True:
            await asyncio.sleep(min(0.25, self._limits.seconds / 2))
            now = time.monotonic()
            for chunk in [chunk for chunk in self._open.values() if chunk.until <= now]:
                self._close(chunk)

    async def finish(self) -> None:
        """Land or spool everything that is open, and raise what went wrong on the way."""
        for chunk in list(self._open.values()):
            self._close(chunk)
        while self._landing:
            await asyncio.wait(self._landing)
        self._check()
        self._spooling.check()

    async def _chunk_for(self, unit: OpenUnit, validated: Validated) -> _OpenChunk:
        """The open chunk that takes *validated*."""
        if (chunk := self._open.get(unit.number)) is not None:
            return chunk
        async with self._opening:
            # Another answer of the unit may have opened it while this one waited.
            if (chunk := self._open.get(unit.number)) is not None:
                return chunk
            if self._slots.locked() and self._open and not self._landing:
                # All slots are open chunks of earlier units, kept waiting by stragglers: land the oldest.
                self._close(next(iter(self._open.values())))
            await self._slots.acquire()
            if self._error is not None:
                # The next one in line must learn of it too, instead of waiting for a slot that is never freed.
                self._slots.release()
            self._check()
            day = date.fromisoformat(
                validated.answer.fetched_at[:10] if validated.answer else self._plan.planned_at[:10]
            )
            key = chunk_key(self._plan.entity, day, self._plan.run, unit.number, secrets.token_hex(4))
            writer = ChunkWriter(key, self._plan.run, self._plan.entity, self._params)
            chunk = _OpenChunk(unit, writer, time.monotonic() + self._limits.seconds)
            self._open[unit.number] = chunk
            return chunk

    def _write(self, chunk: _OpenChunk, request: Request, validated: Validated) -> None:
        answer = validated.answer
        line = None
        if answer is not None and validated.state is not State.FILTERED:
            path = validated.path or self._path.replace("{id}", request.key)
            line = self._add(chunk, path, answer, request, validated)
            for further in validated.further:
                parts = f"{path}?append_to_response={','.join(further.appended)}"
                self._add(chunk, parts, further.answer, request, validated)
        chunk.drift.update(validated.drift)
        chunk.outcomes.append(
            Outcome(
                key=request.key,
                state=validated.state,
                cause=request.cause,
                fetched_at=answer.fetched_at if answer else self._plan.planned_at,
                id=validated.id,
                line=line,
                lines=1 + len(validated.further),
                etag=answer.etag if answer else None,
                reason=validated.reason,
            )
        )

    def _add(self, chunk: _OpenChunk, path: str, answer: Answer, request: Request, validated: Validated) -> int:
        return chunk.writer.add(
            answer.body,
            parses=validated.parses,
            key=request.key,
            path=path,
            status=answer.status,
            fetched_at=answer.fetched_at,
            id=validated.id,
            etag=answer.etag,
            age=answer.age,
            reason=validated.reason,
        )

    def _close(self, chunk: _OpenChunk) -> None:
        del self._open[chunk.unit.number]
        now = self._requests()
        chunk.requests, self._requests_before = now - self._requests_before, now
        task = asyncio.create_task(self._land(chunk))
        self._landing.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._landing.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error

    async def _land(self, chunk: _OpenChunk) -> None:
        unit = chunk.unit
        async with unit.guard:
            receipt = await asyncio.to_thread(self._put, chunk)
        if receipt is not None:
            unit.part = receipt.part + 1
            self._landed(receipt)

    def _put(self, chunk: _OpenChunk) -> Receipt | None:
        """What a chunk's receipt says once it lies there; None where others had all of it, or it was spooled."""
        reference, body = chunk.writer.close() if chunk.writer.lines else (None, b"")
        receipt = Receipt(
            run=self._plan.run,
            unit=chunk.unit.number,
            part=chunk.unit.part,
            entity=self._plan.entity,
            outcomes=chunk.outcomes,
            chunk=reference,
            drift=dict(chunk.drift),
            requests=chunk.requests,
        )
        if not self._spooling.failed:
            self._check_run(chunk.unit)
            try:
                # Chunk first, receipt second: between the two the answers do not exist, and are asked again.
                if reference is not None:
                    put_chunk(self._storage, reference.key, body)
                placed = put_receipt(self._storage, receipt, chunk.unit.known, chunk.unit.part)
            except ReelhouseError as exc:
                self._spooling.fail(exc)
            else:
                if placed is not None:
                    self._copy(placed)
                return placed
        self._spooling.keep(receipt, body)
        return None

    def _check_run(self, unit: OpenUnit) -> None:
        """Raise `DeletedRunError` if the run was deleted meanwhile: what landed now could belong to no run."""
        plan = self._plan
        before = receipt_key(plan.entity, plan.run, unit.number, unit.part - 1)
        try:
            gone = self._storage.size(before if unit.part else plan_key(plan.entity, plan.run)) is None
        except StorageError:
            # Writing fails too, and then the answers are spooled.
            gone = False
        if gone:
            raise DeletedRunError(
                f"{plan.name} was deleted from the lake while it was collected: nothing more is written"
            )

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


class ReplayResult(NamedTuple):
    """How many *answers* were brought in, and a line for each entry that was *left* in the spool."""

    answers: int
    left: list[str]


def replay(storage: Storage, spool: Spool, stopped: Callable[[], bool] = lambda: False) -> ReplayResult:
    """Bring in what waits for this lake, until *stopped*.

    An entry goes only after its receipt lies in the lake, so whatever ends this early, it may be done again. One that
    is damaged, or of a run that this lake does not know, stays where it is. Raises where the lake fails.
    """
    answers = 0
    left: list[str] = []
    try:
        names = spool.waiting()
    except StorageError as exc:
        return ReplayResult(0, [f"what waits in {spool.folder} cannot be read: {exc}"])
    for name in names:
        if stopped():
            break
        try:
            entry, body = spool.read(name)
            answers += _bring_in(storage, spool, entry, body)
            spool.remove(name)
        except LakeError as exc:
            left.append(f"{spool.folder / name} stays there, nothing of it was brought in: {exc}")
    return ReplayResult(answers, left)


def _bring_in(storage: Storage, spool: Spool, entry: SpoolEntry, body: bytes) -> int:
    """Land one entry without what somebody landed meanwhile; returns how many answers are claimed by it now."""
    try:
        return _land(storage, entry, body)
    except (StorageError, ConfigError) as exc:
        kind = ConfigError if isinstance(exc, ConfigError) else StorageError
        raise kind(f"{exc}; what waits in {spool.folder} is still there") from exc


def _land(storage: Storage, entry: SpoolEntry, body: bytes) -> int:
    receipt = entry.receipt
    plan = read_plan(storage, receipt.entity, receipt.run)
    if plan is None or not entry.is_of(plan):
        raise LakeError(f"it is of another {receipt.entity} run {receipt.run} than {storage.url} holds")
    if read_reconciliation(storage, receipt.entity, receipt.run) is not None:
        return 0
    if read_purged(storage, receipt.entity, receipt.run).abandoned({outcome.key for outcome in receipt.outcomes}):
        # Purged while it waited here, be it by another machine. What else the chunk holds is requested again.
        return 0
    unit = open_unit(storage, plan, receipt.unit)
    if all(outcome.key in unit.known for outcome in receipt.outcomes):
        return 0
    if receipt.chunk is not None:
        put_chunk(storage, receipt.chunk.key, body)
    placed = put_receipt(storage, receipt, unit.known, unit.part)
    return 0 if placed is None else len(placed.outcomes)
