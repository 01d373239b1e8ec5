"""Replaying: what waited in the spool goes through the receipt log, as if it had just been answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reelhouse.collect.landing import open_unit, put_chunk
from reelhouse.collect.spool import Entry, Spool
from reelhouse.errors import ConfigError, LakeError, StorageError
from reelhouse.raw.plan import read_plan
from reelhouse.raw.receipt import put_receipt
from reelhouse.raw.reconciliation import read_reconciliation
from reelhouse.storage.protocol import Storage


class Replayed(NamedTuple):
    """How many *answers* were brought in, and a line for each entry that was *left* in the spool."""

    answers: int
    left: list[str]


def replay(storage: Storage, spool: Spool, stopped: Callable[[], bool] = lambda: False) -> Replayed:
    """Bring in what waits for this lake, until *stopped*.

    An entry goes only after its receipt lies in the lake, so whatever ends this early, it may be done again. One that
    is damaged, or of a run that this lake does not know, stays where it is. Raises where the lake fails.
    """
    answers = 0
    left: list[str] = []
    try:
        names = spool.waiting()
    except StorageError as exc:
        return Replayed(0, [f"what waits in {spool.folder} cannot be read: {exc}"])
    for name in names:
        if stopped():
            break
        try:
            entry, body = spool.read(name)
            answers += _bring_in(storage, spool, entry, body)
            spool.remove(name)
        except LakeError as exc:
            left.append(f"{spool.folder / name} stays there, nothing of it was brought in: {exc}")
    return Replayed(answers, left)


def _bring_in(storage: Storage, spool: Spool, entry: Entry, body: bytes) -> int:
    """Land one entry without what somebody landed meanwhile; returns how many answers are claimed by it now."""
    try:
        return _land(storage, entry, body)
    except (StorageError, ConfigError) as exc:
        kind = ConfigError if isinstance(exc, ConfigError) else StorageError
        raise kind(f"{exc}; what waits in {spool.folder} is still there") from exc


def _land(storage: Storage, entry: Entry, body: bytes) -> int:
    receipt = entry.receipt
    plan = read_plan(storage, receipt.entity, receipt.run)
    if plan is None or not entry.is_of(plan):
        raise LakeError(f"it is of another {receipt.entity} run {receipt.run} than {storage.url} holds")
    if read_reconciliation(storage, receipt.entity, receipt.run) is not None:
        return 0
    unit = open_unit(storage, plan, receipt.unit)
    if all(outcome.key in unit.known for outcome in receipt.outcomes):
        return 0
    if receipt.chunk is not None:
        put_chunk(storage, receipt.chunk.key, body)
    placed = put_receipt(storage, receipt, unit.known, unit.part)
    return 0 if placed is None else len(placed.outcomes)
