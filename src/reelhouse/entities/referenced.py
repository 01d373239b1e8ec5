"""What titles refer to by an id: collections, companies, networks and keywords.

TMDB has no list of changes of them, so they are refreshed by age.
"""

from __future__ import annotations

from reelhouse.entities import titles
from reelhouse.entities.schema import Entity, Export, Table, col

_PRIORITY = 7

COLLECTION = Entity(
    name="collection",
    plural="collections",
    words="collection collections",
    path="/collection/{id}",
    id_column="collection_id",
    listing=Export("collection_ids", least_rows=2_000, popularity=False),
    follow={"titles": ("movie.collection_id",)},
    appends=("images", "translations"),
    core=frozenset(("name", "overview", "parts")),
    stale_after_days=30,
    priority=_PRIORITY,
    tables=(
        Table(
            "collection",
            "One row per collection, as TMDB shows it now.",
            key=("collection_id",),
            columns=(
                col("name", "string", "name", "Name in the requested language."),
                col("original_name", "string", "original_name", "Name in the original language."),
                col("original_language", "string", "original_language", "Original language, as TMDB codes it."),
                col("overview", "string", "overview", "What it is about."),
                col("poster_path", "string", "poster_path", "Poster."),
                col("backdrop_path", "string", "backdrop_path", "Backdrop image."),
            ),
        ),
        Table(
            "collection_part",
            "Movies of collections.",
            rows="parts[]",
            key=titles.listed("collection"),
            columns=(
                col("movie_id", "bigint", "id", "The movie."),
                col("media_type", "string", "media_type", "movie, and what may come."),
                col("title", "string", "title", "Its title."),
                col("original_title", "string", "original_title", "Its original title."),
                col("release_date", "date", "release_date", "Its first release."),
            ),
        ),
        Table(
            "collection_image",
            "Images of collections; filled only if `append` includes images.",
            rows="images.{kind=backdrop,poster}s[]",
            key=("collection_id", "kind", "position"),
            columns=(col("kind", "string", "", "backdrop or poster."), *titles.IMAGE),
        ),
        titles.translated(
            "collection",
            "Names and texts of collections in other languages; filled only if `append` includes translations.",
            col("title", "string", "data.title", "Translated name; NULL where none was given."),
            col("overview", "string", "data.overview", "Translated text."),
            col("homepage", "string", "data.homepage", "Web site in that language."),
        ),
    ),
)

_NAME = col("name", "string", "name", "Name.")
_HOUSE = (
    _NAME,
    col("origin_country", "string", "origin_country", "Its country (ISO 3166-1)."),
    col("headquarters", "string", "headquarters", "Where it is."),
    col("homepage", "string", "homepage", "Web site."),
    col("logo_path", "string", "logo_path", "Its logo."),
)

COMPANY = Entity(
    name="company",
    plural="companies",
    words="company companies studio",
    path="/company/{id}",
    id_column="company_id",
    listing=Export("production_company_ids", least_rows=50_000, popularity=False),
    follow={"titles": ("movie_production_company.company_id", "tv_production_company.company_id")},
    appends=("alternative_names", "images"),
    core=frozenset(("name", "headquarters", "origin_country")),
    priority=_PRIORITY,
    tables=(
        Table(
            "company",
            "One row per production company, as TMDB shows it now.",
            key=("company_id",),
            columns=(
                *_HOUSE,
                col("description", "string", "description", "What it is."),
                col("parent_company_id", "bigint", "parent_company.id", "The company that owns it."),
                col("parent_company_name", "string", "parent_company.name", "Name of the company that owns it."),
            ),
        ),
    ),
)

NETWORK = Entity(
    name="network",
    plural="networks",
    words="network networks",
    path="/network/{id}",
    id_column="network_id",
    listing=Export("tv_network_ids", least_rows=1_000, popularity=False),
    follow={"titles": ("tv_network.network_id",)},
    core=frozenset(("name", "headquarters", "origin_country")),
    priority=_PRIORITY,
    tables=(Table("network", "One row per network, as TMDB shows it now.", key=("network_id",), columns=_HOUSE),),
)

KEYWORD = Entity(
    name="keyword",
    plural="keywords",
    words="keyword keywords",
    path="/keyword/{id}",
    id_column="keyword_id",
    listing=Export("keyword_ids", least_rows=20_000, popularity=False),
    follow={"titles": ("movie_keyword.keyword_id", "tv_keyword.keyword_id")},
    core=frozenset(("name",)),
    priority=_PRIORITY,
    tables=(Table("keyword", "One row per keyword.", key=("keyword_id",), columns=(_NAME,)),),
)

REFERENCED: tuple[Entity, ...] = (COLLECTION, COMPANY, NETWORK, KEYWORD)
