"""The catalogue of given bodies: an index of offsets into one file, never all bodies in memory."""

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

from reelhouse.emulator.catalog.facts import ExportRow
from reelhouse.emulator.catalog.people_companies import Row
from reelhouse.emulator.catalog.protocol import EMPTY_BLOCKS, Traits
from reelhouse.emulator.options import EmulatorError

_NAMES = ("movie.jsonl", "movie.jsonl.gz")
_COPIED = 1 << 20
_ROW_KEYS = (
    "adult", "backdrop_path", "id", "title", "original_language", "original_title", "overview", "popularity",
    "poster_path", "release_date", "softcore", "video", "vote_average", "vote_count",
)  # fmt: skip


class PayloadCatalogue:
    """The movies of `movie.jsonl` or `movie.jsonl.gz` in a folder; of two lines with one id the later one counts."""

    grows = False

    def __init__(self, folder: Path) -> None:
        self._file = _plain_copy(_payload_file(folder))
        self._places: list[tuple[int, int]] = []
        self._ids: list[int] = []
        self._index: dict[int, int] = {}
        self._imdb: dict[str, int] = {}
        self._traits: list[Traits] = []
        self._export: list[ExportRow] = []
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._scan(folder)
            if not self._ids:
                raise EmulatorError(f"no movies in {folder}")
            on_failure.pop_all()
        self.size = len(self._ids)

    def close(self) -> None:
        self._file.close()

    def id_of(self, index: int) -> int:
        return self._ids[index]

    def index_of(self, number: int) -> int | None:
        return self._index.get(number)

    def index_of_imdb(self, text: str) -> int | None:
        return self._imdb.get(text)

    def detail(self, index: int) -> dict[str, Any]:
        return {key: value for key, value in self._body(index).items() if key not in EMPTY_BLOCKS}

    def block(self, index: int, name: str, page: int) -> dict[str, Any]:
        body = self._body(index)
        if name not in body or (page > 1 and "page" in EMPTY_BLOCKS[name]):
            return {**copy.deepcopy(EMPTY_BLOCKS[name]), **({"page": page} if "page" in EMPTY_BLOCKS[name] else {})}
        return {key: value for key, value in body[name].items() if key != "id"}

    def row(self, index: int) -> dict[str, Any]:
        body = self._body(index)
        row: Row = {key: body[key] for key in _ROW_KEYS if key in body}
        row["genre_ids"] = [genre["id"] for genre in body.get("genres") or ()]
        return row

    def traits(self, index: int) -> Traits:
        return self._traits[index]

    def export_row(self, index: int) -> ExportRow:
        return self._export[index]

    def export_order(self) -> Iterator[int]:
        return iter(range(self.size))

    def by_popularity(self) -> Iterator[int]:
        return iter(sorted(range(self.size), key=lambda index: -self._traits[index].popularity))

    def _body(self, index: int) -> dict[str, Any]:
        offset, length = self._places[index]
        body: dict[str, Any] = msgspec.json.decode(os.pread(self._file.fileno(), length, offset))
        return body

    def _scan(self, folder: Path) -> None:
        offset = 0
        for number, line in enumerate(self._file, 1):
            if line.strip():
                self._note(_parsed(line, folder, number), (offset, len(line)))
            offset += len(line)

    def _note(self, body: dict[str, Any], place: tuple[int, int]) -> None:
        index = self._index.setdefault(body["id"], len(self._ids))
        # A slice puts the first line of an id at the end and a later one in its place.
        here = slice(index, index + 1)
        self._ids[here] = [body["id"]]
        self._places[here] = [place]
        self._traits[here] = [_traits_of(body)]
        self._export[here] = [_export_row_of(body)]
        if body.get("imdb_id"):
            self._imdb[body["imdb_id"]] = index


def _payload_file(folder: Path) -> Path:
    found = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    if found is None:
        raise EmulatorError(f"no {' or '.join(_NAMES)} in {folder}")
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


def _parsed(line: bytes, folder: Path, number: int) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise EmulatorError(f"line {number} of the movies in {folder} is not JSON: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("id"), int):
        raise EmulatorError(f"line {number} of the movies in {folder} is no movie: it has no number as its id")
    return body


def _traits_of(body: dict[str, Any]) -> Traits:
    return Traits(
        title=body.get("title") or "", original_title=body.get("original_title") or "",
        popularity=body.get("popularity") or 0.0, day=_day(body.get("release_date")),
        vote_average=body.get("vote_average") or 0.0, vote_count=int(body.get("vote_count") or 0),
        runtime=int(body.get("runtime") or 0), revenue=int(body.get("revenue") or 0),
        language=body.get("original_language") or "",
        countries=tuple(body.get("origin_country") or ()), genres=tuple(row["id"] for row in body.get("genres") or ()),
        adult=bool(body.get("adult")), video=bool(body.get("video")),
    )  # fmt: skip


def _export_row_of(body: dict[str, Any]) -> ExportRow:
    title = body.get("original_title") or body.get("title") or ""
    return ExportRow(bool(body.get("adult")), body["id"], title, body.get("popularity") or 0.0, bool(body.get("video")))


def _day(text: str | None) -> int:
    try:
        return date.fromisoformat(text).toordinal() if text else 0
    except ValueError:
        return 0
