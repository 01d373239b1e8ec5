"""The inbox: ids that arrive while a run is open, put down before they are acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from reelhouse.errors import KeyTakenError, MissingKeyError
from reelhouse.raw.layout import FORMAT, INBOX, inbox_key
from reelhouse.raw.plan import Plan
from reelhouse.raw.reading import decode, encode
from reelhouse.storage.protocol import Storage


class Letter(msgspec.Struct, frozen=True):
    """`inbox/<event id>.json`: asks of one entity that somebody wants."""

    event: str
    entity: str
    asks: list[str]
    format: int = FORMAT


def put_letter(storage: Storage, event: str, entity: str, asks: Iterable[str]) -> str:
    """Put the asks down; the same event a second time changes nothing. Returns the key."""
    key = inbox_key(event)
    try:
        storage.put_new(key, encode(Letter(event, entity, list(asks))))
    except KeyTakenError:
        # The same event delivered twice, or a plan took it already: either way it is safe.
        return key
    return key


def waiting(storage: Storage, entity: str) -> Iterator[tuple[str, Letter]]:
    """Letters that no plan has taken yet, oldest event name first; one that does not parse is a `LakeError`."""
    for key in storage.keys(INBOX):
        try:
            letter = decode(key, storage.get(key), Letter)
        except MissingKeyError:
            continue
        if letter.entity == entity:
            yield key, letter


def clear(storage: Storage, plan: Plan) -> None:
    """Remove the letters that *plan* took, once its run is reconciled."""
    for key in plan.inbox:
        storage.delete(key)
