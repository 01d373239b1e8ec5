"""What TMDB has of movies."""

from __future__ import annotations

from reelhouse.entities.schema import ColumnSpec, Discover, Entity, Export, Filter, Reference, Table, col

_COUNTRIES = Reference("/configuration/countries", "", "iso_3166_1")
_LANGUAGES = Reference("/configuration/languages", "", "iso_639_1")
_GENRES = Reference("/genre/movie/list", "genres", "id", localized=True)
_CERTIFICATES = Reference("/certification/movie/list", "certifications", "certification")
_PROVIDERS = Reference("/watch/providers/movie", "results", "provider_id", localized=True, region="watch_region")

_DATE, _YEAR, _NUMBER, _WHOLE, _FLAG = (Filter(kind) for kind in ("date", "year", "number", "whole", "flag"))
_IDS = Filter("id", many=True)
_COUNTRY = Filter("name", reference=_COUNTRIES)
_GENRE_LIST = Filter("name", many=True, reference=_GENRES)
_CERTIFICATE = Filter("name", reference=_CERTIFICATES, needs=("certification_country", "region"))
_PROVIDER_LIST = Filter("name", many=True, reference=_PROVIDERS, needs=("watch_region",))
_SORTED_BY = ("original_title", "popularity", "revenue", "primary_release_date", "title", "vote_average", "vote_count")

# From the official spec of 2026-05-18. TMDB ignores a name or a value that it does not know and answers the
# unfiltered set, so a typo must be caught here.
_FILTERS = {
    "certification": _CERTIFICATE._replace(many=True),
    "certification.gte": _CERTIFICATE,
    "certification.lte": _CERTIFICATE,
    "certification_country": _COUNTRY._replace(needs=("certification", "certification.gte", "certification.lte")),
    "include_adult": _FLAG,
    "include_video": _FLAG,
    "language": Filter("locale"),
    "page": _WHOLE,
    "primary_release_year": _YEAR,
    "primary_release_date.gte": _DATE,
    "primary_release_date.lte": _DATE,
    "region": _COUNTRY,
    "release_date.gte": _DATE,
    "release_date.lte": _DATE,
    "sort_by": Filter("choice", tuple(f"{name}.{order}" for name in _SORTED_BY for order in ("asc", "desc"))),
    "vote_average.gte": _NUMBER,
    "vote_average.lte": _NUMBER,
    "vote_count.gte": _WHOLE,
    "vote_count.lte": _WHOLE,
    "watch_region": _COUNTRY._replace(
        needs=("with_watch_providers", "without_watch_providers", "with_watch_monetization_types")
    ),
    "with_cast": _IDS,
    "with_companies": _IDS,
    "with_crew": _IDS,
    "with_genres": _GENRE_LIST,
    "with_keywords": _IDS,
    "with_origin_country": _COUNTRY._replace(many=True),
    "with_original_language": Filter("name", many=True, reference=_LANGUAGES),
    "with_people": _IDS,
    "with_release_type": Filter("choice", ("1", "2", "3", "4", "5", "6"), many=True, needs=("region",)),
    "with_runtime.gte": _WHOLE,
    "with_runtime.lte": _WHOLE,
    "with_watch_monetization_types": Filter(
        "choice", ("flatrate", "free", "ads", "rent", "buy"), many=True, needs=("watch_region",)
    ),
    "with_watch_providers": _PROVIDER_LIST,
    "without_companies": _IDS,
    "without_genres": _GENRE_LIST,
    "without_keywords": _IDS,
    "without_watch_providers": _PROVIDER_LIST,
    "year": _YEAR,
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

_LISTED = ("movie_id", "position")

# A credit without a person keeps its row with a NULL person.
_CREDIT: tuple[ColumnSpec, ...] = (
    col("credit_id", "string", "credit_id", "TMDB's id of the credit."),
    col("person_id", "bigint", "id", "The person; NULL where TMDB names none."),
    col("name", "string", "name", "Name of the person."),
    col("original_name", "string", "original_name", "Name in their own script."),
    col("gender", "bigint", "gender", "0 unknown, 1 female, 2 male, 3 non-binary."),
    col("known_for_department", "string", "known_for_department", "What they are known for."),
    col("adult", "boolean", "adult", "Marked as a pornographic performer."),
    col("popularity", "double", "popularity", "The person's popularity that day."),
    col("profile_path", "string", "profile_path", "Portrait."),
)

_TABLES = (
    Table(
        "movie",
        "One row a movie, as TMDB shows it now.",
        key=("movie_id",),
        columns=(
            col("imdb_id", "string", "imdb_id", "IMDb's id."),
            col("title", "string", "title", "Title in the language asked for."),
            col("original_title", "string", "original_title", "Title in the original language."),
            col("original_language", "string", "original_language", "Original language, as TMDB codes it."),
            col("status", "string", "status", "Released, Post Production, Rumored and so on."),
            col("release_date", "date", "release_date", "First release; NULL where unknown or impossible."),
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
            col("tagline", "string", "tagline", "Advertising line."),
            col("homepage", "string", "homepage", "Web site."),
            col("adult", "boolean", "adult", "Marked as pornographic."),
            col("softcore", "boolean", "softcore", "Marked as softcore."),
            col("video", "boolean", "video", "Marked as a video that is no film."),
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
    Table(
        "movie_genre",
        "Genres of movies.",
        rows="genres[]",
        key=_LISTED,
        columns=(
            col("genre_id", "bigint", "id", "The genre."),
            col("name", "string", "name", "Name of the genre."),
        ),
    ),
    Table(
        "movie_production_company",
        "Companies that produced movies.",
        rows="production_companies[]",
        key=_LISTED,
        columns=(
            col("company_id", "bigint", "id", "The company."),
            col("name", "string", "name", "Name of the company."),
            col("origin_country", "string", "origin_country", "Its country (ISO 3166-1)."),
            col("logo_path", "string", "logo_path", "Its logo."),
        ),
    ),
    Table(
        "movie_production_country",
        "Countries movies were produced in.",
        rows="production_countries[]",
        key=_LISTED,
        columns=(
            col("iso_3166_1", "string", "iso_3166_1", "The country."),
            col("name", "string", "name", "Its name in English."),
        ),
    ),
    Table(
        "movie_origin_country",
        "Countries movies come from.",
        rows="origin_country[]",
        key=_LISTED,
        columns=(col("iso_3166_1", "string", ".", "The country."),),
    ),
    Table(
        "movie_spoken_language",
        "Languages spoken in movies.",
        rows="spoken_languages[]",
        key=_LISTED,
        columns=(
            col("iso_639_1", "string", "iso_639_1", "The language, as TMDB codes it."),
            col("english_name", "string", "english_name", "Its name in English."),
            col("name", "string", "name", "Its own name."),
        ),
    ),
    Table(
        "movie_keyword",
        "Keywords of movies.",
        rows="keywords.keywords[]",
        key=_LISTED,
        columns=(
            col("keyword_id", "bigint", "id", "The keyword."),
            col("name", "string", "name", "The keyword's text."),
        ),
    ),
    Table(
        "movie_cast",
        "Roles in movies.",
        rows="credits.cast[]",
        key=_LISTED,
        columns=(
            *_CREDIT,
            col("cast_id", "bigint", "cast_id", "TMDB's number of the role in this movie."),
            col("character", "string", "character", "Who is played."),
            col("order", "bigint", "order", "Billing order, from 0."),
        ),
    ),
    Table(
        "movie_crew",
        "Jobs in movies.",
        rows="credits.crew[]",
        key=_LISTED,
        columns=(
            *_CREDIT,
            col("department", "string", "department", "Department."),
            col("job", "string", "job", "Job."),
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
    Table(
        "movie_alternative_title",
        "Other titles of movies.",
        rows="alternative_titles.titles[]",
        key=_LISTED,
        columns=(
            col("iso_3166_1", "string", "iso_3166_1", "Where it is called so."),
            col("title", "string", "title", "The other title."),
            col("type", "string", "type", "Kind of title, such as romanization."),
        ),
    ),
    Table(
        "movie_translation",
        "Titles and texts in other languages.",
        rows="translations.translations[]",
        key=_LISTED,
        columns=(
            col("iso_639_1", "string", "iso_639_1", "Language."),
            col("iso_3166_1", "string", "iso_3166_1", "Country of that language."),
            col("name", "string", "name", "The language's own name."),
            col("english_name", "string", "english_name", "The language's name in English."),
            col("title", "string", "data.title", "Translated title; NULL where none was given."),
            col("overview", "string", "data.overview", "Translated plot."),
            col("tagline", "string", "data.tagline", "Translated advertising line."),
            col("homepage", "string", "data.homepage", "Web site in that language."),
            col("runtime", "bigint", "data.runtime", "Length of that version.", "minutes", zero_is_null=True),
        ),
    ),
    Table(
        "movie_video",
        "Trailers and other videos.",
        rows="videos.results[]",
        key=_LISTED,
        columns=(
            col("video_id", "string", "id", "TMDB's id of the video."),
            col("name", "string", "name", "Title of the video."),
            col("type", "string", "type", "Trailer, Teaser, Clip and so on."),
            col("official", "boolean", "official", "Put out by the makers."),
            col("site", "string", "site", "Where it lies: YouTube, Vimeo."),
            col("key", "string", "key", "Its id there."),
            col("size", "bigint", "size", "Height of the picture.", "pixels"),
            col("iso_639_1", "string", "iso_639_1", "Language."),
            col("iso_3166_1", "string", "iso_3166_1", "Country of that language."),
            col("published_at", "timestamp", "published_at", "When it was put out."),
        ),
    ),
    Table(
        "movie_image",
        "Images, where the append is asked for.",
        rows="images.{kind=backdrop,logo,poster}s[]",
        key=("movie_id", "kind", "position"),
        columns=(
            col("kind", "string", "", "backdrop, logo or poster."),
            col("file_path", "string", "file_path", "The image."),
            col("width", "bigint", "width", "Width.", "pixels"),
            col("height", "bigint", "height", "Height.", "pixels"),
            col("aspect_ratio", "double", "aspect_ratio", "Width by height."),
            col("iso_639_1", "string", "iso_639_1", "Language of what is written on it."),
            col("iso_3166_1", "string", "iso_3166_1", "Country of that language."),
            col("vote_average", "double", "vote_average", "Mean of the votes, 0 to 10."),
            col("vote_count", "bigint", "vote_count", "Number of votes."),
        ),
    ),
    Table(
        "movie_review",
        "Reviews, where the append is asked for.",
        rows="reviews.results[]",
        key=_LISTED,
        columns=(
            col("review_id", "string", "id", "TMDB's id of the review."),
            col("author", "string", "author", "Who wrote it."),
            col("name", "string", "author_details.name", "The author's name."),
            col("username", "string", "author_details.username", "The author's name on TMDB."),
            col("avatar_path", "string", "author_details.avatar_path", "The author's picture."),
            col("rating", "double", "author_details.rating", "Their rating, 0 to 10."),
            col("content", "string", "content", "The review."),
            col("url", "string", "url", "Where it stands."),
            col("created_at", "timestamp", "created_at", "When it was written."),
            col("updated_at", "timestamp", "updated_at", "When it was last changed."),
        ),
    ),
    Table(
        "movie_recommendation",
        "What TMDB recommends to those who liked a movie.",
        rows="recommendations.results[]",
        key=_LISTED,
        columns=(
            col("recommended_id", "bigint", "id", "The movie recommended."),
            col("media_type", "string", "media_type", "movie."),
            col("title", "string", "title", "Its title."),
            col("original_title", "string", "original_title", "Its original title."),
            col("original_language", "string", "original_language", "Its original language."),
            col("release_date", "date", "release_date", "Its first release."),
            col("popularity", "double", "popularity", "Its popularity that day."),
            col("vote_average", "double", "vote_average", "Mean of its votes."),
            col("vote_count", "bigint", "vote_count", "Number of its votes."),
            col("adult", "boolean", "adult", "Marked as pornographic."),
            col("softcore", "boolean", "softcore", "Marked as softcore."),
            col("video", "boolean", "video", "Marked as a video."),
            col("poster_path", "string", "poster_path", "Its poster."),
            col("backdrop_path", "string", "backdrop_path", "Its backdrop."),
        ),
    ),
    Table(
        "movie_external_id",
        "Ids of movies on other sites.",
        rows="external_ids.{source}",
        # Asked alone, the answer carries TMDB's own id too.
        except_keys=("id",),
        required="external_id",
        key=("movie_id", "source"),
        columns=(
            col("source", "string", "", "imdb_id, wikidata_id, facebook_id and so on."),
            col("external_id", "string", ".", "The id there."),
        ),
    ),
    Table(
        "watch_provider_offer",
        "Where movies can be watched. Data by JustWatch.",
        rows="watch/providers.results.{iso_3166_1}.{monetization_type}[]",
        key=("movie_id", "iso_3166_1", "monetization_type", "position"),
        columns=(
            col("iso_3166_1", "string", "", "Where it is offered."),
            col("monetization_type", "string", "", "flatrate, rent, buy, ads, free and what may come."),
            col("provider_id", "bigint", "provider_id", "Who offers it (data by JustWatch)."),
            col("provider_name", "string", "provider_name", "Name of the provider."),
            col("display_priority", "bigint", "display_priority", "TMDB's order among providers."),
            col("logo_path", "string", "logo_path", "Logo of the provider."),
            col("link", "string", "^link", "TMDB's page of offers there."),
        ),
    ),
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
    id_column="movie_id",
    listing=Export("movie_ids", least_rows=150_000),
    changes="/movie/changes",
    discover=Discover("/discover/movie", date="primary_release_date", filters=_FILTERS),
    appends=(*_DEFAULT_APPENDS, "changes", "images", "lists", "reviews", "similar"),
    default_appends=_DEFAULT_APPENDS,
    # Of what every recorded answer has, so much that no other body is taken for a movie.
    core=frozenset(("title", "original_title", "original_language", "release_date", "genres", "vote_count")),
    tables=_TABLES,
    course_name="Movies",
)
