"""What planning 1.2 million ids costs: the first run, and one that knows them all with 20,000 changed."""

from __future__ import annotations

import hashlib
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.collecting import settings_of
from bench.measuring import MB, REELHOUSE, Usage, least_of, measured
from bench.report import CACHE, Measure, Section
from bench.tiny_server import export_of, tiny_server
from reelhouse.collect.run import finalize
from reelhouse.entities.registry import ENTITIES
from reelhouse.raw.keys import export_key
from reelhouse.raw.plan import Cause, Counts, ExportRef, Plan, RequestProfile, Selection, put_ids, put_plan, read_units
from reelhouse.raw.receipt import Outcome, Receipt, State, put_receipt
from reelhouse.raw.reconciliation import reconcile
from reelhouse.storage.folder import FolderStorage

_TARGET_SECONDS = 10.0
_TARGET_PEAK = 300 * MB
_CHANGED = 60  # one of so many
_VANISHED = 500


def measure(*, full: bool, quick: bool) -> Section:
    count = 100_000 if quick else 1_200_000
    first, second = least_of(3, lambda: first_run(count)), least_of(3, lambda: second_run(count))
    return Section(
        "planning",
        "python -m bench planning",
        [
            *_judged(f"Planning {count:,} ids, first run", first, "export fetched over loopback, everything new"),
            *_judged(
                f"Planning with {count:,} known",
                second,
                f"another day's export, {count // _CHANGED:,} changed, {_VANISHED} vanished; "
                f"the feed's {count // _CHANGED // 100} pages at no rate limit",
            ),
        ],
    )


def _judged(what: str, usage: Usage, how: str) -> list[Measure]:
    wall, peak = f"{usage.wall:.1f} s, {usage.cpu:.1f} s CPU", f"{usage.peak / MB:.0f} MB"
    return [
        Measure(what, "< 10 s", wall, usage.wall < _TARGET_SECONDS, f"`reelhouse plan`, the least of 3; {how}"),
        Measure(f"{what}: peak memory", "< 300 MB", peak, usage.peak < _TARGET_PEAK, "of the process"),
    ]


def first_run(count: int) -> Usage:
    """Planning of *count* ids in an empty lake."""
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.json.gz"
        export.write_bytes(export_of(range(1, count + 1)))
        usage = _plan(Path(folder) / "lake", export, range(0), 0)
    assert json.loads(usage.output)["requested"] == count
    return usage


def second_run(count: int) -> Usage:
    """Planning the day after in a lake that holds *count* ids."""
    lake = _known_lake(count)
    changed = range(1000, 1000 + count // _CHANGED)
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export.json.gz"
        export.write_bytes(export_of(range(1, count + 1 - _VANISHED)))
        usage = _plan(lake, export, changed, 1)
    assert json.loads(usage.output)["causes"] == {"changed": len(changed), "vanished": _VANISHED}
    return usage


def _plan(lake: Path, export: Path, changed: range, ahead: int) -> Usage:
    with tiny_server(export, changed=changed, ahead=ahead) as address:
        env = settings_of(f"{address}/3", f"{address}/p/exports")
        return measured([REELHOUSE, "--lake", str(lake), "plan", "--json"], env)


def _known_lake(count: int) -> Path:
    """A lake whose first run landed *count* ids today, as its plan and receipts tell; it has no chunks."""
    today = datetime.now(UTC).date()
    lake = CACHE / f"known-{count}-{today}"
    if lake.is_dir():
        return lake
    scratch = CACHE / f"{lake.name}.part"
    storage = FolderStorage(scratch)
    plan = _put_plan(storage, count, f"{today}T00:00:00Z")
    for unit in read_units(storage, plan):
        outcomes = [
            Outcome(question.key, State.LANDED, question.cause, plan.planned_at, id=int(question.key), line=line)
            for line, question in enumerate(unit.requests)
        ]
        put_receipt(storage, Receipt(plan.run, unit.number, 0, plan.entity, outcomes), set(), 0)
    made, _ = reconcile(storage, plan)
    assert made is not None and made.complete
    finalize(storage, plan)
    return scratch.rename(lake)


def _put_plan(storage: FolderStorage, count: int, at: str) -> Plan:
    day = datetime.fromisoformat(at).date()
    body = export_of(range(1, count + 1))
    sha256 = hashlib.sha256(body).hexdigest()
    key = export_key("movie_ids", day, sha256)
    storage.put(key, body)
    plan = Plan(
        run=1,
        entity="movie",
        planned_at=at,
        ids=put_ids(storage, "movie", 1, (f"{id_} {Cause.NEW}" for id_ in range(1, count + 1))),
        unit_size=1000,
        request_profile=RequestProfile(language="en-US", append=ENTITIES["movie"].default_appends),
        selection=Selection(),
        counts=Counts(listed=count, not_in_listing=0, excluded={}, up_to_date=0, requested={Cause.NEW.value: count}),
        export=ExportRef(key, sha256, day.isoformat(), count, "yesterday's"),
        changes_read_to=at,
    )
    put_plan(storage, plan)
    return plan
