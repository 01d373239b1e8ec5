"""Small lakes for tests: plans and receipts put by hand, without anything that asks TMDB."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from reelhouse.raw.chunk import ChunkWriter
from reelhouse.raw.plan import Cause, Counts, ExportRef, Plan, RequestProfile, Selection, put_ids, put_plan
from reelhouse.raw.receipt import ChunkRef, Outcome, Receipt, State, put_receipt
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage

ASKING = RequestProfile(language="en-US", append=("credits",))
MORNING = "2026-11-23T09:00:00Z"


class Noting(MemoryStorage):
    """Keeps the keys that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []

    def get(self, key: str) -> bytes:
        self.read.append(key)
        return super().get(key)


def tmdb_data(*parts: str) -> Path:
    """TMDB's own data, which lies beside the project and never in it; the test is skipped where it does not."""
    beside = Path(__file__).parent.parent.parent / "shared" / "tmdb"
    found = Path(os.environ.get("REELHOUSE_TMDB_DATA", beside)).joinpath(*parts)
    if not found.exists():
        pytest.skip(f"TMDB's data is not at {found}; set REELHOUSE_TMDB_DATA")
    return found


def once_per_run(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that *make* fills once for all test processes of a run; nobody changes it."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / f"{name}.made").open("a+", encoding="utf-8") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        note.seek(0)
        # The folder is below that of the process that made it, which searches it for secrets.
        if not (found := note.read()):
            folder = factory.mktemp(name)
            make(folder)
            note.write(found := str(folder))
    return Path(found)


def a_plan(
    storage: Storage,
    keys: Iterable[str],
    *,
    run: int = 1,
    unit_size: int = 1000,
    cause: Cause = Cause.NEW,
    request_profile: RequestProfile = ASKING,
    planned_at: str = MORNING,
    export: ExportRef | None = None,
    changes_read_to: str | None = None,
    put: bool = True,
) -> Plan:
    """A plan of *keys*, put where its run is."""
    keys = list(keys)
    ids = put_ids(storage, "movie", run, (f"{key} {cause}" for key in keys))
    counts = Counts(listed=len(keys), not_in_listing=0, excluded={}, up_to_date=0, requested={cause.value: len(keys)})
    plan = Plan(
        run=run,
        entity="movie",
        planned_at=planned_at,
        ids=ids,
        unit_size=unit_size,
        request_profile=request_profile,
        selection=Selection(),
        counts=counts,
        export=export,
        changes_read_to=changes_read_to,
    )
    if put:
        put_plan(storage, plan)
    return plan


def a_outcome(
    key: str,
    state: State = State.LANDED,
    *,
    line: int | None = None,
    fetched_at: str = MORNING,
    found: int | None = None,
) -> Outcome:
    own = int(key) if key.isdigit() else None
    return Outcome(
        key=key, state=state, cause=Cause.NEW, fetched_at=fetched_at, id=own if found is None else found, line=line
    )


def a_chunk(storage: Storage, plan: Plan, unit: int, bodies: Sequence[tuple[str, bytes]], token: str = "t") -> ChunkRef:
    """A chunk of (ask, body), put."""
    writer = ChunkWriter(f"raw/movie/2026/11/23/{plan.run:06d}-{unit:05d}-{token}.jsonl.gz", plan.run, "movie", "")
    for key, body in bodies:
        writer.add(body, parses=True, key=key, path=f"/movie/{key}", status=200, fetched_at=MORNING, id=int(key))
    reference, packed = writer.close()
    storage.put_new(reference.key, packed)
    return reference


def settle(
    storage: Storage,
    plan: Plan,
    outcomes: Sequence[Outcome],
    *,
    unit: int = 0,
    chunk: ChunkRef | None = None,
    known: set[str] | None = None,
    drift: dict[str, int] | None = None,
) -> Receipt | None:
    """Append a receipt of *outcomes* to the log of a unit."""
    receipt = Receipt(
        run=plan.run, unit=unit, part=0, entity="movie", outcomes=list(outcomes), chunk=chunk, drift=drift or {}
    )
    return put_receipt(storage, receipt, set() if known is None else known, 0)
