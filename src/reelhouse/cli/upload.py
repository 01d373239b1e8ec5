"""Local files into the lake: data files for the course layout, and the lake's own settings."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from reelhouse.bootstrap.selection import selected
from reelhouse.bootstrap.storage import writable_storage
from reelhouse.cli.terminal import display
from reelhouse.course.layout import LOCAL
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError, KeyTakenError, LakeError, ReelhouseError, StorageError
from reelhouse.settings import FILE, Settings, shared
from reelhouse.storage.protocol import Storage, check_key

# The folder of each kind of local files.
_FOLDERS = {"movie": "Movies", "series": "Series"}
# How people name such files, in English, Portuguese, Spanish and French.
_WORDS = {
    "movie": ("movie", "film", "filme", "pelicula"),
    "series": ("series", "serie", "tvshow", "tv", "show", "shows"),
}
# A token of TMDB's, also in a comment.
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.")
_ENDINGS = re.compile(r"\.(csv|tsv|txt)(\.gz)?", re.IGNORECASE)


class Uploaded(NamedTuple):
    """An uploaded file; *new* is False if the lake already had the same bytes."""

    file: str
    key: str
    bytes: int
    new: bool


def upload(settings: Settings, paths: Sequence[Path], layout: str | None, kind: str | None, as_json: bool) -> None:
    """Put what `reelhouse upload` names, and show it; `ConfigError` if names and options do not fit together."""
    uploaded = _uploaded(writable_storage(settings), paths, layout, kind, datetime.now(UTC).date())
    if as_json:
        display.as_json({"files": [one._asdict() for one in uploaded]})
        return
    rows = [(one.file, one.key, one.bytes, "" if one.new else "there already") for one in uploaded]
    display.table(f"Uploaded to {settings.lake}", ("file", "as", "bytes", ""), rows)


def _uploaded(
    storage: Storage, paths: Sequence[Path], layout: str | None, kind: str | None, day: date
) -> list[Uploaded]:
    if layout == "course":
        return upload_course(storage, paths, kind, day)
    if len(paths) == 1 and paths[0].suffix == ".toml" and kind is None:
        return [upload_settings(storage, paths[0])]
    raise ConfigError(f"upload: give one {FILE} alone, or data files with --layout course")


def upload_settings(storage: Storage, path: Path) -> Uploaded:
    """Make *path* the lake's `reelhouse.toml`, after checking that it holds settings and no secret."""
    body = _read(path)
    found = shared(body, str(path), ENTITIES)
    selected(found.entities)
    if _TOKEN.search(body):
        raise ConfigError(
            f"token: {path} holds a token, and secrets do not go into the lake; set TMDB_TOKEN where the collector runs"
        )
    storage.put(FILE, body)
    if storage.get(FILE) != body:
        raise LakeError(f"{FILE} was put, but the lake now has something else there")
    return Uploaded(str(path), FILE, len(body), True)


def upload_course(storage: Storage, paths: Sequence[Path], kind: str | None, day: date) -> list[Uploaded]:
    """Put files unchanged under `Raw/Local/CSV/<Movies|Series>/<day>/`; all of them, or none.

    *kind* is `movie` or `series`; with None each file's name decides. An existing file of the same name stays.
    """
    keys = [_key(path, kind, day) for path in paths]
    for key, count in Counter(keys).items():
        if count > 1:
            raise ConfigError(f"{count} of these files would be {key}: rename one of them")
    return [_upload(storage, path, key) for path, key in zip(paths, keys, strict=True)]


def _key(path: Path, kind: str | None, day: date) -> str:
    if not path.is_file():
        raise ConfigError(f"{path}: this file does not exist")
    if not _ENDINGS.fullmatch("".join(path.suffixes[-2:])) and not _ENDINGS.fullmatch(path.suffix):
        raise ConfigError(f"{path}: a table as text is expected (.csv, .tsv or .txt, also with .gz)")
    try:
        return check_key(f"{LOCAL}{_FOLDERS[kind or _kind_of(path)]}/{day:%Y/%m/%d}/{path.name}")
    except StorageError:
        raise ConfigError(f"{path}: a name in plain ASCII without a dot in front is expected; rename it") from None


def _kind_of(path: Path) -> str:
    plain = unicodedata.normalize("NFKD", path.name).encode("ascii", "ignore").decode().lower()
    words = {word for found in re.findall(r"[a-z]+", plain) for word in (found, found.removesuffix("s"))}
    kinds = [kind for kind, names in _WORDS.items() if words & {*names}]
    if len(kinds) != 1:
        raise ConfigError(f"{path}: movies or series? Its name does not say; add --kind movie or --kind series")
    return kinds[0]


def _upload(storage: Storage, path: Path, key: str) -> Uploaded:
    body = _read(path)
    new = True
    try:
        storage.put_new(key, body)
    except KeyTakenError:
        if storage.get(key) != body:
            raise ReelhouseError(f"{key} exists with other content; rename {path}") from None
        new = False
    size = storage.size(key)
    if size != len(body):
        raise LakeError(f"{key} was put with {len(body):,} bytes, but the lake has {size or 0:,}")
    return Uploaded(str(path), key, len(body), new)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be read: {exc.strerror}") from exc
