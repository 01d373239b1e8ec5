"""Applies `language` to a body: translated texts, and "" without a translation; no fallback."""

from typing import Any

_WORDS = ("overview", "tagline", "homepage", "biography")


def localize(body: dict[str, Any], translations: list[dict[str, Any]], language: str, title: str) -> None:
    """Put *body*, whose name is under *title*, into *language* (`de`, `pt-BR`); it is written in English."""
    code, _, country = language.partition("-")
    if not translations or code in ("", "en"):
        return
    rows = [row for row in translations if row["iso_639_1"] == code]
    row = next((row for row in rows if row["iso_3166_1"] == country), rows[0] if rows else {"data": {}})
    if f"original_{title}" in body:
        body[title] = row["data"].get(title) or body[f"original_{title}"]
    for key in _WORDS:
        if key in body:
            body[key] = row["data"].get(key) or ""


def localize_season(season: dict[str, Any]) -> None:
    """Put a season into a language that it is not translated into."""
    season["overview"] = ""
    for episode in season["episodes"]:
        episode["overview"], episode["name"] = "", f"Episode {episode['episode_number']}"
