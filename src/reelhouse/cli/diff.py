"""`reelhouse diff`: what the lake has and what TMDB lists."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reelhouse.bootstrap import operations
from reelhouse.bootstrap.operations import DiffResult
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.collect.diff import Difference, EntityDiff
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

# How many ids of each kind of difference are shown without a file.
_SHOWN = 10


def diff(settings: Settings, names: Iterable[str], output: Path | None, *, as_json: bool) -> int:
    """Compare, and show counts and the first ids; all of them go to *output*."""
    storage = lake_of(settings)
    with _rows(output, storage) as write, display.progress(step="comparing") as bar:
        found = operations.diff(storage, settings, names, bar, write)
    if as_json:
        display.as_json(found.to_dict())
    else:
        _show(found, output)
    return 0 if found.ok else 1


def _show(found: DiffResult, output: Path | None) -> None:
    display.table("The lake and TMDB's newest exports", EntityDiff._fields, found.compared)
    for (entity, difference), ids in found.ids.items():
        count = getattr(next(one for one in found.compared if one.entity == entity), difference)
        more = f" and {count - _SHOWN:,} more (--output FILE has all)" if count > _SHOWN and not output else ""
        display.note(f"{entity}, {difference}: {', '.join(map(str, ids[:_SHOWN]))}{more}")


@contextmanager
def _rows(output: Path | None, storage: Storage) -> Iterator[Callable[[Difference], object]]:
    """Writes one difference as a row of *output*, which is replaced when all are written; without it, nothing."""
    if output is None:
        yield lambda _: None
        return
    from reelhouse.serve.export.atomic_files import check_output, put_in_place, scratch_in

    check_output(output, storage)
    with scratch_in(output.absolute().parent) as folder:
        made = folder / "rows.csv"
        with made.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Difference._fields)
            yield writer.writerow
        put_in_place(made, output)
