"""`reelhouse status` and `reelhouse tables`: what is in a lake, without the collector."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from reelhouse.bootstrap.status import status as lake_status
from reelhouse.bootstrap.storage import lake_of, readable_storage
from reelhouse.cli.terminal import display
from reelhouse.collect.reporting import duration
from reelhouse.collect.status import EntityStatus, OpenRun
from reelhouse.settings import Settings


def status(settings: Settings, as_json: bool) -> None:
    found = lake_status(settings)
    if as_json:
        display.as_json(found.to_dict())
        return
    now = datetime.now(UTC)
    open_names = {one.entity for one in found.open}
    hours = {one.entity: settings.of(one.entity).run_every_hours for one in found.entities}
    rows = [(*_status_of(one, now), _due(one, now, hours, open_names), _complete(one)) for one in found.entities]
    if rows or found.open:
        rows += [(name, 0, 0, "", "", "due", "not begun") for name in found.not_begun]
    columns = ("entity", "known", "landed", "oldest", "listed", "next run", "complete")
    if rows:
        display.table(f"{settings.lake}: {display.counted(found.runs, 'run')}", columns, rows, lines=False)
        display.text("".join(f"{one.entity}: {others}\n" for one in found.entities if (others := _others(one))), None)
    elif not found.open:
        display.text(f"{settings.lake}: nothing is collected yet. To begin: reelhouse sync\n", None)
    if found.unbuilt:
        display.note(f"{display.counted(found.unbuilt, 'answer')} not in the tables yet. To build: reelhouse build")
    for one in found.open:
        display.note(f"{open_run_line(one)} Continue: reelhouse collect")
    if found.spooled:
        display.note(f"{display.counted(found.spooled, 'answer')} in this machine's spool. To land: reelhouse collect")
    display.problems(found.problems)
    for text in found.notes:
        display.note(f"Note: {text}.")
    if any(row[-2] == "due" for row in rows) and not found.open:
        display.note("Collect what is due, build and verify: reelhouse sync")


def _status_of(one: EntityStatus, now: datetime) -> tuple[Any, ...]:
    return one.entity, one.known, one.landed, display.ago(one.oldest_answer, now), display.ago(one.listed_at, now)


def _others(one: EntityStatus) -> str:
    """Ids that have not landed, by state."""
    names = ("pending", "filtered", "gone", "quarantined")
    return ", ".join(f"{count:,} {name}" for name in names if (count := getattr(one, name)))


def _due(one: EntityStatus, now: datetime, hours: Mapping[str, float], opened: Collection[str]) -> str:
    if one.entity in opened:
        return "open"
    if one.listed_at is None:
        return "due"
    left = hours[one.entity] * 3600 - (now - datetime.fromisoformat(one.listed_at)).total_seconds()
    return f"in {display.span(left)}" if left > 0 else "due"


def _complete(one: EntityStatus) -> str:
    """When the requests that are known to be left would be done."""
    if not one.requests_left:
        return "yes"
    return f"after {display.span(one.done_after_seconds)}" if one.done_after_seconds else f"{one.requests_left:,} left"


def open_run_line(one: OpenRun) -> str:
    """What a person reads of an open run."""
    eta = f", {duration(one.eta_seconds)} at the allowed rate" if one.eta_seconds else ""
    return f"Run {one.run} ({one.entity}) is open: {one.pending:,} of {one.requested:,} ids are pending{eta}."


def dbt_sources(settings: Settings) -> None:
    """All tables and marts that a complete build has made; without a lake all that there can be."""
    from reelhouse.marts import REGISTRY
    from reelhouse.serve import dbt, dictionary

    storage = readable_storage(settings) if settings.lake == Settings().lake else lake_of(settings)
    rows = {each["name"]: each["rows"] for each in dictionary.describe(storage, None)["tables"]}
    built = {name for name, count in rows.items() if count is not None} or REGISTRY.names
    kept = {zone: [table for table in specs if table.name in built] for zone, specs in REGISTRY.zones.items()}
    click.echo(dbt.sources(kept["tables"], kept["marts"]), nl=False)


def tables(settings: Settings, name: str | None, as_json: bool) -> None:
    from reelhouse.engines.session import check_installed

    check_installed(settings.engine)
    from reelhouse.serve import dictionary

    # The dictionary is useful before there is a lake; a lake that the user names must exist.
    storage = readable_storage(settings) if settings.lake == Settings().lake else lake_of(settings)
    found = dictionary.describe(storage, name)
    if as_json:
        display.as_json(found)
    elif name is None:
        rows = [[each[column] for column in ("name", "zone", "rows", "comment")] for each in found["tables"]]
        display.table("Tables and marts", ("name", "zone", "rows", "what a row is"), rows)
    else:
        rows = [[each["name"], each["type"], each["path"], dictionary.about(each)] for each in found["columns"]]
        display.table(f"{name}: {found['comment']}", ("column", "type", "TMDB's path", ""), rows, lines=False, paths=2)
        # As lines: what is cut or wrapped in a table cannot be copied.
        display.text("".join(f"{name:<8} {value}\n" for name, value in _of_table(found)), None)


def _of_table(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What `tables NAME` shows of a table as a whole."""
    joins = [f"{column} is the key of {', '.join(names)}" for column, names in found["joins"].items()]
    lines = [
        ("key", ", ".join(found["key"])),
        *zip(("joins", *("",) * len(joins)), joins, strict=False),
        ("rows", "not built yet: reelhouse build" if found["rows"] is None else f"{found['rows']:,}"),
        ("example", f'reelhouse sql "{found["example"]}"'),
    ]
    if files := found["files"]:
        lines += [
            ("files", f"{files['folder']} (Delta Lake, version {files['version']})"),
            *((title, files[title.lower()]) for title in ("DuckDB", "Polars", "pandas")),
        ]
    return lines
