"""`reelhouse export`: tables of a lake into a database or files."""

from __future__ import annotations

from reelhouse.errors import ReelhouseError
from reelhouse.settings import Settings


def export(
    settings: Settings, target: str, tables: tuple[str, ...] | None, schema: str | None, *, full: bool, as_json: bool
) -> None:
    """Copy *tables* (all if None) to *target*."""
    raise ReelhouseError("export: not built yet")
