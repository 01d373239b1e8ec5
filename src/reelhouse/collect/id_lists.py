"""Lists of ids that a person brings: one a line, or a CSV with columns of ids of TMDB, IMDb or TVDB."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any, NamedTuple

from reelhouse.entities.registry import DEFAULT, ENTITIES, EXTERNAL_KINDS, NAMES_OF_FILES, OTHER_WORDS
from reelhouse.errors import ConfigError
from reelhouse.ids import NOT_AN_ID, TVDB, external, read_id
from reelhouse.strict_csv import BLOCK, DELIMITERS, LONGEST, CsvError, CsvRow, Dialect, LineCounts, read_rows

# Whose ids a column holds, by its name without what is not a letter or digit; of one row the first is taken that is
# there. MovieLens' own `movieId` is none of these.
_COLUMNS = {
    "tmdb": frozenset(("tmdb", "tmdbid", "tmdbmovieid", "themoviedb", "themoviedbid")),
    "imdb": frozenset(("imdb", "imdbid", "imdbtitleid", "tconst", "const", "nconst")),
    "tvdb": frozenset(("tvdb", "tvdbid", "thetvdb", "thetvdbid")),
}
# A column of this name may hold anybody's ids, and those that are named after an entity its own.
_ANY = "id"
_ENTITY_OF = {name: one.name for one in ENTITIES.values() for name in (one.id_column, f"{one.name} id") if name}
_KIND_COLUMNS = ("mediatype", "titletype", "itemtype", "kind", "type")

# What lists call a kind of thing, with the kind.
_KIND_OF = {
    word: kind
    for kind, words in (*((one.name, one.words) for one in ENTITIES.values()), *OTHER_WORDS.items())
    for word in words.split()
}
_NO_KIND = "without a kind"
_LONGEST_KIND = 40
_MOST_NAMED = 5

# In a list of one id per line nothing stands between values.
_NOTHING = "\0"


class Reading(NamedTuple):
    """How a list is read: its *column* of ids, quotes, and whether its *kinds* count. It is about an *entity*.

    *name* is its file's. A list that is about something else is not an error with *others_only*.
    The other fields are how a person gives these, for messages; the command line's unless others are given.
    """

    column: str | None = None
    quotes: bool = True
    escape: str = ""
    kinds: bool = True
    entity: str = DEFAULT
    say_column: str = "--ids-column {}"
    say_quotes: str = "--no-quotes"
    say_escape: str = "--escape '\\'"
    say_kinds: str = "--all-kinds"
    name: str = ""
    others_only: bool = False


@dataclass(frozen=True)
class KeyList:
    """The distinct keys of a list in order, and what became of its other rows.

    `rows = keys + duplicates + blank + invalid + the sum of others`: *duplicates* named an id again, *blank* none,
    *others* are not about the *entity*, by their kind as it is written there. *columns* were read, *spanning* values
    span lines. With *has_kinds* a column says what each row is about; *bare* ids are numbers, which do not say it
    themselves. *invalid* cells name no id, such as 0 or a date; *invalid_shown* are the first of them with their lines.
    """

    keys: tuple[str, ...]
    blank: int
    duplicates: int = field(default=0, compare=False)
    others: dict[str, int] = field(default_factory=dict, compare=False)
    columns: tuple[str, ...] = field(default=(), compare=False)
    spanning: int = field(default=0, compare=False)
    entity: str = field(default=DEFAULT, compare=False)
    has_kinds: bool = field(default=False, compare=False)
    bare: int = field(default=0, compare=False)
    invalid: int = field(default=0, compare=False)
    invalid_shown: tuple[str, ...] = field(default=(), compare=False)

    @property
    def notes(self) -> list[str]:
        """What a person should know of how the list was read."""
        found = []
        if self.columns:
            found.append(f"ids read from column {' and, where that is blank, '.join(self.columns)}")
        if self.blank:
            found.append(f"rows of the list without an id: {self.blank:,}")
        if self.invalid:
            what = f"cells that are not ids of {_plural(self.entity)} and were not requested"
            found.append(f"{what}: {self.invalid:,} ({', '.join(self.invalid_shown)})")
        if self.others:
            found.append(f"not requested, because they are not {_plural(self.entity)}: {_named(self.others)}")
        if self.spanning:
            found.append(f"values of the list that span lines: {self.spanning:,}")
        return found

    def summary(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "columns": list(self.columns),
            "ids": len(self.keys),
            "duplicates": self.duplicates,
            "blank": self.blank,
            "invalid": self.invalid,
            "other_kinds": self.others,
            "spanning": self.spanning,
        }


def read_lists(body: bytes, how: Reading, entities: Collection[str]) -> list[KeyList]:
    """The list of each of *entities* that *body* has ids of, in the order in which they are to be requested.

    A column of kinds says whose they are, or the file's name, or all ids themselves: addresses, ids of IMDb and TVDB.
    The IMDb id of a title is requested of every entity that has titles. Raises `ConfigError` where nothing says so.
    """
    if len(entities) == 1:
        return [read_keys(body, how._replace(entity=one)) for one in entities]
    named = _kinds_in(how.name) if how.kinds else set()
    found = [read_keys(body, how._replace(entity=one, others_only=True)) for one in entities]
    if len(named) == 1 and not found[0].has_kinds:
        # One list, or an error that says what the name is about.
        return read_lists(body, how, [*named.intersection(entities)] or [found[0].entity])
    if any(one.bare and not one.has_kinds for one in found):
        raise ConfigError(f"entity: say what the ids are about, with --entity {' or --entity '.join(entities)}")
    lists = [one for one in found if one.keys]
    if not lists:
        others = f", only {_named(found[0].others)}" if found[0].others else " id"
        raise ConfigError(f"ids: the list holds no {', '.join(entities)}{others}")
    asked = {one.entity for one in lists}
    if not found[0].has_kinds:
        asked |= {EXTERNAL_KINDS[begins] for name in asked for begins in _external(name)}
        # What `/find` says first is sent on to where it belongs.
        lists.sort(key=lambda one: not (one.entity in ENTITIES and ENTITIES[one.entity].find))
    return [
        replace(one, others={kind: count for kind, count in one.others.items() if _kind(kind) not in asked})
        for one in lists
    ]


def read_keys(text: str | bytes, reading: Reading | str | None = None) -> KeyList:
    """Parse a list. A CSV's TMDB column is used, where that is blank its IMDb column, then TVDB's.

    Raises `ConfigError` with the line of what is not an id, or of a quote out of place, and if several columns may hold
    the ids.
    """
    how = Reading(reading) if isinstance(reading, str) else reading or Reading()
    body = _plain_text(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    first = _first_line(body)
    plain = how.column is None and (not first.strip() or _is_key(first.strip()))
    tally = LineCounts()
    dialect = Dialect(max(DELIMITERS, key=first.count), how.quotes, how.escape)
    if plain:
        dialect = Dialect(_NOTHING, how.quotes, how.escape)
    rows = read_rows(io.BytesIO(body), dialect, tally)
    try:
        found = _plain(rows, how.entity) if plain else _table(rows, how, first)
        return _sorted_out(found, tally, how)
    except CsvError as exc:
        raise ConfigError(f"ids: {exc.with_remedy(how.say_quotes, how.say_escape)}") from exc


class _Found(NamedTuple):
    """What one row names: an id (*bare* if it does not say of what), nothing, or something of another kind."""

    key: str
    kind: str = ""
    invalid: str = ""
    bare: bool = False


class _Columns(NamedTuple):
    """Where a table's ids and kinds are; each of *ids* with whose they are.

    *about* is the entity that the column of ids is named after, if it is.
    """

    ids: list[tuple[int, str]]
    kind: int | None
    names: tuple[str, ...]
    about: str = ""


def _first_line(body: bytes) -> str:
    first = re.match(rb"(?:[ \t]*[\r\n]+)*([^\r\n]*)", body[:BLOCK].removeprefix(b"\xef\xbb\xbf"))
    assert first is not None
    return first[1].decode(errors="replace")


def _plain_text(body: bytes) -> bytes:
    """*body* as UTF-8 with an id or a row per line: unpacked where it is gzip, from UTF-16, from a JSON list."""
    if body[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(body)) as unpacked:
                body = unpacked.read(LONGEST + 1)
        except EOFError:
            raise ConfigError("ids: the gzip file is cut short") from None
        except (zlib.error, gzip.BadGzipFile) as exc:
            raise ConfigError(f"ids: the gzip file is damaged: {exc}") from exc
        if len(body) > LONGEST:
            raise ConfigError(f"ids: the gzip file holds more than {LONGEST >> 20} MB")
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            body = body.decode("utf-16").encode()
        except UnicodeDecodeError as exc:
            raise ConfigError("ids: the list is cut in the middle of a character of UTF-16") from exc
    try:
        body.decode()
    except UnicodeDecodeError:
        # Ids are ASCII in every other encoding too; only names of columns may come out wrong.
        body = body.decode("latin-1").encode()
    listed = body.removeprefix(codecs.BOM_UTF8).lstrip()
    return _json_as_text(listed) if listed[:1] == b"[" else body


def _json_as_text(body: bytes) -> bytes:
    """A JSON list of ids as one per line, one of objects as a CSV."""
    try:
        items = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"ids: the list begins with [ but is not JSON: {exc}") from exc
    if items and all(isinstance(item, dict) for item in items):
        return _table_of(items)
    if not all(isinstance(item, (str, int)) for item in items):
        raise ConfigError(
            "ids: a JSON list of ids is expected, such as [603, 550], or of objects as Trakt exports them"
        )
    return "\n".join(map(str, items)).encode()


def _table_of(items: list[dict[str, Any]]) -> bytes:
    """A CSV of the ids and kinds of objects.

    They have them as Trakt's, `{"type": "x", "x": {"ids": {"tmdb": 1}}}`, or as Sonarr's, `{"tvdbId": 1}`.
    """
    rows = []
    for item in items:
        kind = item.get("type") or next(
            (name for name, one in item.items() if isinstance(one, dict) and "ids" in one), ""
        )
        about = item[kind] if isinstance(kind, str) and isinstance(item.get(kind), dict) else item
        ids = about["ids"] if isinstance(about.get("ids"), dict) else about
        found = {_service(name): value for name, value in ids.items() if value}
        cells = (*map(found.get, _COLUMNS), kind)
        rows.append(["" if cell is None else re.sub(r'[",;|\s]+', " ", str(cell)) for cell in cells])
    used = [any(column) for column in zip(*rows, strict=True)]
    if not any(used[:-1]):
        raise ConfigError(
            "ids: no object of the JSON list has an id where Trakt's exports have them (ids.tmdb, ids.imdb, ids.tvdb); "
            "a list of ids, such as [603, 550], is read too"
        )
    header = [*(f"{service}_id" for service in _COLUMNS), "type"]
    return "\n".join(",".join(compress(row, used)) for row in [header, *rows]).encode()


def _sorted_out(found: Iterator[_Found | _Columns], tally: LineCounts, how: Reading) -> KeyList:
    keys: dict[str, None] = {}
    others: Counter[str] = Counter()
    columns: tuple[str, ...] = ()
    kinds = False
    rows = blank = bare = 0
    invalid: list[str] = []
    for one in found:
        if isinstance(one, _Columns):
            columns, kinds = one.names, one.kind is not None or bool(one.about)
            continue
        rows += 1
        bare += one.bare
        if one.kind:
            others[one.kind] += 1
        elif one.invalid:
            invalid.append(one.invalid)
        elif one.key:
            keys[one.key] = None
        else:
            blank += 1
    if invalid and not keys:
        raise ConfigError(f"ids: {invalid[0]} is {NOT_AN_ID} of a {how.entity}, and the list contains no ids")
    duplicates = rows - blank - len(invalid) - others.total() - len(keys)
    if rows + bool(columns) != tally.records:
        raise ConfigError(f"ids: of {tally.records} records {rows} rows are accounted for")
    if others and not keys and not how.others_only:
        hint = f"; {how.say_kinds} requests every row as a {how.entity}" if kinds else ""
        raise ConfigError(f"ids: the list holds no {how.entity}, only {_named(others)}{hint}")
    if how.kinds and not kinds and not how.others_only:
        _check_name(how)
    read = (columns, tally.spanning, how.entity, kinds, bare)
    shown = tuple(invalid[:_MOST_NAMED])
    return KeyList(tuple(keys), blank + tally.blank, duplicates, dict(others), *read, len(invalid), shown)


def _check_name(how: Reading) -> None:
    """Raise `ConfigError` if a list without kinds is named after an entity that is not requested."""
    named = _kinds_in(how.name)
    if named and how.entity not in named:
        raise ConfigError(
            f"ids: by its name {how.name} is about {' and '.join(sorted(named))}, not about {how.entity}: "
            f"{how.say_kinds} requests every row as a {how.entity}"
        )


def _kinds_in(name: str) -> set[str]:
    """The kinds of things that the *name* of a file says it is about."""
    words = {_kind(word) for word in re.split(r"[\W_]+", name.rpartition("/")[2].partition(".")[0])}
    return words & {_kind(word) for word in NAMES_OF_FILES}


def _plain(rows: Iterator[CsvRow], entity: str) -> Iterator[_Found]:
    for row in rows:
        cell = _NOTHING.join(row.cells).strip()
        found = _found(cell, row.line, "tmdb", entity)
        if found.invalid:
            raise ConfigError(f"ids: {found.invalid} is {NOT_AN_ID}")
        yield found


def _table(rows: Iterator[CsvRow], how: Reading, first: str) -> Iterator[_Found | _Columns]:
    blank = 0
    while (header := next(rows, None)) is not None and not any(cell.strip() for cell in header.cells):
        blank += 1
    names = [name.strip() for name in header.cells] if header else []
    columns = _columns(names, how, first)
    yield columns
    yield from [_Found("")] * blank
    for row in rows:
        _check_inside(row, columns, len(names), first, how)
        kind = columns.about if columns.about not in ("", how.entity) else _other_kind(row, columns.kind, how.entity)
        if kind:
            yield _Found("", kind)
            continue
        cells = ((_cell(row, at), service) for at, service in columns.ids)
        cell, service = next((one for one in cells if one[0]), ("", "tmdb"))
        found = _found(cell, row.line, service, how.entity)
        # The row is about the entity, and its id is not: no other entity has the row.
        yield _Found("", invalid=_invalid(row.line, cell)) if found.kind and columns.kind is not None else found


def _cell(row: CsvRow, at: int) -> str:
    return row.cells[at].strip() if at < len(row.cells) else ""


def _check_inside(row: CsvRow, columns: _Columns, width: int, first: str, how: Reading) -> None:
    """Raise `CsvError` for a row wider than its header, or a value that takes in rows, by their width and an id."""
    if row.inside and len(row.cells) != width:
        raise CsvError(
            f"line {row.line} opens a quote and goes on for {len(row.inside)} lines, and then it has {len(row.cells)} "
            f"values where the header names {width}"
        )
    if any(cell.strip() for cell in row.cells[width:]):
        # The id may be in another column than the header says.
        raise CsvError(
            f"line {row.line} has {len(row.cells)} values where the header names {width}: quote values that contain "
            f"{max(DELIMITERS, key=first.count)!r}",
            quotes=False,
        )
    delimiter = max(DELIMITERS, key=first.count)
    for line in row.inside:
        text = line.decode(errors="replace").rstrip("\r\n")
        cells = text.split(delimiter)
        if len(cells) == width > 1 and any(_key(cells[at].strip(' "'), service) for at, service in columns.ids):
            raise CsvError(f"line {row.line} opens a quote and takes in a line that looks like a row, {text[:40]!r}")


def _other_kind(row: CsvRow, at: int | None, entity: str) -> str:
    """The kind of a row that is not about *entity*, as it is written there; empty for one that is."""
    if at is None:
        return ""
    written = _cell(row, at)
    return "" if _kind(written) == entity else written[:_LONGEST_KIND] or _NO_KIND


def _kind(written: str) -> str:
    """The kind that lists call so; empty for what is not a kind."""
    return _KIND_OF.get(_letters(written), "")


def _plural(entity: str) -> str:
    return ENTITIES[entity].plural or entity if entity in ENTITIES else entity


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _named(others: dict[str, int]) -> str:
    """Rows of other kinds, counted; what is not a kind that is known is marked."""
    shown = [
        f"{count:,} {kind if _letters(kind) in _KIND_OF or kind == _NO_KIND else f'of an unknown kind ({kind!r})'}"
        for kind, count in sorted(others.items(), key=lambda item: -item[1])
    ]
    rest = len(shown) - _MOST_NAMED
    return ", ".join(shown[:_MOST_NAMED]) + (f" and {rest} further kinds" if rest > 0 else "")


def _columns(names: Sequence[str], how: Reading, first: str) -> _Columns:
    kind = _kind_column(names) if how.kinds else None
    if how.column is not None:
        at = _named_column(names, how.column)
        named = next((service for service in _COLUMNS if service in names[at].casefold()), "tmdb")
        return _Columns([(at, _service(names[at]) or named)], kind, (names[at],))
    found = [(at, service) for service in _COLUMNS for at, name in enumerate(names) if _service(name) == service]
    plain = [name.casefold() for name in names]
    vague = [(at, "tmdb") for at, name in enumerate(plain) if name == _ANY or _ENTITY_OF.get(name) == how.entity]
    if not found + vague and (
        others := [(at, _ENTITY_OF[name]) for at, name in enumerate(plain) if name in _ENTITY_OF]
    ):
        return _of_others(names, others, how)
    if not found + vague:
        raise ConfigError(
            f"ids: line 1, {first[:60]!r}, is neither an id nor a header with a column of ids; "
            f"{how.say_column.format('NAME')} names one"
        )
    if len(vague) > bool(not found) or len({service for _, service in found}) < len(found):
        candidates = list(dict.fromkeys(names[at] for at, _ in sorted(found + vague)))
        if len(candidates) == 1:
            raise ConfigError(f"ids: several columns are called {candidates[0]!r}: rename all but one of them")
        raise ConfigError(
            f"ids: {' and '.join(candidates)} may all hold the ids that are meant; say which: "
            + " or ".join(how.say_column.format(_quoted(name)) for name in candidates)
        )
    about = "" if found else _ENTITY_OF.get(plain[vague[0][0]], "")
    return _Columns(found or vague, kind, tuple(names[at] for at, _ in found or vague), about)


def _of_others(names: Sequence[str], others: list[tuple[int, str]], how: Reading) -> _Columns:
    """The columns of a list whose ids are those of other entities, by the names of *others*."""
    at, entity = others[0]
    if how.others_only and len(others) == 1:
        return _Columns([], None, (names[at],), entity)
    shown = " or ".join(names[at] for at, _ in others)
    select = " or ".join(f"--entity {entity}" for _, entity in others)
    raise ConfigError(
        f"ids: by its name {shown} does not hold ids of {how.entity}: select {select}, or name the column with "
        f"{how.say_column.format(_quoted(names[at]))}"
    )


def _service(name: str) -> str:
    """Whose ids a column of this *name* holds; empty where the name does not say so."""
    return next((service for service, names in _COLUMNS.items() if _letters(name) in names), "")


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else f"'{name}'"


def _named_column(names: Sequence[str], column: str) -> int:
    for same in (str, str.casefold):
        found = [at for at, name in enumerate(names) if same(name) == same(column.strip())]
        if len(found) > 1:
            raise ConfigError(f"ids: {len(found)} columns are called {column!r}: rename one of them")
        if found:
            return found[0]
    raise ConfigError(f"ids: there is no column {column!r} among {', '.join(names)}")


def _kind_column(names: Sequence[str]) -> int | None:
    plain = [_letters(name) for name in names]
    return next((plain.index(name) for name in _KIND_COLUMNS if name in plain), None)


def _is_key(text: str) -> bool:
    text = text.strip('"')
    known = re.fullmatch(r"[0-9]+(\.0)?|(tt|nm|tvdb:(//)?)[0-9]+", text, re.IGNORECASE) or _URL.match(text)
    return not text or known is not None


# The page of a record at TMDB, with its kind, or of a title or a person at IMDb.
_URL = re.compile(
    r"(?:https?://)?(?:www\.|m\.)?(?:themoviedb\.org/(?P<kind>[a-z]+)/(?P<tmdb>[0-9]+)"
    r"|imdb\.com/(?:title|name)/(?P<imdb>(?:tt|nm)[0-9]+))(?![0-9a-z])",
    re.IGNORECASE,
)


def _found(cell: str, number: int, service: str, entity: str) -> _Found:
    if not cell:
        return _Found("")
    url = _URL.match(cell)
    if url:
        kind = url["kind"]
        if kind and _kind(kind) != entity:
            return _Found("", kind)
        cell = url["tmdb"] or url["imdb"]
    key = _key(cell, service, entity)
    if key is None:
        return _Found("", invalid=_invalid(number, cell))
    other = external(key)
    if other is not None and other.begins not in _external(entity):
        return _Found("", EXTERNAL_KINDS[other.begins])
    # A number in a column of IMDb's does not say whether it is of a title or of a person.
    return _Found(key, bare=cell[0].isdigit() and service != "tvdb" and not url)


def _invalid(number: int, cell: str) -> str:
    return f"line {number}: {cell[:40]!r}"


def _key(cell: str, service: str, entity: str = "") -> str | None:
    """The key that a *cell* of ids of a *service* names; None for none."""
    # Spreadsheets write whole numbers as 862.0 where a column has blanks.
    text = cell.removesuffix(".0")
    if not text.isdigit() or service == "tmdb":
        return read_id(text)
    # MovieLens writes IMDb's ids without their letters.
    return read_id(f"{TVDB if service == 'tvdb' else next(iter(_external(entity)), 'tt')}{text}")


def _external(entity: str) -> tuple[str, ...]:
    """How ids of other services begin that may be of an *entity*: IMDb's first."""
    return ENTITIES[entity].external if entity in ENTITIES else ()
