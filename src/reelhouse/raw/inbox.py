"""The inbox: ids that arrive while a run is open, put down before they are acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.raw.layout import FORMAT, INBOX, inbox_key
from reelhouse.raw.plan import Plan
from reelhouse.raw.reading import decode, encode
from reelhouse.storage.ahead import ahead
from reelhouse.storage.protocol import Storage

RUN_KINDS = ("full", "incremental")


class Letter(msgspec.Struct, frozen=True):
    """`inbox/<event id>.json`: asks of one entity that somebody wants, or the kind of run (`full`, `incremental`)."""

    event: str
    entity: str
    asks: list[str]
    run: str = ""
    format: int = FORMAT


def put_letter(storage: Storage, event: str, entity: str, asks: Iterable[str] = (), run: str = "") -> str:
    """Put down what is wanted; the same event a second time changes nothing. Returns the key."""
    key = inbox_key(event)
    try:
        storage.put_new(key, encode(Letter(event, entity, list(asks), run)))
    except KeyTakenError:
        # The same event delivered twice, or a plan took it already: either way it is safe.
        return key
    return key


def waiting(storage: Storage, entity: str) -> Iterator[tuple[str, Letter]]:
    """Letters that no plan has taken yet, oldest event name first; one that cannot be understood is a `LakeError`."""
    for key, body in ahead(partial(_opened, storage), storage.keys(INBOX)):
        if body is None:
            continue
        letter = decode(key, body, Letter)
        if letter.run not in ("", *RUN_KINDS):
            # No run would ever take it, and the next one would be planned for its sake for ever.
            raise LakeError(f"{key} asks for a run of an unknown kind, {letter.run[:20]!r}: remove it")
        if letter.entity == entity:
            yield key, letter


def _opened(storage: Storage, key: str) -> tuple[str, bytes | None]:
    try:
        return key, storage.get(key)
    except MissingKeyError:
        # Cleared since it was listed.
        return key, None


def clear(storage: Storage, plan: Plan) -> None:
    """Remove the letters that *plan* took, once its run is reconciled."""
    for _ in ahead(storage.delete, plan.inbox):
        pass
