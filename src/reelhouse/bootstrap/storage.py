"""From settings to the storage of the lake, and to the settings that are kept in the lake."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from reelhouse.errors import ConfigError, MissingKeyError
from reelhouse.raw.keys import PLACES, of_a_lake, plan_key
from reelhouse.settings import FILE, Settings, load
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import Storage

# Names in a folder to look at for a hint.
_NEARBY = 1000


def storage_of(settings: Settings) -> Storage:
    """The storage that the settings name."""
    s3 = S3Options(settings.s3_region, settings.s3_profile, settings.s3_encryption, settings.s3_kms_key)
    return open_storage(settings.lake, s3)


def lake_of(settings: Settings) -> Storage:
    """The storage that the settings name, or `ConfigError` without a lake: for commands that do not begin one."""
    storage = storage_of(settings)
    if not has_lake(storage):
        raise ConfigError(f"there is no lake at {settings.lake}{_lakes_nearby(storage)}")
    return storage


def has_lake(storage: Storage) -> bool:
    """Whether the storage holds anything of a lake except settings."""
    if storage.size(plan_key(1)) is not None:
        return True
    return any(of_a_lake(key) for place in PLACES for key in storage.keys(place))


def _lakes_nearby(storage: Storage) -> str:
    """Names a lake in a nearby folder, if there is one."""
    if not isinstance(storage, FolderStorage):
        return ""
    here = storage.root
    near = [each for each in (*_folders(here), *_folders(here.parent), here.parent) if (each / plan_key(1)).is_file()]
    names = {str(each): each for each in near if each != here}
    best = difflib.get_close_matches(str(here), names, 1, cutoff=0) if names else []
    return f" (did you mean {best[0]}?)" if best else ": reelhouse sync begins one"


def _folders(folder: Path) -> list[Path]:
    try:
        return [each for each in islice(folder.iterdir(), _NEARBY) if each.is_dir()]
    except OSError:
        # Only the hint is lost.
        return []


def load_settings(options: Mapping[str, Any] | None = None) -> Settings:
    """`settings.load`, including the file in a bucket."""
    return load(options, in_bucket=_file_in_bucket)


def _file_in_bucket(settings: Settings) -> bytes | None:
    try:
        return storage_of(settings).get(FILE)
    except MissingKeyError:
        return None
