"""What TMDB has of movies."""

from __future__ import annotations

from reelhouse.entities import titles
from reelhouse.entities.schema import Discover, Entity, Export, Filter, Reference, Table, col

_KIND = "movie"

_CERTIFICATE = Filter(
    "name",
    reference=Reference("/certification/movie/list", "certifications", "certification"),
    needs=("certification_country", "region"),
)

_FILTERS = {
    **titles.filters(_KIND),
    "certification": _CERTIFICATE._replace(many=True),
    "certification.gte": _CERTIFICATE,
    "certification.lte": _CERTIFICATE,
    "certification_country": titles.COUNTRY._replace(needs=("certification", "certification.gte", "certification.lte")),
    "include_video": titles.FLAG,
    "primary_release_year": titles.YEAR,
    "primary_release_date.gte": titles.DATE,
    "primary_release_date.lte": titles.DATE,
    "region": titles.COUNTRY,
    "release_date.gte": titles.DATE,
    "release_date.lte": titles.DATE,
    "sort_by": titles.sorted_by(
        "original_title", "popularity", "revenue", "primary_release_date", "title", "vote_average", "vote_count"
    ),
    "with_cast": titles.IDS,
    "with_crew": titles.IDS,
    "with_people": titles.IDS,
    "with_release_type": Filter("choice", ("1", "2", "3", "4", "5", "6"), many=True, needs=("region",)),
    "year": titles.YEAR,
}

_DEFAULT_APPENDS = (
    "credits",
    "keywords",
    "release_dates",
    "external_ids",
    "alternative_titles",
    "translations",
    "videos",
    "watch/providers",
    "recommendations",
)

_TABLES = (
    Table(
        "movie",
        "One row per movie, as TMDB shows it now.",
        key=("movie_id",),
        columns=(
            col("imdb_id", "string", "imdb_id", "IMDb's id."),
            col("title", "string", "title", "Title in the requested language."),
            col("original_title", "string", "original_title", "Title in the original language."),
            col("original_language", "string", "original_language", "Original language, as TMDB codes it."),
            col("status", "string", "status", "Released, Post Production, Rumored and so on."),
            col("release_date", "date", "release_date", "First release date; NULL if unknown or invalid."),
            col("runtime", "bigint", "runtime", "Length; NULL where TMDB has 0.", "minutes", zero_is_null=True),
            col(
                "budget",
                "bigint",
                "budget",
                "Production budget; NULL where TMDB has 0.",
                "US dollars",
                zero_is_null=True,
            ),
            col("revenue", "bigint", "revenue", "Box office; NULL where TMDB has 0.", "US dollars", zero_is_null=True),
            col("popularity", "double", "popularity", "TMDB's popularity that day; not comparable over years."),
            col("vote_average", "double", "vote_average", "Mean of the votes, 0 to 10."),
            col("vote_count", "bigint", "vote_count", "Number of votes."),
            col("overview", "string", "overview", "Plot in short."),
            col("tagline", "string", "tagline", "Tagline."),
            col("homepage", "string", "homepage", "Web site."),
            col("adult", "boolean", "adult", "Marked as pornographic."),
            col("softcore", "boolean", "softcore", "Marked as softcore."),
            col("video", "boolean", "video", "TMDB's flag for videos that are not films."),
            col("collection_id", "bigint", "belongs_to_collection.id", "Collection it belongs to."),
            col("collection_name", "string", "belongs_to_collection.name", "Name of the collection."),
            col("collection_poster_path", "string", "belongs_to_collection.poster_path", "Poster of the collection."),
            col(
                "collection_backdrop_path",
                "string",
                "belongs_to_collection.backdrop_path",
                "Backdrop of the collection.",
            ),
            col("poster_path", "string", "poster_path", "Poster; see TMDB's image configuration."),
            col("backdrop_path", "string", "backdrop_path", "Backdrop image."),
        ),
    ),
    titles.genres(_KIND),
    titles.companies(_KIND),
    *titles.places_and_languages(_KIND),
    titles.keywords(_KIND, "keywords.keywords[]"),
    Table(
        "movie_cast",
        "Roles in movies.",
        rows="credits.cast[]",
        key=titles.listed(_KIND),
        columns=(
            *titles.CREDIT,
            col("cast_id", "bigint", "cast_id", "TMDB's number of the role in this movie."),
            titles.CHARACTER,
            titles.BILLING,
        ),
    ),
    Table(
        "movie_crew",
        "Jobs in movies.",
        rows="credits.crew[]",
        key=titles.listed(_KIND),
        columns=(
            *titles.CREDIT,
            titles.DEPARTMENT,
            titles.JOB,
        ),
    ),
    Table(
        "movie_release_date",
        "Releases by country and kind, with age ratings.",
        rows="release_dates.results[].release_dates[]",
        key=("movie_id", "iso_3166_1", "position"),
        columns=(
            col("iso_3166_1", "string", "^iso_3166_1", "Where it was released."),
            col("type", "bigint", "type", "1 premiere, 2 limited, 3 theatrical, 4 digital, 5 physical, 6 TV."),
            col("release_date", "date", "release_date", "Day of the release (UTC)."),
            col("released_at", "timestamp", "release_date", "The release as TMDB's instant."),
            col("certification", "string", "certification", "Age rating there."),
            col("descriptors", "string", "descriptors[]", "Why it is rated so, joined by ', '."),
            col("iso_639_1", "string", "iso_639_1", "Language of the release."),
            col("note", "string", "note", "Festival, format, distributor."),
        ),
    ),
    titles.alternative_titles(_KIND, "alternative_titles.titles[]"),
    titles.translations(
        _KIND,
        col(
            "runtime",
            "bigint",
            "data.runtime",
            "Length of that version; NULL where TMDB has 0.",
            "minutes",
            zero_is_null=True,
        ),
    ),
    titles.videos(_KIND),
    titles.images(_KIND),
    titles.reviews(_KIND),
    titles.recommendations(_KIND, col("video", "boolean", "video", "Marked as a video.")),
    titles.external_ids(_KIND),
    titles.watch_provider_offers(_KIND, "watch_provider_offer"),
    titles.offers_by_day(_KIND),
)
_DAYS = titles.days_of(
    _TABLES[0],
    "title original_title original_language status release_date runtime budget revenue collection_id adult "
    "popularity vote_average vote_count",
)

MOVIE = Entity(
    name="movie",
    plural="movies",
    # IMDb's shorts and TV movies are movies at TMDB.
    words=(
        "movie movies film films filme filmes pelicula peliculas feature featurefilm short shortfilm tvmovie tvshort "
        "tvspecial video documentary musicvideo"
    ),
    path="/movie/{id}",
    bytes_at_rest=2700,
    external=("tt",),
    id_column="movie_id",
    listing=Export("movie_ids", least_rows=150_000, adult="adult_movie_ids"),
    changes="/movie/changes",
    discover=Discover("/discover/movie", date="primary_release_date", filters=_FILTERS),
    appends=(*_DEFAULT_APPENDS, "changes", "images", "lists", "reviews", "similar"),
    default_appends=_DEFAULT_APPENDS,
    # Of what every recorded answer has, so much that no other body is taken for a movie.
    core=frozenset(("title", "original_title", "original_language", "release_date", "genres", "vote_count")),
    tables=(*_TABLES, _DAYS),
    course_name="Movies",
)
