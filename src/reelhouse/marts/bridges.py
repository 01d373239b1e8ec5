"""Bridges such as movie × genre. Weights are 1/n, so money summed over a bridge keeps its total."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import DataFrame

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import ColumnSpec, Table, key_of
from reelhouse.marts.movies import MOVIE_ID
from reelhouse.marts.series import TV_ID
from reelhouse.marts.titles import of_titles, shares

_GENRE = key_of("dim_genre", "genre_id", "bigint", "The genre", path="genres[].id")
_COMPANY = key_of("dim_company", "company_id", "bigint", "The company", path="production_companies[].id")
_COUNTRY = key_of(
    "dim_country", "iso_3166_1", "string", "The producing country", path="production_countries[].iso_3166_1"
)
_LANGUAGE = key_of("dim_language", "iso_639_1", "string", "The spoken language", path="spoken_languages[].iso_639_1")
_NETWORK = key_of("dim_network", "network_id", "bigint", "The network", path="networks[].id")

# The id of a kind of title, and the list of keywords in its answer.
_KINDS = {"movie": (MOVIE_ID, "keywords"), "tv": (TV_ID, "results")}


def bridge(rows: DataFrame, titles: DataFrame, *, id_column: str, key: str) -> DataFrame:
    """One row for each title and *key*."""
    return shares(of_titles(rows, titles, id_column), id_column, key)


def bridges_of(kind: str) -> Iterator[Table]:
    """The bridges of a *kind* of title."""
    noun, (title, keywords) = ENTITIES[kind].singular, _KINDS[kind]
    keyword = key_of("dim_keyword", "keyword_id", "bigint", "The keyword", path=f"keywords.{keywords}[].id")
    weight = ColumnSpec("weight", "double", f"1/n for a {noun} with n of them; adds up to 1 over each {noun}.", "share")
    bridged = [
        ("genre", "genre", "genre", _GENRE),
        ("company", "production company", "production_company", _COMPANY),
        ("country", "producing country", "production_country", _COUNTRY),
        ("language", "spoken language", "spoken_language", _LANGUAGE),
        ("keyword", "keyword", "keyword", keyword),
    ]
    if kind == "tv":
        bridged.append(("network", "network", "network", _NETWORK))
    for name, what, rows, key in bridged:
        yield Table(
            f"bridge_{kind}_{name}",
            f"{noun.capitalize()} and {what}, with the share of the {noun} that falls to it.",
            (title, key, weight),
            bridge,
            (f"{kind}_{rows}", f"dim_{kind}"),
            (title.name, key.name),
            {"id_column": title.name, "key": key.name},
            version=2,
        )
