"""What TMDB has of people."""

from __future__ import annotations

from reelhouse.entities import titles
from reelhouse.entities.schema import ColumnSpec, Entity, Export, Table, col

_KIND = "person"

_DEFAULT_APPENDS = ("external_ids", "images", "translations")

# What movies and series name alike; their tables have the rest.
_TITLE: tuple[ColumnSpec, ...] = (
    col("credit_id", "string", "credit_id", "TMDB's id of the credit."),
    col("media_type", "string", "media_type", "movie or tv."),
    col("title_id", "bigint", "id", "The movie or series."),
    col("episode_count", "bigint", "episode_count", "Of a series: with so many episodes.", "episodes"),
)

_CREDITS = (
    "movie_cast.person_id",
    "movie_crew.person_id",
    "tv_cast.person_id",
    "tv_crew.person_id",
    "tv_created_by.person_id",
    "episode_guest_star.person_id",
    "episode_crew.person_id",
)

PERSON = Entity(
    name=_KIND,
    plural="people",
    words="person people actor actress director cast crew pessoa persona name",
    path="/person/{id}",
    bytes_at_rest=900,
    external=("nm",),
    find="person_results",
    id_column="person_id",
    # TMDB has nearly five million.
    listing=Export("person_ids", least_rows=1_000_000, adult="adult_person_ids"),
    changes="/person/changes",
    follow={"credits": _CREDITS, "titles": _CREDITS},
    appends=(
        *_DEFAULT_APPENDS,
        "changes",
        "combined_credits",
        "movie_credits",
        "tagged_images",
        "tv_credits",
    ),
    default_appends=_DEFAULT_APPENDS,
    core=frozenset(("name", "biography", "known_for_department", "also_known_as")),
    # A first copy takes more than a day, and must keep no title waiting.
    priority=9,
    tables=(
        Table(
            _KIND,
            "One row per person, as TMDB shows it now.",
            key=("person_id",),
            columns=(
                col("imdb_id", "string", "imdb_id", "IMDb's id."),
                col("name", "string", "name", "Name."),
                col("gender", "bigint", "gender", "0 unknown, 1 female, 2 male, 3 non-binary."),
                col("known_for_department", "string", "known_for_department", "What they are known for."),
                col("birthday", "date", "birthday", "Day of birth."),
                col("deathday", "date", "deathday", "Day of death."),
                col("place_of_birth", "string", "place_of_birth", "Place of birth."),
                col("popularity", "double", "popularity", "TMDB's popularity that day; not comparable over years."),
                col("biography", "string", "biography", "Biography in the requested language."),
                col("homepage", "string", "homepage", "Web site."),
                col("adult", "boolean", "adult", "Marked as a pornographic performer."),
                col("profile_path", "string", "profile_path", "Portrait."),
            ),
        ),
        Table(
            "person_alias",
            "Other names of people.",
            rows="also_known_as[]",
            key=titles.listed(_KIND),
            columns=(col("name", "string", ".", "The other name."),),
        ),
        titles.external_ids(_KIND, "people"),
        Table(
            "person_image",
            "Portraits of people.",
            rows="images.profiles[]",
            key=titles.listed(_KIND),
            columns=titles.IMAGE,
        ),
        titles.translated(
            _KIND,
            "Biographies in other languages.",
            col("person_name", "string", "data.name", "Translated name; NULL where none was given."),
            col("biography", "string", "data.biography", "Translated life."),
        ),
        Table(
            "person_cast",
            "Roles of people in movies and series; filled only if `append` includes combined_credits.",
            rows="combined_credits.cast[]",
            key=titles.listed(_KIND),
            columns=(*_TITLE, titles.CHARACTER, titles.BILLING),
        ),
        Table(
            "person_crew",
            "Jobs of people in movies and series; filled only if `append` includes combined_credits.",
            rows="combined_credits.crew[]",
            key=titles.listed(_KIND),
            columns=(*_TITLE, titles.DEPARTMENT, titles.JOB),
        ),
    ),
)
