"""What TMDB has of series, their seasons and their episodes."""

from __future__ import annotations

from reelhouse.entities import titles
from reelhouse.entities.schema import ColumnSpec, Discover, Entity, Export, Filter, Numbered, Table, col

_KIND = "tv"

_FILTERS = {
    **titles.filters(_KIND),
    "air_date.gte": titles.DATE,
    "air_date.lte": titles.DATE,
    "first_air_date_year": titles.YEAR,
    "first_air_date.gte": titles.DATE,
    "first_air_date.lte": titles.DATE,
    "include_null_first_air_dates": titles.FLAG,
    "screened_theatrically": titles.FLAG,
    "sort_by": titles.sorted_by("first_air_date", "name", "original_name", "popularity", "vote_average", "vote_count"),
    "timezone": Filter("name"),
    "with_networks": Filter("id"),
    "with_status": Filter("choice", ("0", "1", "2", "3", "4", "5"), many=True),
    "with_type": Filter("choice", ("0", "1", "2", "3", "4", "5", "6"), many=True),
}

_DEFAULT_APPENDS = (
    "aggregate_credits",
    "keywords",
    "content_ratings",
    "external_ids",
    "alternative_titles",
    "translations",
    "videos",
    "watch/providers",
    "recommendations",
)

# A person may have several roles or jobs in a series, each a credit of its own.
_ROLE: tuple[ColumnSpec, ...] = (
    col("credit_id", "string", "credit_id", "TMDB's id of the credit."),
    *titles.person("^"),
    col("episode_count", "bigint", "episode_count", "Episodes with this role or job.", "episodes"),
    col("total_episode_count", "bigint", "^total_episode_count", "Episodes with this person.", "episodes"),
)

_OF_EPISODE = (
    col("episode_id", "bigint", "^id", "The episode."),
    col("season_number", "bigint", "", "Number of the season; 0 holds specials."),
    col("episode_number", "bigint", "^episode_number", "Number of the episode within the season."),
)
_EPISODE_LIST = ("episode_id", "tv_id", "season_number", "episode_number", "position")
# Where TMDB lost the person it has a text where other credits have the person's id.
_LOST_PERSON = col("lost_person_id", "string", "person_id", "What TMDB has instead of a person that it lost.")

_SERIES = Table(
    _KIND,
    "One row per series, as TMDB shows it now.",
    key=("tv_id",),
    columns=(
        col("name", "string", "name", "Name in the requested language."),
        col("original_name", "string", "original_name", "Name in the original language."),
        col("original_language", "string", "original_language", "Original language, as TMDB codes it."),
        col("type", "string", "type", "Scripted, Documentary, Reality and so on."),
        col("status", "string", "status", "Returning Series, Ended, Canceled and so on."),
        col("in_production", "boolean", "in_production", "Whether it is still made."),
        col("first_air_date", "date", "first_air_date", "First broadcast; NULL where unknown or impossible."),
        col("last_air_date", "date", "last_air_date", "Last broadcast so far."),
        col("number_of_seasons", "bigint", "number_of_seasons", "Seasons; season 0 is not counted.", "seasons"),
        col("number_of_episodes", "bigint", "number_of_episodes", "Episodes; season 0 is not counted.", "episodes"),
        col("episode_run_time", "string", "episode_run_time[]", "Usual lengths, joined by ', '.", "minutes"),
        col("last_episode_id", "bigint", "last_episode_to_air.id", "The newest episode that was broadcast."),
        col("next_episode_id", "bigint", "next_episode_to_air.id", "The next episode, where it is known."),
        col("next_air_date", "date", "next_episode_to_air.air_date", "When the next episode is broadcast."),
        col("popularity", "double", "popularity", "TMDB's popularity that day; not comparable over years."),
        col("vote_average", "double", "vote_average", "Mean of the votes, 0 to 10."),
        col("vote_count", "bigint", "vote_count", "Number of votes."),
        col("overview", "string", "overview", "Plot in short."),
        col("tagline", "string", "tagline", "Advertising line."),
        col("homepage", "string", "homepage", "Web site."),
        col("adult", "boolean", "adult", "Marked as pornographic."),
        col("softcore", "boolean", "softcore", "Marked as softcore."),
        col("poster_path", "string", "poster_path", "Poster; see TMDB's image configuration."),
        col("backdrop_path", "string", "backdrop_path", "Backdrop image."),
    ),
)

_CHILDREN = (
    titles.genres(_KIND),
    Table(
        "tv_network",
        "Networks that show series.",
        rows="networks[]",
        key=titles.listed(_KIND),
        columns=(
            col("network_id", "bigint", "id", "The network."),
            col("name", "string", "name", "Name of the network."),
            col("origin_country", "string", "origin_country", "Its country (ISO 3166-1)."),
            col("logo_path", "string", "logo_path", "Its logo."),
        ),
    ),
    titles.companies(_KIND),
    Table(
        "tv_created_by",
        "Who created series.",
        rows="created_by[]",
        key=titles.listed(_KIND),
        columns=(
            col("credit_id", "string", "credit_id", "TMDB's id of the credit."),
            col("person_id", "bigint", "id", "The person; NULL where TMDB names none."),
            col("name", "string", "name", "Name of the person."),
            col("original_name", "string", "original_name", "Name in their own script."),
            col("gender", "bigint", "gender", "0 unknown, 1 female, 2 male, 3 non-binary."),
            col("profile_path", "string", "profile_path", "Portrait."),
        ),
    ),
    *titles.places_and_languages(_KIND),
    Table(
        "tv_language",
        "Languages that series are shown in.",
        rows="languages[]",
        key=titles.listed(_KIND),
        columns=(col("iso_639_1", "string", ".", "The language, as TMDB codes it."),),
    ),
    titles.keywords(_KIND, "keywords.results[]"),
    Table(
        "tv_cast",
        "Roles in series, with the number of episodes.",
        rows="aggregate_credits.cast[].roles[]",
        key=("tv_id", "credit_id"),
        columns=(*_ROLE, titles.CHARACTER, col("order", "bigint", "^order", "Billing order of the person, from 0.")),
    ),
    Table(
        "tv_crew",
        "Jobs in series, with the number of episodes.",
        rows="aggregate_credits.crew[].jobs[]",
        key=("tv_id", "credit_id"),
        columns=(*_ROLE, col("department", "string", "^department", "Department."), titles.JOB),
    ),
    Table(
        "tv_content_rating",
        "Age ratings by country.",
        rows="content_ratings.results[]",
        key=titles.listed(_KIND),
        columns=(
            col("iso_3166_1", "string", "iso_3166_1", "Where it is rated so."),
            col("rating", "string", "rating", "Age rating there."),
            col("descriptors", "string", "descriptors[]", "Why it is rated so, joined by ', '."),
        ),
    ),
    titles.alternative_titles(_KIND, "alternative_titles.results[]"),
    titles.translations(_KIND),
    titles.videos(_KIND),
    titles.images(_KIND),
    titles.reviews(_KIND),
    titles.recommendations(_KIND),
    titles.external_ids(_KIND),
    titles.watch_provider_offers(_KIND, "tv_watch_provider_offer"),
    titles.offers_by_day(_KIND),
    titles.days_of(
        _SERIES,
        "name original_name original_language type status in_production first_air_date last_air_date number_of_seasons "
        "number_of_episodes adult popularity vote_average vote_count",
    ),
)

_SEASONS = (
    Table(
        "season",
        "One row per season; season 0 holds specials.",
        rows="seasons[]",
        key=("tv_id", "season_number"),
        columns=(
            col("season_number", "bigint", "season_number", "Number of the season; 0 holds specials."),
            # An appended season has no id of its own.
            col("season_id", "bigint", "id", "TMDB's id of the season."),
            col("name", "string", "name", "Name of the season."),
            col("overview", "string", "overview", "Plot in short."),
            col("air_date", "date", "air_date", "First broadcast."),
            col("episode_count", "bigint", "episode_count", "Episodes.", "episodes"),
            col("vote_average", "double", "vote_average", "Mean of the votes, 0 to 10."),
            col("poster_path", "string", "poster_path", "Poster."),
        ),
    ),
    Table(
        "episode",
        "One row per episode.",
        rows="{season_number=season/*}.episodes[]",
        key=("episode_id", "tv_id", "season_number", "episode_number"),
        columns=(
            col("episode_id", "bigint", "id", "The episode."),
            col("season_number", "bigint", "", "Number of the season; 0 holds specials."),
            col("episode_number", "bigint", "episode_number", "Number of the episode within the season."),
            col("name", "string", "name", "Name of the episode."),
            col("overview", "string", "overview", "Plot in short."),
            col("air_date", "date", "air_date", "First broadcast."),
            col("episode_type", "string", "episode_type", "standard, finale, mid_season and so on."),
            col("runtime", "bigint", "runtime", "Length; NULL where TMDB has 0.", "minutes", zero_is_null=True),
            col("production_code", "string", "production_code", "The makers' own number."),
            col("vote_average", "double", "vote_average", "Mean of the votes, 0 to 10."),
            col("vote_count", "bigint", "vote_count", "Number of votes."),
            col("still_path", "string", "still_path", "Image."),
        ),
    ),
    Table(
        "episode_guest_star",
        "Roles of guests in episodes.",
        rows="{season_number=season/*}.episodes[].guest_stars[]",
        key=_EPISODE_LIST,
        columns=(*_OF_EPISODE, *titles.CREDIT, _LOST_PERSON, titles.CHARACTER, titles.BILLING),
    ),
    Table(
        "episode_crew",
        "Jobs in episodes.",
        rows="{season_number=season/*}.episodes[].crew[]",
        key=_EPISODE_LIST,
        columns=(*_OF_EPISODE, *titles.CREDIT, _LOST_PERSON, titles.DEPARTMENT, titles.JOB),
    ),
)

TV = Entity(
    name=_KIND,
    plural="series",
    noun="series",
    words="series tv show shows tvshow tvshows serie tvseries miniseries tvminiseries podcastseries",
    path="/tv/{id}",
    # With all seasons.
    bytes_at_rest=10_000,
    external=("tt", "tvdb:"),
    find="tv_results",
    id_column="tv_id",
    listing=Export("tv_series_ids", least_rows=150_000, adult="adult_tv_series_ids"),
    changes="/tv/changes",
    discover=Discover("/discover/tv", date="first_air_date", filters=_FILTERS),
    appends=(
        *_DEFAULT_APPENDS,
        "changes",
        "credits",
        "episode_groups",
        "images",
        "lists",
        "reviews",
        "screened_theatrically",
        "similar",
    ),
    default_appends=_DEFAULT_APPENDS,
    # With the default appends, seasons 0 to 10 come with the first request: those of 96 % of all series.
    numbered=Numbered(
        "season/{n}",
        of="seasons[].season_number",
        rows="episodes",
        record="show_id",
        count="episode_count",
        total="number_of_episodes",
    ),
    # Of what every recorded answer has, so much that no other body is taken for a series.
    core=frozenset(("name", "original_name", "original_language", "first_air_date", "genres", "number_of_seasons")),
    tables=(_SERIES, *_CHILDREN, *_SEASONS),
    course_name="Series",
)
