"""How far an open run is: a cache of its receipts, so that each start need not read all of them again."""

from __future__ import annotations

import msgspec

from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.layout import FORMAT, progress_key
from reelhouse.raw.plan import Plan
from reelhouse.raw.reading import decode, encode
from reelhouse.storage.protocol import Storage


class Done(msgspec.Struct, frozen=True):
    """`runs/<seq>/progress.json`: the first *units* units have a receipt for each id, and what those say in all.

    Receipts are only ever added, so what was true stays true, whoever put it last. Believed until a run seems to be at
    its end; a reconciliation is counted from the receipts themselves.
    """

    run: int
    ids: str
    units: int = 0
    states: dict[str, int] = {}
    drift: dict[str, int] = {}
    chunks: int = 0
    bytes: int = 0
    format: int = FORMAT


def nothing_done(plan: Plan) -> Done:
    """The beginning."""
    return Done(plan.run, plan.ids.sha256)


def read_done(storage: Storage, plan: Plan) -> Done:
    """What was kept; the beginning where nothing was, where it does not parse or is about another plan."""
    key = progress_key(plan.run)
    try:
        found = decode(key, storage.get(key), Done)
    except (MissingKeyError, LakeError):
        return nothing_done(plan)
    return found if (found.run, found.ids) == (plan.run, plan.ids.sha256) else nothing_done(plan)


def keep_done(storage: Storage, done: Done) -> None:
    """Put it where the next start finds it."""
    storage.put(progress_key(done.run), encode(done))


def drop_done(storage: Storage, run: int) -> None:
    """Remove it: the run is at its end, or the receipts say otherwise."""
    storage.delete(progress_key(run))
