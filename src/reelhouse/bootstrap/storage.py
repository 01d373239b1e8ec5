"""From settings to the storage of the lake, and to the settings that are kept in the lake."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reelhouse.collect.spool import Spool
from reelhouse.errors import ConfigError, MissingKeyError, RefusedError, StorageError
from reelhouse.raw.keys import FIRST_PLAN_OF_FORMAT_1, FORMAT, PLACES, RUNS, of_a_lake, plan_key
from reelhouse.settings import FILE, Settings, cache_folder, load
from reelhouse.storage.credentials import Accessible
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import HOUSE, Storage

if TYPE_CHECKING:
    from reelhouse.entities.schema import Entity

# Names in a folder to look at for a hint.
_NEARBY = 1000
# How many of them, by the similarity of their names, are looked into.
_TRIED = 5


def _entities() -> Mapping[str, Entity]:
    # Loaded late: `--help` needs no declarations, and they take a fifth of its time.
    from reelhouse.entities.registry import ENTITIES

    return ENTITIES


def storage_of(settings: Settings) -> Storage:
    """The storage that the settings name, whatever it holds."""
    s3 = S3Options(settings.s3_region, settings.s3_profile, settings.s3_encryption, settings.s3_kms_key)
    return open_storage(settings.lake, s3)


def spool_of(settings: Settings, storage: Storage) -> Spool:
    """Where answers wait while *storage* cannot be written. Each lake has its own folder, whatever link leads to it."""
    place = storage.root.resolve().as_uri() if isinstance(storage, FolderStorage) else storage.url
    lake = hashlib.sha256(place.encode()).hexdigest()[:16]
    folder = Path(settings.spool) if settings.spool else cache_folder() / "reelhouse" / "spool"
    return Spool(folder / lake, int(settings.spool_megabytes * (1 << 20)))


def lake_of(settings: Settings) -> Storage:
    """The storage that the settings name, or `ConfigError` without a lake: for commands that do not begin one."""
    storage = readable_storage(settings)
    if not has_lake(storage):
        raise ConfigError(f"there is no lake at {settings.lake}{_lakes_nearby(settings, storage)}")
    return storage


def readable_storage(settings: Settings) -> Storage:
    """The storage that the settings name, whether there is a lake yet or not."""
    return _opened(settings)[0]


def _opened(settings: Settings) -> tuple[Storage, bool]:
    """The storage that the settings name, and whether it has a run; a bucket is asked once."""
    storage = storage_of(settings)
    has_plan = _has_plan(storage)
    if not has_plan:
        _check_format(storage)
    return storage, has_plan


def writable_storage(settings: Settings) -> Storage:
    """As `readable_storage`, for commands that begin lakes: `ConfigError` where a purge would erase something else.

    That is within another lake, or around files in the folders of tables and marts.
    """
    storage, has_plan = _opened(settings)
    if has_plan:
        return storage
    if not any(storage.keys(HOUSE)):
        for folder in ("tables/", "marts/"):
            if (key := next(iter(storage.keys(folder)), None)) is not None:
                raise ConfigError(f"lake: {storage.url} has {key}, which is not of a lake: take an empty place")
    for outer in _places_above(storage):
        # Who may not look there has rights to the inner place alone.
        with suppress(RefusedError):
            if any(storage_of(settings.overridden(lake=outer)).keys(RUNS)):
                raise ConfigError(f"lake: {storage.url} lies in the lake at {outer}: take a place outside")
    return storage


def _check_format(storage: Storage) -> None:
    """Raise `ConfigError` where a lake of format 1 is: its keys are elsewhere, so it would be taken for an empty one.

    Other formats are refused by whatever reads an object of them.
    """
    if storage.size(FIRST_PLAN_OF_FORMAT_1) is not None:
        raise ConfigError(
            f"lake: {storage.url} is a lake of format 1, which this reelhouse does not read (its own is {FORMAT}): "
            "name another place and collect again"
        )


def _places_above(storage: Storage) -> Iterator[str]:
    """Folders or prefixes that contain the *storage* and may be lakes."""
    if isinstance(storage, FolderStorage):
        # Not `Path.is_dir`, which raises for a folder that this user may not enter.
        yield from (str(above) for above in storage.root.resolve().parents if os.path.isdir(above / RUNS))  # noqa: PTH112
    elif isinstance(storage, Accessible):
        above = storage.url
        while (above := above.rpartition("/")[0]) != "s3:/":
            yield above


def has_lake(storage: Storage) -> bool:
    """Whether the storage holds anything of a lake except settings."""
    return _has_plan(storage) or any(of_a_lake(key) for place in PLACES for key in storage.keys(place))


def _has_plan(storage: Storage) -> bool:
    return any(storage.size(plan_key(entity, 1)) is not None for entity in _entities())


def _lakes_nearby(settings: Settings, storage: Storage) -> str:
    """Names the lake with the most similar address in a nearby folder or prefix, if there is one."""
    if isinstance(storage, FolderStorage):
        here, near = str(storage.root), _folders_nearby(storage.root)
    elif isinstance(storage, Accessible):
        here, near = storage.url, _prefixes_nearby(storage)
    else:
        return ""
    for address in difflib.get_close_matches(here, {*near} - {here}, _TRIED, cutoff=0):
        if _has_plan(storage_of(settings.overridden(lake=address))):
            return f" (did you mean {address}?)"
    return ": reelhouse sync begins one"


def _folders_nearby(here: Path) -> list[str]:
    near = (*_folders(here), *_folders(here.parent), here.parent)
    # A look into a folder is cheap; one into a prefix of a bucket is a request.
    plans = [plan_key(entity, 1) for entity in _entities()]
    return [str(each) for each in near if any((each / plan).is_file() for plan in plans)]


def _prefixes_nearby(storage: Accessible) -> list[str]:
    try:
        return storage.prefixes_nearby()
    except StorageError:
        # Only the hint is lost.
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        return [each for each in islice(folder.iterdir(), _NEARBY) if each.is_dir()]
    except OSError:
        # Only the hint is lost.
        return []


def load_settings(
    options: Mapping[str, Any] | None = None, opened: Callable[[Settings], Storage] = storage_of
) -> Settings:
    """`settings.load`, including the file in a bucket, which *opened* opens."""

    def file_in_bucket(settings: Settings) -> bytes | None:
        try:
            return opened(settings).get(FILE)
        except MissingKeyError:
            return None

    return load(options, in_bucket=file_in_bucket, entities=_entities())
