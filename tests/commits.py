"""Commits by an engine to a table of any name, as a build makes them."""

from __future__ import annotations

from pyspark.sql import DataFrame

from reelhouse.delta.engine import Engine
from reelhouse.delta.log import Commit, Mode, latest_version
from reelhouse.errors import OvertakenError


def commit(engine: Engine, frame: DataFrame, folder: str, mode: Mode = "append") -> Commit:
    """Commit *frame* after the newest version; again for each writer that was faster."""
    files = engine.write(frame, folder)
    while True:
        over = latest_version(engine.storage, folder)
        try:
            return engine.commit(folder, files, frame.schema, mode=mode, user={"mode": mode}, over=over)
        except OvertakenError:
            continue
