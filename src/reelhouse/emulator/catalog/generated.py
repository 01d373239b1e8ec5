"""The generated catalogue: a body is a pure function of the seed and the movie's index, so it costs no memory."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from random import Random
from typing import Any

from reelhouse.emulator.catalog import appends, reference
from reelhouse.emulator.catalog.credits import credits_of
from reelhouse.emulator.catalog.facts import Facts, MovieExportRow, TitleFacts, overview_of, slug, tagline_of
from reelhouse.emulator.catalog.kinds import KINDS, Kind
from reelhouse.emulator.catalog.people_companies import Row, Things, picture
from reelhouse.emulator.catalog.protocol import Traits
from reelhouse.emulator.catalog.seeds import Permutation, mix, mix_text

BUILDERS: dict[str, Callable[[Facts, Things, Random], dict[str, Any]]] = {
    "alternative_titles": appends.alternative_titles_of,
    "credits": credits_of,
    "external_ids": appends.external_ids_of,
    "images": appends.images_of,
    "keywords": appends.keywords_of,
    "lists": appends.lists_of,
    "release_dates": appends.release_dates_of,
    "reviews": appends.reviews_of,
    "translations": appends.translations_of,
    "videos": appends.videos_of,
    "watch/providers": appends.watch_providers_of,
}
# Each block has its own salt, so that requesting one never changes another.
SALTS = {name: mix_text(7, name) for name in (*KINDS["movie"].blocks, *KINDS["tv"].blocks, "detail")}
_PAGE_SIZE = 20


class GeneratedTitles:
    """*size* invented movies or series, and as many more as are added."""

    grows = True
    kind: Kind
    builders: Mapping[str, Callable[[Facts, Things, Random], dict[str, Any]]]

    def __init__(self, seed: int, size: int, things: Things) -> None:
        self.size = size
        self.things = things
        self._titles = TitleFacts(seed, size)
        self._shuffle = Permutation(size, mix(seed, 0xE4))
        self.id_of = self._titles.id_of
        self.index_of = self._titles.index_of
        self._facts = lru_cache(4096)(self._titles.at)
        self._row = lru_cache(4096)(self._new_row)

    def close(self) -> None:
        """Nothing is held open."""

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        facts = self._facts(index)
        if name in ("recommendations", "similar"):
            return self._related(facts, name, page)
        return self.builders[name](facts, self.things, self._rng(facts, name))

    def row(self, index: int) -> dict[str, Any]:
        return dict(self._row(index))

    def is_adult(self, index: int) -> bool:
        return self._titles.is_adult(index)

    def export_order(self) -> Iterator[int]:
        return map(self._shuffle.at, range(self.size))

    def by_popularity(self) -> Iterator[int]:
        return map(self._titles.by_rank, range(self.size))

    def traits(self, index: int) -> Traits:
        facts, film = self._titles.at(index), self.kind.name == "movie"
        return Traits(
            title=facts.title, original_title=facts.original_title, popularity=facts.popularity, day=facts.day,
            vote_average=facts.vote_average, vote_count=facts.vote_count, runtime=facts.runtime,
            revenue=facts.revenue if film else 0, language=facts.language,
            countries=(facts.country,) if facts.bits >> 44 & 31 else (), genres=self._genre_ids(facts),
            adult=facts.adult, video=film and facts.video,
        )  # fmt: skip

    def _genre_ids(self, facts: Facts) -> tuple[int, ...]:
        return tuple(reference.GENRES[at][0] for at in facts.genres)

    def _new_row(self, index: int) -> Row:
        raise NotImplementedError

    @staticmethod
    def _rng(facts: Facts, name: str) -> Random:
        return Random(mix(facts.bits, SALTS[name]))

    def _companies(self, facts: Facts, rng: Random) -> list[Row]:
        count = int((0.5 + 4 * facts.fame) * (0.2 + 1.6 * rng.random()))
        rows = (self.things.production_company(rng.random() ** (1 + facts.fame)) for _ in range(count))
        return list({row["id"]: row for row in rows}.values())

    def _related(self, facts: Facts, name: str, page: int) -> dict[str, Any]:
        """Others of the kind: 20 or none, seldom in between; `similar` never runs out of pages."""
        rng = self._rng(facts, name)
        pages, count = (self.size // _PAGE_SIZE + 1, _PAGE_SIZE) if name == "similar" else _recommended(facts, rng)
        on_page = min(count, self.size - 1) if page <= pages else 0
        rng.seed(mix(facts.bits + page, SALTS[name]))
        rows = [self._row(index) for index in self._others(facts.index, on_page, rng)]
        if name == "recommendations":
            rows = [{**row, "media_type": self.kind.name} for row in rows]
        return {"page": page, "results": rows, "total_pages": pages, "total_results": pages * count}

    def _others(self, index: int, count: int, rng: Random) -> list[int]:
        """*count* others, well-known ones rather than unknown ones."""
        others: dict[int, None] = {}
        while len(others) < count:
            other = self._titles.by_rank(int(self.size * rng.random() ** 2))
            if other != index:
                others[other] = None
        return list(others)


class GeneratedCatalogue(GeneratedTitles):
    """*size* invented movies, and as many more as are added."""

    kind = KINDS["movie"]
    builders = BUILDERS

    def __init__(self, seed: int, size: int) -> None:
        super().__init__(seed, size, Things(seed, size))
        self.export_row: Callable[[int], MovieExportRow] = self._titles.export_row
        self._parts: dict[int, list[int]] | None = None

    def index_of_imdb(self, text: str) -> int | None:
        """The index an IMDb id leads to, None when no movie carries it."""
        index = appends.index_of_imdb_id(text)
        return index if index >= 0 and appends.imdb_id_of(self._facts(index)) == text else None

    def parts(self, collection: int) -> list[int]:
        """The movies of the collection with this id; the first question reads every movie."""
        if self._parts is None:
            parts: dict[int, list[int]] = {}
            for index in range(self.size):
                bits, fame = self._titles.bits_and_fame(index)
                row = self._collection(bits, fame, Random(mix(bits, SALTS["detail"])).random())
                if row is not None:
                    parts.setdefault(row["id"], []).append(index)
            self._parts = parts
        return self._parts.get(collection, [])

    def detail(self, index: int) -> dict[str, Any]:
        facts = self._facts(index)
        rng = self._rng(facts, "detail")
        return {
            "adult": facts.adult,
            "backdrop_path": picture_of(facts, 0xBD, 0.35),
            "belongs_to_collection": self._collection(facts.bits, facts.fame, rng.random()),
            "budget": facts.budget,
            "genres": [{"id": reference.GENRES[at][0], "name": reference.GENRES[at][1]} for at in facts.genres],
            "homepage": f"https://www.{slug(facts.title)}.example/" if rng.random() < 0.6 * facts.fame else "",
            "id": facts.id,
            "imdb_id": appends.imdb_id_of(facts),
            "origin_country": [facts.country] if facts.bits >> 44 & 31 else [],
            "original_language": facts.language,
            "original_title": facts.original_title,
            "overview": overview_of(facts),
            "popularity": facts.popularity,
            "poster_path": picture_of(facts, 0x90, 0.55),
            "production_companies": self._companies(facts, rng),
            "production_countries": production_countries(facts, rng),
            "release_date": facts.release_date,
            "revenue": facts.revenue,
            "runtime": facts.runtime,
            "softcore": facts.softcore,
            "spoken_languages": spoken_languages(facts, rng),
            "status": facts.status,
            "tagline": tagline_of(facts),
            "title": facts.title,
            "video": facts.video,
            "vote_average": facts.vote_average,
            "vote_count": facts.vote_count,
        }

    def _new_row(self, index: int) -> Row:
        facts = self._facts(index)
        return {
            "adult": facts.adult,
            "backdrop_path": picture_of(facts, 0xBD, 0.35),
            "genre_ids": list(self._genre_ids(facts)),
            "id": facts.id,
            "title": facts.title,
            "original_language": facts.language,
            "original_title": facts.original_title,
            "overview": overview_of(facts),
            "popularity": facts.popularity,
            "poster_path": picture_of(facts, 0x90, 0.55),
            "release_date": facts.release_date,
            "softcore": facts.softcore,
            "video": facts.video,
            "vote_average": facts.vote_average,
            "vote_count": facts.vote_count,
        }

    def _collection(self, bits: int, fame: float, chance: float) -> Row | None:
        if chance > 0.02 + 0.3 * fame:
            return None
        return self.things.collection(int((bits >> 24 & 0xFFFFF) / 0x100000 * self.things.collections))


def _recommended(facts: Facts, rng: Random) -> tuple[int, int]:
    """Pages and rows per page."""
    chance = rng.random()
    if chance > 1.5 * facts.fame - 0.15:
        return 0, 0
    return (1, 1 + int(chance * 90) % 19) if int(chance * 1000) % 20 == 0 else (2, _PAGE_SIZE)


def picture_of(facts: Facts, salt: int, known: float) -> str | None:
    bits = mix(facts.bits, salt)
    return picture(bits) if (bits >> 30 & 1023) / 1024 < known + 0.9 * facts.fame else None


def production_countries(facts: Facts, rng: Random) -> list[Row]:
    if rng.random() < 0.25 - 0.4 * facts.fame:
        return []
    more = (
        reference.COUNTRIES[int(rng.random() * len(reference.COUNTRIES))][0] for _ in range(int(rng.random() ** 3 * 4))
    )
    return [
        {"iso_3166_1": code, "name": reference.COUNTRY_NAMES[code]} for code in dict.fromkeys([facts.country, *more])
    ]


def spoken_languages(facts: Facts, rng: Random) -> list[Row]:
    if rng.random() < 0.12 - 0.3 * facts.fame:
        return []
    if rng.random() < 0.01:
        return [
            {"english_name": name, "iso_639_1": code, "name": own} for code, name, own in reference.ODD_LANGUAGES[:1]
        ]
    more = (reference.LANGUAGES[int(rng.random() * 16)][0] for _ in range(int(rng.random() ** 4 * 4)))
    return [reference.LANGUAGE_ROWS[code] for code in dict.fromkeys([facts.language, *more])]
