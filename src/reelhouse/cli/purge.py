"""`reelhouse purge`: what would go, the question, and what is gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reelhouse.bootstrap import purging
from reelhouse.bootstrap.purging import PurgeResult
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.pipeline import of_list
from reelhouse.cli.terminal import display
from reelhouse.collect.id_lists import KeyList
from reelhouse.retention import erasure
from reelhouse.retention.selection import CutoffClock
from reelhouse.settings import Settings


def purge(
    settings: Settings,
    chosen: Mapping[str, Any],
    as_of: datetime | None,
    listed: KeyList | None = None,
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    clock = CutoffClock(datetime.now(UTC).replace(microsecond=0), as_of and as_of.replace(tzinfo=UTC))
    wanted = purging.chosen_by(clock, **chosen)
    now = clock.as_of or clock.now
    storage = lake_of(settings)
    if not dry_run and not yes:
        display.check_terminal("--yes")
    if dry_run or not yes:
        with display.spinner("looking"):
            found = purging.preview(storage, wanted, now)
    if not dry_run:
        if not yes:
            _show_purge(found)
            display.confirm(f"Purge this ({wanted.words}) from {settings.lake} for good?")
        with display.spinner("purging") as step:

            def kept_step(name: str) -> None:
                # A purge that is refused, or finds nothing, leaves the lake as it was.
                if name != erasure.LOOKING:
                    display.keep_log(storage)
                step(name)

            found = purging.purge(storage, settings, wanted, now, kept_step)
    if as_json:
        display.as_json({**found.to_dict(), **of_list(listed)})
    else:
        _show_purge(found)
        if listed:
            display.note(
                "Daily exports, ranked lists and answers about other records may still name these records: "
                "docs/maintain.md shows how to erase them there."
            )
    return 0 if found.ok else 1


def _show_purge(found: PurgeResult) -> None:
    names = ("runs", "answers", "chunks", "rewritten", "exports", "copies", "bytes", "tables")
    title = "Would be purged" if found.dry_run else "Purged and gone" if found.gone else "Purged, not all gone"
    display.table(title, ("", "count"), [(name, getattr(found, name)) for name in names])
    if len(found.entities) > 1:
        rows = [(name, one.runs, one.answers, one.chunks) for name, one in found.entities.items()]
        display.table("Of each entity", ("entity", "runs", "answers", "chunks"), rows)
    if found.abandoned:
        display.note(f"{found.abandoned:,} pending ids are left out of the open runs: they are not requested.")
    if found.unknown:
        some = ", ".join(found.unknown[:5])
        display.note(f"{len(found.unknown):,} of the ids name no answer in this lake: {some}")
    display.problems(found.problems)
    if found.note:
        display.note(found.note)
