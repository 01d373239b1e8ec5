"""The daily id exports: written on first request, kept as files while the emulator runs."""

import hashlib
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

import msgspec
from zlib_ng import zlib_ng

from reelhouse.emulator.world import World, WorldDay, Worlds

_NAME = re.compile(r"/p/exports/([a-z_]+)_(\d\d)_(\d\d)_(\d{4})\.json\.gz")
_LINES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One export on disk."""

    path: Path
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class _ExportSelection:
    """What an export lists: those of *adult*'s value, or with None all of them."""

    world: World
    adult: bool | None


def _sources(world: World) -> Iterator[tuple[str, _ExportSelection]]:
    kind = world.catalogue.kind
    yield kind.export, _ExportSelection(world, False if kind.adult_apart else None)
    if kind.adult_export:
        yield kind.adult_export, _ExportSelection(world, True)


class Exports:
    """The exports of the newest *days* days."""

    def __init__(self, worlds: Worlds, days: int) -> None:
        self._clock, self._days = worlds.clock, days
        self._sources = {name: source for world in worlds for name, source in _sources(world)}
        self._folder = tempfile.TemporaryDirectory(prefix="reelhouse-emulator-")
        self._files: list[tuple[str, WorldDay, ExportFile]] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def named(self, path: str) -> tuple[str, date] | None:
        """The export and the day that *path* names, None when there is none (any more, or yet)."""
        found = _NAME.fullmatch(path)
        if found is None or found[1] not in self._sources:
            return None
        try:
            day = date(int(found[4]), int(found[2]), int(found[3]))
        except ValueError:
            return None
        today = self._clock.today()
        return (found[1], day) if today - timedelta(days=self._days) < day <= today else None

    def file(self, name: str, day: date) -> ExportFile:
        """The export *name* of *day*, written on first request; days that began alike share one file."""
        snapshot = self._sources[name].world.snapshot(day)
        with self._lock:
            same = (file for other, then, file in self._files if other == name and snapshot.same_things(then))
            known = next(same, None)
            if known is None:
                known = self._write(self._sources[name], snapshot)
                self._files.append((name, snapshot, known))
            return known

    def _write(self, source: _ExportSelection, snapshot: WorldDay) -> ExportFile:
        path = Path(self._folder.name) / f"{len(self._files)}.json.gz"
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with path.open("wb") as file:
            for piece in _packed(source, snapshot):
                digest.update(piece)
                size += file.write(piece)
        return ExportFile(path, f'"{digest.hexdigest()}"', size)


def _packed(source: _ExportSelection, snapshot: WorldDay) -> Iterator[bytes]:
    packer = zlib_ng.compressobj(1, zlib_ng.DEFLATED, 31)
    encode_lines = msgspec.json.Encoder().encode_lines
    catalogue = source.world.catalogue
    indices = snapshot.indices(catalogue)
    if source.adult is not None:
        indices = (index for index in indices if catalogue.is_adult(index) == source.adult)
    rows = map(catalogue.export_row, indices)
    while some := list(islice(rows, _LINES_AT_ONCE)):
        yield packer.compress(encode_lines(some))
    yield packer.flush()
