"""`/movie/{id}/changes`: which fields the edits of one movie touched, with their old and new values."""

from datetime import date
from typing import Any

from reelhouse.emulator.catalog.seeds import mix
from reelhouse.emulator.revising import EDITED, revise
from reelhouse.emulator.world import Change, World


def changes_block(world: World, index: int, first: date, last: date) -> dict[str, Any]:
    """The changes of one movie from *first* to *last*, grouped by key; no changes, an empty list."""
    changes = world.changes_of(index, first, last)
    groups = [
        {"key": key, "items": [_item(world, change, field) for change in changes]} for field, key in EDITED.items()
    ]
    return {"changes": groups if changes else []}


def _item(world: World, change: Change, field: str) -> dict[str, Any]:
    item = {
        "id": f"{mix(change.index, change.revision):016x}{mix(change.revision, len(field)) & 0xFFFFFFFF:08x}",
        "action": "updated" if change.revision else "added",
        "time": change.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "iso_639_1": "en" if field != "runtime" else "",
        "iso_3166_1": "US" if field != "runtime" else "",
        "value": _value(world, change.index, change.revision, field),
    }
    if change.revision:
        item["original_value"] = _value(world, change.index, change.revision - 1, field)
    return item


def _value(world: World, index: int, revision: int, field: str) -> Any:
    body = world.catalogue.detail(index)
    revise(body, revision)
    return body.get(field)
