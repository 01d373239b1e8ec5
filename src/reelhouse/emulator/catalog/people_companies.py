"""People, companies, keywords and collections: each id has one name and one face for good."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from reelhouse.emulator.catalog import reference, vocabulary
from reelhouse.emulator.catalog.seeds import Numbering, mix

Row: TypeAlias = dict[str, Any]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
# Of four people three act; the fourth belongs to one department, picked by the position among the fourth ones.
_CREW_EVERY = 4


def picture(bits: int, ending: str = "jpg") -> str:
    """A path as TMDB's image server knows them."""
    first, second = _LETTERS[bits % 62], _LETTERS[(bits >> 6) % 62]
    return f"/{bits % 0xFFFFFFFFFFFF:012x}{first}{second}{(bits >> 20) % 0xFFFF:04x}K.{ending}"


def _power(chance: float, size: int, steepness: float) -> int:
    """A position below *size*; the first ones come far more often than the last."""
    return min(size - 1, int(size * chance**steepness))


class Things:
    """The cast of characters behind a catalogue of *movies* movies."""

    def __init__(self, seed: int, movies: int) -> None:
        self._seed = mix(seed, 0x7119)
        self._people = Numbering(mix(seed, 0x9E0))
        self._companies = Numbering(mix(seed, 0xC0), first=1)
        self._keywords = Numbering(mix(seed, 0x4E), first=4)
        self._collections = Numbering(mix(seed, 0xC011), first=10)
        self._networks = Numbering(mix(seed, 0x4E7), first=1)
        self.people = max(400, int(movies * 1.2))
        self.companies = max(60, movies // 6)
        self.keywords = min(30_000, max(150, movies // 3))
        self.collections = max(8, movies // 25)
        self.networks = max(12, movies // 60)
        self.person = lru_cache(8192)(self._person)
        self.company = lru_cache(1024)(self._company)
        self.keyword = lru_cache(1024)(self._keyword)

    def listed(self, kind: str) -> tuple[int, Numbering, Callable[[int], Row]]:
        """How many things of *kind* there are, how they are numbered, and the short form of each."""
        listed: dict[str, tuple[int, Numbering, Callable[[int], Row]]] = {
            "person": (self.people, self._people, self.person),
            "company": (self.companies, self._companies, self.company),
            "keyword": (self.keywords, self._keywords, self.keyword),
            "collection": (self.collections, self._collections, self.collection),
            "network": (self.networks, self._networks, self.network),
        }
        return listed[kind]

    def actor(self, chance: float, steepness: float) -> Row:
        """Somebody who acts; a lower *chance* is a better known face."""
        place = _power(chance, self.people, steepness)
        return self.person(place - 1 if place % _CREW_EVERY == _CREW_EVERY - 1 else place)

    def worker(self, chance: float, department: int) -> Row:
        """Somebody of one department of `reference.DEPARTMENTS`."""
        per_round = _CREW_EVERY * len(reference.DEPARTMENTS)
        rounds = max(1, self.people // per_round)
        start = _power(chance, rounds, 1.3) * per_round
        return self.person(start + department * _CREW_EVERY + _CREW_EVERY - 1)

    def production_company(self, chance: float) -> Row:
        """A company; a lower *chance* is a bigger one."""
        return self.company(_power(chance, self.companies, 1.7))

    def network(self, place: int) -> Row:
        """The *place*-th network; the first ones broadcast most."""
        bits = mix(self._seed + 4, place)
        ending = ("TV", "Channel", "Network", "+", "放送")[bits % 5]
        return {
            "id": self._networks.id_of(place),
            "logo_path": picture(bits, "png") if bits >> 12 & 7 else None,
            "name": f"{vocabulary.PLACES[(bits >> 20) % len(vocabulary.PLACES)]} {ending}",
            "origin_country": "" if bits >> 40 & 15 == 0 else reference.COUNTRIES[(bits >> 44) % 44][0],
        }

    def broadcaster(self, chance: float) -> Row:
        """A network; a lower *chance* is a bigger one."""
        return self.network(_power(chance, self.networks, 1.7))

    def topic(self, chance: float) -> Row:
        """A keyword; a lower *chance* is a more usual one."""
        return self.keyword(_power(chance, self.keywords, 1.6))

    def collection(self, place: int) -> Row:
        """The *place*-th collection, in the short form a movie carries."""
        bits = mix(self._seed + 3, place)
        noun = vocabulary.NOUNS[bits % len(vocabulary.NOUNS)]
        adjective = vocabulary.ADJECTIVES[(bits >> 9) % len(vocabulary.ADJECTIVES)]
        return {
            "id": self._collections.id_of(place),
            "name": f"{noun} Collection" if bits >> 20 & 3 == 0 else f"The {adjective} {noun} Collection",
            "poster_path": picture(bits) if bits >> 22 & 7 else None,
            "backdrop_path": picture(bits >> 3) if bits >> 25 & 7 else None,
        }

    def _person(self, place: int) -> Row:
        bits = mix(self._seed, place)
        gender = (1, 2, 2, 1, 2, 0, 0, 3)[bits & 7] if place > 200 else 1 + (bits & 1)
        name = _person_name(bits, gender)
        native = bits >> 50 & 31 == 0
        known = place / self.people
        return {
            "adult": bits >> 55 & 255 == 0,
            "gender": gender,
            "id": self._people.id_of(place),
            "known_for_department": _department_of(place),
            "name": name,
            "original_name": vocabulary.NATIVE_PEOPLE[(bits >> 9) % len(vocabulary.NATIVE_PEOPLE)] if native else name,
            "popularity": round(0.05 * (known + 1e-5) ** -0.55 * max(0.0, 1 - known), 4),
            "profile_path": picture(bits) if (bits >> 40 & 255) / 256 > known**0.6 else None,
        }

    def _company(self, place: int) -> Row:
        bits = mix(self._seed + 1, place)
        stem = (vocabulary.NOUNS, vocabulary.ADJECTIVES, vocabulary.FAMILY, vocabulary.PLACES)[bits & 3]
        ending = vocabulary.COMPANY_ENDS[(bits >> 30) % len(vocabulary.COMPANY_ENDS)]
        country = "" if bits >> 40 & 15 == 0 else reference.COUNTRIES[int((bits >> 44 & 1023) ** 1.5) % 44][0]
        return {
            "id": self._companies.id_of(place),
            "logo_path": picture(bits, "png") if bits >> 12 & 7 > 2 else None,
            "name": f"{stem[(bits >> 16) % len(stem)]} {ending}",
            "origin_country": country,
        }

    def _keyword(self, place: int) -> Row:
        again, first = divmod(place, len(vocabulary.TOPICS))
        name = vocabulary.TOPICS[first]
        if again:
            name = f"{name} and {vocabulary.TOPICS[(first + again) % len(vocabulary.TOPICS)]}"
        return {"id": self._keywords.id_of(place), "name": name}


def _department_of(place: int) -> str:
    if place % _CREW_EVERY != _CREW_EVERY - 1:
        return "Acting"
    return reference.DEPARTMENTS[place // _CREW_EVERY % len(reference.DEPARTMENTS)]


def _person_name(bits: int, gender: int) -> str:
    given = vocabulary.GIVEN[0 if gender == 1 else 1 if gender == 2 else bits >> 3 & 1]
    first, family = given[(bits >> 8) % len(given)], vocabulary.FAMILY[(bits >> 16) % len(vocabulary.FAMILY)]
    match bits >> 28 & 15:
        case 0:
            return f"{first} {chr(65 + (bits >> 33) % 26)}. {family}"
        case 1:
            return f"{first} {family}-{vocabulary.FAMILY[(bits >> 33) % len(vocabulary.FAMILY)]}"
        case 2:
            return f"{first} {vocabulary.GIVEN[1][(bits >> 33) % len(vocabulary.GIVEN[1])]} {family}"
        case _:
            return f"{first} {family}"
