"""`Trusted/` and `Refined/`: tables and marts of a build as plain Parquet, a folder per day, for the course's layout.

    Trusted/TMDB/Parquet/<table>/<yyyy>/<mm>/<dd>/part-00000.parquet
    Refined/<mart>/<yyyy>/<mm>/<dd>/part-00000.parquet

The day is the one on which the newest run that the build reflects asked TMDB, by TMDB's clock. A part is put as a
whole, and `_SUCCESS` (what the folder holds) last; `_reelhouse/builds/course.json` is put once all tables are there.
Killed anywhere, the next build completes it. What lies beside under other names is other people's, and stays.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from reelhouse.delta.delta_rs import read_delta
from reelhouse.errors import ConfigError, LakeError, pip_install
from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import BUILDS, FORMAT
from reelhouse.raw.plan import read_plan
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Step, Storage
from reelhouse.warehouse.manifest import BuildManifest, TableVersion, built

if TYPE_CHECKING:
    import pyarrow as pa

COPIES = f"{BUILDS}course.json"

# Copies of the newest so many days stay: each is a whole lake's tables.
KEPT_DAYS = 7

_ZONES = {"tables": "Trusted/TMDB/Parquet/", "marts": "Refined/"}
_SUCCESS = "_SUCCESS"

# A part is in memory as a whole, and so is a group of its rows.
_PART_BYTES = 64 << 20
_GROUP_BYTES = 32 << 20
_GROUP_ROWS = 131_072
_AT_ONCE = 2
_ATTEMPTS = 5

# The number of purges is part of a name: so what a purge is to erase is never under a key that is put again, where it
# would stay as an old version, unseen.
_OURS = re.compile(
    r"(?P<folder>(?:Trusted/TMDB/Parquet|Refined)/[a-z0-9_]+/(?P<day>\d{4}/\d\d/\d\d))/"
    r"(?:part-\d{5}(?:-p(?P<purges>\d+))?\.parquet|_SUCCESS)"
)


class CopyFile(msgspec.Struct, frozen=True):
    """One Parquet file; *name* is that in its folder."""

    name: str
    rows: int
    bytes: int


class CopiedTable(msgspec.Struct, frozen=True):
    """What the folder of a table's day holds: a version of that table, as of so many purges."""

    folder: str
    version: int
    rows: int
    parts: list[CopyFile]
    purges: int = 0
    format: int = FORMAT


class ParquetCopies(msgspec.Struct, frozen=True):
    """The newest whole copy, of one build."""

    build: int
    day: str
    tables: dict[str, CopiedTable]
    purges: int = 0
    format: int = FORMAT


def check_installed() -> None:
    """Raise `ConfigError` where what reads the tables is not there, before a build that would end without copies."""
    if find_spec("deltalake") is None:
        raise ConfigError(
            "layout = 'course': Trusted/ and Refined/ are made with the package deltalake, which is not installed: "
            f"{pip_install('lake')}"
        )


def read_copies(storage: Storage) -> ParquetCopies | None:
    """The newest whole copy, None where there is none."""
    return read_object(storage, COPIES, ParquetCopies)


def copy_out(storage: Storage, step: Step = lambda name: None) -> ParquetCopies | None:
    """Copy the last whole build as it is pinned; None where it reflects no run yet. What is there already is not put.

    Raises `LakeError` where rows are not as many as were built.
    """
    written: set[str] = set()
    for _ in range(_ATTEMPTS):
        current = built(storage)
        day = _day_of(storage, current)
        if day is None:
            return None
        before = read_copies(storage)
        same = before is not None and (before.build, before.purges) == (current.build, current.purges)
        tables = before.tables if before and same and not written else _copied(storage, current, day, written, step)
        made = ParquetCopies(current.build, day, tables, current.purges)
        if made != before:
            storage.put(COPIES, encode(made))
            prune(storage)
        # Another builder that came meanwhile may have put parts of its own below ours: who sees it puts them again.
        if built(storage).build == current.build:
            return made
    raise LakeError("other builds of this lake keep coming: Trusted/ and Refined/ are copied by the next one")


def prune(storage: Storage, keep: int = KEPT_DAYS) -> int:
    """Remove the copies of all but the newest *keep* days that have one; returns how many files went."""
    found = [(match["day"], key) for key, match in _ours(storage.keys)]
    kept = sorted({day for day, _ in found}, reverse=True)[:keep]
    going = sorted((key for day, key in found if day not in kept), key=lambda key: not key.endswith(_SUCCESS))
    for _ in prefetch(storage.delete, going):
        pass
    return len(going)


def check_copies(storage: Storage) -> Iterator[str]:
    """What is wrong with the newest whole copy, by name."""
    found = read_copies(storage)
    if found is None:
        return
    parts = [(f"{one.folder}/{part.name}", part.bytes) for one in found.tables.values() for part in one.parts]
    for (key, size), there in zip(parts, prefetch(storage.size, (key for key, _ in parts)), strict=True):
        if there != size:
            state = "is gone" if there is None else f"has {there:,} bytes instead of {size:,}"
            yield f"{key} {state}, though {COPIES} names it: `reelhouse build --full` writes it again"


def old_copies(storage: Storage, purges: int) -> Iterator[str]:
    """The folders of copies that were made before the last of so many *purges*, old versions of objects included."""
    epochs: dict[str, set[int]] = {}
    for key, match in _ours(storage.list_all_versions):
        found = epochs.setdefault(match["folder"], set())
        if not key.endswith(_SUCCESS):
            found.add(int(match["purges"] or 0))
    yield from (folder for folder, found in sorted(epochs.items()) if found != {purges})


def erasable_copies(storage: Storage) -> list[str]:
    """Every key of a copy, those of which only old versions are left included."""
    return [key for key, _ in _ours(storage.list_all_versions)]


def _ours(listed: Callable[[str], Iterable[str]]) -> Iterator[tuple[str, re.Match[str]]]:
    for zone in _ZONES.values():
        for key in listed(zone):
            if match := _OURS.fullmatch(key):
                yield key, match


def _day_of(storage: Storage, current: BuildManifest) -> str | None:
    """`yyyy/mm/dd` of the newest run that a build reflects."""
    days = []
    for name, one in current.inputs.streams.items():
        run = max([one.receipts.through, *map(int, one.receipts.open)])
        plan = read_plan(storage, name, run) if run else None
        days += [] if plan is None else [plan.planned_at[:10]]
    return max(days).replace("-", "/") if days else None


def _copied(
    storage: Storage, current: BuildManifest, day: str, written: set[str], step: Step
) -> dict[str, CopiedTable]:
    """Every table of *current* in its folder of the *day*; adds the names of those that were put to *written*."""

    def one(table: tuple[str, TableVersion]) -> tuple[str, CopiedTable]:
        name, pin = table
        folder = f"{_ZONES[pin.zone]}{name}/{day}"
        there = None if name in written else _there(storage, folder)
        if there is None or (there.version, there.purges) != (pin.version, current.purges):
            step(folder)
            written.add(name)
            there = _copy(storage, f"{pin.zone}/{name}", pin, folder, current.purges)
        return name, there

    return dict(prefetch(one, sorted(current.tables.items()), _AT_ONCE))


def _there(storage: Storage, folder: str) -> CopiedTable | None:
    key = f"{folder}/{_SUCCESS}"
    try:
        return read_object(storage, key, CopiedTable)
    except LakeError:
        # One that cannot be read is another program's, which writes there too.
        return None


def _copy(storage: Storage, table: str, pin: TableVersion, folder: str, purges: int) -> CopiedTable:
    """Put one version of *table* into *folder*, in the place of the files there."""
    storage.delete(f"{folder}/{_SUCCESS}")
    mark = f"-p{purges}" if purges else ""
    parts = []
    for number, (rows, body) in enumerate(_packed(read_delta(storage, table, pin.version))):
        parts.append(CopyFile(f"part-{number:05d}{mark}.parquet", rows, len(body)))
        storage.put(f"{folder}/{parts[-1].name}", body)
    rows = sum(part.rows for part in parts)
    if rows != pin.rows:
        raise LakeError(f"{table} version {pin.version} has {rows} rows for {folder}, {pin.rows} were built")
    names = {part.name for part in parts}
    for key in list(storage.keys(f"{folder}/")):
        if _OURS.fullmatch(key) and key.rpartition("/")[2] not in names:
            storage.delete(key)
    copy = CopiedTable(folder, pin.version, rows, parts, purges)
    storage.put(f"{folder}/{_SUCCESS}", encode(copy))
    return copy


class _Packed(NamedTuple):
    rows: int
    body: bytes


def _packed(rows: pa.RecordBatchReader) -> Iterator[_Packed]:
    """*rows* as Parquet files of bounded size; one that is empty where there are none, so that columns are known."""
    import pyarrow.parquet as pq

    groups = _groups(rows)
    group = next(groups, None)
    first = True
    while group is not None or first:
        first, count, sink = False, 0, io.BytesIO()
        with pq.ParquetWriter(sink, rows.schema, compression="snappy") as writer:
            while group is not None and (not count or sink.tell() < _PART_BYTES):
                writer.write_table(group)
                count += group.num_rows
                group = next(groups, None)
        yield _Packed(count, sink.getvalue())


def _groups(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """*rows* in tables as large as a group of rows in Parquet should be."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for batch in rows:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= _GROUP_ROWS or sum(one.nbytes for one in waiting) >= _GROUP_BYTES:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)
