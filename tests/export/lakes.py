"""A lake of the emulator in two states, each built, and one table of a person's own in it."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from reelhouse.delta.delta_rs import write_delta
from reelhouse.emulator import Emulator
from reelhouse.storage.folder import FolderStorage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.import_registry import ZONE, Import, ImportColumn, ImportSource, pin_import, readable
from reelhouse.warehouse.run import build
from tests.end_to_end.conftest import environment
from tests.in_process import reelhouse
from tests.warehouse.landing import SAIL

OWN = "my_ratings"
_COLUMNS = {
    "movie_id": ("bigint", pa.int64()),
    "rating": ("double", pa.float64()),
    "fee": ("decimal(12,2)", pa.decimal128(12, 2)),
    "seen": ("boolean", pa.bool_()),
    "seen_on": ("date", pa.date32()),
    "noted_at": ("timestamp", pa.timestamp("us", tz="UTC")),
    "remark": ("string", pa.string()),
}


def own_rows(*texts: str | None) -> pa.Table:
    """A row for each text, and one of nothing but NULL."""
    names = list(_COLUMNS)
    rows: list[tuple[Any, ...]] = [
        (
            at,
            at / 3,
            Decimal(at) / 4,
            at % 2 == 0,
            # Days that Java's calendar does not have.
            date(1582, 10, 5 + at % 10),
            datetime(1582 if at % 2 else 2026, 10, 5, 20, 0, 0, 123456, tzinfo=UTC),
            value,
        )
        for at, value in enumerate(texts)
    ]
    rows.append((None,) * len(names))
    schema = pa.schema([pa.field(name, kind) for name, (_, kind) in _COLUMNS.items()])
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


def bring(root: Path, table: pa.Table, name: str = OWN) -> None:
    """Pin *table* as an import, as `reelhouse import` does."""
    storage = FolderStorage(root)
    version = write_delta(storage, f"{ZONE}/{name}", table.to_reader(), mode="overwrite", user={}, new_schema=True)
    columns = [ImportColumn(each, _COLUMNS[each][0]) for each in table.column_names]
    pin = Import(
        zone=ZONE,
        version=version,
        rows=table.num_rows,
        schema_fingerprint="",
        fingerprint=str(version),
        columns=columns,
        sources=[ImportSource("my.csv")],
        imported_at="2026-11-23T20:00:00Z",
    )
    before = readable(storage).get(name)
    pin_import(storage, name, pin, before if isinstance(before, Import) else None)


def make(folder: Path, registry: Registry) -> None:
    """The lake before and after a day on which movies changed, came and went; both are built."""
    before, after = folder / "before", folder / "after"
    with Emulator(movies=400, seed=7, process=True) as tmdb:
        env = environment(tmdb, before)
        collect = ("collect", "--top", "120")
        done = reelhouse(*collect, env=env, cwd=folder)
        assert done.returncode == 0, done.stderr
        build(FolderStorage(before), SAIL, registry=registry)
        bring(before, own_rows("plain", "", None, 'with "quotes", commas\r\nand lines', "\\N", "ünïcödé 映画 🎬"))
        shutil.copytree(before, after)
        tmdb.edit(count=40)
        tmdb.delete(count=15)
        tmdb.next_day()
        done = reelhouse(*collect, env=environment(tmdb, after), cwd=folder)
        assert done.returncode == 0, done.stderr
    build(FolderStorage(after), SAIL, registry=registry)


def moved(lake: Path, to: Path) -> None:
    """Let *lake* be as *to* is."""
    shutil.rmtree(lake)
    shutil.copytree(to, lake)


def rows_of(root: Path, name: str) -> pa.Table:
    """A table as it is pinned, by delta-rs alone."""
    pin = readable(FolderStorage(root))[name]
    return DeltaTable(str(root / pin.zone / name), version=pin.version).to_pyarrow_table()


def counted(table: pa.Table) -> Counter[tuple[Any, ...]]:
    """How often each row is there, in a form that equal rows of other readers have too."""
    return Counter(zip(*(_plain(column) for column in table.columns), strict=True))


def _plain(column: Any) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    found: list[Any] = column.to_pylist()
    return [str(value) if isinstance(value, Decimal) else value for value in found]
