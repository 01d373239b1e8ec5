"""The series, its seasons and its episodes: as dimensions and as facts."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reelhouse.entities.schema import ColumnSpec, key_of
from reelhouse.marts.measures import date_key, decade, in_calendar, kept
from reelhouse.marts.movies import FETCHED_AT
from reelhouse.marts.titles import TITLE_COLUMNS, credit_columns, credits_of, flat, list_column, of_titles, rated

TV_ID = key_of("dim_tv", "tv_id", "bigint", "The series", path="id")
_SEASON_NUMBER = ColumnSpec("season_number", "bigint", "Number of the season; 0 holds specials.")
_FIRST_AIR_DATE_KEY = key_of(
    "dim_date", "first_air_date_key", "int", "First broadcast as yyyymmdd", path="first_air_date"
)
_AIR_DATE = ColumnSpec("air_date", "date", "First broadcast.")
_AIR_DATE_KEY = key_of("dim_date", "air_date_key", "int", "First broadcast as yyyymmdd")

DIM_TV_COLUMNS = (
    TV_ID,
    ColumnSpec("name", "string", "Name in the requested language.", path="name"),
    ColumnSpec("original_name", "string", "Name in the original language.", path="original_name"),
    key_of("dim_language", "original_language", "string", "Original language", path="original_language"),
    ColumnSpec("type", "string", "Scripted, Documentary, Reality and so on.", path="type"),
    ColumnSpec("status", "string", "Returning Series, Ended, Canceled and so on.", path="status"),
    ColumnSpec("in_production", "boolean", "Whether it is still made.", path="in_production"),
    ColumnSpec("first_air_date", "date", "First broadcast.", path="first_air_date"),
    _FIRST_AIR_DATE_KEY,
    ColumnSpec("first_air_year", "int", "Year of the first broadcast.", path="first_air_date"),
    ColumnSpec("first_air_decade", "int", "First year of the decade of the first broadcast.", path="first_air_date"),
    ColumnSpec("last_air_date", "date", "Last broadcast so far.", path="last_air_date"),
    *TITLE_COLUMNS,
    FETCHED_AT,
)


def dim_tv(tv: DataFrame, *, adult_titles: bool = False) -> DataFrame:
    """One row for each current series in the marts; every other mart takes its series from here."""
    first = F.col("first_air_date")
    own = {
        "first_air_date_key": date_key(first),
        "first_air_year": F.when(in_calendar(first), F.year(first).cast("int")),
        "first_air_decade": F.when(in_calendar(first), decade(first)),
    }
    columns = (own.get(one.name, F.col(one.name)).alias(one.name) for one in DIM_TV_COLUMNS)
    return tv.filter(kept(adult_titles)).select(*columns)


DIM_SEASON_COLUMNS = (
    TV_ID,
    _SEASON_NUMBER,
    ColumnSpec("season_id", "bigint", "TMDB's id of the season.", path="seasons[].id"),
    ColumnSpec("name", "string", "Name of the season.", path="seasons[].name"),
    ColumnSpec("overview", "string", "Plot in short.", path="seasons[].overview"),
    _AIR_DATE,
    _AIR_DATE_KEY,
    ColumnSpec("poster_path", "string", "Poster.", path="seasons[].poster_path"),
    FETCHED_AT,
)

DIM_EPISODE_COLUMNS = (
    ColumnSpec("episode_id", "bigint", "TMDB's id of the episode."),
    TV_ID,
    _SEASON_NUMBER,
    ColumnSpec("episode_number", "bigint", "Number of the episode within the season."),
    ColumnSpec("name", "string", "Name of the episode."),
    ColumnSpec("overview", "string", "Plot in short."),
    _AIR_DATE,
    _AIR_DATE_KEY,
    ColumnSpec("episode_type", "string", "standard, finale, mid_season and so on."),
    ColumnSpec("production_code", "string", "The makers' own number."),
    ColumnSpec("still_path", "string", "Image."),
    FETCHED_AT,
)


def dim_season(season: DataFrame, dim_tv: DataFrame) -> DataFrame:
    """One row for each season of a series of `dim_tv`."""
    return _aired(of_titles(season, dim_tv, "tv_id"), DIM_SEASON_COLUMNS)


def dim_episode(episode: DataFrame, dim_tv: DataFrame) -> DataFrame:
    """One row for each episode of a series of `dim_tv`."""
    return _aired(_once(of_titles(episode, dim_tv, "tv_id")), DIM_EPISODE_COLUMNS)


def _once(episode: DataFrame) -> DataFrame:
    """Each episode once: of one that several seasons or series list, where the first of them has it."""
    place = F.struct("tv_id", "season_number", "episode_number")
    several = episode.groupBy("episode_id").agg(F.min(place).alias("first"), F.count("*").alias("places"))
    first = F.broadcast(several.filter("places > 1").select("episode_id", "first"))
    return (
        episode.join(first, "episode_id", "left")
        .filter(F.col("first").isNull() | place.eqNullSafe(F.col("first")))
        .drop("first")
    )


def _aired(rows: DataFrame, columns: tuple[ColumnSpec, ...]) -> DataFrame:
    return rows.withColumn("air_date_key", date_key(F.col("air_date"))).select(*(one.name for one in columns))


_VOTE_AVERAGE = ColumnSpec("vote_average", "double", "Mean of the votes; NULL without votes.", "0 to 10")
_VOTES = ColumnSpec("votes", "bigint", "Number of votes.", "votes")

FACT_TV_COLUMNS = (
    TV_ID,
    _FIRST_AIR_DATE_KEY,
    key_of("dim_language", "original_language", "string", path="original_language"),
    ColumnSpec("season_count", "bigint", "Seasons; season 0 is not counted.", "seasons", "number_of_seasons"),
    ColumnSpec("episode_count", "bigint", "Episodes; season 0 is not counted.", "episodes", "number_of_episodes"),
    ColumnSpec("days_on_air", "bigint", "From the first broadcast to the last so far.", "days"),
    _VOTE_AVERAGE,
    _VOTES,
    ColumnSpec(
        "weighted_rating",
        "double",
        "v/(v+m)·R + m/(v+m)·C: the mean R of v votes, drawn to C, the mean over all series with votes, as if by m "
        "votes; C itself without votes.",
        "0 to 10",
    ),
    ColumnSpec("popularity", "double", "TMDB's popularity that day; not comparable over years.", path="popularity"),
    ColumnSpec("cast_size", "bigint", "Roles in the cast; 0 where none is known.", "credits"),
    ColumnSpec("crew_size", "bigint", "Jobs in the crew; 0 where none is known.", "credits"),
    FETCHED_AT,
)


def fact_tv(
    tv: DataFrame, tv_cast: DataFrame, tv_crew: DataFrame, *, adult_titles: bool = False, rating_votes: int = 300
) -> DataFrame:
    """One row per series with its measures."""
    return (
        rated(tv.filter(kept(adult_titles)), rating_votes)
        .join(_counted(tv_cast, "cast_size", "tv_id"), "tv_id", "left")
        .join(_counted(tv_crew, "crew_size", "tv_id"), "tv_id", "left")
        .select(
            "tv_id",
            date_key(F.col("first_air_date")).alias("first_air_date_key"),
            "original_language",
            F.col("number_of_seasons").alias("season_count"),
            F.col("number_of_episodes").alias("episode_count"),
            F.datediff("last_air_date", "first_air_date").cast("bigint").alias("days_on_air"),
            "vote_average",
            F.col("vote_count").alias("votes"),
            "weighted_rating",
            "popularity",
            _or_none("cast_size"),
            _or_none("crew_size"),
            "fetched_at",
        )
    )


FACT_TV_CREDIT_COLUMNS = (
    *credit_columns(TV_ID, _FIRST_AIR_DATE_KEY, "aggregate_credits", ".roles[]", ".jobs[]"),
    ColumnSpec(
        "episode_count",
        "bigint",
        "Episodes with this role or job.",
        "episodes",
        "aggregate_credits.*[].*[].episode_count",
    ),
)


def fact_tv_credit(tv_cast: DataFrame, tv_crew: DataFrame, dim_tv: DataFrame) -> DataFrame:
    """One row per credit: a person's role, or job, in a series."""
    return credits_of(tv_cast, tv_crew, dim_tv, FACT_TV_CREDIT_COLUMNS)


FACT_EPISODE_COLUMNS = (
    key_of("dim_episode", "episode_id", "bigint", "The episode"),
    TV_ID,
    _SEASON_NUMBER,
    ColumnSpec("episode_number", "bigint", "Number of the episode within the season."),
    _AIR_DATE_KEY,
    ColumnSpec("runtime_minutes", "bigint", "Length; NULL where unknown.", "minutes"),
    _VOTE_AVERAGE,
    _VOTES,
    ColumnSpec("guest_star_count", "bigint", "Roles of guests; 0 where none is known.", "credits"),
    ColumnSpec("crew_size", "bigint", "Jobs in the crew; 0 where none is known.", "credits"),
    FETCHED_AT,
)


# TMDB may list an episode in several seasons, each with its own guests.
_PLACE = ("episode_id", "tv_id", "season_number")


def fact_episode(
    episode: DataFrame, episode_guest_star: DataFrame, episode_crew: DataFrame, dim_tv: DataFrame
) -> DataFrame:
    """One row per episode with its measures."""
    return (
        _once(of_titles(episode, dim_tv, "tv_id"))
        .join(_counted(episode_guest_star, "guest_star_count", *_PLACE), [*_PLACE], "left")
        .join(_counted(episode_crew, "crew_size", *_PLACE), [*_PLACE], "left")
        .select(
            "episode_id",
            "tv_id",
            "season_number",
            "episode_number",
            date_key(F.col("air_date")).alias("air_date_key"),
            F.col("runtime").alias("runtime_minutes"),
            F.when(F.col("vote_count") > 0, F.col("vote_average")).alias("vote_average"),
            F.col("vote_count").alias("votes"),
            _or_none("guest_star_count"),
            _or_none("crew_size"),
            "fetched_at",
        )
    )


def _counted(rows: DataFrame, name: str, *key: str) -> DataFrame:
    return rows.groupBy(*key).agg(F.count("*").alias(name))


def _or_none(name: str) -> Column:
    return F.coalesce(F.col(name), F.lit(0).cast("bigint")).alias(name)


# The first 29 are those of the CSV of series that is widely shared, in its order.
TV_FLAT_COLUMNS = (
    ColumnSpec("id", "bigint", "TMDB's id of the series.", path="id"),
    ColumnSpec("name", "string", "Name in the requested language.", path="name"),
    ColumnSpec("number_of_seasons", "bigint", "Seasons; season 0 is not counted.", "seasons", "number_of_seasons"),
    ColumnSpec("number_of_episodes", "bigint", "Episodes; season 0 is not counted.", "episodes", "number_of_episodes"),
    ColumnSpec("original_language", "string", "Original language, as TMDB codes it.", path="original_language"),
    ColumnSpec("vote_count", "bigint", "Number of votes.", path="vote_count"),
    ColumnSpec("vote_average", "double", "Mean of the votes, 0 to 10.", path="vote_average"),
    ColumnSpec("overview", "string", "Plot in short.", path="overview"),
    ColumnSpec("adult", "boolean", "Marked as pornographic.", path="adult"),
    ColumnSpec("backdrop_path", "string", "Backdrop image.", path="backdrop_path"),
    ColumnSpec("first_air_date", "date", "First broadcast.", path="first_air_date"),
    ColumnSpec("last_air_date", "date", "Last broadcast so far.", path="last_air_date"),
    ColumnSpec("homepage", "string", "Web site.", path="homepage"),
    ColumnSpec("in_production", "boolean", "Whether it is still made.", path="in_production"),
    ColumnSpec("original_name", "string", "Name in the original language.", path="original_name"),
    ColumnSpec("popularity", "double", "TMDB's popularity that day.", path="popularity"),
    ColumnSpec("poster_path", "string", "Poster.", path="poster_path"),
    ColumnSpec("type", "string", "Scripted, Documentary, Reality and so on.", path="type"),
    ColumnSpec("status", "string", "Returning Series, Ended, Canceled and so on.", path="status"),
    ColumnSpec("tagline", "string", "Advertising line.", path="tagline"),
    list_column("genres", "Genres", "genres[].name"),
    list_column("created_by", "Who created it", "created_by[].name"),
    list_column("languages", "Languages by their codes (ISO 639-1)", "languages[]"),
    list_column("networks", "Networks that show it", "networks[].name"),
    list_column("origin_country", "Countries of origin by their codes (ISO 3166-1)", "origin_country[]"),
    list_column("spoken_languages", "Spoken languages by their English names", "spoken_languages[].english_name"),
    list_column("production_companies", "Production companies", "production_companies[].name"),
    list_column("production_countries", "Production countries by their English names", "production_countries[].name"),
    ColumnSpec("episode_run_time", "string", "Usual lengths, joined by ', '.", "minutes", "episode_run_time[]"),
    list_column("keywords", "Keywords", "keywords.results[].name"),
    ColumnSpec("imdb_id", "string", "IMDb's id.", path="external_ids.imdb_id"),
    ColumnSpec("tvdb_id", "string", "TVDB's id.", path="external_ids.tvdb_id"),
)

# The lists of `tv_flat`, each with its table and the column of it that is shown.
TV_FLAT_LISTS = {
    "genres": ("tv_genre", "name"),
    "created_by": ("tv_created_by", "name"),
    "languages": ("tv_language", "iso_639_1"),
    "networks": ("tv_network", "name"),
    "origin_country": ("tv_origin_country", "iso_3166_1"),
    "spoken_languages": ("tv_spoken_language", "english_name"),
    "production_companies": ("tv_production_company", "name"),
    "production_countries": ("tv_production_country", "name"),
    "keywords": ("tv_keyword", "name"),
}


def tv_flat(tv: DataFrame, tv_external_id: DataFrame, *tables: DataFrame, adult_titles: bool = False) -> DataFrame:
    """One row per series, lists as texts; *tables* are those of `TV_FLAT_LISTS`."""
    lists = {name: (rows, value) for (name, (_, value)), rows in zip(TV_FLAT_LISTS.items(), tables, strict=True)}
    ids = tv_external_id.groupBy("tv_id").agg(
        *(F.max(F.when(F.col("source") == name, F.col("external_id"))).alias(name) for name in ("imdb_id", "tvdb_id"))
    )
    return flat(tv.filter(kept(adult_titles)).join(ids, "tv_id", "left"), "tv_id", lists, TV_FLAT_COLUMNS)
