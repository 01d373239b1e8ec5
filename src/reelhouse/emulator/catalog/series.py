"""The generated series: facts as those of movies, and seasons."""

from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any

from reelhouse.emulator.catalog import appends, reference
from reelhouse.emulator.catalog.credits import credits_of
from reelhouse.emulator.catalog.facts import Facts, overview_of, slug, tagline_of
from reelhouse.emulator.catalog.generated import (
    BUILDERS,
    GeneratedTitles,
    picture_of,
    production_countries,
    spoken_languages,
)
from reelhouse.emulator.catalog.kinds import EPISODE_BLOCKS, KINDS
from reelhouse.emulator.catalog.people_companies import Row, Things
from reelhouse.emulator.catalog.seasons import (
    EPISODE_IDS,
    SEASON_IDS,
    SeasonPlan,
    brief,
    plans_of,
    season_of,
    summary_of,
)
from reelhouse.emulator.catalog.seeds import mix, mix_text

STATUSES = ("Returning Series", "Planned", "In Production", "Ended", "Canceled", "Pilot")
TYPES = ("Documentary", "News", "Miniseries", "Reality", "Scripted", "Talk Show", "Video")
FIRST_IMDB_ID, FIRST_EPISODE_IMDB_ID, FIRST_TVDB_ID = 30_000_000, 40_000_000, 70_000
_FIRST_MOVIE_IMDB_ID = 9_000_000
# Which genre of television stands for each of the movies'.
_GENRE_OF = {
    28: 10759, 12: 10759, 14: 10765, 878: 10765, 36: 10768, 10752: 10768, 27: 9648, 53: 80, 10402: 10764,
    10749: 10766, 10770: 10767,
}  # fmt: skip
_PERSON_KEYS = ("id", "credit_id", "name", "original_name", "gender", "profile_path")
Block = dict[str, Any]


def genre_ids(facts: Facts) -> tuple[int, ...]:
    """Television's genres of a series, the defining one first."""
    movies = (reference.GENRES[at][0] for at in facts.genres)
    return tuple(dict.fromkeys(_GENRE_OF.get(number, number) for number in movies))


def imdb_id_of(facts: Facts) -> str | None:
    """The IMDb id; a few share theirs with an unrelated movie."""
    shared = facts.rank == 0 or facts.bits % 61 == 0
    return appends.imdb_id_of(facts, _FIRST_MOVIE_IMDB_ID if shared else FIRST_IMDB_ID)


def _tvdb_id(facts: Facts) -> int | None:
    return FIRST_TVDB_ID + facts.index if facts.bits & 7 else None


def _episode_imdb_id(number: int) -> str | None:
    return f"tt{FIRST_EPISODE_IMDB_ID + number}" if number % 3 else None


def _renamed(block: str, key: str) -> Callable[[Facts, Things, Random], Block]:
    """A movie's block with its rows under `results`."""
    return lambda facts, things, rng: {"results": BUILDERS[block](facts, things, rng)[key]}


def _external_ids_of(facts: Facts, things: Things, rng: Random) -> Block:
    ids = appends.external_ids_of(facts, things, rng)
    known = ids["wikidata_id"] is not None
    return {
        "imdb_id": imdb_id_of(facts),
        "freebase_mid": f"/m/0{facts.bits % 0xFFFFFF:x}" if known else None,
        "freebase_id": None,
        "tvdb_id": _tvdb_id(facts),
        "tvrage_id": facts.bits >> 8 & 0xFFFF if known else None,
        **{key: ids[key] for key in ("wikidata_id", "facebook_id", "instagram_id", "twitter_id")},
    }


def _translations_of(facts: Facts, things: Things, rng: Random) -> Block:
    rows = appends.translations_of(facts, things, rng)["translations"]
    for row in rows:
        data = row["data"]
        row["data"] = {
            "name": data["title"], "overview": data["overview"], "homepage": "", "tagline": data["tagline"],
        }  # fmt: skip
    return {"translations": rows}


def _providers_of(facts: Facts, things: Things, rng: Random) -> Block:
    offers = appends.watch_providers_of(facts, things, rng)["results"]
    for offer in offers.values():
        offer["link"] = offer["link"].replace("/movie/", "/tv/", 1)
        offer.pop("buy", None)
    return {"results": offers}


def _ratings_of(facts: Facts, things: Things, rng: Random) -> Block:
    countries = [country for country in reference.TV_CERTIFICATES if rng.random() < 0.2 + facts.fame]
    return {
        "results": [
            {"descriptors": [], "iso_3166_1": code, "rating": rng.choice(reference.TV_CERTIFICATES[code])}
            for code in countries
        ]
    }


def _credits_of(facts: Facts, things: Things, rng: Random) -> Block:
    """Those of every season; unlike a movie's cast, without `cast_id`."""
    found = credits_of(facts, things, rng)
    for row in found["cast"]:
        del row["cast_id"]
    return found


_SERIES_BUILDERS: dict[str, Callable[[Facts, Things, Random], Block]] = {
    **{name: BUILDERS[name] for name in ("images", "lists", "reviews", "videos")},
    "alternative_titles": _renamed("alternative_titles", "titles"),
    "content_ratings": _ratings_of,
    "credits": _credits_of,
    "episode_groups": lambda facts, things, rng: {"results": []},
    "external_ids": _external_ids_of,
    "keywords": _renamed("keywords", "keywords"),
    "screened_theatrically": lambda facts, things, rng: {"results": []},
    "translations": _translations_of,
    "watch/providers": _providers_of,
}


def aggregated(block: Block, episodes: int) -> Block:
    """`aggregate_credits` of a cast and crew in which everybody takes part in all *episodes*."""
    return {
        "cast": [
            {
                **{key: value for key, value in row.items() if key not in ("character", "credit_id", "order")},
                "roles": [{"credit_id": row["credit_id"], "character": row["character"], "episode_count": episodes}],
                "total_episode_count": episodes,
                "order": row["order"],
            }
            for row in block["cast"]
        ],
        "crew": [
            {
                **{key: value for key, value in row.items() if key not in ("job", "department", "credit_id")},
                "jobs": [{"credit_id": row["credit_id"], "job": row["job"], "episode_count": episodes}],
                "department": row["department"],
                "total_episode_count": episodes,
            }
            for row in block["crew"]
        ],
    }


class SeriesCatalogue(GeneratedTitles):
    """*size* invented series, and as many more as are added; people and companies are those of the movies."""

    kind = KINDS["tv"]
    builders = _SERIES_BUILDERS

    def __init__(self, seed: int, size: int, things: Things) -> None:
        super().__init__(mix_text(seed, "tv"), size, things)
        # A series asked for its own body and its seasons needs each season once.
        self._season = lru_cache(64)(self._new_season)

    def export_row(self, index: int) -> Row:
        row = self._titles.export_row(index)
        return {"id": row.id, "original_name": row.original_title, "popularity": row.popularity}

    def index_of_imdb(self, text: str) -> int | None:
        """The index an IMDb id leads to, None when no series carries it."""
        for first in (FIRST_IMDB_ID, _FIRST_MOVIE_IMDB_ID):
            index = appends.index_of_imdb_id(text, first)
            if index >= 0 and imdb_id_of(self._facts(index)) == text:
                return index
        return None

    def index_of_tvdb(self, number: int) -> int | None:
        """The index a TVDB id leads to, None when no series carries it."""
        index = number - FIRST_TVDB_ID
        return index if index >= 0 and _tvdb_id(self._facts(index)) == number else None

    def find_season(self, number: int) -> tuple[int, int] | None:
        index = self.index_of(number // SEASON_IDS)
        if index is None:
            return None
        return next(((index, season) for season, known in self.seasons(index) if known == number), None)

    def find_episode(self, number: int) -> tuple[int, int] | None:
        index, place = self.index_of(number // EPISODE_IDS), number % EPISODE_IDS
        if index is None:
            return None
        plans = plans_of(self._facts(index))
        return next(
            ((index, plan.number) for plan in plans if plan.before <= place < plan.before + plan.episodes), None
        )

    def episode_of_imdb(self, text: str) -> int | None:
        number = appends.index_of_imdb_id(text, FIRST_EPISODE_IMDB_ID)
        return number if number >= 0 and _episode_imdb_id(number) == text else None

    def detail(self, index: int) -> dict[str, Any]:
        facts = self._facts(index)
        rng = self._rng(facts, "detail")
        seasons = [summary_of(self._season(index, plan)) for plan in plans_of(facts)]
        regular = [season for season in seasons if season["season_number"]]
        last, following = self._last_episodes(index, facts)
        return {
            "adult": facts.adult,
            "backdrop_path": picture_of(facts, 0xBD, 0.35),
            "created_by": self._creators(facts, rng),
            "episode_run_time": [facts.runtime] if facts.bits >> 40 & 7 == 0 else [],
            "first_air_date": facts.release_date,
            "genres": [{"id": number, "name": reference.TV_GENRE_NAMES[number]} for number in genre_ids(facts)],
            "homepage": f"https://www.{slug(facts.title)}.example/" if rng.random() < 0.6 * facts.fame else "",
            "id": facts.id,
            "in_production": _status(facts) in ("Returning Series", "In Production"),
            "languages": [facts.language],
            "last_air_date": last and last["air_date"],
            "last_episode_to_air": last,
            "name": facts.title,
            "next_episode_to_air": following,
            "networks": self._networks(facts),
            "number_of_episodes": sum(season["episode_count"] for season in regular),
            "number_of_seasons": len(regular),
            "origin_country": [facts.country] if facts.bits >> 44 & 31 else [],
            "original_language": facts.language,
            "original_name": facts.original_title,
            "overview": overview_of(facts),
            "popularity": facts.popularity,
            "poster_path": picture_of(facts, 0x90, 0.55),
            "production_companies": self._companies(facts, rng),
            "production_countries": production_countries(facts, rng),
            "seasons": seasons,
            "softcore": facts.softcore,
            "spoken_languages": spoken_languages(facts, rng),
            "status": _status(facts),
            "tagline": tagline_of(facts),
            "type": _type(facts),
            "vote_average": facts.vote_average,
            "vote_count": facts.vote_count,
        }

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        if name != "aggregate_credits":
            return super().block(index, name, page)
        episodes = sum(plan.episodes for plan in plans_of(self._facts(index)) if plan.number)
        return aggregated(super().block(index, "credits", 1), episodes)

    def seasons(self, index: int) -> list[tuple[int, int]]:
        facts = self._facts(index)
        return [(plan.number, plan.id_in(facts.id)) for plan in plans_of(facts)]

    def season(self, index: int, number: int) -> dict[str, Any] | None:
        plan = next((plan for plan in plans_of(self._facts(index)) if plan.number == number), None)
        if plan is None:
            return None
        season = self._season(index, plan)
        return {**season, "episodes": [dict(episode) for episode in season["episodes"]]}

    def season_block(self, index: int, number: int, name: str) -> dict[str, Any]:
        facts = self._facts(index)
        plan = next(plan for plan in plans_of(facts) if plan.number == number)
        if name in ("credits", "aggregate_credits"):
            found = super().block(index, "credits", 1)
            return found if name == "credits" else aggregated(found, plan.episodes)
        if name == "watch/providers":
            return super().block(index, name, 1)
        return _part_block(name, plan.id_in(facts.id), facts, self.things, "posters")

    def episode_block(self, index: int, number: int, episode: dict[str, Any], name: str) -> dict[str, Any]:
        if name == "credits":
            cast = super().block(index, "credits", 1)["cast"]
            return {"cast": cast, "crew": episode["crew"], "guest_stars": episode["guest_stars"]}
        block = _part_block(name, episode["id"], self._facts(index), self.things, "stills")
        return {"imdb_id": _episode_imdb_id(episode["id"]), **block} if name == "external_ids" else block

    def _genre_ids(self, facts: Facts) -> tuple[int, ...]:
        return genre_ids(facts)

    def _new_row(self, index: int) -> Row:
        facts = self._facts(index)
        return {
            "adult": facts.adult,
            "backdrop_path": picture_of(facts, 0xBD, 0.35),
            "genre_ids": list(genre_ids(facts)),
            "id": facts.id,
            "origin_country": [facts.country] if facts.bits >> 44 & 31 else [],
            "original_language": facts.language,
            "original_name": facts.original_title,
            "overview": overview_of(facts),
            "popularity": facts.popularity,
            "poster_path": picture_of(facts, 0x90, 0.55),
            "first_air_date": facts.release_date,
            "softcore": facts.softcore,
            "name": facts.title,
            "vote_average": facts.vote_average,
            "vote_count": facts.vote_count,
        }

    def _new_season(self, index: int, plan: SeasonPlan) -> dict[str, Any]:
        facts = self._facts(index)
        return season_of(facts, self.things, plan, self._networks(facts))

    def _networks(self, facts: Facts) -> list[Row]:
        bits = mix(facts.bits, 0x4E7)
        chances = (bits / 2**64, (bits >> 32) / 2**32) if bits & 15 == 0 else (bits / 2**64,)
        rows = (self.things.broadcaster(chance) for chance in chances) if bits & 7 != 7 else ()
        return list({row["id"]: row for row in rows}.values())

    def _creators(self, facts: Facts, rng: Random) -> list[Row]:
        rows = []
        for _ in range(int(3 * rng.random() * (0.3 + facts.fame))):
            person = self.things.worker(rng.random(), 1) | {"credit_id": rng.randbytes(12).hex()}
            rows.append({key: person[key] for key in _PERSON_KEYS})
        return rows

    def _last_episodes(self, index: int, facts: Facts) -> tuple[Row | None, Row | None]:
        """The last episode aired, and the next one where one is announced."""
        plans = [plan for plan in plans_of(facts) if plan.episodes and plan.number]
        if not plans:
            return None, None
        episodes = self._season(index, plans[-1])["episodes"]
        if _status(facts) != "Returning Series" or facts.bits & 1:
            return brief(episodes[-1]), None
        return (brief(episodes[-2]) if len(episodes) > 1 else None), brief(episodes[-1])


def _status(facts: Facts) -> str:
    chance = mix(facts.bits, 0x57A7) & 15
    if not facts.released:
        return STATUSES[1 + chance % 2]
    return STATUSES[0 if chance < 6 else 4 if chance == 15 else 5 if chance == 14 else 3]


def _type(facts: Facts) -> str:
    chance = mix(facts.bits, 0x7F9E) & 31
    return TYPES[chance] if chance < len(TYPES) else "Scripted"


def _part_block(name: str, number: int, facts: Facts, things: Things, pictures: str) -> Block:
    """A block that seasons and episodes have alike; their TVDB id is their TMDB id, so one may find both."""
    rng = Random(mix(number, mix_text(7, name)))
    if name == "external_ids":
        ids = dict.fromkeys(key for key in EPISODE_BLOCKS[name] if key != "imdb_id")
        return {**ids, "tvdb_id": number if number % 7 else None}
    if name == "images":
        ratio, height = (0.667, 1500) if pictures == "posters" else (1.778, 1080)
        return {pictures: [appends.image(rng, ratio, height) for _ in range(int(4 * rng.random()))]}
    if name == "translations":
        rows = _translations_of(facts, things, rng)["translations"]
        return {"translations": [row | {"data": {"name": "", "overview": row["data"]["overview"]}} for row in rows]}
    return {"results": []}
