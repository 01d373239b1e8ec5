"""Facts and texts of each generated movie or series before its body is built: pure functions of seed and index."""

import re
from datetime import date
from math import exp, log10, sqrt
from random import Random

import msgspec

from reelhouse.emulator.catalog import reference, vocabulary
from reelhouse.emulator.catalog.seeds import NORMAL, Numbering, Permutation, mix

# The catalogue's own idea of today, fixed so that statuses and dates never depend on the day it is served.
TODAY = date(2026, 10, 1).toordinal()
_OLDEST = 126 * 365
_IMPOSSIBLE = ("2025-13-45", "1987-02-30", "0000-00-00", "2019-6-1")
_ADULT_EVERY = 173
_BLOCKBUSTERS = 3
_BLOCKBUSTER_GENRES = (1, 0, 14)
_PLAIN_GENRE = 6
_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")


class Facts(msgspec.Struct, frozen=True, gc=False):
    """One title in brief; `day` is the ordinal of its release or 0, `fame` runs from 0 (nobody) to 1 (everybody)."""

    index: int
    id: int
    bits: int
    rank: int
    fame: float
    popularity: float
    adult: bool
    softcore: bool
    video: bool
    language: str
    country: str
    original_title: str
    title: str
    day: int
    release_date: str | None
    released: bool
    status: str
    genres: tuple[int, ...]
    runtime: int
    vote_count: int
    vote_average: float
    budget: int
    revenue: int


class MovieExportRow(msgspec.Struct, gc=False):
    """One line of the daily id export, keys in TMDB's order."""

    adult: bool
    id: int
    original_title: str
    popularity: float
    video: bool


def _spread(weights: tuple[int, ...]) -> tuple[int, ...]:
    """1,024 positions shared out by weight, so that ten bits pick one."""
    total = sum(weights)
    positions = [at for at, weight in enumerate(weights) for _ in range(round(1024 * weight / total))]
    return tuple((positions + positions[:1] * 1024)[:1024])


_GENRE_AT = _spread(reference.GENRE_WEIGHTS)
_LANGUAGE_AT = _spread(tuple(row[4] for row in reference.LANGUAGES))
_FAMOUS_LANGUAGE_AT = _spread(tuple(row[5] for row in reference.LANGUAGES))


class TitleFacts:
    """The facts of a catalogue of *size* titles plus any number added later (index >= size)."""

    def __init__(self, seed: int, size: int) -> None:
        self._seed = mix(seed, 0x0F11)
        self.size = size
        self._ranks = Permutation(size, mix(seed, 0x4A4B))
        self._numbers = Numbering(mix(seed, 0x1D5))
        self.id_of = self._numbers.id_of
        self.index_of = self._numbers.index_of

    def by_rank(self, rank: int) -> int:
        """The index of the *rank*-th most popular movie."""
        return self._ranks.at(rank)

    def export_row(self, index: int) -> MovieExportRow:
        """The line of the id export, without the cost of all the facts."""
        bits = mix(self._seed, index)
        quantile = self._quantile(index)
        language = self._language(bits, quantile)
        return MovieExportRow(
            bits % _ADULT_EVERY == 0,
            self.id_of(index),
            _original_title(bits, language),
            _popularity(quantile),
            bits % 211 == 0,
        )

    def is_adult(self, index: int) -> bool:
        """Whether the title is in the exports of adult ones."""
        return mix(self._seed, index) % _ADULT_EVERY == 0

    def bits_and_fame(self, index: int) -> tuple[int, float]:
        """Two of the facts, without the cost of all."""
        return mix(self._seed, index), _fame(self._quantile(index))

    def at(self, index: int) -> Facts:
        """All the facts of one movie."""
        return _Drawing(self, index, mix(self._seed, index)).facts()

    def _rank(self, index: int) -> int:
        """Movies added later are the least popular ones."""
        return self._ranks.place(index) if index < self.size else index

    def _quantile(self, index: int) -> float:
        return min(1.0, (self._rank(index) + 0.5) / self.size)

    @staticmethod
    def _language(bits: int, quantile: float) -> int:
        return (_FAMOUS_LANGUAGE_AT if quantile < 0.03 else _LANGUAGE_AT)[bits & 1023]


def _fame(quantile: float) -> float:
    return min(1.0, -log10(quantile) / 4)


def _popularity(quantile: float) -> float:
    return round(0.42 / sqrt(quantile) * sqrt(1.0 - quantile), 4)


def _english_title(bits: int) -> str:
    adjective = vocabulary.ADJECTIVES[(bits >> 12) % len(vocabulary.ADJECTIVES)]
    noun = vocabulary.NOUNS[(bits >> 20) % len(vocabulary.NOUNS)]
    pattern = (bits >> 29) & 15
    if pattern < 6:
        return f"The {adjective} {noun}"
    if pattern < 9:
        return f"{adjective} {noun}"
    if pattern < 11:
        return f"The {noun} of {vocabulary.PLACES[(bits >> 34) % len(vocabulary.PLACES)]}"
    return _rarer_title(bits, pattern, adjective, noun)


def _rarer_title(bits: int, pattern: int, adjective: str, noun: str) -> str:
    other = vocabulary.NOUNS[(bits >> 37) % len(vocabulary.NOUNS)]
    match pattern:
        case 11:
            return noun
        case 12:
            return f"{noun} & {other}"
        case 13:
            return f"{adjective} {noun} {(bits >> 45) % 4 + 2}"
        case 14:
            return f"{vocabulary.GIVEN[bits & 1][(bits >> 40) % 44]} and the {noun}"
        case _:
            return _odd_title(bits >> 44, adjective, noun, other)


def _odd_title(bits: int, adjective: str, noun: str, other: str) -> str:
    """Titles that trip a careless reader: quotes, emoji, combining marks, blanks at the ends, commas, only digits."""
    odd = (
        f'"{adjective}" {noun}',
        f"{noun}: {adjective} {other}, Part {bits & 7}",
        f"{noun} 🎬",
        f"#{other}",
        f"{noun}?!",
        f"Cafe\u0301 {noun}",
        f" {noun} ",
        str(1900 + (bits & 127)),
        f"{noun}'s \\ {other}",
        f"{adjective} ½",
        f"{noun} / {other}",
    )
    return odd[(bits >> 3) % len(odd)]


def _original_title(bits: int, language: int) -> str:
    native = vocabulary.NATIVE_TITLES.get(reference.LANGUAGES[language][0])
    if native is None:
        return _english_title(bits)
    first, second, joint = native
    title = first[(bits >> 12) % len(first)] + joint + second[(bits >> 20) % len(second)]
    return f"{title} {(bits >> 33) % 7 + 2}" if (bits >> 28) & 7 == 0 else title


class _Drawing:
    """One movie's facts being drawn; each reads bits of its own, some depend on those before."""

    def __init__(self, movies: TitleFacts, index: int, bits: int) -> None:
        self._movies, self._index, self._bits = movies, index, bits
        self._more, self._money = mix(bits, 1), mix(bits, 2)
        self._rank = movies._rank(index)
        self._quantile = movies._quantile(index)
        self._fame = _fame(self._quantile)
        self._day = self._draw_day()
        self._released = self._day <= TODAY
        self._genres = self._draw_genres()
        self._main = reference.GENRES[self._genres[0] if self._genres else _PLAIN_GENRE]
        self._votes = self._draw_votes()
        self._rating = self._draw_rating()

    def facts(self) -> Facts:
        bits, language = self._bits, self._movies._language(self._bits, self._quantile)
        row, original = reference.LANGUAGES[language], _original_title(self._bits, language)
        day = self._day
        release_date = self._release_date()
        budget, revenue = self._budget_and_revenue()
        return Facts(
            index=self._index, id=self._movies.id_of(self._index), bits=bits, rank=self._rank, fame=self._fame,
            popularity=_popularity(self._quantile), adult=bits % _ADULT_EVERY == 0, softcore=bits % 190 == 0,
            video=bits % 211 == 0,
            language=row[0], country=row[3], original_title=original, title=self._title(original),
            day=day if release_date and release_date not in _IMPOSSIBLE else 0, release_date=release_date,
            released=self._released, status=self._status(), genres=self._genres, runtime=self._runtime(),
            vote_count=self._votes, vote_average=self._rating, budget=budget, revenue=revenue,
        )  # fmt: skip

    def _title(self, original: str) -> str:
        translated = self._fame > 0.15 or self._bits & 3
        return _english_title(self._bits) if translated else original

    def _draw_day(self) -> int:
        """Half of all movies are younger than 25 years, popular ones younger still; a few are not out yet."""
        back = ((self._more & 0xFFFFF) / 0x100000) ** (2.3 + 2 * self._fame) * _OLDEST
        if self._rank < _BLOCKBUSTERS:
            return TODAY - 30 - int(back / 8)
        return TODAY + (500 if self._fame < 0.3 else 100) - int(back)

    def _release_date(self) -> str | None:
        chance = (self._more >> 20) & 4095
        if self._fame < 0.15:
            chance //= 2
        if chance < 40:
            return ""
        if chance < 42:
            return None
        if chance < 45 and self._rank >= _BLOCKBUSTERS:
            return _IMPOSSIBLE[chance & 3]
        return date.fromordinal(self._day).isoformat()

    def _status(self) -> str:
        chance = (self._more >> 32) & 63
        if self._released:
            return "Released" if chance else "Canceled"
        return ("Planned", "In Production", "Post Production", "Rumored")[chance & 3]

    def _draw_genres(self) -> tuple[int, ...]:
        """Positions in `reference.GENRES`, the defining one first; unknown movies often have none."""
        if self._rank < _BLOCKBUSTERS:
            return _BLOCKBUSTER_GENRES
        chance = (self._more >> 38) & 15
        if chance == 0 or (chance < 4 and self._fame < 0.1):
            return ()
        picks = [_GENRE_AT[(self._more >> shift) & 1023] for shift in (42, 30, 10)]
        return tuple(dict.fromkeys(picks[: 1 if chance < 7 else 2 if chance < 12 else 3]))

    def _runtime(self) -> int:
        chance = (self._more >> 52) & 31
        if chance == 0 or (self._fame < 0.1 and chance < 7) or (not self._released and chance < 20):
            return 0
        if self._fame < 0.15 and chance < 14:
            return 3 + (self._more >> 57) % 37
        return max(41, int(self._main[5] + 14 * NORMAL[(self._money >> 50) & 1023] + 12 * self._fame))

    def _draw_votes(self) -> int:
        if not self._released:
            return 0
        spread = 0.3 if self._rank >= _BLOCKBUSTERS else 0.05
        votes = int(10 ** (1.05 + 3.25 * self._fame + spread * NORMAL[(self._money >> 40) & 1023])) - 12
        # What came out last week has not been seen by many yet.
        return max(0, votes * min(365, TODAY - self._day + 20) // 365)

    def _draw_rating(self) -> float:
        """Few votes scatter; many gather around the genre's usual mark."""
        if not self._votes:
            return 0.0
        spread = 0.75 + 1.6 / (1 + self._votes / 8)
        mark = 5.85 + 0.8 * self._fame + self._main[4] + spread * NORMAL[(self._money >> 30) & 1023]
        return round(min(10.0, max(0.5, mark)), 3)

    def _budget_and_revenue(self) -> tuple[int, int]:
        if self._rank < _BLOCKBUSTERS:
            return (350 - 50 * self._rank) * 1_000_000, 2_923_000_000 - self._rank * 330_000_000 + self._money % 900_000
        budget = self._budget()
        return budget, self._revenue(budget) if self._released else 0

    def _budget(self) -> int:
        chance = (self._money >> 20) & 1023
        if chance < 3:
            return 1 + self._money % 500  # typed in as millions, or as a joke
        if chance > 1024 * (0.03 + 0.85 * self._fame):
            return 0
        age = max(0, TODAY - self._day) / 365
        scale = 10 ** (5.6 + 2.4 * self._fame + 0.3 * NORMAL[(self._money >> 10) & 1023])
        budget = min(460e6, scale * self._main[2] * exp(-0.02 * age))
        step = 10 ** max(3, int(log10(budget)) - 1) if budget > 1 else 1
        return max(step, round(budget / step) * step)

    def _revenue(self, budget: int) -> int:
        """What came in follows what was spent, the genre, the fame and the marks, with luck on top."""
        if self._money & 7 == 0 or (not budget and self._money & 31 > 2 + 8 * self._fame):
            return 0
        spent = budget if budget > 500 else 10 ** (4.6 + 2.4 * self._fame)
        lift = self._main[3] + 0.35 * self._fame + 0.09 * (self._rating - 6.2) - 0.05
        return min(2_100_000_000, int(spent * 10 ** (lift + 0.38 * NORMAL[self._money & 1023])) + self._money % 997)


def overview_of(facts: Facts) -> str:
    """Two to five sentences; "" for a share of the least known movies."""
    bits = mix(facts.bits, 0x0E)
    if (bits & 15 == 0 and facts.fame < 0.6) or (bits & 7 == 1 and facts.fame < 0.1):
        return ""
    who = _fill(vocabulary.WHO[(bits >> 4) % len(vocabulary.WHO)], bits >> 8)
    what = _fill(vocabulary.WHAT[(bits >> 10) % len(vocabulary.WHAT)], bits >> 16)
    text = f"{who[0].upper()}{who[1:]} {what}."
    for turn in range(1 + (bits >> 52) % 3):
        text += " " + _fill(vocabulary.THEN[(bits >> (20 + 6 * turn)) % len(vocabulary.THEN)], bits >> (24 + turn))
    return text + vocabulary.QUIRKS[(bits >> 44) % len(vocabulary.QUIRKS)] if bits >> 38 & 31 == 0 else text


def tagline_of(facts: Facts) -> str:
    """Mostly "" outside the well-known movies."""
    bits = mix(facts.bits, 0x7A)
    if (bits & 255) / 256 > 0.1 + facts.fame:
        return ""
    return _fill(vocabulary.TAGLINES[(bits >> 8) % len(vocabulary.TAGLINES)], bits >> 16)


def overview_in(language: str, rng: Random) -> str:
    """A short overview in another language, "" if there is none."""
    sentences = vocabulary.SENTENCES.get(language)
    if sentences is None or rng.random() < 0.15:
        return ""
    return " ".join(sentences[int(rng.random() * len(sentences))] for _ in range(2 + int(rng.random() * 3)))


def slug(title: str) -> str:
    """A title as in a web address."""
    return _NOT_A_SLUG.sub("-", title.lower()).strip("-")


def _fill(template: str, bits: int) -> str:
    if "{" not in template:
        return template
    return template.format(
        a=vocabulary.ADJECTIVES[bits % len(vocabulary.ADJECTIVES)].lower(),
        n=vocabulary.NOUNS[(bits >> 7) % len(vocabulary.NOUNS)].lower(),
        p=vocabulary.PLACES[(bits >> 14) % len(vocabulary.PLACES)],
    )
