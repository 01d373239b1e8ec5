"""Telling an EventBridge bus of a reconciled run, at least once: a marker in the lake says that it was done."""

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
    """`_reelhouse/runs/<entity>/<seq>/announced.json`: which bus was told, and what it calls the event."""

    run: int
    bus: str
    event: str
    format: int = FORMAT


def announce(storage: Storage, settings: Settings, made: Reconciliation) -> bool:
    """Tell the bus of this run, unless there is none or it was told; whether it was told now.

    Raises `ReelhouseError` where the bus does not take it: then the next tick tells it.
    """
    if not settings.event_bus or storage.size(announced_key(made.entity, made.run)) is not None:
        return False
    event = _put_event(settings, made)
    try:
        storage.put_new(announced_key(made.entity, made.run), encode(Announced(made.run, settings.event_bus, event)))
    except KeyTakenError:
        # Two told it at once: whoever listens must bear that anyway.
        return True
    return True


def _put_event(settings: Settings, made: Reconciliation) -> str:
    what = f"run {made.run} is reconciled, but the event bus {settings.event_bus} could not be told"
    counts = {name: getattr(made, name) for name in ("asked", "landed", "filtered", "gone", "quarantined")}
    detail = {
        "run": made.run,
        "entity": made.entity,
        "lake": settings.lake,
        "counts": counts,
        "whole": made.whole,
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
