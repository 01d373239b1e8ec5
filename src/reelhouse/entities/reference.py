"""TMDB's reference lists. Each is one answer without ids; lists of several kinds of titles share a table."""

from __future__ import annotations

from reelhouse.entities.schema import Entity, Single, Table, col, fixed

_STALE_AFTER_DAYS = 30
# Before all records, whose codes and ids they explain.
_PRIORITY = 1

_KINDS = ("movie", "tv")


def _list(
    name: str, path: str, *tables: Table, least_rows: int = 1, core: str = "", stale_after_days: int = _STALE_AFTER_DAYS
) -> Entity:
    return Entity(
        name=name,
        path=path,
        listing=Single(least_rows),
        core=frozenset(core.split()),
        stale_after_days=stale_after_days,
        priority=_PRIORITY,
        group="reference",
        plural=f"{name.replace('_', ' ')} lists",
        tables=tables,
    )


def _countries(name: str, about: str, rows: str) -> Table:
    return Table(
        name,
        about,
        rows=rows,
        key=("iso_3166_1",),
        columns=(
            col("iso_3166_1", "string", "iso_3166_1", "The country, as TMDB codes it."),
            col("english_name", "string", "english_name", "Its name in English."),
            col("native_name", "string", "native_name", "Its name in the requested language."),
        ),
    )


def _genres(kind: str) -> Entity:
    return _list(
        f"genre_{kind}",
        f"/genre/{kind}/list",
        Table(
            "genre",
            "Genres of movies and of series.",
            rows="genres[]",
            key=("kind", "genre_id"),
            columns=(
                fixed("kind", kind, "movie or tv."),
                col("genre_id", "bigint", "id", "The genre."),
                col("name", "string", "name", "Its name in the requested language."),
            ),
        ),
        core="genres",
    )


def _certifications(kind: str) -> Entity:
    return _list(
        f"certification_{kind}",
        f"/certification/{kind}/list",
        Table(
            "certification",
            "Age ratings by country.",
            rows="certifications.{iso_3166_1}[]",
            key=("kind", "iso_3166_1", "position"),
            columns=(
                fixed("kind", kind, "movie or tv."),
                col("iso_3166_1", "string", "", "Where it is used."),
                col("certification", "string", "certification", "The age rating."),
                col("meaning", "string", "meaning", "What it means."),
                col("order", "bigint", "order", "TMDB's order within the country, the mildest first."),
            ),
        ),
        core="certifications",
    )


def _watch_providers(kind: str) -> Entity:
    return _list(
        f"watch_provider_{kind}",
        f"/watch/providers/{kind}",
        Table(
            "watch_provider",
            "Providers that offer movies or series. Data by JustWatch.",
            rows="results[]",
            key=("kind", "provider_id"),
            columns=(
                fixed("kind", kind, "movie or tv."),
                col("provider_id", "bigint", "provider_id", "The provider."),
                col("provider_name", "string", "provider_name", "Its name."),
                col("display_priority", "bigint", "display_priority", "TMDB's order among providers."),
                col("logo_path", "string", "logo_path", "Its logo."),
            ),
        ),
        Table(
            "watch_provider_priority",
            "TMDB's order among the providers of a country. Data by JustWatch.",
            rows="results[].display_priorities.{iso_3166_1}",
            key=("kind", "provider_id", "iso_3166_1"),
            columns=(
                fixed("kind", kind, "movie or tv."),
                col("provider_id", "bigint", "^provider_id", "The provider."),
                col("iso_3166_1", "string", "", "Where the order counts."),
                col("display_priority", "bigint", ".", "TMDB's order among the providers there."),
            ),
        ),
        core="results",
        stale_after_days=7,
    )


_LANGUAGES = Table(
    "language",
    "Languages, as TMDB codes them.",
    rows="[]",
    key=("iso_639_1",),
    columns=(
        col("iso_639_1", "string", "iso_639_1", "The language, as TMDB codes it."),
        col("english_name", "string", "english_name", "Its name in English."),
        col("name", "string", "name", "Its own name."),
    ),
)

_PRIMARY_TRANSLATIONS = Table(
    "primary_translation",
    "Languages with a country that TMDB is translated into.",
    rows="[]",
    key=("locale",),
    columns=(col("locale", "string", ".", "Language and country, such as pt-BR."),),
)

_TIMEZONES = Table(
    "timezone",
    "Time zones of countries.",
    rows="[].zones[]",
    key=("iso_3166_1", "position"),
    columns=(
        col("iso_3166_1", "string", "^iso_3166_1", "The country."),
        col("zone", "string", ".", "Its time zone, such as America/Sao_Paulo."),
    ),
)

_JOBS = Table(
    "job",
    "Jobs of a crew by department.",
    rows="[].jobs[]",
    key=("department", "position"),
    columns=(
        col("department", "string", "^department", "The department."),
        col("job", "string", ".", "The job."),
    ),
)

_CONFIGURATION = (
    Table(
        "configuration",
        "Where TMDB's images are: one row.",
        columns=(
            col("base_url", "string", "images.base_url", "What the address of an image begins with."),
            col("secure_base_url", "string", "images.secure_base_url", "The same for https."),
        ),
    ),
    Table(
        "configuration_image_size",
        "Sizes of images: an image's address is secure_base_url, a size and its path.",
        rows="images.{kind=backdrop,logo,poster,profile,still}_sizes[]",
        key=("kind", "position"),
        columns=(
            col("kind", "string", "", "backdrop, logo, poster, profile or still."),
            col("size", "string", ".", "The size, such as w500."),
        ),
    ),
    Table(
        "configuration_change_key",
        "What TMDB's lists of changes call fields.",
        rows="change_keys[]",
        key=("position",),
        columns=(col("change_key", "string", ".", "The field's name."),),
    ),
)

REFERENCE_LISTS: tuple[Entity, ...] = (
    _list("configuration", "/configuration", *_CONFIGURATION, core="images change_keys"),
    _list(
        "country",
        "/configuration/countries",
        _countries("country", "Countries, as TMDB codes them.", "[]"),
        least_rows=20,
    ),
    _list("language", "/configuration/languages", _LANGUAGES, least_rows=20),
    _list("primary_translation", "/configuration/primary_translations", _PRIMARY_TRANSLATIONS, least_rows=10),
    _list("timezone", "/configuration/timezones", _TIMEZONES, least_rows=5),
    _list("job", "/configuration/jobs", _JOBS, least_rows=5),
    *(_genres(kind) for kind in _KINDS),
    *(_certifications(kind) for kind in _KINDS),
    *(_watch_providers(kind) for kind in _KINDS),
    _list(
        "watch_provider_region",
        "/watch/providers/regions",
        _countries("watch_provider_region", "Countries with offers of providers. Data by JustWatch.", "results[]"),
        core="results",
    ),
)
