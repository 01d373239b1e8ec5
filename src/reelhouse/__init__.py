"""reelhouse: TMDB as data, whole, typed and reconciled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reelhouse.serve.lake import Lake

__version__ = "0.1.0"

__all__ = ["__version__", "open"]


def open(lake: str | None = None) -> Lake:  # noqa: A001  # `reelhouse.open` reads as what it does
    """The lake at *lake*, or the one that the settings name.

    Its tables come as Spark DataFrames (`.toArrow()`, `.toPandas()`). Raises `ConfigError` where the engine is not
    installed.
    """
    from reelhouse.runtimes.opening import open_lake

    return open_lake(lake)
