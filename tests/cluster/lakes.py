"""Equal lakes, in a folder and in a bucket, for builds that are compared."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from reelhouse.emulator import Emulator
from tests import s3servers
from tests.end_to_end.conftest import environment, reelhouse
from tests.s3servers import S3Server


class Bucket:
    """A lake in a bucket of its own that began as a copy of a lake in a folder."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self.name = s3servers.fresh_bucket(server)

    @property
    def lake(self) -> str:
        return f"s3://{self.name}/lake"

    def keys(self, part: str = "") -> list[str]:
        """Keys of the lake that hold *part*, without its prefix."""
        pages = s3servers.client(self.server).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.name, Prefix="lake/")
        keys = [entry["Key"].removeprefix("lake/") for page in found for entry in page.get("Contents", [])]
        return [key for key in keys if part in key]

    def upload(self, folder: Path) -> None:
        """Bring in what lies in the lake *folder* and not here yet."""
        there = set(self.keys())
        for path in sorted(folder.rglob("*")):
            key = path.relative_to(folder).as_posix()
            if path.is_file() and key not in there:
                s3servers.client(self.server).upload_file(str(path), self.name, f"lake/{key}")

    def downloaded(self, into: Path) -> Path:
        """All of it as a folder."""
        for key in self.keys():
            path = into / key
            path.parent.mkdir(parents=True, exist_ok=True)
            s3servers.client(self.server).download_file(self.name, f"lake/{key}", str(path))
        return into


def collected(tmdb: Emulator, lake: Path, count: int, **more: str) -> None:
    """One run of the *count* most popular movies."""
    done = run(tmdb, lake, "collect", "--top", str(count), **more)
    assert done.returncode == 0, done.stderr


def run(tmdb: Emulator, lake: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A command on a lake in a folder, by the engine of this environment."""
    lake.parent.mkdir(parents=True, exist_ok=True)
    return reelhouse(*arguments, env=environment(tmdb, lake, **more), cwd=lake.parent)


def commits(lake: Path | Bucket) -> int:
    """How many commits all tables of a lake have had, declarations included."""
    if isinstance(lake, Bucket):
        return sum(key.endswith(".json") for key in lake.keys("/_delta_log/"))
    return sum(1 for _ in _logs(lake))


def _logs(lake: Path) -> Iterator[Path]:
    return lake.glob("*/*/_delta_log/*.json")
