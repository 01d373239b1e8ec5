"""Planning: which ids the next run asks, and why. One SQL query over the listing and the ledger."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reelhouse.collect.listing import Listing
from reelhouse.collect.record_filter import check_fields, needs_answers
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Discovered, Entity, Export, FromColumn, Pages
from reelhouse.errors import KeyTakenError, LakeError, ListingError, MissingError, TransientError, UntrustedError
from reelhouse.ids import key_id
from reelhouse.raw.inbox import read_inbox
from reelhouse.raw.json_objects import get_named
from reelhouse.raw.keys import export_key, is_export_of
from reelhouse.raw.ledger import Ledger, keep_ledger, open_ledger
from reelhouse.raw.plan import (
    Cause,
    Counts,
    ExportRef,
    IdsObject,
    Plan,
    RequestProfile,
    Selection,
    listed_at,
    pack_ids,
    put_ids,
    read_lines,
    read_plan,
)
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import Answer, TmdbClient, query_of
from reelhouse.tmdb.clock import AGREES
from reelhouse.tmdb.discover import discover
from reelhouse.tmdb.endpoints import EXPORTS_URL, is_found, request_of, takes
from reelhouse.tmdb.exports import fetch_export, read_rows
from reelhouse.tmdb.pagination import read_changes
from reelhouse.tmdb.retry import ask, ask_time, decode_members, whole_json

if TYPE_CHECKING:
    import aiohttp

UNIT_SIZE = 1000

# How often TMDB is asked for the time before planning is given up.
_ATTEMPTS = 8

# Answers that a new record filter is held against, and how often each is asked.
_PROBED = 10
_PROBES = 3

# A filter that keeps all of fewer than these is nothing to wonder about.
NOTABLE = 20

# The change feed answers for at most this long; what is older than that is asked again without being named.
FEED_DAYS = 14

# An answer may come from a CDN hours old, so only one fetched after this hour of the next day surely holds the change.
SURE_HOUR = "T08:00:00Z"

# The mean size of fewer answers says little of those to come.
_ENOUGH = 1000

# Later than any instant.
_NEVER = "9999"
_LONG_AGO = "1970-01-02T00:00:00Z"

_ASKED = """
create temp table asked as
select l.id as id, l.popularity as popularity, l.id is not null as listed, l.excluded as excluded,
  case
    when k.id is null then case when l.excluded is null then l.reason end
    when k.state = 'quarantined' then 'retry'
    when k.state = 'gone' then case when l.excluded is null or k.landed_at is not null then 'retry' end
    {kept_up}
  end as reason
from listed l left join known k on k.entity = :entity and k.id = l.id
  left join run r on r.run = k.run left join changed c on c.id = l.id left join vanished v on v.id = l.id
union all
select k.id, null, 0, null,
  case
    when k.state = 'quarantined' then 'retry'
    when k.state = 'gone' then case
      when {said_once} then 'retry'
      when k.landed_at is null then null
      when k.fetched_at <= c.fresh_after then 'changed'
      when k.fetched_at < :others_stale_before then 'stale'
    end
    {others_kept_up}
  end
from known k
  left join run r on r.run = k.run left join changed c on c.id = k.id left join vanished v on v.id = k.id
where k.entity = :entity and k.id not in (select id from listed)
"""

_KEPT_UP = """
    when v.id is not null then 'vanished'
    when r.request_profile <> :request_profile then 'settings'
    when c.id is not null and (k.fetched_at <= c.fresh_after or k.fetched_at > {latest}) then 'changed'
    when k.fetched_at < {stale_before} or k.fetched_at > {latest} then 'stale'
"""

# One answer of TMDB's that an id is gone may be an outage of a server. Where no listing would bring the id back, it is
# requested once more on another day, if tables had it.
_SAID_ONCE = """k.landed_at is not null and substr(k.gone_since, 1, 10) = substr(k.fetched_at, 1, 10)
    and k.fetched_at < :today"""


class RunSpec(NamedTuple):
    """What a user wants asked: the settings that planning needs, as plain values.

    *runs* are the kinds of runs (`full`, `incremental`) that this one is, for messages that wait for such; *known* are
    all entities that are collected; *columns* (`table.column`) are those that hold the *keys*. *notes* are what to say
    with the plan.
    """

    entity: Entity
    request_profile: RequestProfile
    selection: Selection
    keys: tuple[str, ...] = ()
    stale_after_days: int = 150
    min_export_share: float = 0.95
    unit_size: int = UNIT_SIZE
    written_by: str = ""
    runs: tuple[str, ...] = ()
    known: Collection[str] = ENTITIES
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Tmdb(NamedTuple):
    """TMDB as planning and fetching see it: the API, and the export host, which never sees the token."""

    client: TmdbClient
    session: aiohttp.ClientSession
    exports_url: str


class PlannedRun(NamedTuple):
    """A plan that nobody has put yet, with what `reelhouse plan` shows of it; *notes* are sentences for a person.

    *requests* are at least what it makes: one for each key, and *find_requests* more for ids of other services, which
    `/find` has to resolve first. *stored* are the bytes of the entity's chunks in the lake, *bytes* about what the run
    adds.
    """

    plan: Plan
    requests: int
    notes: tuple[str, ...] = ()
    find_requests: int = 0
    stored: int = 0
    bytes: int = 0


async def plan_run(storage: Storage, tmdb: Tmdb, wanted: RunSpec, *, after: int, put: bool) -> PlannedRun:
    """Decide what the run after run *after* asks. With *put* its ids lie in the lake, ready for `put_plan`.

    Raises `ListingError` where a listing cannot be read whole: then nothing is planned from a part of it.
    """
    with open_ledger(storage, wanted.entity.name, after) as ledger:
        if put and ledger.scattered:
            keep_ledger(storage, wanted.entity.name, ledger)
        return await _Planner(storage, tmdb, wanted, ledger, after + 1, put).draft()


class _Planner:
    """One planning: fills the listing, asks the ledger, counts."""

    def __init__(self, storage: Storage, tmdb: Tmdb, wanted: RunSpec, ledger: Ledger, run: int, put: bool) -> None:
        self._storage = storage
        self._tmdb = tmdb
        self._wanted = wanted
        self._ledger = ledger
        self._run = run
        self._put = put
        self._notes: list[str] = []
        # Whether changes are neither read nor made up for: a later run does that.
        self._is_gap_left = False
        self._listing = Listing(ledger.db, wanted.entity.name)
        self._plans = EarlierPlans(storage, wanted.entity.name, run - 1)
        self._before = newest_plans(self._plans, wanted.selection)

    async def draft(self) -> PlannedRun:
        wanted = self._wanted
        # One that waits for another kind of run goes on waiting.
        kinds = {"", *wanted.runs}
        inbox = read_inbox(self._storage, wanted.entity.name, wanted.known, partial(takes, wanted.entity))
        messages = [found for found in inbox.messages if found[1].run in kinds]
        left = {key for key, _ in inbox.messages} - {key for key, _ in messages}
        named = [key for _, message in messages for key in message.keys]
        exports, lines = await self._list(named)
        planned_at = await self._now()
        # What depends on a time that nothing confirms is left to a later run; a full run asks everything anyway.
        timeless = self._tmdb.client.clock.disputed is not None
        if timeless:
            counts = self._decide("" if wanted.stale_after_days else _NEVER, _NEVER, "")
        else:
            self._mark_left_lately(planned_at)
            counts = self._decide(await self._read_feed(planned_at), shifted(planned_at, AGREES), planned_at[:10])
        plan = Plan(
            run=self._run,
            entity=wanted.entity.name,
            planned_at=planned_at,
            ids=self._ids(_lines(self._ledger, wanted.entity)),
            unit_size=wanted.unit_size,
            request_profile=wanted.request_profile,
            selection=wanted.selection,
            counts=counts,
            export=exports[0] if exports else None,
            adult_export=exports[1] if exports[1:] else None,
            listing=self._ids(lines) if lines else None,
            changes_read_to=self._before.changes_read_to if timeless or self._is_gap_left else planned_at,
            listed_at=self._listed_at(planned_at),
            inbox=[key for key, _ in messages],
            set_aside=[one for one in inbox.set_aside if one.key not in left],
            written_by=wanted.written_by,
        )
        if self._put:
            await self._check_filter()
        find_requests, stored, size = self._cost(plan)
        notes = (*wanted.notes, *self._notes, *selection_notes(plan))
        return PlannedRun(plan, plan.ids.count + find_requests, notes, find_requests, stored, size)

    def _cost(self, plan: Plan) -> tuple[int, int, int]:
        """Requests to `/find`, bytes in the lake, and about how many bytes the run adds."""
        db = self._ledger.db
        (stored, made) = db.execute(
            "select (select coalesce(sum(size), 0) from object), (select coalesce(sum(requests), 0) from run)"
        ).fetchone()
        (find_requests,) = db.execute("select count(*) from unresolved").fetchone()
        each = stored / made if stored and made >= _ENOUGH else self._wanted.entity.bytes_at_rest
        return find_requests if self._wanted.entity.find else 0, stored, round(plan.ids.count * each)

    async def _check_filter(self) -> None:
        """Hold a filter that is new against a few answers: once a plan is put, it keeps its filter to its end.

        The answers are not kept; the run asks them again.
        """
        request_profile, entity, before = self._wanted.request_profile, self._wanted.entity, self._before.plan
        if before is not None and before.request_profile.record_filter == request_profile.record_filter:
            return
        if not needs_answers(request_profile.record_filter, entity, request_profile.append):
            return
        query = query_of(request_profile.params)
        named = (line.partition(" ")[0] for line in _lines(self._ledger, entity))
        keys = list(islice((key for key in named if not is_found(entity, key)), _PROBED))
        found = await asyncio.gather(*(self._probed(*request_of(entity.path, name, query)) for name in keys))
        check_fields(
            request_profile.record_filter, [body for body in found if body is not None], entity, request_profile.append
        )

    async def _probed(self, path: str, query: str) -> bytes | None:
        """One answer, or None where there is none: what becomes of its id is the run's business."""
        with suppress(TransientError, UntrustedError, MissingError):
            answer = await ask(self._tmdb.client, path, query, _record, attempts=_PROBES)
            return answer.body
        return None

    def _listed_at(self, planned_at: str) -> str:
        # Where nothing but lists is ever requested, a list is everything.
        if self._wanted.selection.source != "list" or self._wanted.entity.source == "list":
            return planned_at
        return listed_at(self._before.plan)

    async def _now(self) -> str:
        """TMDB's clock: by this machine's, a wrong one, changes would be skipped or everything would be stale."""
        client = self._tmdb.client
        if client.seen_at is None or client.clock.disputed is not None:
            await ask_time(client, _ATTEMPTS)
        return client.seen_at or client.clock.now()

    async def _list(self, named: list[str]) -> tuple[list[ExportRef], list[str]]:
        """Fill the listing; returns the exports it comes from and the lines of what no export holds."""
        selection = self._wanted.selection
        exports: list[ExportRef] = []
        lines: list[str] = []
        entity = self._wanted.entity
        if selection.source == "export":
            exports = await self._list_exports()
        elif selection.source == "discover":
            found = await discover(self._tmdb.client, entity, dict(selection.discover), self._notes.append)
            lines = [f"{id_} {popularity!r}" for id_, popularity in sorted(found.items())]
        elif selection.source == "single":
            lines = [entity.path]
        elif isinstance(entity.listing, Pages) and selection.source == "pages":
            lines = [str(page) for page in range(1, entity.listing.last + 1)]
        lines += self._wanted.keys
        self._check_floor(len(lines))
        # Tables that a purge has emptied mention nothing.
        before = self._before.listings if lines or selection.source != "column" else []
        lines += named
        self._listing.add_lines(lines, selection)
        for listing in before:
            self._listing.mark_vanished(_listed_ids(self._storage, listing, selection))
        self._listing.add_set_aside()
        return exports, lines

    def _check_floor(self, ids: int) -> None:
        """Raise `ListingError` where discover or a column names fewer ids than are plausible."""
        listing = self._wanted.entity.listing
        selection = self._wanted.selection
        unselected = selection.source == self._wanted.entity.source and not selection.discover
        if unselected and isinstance(listing, (Discovered, FromColumn)) and ids < listing.least_rows:
            raise ListingError(
                f"{self._wanted.entity.name}: {ids} ids are listed, but at least {listing.least_rows} are "
                "expected; the listing is not used"
            )

    async def _list_exports(self) -> list[ExportRef]:
        before, client = self._before.exports, self._tmdb.client
        session, url = self._tmdb.session, self._tmdb.exports_url
        found = await list_exports(self._storage, session, url, self._wanted, self._listing, before, client)
        for export in found:
            if export.body is not None:
                _land_export(self._storage, export.reference, export.body)
        references = [export.reference for export in found]
        names = _names(self._wanted)
        for listed in before:
            # What a user no longer lists has not vanished at TMDB.
            still = any(is_export_of(name, listed.key) for name in names)
            if still and listed.key not in {one.key for one in references}:
                body = _landed(self._storage, listed)
                self._listing.mark_vanished(None if body is None else _ids_of(body))
        return references

    async def _read_feed(self, planned_at: str) -> str:
        """Mark what the change feed names; returns the instant before which everything known is stale."""
        today = date.fromisoformat(planned_at[:10])
        stale_before = f"{today - timedelta(days=self._wanted.stale_after_days)}{planned_at[10:]}"
        if isinstance(self._wanted.entity.listing, Pages):
            # A list is ranked again each day, whatever its answers' age in hours.
            return max(stale_before, f"{today}T00:00:00Z")
        cursor = self._before.changes_read_to
        if cursor is None or not self._wanted.entity.changes or not self._knows_any():
            return stale_before
        if cursor > shifted(planned_at, AGREES):
            # A wrong clock was believed when that run was planned: the days since an earlier one are still unread.
            cursor = _cursor_before(self._plans, planned_at)
        first = date.fromisoformat(min(cursor, planned_at)[:10]) - timedelta(days=1)
        oldest = today - timedelta(days=FEED_DAYS - 1)
        if first < oldest:
            first = oldest
            # What the days before say is not read, so it is the hour after which an answer surely holds them.
            stale_before = max(stale_before, f"{oldest}{SURE_HOUR}")
            self._is_gap_left = self._is_full_slice
        for offset in range((today - first).days + 1):
            day = first + timedelta(days=offset)
            ids = await read_changes(self._tmdb.client, self._wanted.entity, day)
            self._listing.add_changed(ids, _sure_after(day))
        return stale_before

    def _mark_left_lately(self, now: str) -> None:
        """Mark ids that left a listing and were requested before an answer surely says what became of them."""
        if self._wanted.selection.source in _LOSING_IDS:
            for plan, fresh_after in left_lately(self._plans, now):
                self._listing.add_changed(_vanished_ids(self._storage, plan), fresh_after)

    @property
    def _is_full_slice(self) -> bool:
        """Whether the run requests again what is selected, and that is not everything."""
        wanted, selection = self._wanted, self._wanted.selection
        listed = selection.source == "list" and wanted.keys != ()
        limited = selection.top is not None or selection.min_popularity is not None or bool(selection.discover)
        return not wanted.stale_after_days and (listed or limited)

    def _knows_any(self) -> bool:
        found = self._ledger.db.execute(
            "select 1 from known where entity = ? and (state <> 'gone' or landed_at is not null) limit 1",
            (self._wanted.entity.name,),
        ).fetchone()
        return found is not None

    def _decide(self, stale_before: str, latest: str, today: str) -> Counts:
        db = self._ledger.db
        db.execute("drop table if exists temp.asked")
        db.execute(
            _ASKED.format(
                kept_up=_KEPT_UP.format(
                    stale_before="case when l.excluded is null then :stale_before else :others_stale_before end",
                    latest="case when l.excluded is null then :latest else :others_latest end",
                ),
                said_once=_SAID_ONCE,
                others_kept_up=_KEPT_UP.format(stale_before=":others_stale_before", latest=":others_latest"),
            ),
            {
                "entity": self._wanted.entity.name,
                "request_profile": self._wanted.request_profile.fingerprint,
                "stale_before": stale_before,
                "latest": latest,
                # A full run of a slice is about its ids.
                "others_stale_before": "" if self._is_full_slice else stale_before,
                "others_latest": _NEVER if self._is_full_slice else latest,
                "today": "" if self._is_full_slice else today,
            },
        )
        asked = dict(db.execute("select reason, count(*) from asked where reason is not null group by reason"))
        named, set_aside = db.execute(
            "select count(*) filter (where listed), count(*) filter (where not listed) from unresolved"
        ).fetchone()
        for cause, count in ((Cause.LISTED, named), (Cause.RETRY, set_aside)):
            if count:
                asked[cause.value] = asked.get(cause.value, 0) + count
        excluded = dict(
            db.execute(
                "select excluded, count(*) from asked where reason is null and excluded is not null group by excluded"
            )
        )
        (fresh,) = db.execute(
            "select count(*) from asked where reason is null and excluded is null and listed"
        ).fetchone()
        (beyond,) = db.execute("select count(*) from asked where reason is not null and not listed").fetchone()
        beyond += set_aside
        return Counts(
            listed=self._listing.count(), not_in_listing=beyond, excluded=excluded, up_to_date=fresh, requested=asked
        )

    def _ids(self, lines: Iterable[str]) -> IdsObject:
        if self._put:
            return put_ids(self._storage, self._wanted.entity.name, self._run, lines)
        body, count = pack_ids(lines)
        return IdsObject("", hashlib.sha256(body).hexdigest(), count)


class EarlierRuns(NamedTuple):
    """What earlier runs of the same entity leave for this one; *plan* is the newest of them.

    *exports*, newest first, are those that known ids were listed in; *listings* are what the same selection listed
    last, where it is not of exports.
    """

    plan: Plan | None
    exports: list[ExportRef]
    changes_read_to: str | None
    listings: list[IdsObject]


def _record(answer: Answer) -> Answer:
    whole_json(answer, decode_members)
    return answer


def selection_notes(plan: Plan) -> Iterator[str]:
    """Says where a plan's selection keeps nothing, or a filter of it everything: seldom is that meant."""
    counts, selection = plan.counts, plan.selection
    if selection.source == "discover" and not counts.listed:
        yield "discover selects no title at all"
    if counts.listed and sum(counts.excluded.values()) == counts.listed:
        reason = ", ".join(f"{count:,} by {name}" for name, count in sorted(counts.excluded.items()))
        yield f"all {counts.listed:,} listed ids are excluded ({reason}): nothing in the listing is requested"
    # Of ids that are requested for another cause nothing says whether the listing would exclude them.
    counted = counts.listed >= NOTABLE and not counts.requested.keys() - {Cause.NEW, Cause.LISTED}
    for name, limit in (("min_popularity", selection.min_popularity), ("top", selection.top)):
        if limit is not None and counted and not counts.excluded.get(name):
            yield f"{name} = {limit:g} excludes none of the {counts.listed:,} listed ids"


class EarlierPlans:
    """The plans of an *entity* up to run *last*, newest first, each read once however often they are looked through."""

    def __init__(self, storage: Storage, entity: str, last: int) -> None:
        self.last = last
        self._read = cache(lambda run: read_plan(storage, entity, run))
        self._reconciled = cache(lambda run: read_reconciliation(storage, entity, run))

    def __iter__(self) -> Iterator[Plan]:
        found = map(self._read, range(self.last, 0, -1))
        return (plan for plan in found if plan is not None)

    def is_abandoned(self, plan: Plan) -> bool:
        """Whether a user gave the run up before all was requested."""
        made = self._reconciled(plan.run)
        return made is not None and made.abandoned > 0


def newest_plans(plans: EarlierPlans, selection: Selection) -> EarlierRuns:
    """What earlier runs leave for one of *selection*. No more plans are read than it takes to know that."""
    newest: Plan | None = None
    cursor: str | None = None
    listed: list[ExportRef] = []
    listings: list[IdsObject] = []
    # An abandoned run has not requested all that it found changed or vanished: the run before it counts too.
    has_cursor = has_listing = False
    same_source, most = 0, _RUNS_BACK.get(selection.source, 0)
    for plan in plans:
        newest = newest or plan
        same_source += plan.selection.source == selection.source
        if plan.changes_read_to and not has_cursor:
            cursor, has_cursor = plan.changes_read_to, not plans.is_abandoned(plan)
        if plan.export is not None:
            listed += plan.exports
            has_listing = selection.source == "export" and not plans.is_abandoned(plan)
        if _lists_alike(plan.selection, selection) and plan.listing is not None:
            listings.append(plan.listing)
            has_listing = not plans.is_abandoned(plan)
        looked_through = same_source >= most or plans.last - plan.run >= _PLANS_READ
        if has_listing or (has_cursor and looked_through and selection.source != "export"):
            break
    return EarlierRuns(newest, listed, cursor, listings)


# Sources of ids whose listings lose ids from run to run because of what TMDB has deleted.
_LOSING_IDS = ("export", "discover", "column")

# Those of them whose listings are kept with the plan; in how many runs of that source an equal selection is looked for.
# A filter may hold today's date, so that no run before has listed the same.
_RUNS_BACK = {"discover": 30, "column": 30}
# Runs of other sources, such as lists in S3, may be many between two of the same.
_PLANS_READ = 1000


def _lists_alike(one: Selection, other: Selection) -> bool:
    """Whether an id that the first of two listings has and the second has not may be gone at TMDB."""
    # Of other filters it is another listing.
    return one.source == other.source in _RUNS_BACK and one.discover == other.discover


def left_lately(plans: EarlierPlans, now: str) -> Iterator[tuple[Plan, str]]:
    """Plans that request ids because they had left a listing, if no later run has asked for them again since.

    Each with the instant, before *now*, after which an answer surely shows that a thing is gone.
    """
    asked_again = ""
    for plan in plans:
        if plans.last - plan.run >= _PLANS_READ:
            break
        if plan.selection.source not in _LOSING_IDS:
            continue
        sure = _sure_after(date.fromisoformat(plan.planned_at[:10]))
        if sure < asked_again:
            break
        if sure < now and plan.counts.requested.get(Cause.VANISHED):
            yield plan, sure
        if not asked_again and not plans.is_abandoned(plan):
            asked_again = plan.planned_at


def _sure_after(day: date) -> str:
    """When an answer surely holds what became of a thing on that *day*, whatever a CDN had kept."""
    return f"{day + timedelta(days=1)}{SURE_HOUR}"


def _ids_of(export: bytes) -> Iterator[int]:
    return (row.id for batch in read_rows(export) for row in batch)


def _listed_ids(storage: Storage, listing: IdsObject, selection: Selection) -> Iterator[int]:
    """The ids of a plan's listing."""
    # What discover found has a popularity; ids without one were named besides.
    return (id_ for id_, popularity in _ids_in(storage, listing) if popularity or selection.source != "discover")


def _vanished_ids(storage: Storage, plan: Plan) -> Iterator[int]:
    """The ids that *plan* requests because they left a listing."""
    return (id_ for id_, cause in _ids_in(storage, plan.ids) if cause == Cause.VANISHED)


def _ids_in(storage: Storage, ids: IdsObject) -> Iterator[tuple[int, str]]:
    """TMDB's ids of an object with what stands behind each; none where it is purged or damaged."""
    with suppress(LakeError):
        for line in read_lines(storage, ids):
            key, _, rest = line.partition(" ")
            if (id_ := key_id(key)) is not None:
                yield id_, rest


def _cursor_before(plans: EarlierPlans, now: str) -> str:
    """The newest cursor that does not lie in the future; one long ago for none."""
    for plan in plans:
        if plan.changes_read_to and plan.changes_read_to <= now and not plans.is_abandoned(plan):
            return plan.changes_read_to
    return _LONG_AGO


def shifted(instant: str, seconds: float) -> str:
    return f"{datetime.fromisoformat(instant) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


class ListedExport(NamedTuple):
    """The newest export of its name; *body* is None where the lake has it. *asked_at* is the time of TMDB's answer."""

    reference: ExportRef
    body: bytes | None
    asked_at: str


def _names(wanted: RunSpec) -> list[str]:
    """The names of the exports that are listed, the ordinary one first."""
    entity = wanted.entity
    return [entity.export, *([entity.adult_export] if wanted.selection.adult_export else [])]


async def list_exports(
    storage: Storage,
    session: aiohttp.ClientSession,
    url: str,
    wanted: RunSpec,
    listing: Listing,
    before: Sequence[ExportRef],
    client: TmdbClient,
) -> list[ListedExport]:
    """Fill *listing* from the newest exports of an entity; of those *before*, newest first, the lake has the bytes.

    Raises `ListingError` if one cannot be read completely, or if its number of rows is not plausible.
    """
    found = []
    for name in _names(wanted):
        known = next((one for one in before if is_export_of(name, one.key)), None)
        found.append(await _list_export(storage, session, url, wanted, listing, name, known, client))
    return found


async def _list_export(
    storage: Storage,
    session: aiohttp.ClientSession,
    url: str,
    wanted: RunSpec,
    listing: Listing,
    kind: str,
    before: ExportRef | None,
    client: TmdbClient,
) -> ListedExport:
    adult = kind == wanted.entity.adult_export
    lies = _landed(storage, before)
    known = (date.fromisoformat(before.day), before.etag) if before and before.etag and lies is not None else None
    export = await fetch_export(session, url, kind, known, client)
    # An older one, by a clock that is behind or from a host that has lost the newest, would make the newest titles
    # vanish.
    newest = before is not None and f"{export.day}" < before.day <= f"{client.clock.today()}"
    if (export.body is None or newest) and before is not None and lies is not None:
        listing.add_export(lies, wanted.selection, adult=adult)
        return ListedExport(before, None, export.asked_at)
    body = export.body or b""
    rows = listing.add_export(body, wanted.selection, adult=adult)
    _check_size(rows, before, wanted, kind, official=url.startswith(EXPORTS_URL))
    sha256 = hashlib.sha256(body).hexdigest()
    reference = ExportRef(export_key(kind, export.day, sha256), sha256, export.day.isoformat(), rows, export.etag)
    return ListedExport(reference, body, export.asked_at)


def _landed(storage: Storage, export: ExportRef | None) -> bytes | None:
    """An export's bytes; None where they are gone or damaged: it can be fetched again."""
    if export is None:
        return None
    try:
        return get_named(storage, export.key, export.sha256, "a plan")
    except LakeError:
        return None


def _check_size(rows: int, before: ExportRef | None, wanted: RunSpec, kind: str, *, official: bool) -> None:
    listing = wanted.entity.listing
    if kind == wanted.entity.adult_export:
        # Nobody has said how many rows TMDB's have; an emulator may have no adult titles.
        least = int(official)
    else:
        least = listing.least_rows if official and isinstance(listing, Export) else 1
    if before is not None:
        least = max(least, int(before.rows * wanted.min_export_share))
    if rows < least:
        raise ListingError(
            f"the export {kind} holds {rows} ids where at least {least} are plausible, so nothing of it is used "
            "(if TMDB really shrank, lower min_export_share for one run)"
        )


def _land_export(storage: Storage, export: ExportRef, body: bytes) -> None:
    try:
        storage.put_new(export.key, body)
    except KeyTakenError:
        # Its name holds its hash: an object already there is this very file, unless it was damaged since.
        if storage.get(export.key) != body:
            storage.put(export.key, body)


def _lines(ledger: Ledger, entity: Entity) -> Iterator[str]:
    """The lines of a plan's ids object."""
    for (line,) in ledger.db.execute(
        "select ask || iif(listed, ' listed', ' retry') from unresolved order by position"
    ):
        yield line
    rows = ledger.db.execute(
        "select coalesce(?, id) || ' ' || reason from asked where reason is not null "
        "order by reason <> 'changed', reason = 'new', popularity is null, popularity desc, id",
        (None if entity.has_ids else entity.path,),
    )
    for (line,) in rows:
        yield line
