"""People, collections, companies, networks and keywords: what titles mention, each with a body of its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from random import Random
from typing import Any, Protocol

from reelhouse.emulator.catalog import appends, reference, vocabulary
from reelhouse.emulator.catalog.credits import character_name
from reelhouse.emulator.catalog.kinds import KINDS
from reelhouse.emulator.catalog.people_companies import Row, Things, picture
from reelhouse.emulator.catalog.protocol import Titles
from reelhouse.emulator.catalog.seeds import mix, mix_text

NAMED = ("person", "collection", "company", "network", "keyword")
_FIRST_IMDB_ID = 100_000
_MOST_CREDITS = 30


class Source(Protocol):
    """Where the short forms come from: `id_of`, `index_of` and `row` go by the thing's place."""

    size: int
    grows: bool

    def id_of(self, index: int) -> int: ...

    def index_of(self, number: int) -> int | None: ...

    def row(self, index: int) -> Row: ...

    def order(self) -> Iterator[int]:
        """The places, most popular first."""
        ...


class GeneratedRows:
    """The things of one kind behind a generated catalogue."""

    grows = True

    def __init__(self, kind: str, things: Things) -> None:
        self.size, numbers, self.row = things.listed(kind)
        self.id_of, self.index_of = numbers.id_of, numbers.index_of

    def order(self) -> Iterator[int]:
        return iter(range(self.size))


class GivenRows:
    """The things of one kind that given bodies mention."""

    grows = False

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)
        self._index = {row["id"]: index for index, row in enumerate(self._rows)}
        self.size = len(self._rows)

    def id_of(self, index: int) -> int:
        number: int = self._rows[index]["id"]
        return number

    def index_of(self, number: int) -> int | None:
        return self._index.get(number)

    def row(self, index: int) -> Row:
        return self._rows[index]

    def order(self) -> Iterator[int]:
        return iter(sorted(range(self.size), key=lambda index: -(self._rows[index].get("popularity") or 0.0)))


class NamedCatalogue:
    """The things of one kind; *titles* are the catalogues whose titles a person is credited in."""

    def __init__(
        self, kind: str, source: Source, titles: Sequence[Titles] = (), parts: Callable[[int], list[int]] | None = None
    ) -> None:
        self.kind = KINDS[kind]
        self._source, self._titles, self._parts = source, titles, parts
        self.size, self.grows = source.size, source.grows
        self.id_of, self.index_of = source.id_of, source.index_of

    def close(self) -> None:
        """Nothing is held open."""

    def index_of_imdb(self, text: str) -> int | None:
        """The person an IMDb id leads to; other things have none."""
        digits = text[2:]
        if self.kind.name != "person" or text[:2] != "nm" or not (digits.isascii() and digits.isdigit()):
            return None
        index = self.index_of(int(digits) - _FIRST_IMDB_ID)
        return index if index is not None and _imdb_id(self.id_of(index)) == text else None

    def detail(self, index: int) -> dict[str, Any]:
        row = self._source.row(index)
        rng = Random(mix(row["id"], mix_text(7, self.kind.name)))
        if self.kind.name == "collection":
            return _collection(row, rng) | {"parts": self._part_rows(row["id"])}
        return _DETAILS[self.kind.name](row, rng)

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        row = self._source.row(index)
        rng = Random(mix(row["id"], mix_text(8, self.kind.name + name)))
        if name.endswith("_credits"):
            return self._credits(row, name.removesuffix("_credits"))
        return _BLOCKS[f"{self.kind.name}/{name}"](row, rng)

    def row(self, index: int) -> Row:
        row = dict(self._source.row(index))
        if self.kind.name == "person":
            row["known_for"] = [entry for _, entry in self._credited(row)[:3]]
        return row

    def is_adult(self, index: int) -> bool:
        return bool(self._source.row(index).get("adult"))

    def export_row(self, index: int) -> Row:
        row = self._source.row(index)
        if self.kind.name == "person":
            return {key: row.get(key) for key in ("adult", "id", "name", "popularity")}
        return {"id": row["id"], "name": row["name"]}

    def export_order(self) -> Iterator[int]:
        return iter(range(self.size))

    def by_popularity(self) -> Iterator[int]:
        return self._source.order()

    def _part_rows(self, number: int) -> list[Row]:
        if self._parts is None:
            return []
        movies = self._titles[0]
        return [{**movies.row(index), "media_type": "movie"} for index in self._parts(number)]

    def _credited(self, row: Row) -> list[tuple[str, Row]]:
        """Titles to credit a person with: invented, as a search of all casts would take long."""
        if not self.grows:
            return []
        rng = Random(mix(row["id"], 0xC4ED))
        count = int(_MOST_CREDITS * rng.random() ** 3)
        found = []
        for _ in range(count):
            titles = self._titles[int(rng.random() * len(self._titles))]
            name = titles.kind.name
            found.append((name, {**titles.row(int(rng.random() * titles.size)), "media_type": name}))
        return found

    def _credits(self, row: Row, kind: str) -> dict[str, Any]:
        rng = Random(mix(row["id"], 0xC4EE))
        block: dict[str, list[Row]] = {"cast": [], "crew": []}
        for order, (name, entry) in enumerate(self._credited(row)):
            entry["credit_id"] = rng.randbytes(12).hex()
            if row.get("known_for_department") == "Acting":
                side, own = "cast", {"character": character_name(rng), "order": order}
            else:
                department = row.get("known_for_department") or reference.DEPARTMENTS[0]
                side, own = "crew", {"department": department, "job": reference.JOBS.get(department, ("Thanks",))[0]}
            if name == "tv":
                own["episode_count"] = 1 + order
            if kind in ("combined", name):
                # Only the combined list mixes kinds, so only it names them.
                entry = entry if kind == "combined" else {key: entry[key] for key in entry if key != "media_type"}
                block[side].append({**entry, **own})
        return dict(block)


def _imdb_id(number: int) -> str | None:
    return f"nm{_FIRST_IMDB_ID + number:07d}" if number % 5 else None


def _person(row: Row, rng: Random) -> Row:
    born = date(1920 + int(85 * rng.random()), 1 + int(12 * rng.random()), 1 + int(28 * rng.random()))
    died = rng.random() < 0.15 and born.year < 1950
    other = rng.choice(vocabulary.NATIVE_PEOPLE)
    return {
        "adult": row.get("adult", False),
        "also_known_as": [other] if rng.random() < 0.3 else [],
        "biography": f"{row['name']} was born in {rng.choice(vocabulary.PLACES)}." if rng.random() < 0.4 else "",
        "birthday": born.isoformat() if rng.random() < 0.6 or died else None,
        # Unknown is null, and "" for a few.
        "deathday": born.replace(year=born.year + 70).isoformat() if died else None if rng.random() < 0.97 else "",
        "gender": row.get("gender", 0),
        "homepage": f"https://www.{row['id']}.example/" if rng.random() < 0.05 else None,
        "id": row["id"],
        "imdb_id": _imdb_id(row["id"]),
        "known_for_department": row.get("known_for_department"),
        "name": row["name"],
        "place_of_birth": rng.choice(vocabulary.PLACES) if rng.random() < 0.5 else None,
        "popularity": row.get("popularity", 0.0),
        "profile_path": row.get("profile_path"),
    }


def _collection(row: Row, rng: Random) -> Row:
    return {
        "id": row["id"],
        "name": row["name"],
        "original_language": "en",
        "original_name": row["name"],
        "overview": f"All parts of the {row['name']}." if rng.random() < 0.7 else "",
        "poster_path": row.get("poster_path"),
        "backdrop_path": row.get("backdrop_path"),
    }


def _company(row: Row, rng: Random) -> Row:
    parent = {"id": row["id"], "logo_path": row.get("logo_path"), "name": f"{row['name']} Group"}
    return {
        "description": "" if rng.random() < 0.9 else "Pictures for everybody.",
        "headquarters": rng.choice(vocabulary.PLACES) if rng.random() < 0.4 else "",
        "homepage": f"https://www.{row['id']}.example/" if rng.random() < 0.3 else "",
        "id": row["id"],
        "logo_path": row.get("logo_path"),
        "name": row["name"],
        # The short form has "" where this has null.
        "origin_country": row.get("origin_country") or None,
        "parent_company": parent if rng.random() < 0.1 else None,
    }


def _network(row: Row, rng: Random) -> Row:
    return {
        "headquarters": rng.choice(vocabulary.PLACES) if rng.random() < 0.5 else "",
        "homepage": f"https://www.{row['id']}.example/" if rng.random() < 0.5 else "",
        "id": row["id"],
        "logo_path": row.get("logo_path"),
        "name": row["name"],
        "origin_country": row.get("origin_country") or "",
    }


_DETAILS: dict[str, Callable[[Row, Random], Row]] = {
    "person": _person,
    "company": _company,
    "network": _network,
    "keyword": lambda row, rng: {"id": row["id"], "name": row["name"]},
}


def _external_ids(row: Row, rng: Random) -> Row:
    known = rng.random() < 0.5
    social = f"person{row['id']}" if rng.random() < 0.2 else None if rng.random() < 0.7 else ""
    return {
        "freebase_mid": f"/m/0{row['id']:x}" if known else None,
        "freebase_id": None,
        "imdb_id": _imdb_id(row["id"]),
        "tvrage_id": row["id"] if known else None,
        "wikidata_id": f"Q{2_000_000 + row['id']}" if known else None,
        "facebook_id": social,
        "instagram_id": social,
        "tiktok_id": social,
        "twitter_id": social,
        "youtube_id": None,
    }


def _translations(field: str, title: str) -> Callable[[Row, Random], Row]:
    """Rows of the form `{field: text, title: name or ""}`."""

    def build(row: Row, rng: Random) -> Row:
        rows = []
        for country, language, name, english in reference.LOCALES:
            if language == "en" or rng.random() < 0.15:
                sentences = vocabulary.SENTENCES.get(language) or ("",)
                data = {field: rng.choice(sentences), title: row["name"] if language == "en" else ""}
                data |= {"homepage": ""} if title == "title" else {}
                known = {"iso_3166_1": country, "iso_639_1": language, "name": name, "english_name": english}
                rows.append({**known, "data": data})
        return {"translations": rows}

    return build


def _images(ratio: float, height: int, most: int) -> Callable[[Random], list[Row]]:
    return lambda rng: [appends.image(rng, ratio, height) for _ in range(int(most * rng.random()))]


_posters, _backdrops, _profiles = _images(0.667, 1500, 5), _images(1.778, 1080, 5), _images(0.667, 900, 5)


def _logos(row: Row, rng: Random) -> Row:
    """Logos always end in .png, whatever their file type."""
    logos = [
        {
            "aspect_ratio": 3.1, "file_path": picture(rng.getrandbits(64), "png"), "height": 268,
            "id": rng.randbytes(12).hex(), "file_type": rng.choice((".png", ".svg")), "vote_average": 0.0,
            "vote_count": 0, "width": 831,
        }
        for _ in range(int(3 * rng.random()))
    ]  # fmt: skip
    return {"logos": logos}


def _names(row: Row, rng: Random) -> Row:
    names = [f"{row['name']} {ending}" for ending in ("Ltd.", "Inc.", "GmbH") if rng.random() < 0.2]
    return {"results": [{"name": name, "type": ""} for name in names]}


_BLOCKS: dict[str, Callable[[Row, Random], Row]] = {
    "person/external_ids": _external_ids,
    "person/images": lambda row, rng: {"profiles": _profiles(rng)},
    "person/tagged_images": lambda row, rng: {"page": 0, "results": [], "total_pages": 0, "total_results": 0},
    "person/translations": _translations("biography", "name"),
    "collection/images": lambda row, rng: {"backdrops": _backdrops(rng), "posters": _posters(rng)},
    "collection/translations": _translations("overview", "title"),
    **{f"{kind}/alternative_names": _names for kind in ("company", "network")},
    **{f"{kind}/images": _logos for kind in ("company", "network")},
}
