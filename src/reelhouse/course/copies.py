"""Copies of landed answers as people read them: JSON arrays in a folder per day, made from receipts.

    Raw/TMDB/JSON/<yyyy>/<mm>/<dd>/movies_0001.json

While a run is open, the answers of each new receipt are appended. When it ends, each day is made whole: an id has one
record, its newest answer of the day; an id that is gone or filtered by then has none; `_SUCCESS` is put last.

Without a level for the kind above the date, entities share a day and its `_SUCCESS`: it is there once all are whole.

`_reelhouse/course/<entity>.json` says which receipts are in the files. A file is not changed after the state that
counts it was put, so that after a kill the files beyond it are written again from the receipts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

import msgspec

from reelhouse.course.layout import COPIES, SUCCESS, as_array, file_key, file_number, folder_of, is_file, pack
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError, ReelhouseError, StorageError
from reelhouse.raw.chunk import read_chunk, whole_record
from reelhouse.raw.json_objects import decode, encode, read_object
from reelhouse.raw.keys import FORMAT, chunk_place
from reelhouse.raw.plan import Plan, last_run, plan_of
from reelhouse.raw.purges import purge_count
from reelhouse.raw.receipt import Outcome, Receipt, State, Unreadable, read_parts, read_purged, read_receipts, readable
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import HOUSE, Storage

# Receipts between two puts of the state: what a kill makes the next start copy again.
_SAVED_EVERY = 32
# Files in memory at once, of 10 MB at most.
_AT_ONCE = 4
_UNCOPIED = "so its answers cannot be copied"
_STATES = f"{HOUSE}course/"


class CopiedDay(msgspec.Struct):
    """A folder: its files are numbered from *first*, the others in it are other people's.

    *runs* have answers of this day; *whole* tells that all of these runs have ended and nothing is missing.
    """

    first: int
    files: int = 0
    records: int = 0
    bytes: int = 0
    runs: list[int] = []
    complete: bool = False


class CopyState(msgspec.Struct):
    """`_reelhouse/course/<entity>.json`: the runs to *through* are copied, and *open* parts a unit of the next one.

    It counts as empty after a purge, since all copies are erased then.
    """

    kinds: bool
    purges: int = 0
    through: int = 0
    open: dict[str, int] = {}
    days: dict[str, CopiedDay] = {}
    format: int = FORMAT


class AnswerCopies:
    """The copies of an *entity*'s answers; with *kinds* a level for the entity is above the date.

    Nothing is written while the lake is not *held*. The first error is kept as *failure*, and nothing is copied after
    it: the next start goes on from the last state.
    *lacking* names chunks whose answers are not copied, because they are not what receipts name.
    """

    def __init__(
        self, storage: Storage, entity: Entity, *, kinds: bool, held: Callable[[], bool] = lambda: True
    ) -> None:
        self._storage = storage
        self._entity = entity
        self._kinds = kinds
        self._held = held
        self._guard = threading.Lock()
        self._state = CopyState(kinds)
        # The records of the last file, which takes more until the state is put.
        self._last: tuple[str, list[bytes]] = ("", [])
        self._taken = 0
        self.failure: ReelhouseError | None = None
        self.lacking: dict[str, None] = {}

    def start(self, run: int, stopped: Callable[[], bool]) -> None:
        """Copy what receipts of *run* and of the runs before it name, as far as it is not copied, until *stopped*."""

        def work() -> None:
            self._state = self._opened()
            self._catch_up(run, stopped)

        self._keeping_failure(work)

    def take(self, receipt: Receipt) -> None:
        """Copy what just landed. Where an earlier part of the unit is not copied yet, `finish` copies both."""
        is_next = receipt.part == self._state.open.get(str(receipt.unit), 0)
        if is_next and receipt.run == self._state.through + 1:
            self._keeping_failure(lambda: self._take(receipt.unit, receipt.part, receipt))

    def leave(self) -> None:
        """Put the state of a run that stays open."""
        self._keeping_failure(self._save)

    def finish(self, run: int) -> None:
        """Copy what is left of *run* and the runs before it, and make the days whole whose runs have all ended."""

        def work() -> None:
            self._catch_up(run, lambda: False)
            for folder, day in sorted(self._state.days.items()):
                if not day.complete and max(day.runs) <= self._state.through:
                    self._make_whole(folder, day)
            self._save()

        self._keeping_failure(work)

    def check(self) -> None:
        """Raise what the copies lack; the answers themselves have landed."""
        if self.failure is not None:
            raise StorageError(
                f"the answers have landed, their copies under {COPIES} are not complete: {self.failure}; the next run "
                f"with layout = 'course' completes them. If it cannot, {_remedy(self._entity)}"
            ) from self.failure
        if self.lacking:
            raise LakeError(f"the copies under {COPIES} lack answers: {'; '.join(self.lacking)}")

    def _keeping_failure(self, work: Callable[[], None]) -> None:
        with self._guard:
            try:
                if self.failure is None and self._held():
                    work()
            except ReelhouseError as exc:
                self.failure = exc

    def _opened(self) -> CopyState:
        found = read_state(self._storage, self._entity) or CopyState(self._kinds)
        purges = purge_count(self._storage)
        if found.purges != purges:
            for folder in found.days:
                if not any(day.complete for day in self._others(folder, purges)):
                    self._storage.delete(folder + SUCCESS)
            found = CopyState(self._kinds, purges)
        return msgspec.structs.replace(found, kinds=self._kinds)

    def _save(self) -> None:
        self._storage.put(state_key(self._entity), encode(self._state))
        self._last = ("", [])

    def _catch_up(self, through: int, stopped: Callable[[], bool]) -> None:
        for run in range(self._state.through + 1, through + 1):
            plan = plan_of(self._storage, self._entity.name, run, _UNCOPIED)
            # Asked before its parts are, so that none is missed.
            ended = read_reconciliation(self._storage, self._entity.name, run) is not None
            for unit, part, receipt in self._uncopied(plan):
                if stopped():
                    return
                self._take(unit, part, receipt)
            if not ended:
                return
            self._state.through, self._state.open = run, {}

    def _uncopied(self, plan: Plan) -> Iterator[tuple[int, int, Receipt | Unreadable]]:
        purged = read_purged(self._storage, plan.entity, plan.run)
        copied = dict(self._state.open)

        def read(unit: int) -> list[tuple[int, int, Receipt | Unreadable]]:
            start = copied.get(str(unit), 0)
            found = read_parts(self._storage, plan.entity, plan.run, unit, start, purged)
            return [(unit, part, receipt) for part, receipt in enumerate(found, start)]

        for parts in prefetch(read, range(plan.units)):
            yield from parts

    def _take(self, unit: int, part: int, receipt: Receipt | Unreadable) -> None:
        if isinstance(receipt, Receipt) and (folder := self._folder(receipt)) is not None:
            bodies = self._bodies(receipt, _landed(receipt))
            # An answer that takes a record away counts where there are records.
            if bodies or folder in self._state.days:
                self._append(folder, self._touched(folder, receipt.run), bodies)
        self._state.open[str(unit)] = part + 1
        self._taken += 1
        if self._taken % _SAVED_EVERY == 0:
            self._save()

    def _folder(self, receipt: Receipt) -> str | None:
        """The folder of the day on which a receipt was answered; a day stays where it was begun."""
        place = None if receipt.chunk is None else chunk_place(receipt.chunk.key)
        if place is None and not receipt.outcomes:
            return None
        day = receipt.outcomes[0].fetched_at[:10] if place is None else f"{place.day}"
        both = [
            folder_of(_name_of(self._entity), day.replace("-", "/"), kinds=kinds)
            for kinds in (self._kinds, not self._kinds)
        ]
        return next((folder for folder in both if folder in self._state.days), both[0])

    def _touched(self, folder: str, run: int) -> CopiedDay:
        """The day, saved as changing before its first file is put: without that, a kill makes the file look foreign."""
        day = self._state.days.get(folder)
        if day is None:
            there = (number for _, number in self._numbered(folder))
            day = self._state.days[folder] = CopiedDay(first=max(there, default=0) + 1)
        if day.complete or run not in day.runs:
            day.runs = sorted({*day.runs, run})
            day.complete = False
            self._storage.delete(folder + SUCCESS)
            self._save()
        return day

    def _bodies(self, receipt: Receipt, outcomes: Iterable[Outcome]) -> list[bytes]:
        """The records of *outcomes*, each answer byte for byte; none where the chunk is not what the receipt names."""
        spans = [outcome.span for outcome in outcomes]
        if receipt.chunk is None or not spans:
            return []
        try:
            bodies = {answer.line: answer.bytes for answer in read_chunk(self._storage, receipt.chunk)}
            return [whole_record([bodies[line] for line in span]) for span in spans]
        except (LakeError, KeyError) as exc:
            text = f"{receipt.chunk.key} has no line {exc}" if isinstance(exc, KeyError) else str(exc)
            self.lacking[text] = None
            return []

    def _append(self, folder: str, day: CopiedDay, bodies: list[bytes]) -> None:
        if not bodies:
            return
        last = self._last[1] if self._last[0] == folder else []
        # The last file is replaced by a longer one.
        number = day.first + day.files - bool(last)
        groups = list(pack([*last, *bodies]))
        files = [(number + at, group) for at, group in enumerate(groups)]
        size = sum(prefetch(lambda file: self._put(folder, *file), files, _AT_ONCE))
        day.bytes += size - (len(as_array(last)) if last else 0)
        day.files += len(groups) - bool(last)
        day.records += len(bodies)
        self._last = (folder, groups[-1])

    def _put(self, folder: str, number: int, records: list[bytes]) -> int:
        body = as_array(records)
        self._storage.put(file_key(folder, _name_of(self._entity), number, self._state.purges), body)
        return len(body)

    def _make_whole(self, folder: str, day: CopiedDay) -> None:
        newest = self._newest(folder, day)
        held = _bytes_of(self._entity, folder, day, self._state.purges, dict(self._storage.sizes(folder)))
        if (len(newest), held) != (day.records, day.bytes):
            self._rewrite(folder, day, newest)
        for key, number in self._numbered(folder):
            if number >= day.first + day.files:
                self._storage.delete(key)
        day.complete = True
        if all(other.complete for other in self._others(folder, self._state.purges)):
            self._storage.put(folder + SUCCESS, encode(day))

    def _others(self, folder: str, purges: int) -> Iterator[CopiedDay]:
        """What is known of *folder* by other entities whose copies were written after so many *purges*."""
        for key in self._storage.keys(_STATES):
            if key != state_key(self._entity):
                try:
                    state = decode(key, self._storage.get(key), CopyState)
                except LakeError:
                    # The other entity reports it. Until then nobody knows whether a day that both share is whole.
                    if not self._kinds:
                        yield CopiedDay(first=1)
                    continue
                if state.purges == purges and folder in state.days:
                    yield state.days[folder]

    def _numbered(self, folder: str) -> list[tuple[str, int]]:
        """The files of this entity: others may have theirs in the same folder."""
        name, purges = _name_of(self._entity), self._state.purges
        found = [(key, file_number(key, purges)) for key in self._storage.keys(folder)]
        return [(key, at) for key, at in found if at is not None and key == file_key(folder, name, at, purges)]

    def _newest(self, folder: str, day: CopiedDay) -> dict[int | str, int]:
        """The id of each answer that the day is to hold, and which of the day's landed answers it is."""
        newest: dict[int | str, int] = {}
        landed = 0
        for receipt in self._receipts(folder, day):
            for outcome in receipt.outcomes:
                if outcome.state in (State.GONE, State.FILTERED):
                    newest.pop(_id_of(outcome), None)
            for outcome in _landed(receipt):
                newest[_id_of(outcome)] = landed
                landed += 1
        return newest

    def _rewrite(self, folder: str, day: CopiedDay, newest: dict[int | str, int]) -> None:
        self._last = ("", [])
        day.files = day.records = day.bytes = landed = 0
        for receipt in self._receipts(folder, day):
            kept = []
            for outcome in _landed(receipt):
                if newest.get(_id_of(outcome)) == landed:
                    kept.append(outcome)
                landed += 1
            self._append(folder, day, self._bodies(receipt, kept))

    def _receipts(self, folder: str, day: CopiedDay) -> Iterator[Receipt]:
        for run in day.runs:
            plan = plan_of(self._storage, self._entity.name, run, _UNCOPIED)
            for receipt in readable(read_receipts(self._storage, plan)):
                if self._folder(receipt) == folder:
                    yield receipt


def _name_of(entity: Entity) -> str:
    return entity.course_name or entity.name


def state_key(entity: Entity) -> str:
    return f"{_STATES}{entity.name}.json"


def read_state(storage: Storage, entity: Entity) -> CopyState | None:
    """How far the copies are; None where there were never any."""
    return read_object(storage, state_key(entity), CopyState)


def copies_before(storage: Storage, purges: int) -> set[str]:
    """The copies from before the last of so many *purges*, as keys of any version: each may hold what was purged."""
    keys = storage.list_all_versions(COPIES) if purges else ()
    return {key for key in keys if is_file(key) and file_number(key, purges) is None}


def write_again(storage: Storage, entities: Iterable[Entity]) -> list[str]:
    """After a purge: make the copies again, where there were any, from what is left; returns what kept it from that."""
    problems = []
    for entity in entities:
        try:
            if (state := read_state(storage, entity)) is not None:
                copies, run = AnswerCopies(storage, entity, kinds=state.kinds), last_run(storage, entity.name)
                copies.start(run, lambda: False)
                copies.finish(run)
                copies.check()
        except ReelhouseError as exc:
            problems.append(str(exc))
    return problems


def check_copies(storage: Storage, entities: Iterable[Entity]) -> Iterator[str]:
    """What is wrong with the copies, by day: files that are gone or have another size, a day that was not finished."""
    found: list[tuple[Entity, CopyState]] = []
    for entity in entities:
        try:
            state = read_state(storage, entity)
        except LakeError as exc:
            yield str(exc)
        else:
            found += [] if state is None else [(entity, state)]
    unfinished = {folder for _, state in found for folder, day in state.days.items() if not day.complete}
    for entity, state in found:
        if not state.days:
            continue
        if state.purges != purge_count(storage):
            yield f"the copies under {COPIES} are not written again since the last purge: purge or collect once more"
            continue
        there = dict(storage.sizes(COPIES))
        for folder, day in sorted(state.days.items()):
            held = _bytes_of(entity, folder, day, state.purges, there)
            marked = folder in unfinished or folder + SUCCESS in there
            if day.complete and not (held == day.bytes and marked):
                yield (
                    f"{folder} does not hold the {day.files:,} files of {day.bytes:,} bytes in all that were written: "
                    f"{_remedy(entity)}"
                )
            if not day.complete and read_reconciliation(storage, entity.name, max(day.runs)) is not None:
                yield f"{folder} is not complete, though run {max(day.runs)} has ended: the next run completes it"


def _bytes_of(entity: Entity, folder: str, day: CopiedDay, purges: int, sizes: dict[str, int]) -> int:
    """What a day's own files hold, going by the *sizes* of a listing."""
    numbers = range(day.first, day.first + day.files)
    return sum(sizes.get(file_key(folder, _name_of(entity), number, purges), 0) for number in numbers)


def _remedy(entity: Entity) -> str:
    return f"remove the files below {COPIES} and {state_key(entity)}: the next run writes all copies again"


def _landed(receipt: Receipt) -> list[Outcome]:
    """The outcomes whose answers are copied, in the order of their lines."""
    outcomes = [outcome for outcome in receipt.outcomes if outcome.state is State.LANDED and outcome.line is not None]
    return sorted(outcomes, key=lambda outcome: outcome.line or 0)


def _id_of(outcome: Outcome) -> int | str:
    return outcome.key if outcome.id is None else outcome.id
