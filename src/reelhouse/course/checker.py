"""Checks files that others wrote as the course requires them: arrays of records, bounded, of one structure, each once.

Nothing is believed of who wrote them. One file at a time is in memory, and what is remembered is an id per record.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from reelhouse.course.layout import COPIES, MOST_BYTES, MOST_RECORDS
from reelhouse.course.structure import ERROR, TITLE, Structures
from reelhouse.errors import MissingKeyError, StorageError
from reelhouse.ids import external_keys
from reelhouse.storage.protocol import Storage, check_key

# Nobody who keeps to ten megabytes comes near it, and it must fit into memory.
_TOO_LARGE = 100_000_000
_BOM = b"\xef\xbb\xbf"
_DAY_PART = re.compile(r"(?:\w+=)?(\d{1,4})")
_STATED = ("imdb_id", "tvdb_id", "external_ids")
_ID = re.compile(rb'"?(\d{1,18})"?')

Fields = dict[str, msgspec.Raw]


class Checked(NamedTuple):
    """What was found below a place.

    *other_files* are not `.json`. *repeats* are records whose id had come on an earlier day, which a second run brings.
    *missing* and *duplicates* are ids of the list, *unlisted* records that it does not name. Without a list
    *duplicates* are all ids that came twice on one day.
    """

    files: int
    other_files: int
    bytes: int
    records: int
    structures: dict[str, int]
    repeats: int
    missing: list[str]
    duplicates: list[str]
    unlisted: int
    problems: list[str]

    @property
    def valid(self) -> bool:
        return not self.problems and not self.missing


def check_course(storage: Storage, asks: Iterable[str] | None = None) -> Checked:
    """Check every `.json` file, below `Raw/TMDB/JSON/` where the place has that; *keys* are ids that should be in."""
    top = COPIES if next(storage.keys(COPIES), None) is not None else ""
    check = _FolderCheck(None if asks is None else dict.fromkeys(asks))
    for key in storage.keys(top):
        if key.lower().endswith(".json"):
            check.take(storage, key)
        else:
            check.other_files += 1
    return check.result()


class _FolderCheck:
    def __init__(self, asks: dict[str, None] | None) -> None:
        self.other_files = 0
        self._asks = asks
        self._files: list[str] = []
        self._bytes = 0
        self._names = Structures()
        self._structures: Counter[str] = Counter()
        self._problems: list[str] = []
        # Per structure: each id with the file that had it last.
        self._seen: dict[str, dict[str, int]] = {}
        self._found: set[str] = set()
        self._twice: dict[str, None] = {}
        self._later = 0
        self._unlisted = 0

    def take(self, storage: Storage, key: str) -> None:
        """Look into one file."""
        self._files.append(key)
        try:
            check_key(key)
        except StorageError:
            self._note(key, "has a name that reelhouse cannot read: plain ASCII is expected")
            return
        size = storage.size(key) or 0
        self._bytes += size
        if size > _TOO_LARGE:
            self._note(key, f"holds {size:,} bytes, more than {MOST_BYTES:,}; its records were not looked at")
            return
        try:
            body = storage.get(key)
        except MissingKeyError:
            self._note(key, "is gone, though it was listed")
            return
        records = list(self._records(key, body))
        if not records:
            return
        if len(records) > MOST_RECORDS:
            self._note(key, f"holds {len(records):,} records, more than {MOST_RECORDS}")
        if size > MOST_BYTES and len(records) > 1:
            self._note(key, f"holds {size:,} bytes, more than {MOST_BYTES:,}")
        self._take_records(key, records)

    def _records(self, key: str, body: bytes) -> Iterator[Fields]:
        """The records that can be read; what is wrong with the file or with one of them is noted."""
        if body.startswith(_BOM):
            self._note(key, "starts with a byte order mark, which JSON has not")
            body = body.removeprefix(_BOM)
        try:
            body.decode()
            found = _values(body)
        except UnicodeDecodeError as exc:
            self._note(key, f"is not UTF-8: {exc}")
            return
        except (msgspec.DecodeError, RecursionError) as exc:
            lines = _json_lines(body)
            self._note(key, "holds JSON lines, not an array of records" if lines else f"is not valid JSON: {exc}")
            yield from lines
            return
        if isinstance(found, dict):
            self._note(key, "holds one object, not an array of records")
            yield found
            return
        if not found:
            self._note(key, "holds no record")
        for place, raw in enumerate(found):
            try:
                yield msgspec.json.decode(raw, type=Fields)
            except msgspec.DecodeError:
                self._note(key, f"record {place} is not an object but {bytes(raw)[:40].decode(errors='replace')}")

    def _take_records(self, key: str, records: list[Fields]) -> None:
        inside: Counter[str] = Counter()
        for place, fields in enumerate(records):
            name, id_of = self._names.name(fields.keys())
            inside[name] += 1
            if name == ERROR:
                said = bytes(fields["status_message"])[:80].decode()
                self._note(key, f"record {place} is an error that TMDB answered, not a record: {said}")
            elif id_of:
                self._take_id(name, fields, of_title=id_of == TITLE)
        if len(inside) > 1:
            mixed = ", ".join(f"{count} {name}" for name, count in inside.most_common())
            self._note(key, f"mixes structures: {mixed}")
        self._structures.update(inside)

    def _take_id(self, name: str, fields: Fields, *, of_title: bool) -> None:
        own = _ID.fullmatch(bytes(fields.get("id", b"")))
        names = [*([str(int(own[1]))] if own else []), *_external_keys(fields)]
        if not names:
            return
        if self._asks is not None and of_title:
            listed = [text for text in names if text in self._asks]
            self._found.update(listed)
            self._unlisted += not listed
        self._take_name(name, names)

    def _take_name(self, name: str, names: list[str]) -> None:
        here = len(self._files) - 1
        seen = self._seen.setdefault(name, {})
        before = seen.get(names[0])
        seen[names[0]] = here
        if before is None:
            return
        if _day(self._files[before]) != _day(self._files[here]):
            self._later += 1
            return
        listed = names if self._asks is None else [text for text in names if text in self._asks]
        self._twice.update(dict.fromkeys(listed[:1]))
        where = f"twice in {self._files[here]}"
        if before != here:
            where = f"in {self._files[before]} and again in {self._files[here]}"
        self._problems.append(f"id {names[0]} ({name}) is {where}")

    def _note(self, key: str, what: str) -> None:
        self._problems.append(f"{key} {what}")

    def result(self) -> Checked:
        if not self._files:
            self._problems.append("there is no .json file")
        return Checked(
            files=len(self._files),
            other_files=self.other_files,
            bytes=self._bytes,
            records=self._structures.total(),
            structures=dict(self._structures.most_common()),
            repeats=self._later,
            missing=[ask for ask in self._asks or () if ask not in self._found],
            duplicates=list(self._twice),
            unlisted=self._unlisted,
            problems=self._problems,
        )


def _values(body: bytes) -> Fields | list[msgspec.Raw]:
    if body.lstrip()[:1] == b"{":
        return msgspec.json.decode(body, type=Fields)
    return msgspec.json.decode(body, type=list[msgspec.Raw])


def _json_lines(body: bytes) -> list[Fields]:
    """The objects of a file that has one on each line; nothing where it is anything else."""
    try:
        return [msgspec.json.decode(line, type=Fields) for line in body.splitlines() if line.strip()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _external_keys(fields: Fields) -> dict[str, None]:
    """Ids of other services as `--ids` writes them, from the record and from its `external_ids`."""
    try:
        stated = {name: msgspec.json.decode(fields[name]) for name in _STATED if name in fields}
    except msgspec.DecodeError:
        return {}
    return dict.fromkeys(external_keys(stated))


def _day(key: str) -> tuple[int, ...]:
    """The date in a file's folder, as far as it tells one: `2026/11/23` or `ano=2026/mes=11/dia=23`."""
    parts = (_DAY_PART.fullmatch(part) for part in key.split("/")[:-1])
    return tuple(int(part[1]) for part in parts if part)
