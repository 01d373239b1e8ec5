"""`plan`, `collect`, `build`, `verify` and `sync`: make one call, show the result, return an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
import msgspec

from reelhouse.bootstrap import collecting, operations
from reelhouse.bootstrap.collecting import CallResult, CollectOptions
from reelhouse.bootstrap.interruptible import INTERRUPTED, SIGNALS
from reelhouse.bootstrap.operations import SyncResult
from reelhouse.bootstrap.storage import lake_of, readable_storage, writable_storage
from reelhouse.cli.status import open_run_line
from reelhouse.cli.terminal import display
from reelhouse.collect.id_lists import KeyList
from reelhouse.collect.planning import PlannedRun
from reelhouse.collect.reporting import duration
from reelhouse.collect.status import open_runs, until
from reelhouse.collect.verify import Verdict
from reelhouse.errors import ConfigError, LakeError, ListingError
from reelhouse.raw.plan import Cause, Plan
from reelhouse.raw.reconciliation import open_run, verdict
from reelhouse.settings import FILE, Settings
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from reelhouse.warehouse.run import BuildResult


def plan(settings: Settings, request: CollectOptions, as_json: bool) -> int:
    storage = readable_storage(settings)
    requests = [one.narrowed((entity.name,)) for one in request.by_list for entity in one.chosen]
    found: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    for one in requests:
        name = one.only.name
        try:
            found.append(_plan(storage, settings, one, as_json))
        except (ListingError, LakeError) as exc:
            if len(requests) == 1:
                raise
            failures[name] = str(exc)
            display.problems([f"reelhouse: {name}: {exc}"])
    asked = {run["entity"]: run["requests"] for run in found}
    for run in found:
        made = until(run["entity"], asked, request.entities)
        run["done_after_seconds"] = made / settings.rate if settings.rate else None
    summed = ("requests", "find_requests", "seconds", "objects", "bytes")
    totals = {name: sum(run[name] or 0 for run in found) for name in summed}
    # Tables of one entity are built after those of another.
    totals["build_memory"] = max((run["build_memory"] for run in found), default=0)
    if as_json:
        display.as_json({**(found[-1] if found else {}), "runs": found, "totals": totals, "failures": failures})
    elif len(requests) > 1:
        names = ("requests", "objects", "bytes", "build_memory")
        rows = [(run["entity"], *(run[name] for name in names), _after(run["done_after_seconds"])) for run in found]
        total = ("in all", *(totals[name] for name in names), _after(totals["seconds"]))
        columns = ("entity", "requests", "objects", "bytes", "memory of a build", "done after")
        display.table("All entities", columns, [*rows, total])
    return 1 if failures else 0


def _after(seconds: float | None) -> str:
    return duration(seconds) if seconds else ""


# A line through builds of 10,000 to 200,000 records by the embedded engine (docs/benchmarks.md): bytes, and bytes for
# each byte of the answers.
_BUILD_BASE, _BUILD_SLOPE = 800e6, 3.1


def _listed_in(plan: Plan) -> str:
    """Where the ids of *plan* were listed."""
    adult = " and that of adult ones" if plan.adult_export else ""
    return f"export of {plan.export.day}{adult}" if plan.export else plan.selection.source


def _build_memory(drafted: PlannedRun) -> int:
    """About how many bytes a full build of the entity needs once the run has landed, to ten million."""
    return int(round(_BUILD_BASE + _BUILD_SLOPE * (drafted.stored + drafted.bytes), -7))


def _plan(storage: Storage, settings: Settings, request: CollectOptions, as_json: bool) -> dict[str, Any]:
    """What the next run of one entity would ask; shown unless *as_json*."""
    opened = open_run(storage, request.only.name)
    if opened is not None:
        display.note(f"Run {opened.run} is open: collect continues it before it plans another one.")
    with display.progress() as bar:
        drafted = collecting.draft(storage, settings, request._replace(ids_of=operations.ids_of), bar)
    made = drafted.plan
    seconds = drafted.requests / settings.rate if settings.rate else None
    # Chunks and their receipts, the ids, the plan and the reconciliation.
    per_unit = max(1.0, made.unit_size / (settings.rate * settings.chunk_seconds)) if settings.rate else 1.0
    objects = round(2 * made.units * per_unit) + 3 if made.ids.count else 3
    found = {
        "run": made.run,
        "entity": made.entity,
        "listed": made.counts.listed,
        "not_in_listing": made.counts.not_in_listing,
        "excluded": made.counts.excluded,
        "up_to_date": made.counts.up_to_date,
        "requested": made.ids.count,
        "causes": made.counts.requested,
        "requests": drafted.requests,
        "find_requests": drafted.find_requests,
        "seconds": seconds,
        "objects": objects,
        "bytes": drafted.bytes,
        "build_memory": _build_memory(drafted),
        "open_run": opened.run if opened else None,
        "notes": drafted.notes,
        "set_aside": msgspec.to_builtins(made.set_aside),
        **of_list(request.listed),
    }
    if as_json:
        return found
    rows = [
        ("listed", made.counts.listed, _listed_in(made)),
        *((f"excluded: {name}", count, "") for name, count in sorted(made.counts.excluded.items())),
        ("up to date", made.counts.up_to_date, ""),
        *((f"requested: {name}", count, "") for name, count in sorted(made.counts.requested.items())),
        *([("requests to find ids of IMDb and TVDB", drafted.find_requests, "")] if drafted.find_requests else []),
        ("requests", drafted.requests, f"{duration(seconds)} at {settings.rate:g} a second" if seconds else ""),
        ("objects", objects, ""),
        ("bytes", drafted.bytes, "about, packed"),
        ("memory of a build", found["build_memory"], "about, in bytes, of the embedded engine"),
    ]
    display.table(f"Run {made.run} ({made.entity}) would request {made.ids.count:,} ids", ("", "count", ""), rows)
    for text in drafted.notes:
        display.note(f"Note: {text}.")
    display.set_aside(made)
    return found


def collect(settings: Settings, request: CollectOptions, as_json: bool, *, yes: bool = False) -> int:
    done = _collect(writable_storage(settings), settings, request, yes=yes)
    _show_runs(done, request, as_json)
    _end_if_stopped(done)
    return _exit_code(done)


def _collect(storage: Storage, settings: Settings, request: CollectOptions, *, yes: bool) -> CallResult:
    display.keep_log(storage)
    requests = [_beside_open_runs(storage, settings, one) for one in request.by_list]
    # A run that the caller limits ends by itself.
    limited = request.deadline is not None or (request.max_requests or _MANY + 1) <= _MANY
    with display.progress(_question_of_many(settings.rate, asks=not yes and not limited)) as bar:
        done = operations.collect(storage, settings, request, bar, requests)
    display.problems(f"reelhouse: {entity}: {failure}" for entity, failure in done.failures.items())
    return done


# Ids that are new to the lake whose requests need no confirmation: some eight minutes.
_MANY = 20_000


def _question_of_many(rate: float, *, asks: bool) -> Callable[[Plan], str]:
    """What to ask a user before the first run of a call that adds many ids to the lake; empty for all other runs."""
    asked: list[Plan] = []

    def question(plan: Plan) -> str:
        new = sum(plan.counts.requested.get(cause, 0) for cause in (Cause.NEW, Cause.LISTED))
        if not asks or new <= _MANY or asked:
            return ""
        asked.append(plan)
        time_needed = f", {duration(plan.ids.count / rate)} at {rate:g} a second" if rate else ""
        return (
            f"Run {plan.run} of {plan.entity} makes {plan.ids.count:,} requests{time_needed}, {new:,} of them for ids "
            "that are new to the lake. It can be stopped and continued at any time. --top 1000 selects fewer, "
            f"top = 1000 in {FILE} does for all later runs too. Begin it?"
        )

    return question


def _beside_open_runs(storage: Storage, settings: Settings, request: CollectOptions) -> CollectOptions:
    """Announce open runs. If the request selects something else, the user decides what becomes of them."""
    opened = open_runs(storage, settings.rate, {entity.name: entity for entity in request.chosen})
    for one in opened:
        display.note(open_run_line(one))
    others = [] if request.abandon else collecting.of_other_selections(storage, settings, request)
    if not others:
        return request
    names = " and ".join(plan.name for plan in others)
    if not display.at_terminal(sys.stdin):
        raise ConfigError(
            f"{names} is open, of another selection: `reelhouse collect` without a selection finishes it first; "
            "`reelhouse collect --abandon` gives it up, and then takes the new selection"
        )
    answer = display.choose(
        f"{names} is open with a different selection. Finish it first, or abandon its pending ids?",
        ("finish", "abandon", "quit"),
    )
    if answer == "quit":
        raise click.Abort
    return request._replace(abandon=answer == "abandon")


def _end_if_stopped(done: CallResult) -> None:
    """End the command after a signal that ended its collection."""
    reasons = {result.reason for result in done.results}
    if INTERRUPTED in reasons:
        raise KeyboardInterrupt
    if reasons & SIGNALS:
        raise click.exceptions.Exit(1)


def _exit_code(done: CallResult) -> int:
    if any(isinstance(failure, ConfigError) for failure in done.failures.values()):
        return 2
    return 0 if not done.failures and all(result.clean for result in done.results) else 1


def of_list(listed: KeyList | None) -> dict[str, Any]:
    return {"list": listed.summary()} if listed else {}


def _show_runs(done: CallResult, request: CollectOptions, as_json: bool) -> None:
    if as_json:
        display.as_json(operations.collected(done, request).to_dict())
        return
    for at, result in enumerate(done.results):
        entity = result.plan.entity
        if not result.plan.ids.count and any(one.plan.entity == entity for one in done.results[:at]):
            display.note(f"Nothing more to request for {entity}.")
        else:
            display.run_result(result)


def build(settings: Settings, full: bool, as_json: bool) -> int:
    from reelhouse.engines.session import check_installed

    check_installed(settings.engine)
    built = _build(lake_of(settings), settings, full)
    if as_json:
        display.as_json(built.to_dict())
    else:
        _show_build(built)
    return 0 if built.ok else 1


def _build(storage: Storage, settings: Settings, full: bool = False) -> BuildResult:
    display.keep_log(storage)
    with display.spinner("building") as step:
        return operations.build(storage, settings, step, full=full)


def _show_build(built: BuildResult) -> None:
    if not built.done:
        display.note("Nothing new has landed since the last build.")
    display.table("Tables and marts", ("name", "rows"), sorted(built.rows.items()))
    display.problems(built.problems)
    for text in built.notes:
        display.note(text)


def sync(settings: Settings, request: CollectOptions, as_json: bool, *, yes: bool = False) -> int:
    storage = writable_storage(settings)

    def collect(request: CollectOptions) -> CallResult:
        done = _collect(storage, settings, request, yes=yes)
        stopped = any(result.reason in SIGNALS for result in done.results)
        if not as_json or stopped:
            _show_runs(done, request, as_json)
        _end_if_stopped(done)
        return done

    done, built = operations.sync(storage, settings, request, collect, lambda: _build(storage, settings))
    verdict = _verify(storage, since=operations.first_runs(done.results))
    if as_json:
        display.as_json(SyncResult(operations.collected(done, request), built, verdict).to_dict())
    else:
        _show_build(built)
        _show_verdict(verdict)
    return _exit_code(done) or (0 if verdict.ok and built.ok else 1)


def verify(settings: Settings, as_json: bool, *, deep: bool = False) -> int:
    operations.check_can_verify(deep=deep)
    verdict = _verify(lake_of(settings), since=None, deep=deep)
    if as_json:
        display.as_json(verdict.to_dict())
    else:
        _show_verdict(verdict)
    return 0 if verdict.ok else 1


def _verify(storage: Storage, *, since: Mapping[str, int] | None, deep: bool = False) -> Verdict:
    display.keep_log(storage)
    with display.spinner("verifying"):
        return operations.verify(storage, since=since, deep=deep)


def _show_verdict(found: Verdict) -> None:
    rows = [
        ("runs", found.runs),
        ("requested", found.requested),
        *sorted(found.states.items()),
        ("pending", found.pending),
        ("chunks", found.chunks),
        ("bytes", found.bytes),
        ("chunks that no receipt names", found.unclaimed),
        ("problems", found.problem_count),
    ]
    quarantined = found.states.get("quarantined", 0)
    words = verdict(complete=found.complete, clean=found.clean, quarantined=quarantined)
    display.table(f"Verified: {words}", ("", "count"), rows)
    for text in (*found.checked, *found.notes):
        display.note(text)
    if found.pending:
        display.problems([f"{found.pending:,} ids are pending: `reelhouse collect` continues with them"])
    display.problems(found.problems)


def verify_course(settings: Settings, listed: KeyList | None, as_json: bool) -> int:
    from reelhouse.course.checker import check_course

    with display.spinner("checking files"):
        found = check_course(readable_storage(settings), listed.keys if listed else None)
    if as_json:
        display.as_json({"place": settings.lake, **found._asdict(), "valid": found.valid, **of_list(listed)})
    else:
        display.checked(settings.lake, found)
    return 0 if found.valid else 1
