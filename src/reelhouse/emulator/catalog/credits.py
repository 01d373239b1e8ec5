"""Casts and crews: a few giants, many small ones, and now and then a credit without a person."""

from random import Random
from typing import Any

from reelhouse.emulator.catalog import reference, vocabulary
from reelhouse.emulator.catalog.facts import Facts
from reelhouse.emulator.catalog.people_companies import Row, Things

# How the crew's departments share the work, per hundred; directors and writers are added by hand.
_DEPARTMENT_AT = tuple(
    position
    for position, weight in enumerate((8, 10, 26, 10, 8, 10, 10, 6, 7, 3, 2))
    for _ in range(weight)
)  # fmt: skip


def credits_of(facts: Facts, things: Things, rng: Random) -> dict[str, Any]:
    """The `credits` block of one movie."""
    cast, crew = _sizes(facts, rng)
    ids = rng.randbytes(12 * (cast + crew + 2)).hex()
    credit_ids = [ids[at : at + 24] for at in range(0, len(ids), 24)]
    return {
        "cast": _cast(facts, things, rng, credit_ids[:cast]),
        "crew": _crew(facts, things, rng, credit_ids[cast : cast + crew]),
    }


def _sizes(facts: Facts, rng: Random) -> tuple[int, int]:
    fame, luck = facts.fame, rng.random()
    if facts.rank < 2:
        return 1100 - 90 * facts.rank, 700
    if fame > 0.3 and facts.bits % 251 == 0:
        return 150 + int(250 * luck), 120 + int(200 * luck)
    cast = int((1.5 + 24 * fame**1.2) * (0.3 + 1.4 * luck))
    crew = int((1 + 20 * fame**1.3) * (0.3 + 1.4 * rng.random()))
    return (0 if luck < 0.06 and fame < 0.2 else cast), crew


def _cast(facts: Facts, things: Things, rng: Random, credit_ids: list[str]) -> list[Row]:
    chance, rows = rng.random, []
    for order, credit_id in enumerate(credit_ids):
        # The first names of a well-known movie are well known themselves.
        steepness = 1.45 + (0.8 * facts.fame if order < 4 else 0.0)
        person = things.actor(chance(), steepness)
        rows.append(
            {**person, "cast_id": order + 1, "character": character_name(rng), "credit_id": credit_id, "order": order}
        )
    if rows and facts.bits % 307 == 0:
        rows[-1] = _without_person(rows[-1])
    return rows


def _without_person(row: Row) -> Row:
    """A credit whose person was removed: no `id`, no `name`, but a hex `person_id`."""
    gone = {"id", "name", "original_name"}
    return {key: value for key, value in row.items() if key not in gone} | {"person_id": row["credit_id"][::-1]}


def character_name(rng: Random) -> str:
    """A role; "" for one in sixteen."""
    pick = rng.getrandbits(24)
    if pick & 15 == 0:
        return ""
    role = vocabulary.ROLES[(pick >> 4) % len(vocabulary.ROLES)]
    if "{" not in role:
        return role
    given, family = vocabulary.GIVEN[pick & 1], vocabulary.FAMILY
    return role.format(g=given[(pick >> 9) % len(given)], f=family[(pick >> 15) % len(family)])


def _crew(facts: Facts, things: Things, rng: Random, credit_ids: list[str]) -> list[Row]:
    rows: list[Row] = []
    for place, credit_id in enumerate(credit_ids):
        position = place if place < 2 else _DEPARTMENT_AT[int(rng.random() * len(_DEPARTMENT_AT))]
        rows.append(_crew_row(things, rng, position, place == 0, credit_id))
    if len(rows) > 2 and facts.bits % 5 == 0:
        # One person, two jobs: the director who also wrote it.
        rows[1] = {**rows[0], "credit_id": rows[1]["credit_id"], "department": "Writing", "job": "Writer"}
    return rows


def _crew_row(things: Things, rng: Random, position: int, leads: bool, credit_id: str) -> Row:
    department = reference.DEPARTMENTS[position]
    jobs = reference.JOBS[department]
    job = jobs[0] if leads else jobs[int(rng.random() * len(jobs))]
    return {**things.worker(rng.random(), position), "credit_id": credit_id, "department": department, "job": job}
