"""reelhouse: TMDB as data, whole, typed and reconciled."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelhouse.serve.lake import Lake
    from reelhouse.spark.data_source import TmdbSource, table_of

__version__ = "0.1.0"

__all__ = ["TmdbSource", "__version__", "open", "table_of"]


def open(lake: str | None = None) -> Lake:  # noqa: A001  # `reelhouse.open` reads as what it does
    """The lake at *lake*, or the one that the settings name.

    Its tables come as Spark DataFrames (`.toArrow()`, `.toPandas()`). Raises `ConfigError` where the engine is not
    installed.
    """
    from reelhouse.bootstrap.open_lake import open_lake

    return open_lake(lake)


def __getattr__(name: str) -> Any:
    # Here, so that nobody loads pyspark who has no use for it.
    if name in ("TmdbSource", "table_of"):
        return getattr(import_module("reelhouse.spark.data_source"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
