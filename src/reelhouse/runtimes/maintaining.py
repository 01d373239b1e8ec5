"""`reelhouse maintain`: upkeep of tables."""

from __future__ import annotations

from reelhouse.errors import ReelhouseError
from reelhouse.settings import Settings


def maintain(settings: Settings, *, dry_run: bool, as_json: bool) -> int:
    """Do the upkeep that is due; returns the exit code."""
    raise ReelhouseError("maintain: not built yet")
