"""Whose turn it is: entities by priority, each for one turn at a time.

A run of days (a million ids) must not keep the work of another entity waiting. So a run is interrupted after
each turn, between two chunks; what is more urgent goes first, and of two that are equally urgent each in its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from reelhouse.collect.fetching import StopConditions
from reelhouse.entities.schema import Entity, Pages
from reelhouse.raw.plan import Plan, listed_at

# Long enough that the chunks that a turn's end closes early do not matter.
TURN_SECONDS = 600.0

# Seconds. A run is planned shortly after the tick at which it is due: the tick a day later would be too early by that,
# and each day's run a tick later than the day before.
_EARLY = 60.0

# Seconds that TMDB's clock may be ahead of this machine's.
_MOST_AHEAD = 86400.0


class EntityStream(Protocol):
    """The work on one entity."""

    @property
    def entity(self) -> Entity: ...

    async def turn(self) -> bool:
        """Work until all is done or the turn is over; whether something is left."""


S = TypeVar("S", bound=EntityStream)


async def take_turns(
    streams: Iterable[S], due: Callable[[list[S]], list[S]], stop_conditions: StopConditions, seconds: float
) -> list[S]:
    """Work on all *streams* until they are done or *stop_conditions* end it; returns those that are not done.

    After an interrupted turn *due* is called with the streams that wait; it returns others whose time has come.
    """
    waiting = list(streams)
    alone = len(waiting) == 1
    while waiting:
        # The first of the most urgent: what has had its turn goes behind its equals.
        stream = min(waiting, key=lambda one: one.entity.priority)
        waiting.remove(stream)
        stop_conditions.begin_turn(None if alone else seconds)
        try:
            left = await stream.turn()
        finally:
            stop_conditions.begin_turn(None)
        if left:
            # Only after an interrupted run, so that one which is due again and again does not keep it from its turn.
            waiting.append(stream)
            waiting += due(waiting)
        if stop_conditions.reason is not None:
            break
    return waiting


def is_due(entity: Entity, plan: Plan | None, every_hours: float, now: datetime) -> bool:
    """Whether the run of *entity* after the reconciled *plan* is due; of ranked lists a daily one on each day (UTC)."""
    lag = lag_seconds(plan, now)
    # A plan from the future was made by a clock that was wrong: it would hold everything up until then.
    if lag is None or lag < -_MOST_AHEAD:
        return True
    if isinstance(entity.listing, Pages) and every_hours <= 24 and listed_at(plan)[:10] < str(now.date()):
        return True
    every = every_hours * 3600
    return lag >= every - min(_EARLY, every / 100)


def lag_seconds(plan: Plan | None, now: datetime) -> float | None:
    """The age of what is known as of the reconciled *plan*: since everything was last listed; None for never."""
    before = listed_at(plan)
    return (now - datetime.fromisoformat(before)).total_seconds() if before else None


def by_priority(entities: Iterable[Entity]) -> list[Entity]:
    """The most urgent first; of equals in the order of their declaration."""
    return sorted(entities, key=lambda entity: entity.priority)
