"""Choose what a purge takes: answers by their receipts, exports by their day, and objects that nothing names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, LakeError
from reelhouse.raw.keys import EXPORTS, RAW, RunPlace, chunk_place
from reelhouse.raw.plan import Plan, last_run, plan_of
from reelhouse.raw.plan import read_units as read_planned
from reelhouse.raw.purges import read_purges
from reelhouse.raw.receipt import Outcome, Purged, Receipt, Unreadable, place_of, read_purged, readable, reduced
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.retention.audit import chunks_of, listed_from, read_units
from reelhouse.retention.id_resolution import ResolvedIds, resolve
from reelhouse.storage.protocol import Storage

_EXPORT = re.compile(re.escape(EXPORTS) + r"(?P<kind>[a-z_]+)/(?P<day>\d{4}/\d\d/\d\d)/[^/]+")


class CutoffClock(NamedTuple):
    """What *before* was reckoned by: this machine's clock, or the day *as_of* that a person named instead."""

    now: datetime
    as_of: datetime | None = None


class PurgeSelection(NamedTuple):
    """What to purge, described in *words*: what is older than *before*, of an *entity*, or about *keys* of it.

    None of them chooses everything. *before* is an instant as receipts write it; *clock* is to be held against the
    lake, None where *before* is beyond doubt.
    """

    words: str
    before: str | None = None
    entity: str | None = None
    keys: frozenset[str] | None = None
    clock: CutoffClock | None = None

    def takes_listing(self, entities: Container[str], day: str) -> bool:
        """Whether an export of *entities* of *day* goes. It holds the night before, so its day counts from 00:00."""
        if self.keys is not None:
            return False
        if self.entity is not None and self.entity not in entities:
            return False
        return self.before is None or f"{day}T00:00:00Z" < self.before


class RunPurge(NamedTuple):
    """What goes of one run: asks by part (None for all; unclaimed lines in any case), what it was *listed* from.

    *abandoned* are keys that are pending in it, if it is open: it is not to request them any more.
    """

    plan: Plan
    parts: dict[str, list[str] | None]
    listed: bool
    abandoned: list[str]


class PurgePlan(NamedTuple):
    """What is chosen. *going* are keys that would be left to nobody, *orphans* those of them that no run names.

    *answers* are the chosen ones by entity; *staying* counts those that are not chosen. *newest* is the latest instant
    of TMDB's clock in the lake, purged or not; empty in an empty lake.
    """

    runs: list[RunPurge]
    orphans: list[str]
    going: set[str]
    answers: Counter[str]
    rewritten: int
    unknown: frozenset[str]
    problems: list[str]
    staying: int
    newest: str

    def check_clock(self, clock: CutoffClock) -> None:
        """Raise `ConfigError` where ages reckoned by *clock* cannot be right, going by what the lake has seen.

        A machine's clock may be years off, and what a purge takes is gone.
        """
        if not self.newest:
            return
        newest = _instant(self.newest)
        seen = f"the newest instant of TMDB's clock in the lake is {newest:%Y-%m-%d %H:%M}"
        if clock.as_of is not None:
            if clock.as_of > max(clock.now + _DAY, newest + _FAR):
                raise ConfigError(f"as_of: {clock.as_of:%Y-%m-%d} is in the future: {seen}")
            return
        says = f"purge: this machine's clock says {clock.now:%Y-%m-%d %H:%M}"
        if clock.now < newest - _DAY:
            raise ConfigError(f"{says}, but {seen}: set the clock, or name today's date with --as-of")
        going = self.answers.total()
        if clock.now > newest + _FAR and going > self.staying:
            raise ConfigError(
                f"{says}, and {seen}: by that clock {going:,} of {going + self.staying:,} answers would "
                f"go. If it is right, confirm it with --as-of {clock.now:%Y-%m-%d}; else set it, or name today's date"
            )


# A lake that is collected into now and then has seen TMDB's clock within that time.
_FAR = timedelta(days=30)
_DAY = timedelta(days=1)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise LakeError(f"{text!r} is not a timestamp, though a plan or a receipt has it for one") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class _PurgedPart(NamedTuple):
    """One part as it is now, what of it is chosen, and whether its chunk holds lines that nobody claims."""

    receipt: Receipt
    left: Receipt
    taken: list[Outcome]
    litter: bool

    @property
    def kept(self) -> int:
        """Lines that stay."""
        return sum(len(outcome.span) for outcome in self.left.outcomes) - self.lines

    @property
    def lines(self) -> int:
        """Lines that go."""
        return sum(len(outcome.span) for outcome in self.taken)


def plan_purge(storage: Storage, chosen: PurgeSelection, now: datetime, entities: Mapping[str, Entity]) -> PurgePlan:
    """Look through everything; `LakeError` where a plan or what was purged before cannot be read."""
    return _PurgePlanner(storage, chosen, now, entities).plan()


class _PurgePlanner:
    def __init__(self, storage: Storage, chosen: PurgeSelection, now: datetime, entities: Mapping[str, Entity]) -> None:
        self._storage = storage
        self._entities = entities
        self._chosen = chosen
        self._yesterday = (now - timedelta(days=1)).date()
        self._plans = [plan for entity in entities for plan in _plans(storage, entity)]
        self._named = ResolvedIds(frozenset(), frozenset(), frozenset(), [])
        if chosen.keys is not None:
            meant = [plan for plan in self._plans if chosen.entity in (None, plan.entity)]
            self._named = resolve(storage, meant, chosen.keys)
        self._problems = list(self._named.problems)
        self._claimed: set[str] = set()
        self._unreadable: set[RunPlace] = set()
        self._going: set[str] = set()
        self._answers: Counter[str] = Counter()
        self._staying = 0
        self._rewritten = 0
        self._newest = max((plan.planned_at for plan in self._plans), default="")

    def plan(self) -> PurgePlan:
        """One pass over all receipts, then one over the stored objects."""
        looked = [self._look(plan) for plan in self._plans]
        runs = [one for one in looked if one.parts or one.listed or one.abandoned]
        self._going |= self._listings({_place(one.plan) for one in runs if one.listed})
        orphans = [*self._orphan_chunks(), *self._orphan_exports()]
        self._going.update(orphans)
        return PurgePlan(
            runs,
            orphans,
            self._going,
            self._answers,
            self._rewritten,
            self._named.unknown,
            self._problems,
            self._staying,
            self._newest,
        )

    def _look(self, plan: Plan) -> RunPurge:
        purged = read_purged(self._storage, *_place(plan))
        self._claimed.update(purged.replaced)
        found: dict[str, list[str] | None] = {}
        answered: set[str] = set()
        for parts in read_units(self._storage, plan):
            answered.update(outcome.key for part in readable(iter(parts)) for outcome in part.outcomes)
            of_unit = list(self._parts(plan, purged, parts))
            if any(part.taken for part in of_unit):
                for part in of_unit:
                    self._take(part, found)
        listed = not purged.listed and bool(listed_from(plan)) and self._takes_listing(plan)
        return RunPurge(plan, found, listed, self._left_out(plan, purged, answered))

    def _left_out(self, plan: Plan, purged: Purged, answered: set[str]) -> list[str]:
        """What an open run is not to request any more; ids without an answer have no age."""
        if self._chosen.before is not None or read_reconciliation(self._storage, *_place(plan)) is not None:
            return []
        units = read_planned(self._storage, plan)
        pending = (request for unit in units for request in unit.requests if request.key not in answered)
        keys = {request.key for request in pending if self._means(plan, request.key, request.id)}
        return sorted(keys - purged.abandoned(keys))

    def _parts(self, plan: Plan, purged: Purged, parts: list[Receipt | Unreadable]) -> Iterator[_PurgedPart]:
        for receipt in parts:
            if isinstance(receipt, Unreadable):
                # It may claim any of the run's chunks.
                self._unreadable.add(_place(plan))
                self._problems.append(
                    f"{receipt.key} names nothing, so what it claims cannot be purged: {receipt.reason}"
                )
                continue
            self._claimed.update(chunks_of(receipt, purged))
            self._newest = max((self._newest, *(outcome.fetched_at for outcome in receipt.outcomes)))
            left = reduced(receipt, purged)
            taken = [outcome for outcome in left.outcomes if self._takes(plan, outcome)]
            self._staying += len(left.outcomes) - len(taken)
            lines = sum(len(outcome.span) for outcome in left.outcomes)
            yield _PurgedPart(receipt, left, taken, left.chunk is not None and left.chunk.lines > lines)

    def _take(self, part: _PurgedPart, found: dict[str, list[str] | None]) -> None:
        place = place_of(part.receipt)
        if part.taken:
            self._answers[part.receipt.entity] += len(part.taken)
            whole = len(part.taken) == len(part.left.outcomes)
            found[place] = None if whole else [outcome.key for outcome in part.taken]
        elif part.litter:
            # The answer of another worker to the same request: nobody claims it, but it lies there.
            found[place] = []
        if part.left.chunk is not None and (part.lines or part.litter):
            self._going.add(part.left.chunk.key)
            self._rewritten += part.kept > 0

    def _takes(self, plan: Plan, outcome: Outcome) -> bool:
        aged = self._chosen.before is None or outcome.fetched_at < self._chosen.before
        return aged and self._means(plan, outcome.key, outcome.id)

    def _means(self, plan: Plan, key: str, id_: int | None) -> bool:
        """Whether a key of a run is chosen, whatever its age."""
        if self._chosen.entity not in (None, plan.entity):
            return False
        return self._chosen.keys is None or key in self._named.keys or id_ in self._named.ids

    def _takes_listing(self, plan: Plan) -> bool:
        day = min((one.day for one in plan.exports), default=plan.planned_at[:10])
        return self._chosen.takes_listing((plan.entity,), day)

    def _listings(self, runs: set[RunPlace]) -> set[str]:
        """The exports and the like that nobody names any more once *runs* do not."""
        going, staying = set[str](), set[str]()
        for plan in self._plans:
            gone = _place(plan) in runs or read_purged(self._storage, *_place(plan)).listed
            (going if gone else staying).update(listed_from(plan))
        return going - staying

    def _orphan_chunks(self) -> Iterator[str]:
        """Chunks that no receipt names, as kills and races leave them: old ones in any case.

        Where something else than age chooses, the young ones too: they may hold what was chosen.
        """
        noted = {key for note in read_purges(self._storage).notes for key in note.orphans}
        chosen = self._chosen
        planned = Counter(plan.entity for plan in self._plans)
        for key in self._storage.list_all_versions(RAW):
            place = chunk_place(key)
            if place is None or key in self._claimed or key in noted:
                continue
            if RunPlace(place.entity, place.run) in self._unreadable:
                continue
            if place.run > planned[place.entity]:
                self._problems.append(f"{key} is of a run that has no plan: `reelhouse verify` says what is missing")
            elif place.day < self._yesterday or (chosen.before is None and chosen.entity in (None, place.entity)):
                yield key

    def _orphan_exports(self) -> Iterator[str]:
        """Exports that no plan names: what planning leaves that was cut short, or was only tried."""
        named = {key for plan in self._plans for key in listed_from(plan)}
        noted = {key for note in read_purges(self._storage).notes for key in note.orphans}
        for key in self._storage.list_all_versions(EXPORTS):
            found = _EXPORT.fullmatch(key)
            if found is None or key in named or key in noted:
                continue
            of = [name for name, one in self._entities.items() if found["kind"] in (one.export, one.adult_export)]
            if self._chosen.takes_listing(of, found["day"].replace("/", "-")):
                yield key


def _place(plan: Plan) -> RunPlace:
    return RunPlace(plan.entity, plan.run)


def _plans(storage: Storage, entity: str) -> Iterator[Plan]:
    for run in range(1, last_run(storage, entity) + 1):
        yield plan_of(storage, entity, run, "so nothing is purged; `reelhouse verify` says what else is")
