"""The blocks that `append_to_response` adds, credits apart: each a function of a title's facts and its own chance."""

from datetime import date, timedelta
from random import Random
from typing import Any

from reelhouse.emulator.catalog import reference, vocabulary
from reelhouse.emulator.catalog.facts import Facts, overview_in, overview_of, slug, tagline_of
from reelhouse.emulator.catalog.people_companies import Row, Things, picture

_FIRST_IMDB_ID = 9_000_000
_RELEASE_TYPES = (3, 3, 3, 4, 1, 2, 5, 6)
_VIDEO_KINDS = ("Trailer", "Teaser", "Clip", "Featurette", "Behind the Scenes")


def keywords_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`keywords`: none for a third of the tail."""
    count = int((0.4 + 14 * facts.fame) * 1.6 * rng.random())
    rows = (things.topic(rng.random()) for _ in range(count))
    return {"keywords": list({row["id"]: row for row in rows}.values())}


def alternative_titles_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`alternative_titles`: `titles`, the type mostly ""."""
    count = int(7 * facts.fame * rng.random() * 1.5)
    return {"titles": [_alternative_title(facts, rng) for _ in range(count)]}


def _alternative_title(facts: Facts, rng: Random) -> Row:
    country = reference.COUNTRIES[int(rng.random() * 40)][0]
    kind = ("", "", "", "working title", "informal title", "romanization")[int(rng.random() * 6)]
    return {"iso_3166_1": country, "title": translated_title(rng) or f"{facts.title} ({country})", "type": kind}


def translated_title(rng: Random, language: str = "") -> str:
    """A title in *language*, or in any; "" for a language that has none here."""
    language = language or tuple(vocabulary.NATIVE_TITLES)[int(rng.random() * len(vocabulary.NATIVE_TITLES))]
    native = vocabulary.NATIVE_TITLES.get(language)
    if native is None:
        return ""
    first, second, joint = native
    return first[int(rng.random() * len(first))] + joint + second[int(rng.random() * len(second))]


def translations_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`translations`: the row of the original language has its title empty, as TMDB's has."""
    share = 0.04 + 0.75 * facts.fame
    rows = []
    for country, language, name, english_name in reference.LOCALES:
        original = language == facts.language
        if not original and language != "en" and rng.random() > share:
            continue
        data = _translation(facts, rng, language, original)
        rows.append(
            {"iso_3166_1": country, "iso_639_1": language, "name": name, "english_name": english_name, "data": data}
        )
    return {"translations": rows}


def _translation(facts: Facts, rng: Random, language: str, original: bool) -> Row:
    if language == "en":
        text, tagline, title = overview_of(facts), tagline_of(facts), "" if original else facts.title
    else:
        text, tagline, title = overview_in(language, rng), "", "" if original else translated_title(rng, language)
    runtime = facts.runtime if rng.random() < 0.5 else 0
    return {"homepage": "", "overview": text, "runtime": runtime, "tagline": tagline, "title": title}


def release_dates_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`release_dates`: first the movie's own country, then others up to some months later."""
    if not facts.day:
        return {"results": []}
    others = int(rng.random() * 16 * facts.fame**1.2 + 0.3)
    countries = dict.fromkeys([facts.country, *(reference.COUNTRIES[int(rng.random() * 44)][0] for _ in range(others))])
    return {"results": [{"iso_3166_1": code, "release_dates": _releases(facts, rng, code)} for code in countries]}


def _releases(facts: Facts, rng: Random, country: str) -> list[Row]:
    delay = 0 if country == facts.country else int(200 * rng.random() ** 2)
    rows = [_release(rng, country, facts.day + delay, 3 if delay else _RELEASE_TYPES[int(rng.random() * 8)])]
    if rng.random() < 0.25 * facts.fame + 0.03:
        rows.append(_release(rng, country, facts.day + delay + 60 + int(120 * rng.random()), 4))
    return rows


def _release(rng: Random, country: str, day: int, kind: int) -> Row:
    marks = reference.CERTIFICATES.get(country, ("",))
    certificate = marks[int(rng.random() * len(marks))] if rng.random() < 0.7 else ""
    return {
        "certification": certificate,
        "descriptors": ["Violence"] if rng.random() < 0.02 else [],
        "iso_639_1": "" if rng.random() < 0.9 else "en",
        "note": ("Parade Prime", "Winter Film Festival", "Director's cut")[day % 3] if rng.random() < 0.1 else "",
        "release_date": f"{date.fromordinal(day).isoformat()}T00:00:00.000Z",
        "type": kind,
    }


def external_ids_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`external_ids`: null and "" both mean unknown."""
    known, handle = rng.random() < 0.1 + 0.7 * facts.fame, slug(facts.title).replace("-", "")[:20]
    social = handle if known and facts.fame > 0.4 and handle else None
    return {
        "imdb_id": imdb_id_of(facts),
        "wikidata_id": f"Q{1_000_000 + facts.bits % 120_000_000}" if known else None,
        "facebook_id": social or (None if facts.bits & 3 else ""),
        "instagram_id": social,
        "twitter_id": social if facts.bits & 4 else None,
    }


def imdb_id_of(facts: Facts, first: int = _FIRST_IMDB_ID) -> str | None:
    """The IMDb id, a number that leads back to the title's index; null for some, "" for a few."""
    chance = facts.bits >> 50 & 127
    if chance < (4 if facts.fame > 0.2 else 40):
        return None
    return "" if chance == 127 else f"tt{first + facts.index:07d}"


def index_of_imdb_id(text: str, first: int = _FIRST_IMDB_ID) -> int:
    """Undo `imdb_id_of`; negative for an id that is nobody's."""
    return int(text[2:]) - first if text[2:].isascii() and text[2:].isdigit() else -1


def videos_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`videos`, with the id last as TMDB sends it."""
    count = int(6 * facts.fame * rng.random() * 1.3)
    return {"results": [_video(facts, rng) for _ in range(count)]}


def _video(facts: Facts, rng: Random) -> Row:
    kind = _VIDEO_KINDS[int(rng.random() ** 1.5 * len(_VIDEO_KINDS))]
    language, country = ("en", "US") if rng.random() < 0.8 else (facts.language, facts.country)
    published = date.fromordinal(max(facts.day or 730_000, 732_000)) + timedelta(days=int(rng.random() * 90))
    return {
        "iso_639_1": language,
        "iso_3166_1": country,
        "name": f"{facts.title} | Official {kind}" if rng.random() < 0.6 else kind,
        "key": rng.randbytes(6).hex()[:11],
        "site": "YouTube" if rng.random() < 0.97 else "Vimeo",
        "size": (1080, 1080, 2160, 720, 480, 360)[int(rng.random() * 6)],
        "type": kind,
        "official": rng.random() < 0.7,
        "published_at": f"{published.isoformat()}T{int(rng.random() * 24):02d}:00:03.000Z",
        "id": rng.randbytes(12).hex(),
    }


def watch_providers_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`watch/providers`: a map by country, each with some of flatrate, rent, buy, ads, free."""
    share = 0.01 + 0.3 * facts.fame**1.2
    countries = [row[0] for row in reference.COUNTRIES[:44] if rng.random() < share] if facts.released else []
    return {"results": {code: _offers(facts, rng, code) for code in countries}}


def _offers(facts: Facts, rng: Random, country: str) -> Row:
    here = [row for row in reference.PROVIDERS if not row[2] or country in row[2]]
    offers: Row = {"link": f"https://www.themoviedb.org/movie/{facts.id}-{slug(facts.title)}/watch?locale={country}"}
    for kind, share in (("flatrate", 0.75), ("rent", 0.35), ("buy", 0.35), ("ads", 0.06), ("free", 0.03)):
        if rng.random() < share:
            count = 1 + int(rng.random() * 2)
            offers[kind] = [_provider(here[int(rng.random() * len(here))]) for _ in range(count)]
    return offers


def _provider(row: tuple[int, str, tuple[str, ...]]) -> Row:
    return {
        "logo_path": picture(row[0] * 0x9E3779B97F4A7C15),
        "provider_id": row[0],
        "provider_name": row[1],
        "display_priority": row[0] % 40,
    }


def images_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`images`: backdrops without text, posters and logos by language."""
    scale = 2 + 30 * facts.fame
    return {
        "backdrops": [image(rng, 1.778, 1080, "jpg") for _ in range(int(scale * rng.random()))],
        "logos": [image(rng, 3.1, 500, "png") for _ in range(int(scale * rng.random() / 2))],
        "posters": [image(rng, 0.667, 1500, "jpg") for _ in range(int(scale * rng.random()))],
    }


def image(rng: Random, ratio: float, height: int, ending: str = "jpg") -> Row:
    """One picture; a third of them has no language."""
    country, language = (None, None) if rng.random() < 0.4 else reference.LOCALES[int(rng.random() * 18)][:2]
    votes = int(rng.random() ** 3 * 30)
    return {
        "aspect_ratio": ratio,
        "height": height,
        "iso_3166_1": country,
        "iso_639_1": language,
        "file_path": picture(rng.getrandbits(64), ending),
        "vote_average": round(3 + 4 * rng.random(), 3) if votes else 0.0,
        "vote_count": votes,
        "width": round(height * ratio),
    }


def reviews_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`reviews`, one page."""
    rows = [_review(facts, rng) for _ in range(int(5 * facts.fame * rng.random()))]
    return {"page": 1, "results": rows, "total_pages": 1 if rows else 0, "total_results": len(rows)}


def _review(facts: Facts, rng: Random) -> Row:
    name = vocabulary.GIVEN[facts.bits & 1][int(rng.random() * 40)]
    review_id = rng.randbytes(12).hex()
    day = date.fromordinal(max(facts.day or 734_000, 734_000) + int(rng.random() * 900))
    return {
        "author": name,
        "author_details": {
            "name": name if rng.random() < 0.5 else "",
            "username": name.lower(),
            "avatar_path": picture(rng.getrandbits(64)) if rng.random() < 0.4 else None,
            "rating": float(int(rng.random() * 11)) if rng.random() < 0.9 else None,
        },
        "content": vocabulary.REVIEWS[int(rng.random() * len(vocabulary.REVIEWS))],
        "created_at": f"{day.isoformat()}T04:25:54{'Z' if rng.random() < 0.5 else '.000Z'}",
        "id": review_id,
        "updated_at": f"{(day + timedelta(days=3)).isoformat()}T15:58:09.112Z",
        "url": f"https://www.themoviedb.org/review/{review_id}",
    }


def lists_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """`lists` of users that name the movie, first page."""
    rows = [_user_list(rng) for _ in range(int(20 * facts.fame * rng.random()))]
    return {"page": 1, "results": rows, "total_pages": 1 if rows else 0, "total_results": len(rows)}


def _user_list(rng: Random) -> Row:
    return {
        "description": "" if rng.random() < 0.8 else "Seen, or meant to be.",
        "favorite_count": 0,
        "id": 1_000_000 + rng.getrandbits(23),
        "item_count": 1 + int(2500 * rng.random() ** 3),
        "iso_639_1": "en",
        "iso_3166_1": "US",
        "list_type": "movie",
        "name": ("Movies", "list", "to watch", "🎥", "Winter")[int(rng.random() * 5)],
        "poster_path": None,
    }
