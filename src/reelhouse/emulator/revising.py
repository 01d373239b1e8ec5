"""What an edit does to a movie: a pure function of its body and the number of edits."""

from typing import Any

# The visible fields an edit touches, by the key under which TMDB's change items name them.
EDITED = {"overview": "overview", "tagline": "tagline", "runtime": "runtime"}


def revise(body: dict[str, Any], revision: int) -> None:
    """Turn the first edition of *body* into its *revision*-th; blocks it does not carry are left alone."""
    if not revision:
        return
    if "overview" in body:
        body["overview"] = f"{body['overview'] or ''} (Edition {revision + 1}.)".lstrip()
    if "tagline" in body:
        body["tagline"] = f"Edition {revision + 1}."
    for field, step in (("runtime", 1), ("vote_count", 13)):
        if field in body:
            body[field] = (body[field] or 0) + step * revision
    _lose_and_regain_last(body, "keywords", "keywords", revision)
    _lose_and_regain_last(body, "credits", "crew", revision)


def _lose_and_regain_last(body: dict[str, Any], block: str, rows: str, revision: int) -> None:
    """Odd editions lack the last row, so that a list can shrink and grow again."""
    if revision % 2 and block in body:
        body[block] = {**body[block], rows: body[block][rows][:-1]}
