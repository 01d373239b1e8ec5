"""What commands do, apart from showing it, each with a typed result: shared by the command line and the Python API.

A result's `ok` says whether the command exits with 0, `to_dict` is the object that its `--json` prints, and `issues`
says in lines why it is not `ok`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from reelhouse.bootstrap import collecting
from reelhouse.bootstrap.collecting import CallResult, CollectOptions
from reelhouse.bootstrap.selection import selected
from reelhouse.collect.diff import DIFFERENCES, Difference, EntityDiff
from reelhouse.collect.id_lists import KeyList
from reelhouse.collect.reporting import Progress, RunResult, RunSummary, summary_of
from reelhouse.collect.verify import Verdict
from reelhouse.collect.verify import verify as verify_raw
from reelhouse.errors import ConfigError, ReelhouseError, StorageError, pip_install
from reelhouse.raw.verified import Verified, keep_verified
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Step, Storage

if TYPE_CHECKING:
    from reelhouse.serve.export.result import Exported, Target
    from reelhouse.warehouse.run import BuildResult

T = TypeVar("T")


@dataclass(frozen=True)
class CollectResult:
    """What a collection did: its *runs*, and what kept an entity from its work (*failures*, by the entity's name).

    *list* says how a list of ids was read, *lists* how those of several entities were.
    """

    runs: list[RunSummary]
    failures: dict[str, ReelhouseError]
    list: dict[str, Any] | None = None
    lists: dict[str, dict[str, Any]] | None = None

    @property
    def ok(self) -> bool:
        """Whether all runs are complete, without quarantined answers, and no entity failed."""
        return not self.failures and all(run.clean for run in self.runs)

    @property
    def issues(self) -> Sequence[str]:
        """Why not, in lines."""
        failed = [f"{entity}: {failure}" for entity, failure in self.failures.items()]
        return [*failed, *(_unclean(run) for run in self.runs if not run.clean)]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: the fields of the last run beside all runs."""
        runs = [msgspec.to_builtins(run) for run in self.runs]
        failures = {entity: str(failure) for entity, failure in self.failures.items()}
        listed = {"list": self.list, "lists": self.lists}
        return {
            **(runs[-1] if runs else {}),
            "runs": runs,
            "failures": failures,
            **{name: found for name, found in listed.items() if found},
        }


def _unclean(run: RunSummary) -> str:
    counts = {"pending": run.pending, "quarantined": run.quarantined, "of the inbox set aside": len(run.set_aside)}
    found = [*([run.reason] if run.reason else []), *(f"{n:,} {name}" for name, n in counts.items() if n)]
    return f"run {run.run} ({run.entity}) is {'not clean' if run.complete else 'not complete'}: {', '.join(found)}"


@dataclass(frozen=True)
class SyncResult:
    """What was collected, built and verified."""

    collect: CollectResult
    build: BuildResult
    verify: Verdict

    @property
    def ok(self) -> bool:
        """Whether all three are."""
        return self.collect.ok and self.build.ok and self.verify.ok

    @property
    def issues(self) -> Sequence[str]:
        """Why not, in lines."""
        return [*self.collect.issues, *self.build.issues, *self.verify.issues]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {**self.collect.to_dict(), "build": self.build.to_dict(), "verify": self.verify.to_dict()}


# How many ids of each kind of difference a result has.
_IDS_SHOWN = 1000


@dataclass(frozen=True)
class DiffResult:
    """The entities as *compared*, and of each entity and kind of difference the first thousand *ids*."""

    compared: list[EntityDiff]
    ids: dict[tuple[str, str], list[int]]

    @property
    def ok(self) -> bool:
        """Whether no id differs."""
        return all(one.equal for one in self.compared)

    @property
    def issues(self) -> Sequence[str]:
        """Which do, in lines."""
        return [
            f"{one.entity}: {count:,} ids are {name}"
            for one in self.compared
            for name in DIFFERENCES
            if (count := getattr(one, name))
        ]

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        entities = {}
        for one in self.compared:
            ids = {name: self.ids.get((one.entity, name), []) for name in DIFFERENCES}
            entities[one.entity] = {**one._asdict(), "ids": ids}
        return {"equal": self.ok, "entities": entities}


@dataclass(frozen=True)
class ExportResult:
    """The *tables* that an export wrote *to* a place, of which *build*; *oldest_answer* is the oldest in them.

    *not_compared* says what of an unchanged table was believed without a look, if anything.
    """

    to: str
    build: int
    oldest_answer: datetime | None
    tables: list[Exported]
    not_compared: str
    terms: str
    # As other results have: an export that does not succeed raises an error.
    ok: ClassVar[bool] = True
    issues: ClassVar[Sequence[str]] = ()

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {**vars(self), "tables": [one._asdict() for one in self.tables]}


def request_of(
    settings: Settings, entities: Sequence[str], lists: Sequence[KeyList], *, selects: bool, **limits: Any
) -> CollectOptions:
    """The request for *entities*, else those of the settings, or for the ids of *lists*.

    *selects* says whether the caller names a slice; *limits* are other fields of the request.
    """
    listed = lists[0] if len(lists) == 1 else None
    return CollectOptions(
        keys=listed.keys if listed else (),
        listed=listed,
        selected=selects or bool(lists),
        names=(listed.entity,) if listed else selected(entities or settings.entities),
        lists=tuple(lists) if len(lists) > 1 else (),
        **limits,
    )


def collect(
    storage: Storage,
    settings: Settings,
    request: CollectOptions,
    progress: Progress,
    parts: Sequence[CollectOptions],
) -> CallResult:
    """Continue open runs, then plan and execute the *parts* of a request; the failure of an only entity is raised."""
    done = CallResult([], 0, 0, 0.0, 0, {})
    for one in parts:
        done = done.followed_by(collecting.collect_each(storage, settings, one._replace(ids_of=ids_of), progress))
    if len(request.chosen) == 1 and not request.among:
        for failure in done.failures.values():
            raise failure
    return done


def collected(done: CallResult, request: CollectOptions) -> CollectResult:
    """The typed result of a call."""
    return CollectResult(
        [summary_of(result) for result in done.results],
        done.failures,
        request.listed.summary() if request.listed and not request.lists else None,
        {one.entity: one.summary() for one in request.lists} or None,
    )


def ids_of(storage: Storage, columns: Iterable[str]) -> list[int]:
    """The ids in *columns* of tables, for entities that are followed from them."""
    from reelhouse.warehouse.listed_ids import ids_of_columns

    return ids_of_columns(storage, columns)


def build(storage: Storage, settings: Settings, step: Step, *, full: bool = False) -> BuildResult:
    """Build what has landed since the last build, or everything again."""
    from reelhouse.engines.session import session_of
    from reelhouse.warehouse.run import answers_ahead
    from reelhouse.warehouse.run import build as build_lake

    return build_lake(
        storage,
        session_of(settings, storage, lambda: answers_ahead(storage, full=full)),
        full=full,
        progress=step,
        course=settings.layout == "course",
        course_quotes=settings.course_quotes,
    )


def sync(
    storage: Storage,
    settings: Settings,
    request: CollectOptions,
    collect: Callable[[CollectOptions], CallResult],
    build: Callable[[], BuildResult],
) -> tuple[CallResult, BuildResult]:
    """Collect and build, by the functions that do; the caller verifies."""
    from reelhouse.engines.session import session_of

    # A missing engine must be noticed now, not after nine hours of collecting.
    session_of(settings, storage)
    followed = collecting.followed(settings, request)
    return collect_and_follow(request, followed, collect, build, lambda columns: ids_of(storage, columns))


def collect_and_follow(
    request: CollectOptions,
    followed: Mapping[str, Sequence[str]],
    collect: Callable[[CollectOptions], CallResult],
    build: Callable[[], T],
    ids_in: Callable[[Sequence[str]], list[int]],
) -> tuple[CallResult, T]:
    """Collect and build, then collect what is *followed* from columns of tables, until these name no further ids."""
    began = time.monotonic()
    followed = {} if request.lists else followed
    names = tuple(one.name for one in request.chosen if one.name not in followed)
    done = collect(request.narrowed(names)) if names else CallResult([], 0, 0, 0.0, 0, {})
    built = build()
    known: dict[str, list[int]] = {}
    # Nothing is followed from a part of what names it: that of a run which was stopped.
    while all(result.reason is None for result in done.results):
        found = {name: ids_in(columns) for name, columns in followed.items()}
        names = tuple(name for name, ids in found.items() if known.get(name) != ids and name not in done.failures)
        left = _rest_of(request, done, time.monotonic() - began)
        if not names or left is None:
            break
        known = found
        done = done.followed_by(collect(left.narrowed(names)))
        built = build()
    return done, built


def _rest_of(request: CollectOptions, done: CallResult, seconds: float) -> CollectOptions | None:
    """What is left of the limits of a request; None when they are reached."""
    requests = None if request.max_requests is None else request.max_requests - sum(r.requests for r in done.results)
    deadline = None if request.deadline is None else request.deadline - seconds
    if (requests is not None and requests <= 0) or (deadline is not None and deadline <= 0):
        return None
    return request._replace(max_requests=requests, deadline=deadline, abandon=False)


def first_runs(results: Iterable[RunResult]) -> dict[str, int]:
    """The first run of each entity that was worked on."""
    found: dict[str, int] = {}
    for result in results:
        found[result.plan.entity] = min(found.get(result.plan.entity, result.plan.run), result.plan.run)
    return found


def verify(storage: Storage, *, since: Mapping[str, int] | None = None, deep: bool = False) -> Verdict:
    """Verify raw and tables; with *since* only the runs of an entity from that number on, with *deep* all values."""
    from reelhouse.warehouse.verify import check_tables

    verdict = verify_raw(storage, since=since)
    problems = [*verdict.problems, *check_tables(storage, deep=deep)]
    tables = "tables: every value was read" if deep else f"tables: {_CHEAPLY}"
    verdict = verdict._replace(problems=problems, checked=[*verdict.checked, tables])
    return verdict._replace(notes=[*verdict.notes, *_keep_verdict(storage, verdict, deep)])


def _keep_verdict(storage: Storage, verdict: Verdict, deep: bool) -> list[str]:
    """Leave the verdict in the lake, for reports; a lake that cannot be written is verified too, with a note."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    found = Verified(at, verdict.runs, verdict.problem_count, verdict.complete, verdict.clean, deep)
    try:
        keep_verified(storage, found)
    except StorageError as exc:
        return [f"the verdict is not kept in the lake, so reports do not know of it: {exc}"]
    return []


_CHEAPLY = "logs and sizes of data files were checked; `reelhouse verify --deep` also reads all values"


def diff(
    storage: Storage,
    settings: Settings,
    entities: Iterable[str],
    progress: Progress,
    note: Callable[[Difference], object] = lambda difference: None,
) -> DiffResult:
    """Compare the lake with TMDB's newest exports: *entities*, or all that have runs; *note* gets each difference."""
    first: dict[tuple[str, str], list[int]] = {}

    def found(one: Difference) -> None:
        note(one)
        ids = first.setdefault((one.entity, one.difference), [])
        if len(ids) < _IDS_SHOWN:
            ids.append(one.id)

    return DiffResult(collecting.compare_each(storage, settings, entities, found, progress), first)


def check_can_verify(*, deep: bool) -> None:
    """Raise `ConfigError` if packages that read every value are missing."""
    if not deep:
        return
    try:
        import deltalake  # noqa: F401 (whether it is there)
        import pyarrow  # noqa: F401 (as above)
    except ModuleNotFoundError:
        raise ConfigError(f"verify: --deep reads tables by delta-rs; install it with: {pip_install('lake')}") from None


def export(
    storage: Storage,
    settings: Settings,
    to: str,
    tables: tuple[str, ...] | None,
    schema: str | None,
    step: Step,
    note: Step,
    *,
    full: bool,
    excel_safe: bool = False,
) -> ExportResult:
    """Copy *tables* (all if None) to the place that *to* names; *note* gets what a person should know before."""
    from reelhouse.serve.export.result import TERMS
    from reelhouse.serve.export.tables import look
    from reelhouse.warehouse.manifest import reading

    target = _target(settings, storage, to, schema, note, excel_safe=excel_safe)
    with reading(storage):
        snapshot = look(storage, tables)
        done = target.export(snapshot, full=full, step=step)
    oldest = min((one.oldest_answer for one in done if one.oldest_answer), default=None)
    not_compared = target.not_compared if any(one.how == "unchanged" for one in done) else ""
    return ExportResult(target.place, snapshot.build, oldest, done, not_compared, TERMS)


def check_can_export() -> None:
    """Raise `ConfigError` if packages that read tables are missing."""
    if not (find_spec("deltalake") and find_spec("pyspark")):
        raise ConfigError(
            f"export: packages to read tables are not installed; install them with: {pip_install('lake', 'sql')}"
        )


def _target(
    settings: Settings, storage: Storage, to: str, schema: str | None, note: Step, *, excel_safe: bool
) -> Target:
    from reelhouse.serve.export.targets import is_database, target_of

    if settings.engine == "sail" or not is_database(to) or excel_safe:
        if settings.engine != "sail":
            note("Files are written by this process alone: Apache Spark is not used.")
        return target_of(to, schema, excel_safe=excel_safe)
    from reelhouse.engines.postgres_jdbc import load_by_jdbc

    return target_of(to, schema, load_by_jdbc(settings, storage, to))
