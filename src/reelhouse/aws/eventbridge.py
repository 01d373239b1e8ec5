"""Announces reconciled runs and an idle lake to an EventBridge bus, at least once; markers in the lake record it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from reelhouse.bootstrap import aws_clients
from reelhouse.errors import KeyTakenError, ReelhouseError
from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import FORMAT, announced_key
from reelhouse.raw.keys import IDLE as IDLE_KEY
from reelhouse.raw.reconciliation import Reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

SOURCE, RECONCILED, IDLE = "reelhouse", "reelhouse.run.reconciled", "reelhouse.lake.idle"


class Announced(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/announced.json`: the bus, and its id of the event."""

    run: int
    bus: str
    event: str
    format: int = FORMAT


def announce(storage: Storage, settings: Settings, made: Reconciliation) -> bool:
    """Announce this run, unless there is no bus or it was announced before; returns whether it was announced now.

    Raises `ReelhouseError` if the bus does not accept the event; the next tick tries again.
    """
    if not settings.event_bus or storage.size(announced_key(made.entity, made.run)) is not None:
        return False
    counts = {name: getattr(made, name) for name in ("requested", "landed", "filtered", "gone", "quarantined")}
    detail = {
        "run": made.run,
        "entity": made.entity,
        "lake": settings.lake,
        "counts": counts,
        "complete": made.complete,
        "clean": made.clean,
    }
    event = _put_event(settings, RECONCILED, detail, f"run {made.run} is reconciled")
    try:
        storage.put_new(announced_key(made.entity, made.run), encode(Announced(made.run, settings.event_bus, event)))
    except KeyTakenError:
        # Another invocation announced it at the same time; listeners must tolerate duplicates anyway.
        return True
    return True


class Idle(msgspec.Struct, frozen=True):
    """`_reelhouse/idle.json`: the last run of each entity when the lake was announced as idle."""

    runs: dict[str, int]
    format: int = FORMAT


def announce_idle(storage: Storage, settings: Settings, runs: dict[str, int]) -> bool:
    """Announce that no run is open or due after these *runs*, by entity, unless that was announced after all of them.

    Raises `ReelhouseError` as `announce` does.
    """
    if not settings.event_bus:
        return False
    found = read_object(storage, IDLE_KEY, Idle)
    before = found.runs if found else {}
    if all(run <= before.get(entity, 0) for entity, run in runs.items()):
        return False
    _put_event(settings, IDLE, {"lake": settings.lake, "runs": runs}, "the lake is idle")
    storage.put(IDLE_KEY, encode(Idle({**before, **runs})))
    return True


def _put_event(settings: Settings, detail_type: str, detail: dict[str, Any], what: str) -> str:
    what = f"{what}, but could not be announced on the event bus {settings.event_bus}"
    entry = {
        "Source": SOURCE,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "EventBusName": settings.event_bus,
    }
    try:
        answer = aws_clients.client("events", profile=settings.s3_profile).put_events(Entries=[entry])
    except aws_clients.failures() as exc:
        refused = aws_clients.refusal(what, exc)
    else:
        (put,) = answer["Entries"]
        if answer["FailedEntryCount"] or "EventId" not in put:
            raise ReelhouseError(f"{what}: {put.get('ErrorCode', 'no reason is given')}")
        return str(put["EventId"])
    raise refused
