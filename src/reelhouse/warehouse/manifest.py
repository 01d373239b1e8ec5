"""`_reelhouse/manifest.json`: the versions of tables and marts that belong together, and what they were made from.

It is written last, so that a reader sees the tables of one whole build or of the one before it, never a mixture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import msgspec

from reelhouse.errors import ConfigError, KeyTakenError, LakeError, MissingKeyError, ReelhouseError
from reelhouse.raw.json_objects import encode, read_object
from reelhouse.raw.keys import BUILDS, FORMAT, MANIFEST, PURGES, staging_folder
from reelhouse.raw.purges import purge_count, read_purges
from reelhouse.storage.protocol import Storage

_ADULT = "adult_"
# TMDB's exports come late by days at times.
_LATE = timedelta(days=3)
# Exports of so many days are looked through for the newest, so two of one run are at most so far apart.
_WEEK = timedelta(days=8)
_COPY = re.compile(rf"{BUILDS}(\d{{6,}})\.json")


class Watermark(msgspec.Struct, frozen=True):
    """Which receipts were read: all of the runs up to *through*, and of open runs the first parts of each unit.

    *digest* is the same for receipts of the same content, in whatever order and however often they were read.
    """

    through: int = 0
    open: dict[str, dict[str, int]] = {}
    digest: str = "0" * 64


class ExportRead(msgspec.Struct, frozen=True, order=True):
    """One export that `popularity_daily` holds. *kind* is an entity's name, or `adult_kind` of it."""

    day: str
    run: int
    key: str
    kind: str
    fetched_at: str
    sha256: str

    @property
    def plan(self) -> str:
        """What messages call the plan that names it."""
        return f"the plan of {self.kind.removeprefix(_ADULT)} run {self.run}"


def adult_kind(entity: str) -> str:
    """The kind of the rows of an *entity*'s export of adult ones, since TMDB may list a title in both exports."""
    return f"{_ADULT}{entity}"


def newest_exports(exports: Iterable[ExportRead], entity: str) -> list[ExportRead]:
    """What says which ids TMDB lists of an *entity*: its newest export, and that of adult ones of the same week."""
    found = {one.kind: one for one in sorted(exports) if one.kind in (entity, adult_kind(entity))}
    newest = max(found.values(), default=None)
    return [one for one in found.values() if newest is not None and _day(newest) - _day(one) < _WEEK]


def is_outdated(exports: Iterable[ExportRead], newest: date | None) -> bool:
    """Whether all of *exports* are older than TMDB is late with its own, where the *newest* answer is of that day."""
    return newest is not None and all(newest - _day(one) > _LATE for one in exports)


def _day(export: ExportRead) -> date:
    return date.fromisoformat(export.day)


class StreamRead(msgspec.Struct, frozen=True):
    """What of an entity's receipts a build reflects, and the version of staging then.

    *parsing_fingerprint* is that of the code which had parsed it.
    """

    receipts: Watermark = Watermark()
    staging: int | None = None
    parsing_fingerprint: str = ""


class BuildInputs(msgspec.Struct, frozen=True):
    """What of the raw zone a build reflects: the stream of each entity, and exports."""

    streams: dict[str, StreamRead] = {}
    exports: list[ExportRead] = []

    def stream(self, entity: str) -> StreamRead:
        """What is read of an *entity*, nothing where it has no stream yet."""
        return self.streams.get(entity, StreamRead())

    @property
    def staged(self) -> dict[str, int]:
        """The version of each folder of parsed answers."""
        return {staging_folder(name): one.staging for name, one in self.streams.items() if one.staging is not None}


class TableVersion(msgspec.Struct, frozen=True):
    """One table as a build left it.

    *zone* is `tables` or `marts`, *version* Delta's, *schema_fingerprint* that of its declared schema, *fingerprint*
    that of all that its rows follow from.
    """

    zone: str
    version: int
    rows: int
    schema_fingerprint: str
    fingerprint: str


class BuildManifest(msgspec.Struct, frozen=True):
    """The last whole build. *inputs* is what of the raw zone it reflects, for the next build to go on from.

    *purges* is how many purges there had been when it began: once there are more, it shows what must not be shown.
    """

    build: int
    tables: dict[str, TableVersion]
    inputs: BuildInputs
    purges: int = 0
    written_by: str = ""
    format: int = FORMAT


def read_manifest(storage: Storage) -> BuildManifest | None:
    """The last whole build, None before the first."""
    return read_object(storage, MANIFEST, BuildManifest)


def believed(storage: Storage) -> BuildManifest | None:
    """The last whole build, unless answers were purged since it began."""
    current = read_manifest(storage)
    return current if current is not None and current.purges == purge_count(storage) else None


def built(storage: Storage) -> BuildManifest:
    """The last whole build, or `LakeError` with what to do about it."""
    current = believed(storage)
    if current is None:
        raise LakeError(why_unbuilt(storage))
    return current


def why_unbuilt(storage: Storage) -> str:
    """Why there is no build that readers may see, and what to do about it."""
    if read_manifest(storage) is not None:
        return "answers were purged since the last build: run `reelhouse build`"
    if purge_count(storage):
        return "a purge erases the tables and builds them again before it ends; if none is running: `reelhouse build`"
    return "nothing is built in this lake yet: run `reelhouse build` (and `reelhouse collect` before it)"


def is_erased(storage: Storage) -> bool:
    """Whether a build that readers may not see any more (`believed`) was made, and not yet another one."""
    return read_manifest(storage) is not None or read_purges(storage).unbuilt


@contextmanager
def reading(storage: Storage) -> Iterator[None]:
    """Read tables inside the context: an error that a purge has caused meanwhile says that, and what to do."""
    before = purge_count(storage)
    try:
        yield
    except ConfigError:
        raise
    except ReelhouseError as exc:
        if purge_count(storage) == before:
            raise
        raise LakeError(
            "answers were purged while the tables were read, and the tables with them: wait until the purge has "
            "ended, which builds them again, and repeat this command"
        ) from exc


def pin(storage: Storage, current: BuildManifest, over: bytes | None) -> bool:
    """Make *current* what readers see, unless another build took the place of *over*; tells whether it did."""
    try:
        if over is None:
            storage.put_new(MANIFEST, encode(current))
        else:
            found = storage.get_versioned(MANIFEST)
            if found.body != over:
                return False
            storage.put_if(MANIFEST, encode(current), found.version)
    except (KeyTakenError, MissingKeyError):
        return False
    # By it an older manifest that was put back is known, and one that was edited.
    storage.put(copy_key(current.build), encode(current))
    storage.delete(copy_key(current.build - 1))
    return True


def copy_key(build: int) -> str:
    """Where a build's own copy of what it pinned is."""
    return f"{BUILDS}{build:06d}.json"


def newest_build(storage: Storage) -> int:
    """The newest build that was pinned, 0 for none. To be asked for before `MANIFEST` is read, which may move on."""
    found = (_COPY.fullmatch(key) for key in storage.keys(BUILDS))
    return max((int(one[1]) for one in found if one), default=0)


def check_manifest(storage: Storage, current: BuildManifest | None, newest: int) -> Iterator[str]:
    """What is wrong with `MANIFEST` going by the copies that builds leave; *newest* is `newest_build` before."""
    if current is None:
        if newest:
            yield f"{MANIFEST} is gone, though build {newest} was pinned"
        elif next(storage.keys("tables/"), None) is not None:
            yield f"{MANIFEST} is gone, or the first build is not done: nothing says which tables belong together"
        return
    if current.purges > purge_count(storage):
        yield f"build {current.build} was made after {current.purges} purges, of which {PURGES} lacks some"
    if newest > current.build:
        yield f"{MANIFEST} is that of build {current.build}, though build {newest} was pinned: an older one is back"
        return
    own = read_object(storage, copy_key(current.build), BuildManifest)
    if own is None:
        return
    for name, one in sorted(own.tables.items()):
        found = current.tables.get(name)
        if found is None:
            yield f"{MANIFEST} lacks {name}, which build {current.build} made"
        elif found.version < one.version:
            yield f"{MANIFEST} names version {found.version} of {name}, build {current.build} made {one.version}"
