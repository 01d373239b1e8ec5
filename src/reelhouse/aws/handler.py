"""AWS Lambda: one event in, one small answer out. An error is raised, so that Lambda's own retries see it.

No state of a run is kept between invocations, only what is costly to create and valid for all of them.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Protocol

# Every invocation needs it. Lambda gives a full processor to imports here, and a share of one to later imports.
import reelhouse.storage.s3  # noqa: F401
from reelhouse.aws import metrics
from reelhouse.aws.events import CollectRequest, GivenList, ListedIn, QueueBatch, read_event
from reelhouse.aws.id_lists import read_list
from reelhouse.aws.invocation import Answer, Invocation
from reelhouse.aws.time_budget import LearnedDurations
from reelhouse.bootstrap import secrets
from reelhouse.bootstrap.selection import selected
from reelhouse.bootstrap.storage import load_settings, readable_storage
from reelhouse.errors import ReelhouseError
from reelhouse.logs import log
from reelhouse.raw.inbox import put_message
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage


class Context(Protocol):
    """Lambda's context of an invocation."""

    @property
    def aws_request_id(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


# What a warm environment keeps: storages, whose bucket was checked, and how long stopping takes.
_storages: dict[tuple[str, ...], Storage] = {}
_margin = LearnedDurations()


def handler(event: object, context: Context) -> Answer:
    """Execute *event*; the numbers of the returned summary add up. Raises the error that prevented it."""
    metrics.log_as_json()
    with metrics.request(context.aws_request_id):
        try:
            return _answer(event, context)
        except Exception as exc:
            failure = secrets.safe(exc)
        raise failure


def _answer(event: object, context: Context) -> Answer:
    settings = load_settings(opened=_storage)
    storage = _storage(settings)
    found = read_event(event, context.aws_request_id)
    if isinstance(found, QueueBatch):
        return _take(storage, settings, found)
    others: Counter[str] = Counter()
    for request in found.requests:
        others.update(_put(storage, settings, request))
    if found.works:
        invocation = Invocation(storage, settings, _margin, lambda: context.get_remaining_time_in_millis() / 1000)
        answer = invocation.work(ticks=found.ticks)
    else:
        answer = Answer(state="queued")
    answer["messages"] = len(found.requests)
    if others:
        answer["other_kinds"] = dict(others)
    log.info(answer["state"], extra=answer)
    return answer


def _storage(settings: Settings) -> Storage:
    key = (settings.lake, settings.s3_region, settings.s3_profile, settings.s3_encryption, settings.s3_kms_key)
    if key not in _storages:
        _storages[key] = readable_storage(settings)
    return _storages[key]


def _put(storage: Storage, settings: Settings, request: CollectRequest | GivenList | ListedIn) -> dict[str, int]:
    """Put a request into the inbox, where neither an open run nor the end of this process can lose it.

    Returns how many rows of a list are not requested, by their kind.
    """
    if isinstance(request, CollectRequest):
        _put_asked(storage, settings, request)
        return {}
    if isinstance(request, GivenList):
        name, listed = request.name, request.read(_entity(settings, request.entity))
    else:
        name, listed = read_list(request, partial(_entity, settings), profile=settings.s3_profile)
    put_message(storage, name, listed.entity, listed.keys)
    log.info("read a list: %s", "; ".join(listed.notes), extra=listed.summary())
    return listed.others


def _put_asked(storage: Storage, settings: Settings, asked: CollectRequest) -> None:
    names = selected(settings.entities)
    if asked.run and not asked.entity and len(names) > 1:
        for name in names:
            put_message(storage, f"{asked.name}-{name}", name, run=asked.run)
    else:
        put_message(storage, asked.name, _entity(settings, asked.entity), asked.keys, asked.run)


def _entity(settings: Settings, named: str) -> str:
    """The entity that an event is about: one of those that the settings select."""
    names = selected(settings.entities)
    if named in names:
        return named
    if named or len(names) > 1:
        raise ReelhouseError(f"entity: one of {', '.join(names)} is expected, not {named[:40]!r}")
    return names[0]


def _take(storage: Storage, settings: Settings, batch: QueueBatch) -> Answer:
    """Put requests of messages into the inbox; returns those that failed, so that the queue keeps them."""
    failed: list[str] = []
    for message in batch.messages:
        try:
            for request in message.read().requests:
                _put(storage, settings, request)
        except ReelhouseError as exc:
            log.error("a message was not accepted: %s", secrets.hidden(str(exc)), extra={"messageId": message.id})
            failed.append(message.id)
    log.info("queued", extra={"messages": len(batch.messages), "failed": len(failed)})
    # With any other key SQS treats the whole batch as failed.
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}
