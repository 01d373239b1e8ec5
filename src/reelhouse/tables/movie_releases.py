"""Where and under which name a movie came out: releases, titles, translations, offers."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.tables.cleaning import FETCHED_AT, MOVIE_ID, POSITION, amount, text
from reelhouse.tables.columns import ColumnSpec
from reelhouse.tables.movie import listed

_RELEASE = "release_dates.results[].release_dates[]"

RELEASE_COLUMNS = (
    MOVIE_ID,
    ColumnSpec("iso_3166_1", "string", "Where it was released.", path="release_dates.results[].iso_3166_1"),
    POSITION,
    ColumnSpec(
        "type",
        "bigint",
        "1 premiere, 2 limited, 3 theatrical, 4 digital, 5 physical, 6 TV.",
        path=f"{_RELEASE}.type",
    ),
    ColumnSpec("release_date", "date", "Day of the release (UTC).", path=f"{_RELEASE}.release_date"),
    ColumnSpec("released_at", "timestamp", "The release as TMDB's instant.", path=f"{_RELEASE}.release_date"),
    ColumnSpec("certification", "string", "Age rating there.", path=f"{_RELEASE}.certification"),
    ColumnSpec("descriptors", "string", "Why it is rated so, joined by ', '.", path=f"{_RELEASE}.descriptors[]"),
    ColumnSpec("iso_639_1", "string", "Language of the release.", path=f"{_RELEASE}.iso_639_1"),
    ColumnSpec("note", "string", "Festival, format, distributor.", path=f"{_RELEASE}.note"),
    FETCHED_AT,
)


def movie_releases(answers: DataFrame) -> DataFrame:
    """One row for each release: country, kind and date."""
    countries = listed(answers, F.col("release_dates")["results"]).select(
        "movie_id",
        "fetched_at",
        F.col("item")["iso_3166_1"].alias("country"),
        F.posexplode(F.col("item")["release_dates"]).alias("position", "release"),
    )
    release = F.col("release")
    return countries.filter(release.isNotNull()).select(
        "movie_id",
        text("country").alias("iso_3166_1"),
        "position",
        release["type"].alias("type"),
        release["release_date"].cast("date").alias("release_date"),
        release["release_date"].alias("released_at"),
        text(release["certification"]).alias("certification"),
        text(F.array_join(release["descriptors"], ", ")).alias("descriptors"),
        text(release["iso_639_1"]).alias("iso_639_1"),
        text(release["note"]).alias("note"),
        "fetched_at",
    )


TITLE_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("iso_3166_1", "string", "Where it is called so.", path="alternative_titles.titles[].iso_3166_1"),
    ColumnSpec("title", "string", "The other title.", path="alternative_titles.titles[].title"),
    ColumnSpec("type", "string", "Kind of title, such as romanization.", path="alternative_titles.titles[].type"),
    FETCHED_AT,
)


def movie_titles(answers: DataFrame) -> DataFrame:
    """One row for each alternative title."""
    item = F.col("item")
    return listed(answers, F.col("alternative_titles")["titles"]).select(
        "movie_id",
        "position",
        text(item["iso_3166_1"]).alias("iso_3166_1"),
        text(item["title"]).alias("title"),
        text(item["type"]).alias("type"),
        "fetched_at",
    )


_TRANSLATION = "translations.translations[]"

TRANSLATION_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("iso_639_1", "string", "Language.", path=f"{_TRANSLATION}.iso_639_1"),
    ColumnSpec("iso_3166_1", "string", "Country of that language.", path=f"{_TRANSLATION}.iso_3166_1"),
    ColumnSpec("name", "string", "The language's own name.", path=f"{_TRANSLATION}.name"),
    ColumnSpec("english_name", "string", "The language's name in English.", path=f"{_TRANSLATION}.english_name"),
    ColumnSpec("title", "string", "Translated title; NULL where none was given.", path=f"{_TRANSLATION}.data.title"),
    ColumnSpec("overview", "string", "Translated plot.", path=f"{_TRANSLATION}.data.overview"),
    ColumnSpec("tagline", "string", "Translated advertising line.", path=f"{_TRANSLATION}.data.tagline"),
    ColumnSpec("homepage", "string", "Web site in that language.", path=f"{_TRANSLATION}.data.homepage"),
    ColumnSpec("runtime", "bigint", "Length of that version.", "minutes", f"{_TRANSLATION}.data.runtime"),
    FETCHED_AT,
)


def movie_translations(answers: DataFrame) -> DataFrame:
    """One row for each translation."""
    item = F.col("item")
    data = item["data"]
    return listed(answers, F.col("translations")["translations"]).select(
        "movie_id",
        "position",
        text(item["iso_639_1"]).alias("iso_639_1"),
        text(item["iso_3166_1"]).alias("iso_3166_1"),
        text(item["name"]).alias("name"),
        text(item["english_name"]).alias("english_name"),
        text(data["title"]).alias("title"),
        text(data["overview"]).alias("overview"),
        text(data["tagline"]).alias("tagline"),
        text(data["homepage"]).alias("homepage"),
        amount(data["runtime"]).alias("runtime"),
        "fetched_at",
    )


_OFFER = "watch/providers.results{country}.{type}[]"

OFFER_COLUMNS = (
    MOVIE_ID,
    ColumnSpec("iso_3166_1", "string", "Where it is offered.", path="watch/providers.results{country}"),
    ColumnSpec("monetization_type", "string", "flatrate, rent, buy, ads, free and what may come.", path=_OFFER),
    POSITION,
    ColumnSpec("provider_id", "bigint", "Who offers it (data by JustWatch).", path=f"{_OFFER}.provider_id"),
    ColumnSpec("provider_name", "string", "Name of the provider.", path=f"{_OFFER}.provider_name"),
    ColumnSpec("display_priority", "bigint", "TMDB's order among providers.", path=f"{_OFFER}.display_priority"),
    ColumnSpec("logo_path", "string", "Logo of the provider.", path=f"{_OFFER}.logo_path"),
    ColumnSpec("link", "string", "TMDB's page of offers there.", path="watch/providers.results{country}.link"),
    FETCHED_AT,
)


def watch_provider_offers(answers: DataFrame) -> DataFrame:
    """One row for each offer: movie, country, way to pay, provider. Data by JustWatch."""
    country, kind, item = F.col("item"), F.col("kind"), F.col("offer")
    countries = listed(answers, F.col("watch_providers")["results"]).select(
        "movie_id",
        "fetched_at",
        country["key"].alias("country"),
        country["value"]["link"].alias("link"),
        F.explode(country["value"]["rest"]).alias("kind"),
    )
    offers = countries.select(
        "movie_id",
        "fetched_at",
        "country",
        "link",
        kind["key"].alias("monetization_type"),
        F.posexplode(kind["value"]).alias("position", "offer"),
    )
    return offers.filter(item.isNotNull()).select(
        "movie_id",
        F.col("country").alias("iso_3166_1"),
        "monetization_type",
        "position",
        item["provider_id"].alias("provider_id"),
        text(item["provider_name"]).alias("provider_name"),
        item["display_priority"].alias("display_priority"),
        text(item["logo_path"]).alias("logo_path"),
        text("link").alias("link"),
        "fetched_at",
    )
