"""Collecting, as the command line and Lambda start it: the open run first, then what was requested."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from reelhouse.bootstrap import collector
from reelhouse.bootstrap.interruptible import INTERRUPTED, stopping
from reelhouse.bootstrap.interruptible import run as run_loop
from reelhouse.bootstrap.secrets import token_of
from reelhouse.bootstrap.selection import selected
from reelhouse.bootstrap.storage import spool_of
from reelhouse.collect.diff import Difference, EntityDiff, compare
from reelhouse.collect.fetching import GRACE, TURN_OVER, StopConditions
from reelhouse.collect.id_lists import KeyList
from reelhouse.collect.landing import replay
from reelhouse.collect.planning import PlannedRun, RunSpec, Tmdb, plan_run
from reelhouse.collect.reporting import Progress, RequestStats, RunResult
from reelhouse.collect.run import RunOptions, execute, leave_keys, start_run
from reelhouse.collect.schedule import TURN_SECONDS, by_priority, take_turns
from reelhouse.collect.spool import Spool
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity, Pages
from reelhouse.errors import ConfigError, DeletedRunError, DeniedError, LockedError, ReelhouseError, TransientError
from reelhouse.raw.inbox import waiting
from reelhouse.raw.lost_runs import check_free
from reelhouse.raw.plan import Plan, last_run, read_lines
from reelhouse.raw.reconciliation import open_run
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.client import TmdbClient, open_session
from reelhouse.tmdb.rate import Limiter


class CollectOptions(NamedTuple):
    """What a caller wants beyond the settings.

    *selected* is True if this call names a slice, *full* if it also requests what is up to date. *seconds* is how long
    this process can live at most, if it will be killed then. *grace* is the time after the deadline for answers on
    their way. *listed* is the list that *keys* come from,
    *lists* are those of several entities. *names* narrow
    the call to some of *entities*; a run is interrupted for more urgent ones after *turn_seconds*.
    With *abandon* the open runs are given up instead of continued, and without a selection nothing else is begun.
    *ids_of* reads the ids in columns of tables, for entities that are followed from them. *among* are others that the
    general settings hold for.
    """

    keys: tuple[str, ...] = ()
    selected: bool = False
    max_requests: int | None = None
    deadline: float | None = None
    full: bool = False
    abandon: bool = False
    seconds: float | None = None
    grace: float = GRACE
    listed: KeyList | None = None
    lists: tuple[KeyList, ...] = ()
    names: tuple[str, ...] = ()
    entities: Mapping[str, Entity] = ENTITIES
    turn_seconds: float = TURN_SECONDS
    ids_of: Callable[[Storage, Iterable[str]], list[int]] | None = None
    among: tuple[str, ...] = ()

    @property
    def chosen(self) -> list[Entity]:
        """The entities that the call is about, the most urgent first."""
        return by_priority(self.entities[name] for name in self.names or self.entities)

    def narrowed(self, names: tuple[str, ...]) -> CollectOptions:
        """A call for some of these entities, with the general settings of all of them."""
        return self._replace(names=names, among=(*self.among, *(one.name for one in self.chosen)))

    @property
    def by_list(self) -> list[CollectOptions]:
        """One call for each list; itself where ids come from none."""
        return [self.narrowed((one.entity,))._replace(keys=one.keys, listed=one, lists=()) for one in self.lists] or [
            self
        ]

    @property
    def only(self) -> Entity:
        """The one entity that a list of ids or a filter is about."""
        if len(self.chosen) > 1:
            raise ConfigError(
                f"entity: say what it is about, with --entity {' or --entity '.join(one.name for one in self.chosen)}"
            )
        return self.chosen[0]


class CallResult(NamedTuple):
    """What one call did.

    *requests* are all requests to the API, planning included, *throttled* those answered 429, *waited* the seconds of
    pauses that these caused, *retries* requests made again after a failure. *failures* are what kept an entity, by its
    name, from its work.
    """

    results: list[RunResult]
    requests: int
    throttled: int
    waited: float
    retries: int
    failures: dict[str, ReelhouseError]

    def followed_by(self, later: CallResult) -> CallResult:
        """This and a later call as one."""
        return CallResult(
            self.results + later.results,
            self.requests + later.requests,
            self.throttled + later.throttled,
            self.waited + later.waited,
            self.retries + later.retries,
            {**self.failures, **later.failures},
        )


def collect_each(storage: Storage, settings: Settings, request: CollectOptions, progress: Progress) -> CallResult:
    """Continue open runs, then plan and execute what was requested; the last result of an entity is what counts.

    What one entity fails with keeps no other waiting.
    """
    return _held(storage, settings, request, progress, _collect)


def run_until_idle(
    storage: Storage,
    settings: Settings,
    request: CollectOptions,
    progress: Progress,
    due: Callable[[list[Entity]], RunSpec | None],
) -> CallResult:
    """Continue open runs, then plan and execute what *due* returns, until nothing is left.

    *due* is called while this process has the lock of the lake: for the most urgent run of the entities without an
    open run.
    """
    return _held(storage, settings, request, progress, partial(_run_until_idle, due))


class _Failures:
    """What entities failed with, by name."""

    def __init__(self) -> None:
        self.found: dict[str, ReelhouseError] = {}

    @contextmanager
    def of(self, entity: Entity) -> Iterator[None]:
        """Keep an error of the *entity*; one that all of them would meet is raised."""
        try:
            yield
        except (DeletedRunError, DeniedError, TransientError, LockedError):
            raise
        except ReelhouseError as exc:
            self.found[entity.name] = exc


def _held(
    storage: Storage,
    settings: Settings,
    request: CollectOptions,
    progress: Progress,
    work: Callable[[_Call], Awaitable[list[RunResult]]],
) -> CallResult:
    """Do *work* under the lock of the lake, after replaying what an earlier call could not land."""
    token_of(settings)
    storage.check()
    stop_conditions = StopConditions(max_requests=request.max_requests, deadline=request.deadline, grace=request.grace)

    async def collecting(options: RunOptions) -> CallResult:
        async with collector.open_tmdb(settings) as tmdb:
            client, limiter, failures = tmdb.client, tmdb.client.limiter, _Failures()
            with _beating(client, progress), stopping(stop_conditions):
                call = _Call(storage, settings, request, progress, tmdb, options, stop_conditions, failures)
                results = await work(call)
            counts = (client.requests, limiter.throttles, limiter.waited, client.retries)
            return CallResult(results, *counts, failures.found)

    # A collector that takes the lock now would request at the full rate.
    with storage.lock(seconds=request.seconds, lost=partial(stop_conditions.stop, hurry=True)):
        spool = spool_of(settings, storage)
        replayed = _replay(storage, spool, stop_conditions, progress)
        options = collector.run_options(settings)._replace(spool=spool)
        done = run_loop(collecting(options), partial(stop_conditions.stop, INTERRUPTED, hurry=True))
        results = [result._replace(replayed=replayed) for result in done.results[:1]] + done.results[1:]
        return done._replace(results=results)


@contextmanager
def _beating(client: TmdbClient, progress: Progress) -> Iterator[None]:
    """Report pauses, and once a second how the requests stand."""
    client.limiter.on_pause = progress.paused
    beating = asyncio.create_task(_beats(client, progress))
    try:
        yield
    finally:
        beating.cancel()


async def _beats(client: TmdbClient, progress: Progress) -> None:
    """Report once a second how the requests stand, until cancelled."""
    limiter = client.limiter
    while True:
        await asyncio.sleep(1)
        counts = (client.requests, limiter.throttles, limiter.waited, client.retries)
        progress.beat(RequestStats(*counts, client.silent, client.last_failure))


def draft(
    storage: Storage, settings: Settings, request: CollectOptions, progress: Progress | None = None
) -> PlannedRun:
    """Plan the next run without putting the plan; a fetched export stays, for the run to use."""

    async def plan() -> PlannedRun:
        async with collector.open_tmdb(settings) as tmdb:
            wanted = _with_ids(storage, request, _wanted(settings, request, request.only))
            after = last_run(storage, wanted.entity.name)
            if open_run(storage, wanted.entity.name) is None:
                check_free(storage, wanted.entity.name, after + 1)
            with _beating(tmdb.client, progress or Progress()):
                made = await plan_run(storage, tmdb, wanted, after=after, put=False)
            return made._replace(notes=(*made.notes, *tmdb.client.clock.take_notes()[1]))

    return run_loop(plan())


def compare_each(
    storage: Storage,
    settings: Settings,
    names: Iterable[str],
    found: Callable[[Difference], None],
    progress: Progress,
) -> list[EntityDiff]:
    """Compare what the lake has with the newest exports: of the entities *names*, or of all that have runs.

    *found* is called with each difference. Raises `ConfigError` for an entity that cannot be compared.
    """
    named = list(names)
    chosen = [one for one in ENTITIES.values() if one.name in named] if named else list(ENTITIES.values())
    for entity in chosen if named else ():
        if not entity.export:
            raise ConfigError(f"entity: TMDB has no export of {entity.several} to compare with")
        if not last_run(storage, entity.name):
            raise ConfigError(f"entity: {entity.name} was never collected: reelhouse sync --entity {entity.name}")
    chosen = [one for one in chosen if one.export and last_run(storage, one.name)]
    if not chosen:
        raise ConfigError("diff: nothing that TMDB exports was collected yet: reelhouse sync")

    async def comparing() -> list[EntityDiff]:
        url = settings.exports_url
        async with open_session(1) as session:
            client = TmdbClient(session, url, "", Limiter(0))
            with _beating(client, progress):
                return [
                    await compare(storage, session, url, collector.wanted(settings, one), found, client)
                    for one in chosen
                ]

    return run_loop(comparing())


def _replay(storage: Storage, spool: Spool, stop_conditions: StopConditions, progress: Progress) -> int:
    """Replay what an earlier call could not land; returns how many answers that were."""
    found = replay(storage, spool, lambda: stop_conditions.reason is not None)
    if found.answers:
        progress.replayed(found.answers, str(spool.folder))
    for text in found.left:
        progress.left(text)
    return found.answers


class _Call(NamedTuple):
    """What the streams of one call share."""

    storage: Storage
    settings: Settings
    request: CollectOptions
    progress: Progress
    tmdb: Tmdb
    options: RunOptions
    stop_conditions: StopConditions
    failures: _Failures

    async def execute(self, plan: Plan, *, abandon: bool = False) -> RunResult:
        parts = (self.storage, self.tmdb, plan, self.options, self.stop_conditions, self.progress)
        others = {one.name for one in _among(self.settings, self.request)} - {plan.entity}
        return await execute(*parts, self.request.entities, abandon=abandon, others=others)

    async def start(self, wanted: RunSpec) -> Plan | None:
        """The next run's plan, or None if a stop condition came first; unfinished planning leaves nothing behind."""
        if self.stop_conditions.reason is not None:
            return None
        planning = asyncio.ensure_future(start_run(self.storage, self.tmdb, wanted, self.progress.begins))
        hurried = asyncio.ensure_future(self.stop_conditions.hurried())
        try:
            await asyncio.wait(
                (planning, hurried), timeout=self.stop_conditions.seconds_left, return_when=asyncio.FIRST_COMPLETED
            )
            return planning.result() if planning.done() else None
        finally:
            for task in (planning, hurried):
                task.cancel()
            await asyncio.gather(planning, hurried, return_exceptions=True)


class _EntityRuns:
    """An entity in one call: its open run, then the next one if it was requested. Results go to *results*."""

    def __init__(self, call: _Call, results: list[RunResult], entity: Entity) -> None:
        self.entity = entity
        self._call = call
        self._results = results
        self._wanted = _wanted(call.settings, call.request, entity)
        self.plan: Plan | None = None
        with call.failures.of(entity):
            self.plan = open_run(call.storage, entity.name)
            if self.plan is not None:
                leave_keys(call.storage, entity.name, call.request.keys)
        self._continues = self.plan is not None

    async def turn(self) -> bool:
        """Continue, or plan and begin, the run; whether something is left to do."""
        with self._call.failures.of(self.entity):
            return await self._turn()
        return False

    async def _turn(self) -> bool:
        call = self._call
        if self.plan is None:
            wanted = await asyncio.to_thread(_with_ids, call.storage, call.request, self._wanted)
            self.plan = await call.start(wanted)
            if self.plan is None:
                return True
        result = await call.execute(self.plan, abandon=call.request.abandon and self._continues)
        for before in [one for one in self._results if one.plan == result.plan]:
            self._results.remove(before)
            result = result.after(before)
        self._results.append(result)
        if result.reason == TURN_OVER:
            return True
        # The pages that came before midnight rank another day than those after it.
        daily = isinstance(self.entity.listing, Pages)
        new_day = daily and self.plan.planned_at[:10] < call.tmdb.client.clock.now()[:10]
        self.plan = None
        return (self._continues or new_day) and self._follows(result, new_day=new_day)

    def _follows(self, result: RunResult, *, new_day: bool) -> bool:
        """Whether the next run is planned after one that was open, or that began on an earlier day."""
        self._continues = False
        request = self._call.request
        named = request.selected or request.full
        waits = any(not message.run for _, message in waiting(self._call.storage, self.entity.name))
        if request.keys or not named:
            # The messages in the inbox are the next run's list.
            self._wanted = collector.wanted(
                self._call.settings, self.entity, listed=True, among=_among(self._call.settings, request)
            )
        return result.complete and (named or ((waits or new_day) and not request.abandon))


async def _collect(call: _Call) -> list[RunResult]:
    settings, request, failures = call.settings, call.request, call.failures
    named = request.selected or request.full
    once = named or request.abandon
    entities = [request.only] if request.keys or settings.discover else request.chosen
    results: list[RunResult] = []

    def overdue(waiting: list[_EntityRuns]) -> list[_EntityRuns]:
        """What became due while another entity's long run was worked on."""
        busy = {one.entity.name for one in waiting}
        idle = [] if once else [one for one in entities if one.name not in busy | failures.found.keys()]
        return [
            stream(one)
            for one in idle
            if time.monotonic() - begun[one.name] >= settings.of(one.name).run_every_hours * 3600
        ]

    def stream(entity: Entity) -> _EntityRuns:
        begun[entity.name] = time.monotonic()
        return _EntityRuns(call, results, entity)

    begun: dict[str, float] = {}
    streams = [made for entity in entities if (made := stream(entity)).entity.name not in failures.found]
    if request.abandon and not named:
        streams = [made for made in streams if made.plan is not None]
        if not streams and not failures.found:
            raise ConfigError(f"abandon: no run is open of {', '.join(entity.name for entity in entities)}")
    left = await take_turns(streams, overdue, call.stop_conditions, request.turn_seconds)
    if any(stream.plan is None for stream in left):
        opened = next((stream for stream in left if stream.plan is not None), None)
        if not results and opened is not None:
            # Time is up, so this asks nothing: it says how the open run stands.
            await opened.turn()
        return _unplanned(results, call)
    if left and results:
        results[-1] = results[-1]._replace(reason=call.stop_conditions.reason)
    return results


async def _run_until_idle(due: Callable[[list[Entity]], RunSpec | None], call: _Call) -> list[RunResult]:
    results: list[RunResult] = []
    while True:
        plan, wanted = _most_urgent(call, due)
        entity = wanted.entity if wanted is not None else call.request.entities[plan.entity] if plan else None
        if entity is None:
            break
        with call.failures.of(entity):
            if wanted is not None:
                plan = await call.start(wanted)
            if plan is None:
                return _unplanned(results, call)
            results.append(await call.execute(plan))
            if results[-1].reconciliation is None:
                break
        if call.stop_conditions.reason is not None:
            break
    return results


def _most_urgent(call: _Call, due: Callable[[list[Entity]], RunSpec | None]) -> tuple[Plan | None, RunSpec | None]:
    """The open run to continue, or the run to plan before it; entities that have failed are left out."""
    request, failures, plan = call.request, call.failures, None
    idle: list[Entity] = []
    for entity in request.chosen:
        if entity.name in failures.found:
            continue
        # A run that is as urgent as the open one waits for it.
        if plan is not None and entity.priority >= request.entities[plan.entity].priority:
            continue
        with failures.of(entity):
            its_run = open_run(call.storage, entity.name)
            if its_run is None:
                idle.append(entity)
            plan = plan or its_run
    if plan is not None:
        idle = [entity for entity in idle if entity.priority < request.entities[plan.entity].priority]
    for entity in idle:
        with failures.of(entity):
            if (wanted := due([entity])) is not None:
                return None, wanted
    return plan, None


def _unplanned(results: list[RunResult], call: _Call) -> list[RunResult]:
    """The results so far, if the next run could not be planned; an error if there are none."""
    reason = f"{call.stop_conditions.reason or 'the deadline is reached'}, so the next run is not planned"
    if not results:
        if call.failures.found:
            return []
        if call.stop_conditions.reason == INTERRUPTED:
            raise KeyboardInterrupt
        raise ReelhouseError(f"{reason}; nothing is open")
    return [*results[:-1], results[-1]._replace(reason=reason)]


def of_other_selections(storage: Storage, settings: Settings, request: CollectOptions) -> list[Plan]:
    """The open runs of the entities of a call whose selection is another than what the call itself names."""
    if not request.selected:
        return []
    plans = ((open_run(storage, entity.name), entity) for entity in request.chosen)
    return [plan for plan, entity in plans if plan and _is_other(storage, plan, _wanted(settings, request, entity))]


def _is_other(storage: Storage, plan: Plan, wanted: RunSpec) -> bool:
    if not wanted.keys:
        return plan.selection != wanted.selection
    if plan.listing is None or plan.selection.source != wanted.selection.source:
        return True
    return not {line.partition(" ")[0] for line in read_lines(storage, plan.listing)}.issuperset(wanted.keys)


def _with_ids(storage: Storage, request: CollectOptions, wanted: RunSpec) -> RunSpec:
    """*wanted* with the ids of the columns that it is followed from."""
    if not wanted.columns:
        return wanted
    if request.ids_of is None:
        raise ReelhouseError(f"{wanted.entity.name} is followed from tables: `reelhouse sync` collects it")
    return wanted._replace(keys=tuple(map(str, request.ids_of(storage, wanted.columns))))


def followed(settings: Settings, request: CollectOptions) -> dict[str, tuple[str, ...]]:
    """The entities of a call that are followed from columns of tables, with these columns."""
    found = {entity.name: _wanted(settings, request, entity).columns for entity in request.chosen}
    return {name: columns for name, columns in found.items() if columns}


def _among(settings: Settings, request: CollectOptions) -> list[Entity]:
    """The entities that general settings are about."""
    named = selected(settings.entities, request.entities) if settings.entities else ()
    return [*request.chosen, *(request.entities[name] for name in (*named, *request.among))]


def _wanted(settings: Settings, request: CollectOptions, entity: Entity) -> RunSpec:
    wanted = collector.wanted(
        settings,
        entity,
        keys=request.keys,
        listed=bool(request.keys),
        full=request.full,
        among=_among(settings, request),
        stated=request.selected,
    )
    wanted = wanted._replace(known=request.entities)
    # A run of a slice does not satisfy a message that waits for a full or incremental run.
    return wanted._replace(runs=()) if request.selected else wanted
