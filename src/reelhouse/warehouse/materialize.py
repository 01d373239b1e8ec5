"""Makes the tables and marts that lag behind staging, and says which versions to pin.

A table is replaced in one atomic commit. A table whose rows come out the same gets no commit: a reader who follows its
versions sees changes only, and marts made of it alone are not made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import reduce

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from reelhouse.delta.engine import Engine, in_one_line, same_rows
from reelhouse.delta.engine_errors import first_line
from reelhouse.delta.log import (
    Commit,
    DataFile,
    live_files,
    read_commit,
    readable_version,
    rows_held,
    schema_fingerprint,
    sound,
)
from reelhouse.delta.parquet import bounds
from reelhouse.entities.paths import staged_name
from reelhouse.entities.schema import ANSWERS, CURRENT, DAILY, STAGING, Table
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.raw.keys import staging_folder
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Step
from reelhouse.tables.current_record import CURRENT_COLUMNS, current_outcomes, daily_answers, landed_answers, newest_day
from reelhouse.tables.popularity import POPULARITY
from reelhouse.tables.registry import Registry, input_of
from reelhouse.tables.schemas import data_type, schema_of
from reelhouse.tables.select import rows_of
from reelhouse.warehouse.fingerprints import made_of, rows_fingerprint
from reelhouse.warehouse.manifest import ExportRead, TableVersion, is_outdated, newest_exports
from reelhouse.warehouse.popularity_daily import FOLDER, write_popularity
from reelhouse.warehouse.staging import Staged, outcomes_held

_CURRENT = schema_of(CURRENT_COLUMNS)


class BuildPass:
    """One pass over all tables: what was made so far, and the frames that later tables read."""

    def __init__(
        self,
        engine: Engine,
        registry: Registry,
        staging: Mapping[str, Staged],
        wanted: dict[str, str],
        exports: list[ExportRead],
        before: dict[str, TableVersion],
    ) -> None:
        self.engine = engine
        self.registry = registry
        self.exports = exports
        self.before = before
        self.wanted = dict(wanted)
        self.staging = staging
        # The newest version of each folder when this pass began.
        self.versions = self._versions()
        self.pins: dict[str, TableVersion] = {}
        self.rebuilt: list[str] = []
        self.frames: dict[str, DataFrame] = {}
        for name, one in staging.items():
            assert one.version is not None
            # The rows of `CURRENT` point into one version of staging, and to no other that reflects the same receipts.
            self.wanted[input_of(name, CURRENT)] += f" {self._token(staging_folder(name), one.version)}"
            self.frames[input_of(name, STAGING)] = engine.held(staging_folder(name), one.version)

    def _versions(self) -> dict[str, int | None]:
        """The newest version of each folder, None where there is none yet."""
        tables = {f"{zone}/{one.name}": one.name for zone, tables in self.registry.zones.items() for one in tables}
        known = {folder: self.before[name].version for folder, name in tables.items() if name in self.before}
        folders = [*tables, *map(_current_folder, self.registry.entities)]

        def newest(folder: str) -> tuple[str, int | None]:
            return folder, readable_version(self.engine.storage, folder, known.get(folder, 0))

        return dict(prefetch(newest, folders))

    def _token(self, folder: str, version: int) -> str:
        """What names a commit, also once its table was made again and has other versions of the same numbers."""
        return str(read_commit(self.engine.storage, folder, version).user["token"])

    def inputs_of(self, table: Table) -> set[str]:
        """What must be there before *table* can be made."""
        return {name for _, inputs in self.registry.parts_of(table) for name in inputs}

    def rows(self, table: Table) -> DataFrame:
        """The rows of *table*, in its declared columns."""
        parts = self.registry.parts_of(table)
        frames = [rows_of(part, *(self.frames[name] for name in inputs)) for part, inputs in parts]
        return reduce(DataFrame.unionByName, (as_declared(frame, table) for frame in frames))

    def keep(self, zone: str, table: Table, version: int, rows: int) -> None:
        """Note a table's version, and let later tables read it."""
        schema = schema_fingerprint(schema_of(table.columns))
        self.pins[table.name] = TableVersion(zone, version, rows, schema, self.wanted[table.name])
        self.frames[table.name] = self.engine.held(f"{zone}/{table.name}", version)

    def pinned(self, folder: str, table: Table) -> TableVersion | None:
        """What the last build made of a table with these columns, if it is still the newest version, in whole files."""
        pin = self.before.get(table.name)
        if (
            pin is None
            or pin.version != self.versions[folder]
            or pin.schema_fingerprint != schema_fingerprint(schema_of(table.columns))
        ):
            return None
        return pin if sound(self.engine.storage, folder, pin.version, pin.rows) else None

    def follows_again(self, table: Table, pin: TableVersion) -> bool:
        """Whether *pin* has what is wanted, or a table is made as it was of tables that are still the same."""
        if pin.fingerprint == self.wanted[table.name]:
            return True
        names = self.inputs_of(table)
        before = {name: self.before[name] for name in names & self.before.keys() - set(self.rebuilt)}
        if before.keys() != names or any(self.pins[name].version != one.version for name, one in before.items()):
            return False
        return made_of(self.registry, table, {name: one.fingerprint for name, one in before.items()}) == pin.fingerprint

    def replace(self, folder: str, table: Table, pin: TableVersion | None) -> tuple[int, int]:
        """Write a table, unless its rows are those of *pin*; its version and rows."""
        schema = schema_of(table.columns)
        files = self.engine.write(self.rows(table), folder)
        if pin is not None and self._same_rows(folder, files, pin, schema):
            for file in files:
                self.engine.storage.delete(f"{folder}/{file.path}")
            return pin.version, pin.rows
        commit = self._commit(folder, table.name, files, schema)
        self.rebuilt.append(table.name)
        return commit.version, commit.rows

    def _same_rows(self, folder: str, files: list[DataFile], pin: TableVersion, schema: T.StructType) -> bool:
        if pin.rows != sum(file.rows for file in files):
            return False
        storage, sizes = self.engine.storage, {file.path: file.size for file in files}
        before = {path: size for path, size in live_files(storage, folder, pin.version).items() if size is not None}
        with suppress(LakeError), in_one_line():
            # Most tables tell when their rows were fetched, so that footers already differ where rows do.
            if bounds(storage, folder, before) != bounds(storage, folder, sizes):
                return False
            return same_rows(self.engine.read(folder, list(sizes), schema), self.engine.table(folder, pin.version))
        # What was pinned cannot be read any more, and is replaced.
        return False

    def made_already(self, folder: str, name: str) -> Commit | None:
        """The newest commit where it has what is wanted, in whole files: the last build's, or that of a killed one."""
        version = self.versions[folder]
        commit = None if version is None else read_commit(self.engine.storage, folder, version)
        if commit is None or commit.user.get("fingerprint") != self.wanted[name]:
            return None
        return commit if sound(self.engine.storage, folder, commit.version) else None

    def overwrite(self, folder: str, name: str, frame: DataFrame, schema: T.StructType) -> Commit:
        """Replace a table in one commit that says what it was made from."""
        return self._commit(folder, name, self.engine.write(frame, folder), schema)

    def _commit(self, folder: str, name: str, files: list[DataFile], schema: T.StructType) -> Commit:
        user = {"fingerprint": self.wanted[name]}
        return self.engine.commit(folder, files, schema, mode="overwrite", user=user, over=self.versions[folder])


def make_tables(making: BuildPass, step: Step, *, from_scratch: bool) -> tuple[dict[str, TableVersion], list[str]]:
    """Every table and mart at its wanted state: pins for all, and the names of those that were written."""
    step(POPULARITY.name)
    _make_popularity(making, making.before.get(POPULARITY.name), from_scratch=from_scratch)
    step("current")
    for name in making.registry.entities:
        _make_current(making, name, from_scratch=from_scratch)
    zones = making.registry.zones.items()
    left = [(zone, one) for zone, tables in zones for one in tables if one.name != POPULARITY.name]
    while left:
        ready = [one for one in left if making.frames.keys() >= making.inputs_of(one[1])]
        assert ready, f"nothing makes what {left[0][1].name} reads"
        left = [one for one in left if one not in ready]
        for _ in prefetch(
            lambda one: _make(making, *one, step, from_scratch=from_scratch), ready, making.engine.at_once
        ):
            pass
    return making.pins, making.rebuilt


def _make(making: BuildPass, zone: str, table: Table, step: Step, *, from_scratch: bool) -> None:
    step(table.name)
    folder = f"{zone}/{table.name}"
    pin = None if from_scratch else making.pinned(folder, table)
    if pin is not None and making.follows_again(table, pin):
        making.keep(zone, table, pin.version, pin.rows)
        return
    commit = None if from_scratch else making.made_already(folder, table.name)
    made = (commit.version, commit.rows) if commit else making.replace(folder, table, pin)
    making.keep(zone, table, *made)


def as_declared(frame: DataFrame, spec: Table) -> DataFrame:
    """The declared columns in the declared order and types. A column that is missing is a mistake, never NULL."""
    try:
        found = frame.columns
    except PySparkException as exc:
        raise LakeError(f"{spec.name} cannot be made: {first_line(exc)}") from exc
    if found != spec.column_names:
        raise LakeError(f"{spec.name} is made with columns {found}, but declared with {spec.column_names}")
    return frame.select(*(F.col(f"`{column.name}`").cast(data_type(column.type)) for column in spec.columns))


def _make_popularity(making: BuildPass, pin: TableVersion | None, *, from_scratch: bool) -> None:
    commit = None if from_scratch else making.made_already(FOLDER, POPULARITY.name)
    if commit is None:
        version = making.versions[FOLDER]
        # An append would leave in what is damaged.
        from_scratch = from_scratch or version is None or not sound(making.engine.storage, FOLDER, version)
        user = {"fingerprint": making.wanted[POPULARITY.name], "rows_fingerprint": rows_fingerprint(POPULARITY)}
        commit = write_popularity(making.engine, making.exports, user, version, from_scratch=from_scratch)
        making.rebuilt.append(POPULARITY.name)
    # What was pinned is known, so that a table of a thousand appends costs no thousand reads.
    known = (pin.version, pin.rows) if pin and not from_scratch else (-1, 0)
    try:
        rows = rows_held(making.engine.storage, FOLDER, commit.version, known)
    except MissingKeyError:
        if from_scratch:
            raise
        # Another engine removed the log's beginning, by which rows are counted.
        _make_popularity(making, None, from_scratch=True)
        return
    making.keep("tables", POPULARITY, commit.version, rows)


def _current_folder(entity: str) -> str:
    return f"{staging_folder(entity)}_current"


def _make_current(making: BuildPass, kind: str, *, from_scratch: bool) -> None:
    folder, name, staged = _current_folder(kind), input_of(kind, CURRENT), making.frames[input_of(kind, STAGING)]
    commit = None if from_scratch else making.made_already(folder, name)
    if commit is None:
        listed = newest_exports(making.exports, kind)
        # Those of a lake that is listed by `discover` since say nothing of what TMDB has deleted meanwhile.
        if listed and is_outdated(listed, newest_day(staged)):
            listed = []
        frame = current_outcomes(
            staged,
            _listed(making.frames[POPULARITY.name], listed),
            entity=kind,
            export_known=bool(listed),
        )
        commit = making.overwrite(folder, name, frame, _CURRENT)
    current = making.engine.held(folder, commit.version)
    making.frames[name] = current
    version = making.staging[kind].version
    assert version is not None
    # As many ids as outcomes: each speaks for its id and its day.
    superseded = outcomes_held(making.engine.storage, staging_folder(kind), version) != commit.rows
    answers = landed_answers(staged, current, superseded=superseded)
    making.frames[input_of(kind, ANSWERS)] = answers
    appends = [staged_name(one) for one in making.registry.entities[kind].appends_of_days]
    making.frames[input_of(kind, DAILY)] = daily_answers(staged, appends) if superseded else answers


def _listed(popularity: DataFrame, exports: list[ExportRead]) -> DataFrame:
    """The ids of *exports*; one may come twice."""
    tests = [(F.col("kind") == one.kind) & (F.col("day") == F.lit(one.day).cast("date")) for one in exports]
    return popularity.filter(reduce(Column.__or__, tests) if tests else F.lit(False)).select("id")
