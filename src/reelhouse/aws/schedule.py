"""What a tick has to do: the open run, the next run that is due or requested, or nothing."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from reelhouse.bootstrap import collector
from reelhouse.bootstrap.selection import selected
from reelhouse.collect.planning import RunSpec
from reelhouse.collect.schedule import is_due
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError
from reelhouse.logs import log
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
    """The state of an *entity*, without a listing."""
    last = last_run(storage, entity)
    if not last:
        return LakeState(None, None)
    plan = read_plan(storage, entity, last)
    if plan is None:
        raise LakeError(f"the plan of {entity} run {last} has disappeared")
    return LakeState(plan, read_reconciliation(storage, entity, last))


def next_run(
    storage: Storage, settings: Settings, entity: Entity, plan: Plan | None, now: datetime, *, ticks: bool = True
) -> RunSpec | None:
    """The run of *entity* to plan after the reconciled *plan*, None if nothing is requested or due.

    Without *ticks* only inbox messages count: a request for three ids is not a request for everything.
    """
    # A kill may have left the last run's messages, or they were delivered again: the next planning clears them.
    taken = set(plan.inbox) if plan else set()
    inbox = read_inbox(storage, entity.name, ENTITIES)
    for one in inbox.set_aside:
        if not one.count:
            # No run takes such a message. If nothing else is requested, only this line reports it.
            log.warning("set aside: %s", one.reason)
    kinds = {message.run for key, message in inbox.messages if key not in taken}
    own = settings.of(entity.name)
    if ticks and is_due(entity, plan, own.run_every_hours, now):
        kinds.add(own.run_kind)
    if not kinds:
        return None
    names = selected(settings.entities)
    among = [ENTITIES[name] for name in names]
    wanted = collector.wanted(settings, entity, listed=kinds == {""}, full="full" in kinds, among=among)
    # What is followed from tables is collected by `reelhouse sync`, which builds them.
    return None if wanted.columns else wanted
