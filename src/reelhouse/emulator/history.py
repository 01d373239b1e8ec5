"""`/{kind}/{id}/changes`: which fields the edits of one thing touched, with their old and new values."""

from datetime import date
from typing import Any, cast

from reelhouse.emulator.catalog.protocol import Series
from reelhouse.emulator.catalog.seeds import mix
from reelhouse.emulator.revising import revise
from reelhouse.emulator.world import HistoryEntry, World


def changes_block(world: World, index: int, first: date, last: date) -> dict[str, Any]:
    """The changes of one thing from *first* to *last*, grouped by key; no changes, an empty list."""
    changes = world.changes_of(index, first, last)
    groups = [
        {"key": key, "items": [_item(world, change, field) for change in changes]}
        for field, key in world.catalogue.kind.edited.items()
    ]
    if world.catalogue.kind.name == "tv":
        groups += _season_group(cast(Series, world.catalogue), changes)
    return {"changes": groups if changes else []}


def _season_group(catalogue: Series, changes: list[HistoryEntry]) -> list[dict[str, Any]]:
    """The seasons that the edits of a series touched."""
    items = []
    for change in changes:
        seasons = catalogue.seasons(change.index)
        if change.revision and seasons:
            number, season_id = seasons[(change.revision - 1) % len(seasons)]
            value = {"season_id": season_id, "season_number": number}
            items.append(_head(change, "season", "updated", "", "") | {"value": value})
    return [{"key": "season", "items": items}] if items else []


def _item(world: World, change: HistoryEntry, field: str) -> dict[str, Any]:
    language, country = ("en", "US") if field != "runtime" else ("", "")
    item = _head(change, field, "updated" if change.revision else "added", language, country)
    item["value"] = _value(world, change.index, change.revision, field)
    if change.revision:
        item["original_value"] = _value(world, change.index, change.revision - 1, field)
    return item


def _head(change: HistoryEntry, field: str, action: str, language: str, country: str) -> dict[str, Any]:
    return {
        "id": f"{mix(change.index, change.revision):016x}{mix(change.revision, len(field)) & 0xFFFFFFFF:08x}",
        "action": action,
        "time": change.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "iso_639_1": language,
        "iso_3166_1": country,
    }


def _value(world: World, index: int, revision: int, field: str) -> Any:
    body = world.catalogue.detail(index)
    revise(body, revision)
    return body.get(field)
