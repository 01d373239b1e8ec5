"""One invocation's work on a lake: find work, do it in the available time, report the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from reelhouse.aws import eventbridge, metrics
from reelhouse.aws.metrics import Meter
from reelhouse.aws.schedule import LakeState, lake_state, next_run
from reelhouse.aws.time_budget import LearnedDurations
from reelhouse.bootstrap import secrets
from reelhouse.bootstrap.collecting import CallResult, CollectOptions, run_until_idle
from reelhouse.bootstrap.selection import selected
from reelhouse.collect.planning import RunSpec
from reelhouse.collect.reporting import RunResult
from reelhouse.collect.schedule import by_priority, lag_seconds
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import DeniedError, LakeError, LockedError, ReelhouseError
from reelhouse.logs import log
from reelhouse.raw.plan import Plan, read_plan
from reelhouse.raw.reconciliation import Reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

# Another run is planned only while this share of the time is left.
_PLANNING_SHARE = 0.5

_STATES = ("landed", "filtered", "gone", "quarantined")

# Minutes to wait during an outage of TMDB: the next tick tries again, and time in between costs nothing.
_MOST_OUTAGE = 1.0

# TMDB's terms forbid caching for longer.
_MOST_DAYS = 180

Answer = dict[str, Any]


class Invocation:
    """*remaining* returns the seconds that this process has left."""

    def __init__(
        self, storage: Storage, settings: Settings, margin: LearnedDurations, remaining: Callable[[], float]
    ) -> None:
        self._storage = storage
        self._settings = settings.overridden(outage_minutes=min(settings.outage_minutes, _MOST_OUTAGE))
        self._names = selected(settings.entities)
        self._entities = by_priority(ENTITIES[name] for name in self._names)
        self._margin = margin
        self._remaining = remaining
        self._life = remaining()
        self._meter = Meter()
        # The entities that a tick is still to look at.
        self._ticks: set[str] = set()
        self._announced: set[tuple[str, int]] = set()
        self._bus_error: ReelhouseError | None = None

    def work(self, *, ticks: bool) -> Answer:
        """Continue the open run, then execute what the inbox requests and, with *ticks*, what is due.

        Raises the error that prevented it, and `LakeError` if a finished run does not add up.
        """
        self._ticks = set(self._names) if ticks else set()
        # Before the lake is locked and TMDB is contacted, because most ticks find nothing to do.
        states = self._idle_states()
        if states is not None:
            self._announce_idle(states)
            return self._leave(states)
        try:
            done = self._run_until_idle()
        except LockedError:
            return {"state": "busy"}
        except BaseException:
            metrics.emit(self._settings.lake, dict(self._meter.metrics))
            raise
        for name, failure in done.failures.items():
            log.error("%s: %s", name, secrets.hidden(str(failure)), extra={"entity": name})
        if done.results:
            return self._close(done)
        for failure in done.failures.values():
            metrics.emit(self._settings.lake, dict(self._meter.metrics))
            raise failure
        # Another invocation has done it meanwhile.
        return self._leave(self._states(self._entities))

    def _idle_states(self, failed: Container[str] = ()) -> Mapping[str, LakeState] | None:
        """The states of all entities but those that *failed*, if none of them has work."""
        try:
            states = self._states(entity for entity in self._entities if entity.name not in failed)
            busy = any(one.is_open for one in states.values()) or self._next(states) is not None
        except LakeError:
            # It is reported once the other entities have had their turns.
            return None
        return None if busy else states

    def _run_until_idle(self) -> CallResult:
        try:
            return self._within_budget()
        except DeniedError:
            # The token may have been replaced since this environment read it.
            if not secrets.changed(self._settings):
                raise
            return self._within_budget()

    def _within_budget(self) -> CallResult:
        remaining = self._remaining()
        budget = self._margin.budget(remaining)
        request = CollectOptions(names=self._names, deadline=budget.deadline, grace=budget.grace, seconds=remaining)
        ends = time.monotonic() + budget.deadline
        done = run_until_idle(self._storage, self._settings, request, self._meter, self._next_in_turn)
        late = time.monotonic() - ends
        if late > 0:
            self._margin.learn(late)
        return done

    def _states(self, entities: Iterable[Entity]) -> dict[str, LakeState]:
        return {entity.name: lake_state(self._storage, entity.name) for entity in entities}

    def _next_in_turn(self, idle: list[Entity]) -> RunSpec | None:
        if self._meter.runs and self._remaining() < self._life * _PLANNING_SHARE:
            # Planning a full run takes a while; the next tick has its whole time for it.
            return None
        wanted = self._next(self._states(idle))
        if wanted is not None:
            # Only once: with a clock that differs from TMDB's, the run just planned could be due again at once.
            self._ticks.discard(wanted.entity.name)
        return wanted

    def _next(self, idle: Mapping[str, LakeState]) -> RunSpec | None:
        """The next run to plan of entities without an open run; previous ones are announced first."""
        for name, found in idle.items():
            if found.made is not None:
                self._announce(found.made)
            ticks, now = name in self._ticks, datetime.now(UTC)
            wanted = next_run(self._storage, self._settings, ENTITIES[name], found.plan, now, ticks=ticks)
            if wanted is not None:
                return wanted
        return None

    def _announce(self, made: Reconciliation) -> None:
        """An error of the bus does not stop collecting; it is raised at the end."""
        if (made.entity, made.run) in self._announced:
            return
        self._announced.add((made.entity, made.run))
        try:
            if eventbridge.announce(self._storage, self._settings, made):
                log.info("announced", extra={"entity": made.entity, "run": made.run})
        except ReelhouseError as exc:
            self._bus_error = exc

    def _announce_idle(self, states: Mapping[str, LakeState]) -> None:
        if self._bus_error is not None:
            # The next tick announces both.
            return
        runs = {name: one.made.run for name, one in states.items() if one.made is not None}
        try:
            if eventbridge.announce_idle(self._storage, self._settings, runs):
                log.info("announced that the lake is idle", extra={"runs": runs})
        except ReelhouseError as exc:
            self._bus_error = exc

    def _leave(self, states: Mapping[str, LakeState]) -> Answer:
        # None is not a lag: nothing was listed yet.
        lags = [lag for one in states.values() if (lag := self._lag(one.plan)) is not None]
        self._emit({"pending": 0, "lag_seconds": max(lags, default=None)})
        self._raise_pending_errors()
        return {"state": "idle"}

    def _close(self, done: CallResult) -> Answer:
        for result in done.results:
            if result.reconciliation is not None:
                self._announce(result.reconciliation)
        # The tables of the other entities are built even if one entity fails.
        idle = self._idle_states(done.failures)
        if idle is not None:
            self._announce_idle(idle)
        newest = _newest(done)
        lags = [lag for one in newest if (lag := self._lag(self._listed_by(one))) is not None]
        days = [left for one in newest if (left := _days_to_expiry(one)) is not None]
        numbers = {
            "requests": done.requests,
            "throttled": done.throttled,
            "pending": sum(one.pending for one in newest),
        }
        self._emit({**numbers, "lag_seconds": max(lags, default=None), "days_to_expiry": min(days, default=None)})
        for failure in done.failures.values():
            raise failure
        for result in done.results:
            if result.reconciliation is not None and not result.complete:
                raise LakeError(f"{result.plan.name} does not add up; `reelhouse verify` names what is wrong")
        self._raise_pending_errors()
        return _summary(done)

    def _listed_by(self, last: RunResult) -> Plan | None:
        return last.plan if last.reconciliation else read_plan(self._storage, last.plan.entity, last.plan.run - 1)

    def _lag(self, plan: Plan | None) -> float | None:
        return lag_seconds(plan, datetime.now(UTC))

    def _emit(self, numbers: dict[str, float | None]) -> None:
        metrics.emit(self._settings.lake, {**self._meter.metrics, **numbers})

    def _raise_pending_errors(self) -> None:
        if self._bus_error is not None:
            raise self._bus_error


def _newest(done: CallResult) -> list[RunResult]:
    """The last result of each entity."""
    return list({result.plan.entity: result for result in done.results}.values())


def _summary(done: CallResult) -> Answer:
    """The current state of each entity's last run: asked = landed + filtered + gone + quarantined + pending.

    Of several entities `runs` has each, beside their totals.
    """
    runs = [_summary_of(result) for result in _newest(done)]
    totals: Answer = {"requests": done.requests, "throttled": done.throttled, "waited_seconds": round(done.waited, 1)}
    totals["retries"] = done.retries
    if len(runs) == 1:
        return {**runs[0], **totals}
    counts = {name: sum(run[name] for run in runs) for name in ("requested", *_STATES, "pending")}
    state = "open" if any(run["state"] == "open" for run in runs) else "reconciled"
    return {"state": state, **counts, **totals, "runs": runs}


def _summary_of(last: RunResult) -> Answer:
    return {
        "state": "open" if last.reconciliation is None else "reconciled",
        "entity": last.plan.entity,
        "run": last.plan.run,
        "requested": last.plan.ids.count,
        **{state: last.states.get(state, 0) for state in _STATES},
        "pending": last.pending,
        "reason": last.reason,
        **({"set_aside": len(last.plan.set_aside)} if last.plan.set_aside else {}),
    }


def _days_to_expiry(last: RunResult) -> float | None:
    """Days until the oldest answer must be deleted; known when a run was just reconciled."""
    if last.oldest is None:
        return None
    age = datetime.now(UTC) - datetime.fromisoformat(last.oldest)
    return _MOST_DAYS - age.total_seconds() / 86400
