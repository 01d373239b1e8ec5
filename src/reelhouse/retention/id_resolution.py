"""Whose answers a list of ids means: TMDB's, other services', and the answers that say they are the same record's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from reelhouse.errors import LakeError
from reelhouse.ids import external_keys, key_id
from reelhouse.raw.chunk import read_answers
from reelhouse.raw.plan import Plan
from reelhouse.raw.receipt import Receipt, read_purged, readable, reduced
from reelhouse.retention.audit import read_units
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage

# Chunks in memory at once.
_AT_ONCE = 4


class ResolvedIds(NamedTuple):
    """*keys* and *ids* whose answers are meant, *unknown* what no answer in the lake is about."""

    keys: frozenset[str]
    ids: frozenset[int]
    unknown: frozenset[str]
    problems: list[str]


class _Ids(msgspec.Struct):
    imdb_id: Any = None
    tvdb_id: Any = None
    external_ids: Any = None


_decode = msgspec.json.Decoder(_Ids).decode


def resolve(storage: Storage, plans: list[Plan], keys: frozenset[str]) -> ResolvedIds:
    """What *keys* name. One of another service is looked for in every answer: only they tell whose it is."""
    ids = {id_ for key in keys if (id_ := key_id(key)) is not None}
    external = frozenset(key for key in keys if key_id(key) is None)
    known: dict[str, set[int]] = {key: set() for key in keys}
    aliases: list[tuple[str, int]] = []
    problems: list[str] = []
    for receipt in _receipts(storage, plans):
        for outcome in receipt.outcomes:
            if outcome.key in known:
                known[outcome.key].add(outcome.id or 0)
            if outcome.id is not None:
                known.get(str(outcome.id), set()).add(outcome.id)
                if outcome.by_external_id:
                    aliases.append((outcome.key, outcome.id))
    if external:
        for found, problem in prefetch(partial(_resolved, storage, external), _receipts(storage, plans), _AT_ONCE):
            for key, id_ in found:
                known[key].add(id_)
            problems += problem
    ids.update(id_ for key in external for id_ in known[key] if id_)
    also = {key for key, id_ in aliases if id_ in ids}
    unknown = frozenset(key for key, found in known.items() if not found)
    return ResolvedIds(keys | also, frozenset(ids), unknown, problems)


def _receipts(storage: Storage, plans: list[Plan]) -> Iterator[Receipt]:
    for plan in plans:
        purged = read_purged(storage, plan.entity, plan.run)
        for receipt in readable(chain.from_iterable(read_units(storage, plan))):
            yield reduced(receipt, purged)


def _resolved(storage: Storage, external: frozenset[str], receipt: Receipt) -> tuple[list[tuple[str, int]], list[str]]:
    """Which of the *external* ids answers in this chunk say are theirs."""
    found: list[tuple[str, int]] = []
    ids = {line: outcome.id for outcome in receipt.outcomes if outcome.id is not None for line in outcome.span}
    try:
        for answer in read_answers(storage, receipt):
            id_ = ids.get(answer.line)
            if id_ is not None:
                found += [(key, id_) for key in _external_keys(answer.bytes) if key in external]
    except LakeError as exc:
        return found, [f"whose answers it holds is not known: {exc}"]
    return found, []


def _external_keys(body: bytes) -> Iterator[str]:
    try:
        record = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    yield from external_keys(msgspec.structs.asdict(record))
