"""Compare a lake with TMDB's newest export, id by id. Nothing is requested from the API, and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from reelhouse.collect.listing import Listing
from reelhouse.collect.planning import EarlierPlans, RunSpec, list_exports, newest_plans, shifted
from reelhouse.entities.schema import Entity
from reelhouse.raw.ledger import Ledger, open_ledger
from reelhouse.raw.plan import Plan, Selection, last_run, read_lines, read_plan
from reelhouse.raw.receipt import read_purged
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import TmdbClient

if TYPE_CHECKING:
    import aiohttp

# What an id can differ in, in the order in which they are shown.
DIFFERENCES = ("missing", "extra", "stale", "tombstoned")

# Of an id that is `extra` the age does not matter, and one that is `tombstoned` is not missing: TMDB itself said so.
_DIFFERENT = """
select case when l.id is null then 'extra' when k.state = 'gone' then 'tombstoned'
    when k.state in ('landed', 'filtered') then 'stale' else 'missing' end as difference,
  coalesce(l.id, k.id) as id, k.state, k.fetched_at
from listed l left join known k on k.entity = :entity and k.id = l.id
where case when k.state in ('landed', 'filtered') then k.fetched_at < :stale_before
  when k.state = 'gone' or k.id is null then l.excluded is null else 1 end
union all
select 'extra', k.id, k.state, k.fetched_at
from known k where k.entity = :entity and k.state = 'landed' and k.id not in (select id from listed)
order by 1, 2
"""


class Difference(NamedTuple):
    """One id. *state* and *fetched_at* are those of its newest answer, None where the lake has none."""

    entity: str
    difference: str
    id: int
    state: str | None
    fetched_at: str | None


class EntityDiff(NamedTuple):
    """One entity: how many ids are *excluded* by the selection, and how many differ.

    *day* is the export's; *rows* are those of all exports that are listed.
    """

    entity: str
    day: str
    rows: int
    excluded: int
    missing: int
    extra: int
    stale: int
    tombstoned: int

    @property
    def equal(self) -> bool:
        return not (self.missing or self.extra or self.stale or self.tombstoned)


async def compare(
    storage: Storage,
    session: aiohttp.ClientSession,
    url: str,
    wanted: RunSpec,
    found: Callable[[Difference], None],
    client: TmdbClient,
) -> EntityDiff:
    """Call *found* with each difference between what the lake has and the newest export at *url*, ordered.

    The lake should have what its newest run selects that was not about a list alone, and all it ever had. *client*
    notes for how long nothing has answered. Raises `ListingError` if the export cannot be read completely.
    """
    entity, last = wanted.entity, last_run(storage, wanted.entity.name)
    plan = _selecting(storage, entity, last)
    by_export = plan.selection.source == "export"
    wanted = wanted._replace(selection=plan.selection if by_export else Selection())
    with open_ledger(storage, entity.name, last) as ledger:
        if not by_export:
            _choose(storage, plan, ledger)
        listing = Listing(ledger.db, entity.name)
        before = newest_plans(EarlierPlans(storage, entity.name, last), Selection()).exports
        exports = await list_exports(storage, session, url, wanted, listing, before, client)
        if not by_export:
            _keep_chosen(plan, ledger)
        # The instant before which an answer is stale, as planning has it.
        stale_before = shifted(exports[0].asked_at, -86400 * wanted.stale_after_days)
        counts: Counter[str] = Counter()
        for row in ledger.db.execute(_DIFFERENT, {"entity": entity.name, "stale_before": stale_before}):
            counts[row[0]] += 1
            found(Difference(entity.name, *row))
        (excluded,) = ledger.db.execute("select count(*) from listed where excluded is not null").fetchone()
    day, rows = exports[0].reference.day, sum(one.reference.rows for one in exports)
    return EntityDiff(entity.name, day, rows, excluded, *(counts[name] for name in DIFFERENCES))


def _selecting(storage: Storage, entity: Entity, last: int) -> Plan:
    """The newest plan that is about more than a list; the newest of all where there is none."""
    plans = (plan for run in range(last, 0, -1) if (plan := read_plan(storage, entity.name, run)) is not None)
    newest = next(plans)
    return next((plan for plan in (newest, *plans) if plan.selection.source != "list"), newest)


def _choose(storage: Storage, plan: Plan, ledger: Ledger) -> None:
    """Make a table `chosen` of the ids that *plan* selected from its listing."""
    listing = Listing(ledger.db, plan.entity)
    if plan.listing is not None and not read_purged(storage, plan.entity, plan.run).listed:
        listing.add_lines(read_lines(storage, plan.listing), plan.selection)
    ledger.db.execute("create temp table chosen as select id from listed where excluded is null")


def _keep_chosen(plan: Plan, ledger: Ledger) -> None:
    """Exclude what is neither chosen nor known."""
    ledger.db.execute(
        "update listed set excluded = 'selection' where id not in (select id from chosen) "
        "and id not in (select id from known where entity = ?)",
        (plan.entity,),
    )
