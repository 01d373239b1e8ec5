"""What requests to the API have in common: pages, dates, languages, and how a body is built."""

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from reelhouse.emulator.errors import Refusal

Query = Mapping[str, str]
PAGE_SIZE, LAST_PAGE, MOST_APPENDS = 20, 500, 20
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T].*)?")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """How to *build* the requested body, the *key* to cache it by (None: never), and whether it takes long."""

    build: Callable[[], Any]
    key: Hashable = None
    slow: bool = False


def page_of(query: Query) -> int:
    """The requested page; raises `Refusal` outside of 1 to 500."""
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PAGE):
        raise Refusal(22)
    return int(text)


def page_slice(found: Any, page: int, size: int) -> Any:
    """The rows of one page."""
    return found[(page - 1) * size : page * size]


def date_of(text: str | None) -> date | None:
    """A date; TMDB ignores a time of day."""
    if not text:
        return None
    found = _DATE.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError:
        raise Refusal(23) from None


def appends_of(query: Query) -> list[str]:
    """The requested blocks, each once; unknown names count too, and are ignored later."""
    names = [name for name in query.get("append_to_response", "").split(",") if name]
    if len(names) > MOST_APPENDS:
        raise Refusal(27)
    return list(dict.fromkeys(names))


def filters_of(query: Query, blocks: bool) -> tuple[str | None, ...]:
    """The parts of the query that change a body with *blocks* or without."""
    names = ("language", "country", "include_image_language", "include_video_language")
    return tuple(query.get(name) for name in (names if blocks else names[:1]))


def filtered(name: str, block: dict[str, Any], query: Query) -> dict[str, Any]:
    """The rows of images and videos in the requested languages, of alternative titles in the requested country."""
    if name == "alternative_titles" and query.get("country"):
        (rows,) = block
        return {rows: [row for row in block[rows] if row["iso_3166_1"] == query["country"]]}
    if name not in ("images", "videos"):
        return block
    asked = query.get(f"include_{name[:-1]}_language") or query.get("language", "")
    languages = {part.partition("-")[0] for part in asked.split(",") if part}
    if not languages:
        return block
    return {
        key: [row for row in rows if str(row.get("iso_639_1") or "null") in languages]
        if isinstance(rows, list)
        else rows
        for key, rows in block.items()
    }
