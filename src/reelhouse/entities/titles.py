"""What TMDB has alike of several kinds of things: filters, people, images and tables, each written once.

A *kind* is `movie` or `tv`; the tables are called and keyed by it.
"""

from __future__ import annotations

from collections.abc import Mapping

from reelhouse.entities.schema import DAILY, ColumnSpec, Filter, Reference, Table, col, presence

NOUNS = {"movie": "movies", "tv": "series"}
# The column of each day by which marts know answers that say nothing of offers.
INCLUDES_OFFERS = "includes_offers"

DATE, YEAR, NUMBER, WHOLE, FLAG = (Filter(kind) for kind in ("date", "year", "number", "whole", "flag"))
IDS = Filter("id", many=True)
COUNTRY = Filter("name", reference=Reference("/configuration/countries", "", "iso_3166_1"))
_LANGUAGES = Reference("/configuration/languages", "", "iso_639_1")


def sorted_by(*names: str) -> Filter:
    """The orders that a discover knows."""
    return Filter("choice", tuple(f"{name}.{order}" for name in names for order in ("asc", "desc")))


def filters(kind: str) -> Mapping[str, Filter]:
    """The filters that both discovers know.

    From the official spec of 2026-05-18. TMDB ignores a name or a value that it does not know and answers the
    unfiltered set, so a typo must be caught here.
    """
    genres = Filter("name", many=True, reference=Reference(f"/genre/{kind}/list", "genres", "id", localized=True))
    listed = Reference(f"/watch/providers/{kind}", "results", "provider_id", localized=True, region="watch_region")
    providers = Filter("name", many=True, reference=listed, needs=("watch_region",))
    return {
        "include_adult": FLAG,
        "language": Filter("locale"),
        "page": WHOLE,
        "vote_average.gte": NUMBER,
        "vote_average.lte": NUMBER,
        "vote_count.gte": WHOLE,
        "vote_count.lte": WHOLE,
        "watch_region": COUNTRY._replace(
            needs=("with_watch_providers", "without_watch_providers", "with_watch_monetization_types")
        ),
        "with_companies": IDS,
        "with_genres": genres,
        "with_keywords": IDS,
        "with_origin_country": COUNTRY._replace(many=True),
        "with_original_language": Filter("name", many=True, reference=_LANGUAGES),
        "with_runtime.gte": WHOLE,
        "with_runtime.lte": WHOLE,
        "with_watch_monetization_types": Filter(
            "choice", ("flatrate", "free", "ads", "rent", "buy"), many=True, needs=("watch_region",)
        ),
        "with_watch_providers": providers,
        "without_companies": IDS,
        "without_genres": genres,
        "without_keywords": IDS,
        "without_watch_providers": providers,
    }


def person(around: str = "") -> tuple[ColumnSpec, ...]:
    """The person of a credit; *around* is `^` where the credit is within what TMDB has of the person."""
    return (
        col("person_id", "bigint", f"{around}id", "The person; NULL where TMDB names none."),
        col("name", "string", f"{around}name", "Name of the person."),
        col("original_name", "string", f"{around}original_name", "Name in their own script."),
        col("gender", "bigint", f"{around}gender", "0 unknown, 1 female, 2 male, 3 non-binary."),
        col("known_for_department", "string", f"{around}known_for_department", "What they are known for."),
        col("adult", "boolean", f"{around}adult", "Marked as a pornographic performer."),
        col("popularity", "double", f"{around}popularity", "The person's popularity that day."),
        col("profile_path", "string", f"{around}profile_path", "Portrait."),
    )


# A credit without a person keeps its row with a NULL person.
CREDIT: tuple[ColumnSpec, ...] = (col("credit_id", "string", "credit_id", "TMDB's id of the credit."), *person())
CHARACTER = col("character", "string", "character", "Who is played.")
BILLING = col("order", "bigint", "order", "Billing order, from 0.")
IMAGE: tuple[ColumnSpec, ...] = (
    col("file_path", "string", "file_path", "The image."),
    col("width", "bigint", "width", "Width.", "pixels"),
    col("height", "bigint", "height", "Height.", "pixels"),
    col("aspect_ratio", "double", "aspect_ratio", "Width by height."),
    col("iso_639_1", "string", "iso_639_1", "Language of what is written on it."),
    col("iso_3166_1", "string", "iso_3166_1", "Country of that language."),
    col("vote_average", "double", "vote_average", "Mean of the votes, 0 to 10."),
    col("vote_count", "bigint", "vote_count", "Number of votes."),
)
DEPARTMENT = col("department", "string", "department", "Department.")
JOB = col("job", "string", "job", "Job.")


def listed(kind: str) -> tuple[str, ...]:
    """The key of a row that is an item of a list."""
    return (f"{kind}_id", "position")


def _table(kind: str, name: str, about: str, rows: str, *columns: ColumnSpec) -> Table:
    return Table(f"{kind}_{name}", about, rows=rows, key=listed(kind), columns=columns)


def companies(kind: str) -> Table:
    """The production companies of titles."""
    return _table(
        kind,
        "production_company",
        f"Companies that produced {NOUNS[kind]}.",
        "production_companies[]",
        col("company_id", "bigint", "id", "The company."),
        col("name", "string", "name", "Name of the company."),
        col("origin_country", "string", "origin_country", "Its country (ISO 3166-1)."),
        col("logo_path", "string", "logo_path", "Its logo."),
    )


def genres(kind: str) -> Table:
    """The genres of titles."""
    return _table(
        kind,
        "genre",
        f"Genres of {NOUNS[kind]}.",
        "genres[]",
        col("genre_id", "bigint", "id", "The genre."),
        col("name", "string", "name", "Name of the genre."),
    )


def places_and_languages(kind: str) -> tuple[Table, ...]:
    """The countries that titles were produced in and come from, and the languages spoken in them."""
    return (
        _table(
            kind,
            "production_country",
            f"Countries {NOUNS[kind]} were produced in.",
            "production_countries[]",
            col("iso_3166_1", "string", "iso_3166_1", "The country."),
            col("name", "string", "name", "Its name in English."),
        ),
        _table(
            kind,
            "origin_country",
            f"Countries {NOUNS[kind]} come from.",
            "origin_country[]",
            col("iso_3166_1", "string", ".", "The country."),
        ),
        _table(
            kind,
            "spoken_language",
            f"Languages spoken in {NOUNS[kind]}.",
            "spoken_languages[]",
            col("iso_639_1", "string", "iso_639_1", "The language, as TMDB codes it."),
            col("english_name", "string", "english_name", "Its name in English."),
            col("name", "string", "name", "Its own name."),
        ),
    )


def keywords(kind: str, rows: str) -> Table:
    """The keywords of titles."""
    return _table(
        kind,
        "keyword",
        f"Keywords of {NOUNS[kind]}.",
        rows,
        col("keyword_id", "bigint", "id", "The keyword."),
        col("name", "string", "name", "The keyword's text."),
    )


def alternative_titles(kind: str, rows: str) -> Table:
    """Alternative titles."""
    return _table(
        kind,
        "alternative_title",
        f"Other titles of {NOUNS[kind]}.",
        rows,
        col("iso_3166_1", "string", "iso_3166_1", "Where it is called so."),
        col("title", "string", "title", "The other title."),
        col("type", "string", "type", "Kind of title, such as romanization."),
    )


def translated(kind: str, about: str, *texts: ColumnSpec) -> Table:
    """The *texts* of something in other languages."""
    return _table(
        kind,
        "translation",
        about,
        "translations.translations[]",
        col("iso_639_1", "string", "iso_639_1", "Language."),
        col("iso_3166_1", "string", "iso_3166_1", "Country of that language."),
        col("name", "string", "name", "The language's own name."),
        col("english_name", "string", "english_name", "The language's name in English."),
        *texts,
    )


def translations(kind: str, *own: ColumnSpec) -> Table:
    """Titles and texts in other languages; *own* are the columns that one kind alone has."""
    title = "title" if kind == "movie" else "name"
    return translated(
        kind,
        "Titles and texts in other languages.",
        col("title", "string", f"data.{title}", "Translated title; NULL where none was given."),
        col("overview", "string", "data.overview", "Translated plot."),
        col("tagline", "string", "data.tagline", "Translated advertising line."),
        col("homepage", "string", "data.homepage", "Web site in that language."),
        *own,
    )


def videos(kind: str) -> Table:
    """The videos about titles."""
    return _table(
        kind,
        "video",
        "Trailers and other videos.",
        "videos.results[]",
        col("video_id", "string", "id", "TMDB's id of the video."),
        col("name", "string", "name", "Title of the video."),
        col("type", "string", "type", "Trailer, Teaser, Clip and so on."),
        col("official", "boolean", "official", "Official video."),
        col("site", "string", "site", "Hosting site: YouTube, Vimeo."),
        col("key", "string", "key", "Its id there."),
        col("size", "bigint", "size", "Height of the picture.", "pixels"),
        col("iso_639_1", "string", "iso_639_1", "Language."),
        col("iso_3166_1", "string", "iso_3166_1", "Country of that language."),
        col("published_at", "timestamp", "published_at", "When it was put out."),
    )


def images(kind: str) -> Table:
    """The images of titles."""
    return Table(
        f"{kind}_image",
        "Images; filled only if `append` includes images.",
        rows="images.{kind=backdrop,logo,poster}s[]",
        key=(f"{kind}_id", "kind", "position"),
        columns=(
            col("kind", "string", "", "backdrop, logo or poster."),
            *IMAGE,
        ),
    )


def reviews(kind: str) -> Table:
    """The reviews of titles."""
    return _table(
        kind,
        "review",
        "Reviews; filled only if `append` includes reviews.",
        "reviews.results[]",
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
    )


def recommendations(kind: str, *own: ColumnSpec) -> Table:
    """What TMDB recommends; *own* are the columns that one kind alone has."""
    title, original, date = (
        ("title", "original_title", "release_date") if kind == "movie" else ("name", "original_name", "first_air_date")
    )
    one = "movie" if kind == "movie" else "series"
    return _table(
        kind,
        "recommendation",
        f"What TMDB recommends to those who liked a {one}.",
        "recommendations.results[]",
        col("recommended_id", "bigint", "id", f"The {one} recommended."),
        col("media_type", "string", "media_type", f"{kind}."),
        col(title, "string", title, "Its title."),
        col(original, "string", original, "Its original title."),
        col("original_language", "string", "original_language", "Its original language."),
        col(date, "date", date, f"Its first {'release' if kind == 'movie' else 'broadcast'}."),
        col("popularity", "double", "popularity", "Its popularity that day."),
        col("vote_average", "double", "vote_average", "Mean of its votes."),
        col("vote_count", "bigint", "vote_count", "Number of its votes."),
        col("adult", "boolean", "adult", "Marked as pornographic."),
        col("softcore", "boolean", "softcore", "Marked as softcore."),
        *own,
        col("poster_path", "string", "poster_path", "Its poster."),
        col("backdrop_path", "string", "backdrop_path", "Its backdrop."),
    )


def external_ids(kind: str, noun: str = "") -> Table:
    """The ids on other sites; *noun* says whose."""
    return Table(
        f"{kind}_external_id",
        f"Ids of {noun or NOUNS[kind]} on other sites.",
        rows="external_ids.{source}",
        # Asked alone, the answer carries TMDB's own id too.
        except_keys=("id",),
        required="external_id",
        key=(f"{kind}_id", "source"),
        columns=(
            col("source", "string", "", "imdb_id, wikidata_id, facebook_id and so on."),
            col("external_id", "string", ".", "The id there."),
        ),
    )


def watch_provider_offers(kind: str, name: str) -> Table:
    """Where titles can be watched."""
    return Table(
        name,
        f"Where {NOUNS[kind]} can be watched. Data by JustWatch.",
        rows="watch/providers.results.{iso_3166_1}.{monetization_type}[]",
        key=(f"{kind}_id", "iso_3166_1", "monetization_type", "position"),
        columns=(
            col("iso_3166_1", "string", "", "Where it is offered."),
            col("monetization_type", "string", "", "flatrate, rent, buy, ads, free and what may come."),
            col("provider_id", "bigint", "provider_id", "Who offers it (data by JustWatch)."),
            col("provider_name", "string", "provider_name", "Name of the provider."),
            col("display_priority", "bigint", "display_priority", "TMDB's order among providers."),
            col("logo_path", "string", "logo_path", "Logo of the provider."),
            col("link", "string", "^link", "TMDB's page of offers there."),
        ),
    )


def days_of(table: Table, names: str) -> Table:
    """What *table* of titles said on each day with an answer: the columns of these *names*."""
    kept = names.split()
    offers = presence(
        INCLUDES_OFFERS,
        "watch/providers.results",
        "Whether an answer of that day includes offers, which are not requested where `append` leaves them out.",
    )
    columns = (*(one for one in table.columns if one.name in kept), offers)
    about = f"What TMDB said of {NOUNS[table.name]} on each day with an answer."
    return Table(f"{table.name}_daily", about, columns, inputs=(DAILY,), key=(f"{table.name}_id", "day"))


def offers_by_day(kind: str) -> Table:
    """Who offered titles on each day with an answer."""
    return Table(
        f"{kind}_offer_daily",
        f"Where {NOUNS[kind]} could be watched on each day with an answer. Data by JustWatch.",
        rows="watch/providers.results.{iso_3166_1}.{monetization_type}[]",
        inputs=(DAILY,),
        key=(f"{kind}_id", "day", "iso_3166_1", "monetization_type", "position"),
        columns=(
            col("iso_3166_1", "string", "", "Where it was offered."),
            col("monetization_type", "string", "", "flatrate, rent, buy, ads, free and what may come."),
            col("provider_id", "bigint", "provider_id", "Who offered it (data by JustWatch)."),
        ),
    )
