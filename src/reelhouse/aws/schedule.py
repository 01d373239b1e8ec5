"""What a tick finds to do: the open run, the next one that is due or that somebody asked for, or nothing."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from reelhouse.aws.metrics import log
from reelhouse.bootstrap import collector
from reelhouse.collect.planning import RunSpec, listed_at
from reelhouse.entities.registry import DEFAULT, ENTITIES
from reelhouse.errors import LakeError
from reelhouse.raw.inbox import read_inbox
from reelhouse.raw.plan import Plan, last_run, read_plan
from reelhouse.raw.reconciliation import Reconciliation, read_reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

ENTITY = DEFAULT

# Seconds that TMDB's clock may be ahead of this machine's.
_MOST_AHEAD = 86400.0


class LakeState(NamedTuple):
    """The last run, and its reconciliation unless it is open; both None in an empty lake."""

    plan: Plan | None
    made: Reconciliation | None

    @property
    def is_open(self) -> bool:
        return self.plan is not None and self.made is None


def lake_state(storage: Storage) -> LakeState:
    """How the lake stands, without a listing."""
    last = last_run(storage, ENTITY)
    if not last:
        return LakeState(None, None)
    plan = read_plan(storage, ENTITY, last)
    if plan is None:
        raise LakeError(f"the plan of run {last} was there a moment ago and is gone")
    return LakeState(plan, read_reconciliation(storage, ENTITY, last))


def next_run(
    storage: Storage, settings: Settings, plan: Plan | None, now: datetime, *, ticks: bool = True
) -> RunSpec | None:
    """What the run after the reconciled *plan* is to be about, None where nothing is wanted or due.

    Without *ticks* only letters count: who names three ids has not asked for everything.
    """
    # The last run's letters may have been left by a kill, or delivered again: the next planning clears them.
    taken = set(plan.inbox) if plan else set()
    inbox = read_inbox(storage, ENTITY, ENTITIES)
    for one in inbox.set_aside:
        if not one.count:
            # No run takes it, so this is the only place that says so in a lake where nothing else is wanted.
            log.warning("set aside: %s", one.reason)
    kinds = {letter.run for key, letter in inbox.letters if key not in taken}
    if ticks and _is_due(settings, plan, now):
        kinds.add(settings.run_kind)
    if not kinds:
        return None
    return collector.wanted(settings, listed=kinds == {""}, full="full" in kinds)


def _is_due(settings: Settings, plan: Plan | None, now: datetime) -> bool:
    lag = lag_seconds(plan, now)
    # A plan from the future was made by a clock that was wrong: it would hold everything up until then.
    return lag is None or lag >= settings.run_every_hours * 3600 or lag < -_MOST_AHEAD


def lag_seconds(plan: Plan | None, now: datetime) -> float | None:
    """The age of what is known as of the reconciled *plan*: since everything was last listed; None for never."""
    before = listed_at(plan)
    return (now - datetime.fromisoformat(before)).total_seconds() if before else None
