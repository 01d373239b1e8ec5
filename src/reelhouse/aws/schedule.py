"""What a tick has to do: the open run, the next run that is due or requested, or nothing."""

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

# Seconds by which TMDB's clock may be ahead of this machine's.
_MOST_AHEAD = 86400.0


class LakeState(NamedTuple):
    """The last run, and its reconciliation unless it is open; both None in an empty lake."""

    plan: Plan | None
    made: Reconciliation | None

    @property
    def is_open(self) -> bool:
        return self.plan is not None and self.made is None


def lake_state(storage: Storage) -> LakeState:
    """The state of the lake, without a listing."""
    last = last_run(storage, ENTITY)
    if not last:
        return LakeState(None, None)
    plan = read_plan(storage, ENTITY, last)
    if plan is None:
        raise LakeError(f"the plan of run {last} has disappeared")
    return LakeState(plan, read_reconciliation(storage, ENTITY, last))


def next_run(
    storage: Storage, settings: Settings, plan: Plan | None, now: datetime, *, ticks: bool = True
) -> RunSpec | None:
    """The run to plan after the reconciled *plan*, None if nothing is requested or due.

    Without *ticks* only inbox messages count: a request for three ids is not a request for everything.
    """
    # A kill may have left the last run's messages, or they were delivered again: the next planning clears them.
    taken = set(plan.inbox) if plan else set()
    inbox = read_inbox(storage, ENTITY, ENTITIES)
    for one in inbox.set_aside:
        if not one.count:
            # No run takes such a message. If nothing else is requested, only this line reports it.
            log.warning("set aside: %s", one.reason)
    kinds = {message.run for key, message in inbox.letters if key not in taken}
    if ticks and _is_due(settings, plan, now):
        kinds.add(settings.run_kind)
    if not kinds:
        return None
    return collector.wanted(settings, listed=kinds == {""}, full="full" in kinds)


def _is_due(settings: Settings, plan: Plan | None, now: datetime) -> bool:
    lag = lag_seconds(plan, now)
    # A plan from the future was made by a wrong clock. It would delay all runs until then.
    return lag is None or lag >= settings.run_every_hours * 3600 or lag < -_MOST_AHEAD


def lag_seconds(plan: Plan | None, now: datetime) -> float | None:
    """Seconds since everything was last listed, as of the reconciled *plan*; None for never."""
    before = listed_at(plan)
    return (now - datetime.fromisoformat(before)).total_seconds() if before else None
