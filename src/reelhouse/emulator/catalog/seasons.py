"""Which seasons a generated series has, and their bodies: a function of the series' facts."""

from datetime import date
from random import Random
from typing import Any, NamedTuple

from reelhouse.emulator.catalog import reference, vocabulary
from reelhouse.emulator.catalog.credits import character_name
from reelhouse.emulator.catalog.facts import TODAY, Facts, overview_of
from reelhouse.emulator.catalog.people_companies import Row, Things, picture
from reelhouse.emulator.catalog.seeds import mix, mix_text

# An episode number that needs more than 32 bits; TMDB has this one.
LARGE_NUMBER = 185_472_180_051
LONG_SEASON = 2_868
_SEASON_SALT = mix_text(7, "season")
# The ids of a series' seasons and episodes are its own times these, and on.
SEASON_IDS, EPISODE_IDS = 50, 3_000
_EPISODE_KEYS = (
    "id", "name", "overview", "vote_average", "vote_count", "air_date", "episode_number", "episode_type",
    "production_code", "runtime", "season_number", "show_id", "still_path",
)  # fmt: skip
# What the best known series have: each is a shape that a client must survive.
_SHAPES: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0, 30), *((number, 8 + number % 5) for number in range(1, 26))),
    ((0, 2), *((number, 10) for number in range(1, 6))),
    ((1, LONG_SEASON),),
    (),
    tuple((year, 6) for year in range(2019, 2024)),
    tuple((number, 3) for number in range(1, 22)),
    ((0, 1), (1, 8), (2, 8), (4, 8)),
    ((1, 8), (2, 0)),
)
_LARGE_NUMBER_RANK, _LONG_RANK = 1, 2


class SeasonPlan(NamedTuple):
    """A season in brief: its *place* among its series' seasons, how many episodes came *before* it,
    and from which *day* (0: unknown) its episodes air every *step* days."""

    place: int
    number: int
    episodes: int
    before: int
    day: int
    step: int

    def id_in(self, series: int) -> int:
        """The id of the season."""
        return series * SEASON_IDS + self.place


def plans_of(facts: Facts) -> list[SeasonPlan]:
    """The seasons of a series, season 0 first where there is one."""
    plans: list[SeasonPlan] = []
    before, shape = 0, _shape(facts)
    apart = max(1, min(365, (TODAY - facts.day) // max(1, len(shape))))
    for place, (number, episodes) in enumerate(shape):
        day, step = facts.day and facts.day + apart * place, max(1, min(7, apart // max(1, episodes)))
        plans.append(SeasonPlan(place, number, episodes, before, day, step))
        before += episodes
    return plans


def _shape(facts: Facts) -> tuple[tuple[int, int], ...]:
    if facts.rank < len(_SHAPES):
        return _SHAPES[facts.rank]
    bits = mix(facts.bits, _SEASON_SALT)
    chance = bits & 15
    last = 0 if chance == 0 else 1 if chance < 10 else 2 + (bits >> 4) % (2 + int(9 * facts.fame))
    first = 0 if bits >> 10 & 3 == 0 and last else 1
    return tuple((number, (bits >> (12 + number)) % int(6 + 10 * facts.fame) + 1) for number in range(first, last + 1))


def season_of(facts: Facts, things: Things, plan: SeasonPlan, networks: list[Row]) -> dict[str, Any]:
    """The body of `/tv/{id}/season/{n}`."""
    rng = Random(mix(facts.bits + plan.place, _SEASON_SALT))
    episodes = [_episode(facts, things, rng, plan, place) for place in range(plan.episodes)]
    return {
        "_id": rng.randbytes(12).hex(),
        "air_date": next((row["air_date"] for row in episodes if row["air_date"]), None),
        "episodes": episodes,
        "name": f"Season {plan.number}" if plan.number else "Specials",
        "networks": networks,
        "overview": overview_of(facts) if rng.random() < 0.33 else "",
        "id": plan.id_in(facts.id),
        "poster_path": picture(rng.getrandbits(64)) if rng.random() < 0.86 else None,
        "season_number": plan.number,
        "vote_average": round(10 * rng.random(), 1) if facts.vote_count else 0.0,
    }


def summary_of(season: dict[str, Any]) -> Row:
    """The season as its series lists it."""
    kept = ("air_date", "id", "name", "overview", "poster_path", "season_number", "vote_average")
    return {"episode_count": len(season["episodes"]), **{key: season[key] for key in kept}}


def brief(episode: dict[str, Any]) -> Row:
    """The episode without credits, as `last_episode_to_air` and `/find` show it."""
    return {key: episode[key] for key in _EPISODE_KEYS if key in episode}


def _episode(facts: Facts, things: Things, rng: Random, plan: SeasonPlan, place: int) -> dict[str, Any]:
    number, last = place + 1, place == plan.episodes - 1
    large = facts.rank == _LARGE_NUMBER_RANK and last and plan.number == 5
    day = plan.day and plan.day + plan.step * place
    # A few episodes give another season than the one they are in.
    elsewhere = last and (facts.rank == _LARGE_NUMBER_RANK or facts.bits % 97 == 0) and plan.place == 0
    votes = int(facts.vote_count * rng.random() / 50)
    return {
        "air_date": date.fromordinal(day).isoformat() if day and rng.random() < 0.95 else None,
        "episode_number": LARGE_NUMBER if large else number,
        "episode_type": "finale" if last else "mid_season" if place == 9 and plan.episodes > 10 else "standard",
        "id": facts.id * EPISODE_IDS + plan.before + place,
        "name": _name(rng, number),
        "overview": _plot(rng) if rng.random() < 0.55 else "",
        "production_code": f"{plan.number}{number:02d}" if rng.random() < 0.09 else "",
        "runtime": 20 + int(45 * rng.random()) if rng.random() < 0.8 else None,
        "season_number": plan.number + 1 if elsewhere else plan.number,
        "show_id": facts.id,
        "still_path": picture(rng.getrandbits(64)) if rng.random() < 0.66 and day <= TODAY else None,
        "vote_average": round(4 + 6 * rng.random(), 3) if votes else 0.0,
        "vote_count": votes,
        "crew": _crew(facts, things, rng),
        "guest_stars": _guests(facts, things, rng, first=plan.place == 0 and place == 0),
    }


def _name(rng: Random, number: int) -> str:
    pick = rng.getrandbits(24)
    if pick & 3 == 0:
        return f"Episode {number}"
    noun = vocabulary.NOUNS[(pick >> 2) % len(vocabulary.NOUNS)]
    return f"The {vocabulary.ADJECTIVES[(pick >> 12) % len(vocabulary.ADJECTIVES)]} {noun}"


def _plot(rng: Random) -> str:
    who, what = rng.choice(vocabulary.WHO), rng.choice(vocabulary.WHAT)
    return f"{who} {what}.".format(a="quiet", n="lantern", p=rng.choice(vocabulary.PLACES))


def _scale(facts: Facts) -> float:
    return 0.1 if facts.rank == _LONG_RANK else 1 + 6 * facts.fame


def _crew(facts: Facts, things: Things, rng: Random) -> list[Row]:
    rows = []
    for place in range(int(_scale(facts) * rng.random())):
        department = reference.DEPARTMENTS[place % len(reference.DEPARTMENTS)]
        job = rng.choice(reference.JOBS[department])
        person = things.worker(rng.random(), place % len(reference.DEPARTMENTS))
        rows.append({"job": job, "department": department, "credit_id": rng.randbytes(12).hex(), **person})
    return rows


def _guests(facts: Facts, things: Things, rng: Random, *, first: bool) -> list[Row]:
    rows = [
        {
            "character": character_name(rng),
            "credit_id": rng.randbytes(12).hex(),
            "order": 500 + place,
            **things.actor(rng.random(), 1.4),
        }
        for place in range(int(1.5 * _scale(facts) * rng.random()))
    ]
    if first and (facts.rank == _LARGE_NUMBER_RANK or facts.bits % 23 == 0):
        rows.append(_without_person(rng))
    return rows


def _without_person(rng: Random) -> Row:
    """A credit whose person was removed: neither `id` nor `name`, but a hex `person_id`."""
    return {
        "episode_count": 1,
        "person_id": rng.randbytes(12).hex(),
        "character": "Police Instructor",
        "credit_id": rng.randbytes(12).hex(),
        "order": 2447,
    }
