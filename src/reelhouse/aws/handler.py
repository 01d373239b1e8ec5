"""AWS Lambda: one event in, one small answer out. An error is raised, so that Lambda's own retries see it.

Nothing of a run stays here between invocations: only what is costly to make and true for all of them is kept.
"""

from __future__ import annotations

from collections import Counter
from typing import Protocol

# Needed by any lake of a function: what is loaded now has a whole processor, what an event loads a share of one.
import reelhouse.storage.s3  # noqa: F401
from reelhouse.aws import metrics
from reelhouse.aws.events import Asked, Batch, ListedIn, read_event
from reelhouse.aws.id_lists import read_list
from reelhouse.aws.invocation import Answer, Invocation
from reelhouse.aws.metrics import log
from reelhouse.aws.time_budget import Margin
from reelhouse.bootstrap import secrets
from reelhouse.bootstrap.storage import readable_storage
from reelhouse.collect.id_lists import KeyList
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import MissingKeyError, ReelhouseError
from reelhouse.raw.inbox import put_message
from reelhouse.settings import FILE, Settings, load
from reelhouse.storage.protocol import Storage


class Context(Protocol):
    """What Lambda tells of an invocation."""

    @property
    def aws_request_id(self) -> str: ...

    def get_remaining_time_in_millis(self) -> int: ...


# What a warm environment keeps: storages, which know that their bucket was found fit, and how long leaving takes.
_storages: dict[tuple[str, ...], Storage] = {}
_margin = Margin()


def handler(event: object, context: Context) -> Answer:
    """Carry out what *event* asks for; the answer's numbers add up. Raises whatever kept it from that."""
    metrics.log_as_json()
    with metrics.request(context.aws_request_id):
        try:
            return _answer(event, context)
        except Exception as exc:
            failure = secrets.safe(exc)
        raise failure


def _answer(event: object, context: Context) -> Answer:
    settings = load(in_bucket=_file_in_bucket, entities=ENTITIES)
    storage = _storage(settings)
    found = read_event(event, context.aws_request_id)
    if isinstance(found, Batch):
        return _take(storage, settings, found)
    others: Counter[str] = Counter()
    for wish in found.wishes:
        others.update(_put(storage, settings, wish))
    if found.works:
        shift = Invocation(storage, settings, _margin, lambda: context.get_remaining_time_in_millis() / 1000)
        answer = shift.work(ticks=found.ticks)
    else:
        answer = Answer(state="queued")
    answer["letters"] = len(found.wishes)
    if others:
        answer["other_kinds"] = dict(others)
    log.info(answer["state"], extra=answer)
    return answer


def _storage(settings: Settings) -> Storage:
    key = (settings.lake, settings.s3_region, settings.s3_profile, settings.s3_encryption, settings.s3_kms_key)
    if key not in _storages:
        _storages[key] = readable_storage(settings)
    return _storages[key]


def _file_in_bucket(settings: Settings) -> bytes | None:
    try:
        return _storage(settings).get(FILE)
    except MissingKeyError:
        return None


def _put(storage: Storage, settings: Settings, wish: Asked | ListedIn) -> dict[str, int]:
    """Put a wish down where no run that is open and no end of this process can lose it.

    Returns how many rows of a list are not asked, by their kind.
    """
    if isinstance(wish, ListedIn):
        listed: KeyList | None = read_list(wish, profile=settings.s3_profile)
        assert listed is not None
        put_message(storage, wish.name, _entity(""), listed.keys)
    else:
        listed = wish.listed
        if wish.run and not wish.entity and len(ENTITIES) > 1:
            for name in ENTITIES:
                put_message(storage, f"{wish.name}-{name}", name, run=wish.run)
        else:
            put_message(storage, wish.name, _entity(wish.entity), wish.keys, wish.run)
    if listed is None:
        return {}
    log.info("read a list: %s", "; ".join(listed.notes), extra=listed.summary())
    return listed.others


def _entity(named: str) -> str:
    """The entity that an event is about."""
    if named in ENTITIES:
        return named
    if named or len(ENTITIES) > 1:
        raise ReelhouseError(f"entity: one of {', '.join(ENTITIES)} is expected, not {named[:40]!r}")
    return next(iter(ENTITIES))


def _take(storage: Storage, settings: Settings, batch: Batch) -> Answer:
    """Put down what messages ask for; those that could not be are named, so that the queue keeps them."""
    failed: list[str] = []
    for message in batch.messages:
        try:
            for wish in message.read().wishes:
                _put(storage, settings, wish)
        except ReelhouseError as exc:
            log.error("a message was not taken: %s", secrets.hidden(str(exc)), extra={"messageId": message.id})
            failed.append(message.id)
    log.info("queued", extra={"messages": len(batch.messages), "failed": len(failed)})
    # Nothing else may stand in here, or SQS takes the whole batch for failed.
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}
