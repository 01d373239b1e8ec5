"""What an edit does to a body: a pure function of the body and the number of edits."""

from typing import Any


def revise(body: dict[str, Any], revision: int) -> None:
    """Turn the first edition of *body* into its *revision*-th; blocks it does not carry are left alone."""
    if not revision:
        return
    for field in ("overview", "biography", "description", "headquarters"):
        if field in body:
            body[field] = f"{body[field] or ''} (Edition {revision + 1}.)".lstrip()
    if "tagline" in body:
        body["tagline"] = f"Edition {revision + 1}."
    for field, step in (("runtime", 1), ("vote_count", 13)):
        if field in body:
            body[field] = (body[field] or 0) + step * revision
    for rows in ("keywords", "results"):
        _lose_and_regain_last(body, "keywords", rows, revision)
    _lose_and_regain_last(body, "credits", "crew", revision)


def season_revision(revision: int, place: int, seasons: int) -> int:
    """How many of a series' edits touched its season at *place*: they take turns, and the first edit the first."""
    return (revision - place + seasons - 1) // seasons


def revise_season(season: dict[str, Any], revision: int) -> None:
    """Edit a season's overview, and its first episode's overview, runtime and votes."""
    revise(season, revision)
    for episode in season["episodes"][:1]:
        revise(episode, revision)


def _lose_and_regain_last(body: dict[str, Any], block: str, rows: str, revision: int) -> None:
    """Odd editions lack the last row, so that a list can shrink and grow again."""
    if revision % 2 and rows in body.get(block, ()):
        body[block] = {**body[block], rows: body[block][rows][:-1]}
