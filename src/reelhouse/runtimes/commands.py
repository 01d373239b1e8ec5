"""What each command does: make the parts, make one call, show the result. Returns exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from reelhouse.collect.asks import Asks
from reelhouse.collect.run import RunResult, open_run
from reelhouse.collect.status import status as lake_status
from reelhouse.collect.verifying import Verdict
from reelhouse.collect.verifying import verify as verify_raw
from reelhouse.runtimes import collecting, show
from reelhouse.runtimes.collecting import Request
from reelhouse.runtimes.places import storage_of
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage


def plan(settings: Settings, request: Request, as_json: bool) -> None:
    storage = storage_of(settings)
    opened = open_run(storage)
    if opened is not None:
        show.note(f"Run {opened.run} is open: collect goes on with it before it plans another one.")
    with show.spinner("planning"):
        drafted = collecting.draft(storage, settings, request)
    made = drafted.plan
    seconds = made.ids.count / settings.rate if settings.rate else None
    # Chunks and their receipts, the ids, the plan and the reconciliation.
    per_unit = max(1.0, made.unit_size / (settings.rate * settings.chunk_seconds)) if settings.rate else 1.0
    objects = round(2 * made.units * per_unit) + 3 if made.ids.count else 3
    found = {
        "run": made.run,
        "entity": made.entity,
        "listed": made.counts.listed,
        "beyond": made.counts.beyond,
        "excluded": made.counts.excluded,
        "fresh": made.counts.fresh,
        "asked": made.ids.count,
        "reasons": made.counts.asked,
        "requests": made.ids.count,
        "seconds": seconds,
        "objects": objects,
        "open_run": opened.run if opened else None,
        "set_aside": msgspec.to_builtins(made.set_aside),
        **_of_list(request.listed),
    }
    if as_json:
        show.as_json(found)
        return
    rows = [
        ("listed", made.counts.listed, f"export of {made.export.day}" if made.export else made.selection.source),
        *((f"excluded: {name}", count, "") for name, count in sorted(made.counts.excluded.items())),
        ("known and fresh", made.counts.fresh, ""),
        *((f"asked: {name}", count, "") for name, count in sorted(made.counts.asked.items())),
        ("requests", made.ids.count, f"{show.duration(seconds)} at {settings.rate:g} a second" if seconds else ""),
        ("objects", objects, ""),
    ]
    show.table(f"Run {made.run} ({made.entity}) would ask {made.ids.count:,}", ("", "count", ""), rows)
    show.set_aside(made)


def collect(settings: Settings, request: Request, as_json: bool) -> int:
    results = _collect(storage_of(settings), settings, request)
    _show_runs(results, request, as_json)
    return 0 if all(result.clean for result in results) else 1


def _collect(storage: Storage, settings: Settings, request: Request) -> list[RunResult]:
    with show.progress() as bar:
        return collecting.collect(storage, settings, request, bar)


def _of_list(listed: Asks | None) -> dict[str, Any]:
    return {"list": listed.summary()} if listed else {}


def _show_runs(results: list[RunResult], request: Request, as_json: bool) -> None:
    if as_json:
        runs = [show.run_summary(result) for result in results]
        show.as_json({**runs[-1], "runs": runs, **_of_list(request.listed)})
        return
    for result in results:
        show.run_result(result)


def build(settings: Settings, full: bool, as_json: bool) -> int:
    built = _build(storage_of(settings), settings, full)
    if as_json:
        show.as_json(built)
    else:
        _show_build(built)
    return 1 if built["problems"] else 0


def _build(storage: Storage, settings: Settings, full: bool = False) -> dict[str, Any]:
    from reelhouse.runtimes.session import session_of

    session = session_of(settings, storage)
    from reelhouse.build.run import build as build_lake

    with show.spinner("building") as step:
        result = build_lake(
            storage,
            session,
            full=full,
            progress=step,
            course=settings.layout == "course",
            course_quotes=settings.course_quotes,
        )
    return result.summary()


def _show_build(built: dict[str, Any]) -> None:
    if not built["done"]:
        show.note("Nothing new has landed since the last build.")
    show.table("Tables and marts", ("name", "rows"), sorted(built["rows"].items()))
    for text in (*built["problems"], *built["notes"]):
        show.note(text)


def sync(settings: Settings, request: Request, as_json: bool) -> int:
    from reelhouse.runtimes.session import session_of

    storage = storage_of(settings)
    # Not after nine hours of collecting.
    session_of(settings, storage)
    results = _collect(storage, settings, request)
    if not as_json:
        _show_runs(results, request, as_json=False)
    built = _build(storage, settings)
    verdict = _verify(storage, since=results[0].plan.run)
    if as_json:
        runs = [show.run_summary(result) for result in results]
        show.as_json(
            {**runs[-1], "runs": runs, "build": built, "verify": _verdict(verdict), **_of_list(request.listed)}
        )
    else:
        _show_build(built)
        _show_verdict(verdict)
    return 0 if all(result.clean for result in results) and verdict.clean and not built["problems"] else 1


def verify(settings: Settings, as_json: bool) -> int:
    verdict = _verify(storage_of(settings), since=1)
    if as_json:
        show.as_json(_verdict(verdict))
    else:
        _show_verdict(verdict)
    return 0 if verdict.clean else 1


def purge(
    settings: Settings,
    chosen: Mapping[str, Any],
    listed: Asks | None = None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    from reelhouse.runtimes import purging

    now = datetime.now(UTC).replace(microsecond=0)
    wanted = purging.chosen_by(now, **chosen)
    storage = storage_of(settings)
    if not dry_run and not yes:
        show.check_terminal("--yes")
    if dry_run or not yes:
        with show.spinner("looking"):
            found = purging.foresee(storage, wanted, now)
    if not dry_run:
        if not yes:
            _show_purge(found)
            show.confirm(f"Purge this ({wanted.words}) from {settings.lake} for good?")
        with show.spinner("purging") as step:
            found = purging.purge(storage, settings, wanted, now, step)
    if as_json:
        show.as_json({**found, **_of_list(listed)})
    else:
        _show_purge(found)
    return 0 if found["done"] else 1


def _show_purge(found: dict[str, Any]) -> None:
    names = ("runs", "answers", "chunks", "rewritten", "exports", "bytes", "tables")
    title = "Would be purged" if found["dry_run"] else "Purged and gone" if found["gone"] else "Purged, not all gone"
    show.table(title, ("", "count"), [(name, found[name]) for name in names])
    if found["unknown"]:
        some = ", ".join(found["unknown"][:5])
        show.note(f"{len(found['unknown']):,} of the ids name no answer in this lake: {some}")
    for text in filter(None, (*found["problems"], found["note"])):
        show.note(text)


def _verify(storage: Storage, *, since: int) -> Verdict:
    from reelhouse.build.check import check_tables

    with show.spinner("verifying"):
        verdict = verify_raw(storage, since=since)
        return verdict._replace(problems=[*verdict.problems, *check_tables(storage)])


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {**verdict._asdict(), "whole": verdict.whole, "clean": verdict.clean}


def _show_verdict(verdict: Verdict) -> None:
    rows = [
        ("runs", verdict.runs),
        ("asked", verdict.asked),
        *sorted(verdict.states.items()),
        ("pending", verdict.pending),
        ("chunks", verdict.chunks),
        ("bytes", verdict.bytes),
        ("chunks that no receipt names", verdict.unclaimed),
        ("problems", len(verdict.problems)),
    ]
    word = "whole and clean" if verdict.clean else "whole, not clean" if verdict.whole else "not whole"
    show.table(f"Verified: {word}", ("", "count"), rows)
    for text in (*verdict.notes, *verdict.problems):
        show.note(text)


def verify_course(settings: Settings, listed: Asks | None, as_json: bool) -> int:
    from reelhouse.collect.course_check import check_course

    with show.spinner("looking at files"):
        found = check_course(storage_of(settings), listed.asks if listed else None)
    if as_json:
        show.as_json({"place": settings.lake, **found._asdict(), "right": found.right, **_of_list(listed)})
    else:
        show.checked(settings.lake, found)
    return 0 if found.right else 1


def upload(settings: Settings, files: Sequence[Path], layout: str | None, kind: str | None, as_json: bool) -> None:
    from reelhouse.runtimes import uploading

    storage = storage_of(settings)
    uploaded = uploading.upload(storage, files, layout, kind, datetime.now(UTC).date())
    if as_json:
        show.as_json({"files": [one._asdict() for one in uploaded]})
        return
    rows = [(one.file, one.key, one.bytes, "" if one.new else "there already") for one in uploaded]
    show.table(f"Uploaded to {settings.lake}", ("file", "as", "bytes", ""), rows)


def status(settings: Settings, as_json: bool) -> None:
    storage = storage_of(settings)
    found = lake_status(storage, settings.rate)
    if as_json:
        entities = {one.entity: one._asdict() for one in found.entities}
        show.as_json(
            {"runs": found.runs, "entities": entities, "open_run": found.open._asdict() if found.open else None}
        )
        return
    columns = ("entity", "known", "landed", "filtered", "gone", "quarantined", "pending", "oldest", "requests")
    show.table(f"{settings.lake}: {found.runs} runs", columns, found.entities)
    if found.open:
        eta = f", {show.duration(found.open.eta_seconds)} at the allowed rate" if found.open.eta_seconds else ""
        show.note(f"Run {found.open.run} is open: {found.open.pending:,} of {found.open.asked:,} ids are pending{eta}.")


def sql(settings: Settings, query: str, form: str, output: Path | None) -> None:
    from reelhouse.runtimes.session import session_of
    from reelhouse.serve.files import FORMS
    from reelhouse.serve.lake import Lake

    storage = storage_of(settings)
    found = Lake(storage, session_of(settings, storage)).arrow(query)
    if form == "table":
        show.arrow("", found, output)
    else:
        show.text(FORMS[form](found), output)


def tables(settings: Settings, name: str | None, as_json: bool) -> None:
    from reelhouse.runtimes.session import check_installed

    check_installed(settings.engine)
    from reelhouse.serve import dictionary

    storage = storage_of(settings)
    found = dictionary.describe(storage, name)
    if as_json:
        show.as_json(found)
    elif name is None:
        rows = [[each[column] for column in ("name", "zone", "rows", "comment")] for each in found["tables"]]
        show.table("Tables and marts", ("name", "zone", "rows", "what a row is"), rows)
    else:
        columns = ("name", "type", "unit", "path", "comment")
        rows = [[each[column] for column in columns] for each in found["columns"]]
        show.table(f"{name}: {found['comment']}", ("column", "type", "unit", "TMDB's path", ""), rows)
