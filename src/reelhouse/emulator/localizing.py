"""Applies `language` to a body: translated texts, and "" without a translation; no fallback."""

from typing import Any

_WORDS = ("overview", "tagline", "homepage")


def localize(body: dict[str, Any], translations: list[dict[str, Any]], language: str) -> None:
    """Put *body* into *language* (`de`, `pt-BR`); English is what it is written in."""
    code, _, country = language.partition("-")
    if not translations or code in ("", "en"):
        return
    rows = [row for row in translations if row["iso_639_1"] == code]
    row = next((row for row in rows if row["iso_3166_1"] == country), rows[0] if rows else {"data": {}})
    body["title"] = row["data"].get("title") or body["original_title"]
    for key in _WORDS:
        body[key] = row["data"].get(key) or ""
