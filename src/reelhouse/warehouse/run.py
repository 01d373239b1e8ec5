"""One build: bring staging up to date, rebuild the tables and marts that lag behind it, pin what belongs together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

import reelhouse
from reelhouse.delta.log import list_sizes, sound
from reelhouse.entities.schema import Entity
from reelhouse.errors import LakeError, LockedError, MissingKeyError, OvertakenError
from reelhouse.marts import REGISTRY
from reelhouse.raw.json_objects import refuse_other_format
from reelhouse.raw.keys import MANIFEST, plan_key, staging_folder
from reelhouse.raw.plan import Plan
from reelhouse.raw.purges import note_unbuilt, purge_count, read_purges
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import BUILD, Step, Storage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.fingerprints import parsing_fingerprint, wanted_fingerprints
from reelhouse.warehouse.manifest import (
    BuildInputs,
    BuildManifest,
    ExportRead,
    StreamRead,
    TableVersion,
    Watermark,
    check_manifest,
    newest_build,
    pin,
    read_manifest,
)
from reelhouse.warehouse.pending import PendingRuns, exports_left, exports_named, has_news, look_ahead
from reelhouse.warehouse.staging import Staged, look_at_staging
from reelhouse.warehouse.vacuum import sweep

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


# Another builder that pins first makes this one look again; more than a few in a row is not a race any more.
_ATTEMPTS = 5

# A build that was killed leaves its lease in a bucket for two minutes.
_WAIT_SECONDS = 150.0
_LOOK_AGAIN_SECONDS = 5.0


@dataclass(frozen=True)
class BuildResult:
    """What a build left behind: *done* tells whether there was anything to do, *rebuilt* names the tables that changed.

    *problems* name a person's own files that could not be taken over (the course's layout); tables are whole without.
    *notes* name those that were, but should be looked at.
    """

    done: bool
    build: int
    rows: dict[str, int]
    rebuilt: list[str] = field(default_factory=list)
    inputs: BuildInputs = field(default_factory=BuildInputs)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the command exits with 0."""
        return not self.problems

    @property
    def issues(self) -> list[str]:
        """Why it does not, in lines."""
        return self.problems

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        return dict(msgspec.to_builtins(self))


@dataclass(frozen=True)
class _EntityBeforeBuild:
    """One entity before a build: its staging as it is, made by *code*, and the runs that may hold more.

    What was parsed before a purge is parsed again: *code* is another one then.
    """

    code: str
    staging: Staged
    pending: PendingRuns


@dataclass(frozen=True)
class _LakeBeforeBuild:
    """The lake before a build of *registry*: the last build, staging as it is, and what is new.

    *newest* is the newest build that was ever pinned.
    """

    registry: Registry
    current: BuildManifest | None
    body: bytes | None
    streams: dict[str, _EntityBeforeBuild]
    exports: list[ExportRead]
    purges: int
    newest: int

    @property
    def pins(self) -> dict[str, TableVersion]:
        return self.current.tables if self.current and self.current.purges == self.purges else {}


def build(
    storage: Storage,
    spark_factory: Callable[[], SparkSession],
    full: bool = False,
    progress: Step | None = None,
    course: bool = False,
    course_quotes: bool = True,
    registry: Registry = REGISTRY,
) -> BuildResult:
    """Bring tables and marts of *registry* up to what has landed; *full* parses everything again from raw.

    Readers see the last build until this one is whole. Killed anywhere, the next build completes it. Raises
    `LakeError` that names a damaged object; then nothing changes for readers. With the *course*'s layout, what is built
    is copied as Parquet besides, with a person's own files, in which quotes are text without *course_quotes*.
    """
    step = progress or (lambda name: None)
    if not course:
        return _bring_up_to_date(storage, spark_factory, step, registry, full=full)
    from reelhouse.warehouse.course.local import copy_local
    from reelhouse.warehouse.course.parquet import check_installed, copy_out

    check_installed()
    done = _bring_up_to_date(storage, spark_factory, step, registry, full=full)
    if copy_out(storage, step) is None:
        return done
    local = copy_local(storage, step, quotes=course_quotes)
    return replace(done, problems=local.problems, notes=local.notes)


def _bring_up_to_date(
    storage: Storage, spark_factory: Callable[[], SparkSession], step: Step, registry: Registry, *, full: bool
) -> BuildResult:
    parse = make = full
    for _ in range(_ATTEMPTS):
        situation = _look(storage, registry, full=parse)
        if not make and _nothing_to_do(storage, situation):
            return _done_before(situation)
        try:
            with _alone(storage, step) as waited:
                if waited or purge_count(storage) != situation.purges:
                    situation = _look(storage, registry, full=parse)
                    if not make and _nothing_to_do(storage, situation):
                        return _done_before(situation)
                built = _build(storage, spark_factory, situation, step, parse=parse, make=make)
        except OvertakenError:
            # A builder that began staging again is joined: two that began it again and again would never end.
            parse = False
            continue
        if built is not None:
            return built
        parse = make = False
    raise LakeError("other builds of this lake keep coming first: wait for them, then build again")


def _look(storage: Storage, registry: Registry, *, full: bool) -> _LakeBeforeBuild:
    # Before anything else: what a purge takes from here on makes this build one that nobody believes.
    purges = purge_count(storage)
    newest = newest_build(storage)
    current, body = _current(storage)
    registry = registry.only(_collected(storage, registry, current))
    streams = {
        name: _look_at_stream(storage, entity, current, purges, full=full) for name, entity in registry.entities.items()
    }
    known = [] if full or not current or current.purges != purges else current.inputs.exports
    plans: list[Plan] = []
    for name, one in streams.items():
        # Plans of runs that staging read before are known by their exports, unless there is no build that tells.
        recorded = one.staging.reads.through == 0 or any(export.kind == name for export in known)
        plans += (one.pending if recorded else look_ahead(storage, name, Watermark())).plans
    exports = exports_named(known, exports_left(storage, plans) if purges else plans)
    return _LakeBeforeBuild(registry, current, body, streams, exports, purges, newest)


@contextmanager
def _alone(storage: Storage, step: Step) -> Iterator[bool]:
    """Keep other builds out inside the context; whether one had to be waited for. `LockedError` if it takes long."""
    give_up = time.monotonic() + _WAIT_SECONDS
    until = datetime.now().astimezone() + timedelta(seconds=_WAIT_SECONDS)
    waited = False
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(storage.lock(of=BUILD))
                break
            except LockedError as exc:
                if time.monotonic() >= give_up:
                    raise
                step(f"waiting until {until:%H:%M:%S} at most: {exc}")
            waited = True
            time.sleep(_LOOK_AGAIN_SECONDS)
        yield waited


def answers_ahead(storage: Storage, registry: Registry = REGISTRY, *, full: bool = False) -> int:
    """About how many answers a build is about: those that tables are made of, and those it would parse.

    The latter are of runs that the last build had not read as a whole.
    """
    situation = _look(storage, registry, full=full)
    records = situation.pins.get("record")
    found = records.rows if records else 0
    for one in situation.streams.values():
        read = sum(map(len, (one.staging.reads.open.get(str(plan.run), {}) for plan in one.pending.plans)))
        units = sum(plan.units for plan in one.pending.plans)
        asked = sum(plan.ids.count for plan in one.pending.plans)
        found += asked * max(units - read, 0) // max(units, 1)
    return found


def _collected(storage: Storage, registry: Registry, current: BuildManifest | None) -> set[str]:
    """The entities that were ever collected, or that the last build read."""
    read = {name for name, one in current.inputs.streams.items() if one.receipts.through} if current else set[str]()
    first_plans = prefetch(lambda name: storage.size(plan_key(name, 1)), registry.entities)
    return read | {name for name, size in zip(registry.entities, first_plans, strict=True) if size is not None}


def _look_at_stream(
    storage: Storage, entity: Entity, current: BuildManifest | None, purges: int, *, full: bool
) -> _EntityBeforeBuild:
    code = parsing_fingerprint(entity, purges)
    read = current.inputs.stream(entity.name) if current else StreamRead()
    if read.parsing_fingerprint != code:
        read = StreamRead()
    staging = Staged(None, Watermark())
    if not full:
        pinned = Staged(read.staging, read.receipts)
        staging = look_at_staging(storage, staging_folder(entity.name), pinned, code)
    return _EntityBeforeBuild(code, staging, look_ahead(storage, entity.name, staging.reads))


def _current(storage: Storage) -> tuple[BuildManifest | None, bytes | None]:
    """The last build; a manifest that does not parse is ignored, since everything can be built again."""
    try:
        body = storage.get(MANIFEST)
    except MissingKeyError:
        return None, None
    try:
        return read_manifest(storage), body
    except LakeError:
        _refuse_other_format(body)
        return None, body


def _refuse_other_format(body: bytes) -> None:
    try:
        number = msgspec.json.decode(body, type=dict[str, Any]).get("format")
    except msgspec.DecodeError:
        return
    if isinstance(number, int):
        refuse_other_format(MANIFEST, number)


def _nothing_to_do(storage: Storage, situation: _LakeBeforeBuild) -> bool:
    streams = situation.streams
    if situation.current is None or any(one.staging.version is None for one in streams.values()):
        return False
    registry = situation.registry
    if any(has_news(storage, one.staging.reads, one.pending) for one in streams.values()):
        return False
    reads = {name: one.staging.reads for name, one in streams.items()}
    wanted = wanted_fingerprints(registry, reads, situation.exports, situation.purges)
    pins = situation.pins
    names = registry.names
    if names != pins.keys() or any(pins[name].fingerprint != wanted[name] for name in names):
        return False
    return not any(check_manifest(storage, situation.current, situation.newest)) and _all_sound(storage, pins)


def _all_sound(storage: Storage, pins: dict[str, TableVersion]) -> bool:
    """Whether every pinned version is there with all its files, and is still the newest that anybody committed."""
    listed = list_sizes(storage, *sorted({f"{one.zone}/" for one in pins.values()}))
    tables = ((f"{one.zone}/{name}", one.version, one.rows, listed) for name, one in pins.items())
    return all(list(prefetch(lambda table: sound(storage, *table), tables)))


def _build(
    storage: Storage,
    spark_factory: Callable[[], SparkSession],
    situation: _LakeBeforeBuild,
    step: Step,
    *,
    parse: bool,
    make: bool,
) -> BuildResult | None:
    """Everything that needs an engine; None when another builder pinned first.

    With *parse* staging begins from scratch, with *make* every table does.
    """
    # Here, so that a build of nothing does not pay for what only an engine needs.
    from reelhouse.delta.engine import in_one_line, open_engine
    from reelhouse.warehouse.materialize import BuildPass, make_tables
    from reelhouse.warehouse.staging import Stager

    registry = situation.registry
    step("starting the engine")
    with in_one_line():
        engine = open_engine(storage, spark_factory(), situation.purges)
        staging = {
            name: Stager(engine, registry.entities[name], one.code).bring_up_to_date(
                one.staging, one.pending, step, from_scratch=parse
            )
            for name, one in situation.streams.items()
        }
        reads = {name: one.reads for name, one in staging.items()}
        wanted = wanted_fingerprints(registry, reads, situation.exports, situation.purges)
        making = BuildPass(engine, registry, staging, wanted, situation.exports, situation.pins)
        pins, rebuilt = make_tables(making, step, from_scratch=make)
    read = {name: StreamRead(one.reads, one.version, situation.streams[name].code) for name, one in staging.items()}
    current = BuildManifest(
        build=max(situation.newest, situation.current.build if situation.current else 0) + 1,
        tables=pins,
        inputs=BuildInputs(read, situation.exports),
        purges=situation.purges,
        written_by=f"reelhouse {reelhouse.__version__}",
    )
    step("pinning")
    if not pin(storage, current, situation.body):
        return None
    if read_purges(storage).unbuilt:
        note_unbuilt(storage, unbuilt=False)
    if situation.current is not None:
        sweep(storage, situation.current)
    return _result(current, done=True, rebuilt=rebuilt)


def _done_before(situation: _LakeBeforeBuild) -> BuildResult:
    assert situation.current is not None
    return _result(situation.current, done=False, rebuilt=[])


def _result(current: BuildManifest, *, done: bool, rebuilt: list[str]) -> BuildResult:
    rows = {name: one.rows for name, one in current.tables.items()}
    return BuildResult(done, current.build, rows, rebuilt, current.inputs)
