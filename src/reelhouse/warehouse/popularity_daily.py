"""`popularity_daily`: one append for each new export. A second export of a day replaces the first one's rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame

from reelhouse.delta.engine import Engine
from reelhouse.delta.log import Commit, latest_version, read_commit
from reelhouse.errors import OvertakenError
from reelhouse.storage.protocol import Storage
from reelhouse.tables.popularity import POPULARITY, popularity
from reelhouse.tables.schemas import schema_of
from reelhouse.warehouse.manifest import ExportRead
from reelhouse.warehouse.pending import check_export

FOLDER = f"tables/{POPULARITY.name}"
# More files in one query than this cost more to plan than they save in commits.
_AT_ONCE = 30


def write_popularity(
    engine: Engine, exports: list[ExportRead], user: dict[str, str], known: int, *, from_scratch: bool
) -> Commit:
    """Bring the table to hold exactly *exports*; returns the commit that does."""
    held = None if from_scratch else _held(engine.storage, known, user)
    missing = [export for export in exports if held is None or _mark(export) not in held]
    if held is None or len(held) + len(missing) != len(exports):
        return _write_all(engine, exports, user, known)
    before = latest_version(engine.storage, FOLDER, known)
    commit = _write(engine, missing, {**user, "exports": _marks(exports), "over": before}, "append", known)
    if before is None or commit.version != before + 1:
        # Another builder appended in between, perhaps the same rows: begin again rather than count twice.
        return _write_all(engine, exports, user, known)
    return commit


def _write_all(engine: Engine, exports: list[ExportRead], user: dict[str, str], known: int) -> Commit:
    commit = _write(engine, exports[:_AT_ONCE], {**user, "exports": _marks(exports[:_AT_ONCE])}, "overwrite", known)
    for start in range(_AT_ONCE, len(exports), _AT_ONCE):
        before = commit.version
        held = {**user, "exports": _marks(exports[: start + _AT_ONCE]), "over": before}
        commit = _write(engine, exports[start : start + _AT_ONCE], held, "append", known)
        if commit.version != before + 1:
            raise OvertakenError(f"{FOLDER} was written by somebody else meanwhile")
    return commit


def _write(engine: Engine, exports: list[ExportRead], user: Mapping[str, object], mode: str, known: int) -> Commit:
    for export in exports:
        check_export(engine.storage, export)
    return engine.write(_rows(engine, exports), FOLDER, mode=mode, user=user, known=known)


def _rows(engine: Engine, exports: list[ExportRead]) -> DataFrame:
    if not exports:
        return engine.rows([], schema_of(POPULARITY.columns))
    frames = [
        popularity(engine.lines([export.key]), kind=export.kind, day=export.day, fetched_at=export.fetched_at)
        for export in exports
    ]
    return reduce(DataFrame.unionByName, frames)


def _held(storage: Storage, known: int, user: dict[str, str]) -> set[str] | None:
    """The exports the newest version holds; None where they are not recorded or other code wrote them."""
    version = latest_version(storage, FOLDER, known)
    if version is None:
        return None
    newest = read_commit(storage, FOLDER, version)
    noted = newest.user
    same = newest.in_place and all(noted.get(name) == user[name] for name in ("schema", "code")) and "exports" in noted
    return set(noted["exports"]) if same else None


def _marks(exports: list[ExportRead]) -> list[str]:
    return [_mark(export) for export in exports]


def _mark(export: ExportRead) -> str:
    return f"{export.kind} {export.day} {export.key}"
