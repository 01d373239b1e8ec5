"""What 6.6 million ids cost: the ledger's upkeep after a run of 20,000 of them, opening it, `verify`."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.bodies import Body
from bench.lakes import land
from bench.measuring import MB, REELHOUSE, Usage, measured
from bench.report import CACHE, Measure, Section
from reelhouse.collect.run import finalize
from reelhouse.raw.ledger import open_ledger
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.storage.folder import FolderStorage

_RUN = 20_000
_TARGET_UPKEEP = 10.0
_TARGET_UPKEEP_PEAK = 150 * MB
_TARGET_VERIFY_PEAK = 300 * MB


def measure(*, full: bool, quick: bool) -> Section:
    count = 66_000 if quick else 6_600_000 if full else 660_000
    lake = many_ids(count)
    upkeep, opening = _this("finalize", lake), _this("open", lake)
    verify = measured([REELHOUSE, "--lake", str(lake), "verify", "--json"])
    of = f"{count:,} known ids"
    return Section(
        "many_ids",
        "python -m bench many_ids [--full]",
        [
            Measure(
                f"Upkeep after a run of {_RUN:,}, {of}",
                "< 10 s",
                _seconds(upkeep),
                upkeep.wall < _TARGET_UPKEEP,
                "what follows a reconciliation, in a process of its own",
            ),
            Measure("The same: peak memory", "< 150 MB", _peak(upkeep), upkeep.peak < _TARGET_UPKEEP_PEAK),
            Measure("Opening the ledger", "", _seconds(opening), how="what planning and status do first"),
            Measure("The same: peak memory", "< 150 MB", _peak(opening), opening.peak < _TARGET_UPKEEP_PEAK),
            Measure(f"`verify` of {of}", "", _seconds(verify), how="everything read whole, tiny bodies, both runs"),
            Measure("The same: peak memory", "< 300 MB", _peak(verify), verify.peak < _TARGET_VERIFY_PEAK),
        ],
    )


def _seconds(usage: Usage) -> str:
    return f"{usage.wall:.1f} s, {usage.cpu:.1f} s CPU"


def _peak(usage: Usage) -> str:
    return f"{usage.peak / MB:.0f} MB"


def many_ids(count: int) -> Path:
    """A lake of *count* ids with tiny bodies, of which a second run asked some again. Made once, kept."""
    lake = CACHE / f"many-{count}"
    if not lake.is_dir():
        scratch = CACHE / f"{lake.name}.part"
        shutil.rmtree(scratch, ignore_errors=True)
        storage, ids = FolderStorage(scratch), list(range(1, count + 1))
        # By popularity, which has nothing to do with the id.
        random.Random(1).shuffle(ids)
        land(storage, 1, ids, ids, _bodies(ids))
        _finalize(scratch)
        again = ids[:: max(1, count // _RUN)][:_RUN]
        land(storage, 2, ids, again, _bodies(again))
        scratch.rename(lake)
    return lake


def _bodies(ids: Iterable[int]) -> Iterator[Body]:
    return (Body(id_, b'{"id":%d}' % id_) for id_ in ids)


def _this(step: str, lake: Path) -> Usage:
    return measured([sys.executable, "-m", "bench.many_ids", step, str(lake)])


def _finalize(lake: Path) -> None:
    storage = FolderStorage(lake)
    plan = read_plan(storage, "movie", last_run(storage, "movie"))
    assert plan is not None
    finalize(storage, plan)


def _open(lake: Path) -> None:
    storage = FolderStorage(lake)
    with open_ledger(storage, "movie", last_run(storage, "movie")):
        pass


if __name__ == "__main__":
    {"finalize": _finalize, "open": _open}[sys.argv[1]](Path(sys.argv[2]))
