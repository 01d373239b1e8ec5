"""What leads from a movie elsewhere: videos, images, reviews, recommendations, ids of other sites."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reelhouse.tables.cleaning import FETCHED_AT, MOVIE_ID, POSITION, text
from reelhouse.tables.columns import ColumnSpec
from reelhouse.tables.movie import listed

VIDEO_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("video_id", "string", "TMDB's id of the video.", path="videos.results[].id"),
    ColumnSpec("name", "string", "Title of the video.", path="videos.results[].name"),
    ColumnSpec("type", "string", "Trailer, Teaser, Clip and so on.", path="videos.results[].type"),
    ColumnSpec("official", "boolean", "Put out by the makers.", path="videos.results[].official"),
    ColumnSpec("site", "string", "Where it lies: YouTube, Vimeo.", path="videos.results[].site"),
    ColumnSpec("key", "string", "Its id there.", path="videos.results[].key"),
    ColumnSpec("size", "bigint", "Height of the picture.", "pixels", "videos.results[].size"),
    ColumnSpec("iso_639_1", "string", "Language.", path="videos.results[].iso_639_1"),
    ColumnSpec("iso_3166_1", "string", "Country of that language.", path="videos.results[].iso_3166_1"),
    ColumnSpec("published_at", "timestamp", "When it was put out.", path="videos.results[].published_at"),
    FETCHED_AT,
)


def movie_videos(answers: DataFrame) -> DataFrame:
    """One row for each video."""
    item = F.col("item")
    return listed(answers, F.col("videos")["results"]).select(
        "movie_id",
        "position",
        text(item["id"]).alias("video_id"),
        text(item["name"]).alias("name"),
        text(item["type"]).alias("type"),
        item["official"].alias("official"),
        text(item["site"]).alias("site"),
        text(item["key"]).alias("key"),
        item["size"].alias("size"),
        text(item["iso_639_1"]).alias("iso_639_1"),
        text(item["iso_3166_1"]).alias("iso_3166_1"),
        item["published_at"].alias("published_at"),
        "fetched_at",
    )


IMAGE_COLUMNS = (
    MOVIE_ID,
    ColumnSpec("kind", "string", "backdrop, logo or poster.", path="images"),
    POSITION,
    ColumnSpec("file_path", "string", "The image.", path="images.{kind}s[].file_path"),
    ColumnSpec("width", "bigint", "Width.", "pixels", "images.{kind}s[].width"),
    ColumnSpec("height", "bigint", "Height.", "pixels", "images.{kind}s[].height"),
    ColumnSpec("aspect_ratio", "double", "Width by height.", path="images.{kind}s[].aspect_ratio"),
    ColumnSpec("iso_639_1", "string", "Language of what is written on it.", path="images.{kind}s[].iso_639_1"),
    ColumnSpec("iso_3166_1", "string", "Country of that language.", path="images.{kind}s[].iso_3166_1"),
    ColumnSpec("vote_average", "double", "Mean of the votes, 0 to 10.", path="images.{kind}s[].vote_average"),
    ColumnSpec("vote_count", "bigint", "Number of votes.", path="images.{kind}s[].vote_count"),
    FETCHED_AT,
)


def movie_images(answers: DataFrame) -> DataFrame:
    """One row for each image, where the append `images` is asked for."""
    lists = [
        F.struct(F.lit(kind).alias("kind"), F.col("images")[f"{kind}s"].alias("items"))
        for kind in ("backdrop", "logo", "poster")
    ]
    # One list of three, because a union of three would read staging three times.
    kinds = answers.select(F.col("id").alias("movie_id"), "fetched_at", F.explode(F.array(*lists)).alias("of_kind"))
    images = kinds.select(
        "movie_id",
        "fetched_at",
        F.col("of_kind")["kind"].alias("kind"),
        F.posexplode(F.col("of_kind")["items"]).alias("position", "item"),
    )
    item = F.col("item")
    return images.filter(item.isNotNull()).select(
        "movie_id",
        "kind",
        "position",
        text(item["file_path"]).alias("file_path"),
        item["width"].alias("width"),
        item["height"].alias("height"),
        item["aspect_ratio"].alias("aspect_ratio"),
        text(item["iso_639_1"]).alias("iso_639_1"),
        text(item["iso_3166_1"]).alias("iso_3166_1"),
        item["vote_average"].alias("vote_average"),
        item["vote_count"].alias("vote_count"),
        "fetched_at",
    )


REVIEW_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("review_id", "string", "TMDB's id of the review.", path="reviews.results[].id"),
    ColumnSpec("author", "string", "Who wrote it.", path="reviews.results[].author"),
    ColumnSpec("name", "string", "The author's name.", path="reviews.results[].author_details.name"),
    ColumnSpec("username", "string", "The author's name on TMDB.", path="reviews.results[].author_details.username"),
    ColumnSpec("avatar_path", "string", "The author's picture.", path="reviews.results[].author_details.avatar_path"),
    ColumnSpec("rating", "double", "Their rating, 0 to 10.", path="reviews.results[].author_details.rating"),
    ColumnSpec("content", "string", "The review.", path="reviews.results[].content"),
    ColumnSpec("url", "string", "Where it stands.", path="reviews.results[].url"),
    ColumnSpec("created_at", "timestamp", "When it was written.", path="reviews.results[].created_at"),
    ColumnSpec("updated_at", "timestamp", "When it was last changed.", path="reviews.results[].updated_at"),
    FETCHED_AT,
)


def movie_reviews(answers: DataFrame) -> DataFrame:
    """One row for each review on the first page, where the append `reviews` is asked for."""
    item = F.col("item")
    author = item["author_details"]
    return listed(answers, F.col("reviews")["results"]).select(
        "movie_id",
        "position",
        text(item["id"]).alias("review_id"),
        text(item["author"]).alias("author"),
        text(author["name"]).alias("name"),
        text(author["username"]).alias("username"),
        text(author["avatar_path"]).alias("avatar_path"),
        author["rating"].alias("rating"),
        text(item["content"]).alias("content"),
        text(item["url"]).alias("url"),
        item["created_at"].alias("created_at"),
        item["updated_at"].alias("updated_at"),
        "fetched_at",
    )


_RECOMMENDED = "recommendations.results[]"

RECOMMENDATION_COLUMNS = (
    MOVIE_ID,
    POSITION,
    ColumnSpec("recommended_id", "bigint", "The movie recommended.", path=f"{_RECOMMENDED}.id"),
    ColumnSpec("media_type", "string", "movie.", path=f"{_RECOMMENDED}.media_type"),
    ColumnSpec("title", "string", "Its title.", path=f"{_RECOMMENDED}.title"),
    ColumnSpec("original_title", "string", "Its original title.", path=f"{_RECOMMENDED}.original_title"),
    ColumnSpec("original_language", "string", "Its original language.", path=f"{_RECOMMENDED}.original_language"),
    ColumnSpec("release_date", "date", "Its first release.", path=f"{_RECOMMENDED}.release_date"),
    ColumnSpec("popularity", "double", "Its popularity that day.", path=f"{_RECOMMENDED}.popularity"),
    ColumnSpec("vote_average", "double", "Mean of its votes.", path=f"{_RECOMMENDED}.vote_average"),
    ColumnSpec("vote_count", "bigint", "Number of its votes.", path=f"{_RECOMMENDED}.vote_count"),
    ColumnSpec("adult", "boolean", "Marked as pornographic.", path=f"{_RECOMMENDED}.adult"),
    ColumnSpec("softcore", "boolean", "Marked as softcore.", path=f"{_RECOMMENDED}.softcore"),
    ColumnSpec("video", "boolean", "Marked as a video.", path=f"{_RECOMMENDED}.video"),
    ColumnSpec("poster_path", "string", "Its poster.", path=f"{_RECOMMENDED}.poster_path"),
    ColumnSpec("backdrop_path", "string", "Its backdrop.", path=f"{_RECOMMENDED}.backdrop_path"),
    FETCHED_AT,
)


def movie_recommendations(answers: DataFrame) -> DataFrame:
    """One row for each movie on the first page of recommendations, best first."""
    item = F.col("item")
    return listed(answers, F.col("recommendations")["results"]).select(
        "movie_id",
        "position",
        item["id"].alias("recommended_id"),
        text(item["media_type"]).alias("media_type"),
        text(item["title"]).alias("title"),
        text(item["original_title"]).alias("original_title"),
        text(item["original_language"]).alias("original_language"),
        item["release_date"].alias("release_date"),
        item["popularity"].alias("popularity"),
        item["vote_average"].alias("vote_average"),
        item["vote_count"].alias("vote_count"),
        item["adult"].alias("adult"),
        item["softcore"].alias("softcore"),
        item["video"].alias("video"),
        text(item["poster_path"]).alias("poster_path"),
        text(item["backdrop_path"]).alias("backdrop_path"),
        "fetched_at",
    )


EXTERNAL_COLUMNS = (
    MOVIE_ID,
    ColumnSpec("source", "string", "imdb_id, wikidata_id, facebook_id and so on.", path="external_ids{source}"),
    ColumnSpec("external_id", "string", "The id there.", path="external_ids.{source}"),
    FETCHED_AT,
)


def movie_external_ids(answers: DataFrame) -> DataFrame:
    """One row for each id elsewhere; a site that TMDB adds is a new row."""
    pair = F.col("item")
    # Asked alone, the answer carries TMDB's own id too.
    rows = listed(answers, "external_ids").filter((pair["key"] != "id") & (pair["value"] != ""))
    return rows.select("movie_id", pair["key"].alias("source"), pair["value"].alias("external_id"), "fetched_at")
