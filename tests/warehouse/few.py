"""A registry of a few tables: a build of it costs a fifth of a build of all."""

from __future__ import annotations

from reelhouse.marts import REGISTRY
from reelhouse.tables.registry import Registry

# One table of each kind, and marts of two levels.
_NAMES = {
    *("movie", "movie_genre", "movie_cast", "popularity_daily"),
    *("record", "quarantine", "rejected_value", "tombstone", "dim_movie", "dim_genre"),
}
_MOVIES = REGISTRY.only({"movie"})
FEW = Registry(
    _MOVIES.entities,
    tuple(table for table in _MOVIES.tables if table.name in _NAMES),
    tuple(mart for mart in _MOVIES.marts if mart.name in _NAMES),
)

# All tables of series, and the marts that are made of their lists.
_SERIES = REGISTRY.only({"tv"})
SERIES = Registry(
    _SERIES.entities,
    _SERIES.tables,
    tuple(mart for mart in _SERIES.marts if mart.name in ("dim_tv", "fact_tv_credit", "tv_flat")),
)
