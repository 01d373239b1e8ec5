"""`reelhouse diff`: what the lake has and what TMDB lists."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reelhouse.bootstrap.collecting import compare_each
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.collect.diff import DIFFERENCES, Compared, Difference
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

# How many ids of each kind of difference are shown without a file: to a person, and to a program.
_SHOWN = 10
_IN_JSON = 1000


def diff(settings: Settings, names: Iterable[str], output: Path | None, *, as_json: bool) -> int:
    """Compare, and show counts and the first ids; all of them go to *output*."""
    storage = lake_of(settings)
    first: dict[tuple[str, str], list[int]] = {}

    with _rows(output, storage) as write:

        def found(one: Difference) -> None:
            write(one)
            ids = first.setdefault((one.entity, one.difference), [])
            if len(ids) < _IN_JSON:
                ids.append(one.id)

        with display.progress(step="comparing") as bar:
            compared = compare_each(storage, settings, names, found, bar)
    if as_json:
        display.as_json(
            {
                "equal": all(one.equal for one in compared),
                "entities": {
                    one.entity: {
                        **one._asdict(),
                        "ids": {name: first.get((one.entity, name), []) for name in DIFFERENCES},
                    }
                    for one in compared
                },
            }
        )
    else:
        _show(compared, first, output)
    return 0 if all(one.equal for one in compared) else 1


def _show(compared: list[Compared], first: dict[tuple[str, str], list[int]], output: Path | None) -> None:
    display.table("The lake and TMDB's newest exports", Compared._fields, compared)
    for (entity, difference), ids in first.items():
        count = getattr(next(one for one in compared if one.entity == entity), difference)
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
