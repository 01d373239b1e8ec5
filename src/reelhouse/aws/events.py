"""Parses events. Several services wrap the same few requests, each in its own form."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from reelhouse.collect.id_lists import KeyList, Reading, read_keys
from reelhouse.errors import ReelhouseError
from reelhouse.ids import NOT_AN_ID, id_of
from reelhouse.raw.inbox import RUN_KINDS
from reelhouse.strict_csv import escape_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_MOST_NAMED = 20


class CollectRequest(NamedTuple):
    """Requested ids, or a requested kind of run; *name* is the same for each delivery of the event.

    *entity* is empty where the event names none.
    """

    name: str
    keys: tuple[str, ...] = ()
    run: str = ""
    entity: str = ""


class GivenList(NamedTuple):
    """A list of ids as text. It can be read once the settings say what it is about if the event does not."""

    name: str
    text: str
    reading: Reading
    entity: str = ""

    def read(self, entity: str) -> KeyList:
        """The list as `collect --ids` reads it."""
        listed = read_keys(self.text, self.reading._replace(entity=entity))
        if not listed.keys:
            raise ReelhouseError("ids: the list has no ids")
        return listed


class ListedIn(NamedTuple):
    """A list of ids in a bucket."""

    bucket: str
    key: str


_HALF = re.compile("[\ud800-\udfff]")


class CollectEvent(NamedTuple):
    """One event. With *works* the collector works now, with *ticks* it also starts a run that is due."""

    requests: tuple[CollectRequest | GivenList | ListedIn, ...] = ()
    works: bool = False
    ticks: bool = False


class Message(NamedTuple):
    """One message of a queue; `read` returns its event, or raises what is wrong with it."""

    id: str
    body: str

    def read(self) -> CollectEvent:
        try:
            event = json.loads(self.body)
        except (ValueError, RecursionError):
            raise ReelhouseError("a message is not JSON") from None
        return _call(event, _named("sqs", self.id))


class QueueBatch(NamedTuple):
    """Messages of a queue, each of which is acknowledged or reported by itself."""

    messages: tuple[Message, ...]


def read_event(event: object, request: str) -> CollectEvent | QueueBatch:
    """Parse *event*; *request* names this invocation, and stays the same when Lambda retries it.

    Raises `ReelhouseError` that names the keys of an unknown event, never its values.
    """
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list) and _sources(records) == {"aws:sqs"}:
        return QueueBatch(tuple(_message(record) for record in records))
    return _call(event, _named("call", request))


def _message(record: dict[str, Any]) -> Message:
    if not isinstance(record.get("messageId"), str):
        raise _unknown(record)
    return Message(record["messageId"], str(record.get("body", "")))


def _call(event: object, name: str) -> CollectEvent:
    if not isinstance(event, dict):
        raise ReelhouseError(f"an event must be an object, not a {type(event).__name__}")
    if "entity" in event and ("ids" in event or "run" in event):
        rest = {key: value for key, value in event.items() if key != "entity"}
        if not isinstance(event["entity"], str):
            raise ReelhouseError("entity: a name is expected")
        named = (one for one in _call(rest, name).requests if isinstance(one, CollectRequest | GivenList))
        return CollectEvent(tuple(one._replace(entity=event["entity"]) for one in named), works=True)
    for fits, read in _SHAPES:
        if fits(event):
            return read(event, name)
    raise _unknown(event)


def _unknown(event: dict[str, Any]) -> ReelhouseError:
    keys = ", ".join(ascii(str(key)[:40]) for key in sorted(event, key=str)[:_MOST_NAMED]) or "none"
    return ReelhouseError(
        f"this event is not known (its keys: {keys}); {{'tick': true}}, {{'ids': [...]}}, {{'run': 'full'}}, "
        "and those of EventBridge, SQS and S3 are"
    )


def _sources(records: list[Any]) -> set[str]:
    return {str(record.get("eventSource")) if isinstance(record, dict) else "" for record in records}


def _tick(event: dict[str, Any], name: str) -> CollectEvent:
    if "ids" in event or "run" in event:
        # Ids next to a kind of run would be ignored.
        raise _unknown(event)
    return CollectEvent(works=True, ticks=True)


def _ids(event: dict[str, Any], name: str) -> CollectEvent:
    if not isinstance(event["ids"], str):
        _check_alone(event, "ids")
        return CollectEvent((CollectRequest(name, _keys_of(event["ids"])),), works=True)
    if event.keys() - {"ids", "column", "quotes", "escape", "all_kinds"}:
        raise _unknown(event)
    return CollectEvent((GivenList(name, event["ids"], _reading(event)),), works=True)


def _run(event: dict[str, Any], name: str) -> CollectEvent:
    _check_alone(event, "run")
    if event["run"] not in RUN_KINDS:
        raise ReelhouseError("run: 'full' or 'incremental' is expected")
    return CollectEvent((CollectRequest(name, run=event["run"]),), works=True)


def _check_alone(event: dict[str, Any], key: str) -> None:
    """Refuse other keys, which would be ignored silently."""
    if len(event) > 1:
        raise _unknown(event)


def _keys_of(ids: object) -> tuple[str, ...]:
    """The distinct ids of a list of numbers and texts."""
    if not isinstance(ids, list):
        raise ReelhouseError("ids: a list of ids is expected")
    keys: dict[str, None] = {}
    for at, one in enumerate(ids):
        key = id_of(one)
        if key is None:
            raise ReelhouseError(f"ids[{at}] is {NOT_AN_ID}")
        keys[key] = None
    if not keys:
        raise ReelhouseError("ids: the list has no ids")
    return tuple(keys)


def _reading(event: dict[str, Any]) -> Reading:
    """How to read the text of an event."""
    column, quotes, escape = event.get("column"), event.get("quotes", True), event.get("escape", "")
    kinds = event.get("all_kinds", False)
    if not (column is None or isinstance(column, str)) or not isinstance(escape, str):
        raise ReelhouseError("column, escape: a text is expected")
    if not isinstance(quotes, bool) or not isinstance(kinds, bool):
        raise ReelhouseError("quotes, all_kinds: true or false is expected")
    return Reading(
        column,
        quotes,
        escape_of(escape),
        not kinds,
        say_column='"column": "{}" next to "ids"',
        say_quotes='"quotes": false next to "ids"',
        say_escape='"escape": "\\\\" next to "ids"',
        say_kinds='"all_kinds": true next to "ids"',
    )


def _of_records(event: dict[str, Any], name: str) -> CollectEvent:
    """An event that S3 sends itself. Keys are quoted as in a form."""
    requests = []
    for record in event["Records"]:
        if not str(record.get("eventName", "")).removeprefix("s3:").startswith("ObjectCreated"):
            raise ReelhouseError("this S3 event is not ObjectCreated and has no list of ids")
        bucket, found = _part(record, "s3", "bucket", "name"), _part(record, "s3", "object")
        if not isinstance(found, dict) or not isinstance(found.get("key"), str):
            raise _unknown(record)
        requests.append(_listed(record, bucket, unquote_plus(found["key"])))
    return CollectEvent(tuple(requests))


def _of_eventbridge(event: dict[str, Any], name: str) -> CollectEvent:
    """The same event through EventBridge, where keys are not quoted."""
    found = _part(event, "detail", "object")
    if not isinstance(found, dict):
        raise _unknown(event)
    return CollectEvent((_listed(event, _part(event, "detail", "bucket", "name"), found.get("key")),))


def _listed(event: dict[str, Any], bucket: object, key: object) -> ListedIn:
    # S3 has no key with half a character.
    if not isinstance(bucket, str) or not isinstance(key, str) or _HALF.search(bucket + key):
        raise _unknown(event)
    return ListedIn(bucket, key)


def _part(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _named(kind: str, id_: str) -> str:
    """A name that may be part of a key."""
    plain = id_ if _NAME.fullmatch(id_) else hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{kind}-{plain}"


def _shapes() -> Iterator[tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any], str], CollectEvent]]]:
    # EventBridge Scheduler may add attributes.
    yield lambda event: event.get("tick") is True, _tick
    yield lambda event: event.get("source") in ("aws.scheduler", "aws.events"), _tick
    yield lambda event: "ids" in event, _ids
    yield lambda event: "run" in event, _run
    # S3 sends this once, when its notifications are set up.
    yield lambda event: event.get("Event") == "s3:TestEvent", lambda event, name: CollectEvent()
    yield lambda event: event.get("detail-type") == "Object Created", _of_eventbridge
    yield (
        lambda event: isinstance(event.get("Records"), list) and _sources(event["Records"]) == {"aws:s3"},
        _of_records,
    )


_SHAPES = tuple(_shapes())
