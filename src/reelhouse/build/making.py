"""Makes the tables and marts that lag behind staging, each as one atomic overwrite, and says which versions to pin."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reelhouse.build.delta_log import Commit, declare_readable, read_commit, rows_held, schema_mark, sound
from reelhouse.build.engine import Engine
from reelhouse.build.engine_errors import first_line
from reelhouse.build.marks import ZONES
from reelhouse.build.pins import ExportRead, Pin
from reelhouse.build.popularity import FOLDER, write_popularity
from reelhouse.build.staging import Staged
from reelhouse.errors import LakeError, MissingKeyError
from reelhouse.storage.ahead import ahead
from reelhouse.storage.protocol import Storage
from reelhouse.tables.catalogue import ANSWERS, CURRENT_MOVIE, POPULARITY, STAGING_MOVIE
from reelhouse.tables.columns import TableSpec, schema_of
from reelhouse.tables.newest import CURRENT_COLUMNS, current_claims, landed_answers

_CURRENT = schema_of(CURRENT_COLUMNS)


class Making:
    """One pass over all tables: what was made so far, and the frames that later tables read."""

    def __init__(self, engine: Engine, staging: Staged, wanted: dict[str, str], versions: dict[str, int]) -> None:
        assert staging.version is not None
        self.engine = engine
        # Its rows point into one version of staging, and to no other that reflects the same receipts.
        pointing = f"{wanted[CURRENT_MOVIE]} {staging.epoch} {staging.version}"
        self.wanted = {**wanted, CURRENT_MOVIE: pointing}
        # The newest version of each folder when this pass began.
        self.versions = versions
        self.pins: dict[str, Pin] = {}
        self.rebuilt: list[str] = []
        self.frames: dict[str, DataFrame] = {STAGING_MOVIE: engine.held(STAGING_MOVIE, staging.version)}

    def keep(self, zone: str, spec: TableSpec, commit: Commit, rows: int) -> None:
        """Note a table's version, and let later tables read it."""
        self.pins[spec.name] = Pin(zone, commit.version, rows, schema_mark(spec.schema), self.wanted[spec.name])
        self.frames[spec.name] = self.engine.held(f"{zone}/{spec.name}", commit.version)

    def made_already(self, folder: str, name: str) -> Commit | None:
        """The newest commit where it has what is wanted, in whole files: the last build's, or that of a killed one."""
        commit = read_commit(self.engine.storage, folder, self.versions[folder])
        wanted = commit.in_place and commit.user.get("made_from") == self.wanted[name]
        return commit if wanted and sound(self.engine.storage, folder, commit.version) else None

    def overwrite(self, folder: str, name: str, frame: DataFrame, schema: str) -> Commit:
        """Replace a table in one commit that says what it was made from."""
        user = {"made_from": self.wanted[name], "schema": schema}
        return self.engine.write(frame, folder, mode="overwrite", user=user, known=self.versions[folder])


def make_tables(
    engine: Engine,
    staging: Staged,
    exports: list[ExportRead],
    wanted: dict[str, str],
    pins: dict[str, Pin],
    step: Callable[[str], None],
    *,
    anew: bool,
) -> tuple[dict[str, Pin], list[str]]:
    """Every table and mart at its wanted state: pins for all, and the names of those that were written."""
    making = Making(engine, staging, wanted, _declared(engine.storage, pins))
    step(POPULARITY.name)
    _make_popularity(making, exports, pins.get(POPULARITY.name), anew=anew)
    step("current")
    _make_current(making, exports, anew=anew)
    left = [(zone, spec) for zone, specs in ZONES.items() for spec in specs if spec.name != POPULARITY.name]
    while left:
        ready = [one for one in left if making.frames.keys() >= set(one[1].inputs)]
        assert ready, f"nothing makes what {left[0][1].name} reads"
        left = [one for one in left if one not in ready]
        for _ in ahead(lambda one: _make(making, *one, step, anew=anew), ready, engine.at_once):
            pass
    return making.pins, making.rebuilt


def _declared(storage: Storage, pins: dict[str, Pin]) -> dict[str, int]:
    """Make sure that every table exists as declared; the newest version of each by folder."""
    tables = {CURRENT_MOVIE: (CURRENT_MOVIE, _CURRENT), FOLDER: (POPULARITY.name, POPULARITY.schema)}
    tables |= {f"{zone}/{spec.name}": (spec.name, spec.schema) for zone, specs in ZONES.items() for spec in specs}

    def declared(folder: str) -> tuple[str, int]:
        name, schema = tables[folder]
        return folder, declare_readable(storage, folder, schema, pins[name].version if name in pins else 0)

    return dict(ahead(declared, tables))


def _make(making: Making, zone: str, spec: TableSpec, step: Callable[[str], None], *, anew: bool) -> None:
    step(spec.name)
    folder = f"{zone}/{spec.name}"
    commit = None if anew else making.made_already(folder, spec.name)
    if commit is None:
        frame = spec.make(*(making.frames[name] for name in spec.inputs), **spec.settings)
        commit = making.overwrite(folder, spec.name, as_declared(frame, spec), schema_mark(spec.schema))
        making.rebuilt.append(spec.name)
    making.keep(zone, spec, commit, commit.rows)


def as_declared(frame: DataFrame, spec: TableSpec) -> DataFrame:
    """The declared columns in the declared order and types. A column that is missing is a mistake, never NULL."""
    try:
        found = frame.columns
    except PySparkException as exc:
        raise LakeError(f"{spec.name} cannot be made: {first_line(exc)}") from exc
    if found != spec.column_names:
        raise LakeError(f"{spec.name} is made with columns {found}, but declared with {spec.column_names}")
    return frame.select(*(F.col(f"`{column.name}`").cast(column.data_type) for column in spec.columns))


def _make_popularity(making: Making, exports: list[ExportRead], pin: Pin | None, *, anew: bool) -> None:
    commit = None if anew else making.made_already(FOLDER, POPULARITY.name)
    if commit is None:
        # An append would leave in what is damaged.
        anew = anew or not sound(making.engine.storage, FOLDER, making.versions[FOLDER])
        user = {"made_from": making.wanted[POPULARITY.name], "schema": schema_mark(POPULARITY.schema)}
        commit = write_popularity(making.engine, exports, user, making.versions[FOLDER], anew=anew)
        making.rebuilt.append(POPULARITY.name)
    # What was pinned is known, so that a table of a thousand appends costs no thousand reads.
    known = (pin.version, pin.rows) if pin and not anew else (-1, 0)
    try:
        rows = rows_held(making.engine.storage, FOLDER, commit.version, known)
    except MissingKeyError:
        if anew:
            raise
        # Another engine removed the log's beginning, by which rows are counted.
        _make_popularity(making, exports, None, anew=True)
        return
    making.keep("tables", POPULARITY, commit, rows)


def _make_current(making: Making, exports: list[ExportRead], *, anew: bool) -> None:
    commit = None if anew else making.made_already(CURRENT_MOVIE, CURRENT_MOVIE)
    if commit is None:
        listed = _newest_export(making.frames[POPULARITY.name], exports, "movie")
        frame = current_claims(
            making.frames[STAGING_MOVIE],
            listed,
            entity="movie",
            export_known=any(one.kind == "movie" for one in exports),
        )
        commit = making.overwrite(CURRENT_MOVIE, CURRENT_MOVIE, frame, schema_mark(_CURRENT))
    current = making.engine.held(CURRENT_MOVIE, commit.version)
    making.frames[CURRENT_MOVIE] = current
    making.frames[ANSWERS] = landed_answers(making.frames[STAGING_MOVIE], current)


def _newest_export(popularity: DataFrame, exports: list[ExportRead], kind: str) -> DataFrame:
    days = [export.day for export in exports if export.kind == kind]
    newest = max(days, default="0001-01-01")
    return popularity.filter(_all(F.col("kind") == kind, F.col("day") == F.lit(newest).cast("date"))).select("id")


def _all(*tests: Column) -> Column:
    return reduce(Column.__and__, tests)
