"""What changes while the emulator runs: editions, deletions, additions, the feeds of changes, the daily snapshots."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from random import Random

from reelhouse.emulator.catalog.protocol import Catalogue
from reelhouse.emulator.catalog.seeds import mix, mix_text
from reelhouse.emulator.clock import EmulatorClock
from reelhouse.emulator.options import EmulatorError


@dataclass(frozen=True, slots=True)
class WorldDay:
    """A catalogue at the start of a day: how many things there had ever been, and which were deleted."""

    day: date
    count: int
    deleted: frozenset[int]

    def indices(self, catalogue: Catalogue) -> Iterator[int]:
        """The things of that day in the order of the export, those added later at the end."""
        everything = chain(catalogue.export_order(), range(catalogue.size, self.count))
        return (index for index in everything if index not in self.deleted) if self.deleted else everything

    def same_things(self, other: "WorldDay") -> bool:
        """Whether the two days began alike."""
        return self.count == other.count and self.deleted == other.deleted


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One entry of a thing's history."""

    index: int
    at: datetime
    revision: int


class World:
    """The living state of one kind over an unchanging catalogue; safe to use from several threads."""

    def __init__(self, catalogue: Catalogue, clock: EmulatorClock, seed: int) -> None:
        self.catalogue, self.clock = catalogue, clock
        self.count = catalogue.size
        self.version = 0
        self._rng = Random(mix(seed, 0x3D17))
        self._revisions: dict[int, int] = {}
        self._deleted: set[int] = set()
        self._changes: list[HistoryEntry] = []
        self._day = clock.today()
        self._snapshots = [WorldDay(self._day, self.count, frozenset())]
        self._lock = threading.RLock()

    def living(self, number: int) -> int | None:
        """Return the index of an id; None if the id never existed or was deleted."""
        index = self.catalogue.index_of(number)
        return index if index is not None and self.is_living(index) else None

    def is_living(self, index: int) -> bool:
        """Whether the thing exists now."""
        return 0 <= index < self.count and index not in self._deleted

    def living_count(self) -> int:
        """How many exist now."""
        return self.count - len(self._deleted)

    def last_living(self) -> int | None:
        """The index of the highest id."""
        living = filter(self.is_living, range(self.count - 1, -1, -1))
        # Where things are added, ids rise with the index; given bodies come in any order.
        return next(living, None) if self.catalogue.grows else max(living, key=self.catalogue.id_of, default=None)

    def days_passed(self) -> int:
        """How many days the clock is past the first one."""
        return (self.clock.today() - self._snapshots[0].day).days

    def revision(self, index: int) -> int:
        """How often the thing has been edited."""
        return self._revisions.get(index, 0)

    def revisions(self) -> dict[int, int]:
        """The edited things and how often each was."""
        return dict(self._revisions)

    def edit(self, ids: Iterable[int] | None, count: int) -> list[int]:
        """Edit those of *ids*, else any *count*; they appear in today's changes."""

        def edit_one(index: int) -> None:
            self._revisions[index] = self.revision(index) + 1
            self._changes.append(HistoryEntry(index, self.clock.now(), self._revisions[index]))

        return self._for_each(ids, count, edit_one)

    def delete(self, ids: Iterable[int] | None, count: int) -> list[int]:
        """Remove things; no feed names them."""
        gone = self._for_each(ids, count, self._deleted.add)
        self._changes = [change for change in self._changes if change.index not in self._deleted]
        return gone

    def restore(self, ids: Iterable[int]) -> list[int]:
        """Restore deleted things."""
        with self._lock:
            self.roll_over()
            back = [(number, self.catalogue.index_of(number)) for number in ids]
            never = [number for number, index in back if index not in self._deleted]
            if never:
                raise EmulatorError(f"not deleted: {', '.join(map(str, never[:5]))}")
            self._deleted.difference_update(index for _, index in back if index is not None)
            self.version += 1
            return [number for number, _ in back]

    def add(self, count: int, *, announce: bool) -> list[int]:
        """Create things; with *announce* they appear in today's changes too."""
        if not self.catalogue.grows:
            raise EmulatorError(f"{self.catalogue.kind.plural} cannot be added to given payloads")
        with self._lock:
            self.roll_over()
            new = range(self.count, self.count + count)
            self.count += count
            self.version += 1
            if announce:
                self._changes.extend(HistoryEntry(index, self.clock.now(), 0) for index in new)
            return [self.catalogue.id_of(index) for index in new]

    def roll_over(self) -> None:
        """Take the snapshot of a day that has begun; to be called before anything changes."""
        with self._lock:
            today = self.clock.today()
            if today > self._day:
                # Nothing changed since, so the days that passed in between began like this one.
                after = self._day + timedelta(days=1)
                self._snapshots.append(WorldDay(after, self.count, frozenset(self._deleted)))
                self._day = today
                # Lists by day and feeds of "the last 24 hours" move with the clock.
                self.version += 1

    def snapshot(self, day: date) -> WorldDay:
        """The catalogue as *day* began; before the first day it was as on the first day."""
        self.roll_over()
        place = bisect_right(self._snapshots, day, key=lambda snapshot: snapshot.day)
        return self._snapshots[max(0, place - 1)]

    def changed_between(self, first: date, last: date) -> list[int]:
        """The indices changed from *first* to *last*, both included, newest change first."""
        within = (change.index for change in reversed(self._changes) if first <= change.at.date() <= last)
        return list(dict.fromkeys(within))

    def changes_of(self, index: int, first: date, last: date) -> list[HistoryEntry]:
        """One thing's changes from *first* to *last*, both included, oldest first."""
        return [change for change in self._changes if change.index == index and first <= change.at.date() <= last]

    def _for_each(self, ids: Iterable[int] | None, count: int, act: Callable[[int], None]) -> list[int]:
        with self._lock:
            self.roll_over()
            chosen = self._named(ids) if ids is not None else self._any(count)
            for index in chosen:
                act(index)
            self.version += 1
            return [self.catalogue.id_of(index) for index in chosen]

    def _named(self, ids: Iterable[int]) -> list[int]:
        """The existing things of *ids*; an unknown id is an error of the caller."""
        found = {number: self.living(number) for number in dict.fromkeys(ids)}
        unknown = [number for number, index in found.items() if index is None]
        if unknown:
            raise EmulatorError(f"no such {self.catalogue.kind.name}: {', '.join(map(str, unknown[:5]))}")
        return [index for index in found.values() if index is not None]

    def _any(self, count: int) -> list[int]:
        if count > self.living_count():
            raise EmulatorError(f"{count} {self.catalogue.kind.plural} wanted, but only {self.living_count()} exist")
        chosen: dict[int, None] = {}
        while len(chosen) < count:
            index = self._rng.randrange(self.count)
            if index not in self._deleted:
                chosen[index] = None
        return list(chosen)


class Worlds:
    """The world of each kind, all on one clock."""

    def __init__(self, catalogues: Iterable[Catalogue], clock: EmulatorClock, seed: int) -> None:
        self.clock = clock
        # Movies keep the seed itself, so that their changes do not depend on the other kinds.
        self._worlds = {
            each.kind.name: World(each, clock, seed if each.kind.name == "movie" else mix_text(seed, each.kind.name))
            for each in catalogues
        }

    def __iter__(self) -> Iterator[World]:
        return iter(self._worlds.values())

    def of(self, kind: str) -> World:
        """The world of *kind*; a kind that this emulator does not serve is an error of the caller."""
        world = self._worlds.get(kind)
        if world is None:
            raise EmulatorError(f"no kind {kind!r}; there are: {', '.join(self._worlds)}")
        return world

    def find(self, kind: str) -> World | None:
        """The world of *kind*, None when this emulator does not serve it."""
        return self._worlds.get(kind)

    def next_day(self, days: int) -> date:
        """Move the clock; the new day's exports show the catalogues as they are now."""
        if days < 1:
            raise EmulatorError("the clock only moves forward")
        for world in self:
            world.roll_over()
        self.clock.skip_days(days)
        for world in self:
            world.roll_over()
        return self.clock.today()
