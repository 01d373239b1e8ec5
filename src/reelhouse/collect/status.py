"""How a lake stands: what is known, what is pending, what is old."""

from __future__ import annotations

from typing import NamedTuple

from reelhouse.collect.run import open_run
from reelhouse.raw.checkpoint import read_done
from reelhouse.raw.ledger import open_ledger
from reelhouse.raw.plan import last_run
from reelhouse.raw.reconciliation import tally
from reelhouse.storage.protocol import Storage


class OpenRun(NamedTuple):
    """The run that is not reconciled; *eta_seconds* at the allowed rate, None without a limit."""

    run: int
    entity: str
    asked: int
    pending: int
    eta_seconds: float | None


class EntityStatus(NamedTuple):
    """Counts per newest state; *requests* are all that receipts tell of, *oldest* is the oldest landed answer."""

    entity: str
    known: int
    landed: int
    filtered: int
    gone: int
    quarantined: int
    pending: int
    oldest: str | None
    requests: int


class Status(NamedTuple):
    runs: int
    entities: list[EntityStatus]
    open: OpenRun | None


def status(storage: Storage, rate: float) -> Status:
    """The lake's state from its receipts (by way of the ledger)."""
    last = last_run(storage)
    plan = open_run(storage)
    opened = None
    if plan is not None:
        pending = tally(storage, plan, read_done(storage, plan)).pending
        opened = OpenRun(plan.run, plan.entity, plan.ids.count, pending, pending / rate if rate else None)
    with open_ledger(storage, last) as ledger:
        requests = dict(ledger.db.execute("select entity, sum(requests) from run group by entity"))
        rows = ledger.db.execute(
            "select entity, count(*), sum(state = 'landed'), sum(state = 'filtered'), sum(state = 'gone'), "
            "sum(state = 'quarantined'), min(case when state = 'landed' then fetched_at end) from known group by entity"
        ).fetchall()
        # An IMDb id that was set aside before anybody said which TMDB id it is.
        unnamed = dict(
            ledger.db.execute(
                "select entity, count(*) from alias where id is null and state = 'quarantined' group by entity"
            )
        )
    entities = [
        EntityStatus(
            entity,
            known + unnamed.get(entity, 0),
            landed,
            filtered,
            gone,
            quarantined + unnamed.get(entity, 0),
            opened.pending if opened and opened.entity == entity else 0,
            oldest,
            requests.get(entity, 0),
        )
        for entity, known, landed, filtered, gone, quarantined, oldest in rows
    ]
    return Status(last, entities, opened)
