"""`reelhouse import`: a person's own files and tables beside TMDB's."""

from __future__ import annotations

from pathlib import Path

from reelhouse.errors import ReelhouseError
from reelhouse.settings import Settings


def import_table(
    settings: Settings,
    name: str,
    files: tuple[Path, ...],
    source: str | None,
    table: str | None,
    *,
    new_schema: bool,
    as_json: bool,
) -> None:
    """Make table *name* of *files*, or of *table* in the database *source*."""
    raise ReelhouseError("import: not built yet")
