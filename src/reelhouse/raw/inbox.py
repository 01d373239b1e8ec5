"""The inbox: ids that arrive while a run is open, put down before they are acknowledged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import msgspec

from reelhouse.errors import KeyTakenError, LakeError, MissingKeyError
from reelhouse.ids import NOT_AN_ID, id_of, shown_id
from reelhouse.raw.json_objects import decode, encode
from reelhouse.raw.keys import FORMAT, INBOX, inbox_key
from reelhouse.raw.plan import Plan, SetAside
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage, is_key

RUN_KINDS = ("full", "incremental")

# Of the keys of one message that are not ids, so many are named; all are counted.
_MOST_SHOWN = 20


class InboxMessage(msgspec.Struct, frozen=True):
    """`_reelhouse/inbox/<event id>.json`: ids of one entity that somebody wants, or a kind of run (`RUN_KINDS`)."""

    event: str
    entity: str
    keys: list[Any]
    run: str = ""
    format: int = FORMAT


class Inbox(NamedTuple):
    """*messages* of one entity that no plan has taken yet, by their keys; *set_aside* is what nobody can ask."""

    messages: list[tuple[str, InboxMessage]]
    set_aside: list[SetAside]


def put_message(storage: Storage, event: str, entity: str, keys: Iterable[str] = (), run: str = "") -> str:
    """Put down what is wanted; the same event a second time changes nothing. Returns the key."""
    key = inbox_key(event)
    try:
        storage.put_new(key, encode(InboxMessage(event, entity, list(keys), run)))
    except KeyTakenError:
        # The same event delivered twice, or a plan took it already: either way it is safe.
        return key
    return key


def waiting(storage: Storage, entity: str) -> Iterator[tuple[str, InboxMessage]]:
    """Letters that no plan has taken yet, oldest event name first, with the ids of their keys."""
    return iter(read_inbox(storage, entity).messages)


def count_waiting(storage: Storage) -> Counter[str]:
    """How many messages wait for the next run of each entity."""
    found: Counter[str] = Counter()
    for key, body in prefetch(partial(_opened, storage), storage.keys(INBOX)):
        # What cannot be read is named by the run that would take it.
        with suppress(LakeError):
            found[_understood(key, body or b"", None).entity] += 1
    return found


def read_inbox(
    storage: Storage,
    entity: str,
    known: Container[str] | None = None,
    takes: Callable[[str], bool] = lambda key: True,
) -> Inbox:
    """The inbox as it is now; with *known*, messages about other entities than those are set aside.

    *takes* says whether a key may name a record of the *entity*: others are set aside.

    Anybody with the right to write there may have written it, so that nothing of it is believed unchecked.
    """
    messages: list[tuple[str, InboxMessage]] = []
    set_aside: list[SetAside] = []
    for key, body in prefetch(partial(_opened, storage), storage.keys(INBOX)):
        if body is None:
            continue
        try:
            message = _understood(key, body, known)
        except LakeError as exc:
            set_aside.append(SetAside(key, f"{exc}; it stays there: correct or remove it"))
            continue
        if message.entity == entity:
            keys, odd = _read_keys(message.keys, takes)
            messages.append((key, msgspec.structs.replace(message, keys=keys)))
            if odd:
                reason = f"{key} names what is {NOT_AN_ID}"
                set_aside.append(SetAside(key, reason, len(odd), [shown_id(one) for one in odd[:_MOST_SHOWN]]))
    return Inbox(messages, set_aside)


def _understood(key: str, body: bytes, known: Container[str] | None) -> InboxMessage:
    if not is_key(key):
        raise LakeError(f"{key!r} is a name that no message can have")
    # Others write messages too, whose form is the same in all formats.
    message = decode(key, body, InboxMessage, oldest=1)
    if message.run not in ("", *RUN_KINDS):
        # No run would ever take it, and the next one would be planned for its sake for ever.
        raise LakeError(f"{key} requests a run of an unknown kind, {message.run[:20]!r}")
    if known is not None and message.entity not in known:
        raise LakeError(f"{key} is about {message.entity[:20]!r}, which this reelhouse does not collect")
    return message


def _read_keys(given: list[Any], takes: Callable[[str], bool]) -> tuple[list[str], list[object]]:
    """What is asked, and what is not an id."""
    keys: list[str] = []
    odd: list[object] = []
    for one in given:
        key = id_of(one)
        if key is None or not takes(key):
            odd.append(one)
        else:
            keys.append(key)
    return keys, odd


def _opened(storage: Storage, key: str) -> tuple[str, bytes | None]:
    if not is_key(key):
        # Others put objects into a bucket by names that no lake can have, a folder's among them.
        return key, None if key.endswith("/") else b""
    try:
        return key, storage.get(key)
    except MissingKeyError:
        # Cleared since it was listed.
        return key, None


def clear(storage: Storage, plan: Plan) -> None:
    """Remove the messages that *plan* took, once its run is reconciled."""
    for _ in prefetch(storage.delete, plan.inbox):
        pass
