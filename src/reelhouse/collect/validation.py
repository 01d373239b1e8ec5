"""What an answer is worth: kept, filtered, gone or set aside. Nothing here asks or writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from reelhouse.collect.record_filter import compile_filter
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.numbered_parts import OddPart, decoded, odd_part
from reelhouse.entities.python_rows import Row, TypedAnswer, python_rows
from reelhouse.entities.schema import PAGE_ROWS, Entity, Pages, Single, Table
from reelhouse.errors import ConfigError
from reelhouse.ids import SINGLE, is_number, key_id, number_of, shown_id
from reelhouse.raw.receipt import State
from reelhouse.tmdb.client import Answer, UntrustedAnswer
from reelhouse.tmdb.pagination import is_owed_rows
from reelhouse.tmdb.retry import is_error

# How deeply JSON may nest depends on the stack of the one that reads it, and a chunk's line wraps a body once more.
_DEEPER, _DEEPER_ENDS = b"[" * 100, b"]" * 100

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _IdMember(msgspec.Struct):
    id: int


class _ListPage(msgspec.Struct):
    results: list[dict[str, msgspec.Raw]]
    total_results: int = 0


_decode_page = msgspec.json.Decoder(_ListPage).decode
_decode_rows = msgspec.json.Decoder(list[_IdMember]).decode

T = TypeVar("T")


class FurtherAnswer(NamedTuple):
    """A further answer to the same record, what was *appended* to it, and its *drift*."""

    appended: tuple[str, ...]
    answer: Answer
    drift: tuple[str, ...] = ()


class Validated(NamedTuple):
    """What became of one record. *answer* is None only where nobody ever answered.

    *promised* are the numbered parts that the answer lists, each with its count of rows; it lacks those that are
    *missing*, which are requested next and come as *further*.
    *path* is what was requested, where that is not the entity's path with the key.
    """

    state: State
    answer: Answer | None
    id: int | None
    reason: str | None = None
    parses: bool = True
    drift: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    promised: dict[int, Any] | None = None
    further: tuple[FurtherAnswer, ...] = ()
    path: str = ""


class _IncompleteAnswer(UntrustedAnswer):
    """An answer without *missing* of the appends; *outcome* is what it comes to where TMDB sends these to nobody."""

    def __init__(self, key: str, answer: Answer, missing: tuple[str, ...], validated: Validated | None) -> None:
        names = ",".join(missing)
        super().__init__(f"missing:{names}", f"{key}: the answer lacks {names}, which was asked with it", answer)
        self.missing = missing
        self.validated = validated


class _ShortAnswer(UntrustedAnswer):
    """An answer whose parts contradict each other; *outcome* is what it comes to where TMDB has it so."""

    def __init__(self, reason: str, text: str, answer: Answer, outcome: Validated | FurtherAnswer) -> None:
        super().__init__(reason, text, answer)
        self.outcome = outcome


class ChangedRecordError(Exception):
    """A further answer lists other parts than the first: TMDB changed the record between them, or a cache is behind."""


# So many answers of a run may contradict themselves, or one of so many; more are a fault of TMDB's.
_FEW_SHORT, _ONE_SHORT_OF = 5, 20

# After so many answers that lacked an append however often they were requested, none is requested again for it.
_IN_VAIN = 5


class ResponseValidator:
    """Says of each answer to one entity's details whether it is what was requested, and whether the user wants it."""

    def __init__(self, entity: Entity, append: tuple[str, ...], record_filter: str = "") -> None:
        self._entity = entity
        self._known = entity.fields | set(append)
        self._append = append
        self._core = entity.core
        # Appends that some answer carried, and how often others did not come though they were requested again.
        self._carried: set[str] = set()
        self._in_vain: Counter[str] = Counter()
        self._whole = self._short = 0
        self._wanted = compile_filter(record_filter)

    def judge(self, key: str, answer: Answer) -> Validated:
        """The outcome of a 200; `UntrustedAnswer` where it cannot be believed."""
        if self._entity.is_list:
            _decoded(key, answer, _decode_list)
            self._check_rows(key, answer)
            return self._validated(answer, SINGLE, {}, ())
        fields = _fields(key, answer)
        id_ = _checked_id(key, fields, answer, self._entity.id_field) if self._entity.has_ids else SINGLE
        if not self._entity.has_ids and not self._core <= fields.keys():
            raise UntrustedAnswer("wrong_body", f"{key}: the answer lacks fields that it always has", answer)
        self._check_rows(key, answer)
        if isinstance(self._entity.listing, Pages):
            _check_page(id_, answer)
        missing = tuple(name for name in self._append if not _is_block(fields.get(name)))
        if len(self._carried) < len(self._append):
            self._carried.update(name for name in self._append if name not in missing)
        if missing and not self._core <= fields.keys():
            raise _IncompleteAnswer(key, answer, missing, None)
        validated = self._validated(answer, id_, fields, missing)
        odd = self._odd_part(key, id_, fields, answer) if validated.state is State.LANDED else None
        if odd:
            validated = validated._replace(drift=(*validated.drift, _drift(odd)))
        if not self._are_expected(missing):
            raise _IncompleteAnswer(key, answer, missing, validated)
        if odd:
            raise _ShortAnswer(odd.reason, f"{key}: {odd.text}", answer, validated)
        self._whole += 1
        return validated

    def judge_found(self, key: str, answer: Answer) -> int | Validated:
        """The id that `/find` gives for another service's, or what becomes of a *key* that does not name one record."""
        found = {name: _ids_of(key, raw, answer) for name, raw in _fields(key, answer).items()}
        if self._entity.find not in found:
            raise UntrustedAnswer("wrong_body", f"{key}: the answer lacks {self._entity.find}", answer)
        ids = found[self._entity.find]
        if len(ids) == 1:
            return ids[0]
        if ids:
            return Validated(State.QUARANTINED, answer, None, f"several:{','.join(map(str, ids))}")
        kinds = tuple(other_kind(name.removesuffix("_results")) for name, others in found.items() if others)
        return Validated(State.GONE, answer, None, kinds[0] if kinds else None, drift=kinds)

    def judge_further(
        self, key: str, appended: tuple[str, ...], promised: dict[int, Any] | None, answer: Answer
    ) -> FurtherAnswer:
        """A further answer to the record of *key*; `UntrustedAnswer` where it cannot be believed or lacks a part.

        Raises `ChangedRecordError` if it lists other parts than the first answer *promised*; None compares nothing.
        """
        fields = _fields(key, answer)
        id_ = _checked_id(key, fields, answer)
        if promised is not None and self._core <= fields.keys() and promised != self._promised(fields):
            raise ChangedRecordError(f"{key}: its answers list different parts")
        if missing := tuple(name for name in appended if not _is_block(fields.get(name))):
            if not self._core <= fields.keys():
                raise _IncompleteAnswer(key, answer, missing, None)
            outcome = FurtherAnswer(appended, answer, tuple(f"missing:{name}" for name in missing))
            names = ",".join(missing)
            raise _ShortAnswer(f"missing:{names}", f"{key}: the answer lacks {names}, which it lists", answer, outcome)
        if odd := self._odd_part(key, id_, fields, answer):
            outcome = FurtherAnswer(appended, answer, (_drift(odd),))
            raise _ShortAnswer(odd.reason, f"{key}: {odd.text}", answer, outcome)
        return FurtherAnswer(appended, answer)

    def _check_rows(self, key: str, answer: Answer) -> None:
        """`UntrustedAnswer` where a list without ids is too short for one of its tables, or is another list."""
        if not isinstance(self._entity.listing, Single):
            return
        least = self._entity.listing.least_rows
        values = lenient_parse(answer.body, self._entity.shape).values
        for table in (one for one in self._entity.tables if one.of_answers and not one.make):
            rows = list(python_rows(table, TypedAnswer(SINGLE, None, values, [])))
            if len(rows) < least:
                raise UntrustedAnswer(
                    "too_short", f"{key}: the answer has {len(rows)} of at least {least} rows of {table.name}", answer
                )
            if _is_of_another(table, rows, answer.body):
                names = ", ".join(table.placed)
                raise UntrustedAnswer("wrong_body", f"{key}: most rows of {table.name} lack {names}", answer)

    def _promised(self, fields: Mapping[str, msgspec.Raw]) -> dict[int, Any]:
        """The numbered parts that an answer lists, each with its count of rows."""
        numbered = self._entity.numbered
        if numbered is None:
            return {}
        return numbered.promised({numbered.listed_in: decoded(fields.get(numbered.listed_in, b"null"))})

    def _lacks(self, fields: Mapping[str, msgspec.Raw], promised: Iterable[int]) -> tuple[str, ...]:
        numbered = self._entity.numbered
        names = map(numbered.name, promised) if numbered else ()
        return tuple(name for name in names if not _is_block(fields.get(name)))

    def _odd_part(self, key: str, id_: int, fields: Mapping[str, msgspec.Raw], answer: Answer) -> OddPart | None:
        """What may be odd with the parts of an answer; `UntrustedAnswer` for what is never so at TMDB."""
        numbered = self._entity.numbered
        odd = odd_part(numbered, id_, fields) if numbered else None
        if odd and not odd.slight:
            raise UntrustedAnswer(odd.reason, f"{key}: {odd.text}", answer)
        return odd

    def _is_known(self, name: str) -> bool:
        numbered = self._entity.numbered
        return name in self._known or (numbered is not None and numbered.number_in(name) is not None)

    def lands_yet(self, exc: UntrustedAnswer) -> Validated | None:
        """What an answer comes to that stayed without an append however often it was requested; None to set it aside.

        In the tables, what was not sent looks like what does not exist. So it lands only where no answer has carried
        that append, so that TMDB does not send it; else it is set aside, and the next run asks it again.
        Few answers of a run may contradict themselves: they land too.
        """
        if isinstance(exc, _ShortAnswer):
            return exc.outcome if isinstance(exc.outcome, Validated) and self._are_few_short() else None
        if not isinstance(exc, _IncompleteAnswer) or exc.validated is None or self._carried & set(exc.missing):
            return None
        self._in_vain.update(exc.missing)
        return exc.validated

    def further_yet(self, exc: UntrustedAnswer) -> FurtherAnswer | None:
        """The same for a further answer to a record."""
        if not isinstance(exc, _ShortAnswer) or not isinstance(exc.outcome, FurtherAnswer):
            return None
        return exc.outcome if self._are_few_short() else None

    def _are_few_short(self) -> bool:
        self._short += 1
        return self._short <= max(_FEW_SHORT, self._whole // _ONE_SHORT_OF)

    def _are_expected(self, missing: tuple[str, ...]) -> bool:
        return all(name not in self._carried and self._in_vain[name] >= _IN_VAIN for name in missing)

    def _validated(
        self, answer: Answer, id_: int, fields: Mapping[str, msgspec.Raw], missing: tuple[str, ...]
    ) -> Validated:
        try:
            wanted = self._wanted is None or self._wanted(answer.body)
        except ConfigError as exc:
            # Raised, it would end this run at the same record for ever: a plan keeps its filter.
            return Validated(State.QUARANTINED, answer, id_, str(exc))
        if not wanted:
            return Validated(State.FILTERED, answer, id_)
        unknown = () if fields.keys() <= self._known else (name for name in fields if not self._is_known(name))
        drift = (*(f"missing:{name}" for name in missing), *(f"unknown:{name}" for name in unknown))
        promised = self._promised(fields)
        return Validated(
            State.LANDED, answer, id_, drift=drift, missing=self._lacks(fields, promised), promised=promised or None
        )


def _is_of_another(table: Table, rows: list[Row], body: bytes) -> bool:
    """Whether most *rows* lack their key, or *body* has none of the names of the other values.

    TMDB has NULL for some keys, and for names that nobody translated.
    """
    keys = [name for name in table.key if name in table.placed]
    keyed = sum(all(row[name] is not None for name in keys) for row in rows)
    others = [place.members[-1] for name, place in table.placed.items() if name not in keys and place.members]
    return 2 * keyed < len(rows) or (others != [] and not any(f'"{name}"'.encode() in body for name in others))


def _drift(odd: OddPart) -> str:
    return f"{'missing' if odd.reason == 'too_short' else odd.reason}:{odd.where}"


def other_kind(name: str) -> str:
    """The reason of an id of another service that `/find` has as a record of the kind *name*."""
    return f"other_kind:{name}"


def _fields(key: str, answer: Answer) -> dict[str, msgspec.Raw]:
    """The fields of an answer that is an object and no error."""
    fields = _decoded(key, answer, _decode_object)
    if is_error(fields):
        raise UntrustedAnswer("error_body", f"{key}: the answer is an error though its status is 200", answer)
    return fields


def _check_page(number: int, answer: Answer) -> None:
    page = _decoded(str(number), answer, _decode_page)
    if not page.results and is_owed_rows(number, page.total_results, PAGE_ROWS):
        raise UntrustedAnswer(
            "too_short", f"{number}: the page is empty, though the list has {page.total_results:,} rows", answer
        )


def _ids_of(key: str, raw: msgspec.Raw, answer: Answer) -> list[int]:
    """The distinct ids of a list of `/find`."""
    rows = _decoded(key, answer._replace(body=bytes(raw)), _decode_rows)
    if (odd := next((row.id for row in rows if not is_number(row.id)), None)) is not None:
        raise UntrustedAnswer("not_an_id", f"{key}: the answer has the id {shown_id(odd)}", answer)
    return list(dict.fromkeys(row.id for row in rows))


def _decoded(key: str, answer: Answer, decode: Callable[[bytes], T]) -> T:
    try:
        _check_body(answer.body)
        return decode(answer.body)
    except UnicodeDecodeError as exc:
        raise UntrustedAnswer("not_utf8", f"{key}: the answer is not UTF-8: {exc}", answer) from exc
    except (msgspec.DecodeError, RecursionError) as exc:
        raise UntrustedAnswer("not_json", f"{key}: the answer does not parse: {exc}", answer) from exc


def _is_block(raw: msgspec.Raw | None) -> bool:
    """Whether *raw* is what TMDB appends: an object, and none that says what went wrong."""
    if raw is None or (body := bytes(raw))[:1] != b"{":
        return False
    return (b'"status_code"' not in body and b'"success"' not in body) or not is_error(_decode_object(body))


def _checked_id(key: str, fields: Mapping[str, msgspec.Raw], answer: Answer, field: str = "id") -> int:
    raw = bytes(fields.get(field, b"null"))
    # TMDB once sent an id as a string.
    text = raw.strip(b'"')
    # A number beyond 64 bits is not an id, and would fit no table.
    id_ = number_of(text.decode())
    if id_ is None:
        raise UntrustedAnswer("no_id", f"{key}: the answer has the id {raw[:40]!r}", answer)
    asked = key_id(key)
    if asked is not None and id_ != asked:
        raise UntrustedAnswer("wrong_id", f"{key}: the answer is about {id_}", answer)
    if asked is None and bytes(fields.get("imdb_id", b"null")) not in (f'"{key}"'.encode(), b"null", b'""'):
        raise UntrustedAnswer("wrong_id", f"{key}: the answer is about {bytes(fields['imdb_id'])[:40]!r}", answer)
    return id_


def _check_body(body: bytes) -> None:
    """Raise what a decoder raises where *body* is not UTF-8, or nests so deeply that a later reader may fail.

    Whether it is one value and not two with brackets between, decoding it alone must tell.
    """
    # msgspec skips over strings without decoding them, so bad UTF-8 would pass.
    body.decode()
    msgspec.json.decode(_DEEPER + body + _DEEPER_ENDS, type=msgspec.Raw)


def parses(body: bytes) -> bool:
    """Whether *body* is complete JSON in UTF-8: such a body is written to its line unchanged."""
    try:
        _check_body(body)
        msgspec.json.decode(body, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True
