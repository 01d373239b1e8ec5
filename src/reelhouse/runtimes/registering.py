"""`reelhouse register`: the tables of a lake in S3, named in a catalogue."""

from __future__ import annotations

from reelhouse.errors import ReelhouseError
from reelhouse.settings import Settings


def register(settings: Settings, catalog: str, database: str, tables: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Create or refresh *database* in *catalog*."""
    raise ReelhouseError("register: not built yet")
