"""A plugin of datasette: paths of images are shown as the images, which the browser loads from TMDB."""

from __future__ import annotations

from datasette import hookimpl
from markupsafe import Markup, escape

_PATHS = ("poster_path", "profile_path", "logo_path", "backdrop_path", "still_path")


@hookimpl  # type: ignore[untyped-decorator]
def render_cell(value: object, column: str) -> Markup | None:
    """An image for a path, None for all other cells."""
    if not column.endswith(_PATHS) or not isinstance(value, str) or not value.startswith("/"):
        return None
    return Markup('<img src="https://image.tmdb.org/t/p/w92{}" alt="{}" loading="lazy" width="92">').format(
        escape(value), escape(column.replace("_", " "))
    )
