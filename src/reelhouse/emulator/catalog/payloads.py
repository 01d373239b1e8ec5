"""Catalogues of given bodies: an index of offsets into one file, never all bodies in memory."""

import copy
import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from reelhouse.emulator.catalog.facts import MovieExportRow
from reelhouse.emulator.catalog.kinds import EPISODE_BLOCKS, KINDS, SEASON_BLOCKS
from reelhouse.emulator.catalog.named import NAMED, GivenRows, NamedCatalogue
from reelhouse.emulator.catalog.people_companies import Row
from reelhouse.emulator.catalog.protocol import Catalogue, Traits
from reelhouse.emulator.catalog.seasons import summary_of
from reelhouse.emulator.options import EmulatorError

_COPIED = 1 << 20
_ROW_KEYS = (
    "adult", "backdrop_path", "id", "title", "original_language", "original_title", "overview", "popularity",
    "poster_path", "release_date", "softcore", "video", "vote_average", "vote_count",
)  # fmt: skip
_PERSON_KEYS = (
    "adult", "gender", "id", "known_for_department", "name", "original_name", "popularity", "profile_path",
)  # fmt: skip
_SERIES_ROW_KEYS = (
    "adult", "backdrop_path", "id", "origin_country", "original_language", "original_name", "overview", "popularity",
    "poster_path", "first_air_date", "softcore", "name", "vote_average", "vote_count",
)  # fmt: skip
_Place = tuple[int, int]


def given_catalogues(folder: Path) -> Iterator[Catalogue]:
    """A folder's movies, its series where it has some, and what both mention."""
    movies = PayloadCatalogue(folder)
    yield movies
    mentions = movies.mentions
    if PayloadSeries.exist_in(folder):
        yield PayloadSeries(folder, mentions)
    for kind in NAMED:
        yield NamedCatalogue(kind, mentions.of(kind), (movies,), movies.parts)


class Mentions:
    """The people, collections, companies, networks and keywords that given bodies mention, each in its short form."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Row]] = {kind: {} for kind in NAMED}

    def of(self, kind: str) -> GivenRows:
        """Those of one kind."""
        return GivenRows(self._rows[kind].values())

    def note_movie(self, body: dict[str, Any]) -> None:
        """Take in what a movie mentions."""
        self._note("collection", [body["belongs_to_collection"]] if body.get("belongs_to_collection") else [])
        self._note("company", body.get("production_companies") or [])
        self._note("keyword", (body.get("keywords") or {}).get("keywords", []))
        sides = body.get("credits") or {}
        self._note("person", [*sides.get("cast", []), *sides.get("crew", [])])

    def note_season(self, season: dict[str, Any]) -> None:
        """Take in what a season mentions."""
        self._note("network", season.get("networks") or [])
        for episode in season.get("episodes") or ():
            self._note("person", [*episode.get("crew", []), *episode.get("guest_stars", [])])

    def _note(self, kind: str, rows: list[Row]) -> None:
        known = self._rows[kind]
        for row in rows:
            # A credit can lack its person.
            if row.get("id") not in known and "id" in row and "name" in row:
                known[row["id"]] = {key: row[key] for key in _PERSON_KEYS if key in row} if kind == "person" else row


class _GivenTitles:
    """What movies and series of given bodies have in common."""

    grows = False
    _stem: str
    _needs: str

    def __init__(self, folder: Path, mentions: Mentions) -> None:
        self._ids: list[int] = []
        self._index: dict[int, int] = {}
        self._traits: list[Traits] = []
        self.mentions = mentions
        self._file = _plain_copy(_payload_file(folder, self._stem))
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._scan(folder)
            if not self._ids:
                raise EmulatorError(f"no {self._stem}s in {folder}")
            on_failure.pop_all()
        self.size = len(self._ids)

    def close(self) -> None:
        self._file.close()

    def id_of(self, index: int) -> int:
        return self._ids[index]

    def index_of(self, number: int) -> int | None:
        return self._index.get(number)

    def traits(self, index: int) -> Traits:
        return self._traits[index]

    def is_adult(self, index: int) -> bool:
        return self._traits[index].adult

    def export_order(self) -> Iterator[int]:
        return iter(range(self.size))

    def by_popularity(self) -> Iterator[int]:
        return iter(sorted(range(self.size), key=lambda index: -self._traits[index].popularity))

    def _read(self, place: _Place) -> dict[str, Any]:
        offset, length = place
        body: dict[str, Any] = msgspec.json.decode(os.pread(self._file.fileno(), length, offset))
        return body

    def _scan(self, folder: Path) -> None:
        offset = 0
        for number, line in enumerate(self._file, 1):
            if line.strip():
                where = f"line {number} of the {self._stem}s in {folder}"
                body = _parsed(line, where)
                if not self._is_whole(body):
                    raise EmulatorError(f"{where} is not a {self._stem}: {self._needs}")
                try:
                    self._note(body, (offset, len(line)))
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                    raise EmulatorError(f"{where} has a value of a wrong kind: {error}") from error
            offset += len(line)

    @staticmethod
    def _is_whole(body: dict[str, Any]) -> bool:
        raise NotImplementedError

    def _note(self, body: dict[str, Any], place: _Place) -> None:
        raise NotImplementedError


class PayloadCatalogue(_GivenTitles):
    """The movies of `movie.jsonl` or `movie.jsonl.gz` in a folder; of two lines with one id the later one counts."""

    kind = KINDS["movie"]
    _stem, _needs = "movie", "it has no number as its id"

    def __init__(self, folder: Path) -> None:
        self._places: list[_Place] = []
        self._imdb: dict[str, int] = {}
        self._export: list[MovieExportRow] = []
        self._parts: dict[int, list[int]] = {}
        super().__init__(folder, Mentions())

    def index_of_imdb(self, text: str) -> int | None:
        return self._imdb.get(text)

    def detail(self, index: int) -> dict[str, Any]:
        return {key: value for key, value in self._body(index).items() if key not in self.kind.blocks}

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        body = self._body(index)
        if name not in body or (page > 1 and "page" in self.kind.blocks[name]):
            return _empty(self.kind.blocks[name], page)
        return {key: value for key, value in body[name].items() if key != "id"}

    def row(self, index: int) -> dict[str, Any]:
        body = self._body(index)
        row: Row = {key: body[key] for key in _ROW_KEYS if key in body}
        row["genre_ids"] = [genre["id"] for genre in body.get("genres") or ()]
        return row

    def export_row(self, index: int) -> MovieExportRow:
        return self._export[index]

    def parts(self, collection: int) -> list[int]:
        """The movies of the collection with this id."""
        return self._parts.get(collection, [])

    @staticmethod
    def _is_whole(body: dict[str, Any]) -> bool:
        return isinstance(body.get("id"), int)

    def _body(self, index: int) -> dict[str, Any]:
        return self._read(self._places[index])

    def _note(self, body: dict[str, Any], place: _Place) -> None:
        index = self._index.setdefault(body["id"], len(self._ids))
        # A slice puts the first line of an id at the end and a later one in its place.
        here = slice(index, index + 1)
        self._ids[here] = [body["id"]]
        self._places[here] = [place]
        self._traits[here] = [_traits_of(body)]
        self._export[here] = [_export_row_of(body)]
        if body.get("imdb_id"):
            self._imdb[body["imdb_id"]] = index
        if body.get("belongs_to_collection"):
            self._parts.setdefault(body["belongs_to_collection"]["id"], []).append(index)
        self.mentions.note_movie(body)


class PayloadSeries(_GivenTitles):
    """The series of `season.jsonl` or `season.jsonl.gz`: lines of a `series_id` and a `season`, the whole season body.

    A series' own body says what its seasons tell of it.
    """

    kind = KINDS["tv"]
    _stem, _needs = "season", "it needs series_id and season, a season's body"

    def __init__(self, folder: Path, mentions: Mentions) -> None:
        # By index: each season's line by its number, and its short form.
        self._seasons: list[dict[int, tuple[_Place, Row]]] = []
        self._season_ids: dict[int, tuple[int, int]] = {}
        self._episode_ids: dict[int, tuple[int, int]] = {}
        self._networks: list[list[Row]] = []
        self._votes: list[int] = []
        super().__init__(folder, mentions)
        self._traits = [self._traits_at(index) for index in range(self.size)]

    @staticmethod
    def exist_in(folder: Path) -> bool:
        """Whether the folder has series at all."""
        return any((folder / name).is_file() for name in _names("season"))

    def index_of_imdb(self, text: str) -> int | None:
        return None

    def index_of_tvdb(self, number: int) -> int | None:
        return None

    def find_season(self, number: int) -> tuple[int, int] | None:
        return self._season_ids.get(number)

    def find_episode(self, number: int) -> tuple[int, int] | None:
        return self._episode_ids.get(number)

    def episode_of_imdb(self, text: str) -> int | None:
        return None

    def seasons(self, index: int) -> list[tuple[int, int]]:
        return [(number, row["id"]) for number, (_, row) in sorted(self._seasons[index].items())]

    def season(self, index: int, number: int) -> dict[str, Any] | None:
        known = self._seasons[index].get(number)
        if known is None:
            return None
        season: dict[str, Any] = self._read(known[0])["season"]
        return season

    def season_block(self, index: int, number: int, name: str) -> dict[str, Any]:
        return _empty(SEASON_BLOCKS[name], 1)

    def episode_block(self, index: int, number: int, episode: dict[str, Any], name: str) -> dict[str, Any]:
        if name == "credits":
            return {"cast": [], "crew": episode["crew"], "guest_stars": episode["guest_stars"]}
        return _empty(EPISODE_BLOCKS[name], 1)

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        return _empty(self.kind.blocks[name], page)

    def detail(self, index: int) -> dict[str, Any]:
        rows = [row for _, (_, row) in sorted(self._seasons[index].items())]
        regular = [row for row in rows if row["season_number"]]
        days = [row["air_date"] for row in regular if row["air_date"]]
        networks = self._networks[index]
        countries = {row["origin_country"]: None for row in networks if row.get("origin_country")}
        return {
            "adult": False, "backdrop_path": None, "created_by": [], "episode_run_time": [],
            "first_air_date": min(days, default=""), "genres": [], "homepage": "", "id": self._ids[index],
            "in_production": False, "languages": [], "last_air_date": max(days, default=None),
            "last_episode_to_air": None, "name": f"Series {self._ids[index]}", "next_episode_to_air": None,
            "networks": networks, "number_of_episodes": sum(row["episode_count"] for row in regular),
            "number_of_seasons": len(regular), "origin_country": list(countries), "original_language": "en",
            "original_name": f"Series {self._ids[index]}", "overview": "", "popularity": self._votes[index] / 100,
            "poster_path": rows[0]["poster_path"], "production_companies": [], "production_countries": [],
            "seasons": rows, "softcore": False, "spoken_languages": [], "status": "Ended", "tagline": "",
            "type": "Scripted", "vote_average": 0.0, "vote_count": self._votes[index],
        }  # fmt: skip

    def row(self, index: int) -> dict[str, Any]:
        body = self.detail(index)
        return {key: body[key] for key in _SERIES_ROW_KEYS} | {"genre_ids": []}

    def export_row(self, index: int) -> Row:
        body = self.detail(index)
        return {key: body[key] for key in ("id", "original_name", "popularity")}

    @staticmethod
    def _is_whole(body: dict[str, Any]) -> bool:
        season = body.get("season")
        return isinstance(body.get("series_id"), int) and isinstance(season, dict) and "season_number" in season

    def _traits_at(self, index: int) -> Traits:
        body = self.detail(index)
        return _traits_of(body | {"title": body["name"], "release_date": body["first_air_date"]})

    def _note(self, body: dict[str, Any], place: _Place) -> None:
        series, season = body["series_id"], body["season"]
        index = self._index.setdefault(series, len(self._ids))
        if index == len(self._ids):
            self._ids.append(series)
            self._seasons.append({})
            self._networks.append([])
            self._votes.append(0)
        number = season["season_number"]
        self._seasons[index][number] = (place, summary_of(season))
        self._networks[index] = season.get("networks") or self._networks[index]
        self._season_ids[season["id"]] = (index, number)
        for episode in season["episodes"]:
            self._episode_ids[episode["id"]] = (index, number)
            self._votes[index] += episode["vote_count"]
        self.mentions.note_season(season)


def _empty(block: dict[str, Any], page: int) -> dict[str, Any]:
    return {**copy.deepcopy(block), **({"page": page} if "page" in block else {})}


def _names(stem: str) -> tuple[str, str]:
    return f"{stem}.jsonl", f"{stem}.jsonl.gz"


def _payload_file(folder: Path, stem: str) -> Path:
    found = next((folder / name for name in _names(stem) if (folder / name).is_file()), None)
    if found is None:
        raise EmulatorError(f"no {' or '.join(_names(stem))} in {folder}")
    return found


def _plain_copy(path: Path) -> Any:
    """The file itself, or an unpacked copy that vanishes with its handle: offsets need a plain file."""
    if path.suffix != ".gz":
        return path.open("rb")
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the catalogue
    try:
        with gzip.open(path, "rb") as packed:
            shutil.copyfileobj(packed, unpacked, _COPIED)
    except (OSError, EOFError) as error:
        unpacked.close()
        raise EmulatorError(f"{path} is not a whole gzip file: {error}") from error
    unpacked.seek(0)
    return unpacked


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise EmulatorError(f"{where} is not JSON: {error}") from error
    return body if isinstance(body, dict) else {}


def _traits_of(body: dict[str, Any]) -> Traits:
    return Traits(
        title=body.get("title") or "", original_title=body.get("original_title") or "",
        popularity=float(body.get("popularity") or 0.0), day=_day(body.get("release_date")),
        vote_average=float(body.get("vote_average") or 0.0), vote_count=int(body.get("vote_count") or 0),
        runtime=int(body.get("runtime") or 0), revenue=int(body.get("revenue") or 0),
        language=body.get("original_language") or "",
        countries=tuple(body.get("origin_country") or ()), genres=tuple(row["id"] for row in body.get("genres") or ()),
        adult=bool(body.get("adult")), video=bool(body.get("video")),
    )  # fmt: skip


def _export_row_of(body: dict[str, Any]) -> MovieExportRow:
    title = body.get("original_title") or body.get("title") or ""
    return MovieExportRow(
        bool(body.get("adult")), body["id"], title, body.get("popularity") or 0.0, bool(body.get("video"))
    )


def _day(text: str | None) -> int:
    try:
        return date.fromisoformat(text).toordinal() if text else 0
    except ValueError:
        return 0
