"""What all of TMDB costs at its real size: 6.7 million ids of seven kinds, with small bodies.

The lake is landed without a request, once, and kept: some 3 GB.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from bench.bodies import Body
from bench.building import working_copy
from bench.collecting import settings_of
from bench.lakes import land
from bench.measuring import MB, REELHOUSE, Usage, measured, measured_with_children
from bench.report import CACHE, Measure, Section
from bench.tiny_server import export_of, tiny_body, tiny_server
from reelhouse.collect.run import finalize
from reelhouse.entities.registry import ENTITIES
from reelhouse.storage.folder import FolderStorage

_GB = 1 << 30
COUNTS = {
    "movie": 1_240_000,
    "tv": 230_000,
    "person": 4_900_000,
    "collection": 9_800,
    "company": 249_000,
    "network": 5_400,
    "keyword": 94_000,
}
_SMALLER = 100
# Ids that the three change feeds name together.
_CHANGED = (1_000, 10_000, 100_000)
_FEEDS = sum(1 for name in COUNTS if ENTITIES[name].changes)
_ALL = [f"--entity={name}" for name in COUNTS]


def measure(*, full: bool, quick: bool) -> Section:
    smaller = 1 if full else _SMALLER
    changed = [count // (1 if full else 10 if not quick else 100) for count in _CHANGED]
    lake = everything(smaller)
    measures = [*_planned(smaller), *_looked_at(lake)]
    with working_copy(lake) as copy:
        usage = measured_with_children([REELHOUSE, "--lake", str(copy), "build", "--json"])
        measures.append(_row("Building all of it", usage, peak=12 * _GB, how="all processes together"))
        measures += [one for count in changed for one in _synced(copy, smaller, count)]
    return Section("everything", "python -m bench everything [--full]", measures)


def _row(what: str, usage: Usage, *, seconds: float = 0, peak: int = 0, how: str = "") -> Measure:
    """*seconds* (of CPU, as others share the machine) and *peak* are targets; 0 for none."""
    target = " and ".join([*([f"< {seconds:g} s"] if seconds else []), *([f"< {peak / MB:,.0f} MB"] if peak else [])])
    found = f"{usage.wall:.1f} s, {usage.cpu:.1f} s CPU, {usage.peak / MB:,.0f} MB"
    # A full measurement takes hours, and one that is stopped has said what it found so far.
    print(f"{what}: {found}", file=sys.stderr, flush=True)
    met = (not seconds or usage.cpu < seconds) and (not peak or usage.peak < peak) if target else None
    return Measure(what, target, found, met, how)


def _planned(smaller: int) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        exports = _exports(Path(folder), smaller)
        with tiny_server(exports) as address:
            env = settings_of(f"{address}/3", f"{address}/p/exports")
            usage = measured([REELHOUSE, "--lake", f"{folder}/lake", "plan", *_ALL, "--json"], env)
    ids = sum(COUNTS.values()) // smaller
    yield _row(f"Planning everything, {ids:,} ids", usage, seconds=60, peak=500 * MB, how="first runs of an empty lake")


def _looked_at(lake: Path) -> Iterator[Measure]:
    look = [REELHOUSE, "--lake", str(lake), "status", "--json"]
    yield _row("`status`", measured(look), seconds=5)
    ledgers = lake / "_reelhouse" / "ledger"
    with tempfile.TemporaryDirectory(dir=CACHE) as aside:
        ledgers.rename(Path(aside) / "ledger")
        try:
            yield _row("`status` without ledgers", measured(look), seconds=120, how="all are read from receipts")
        finally:
            shutil.rmtree(ledgers, ignore_errors=True)
            (Path(aside) / "ledger").rename(ledgers)
    verify = measured([REELHOUSE, "--lake", str(lake), "verify", "--json"])
    yield _row("`verify`", verify, seconds=600, peak=500 * MB, how="every object is read")


def _synced(lake: Path, smaller: int, changed: int) -> Iterator[Measure]:
    """A day later: *changed* ids, collected and built."""
    before = _bytes(lake)
    with tempfile.TemporaryDirectory() as folder:
        exports = _exports(Path(folder), smaller)
        with tiny_server(exports, changed=range(1000, 1000 + changed // _FEEDS)) as address:
            env = settings_of(f"{address}/3", f"{address}/p/exports")
            collect = measured([REELHOUSE, "--lake", str(lake), "collect", *_ALL, "--json"], env)
            with urlopen(f"{address}/asked") as answer:
                asked = int(answer.read())
    yield _row(f"Collecting {changed:,} changed", collect, how=f"{asked:,} records requested, at no rate")
    raw = _bytes(lake) - before
    build = measured_with_children([REELHOUSE, "--lake", str(lake), "build", "--json"])
    rebuilt = len(json.loads(build.output)["rebuilt"])
    tables = _bytes(lake) - before - raw
    grown = f"{rebuilt} tables; new: {raw / MB:,.0f} MB of raw objects, {tables / MB:,.0f} MB of tables"
    yield _row(f"Building after {changed:,} changed", build, how=grown)


def _bytes(lake: Path) -> int:
    return sum(path.stat().st_size for path in lake.rglob("*") if path.is_file())


def _exports(folder: Path, smaller: int) -> Path:
    exports = folder / "exports"
    exports.mkdir()
    for name, count in COUNTS.items():
        (exports / f"{ENTITIES[name].export}.gz").write_bytes(export_of(range(1, count // smaller + 1)))
    return exports


def everything(smaller: int) -> Path:
    """A lake of all ids, *smaller* times fewer than TMDB has. Made once, kept."""
    lake = CACHE / f"everything-{smaller}"
    if not lake.is_dir():
        scratch = CACHE / f"{lake.name}.part"
        shutil.rmtree(scratch, ignore_errors=True)
        storage = FolderStorage(scratch)
        for name, count in COUNTS.items():
            ids = range(1, count // smaller + 1)
            bodies = (Body(id_, tiny_body(name, id_)) for id_ in ids)
            finalize(storage, land(storage, 1, ids, ids, bodies, ENTITIES[name]))
        scratch.rename(lake)
    return lake
