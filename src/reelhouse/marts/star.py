"""All marts, in the order they are built."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from typing import Any

from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import STAGING, ColumnSpec, Table
from reelhouse.marts import dates, dimensions, facts, history, movies, series, titles
from reelhouse.marts.bridges import bridges_of
from reelhouse.marts.measures import Measures
from reelhouse.tables.registry import Registry, input_of

_DIM_MOVIE, _DIM_TV = "dim_movie", "dim_tv"


def marts_with(measures: Measures, entities: Collection[str] = ENTITIES) -> tuple[Table, ...]:
    """The star schema of a lake that has collected *entities*; inputs name tables or marts further up."""
    made = {"movie": _of_movies, "tv": _of_series}
    kinds = [kind for kind in made if kind in entities]
    own = {kind: list(made[kind](measures)) for kind in kinds}
    # First what shared marts read, last the wide table.
    bridges = [bridge for kind in kinds for bridge in bridges_of(kind)]
    marts = (*(mart for kind in kinds for mart in own[kind]), *_shared(kinds), *bridges, *_histories(kinds, measures))
    return (*marts, *_calendar(kinds), *(_posters(kinds) if "configuration" in entities else ()))


def _posters(kinds: list[str]) -> Iterator[Table]:
    """Where posters are: only TMDB's configuration says what their addresses begin with."""
    names = {kind: {"movie": "title", "tv": "name"}[kind] for kind in kinds}
    if names:
        yield Table(
            "poster_url",
            "Addresses of posters; TMDB's server sends the images.",
            titles.POSTER_COLUMNS,
            titles.posters,
            (*(f"dim_{kind}" for kind in names), "configuration"),
            ("kind", "id"),
            {"names": names},
        )


def _histories(kinds: list[str], measures: Measures) -> Iterator[Table]:
    tables = {table.name: table for kind in kinds for table in ENTITIES[kind].tables}
    for kind in kinds:
        yield history.history_of(kind, tables[f"{kind}_daily"], measures.adult_titles)
        yield history.snapshots_of(kind, tables[f"{kind}_daily"], measures.adult_titles)
    if kinds:
        yield Table(
            "fact_watch_availability",
            "From when to when a provider offered a title. Data by JustWatch.",
            history.AVAILABILITY_COLUMNS,
            history.availability,
            (*chain(*((f"{kind}_daily", f"{kind}_offer_daily", input_of(kind, STAGING)) for kind in kinds)), "record"),
            ("title_id", "media_type", "iso_3166_1", "monetization_type", "provider_id", "first_seen"),
            {"kinds": dict.fromkeys(kinds, 3), "adult_titles": measures.adult_titles},
            version=5,
        )


def _of_movies(measures: Measures) -> Iterator[Table]:
    adult: dict[str, Any] = {"adult_titles": measures.adult_titles}
    yield Table(
        _DIM_MOVIE,
        "Movies: titles and release dates; current titles only.",
        movies.DIM_MOVIE_COLUMNS,
        movies.dim_movie,
        ("movie",),
        ("movie_id",),
        adult,
    )
    yield Table(
        "fact_credit",
        "One row per credit, cast and crew.",
        facts.FACT_CREDIT_COLUMNS,
        facts.fact_credit,
        ("movie_cast", "movie_crew", _DIM_MOVIE),
        ("credit_id",),
    )
    yield Table(
        "fact_release",
        "One row per release: movie, country, type, date.",
        facts.FACT_RELEASE_COLUMNS,
        facts.fact_release,
        ("movie_release_date", _DIM_MOVIE),
        ("movie_id", "iso_3166_1", "position"),
    )
    yield Table(
        "fact_movie",
        "One row per movie: money, votes, cast and crew size, runtime.",
        facts.FACT_MOVIE_COLUMNS,
        facts.fact_movie,
        ("movie", "fact_credit", "fact_release"),
        ("movie_id",),
        {**adult, "rating_votes": measures.rating_votes},
        version=2,
    )
    yield Table(
        "edge_costar",
        "Pairs of people who are billed together in two movies or more.",
        facts.EDGE_COSTAR_COLUMNS,
        facts.edge_costar,
        ("fact_credit",),
        ("person_id", "costar_id"),
    )
    yield Table(
        "dim_collection",
        "Collections that movies belong to.",
        dimensions.DIM_COLLECTION_COLUMNS,
        dimensions.dim_collection,
        ("movie", _DIM_MOVIE),
        ("collection_id",),
    )
    yield Table(
        "movie_flat",
        "One row per movie with lists as texts: the 24 columns that notebooks know.",
        movies.MOVIE_FLAT_COLUMNS,
        movies.movie_flat,
        (
            "movie",
            "movie_genre",
            "movie_production_company",
            "movie_production_country",
            "movie_spoken_language",
            "movie_keyword",
        ),
        ("id",),
        adult,
    )


def _of_series(measures: Measures) -> Iterator[Table]:
    adult: dict[str, Any] = {"adult_titles": measures.adult_titles}
    yield Table(
        _DIM_TV,
        "Series: what they are called and when they were broadcast; current titles only.",
        series.DIM_TV_COLUMNS,
        series.dim_tv,
        ("tv",),
        ("tv_id",),
        adult,
    )
    yield Table(
        "dim_season",
        "Seasons of series; season 0 holds specials.",
        series.DIM_SEASON_COLUMNS,
        series.dim_season,
        ("season", _DIM_TV),
        ("tv_id", "season_number"),
    )
    yield Table(
        "dim_episode",
        "Episodes of series. One that TMDB lists several times is where it comes first.",
        series.DIM_EPISODE_COLUMNS,
        series.dim_episode,
        ("episode", _DIM_TV),
        ("episode_id",),
        version=2,
    )
    yield Table(
        "fact_tv",
        "One row per series: seasons, episodes, votes, size and time.",
        series.FACT_TV_COLUMNS,
        series.fact_tv,
        ("tv", "tv_cast", "tv_crew"),
        ("tv_id",),
        {**adult, "rating_votes": measures.rating_votes},
        version=2,
    )
    yield Table(
        "fact_episode",
        "One row per episode: length, votes and size. One that TMDB lists several times is where it comes first.",
        series.FACT_EPISODE_COLUMNS,
        series.fact_episode,
        ("episode", "episode_guest_star", "episode_crew", _DIM_TV),
        ("episode_id",),
        version=2,
    )
    yield Table(
        "fact_tv_credit",
        "One row per credit of a series, cast and crew, with the number of episodes.",
        series.FACT_TV_CREDIT_COLUMNS,
        series.fact_tv_credit,
        ("tv_cast", "tv_crew", _DIM_TV),
        ("tv_id", "credit_type", "credit_id"),
    )
    yield Table(
        "tv_flat",
        "One row per series with lists as texts, for spreadsheets and notebooks.",
        series.TV_FLAT_COLUMNS,
        series.tv_flat,
        ("tv", "tv_external_id", *(table for table, _ in series.TV_FLAT_LISTS.values())),
        ("id",),
        adult,
    )


# Of each kind of title the tables that a shared dimension is made of.
_PEOPLE = {"movie": ("movie_cast", "movie_crew"), "tv": ("tv_cast", "tv_crew")}
_JOBS = {"movie": ("movie_crew",), "tv": ("tv_crew",)}
_CERTIFICATIONS = {"movie": ("movie_release_date",), "tv": ("tv_content_rating",)}
_GENRES = {"movie": ("movie_genre",), "tv": ("tv_genre",)}
_COMPANIES = {"movie": ("movie_production_company",), "tv": ("tv_production_company",)}
_NETWORKS = {"tv": ("tv_network",)}
_KEYWORDS = {"movie": ("movie_keyword",), "tv": ("tv_keyword",)}
_COUNTRIES = {
    "movie": (
        "movie_production_country",
        "movie_production_company",
        "movie_origin_country",
        "movie_release_date",
        "watch_provider_offer",
    ),
    "tv": (
        "tv_production_country",
        "tv_production_company",
        "tv_origin_country",
        "tv_network",
        "tv_content_rating",
        "tv_watch_provider_offer",
    ),
}
_LANGUAGES = {"movie": ("movie_spoken_language", "movie"), "tv": ("tv_spoken_language", "tv", "tv_language")}
_OFFERS = {"movie": ("watch_provider_offer",), "tv": ("tv_watch_provider_offer",)}


def _shared(kinds: list[str]) -> Iterator[Table]:
    """The dimensions that titles of all *kinds* refer to."""

    def dimension(
        name: str,
        about: str,
        columns: tuple[ColumnSpec, ...],
        make: Callable[..., Any],
        tables: Mapping[str, tuple[str, ...]],
        key: tuple[str, ...] = (),
        version: int = 2,
        **settings: Any,
    ) -> Iterator[Table]:
        of_kinds = {kind: (*tables[kind], f"dim_{kind}") for kind in kinds if kind in tables}
        if of_kinds:
            inputs = tuple(one for its in of_kinds.values() for one in its)
            counts = {kind: len(its) for kind, its in of_kinds.items()}
            settings = {"kinds": counts, **settings}
            yield Table(name, about, columns, make, inputs, key or (columns[0].name,), settings, version)

    def named(
        name: str,
        about: str,
        columns: tuple[ColumnSpec, ...],
        tables: Mapping[str, tuple[str, ...]],
        called: str = "name",
    ) -> Iterator[Table]:
        """A dimension of what has a name; *called* is what tables call the name."""
        key, *others, _ = (column.name for column in columns)
        sources = {one: called if one == "name" else one for one in others}
        yield from dimension(name, about, columns, of.named, tables, (key,), 3, key_column=key, sources=sources)

    of = dimensions
    yield from named("dim_person", "People whom a credit names.", of.DIM_PERSON_COLUMNS, _PEOPLE)
    yield from dimension(
        "dim_job",
        "Jobs that credits name, by department.",
        of.DIM_JOB_COLUMNS,
        of.dim_job,
        _JOBS,
        ("department", "job"),
    )
    yield from dimension(
        "dim_certification",
        "Age ratings of titles, by country; the table certification has TMDB's own list, with what they mean.",
        of.DIM_CERTIFICATION_COLUMNS,
        of.dim_certification,
        _CERTIFICATIONS,
        ("iso_3166_1", "media_type", "certification"),
    )
    yield from named("dim_genre", "Genres.", of.DIM_GENRE_COLUMNS, _GENRES)
    yield from named("dim_company", "Production companies.", of.DIM_COMPANY_COLUMNS, _COMPANIES)
    yield from named("dim_network", "Networks that show series.", of.DIM_NETWORK_COLUMNS, _NETWORKS)
    yield from named("dim_keyword", "Keywords.", of.DIM_KEYWORD_COLUMNS, _KEYWORDS)
    yield from dimension(
        "dim_country",
        "Countries that produce, release or offer titles.",
        of.DIM_COUNTRY_COLUMNS,
        of.dim_country,
        _COUNTRIES,
    )
    yield from dimension(
        "dim_language",
        "Languages that titles speak or were made in.",
        of.DIM_LANGUAGE_COLUMNS,
        of.dim_language,
        _LANGUAGES,
    )
    yield from named(
        "dim_watch_provider",
        "Providers that offer titles. Data by JustWatch.",
        of.DIM_PROVIDER_COLUMNS,
        _OFFERS,
        "provider_name",
    )


# The marts that days come from, and their columns; all other marts have days of these.
_DAYS = {
    "movie": {_DIM_MOVIE: "release_date", "fact_release": "release_date", "fact_movie_snapshot": "day"},
    "tv": {
        _DIM_TV: "first_air_date",
        "dim_season": "air_date",
        "dim_episode": "air_date",
        "fact_tv_snapshot": "day",
    },
}


def _calendar(kinds: list[str]) -> Iterator[Table]:
    days = {mart: column for kind in kinds for mart, column in _DAYS[kind].items()}
    if days:
        yield Table(
            "dim_date",
            "Days from the first to the last release, broadcast or snapshot.",
            dates.DIM_DATE_COLUMNS,
            dates.dim_date,
            tuple(days),
            ("date_key",),
            {"columns": list(days.values())},
            version=2,
        )


MARTS: tuple[Table, ...] = marts_with(Measures())


def _marts_of(entities: Collection[str]) -> tuple[Table, ...]:
    return marts_with(Measures(), entities)


# What lakes are built to hold by default.
REGISTRY = Registry.of(ENTITIES, MARTS, _marts_of)
