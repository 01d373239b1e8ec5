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

from reelhouse.emulator.world import Snapshot, World

_NAME = re.compile(r"/p/exports/movie_ids_(\d\d)_(\d\d)_(\d{4})\.json\.gz")
_LINES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One export on disk."""

    path: Path
    etag: str
    size: int


class Exports:
    """The exports of the newest *days* days."""

    def __init__(self, world: World, days: int) -> None:
        self._world, self._days = world, days
        self._folder = tempfile.TemporaryDirectory(prefix="reelhouse-emulator-")
        self._files: list[tuple[Snapshot, ExportFile]] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def day_of(self, path: str) -> date | None:
        """The day whose export *path* names, None when there is none (any more, or yet)."""
        found = _NAME.fullmatch(path)
        if found is None:
            return None
        try:
            day = date(int(found[3]), int(found[1]), int(found[2]))
        except ValueError:
            return None
        today = self._world.clock.today()
        return day if today - timedelta(days=self._days) < day <= today else None

    def file(self, day: date) -> ExportFile:
        """The export of *day*, written on first request; days that began alike share one file."""
        snapshot = self._world.snapshot(day)
        with self._lock:
            known = next((file for other, file in self._files if snapshot.same_movies(other)), None)
            if known is None:
                known = self._write(snapshot)
                self._files.append((snapshot, known))
            return known

    def _write(self, snapshot: Snapshot) -> ExportFile:
        path = Path(self._folder.name) / f"{len(self._files)}.json.gz"
        digest, size = hashlib.md5(usedforsecurity=False), 0
        with path.open("wb") as file:
            for piece in self._packed(snapshot):
                digest.update(piece)
                size += file.write(piece)
        return ExportFile(path, f'"{digest.hexdigest()}"', size)

    def _packed(self, snapshot: Snapshot) -> Iterator[bytes]:
        packer = zlib_ng.compressobj(1, zlib_ng.DEFLATED, 31)
        encode_lines = msgspec.json.Encoder().encode_lines
        rows = map(self._world.catalogue.export_row, snapshot.indices(self._world.catalogue))
        while some := list(islice(rows, _LINES_AT_ONCE)):
            yield packer.compress(encode_lines(some))
        yield packer.flush()
