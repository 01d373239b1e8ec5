"""What a tick finds to do: the open run, the next one that is due or that somebody asked for, or nothing."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from reelhouse.aws.metrics import log
from reelhouse.bootstrap import collector
from reelhouse.collect.planning import RunSpec
from reelhouse.collect.schedule import is_due
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError
from reelhouse.raw.inbox import read_inbox
from reelhouse.raw.plan import Plan, last_run, read_plan
from reelhouse.raw.reconciliation import Reconciliation, read_reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage


class LakeState(NamedTuple):
    """The last run of an entity, and its reconciliation unless it is open; both None where it has none."""

    plan: Plan | None
    made: Reconciliation | None

    @property
    def is_open(self) -> bool:
        return self.plan is not None and self.made is None


def lake_state(storage: Storage, entity: str) -> LakeState:
    """How an *entity* stands, without a listing."""
    last = last_run(storage, entity)
    if not last:
        return LakeState(None, None)
    plan = read_plan(storage, entity, last)
    if plan is None:
        raise LakeError(f"the plan of {entity} run {last} was there a moment ago and is gone")
    return LakeState(plan, read_reconciliation(storage, entity, last))


def next_run(
    storage: Storage, settings: Settings, entity: Entity, plan: Plan | None, now: datetime, *, ticks: bool = True
) -> RunSpec | None:
    """What the run of *entity* after the reconciled *plan* is to be about, None where nothing is wanted or due.

    Without *ticks* only letters count: who names three ids has not asked for everything.
    """
    # The last run's letters may have been left by a kill, or delivered again: the next planning clears them.
    taken = set(plan.inbox) if plan else set()
    inbox = read_inbox(storage, entity.name, ENTITIES)
    for one in inbox.set_aside:
        if not one.count:
            # No run takes it, so this is the only place that says so in a lake where nothing else is wanted.
            log.warning("set aside: %s", one.reason)
    kinds = {letter.run for key, letter in inbox.letters if key not in taken}
    own = settings.of(entity.name)
    if ticks and is_due(plan, own.run_every_hours, now):
        kinds.add(own.run_kind)
    if not kinds:
        return None
    return collector.wanted(settings, entity, listed=kinds == {""}, full="full" in kinds)
