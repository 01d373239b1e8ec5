"""`popularity_daily`: one append for each new export. A second export of a day replaces the first one's rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame

from reelhouse.delta.engine import Engine
from reelhouse.delta.log import Commit, Mode, read_commit, schema_fingerprint
from reelhouse.storage.protocol import Storage
from reelhouse.tables.popularity import POPULARITY, popularity
from reelhouse.tables.schemas import schema_of
from reelhouse.warehouse.manifest import ExportRead
from reelhouse.warehouse.pending import check_export

FOLDER = f"tables/{POPULARITY.name}"
# More files in one query than this cost more to plan than they save in commits.
_AT_ONCE = 30
_SCHEMA = schema_of(POPULARITY.columns)


def write_popularity(
    engine: Engine, exports: list[ExportRead], user: dict[str, str], over: int | None, *, from_scratch: bool
) -> Commit:
    """Bring the table, whose newest version is *over*, to hold exactly *exports*; returns the commit that does.

    Raises `OvertakenError` where another writer writes to it meanwhile.
    """
    held = None if from_scratch or over is None else _held(engine.storage, over, user)
    missing = [export for export in exports if held is None or _mark(export) not in held]
    # A second export of a day takes the place of the first.
    again = held is None or len(held) + len(missing) != len(exports)
    left = exports if again else missing
    for start in range(0, max(len(left), 1), _AT_ONCE):
        some = left[start : start + _AT_ONCE]
        done = exports if not again else left[: start + _AT_ONCE]
        mode: Mode = "overwrite" if again and not start else "append"
        commit = _write(engine, some, {**user, "exports": [_mark(export) for export in done]}, mode, over)
        over = commit.version
    return commit


def _write(
    engine: Engine, exports: list[ExportRead], user: Mapping[str, object], mode: Mode, over: int | None
) -> Commit:
    for export in exports:
        check_export(engine.storage, export)
    files = engine.write(_rows(engine, exports), FOLDER) if exports else []
    return engine.commit(FOLDER, files, _SCHEMA, mode=mode, user=user, over=over)


def _rows(engine: Engine, exports: list[ExportRead]) -> DataFrame:
    frames = [
        popularity(engine.lines([export.key]), kind=export.kind, day=export.day, fetched_at=export.fetched_at)
        for export in exports
    ]
    return reduce(DataFrame.unionByName, frames)


def _held(storage: Storage, version: int, user: dict[str, str]) -> set[str] | None:
    """The exports that a version holds; None where they are not recorded or other code wrote them."""
    noted = read_commit(storage, FOLDER, version).user
    same = (
        noted.get("schema") == schema_fingerprint(_SCHEMA)
        and noted.get("rows_fingerprint") == user["rows_fingerprint"]
        and "exports" in noted
    )
    return set(noted["exports"]) if same else None


def _mark(export: ExportRead) -> str:
    return f"{export.kind} {export.day} {export.key}"
