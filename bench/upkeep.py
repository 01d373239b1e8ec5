"""What upkeep is worth: a lake after many small builds, before and after `reelhouse maintain`.

`python -m bench.upkeep [MOVIES] [BUILDS]` prints the table that docs/maintain.md holds.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from bench.bodies import Bodies
from bench.building import build, working_copy
from bench.lakes import CHANGED_EVERY, lake_of, land
from bench.measuring import MB, REELHOUSE, Usage, measured
from reelhouse.storage.folder import FolderStorage

_ZONES = ("_reelhouse/staging", "tables", "marts")
_QUERY = "select day, count(*), avg(popularity) from popularity_daily group by 1 order by 1"
_MONTH = 30 * 86_400


class Stood(NamedTuple):
    """A lake at one moment: what lies there, and what a build after one percent changed and a query cost."""

    files: int
    commits: int
    bytes: int
    build: Usage
    query: Usage


def main(movies: int, builds: int) -> None:
    with working_copy(lake_of(movies)) as lake:
        build(lake)
        for run in range(2, builds + 1):
            _change(lake, movies, run)
            build(lake)
        before = _stand(lake, movies, builds + 1)
        upkeep = measured([REELHOUSE, "--lake", str(lake), "maintain", "--json"])
        # A month later, when nobody reads any more what was rewritten; the build in between is one that is measured.
        _older(lake)
        measured([REELHOUSE, "--lake", str(lake), "maintain", "--json"])
        after = _stand(lake, movies, builds + 2)
        _print(movies, builds, before, after, upkeep)


def _change(lake: Path, movies: int, run: int) -> None:
    bodies = Bodies(movies)
    land(FolderStorage(lake), run, bodies.ids, bodies.ids[::CHANGED_EVERY], bodies.edited(CHANGED_EVERY))


def _stand(lake: Path, movies: int, run: int) -> Stood:
    found = [path for zone in _ZONES for path in (lake / zone).rglob("*") if path.is_file()]
    sizes = sum(path.stat().st_size for path in found)
    commits = sum(path.suffix == ".json" for path in found)
    query = measured([REELHOUSE, "--lake", str(lake), "sql", _QUERY, "--format", "csv"])
    _change(lake, movies, run)
    return Stood(len(found), commits, sizes, build(lake), query)


def _older(lake: Path) -> None:
    for zone in _ZONES:
        for path in (lake / zone).rglob("*"):
            os.utime(path, (path.stat().st_mtime - _MONTH,) * 2)


def _print(movies: int, builds: int, before: Stood, after: Stood, upkeep: Usage) -> None:
    print(f"{movies:,} movies, {builds} builds, one percent changed before each\n")
    print("| | before | after |\n|---|---|---|")
    print(f"| files of tables and logs | {before.files:,} | {after.files:,} |")
    print(f"| commits | {before.commits:,} | {after.commits:,} |")
    print(f"| MB | {before.bytes / MB:.0f} | {after.bytes / MB:.0f} |")
    for name, one, other in (("build", before.build, after.build), ("query", before.query, after.query)):
        print(f"| {name}: CPU s, wall s | {one.cpu:.1f}, {one.wall:.1f} | {other.cpu:.1f}, {other.wall:.1f} |")
    done = json.loads(upkeep.output)
    rewritten = ", ".join(f"{one['folder']} {one['files']} files" for one in done["rewritten"])
    print(f"\nupkeep: {upkeep.cpu:.1f} CPU s, {upkeep.wall:.1f} s, {upkeep.peak / MB:.0f} MB; rewritten: {rewritten}")


if __name__ == "__main__":
    main(*(int(one) for one in (*sys.argv[1:], *("10000", "20")[len(sys.argv) - 1 :])))
