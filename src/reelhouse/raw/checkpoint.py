"""How far an open run is: a cache of its receipts, so that each start need not read all of them again."""

from __future__ import annotations

import msgspec

from reelhouse.errors import LakeError
from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import FORMAT, checkpoint_key
from reelhouse.raw.plan import Plan
from reelhouse.storage.protocol import Storage


class Checkpoint(msgspec.Struct, frozen=True):
    """`_reelhouse/runs/<entity>/<seq>/checkpoint.json`.

    The first *units* units but *open* have a receipt for each id, and what those say.

    One id that nobody answers keeps its unit open to the end of a run, and must not have all others read again and
    again. Receipts are only ever added, so what was true stays true, by any writer. Believed until a run seems
    to be at its end; a reconciliation is counted from the receipts themselves.
    """

    entity: str
    run: int
    ids: str
    units: int = 0
    open: list[int] = []
    states: dict[str, int] = {}
    drift: dict[str, int] = {}
    chunks: int = 0
    bytes: int = 0
    format: int = FORMAT

    @property
    def first(self) -> int:
        """The first unit that is not settled."""
        return min(self.open, default=self.units)

    def settled(self, unit: int) -> bool:
        """Whether this unit needs no look."""
        return unit < self.units and unit not in self.open


def empty_checkpoint(plan: Plan) -> Checkpoint:
    """The checkpoint of a run of which no unit is settled."""
    return Checkpoint(plan.entity, plan.run, plan.ids.sha256)


def read_checkpoint(storage: Storage, plan: Plan) -> Checkpoint:
    """What was kept; the beginning where nothing was, where it does not parse or is about another plan."""
    key = checkpoint_key(plan.entity, plan.run)
    try:
        found = read_object(storage, key, Checkpoint)
    except LakeError:
        found = None
    if found is None or (found.run, found.ids) != (plan.run, plan.ids.sha256):
        return empty_checkpoint(plan)
    return found


def save_checkpoint(storage: Storage, done: Checkpoint) -> None:
    """Put it where the next start finds it."""
    storage.put(checkpoint_key(done.entity, done.run), encode(done))


def drop_checkpoint(storage: Storage, entity: str, run: int) -> None:
    """Remove it: the run is at its end, or the receipts say otherwise."""
    storage.delete(checkpoint_key(entity, run))
