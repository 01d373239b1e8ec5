"""From settings to the place where the lake lies, and to the settings that lie there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelhouse.errors import MissingKeyError
from reelhouse.settings import FILE, Settings, load
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import Storage


def storage_of(settings: Settings) -> Storage:
    """The storage that the settings name."""
    s3 = S3Options(settings.s3_region, settings.s3_profile, settings.s3_encryption, settings.s3_kms_key)
    return open_storage(settings.lake, s3)


def load_settings(options: Mapping[str, Any] | None = None) -> Settings:
    """`settings.load`, also with the file that lies in a bucket."""
    return load(options, in_bucket=_file_in_bucket)


def _file_in_bucket(settings: Settings) -> bytes | None:
    try:
        return storage_of(settings).get(FILE)
    except MissingKeyError:
        return None
