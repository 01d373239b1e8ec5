"""How a lake stands: what is known, what is pending, what is old."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from reelhouse.collect.spool import Spool
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity, Pages
from reelhouse.errors import LakeError
from reelhouse.raw.checkpoint import read_checkpoint
from reelhouse.raw.ledger import SHOWN, open_ledger
from reelhouse.raw.lost_runs import check_free
from reelhouse.raw.plan import last_run, listed_at, read_plan
from reelhouse.raw.reconciliation import open_run, tally
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage

# A bucket answers each look in some 20 ms. More ledgers at a time would cost disk.
_AT_ONCE = 8


class OpenRun(NamedTuple):
    """A run that is not reconciled; *eta_seconds* at the allowed rate, None without a limit.

    The open runs that are as urgent or more urgent are worked on until then too.
    """

    run: int
    entity: str
    requested: int
    pending: int
    eta_seconds: float | None


class EntityStatus(NamedTuple):
    """Counts per newest state; *requests* are all that receipts tell of, *oldest_answer* the oldest that tables show.

    *listed_at* is when everything was last listed. *stale* are answers older than the entity's age allows.
    *requests_left* are those of the *pending* ids of an open run; without one those of what is stale or quarantined.
    They are done after *done_after_seconds* at the allowed rate, those of entities that are as urgent or
    more urgent included; None without a limit.
    """

    entity: str
    known: int
    landed: int
    filtered: int
    gone: int
    quarantined: int
    pending: int
    oldest_answer: str | None
    requests: int
    listed_at: str | None
    stale: int = 0
    requests_left: int = 0
    done_after_seconds: float | None = None


class Status(NamedTuple):
    """*runs* of all entities, what each entity is known by that has any, and the open runs: one an entity at most.

    *problems* name runs that are lost, *spooled* are the answers that wait in this machine's spool, *unbuilt* those
    that no build has read. *not_begun* are selected entities without a run; *notes* say what of the settings does not
    apply to a selected one.
    """

    runs: int
    entities: list[EntityStatus]
    open: list[OpenRun]
    problems: list[str]
    spooled: int
    unbuilt: int = 0
    not_begun: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        entities = {one.entity: one._asdict() for one in self.entities}
        opened = [one._asdict() for one in self.open]
        counts = {"runs": self.runs, "spooled_answers": self.spooled, "unbuilt_answers": self.unbuilt}
        others = {"open_runs": opened, "not_begun": self.not_begun, "problems": self.problems, "notes": self.notes}
        return {**counts, "entities": entities, **others}


def status(
    storage: Storage,
    rate: float,
    entities: Mapping[str, Entity] = ENTITIES,
    spool: Spool | None = None,
    ages: Mapping[str, int | None] | None = None,
    now: datetime | None = None,
    selected: Collection[str] = (),
) -> Status:
    """The lake's state from its receipts (by way of the ledgers).

    *ages* are the days after which answers of an entity are stale, where that is not what it declares. *selected* are
    the entities that the settings name.
    """
    at = now or datetime.now(UTC)
    before = {name: _stale_before(one, (ages or {}).get(name), at) for name, one in entities.items()}
    runs: dict[str, int] = {}
    known: list[EntityStatus] = []
    problems: list[str] = []
    opened = open_runs(storage, rate, entities)
    pending = {one.entity: one.pending for one in opened}
    looking = prefetch(lambda one: _look(storage, one, pending.get(one, 0), before[one]), entities, _AT_ONCE)
    for name, (last, found, problem) in zip(entities, looking, strict=True):
        runs[name] = last
        known += [found] if found else []
        problems += [problem] if problem else []
    left = {one.entity: pending.get(one.entity, one.stale + one.quarantined) for one in known}
    known = [
        one._replace(requests_left=left[one.entity], done_after_seconds=_after(one, left, rate, entities))
        for one in known
    ]
    not_begun = tuple(name for name in selected if not runs[name])
    return Status(sum(runs.values()), known, opened, problems, spool.answers() if spool else 0, not_begun=not_begun)


def _stale_before(entity: Entity, days: int | None, now: datetime) -> str:
    """The instant before which answers are too old; a ranked list is as of its day."""
    if isinstance(entity.listing, Pages):
        return f"{now:%Y-%m-%d}T00:00:00Z"
    return f"{now - timedelta(days=days or entity.stale_after_days):%Y-%m-%dT%H:%M:%SZ}"


def _after(one: EntityStatus, left: Mapping[str, int], rate: float, entities: Mapping[str, Entity]) -> float | None:
    if not left[one.entity]:
        return 0.0
    return until(one.entity, left, entities) / rate if rate else None


def open_runs(storage: Storage, rate: float, entities: Mapping[str, Entity]) -> list[OpenRun]:
    """The open runs of *entities*, in their order."""
    plans = [plan for plan in prefetch(lambda one: open_run(storage, one), entities) if plan is not None]
    pending = {plan.entity: tally(storage, plan, read_checkpoint(storage, plan)).pending for plan in plans}
    eta = {name: until(name, pending, entities) / rate if rate else None for name in pending}
    return [OpenRun(plan.run, plan.entity, plan.ids.count, pending[plan.entity], eta[plan.entity]) for plan in plans]


def until(name: str, requests: Mapping[str, int], entities: Mapping[str, Entity]) -> int:
    """How many of the *requests* of each entity are made until those of *name* are: the more urgent go first."""
    return sum(count for one, count in requests.items() if entities[one].priority <= entities[name].priority)


def _look(storage: Storage, entity: str, pending: int, stale_before: str) -> tuple[int, EntityStatus | None, str]:
    """The last run of one entity, its counts if it has any, and what is lost."""
    last = last_run(storage, entity)
    problem = ""
    try:
        check_free(storage, entity, last + 1)
    except LakeError as exc:
        problem = str(exc)
    return last, _known(storage, entity, last, pending, stale_before) if last else None, problem


def _known(storage: Storage, entity: str, last: int, pending: int, stale_before: str) -> EntityStatus | None:
    with open_ledger(storage, entity, last) as ledger:
        (requests,) = ledger.db.execute("select sum(requests) from run").fetchone()
        # Nearly all rows are landed: counting the others takes half the time of an aggregate for each state.
        known, oldest, old = ledger.db.execute(
            f"select count(*), min({SHOWN}), count(*) filter (where fetched_at < ?) from known",
            (stale_before,),
        ).fetchone()
        others = {
            state: (count, stale)
            for state, count, stale in ledger.db.execute(
                "select state, count(*), sum(fetched_at < ?) from known where state <> 'landed' group by state",
                (stale_before,),
            )
        }
        # An id of another service that was set aside before anybody said which TMDB id it is.
        (unnamed,) = ledger.db.execute(
            "select count(*) from alias where id is null and state = 'quarantined'"
        ).fetchone()
    if not known:
        return None
    filtered, gone, quarantined = (others.get(state, (0, 0)) for state in ("filtered", "gone", "quarantined"))
    return EntityStatus(
        entity,
        known + unnamed,
        known - filtered[0] - gone[0] - quarantined[0],
        filtered[0],
        gone[0],
        quarantined[0] + unnamed,
        pending,
        oldest,
        requests or 0,
        listed_at(read_plan(storage, entity, last)) or None,
        old - gone[1] - quarantined[1],
    )
