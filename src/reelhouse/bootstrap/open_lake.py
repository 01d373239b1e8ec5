"""`reelhouse.open`: a lake in Python."""

from __future__ import annotations

from reelhouse.bootstrap.storage import lake_of, load_settings
from reelhouse.engines.session import session_of
from reelhouse.serve.lake import Lake


def open_lake(address: str | None) -> Lake:
    """The lake at *address*, or the one that the settings name; `ConfigError` if there is none."""
    settings = load_settings({"lake": address})
    storage = lake_of(settings)
    return Lake(storage, session_of(settings, storage), course=settings.layout == "course")
