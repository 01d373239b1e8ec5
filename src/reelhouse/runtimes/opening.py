"""`reelhouse.open`: a lake for a person at a Python prompt."""

from __future__ import annotations

from reelhouse.runtimes.session import session_factory
from reelhouse.serve.lake import Lake
from reelhouse.settings import load
from reelhouse.storage.opening import open_storage


def open_lake(address: str | None) -> Lake:
    """The lake at *address*, or the one that the settings name."""
    settings = load({"lake": address})
    return Lake(open_storage(settings.lake), session_factory(settings.engine))
