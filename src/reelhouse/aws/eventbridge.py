"""Announces each reconciled run to an EventBridge bus, at least once; a marker in the lake records it."""

from __future__ import annotations

import json

import msgspec

from reelhouse.bootstrap import aws_clients
from reelhouse.errors import KeyTakenError, ReelhouseError
from reelhouse.raw.json_objects import encode
from reelhouse.raw.keys import FORMAT, announced_key
from reelhouse.raw.reconciliation import Reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

SOURCE, DETAIL_TYPE = "reelhouse", "reelhouse.run.reconciled"


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
    event = _put_event(settings, made)
    try:
        storage.put_new(announced_key(made.entity, made.run), encode(Announced(made.run, settings.event_bus, event)))
    except KeyTakenError:
        # Another invocation announced it at the same time; listeners must tolerate duplicates anyway.
        return True
    return True


def _put_event(settings: Settings, made: Reconciliation) -> str:
    what = f"run {made.run} is reconciled, but could not be announced on the event bus {settings.event_bus}"
    counts = {name: getattr(made, name) for name in ("asked", "landed", "filtered", "gone", "quarantined")}
    detail = {
        "run": made.run,
        "entity": made.entity,
        "lake": settings.lake,
        "counts": counts,
        "complete": made.complete,
        "clean": made.clean,
    }
    entry = {
        "Source": SOURCE,
        "DetailType": DETAIL_TYPE,
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
