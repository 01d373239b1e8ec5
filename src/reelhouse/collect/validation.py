"""What an answer is worth: kept, filtered, gone or set aside. Nothing here asks or writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from reelhouse.collect.record_filter import compile_filter
from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError
from reelhouse.ids import tmdb_id
from reelhouse.raw.receipt import State
from reelhouse.tmdb.client import Answer, UntrustedAnswer
from reelhouse.tmdb.retry import is_error

# How deeply JSON may nest depends on the stack of the one that reads it, and a chunk's line wraps a body once more.
_DEEPER, _DEEPER_ENDS = b"[" * 100, b"]" * 100

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Validated(NamedTuple):
    """What became of one request. *answer* is None only where nobody ever answered."""

    state: State
    answer: Answer | None
    id: int | None
    reason: str | None = None
    parses: bool = True
    drift: tuple[str, ...] = ()


class _IncompleteAnswer(UntrustedAnswer):
    """An answer without *missing* of the appends; *outcome* is what it comes to where TMDB sends these to nobody."""

    def __init__(self, key: str, answer: Answer, missing: tuple[str, ...], validated: Validated | None) -> None:
        names = ",".join(missing)
        super().__init__(f"missing:{names}", f"{key}: the answer lacks {names}, which was asked with it", answer)
        self.missing = missing
        self.validated = validated


# After so many answers that lacked an append however often they were asked for, none is asked again for it.
_IN_VAIN = 5


class ResponseValidator:
    """Says of each answer to one entity's details whether it is what was asked for, and whether the user wants it."""

    def __init__(self, entity: Entity, append: tuple[str, ...], record_filter: str = "") -> None:
        self._known = entity.fields | set(append)
        self._append = append
        self._core = entity.core
        # Appends that some answer carried, and how often others did not come though they were asked for again.
        self._carried: set[str] = set()
        self._in_vain: Counter[str] = Counter()
        self._wanted = compile_filter(record_filter)

    def judge(self, key: str, answer: Answer) -> Validated:
        """The outcome of a 200; `UntrustedAnswer` where it cannot be believed."""
        try:
            _check_body(answer.body)
            fields = _decode_object(answer.body)
        except UnicodeDecodeError as exc:
            raise UntrustedAnswer("not_utf8", f"{key}: the answer is not UTF-8: {exc}", answer) from exc
        except (msgspec.DecodeError, RecursionError) as exc:
            raise UntrustedAnswer("not_json", f"{key}: the answer does not parse: {exc}", answer) from exc
        if is_error(fields):
            raise UntrustedAnswer("error_body", f"{key}: the answer is an error though its status is 200", answer)
        id_ = _checked_id(key, fields, answer)
        missing = tuple(name for name in self._append if not _is_block(fields.get(name)))
        self._carried.update(name for name in self._append if name not in missing)
        if missing and not self._core <= fields.keys():
            raise _IncompleteAnswer(key, answer, missing, None)
        validated = self._validated(answer, id_, fields, missing)
        if self._are_expected(missing):
            return validated
        raise _IncompleteAnswer(key, answer, missing, validated)

    def lands_yet(self, exc: UntrustedAnswer) -> Validated | None:
        """What an answer comes to that stayed without an append however often it was asked for; None to set it aside.

        In the tables, what was not sent looks like what does not exist. So it lands only where no answer has carried
        that append, so that TMDB does not send it; else it is set aside, and the next run asks it again.
        """
        if not isinstance(exc, _IncompleteAnswer) or exc.validated is None or self._carried & set(exc.missing):
            return None
        self._in_vain.update(exc.missing)
        return exc.validated

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
        unknown = () if fields.keys() <= self._known else (name for name in fields if name not in self._known)
        drift = (*(f"missing:{name}" for name in missing), *(f"unknown:{name}" for name in unknown))
        return Validated(State.LANDED, answer, id_, drift=drift)


def _is_block(raw: msgspec.Raw | None) -> bool:
    """Whether *raw* is what TMDB appends: an object, and none that says what went wrong."""
    if raw is None or (body := bytes(raw))[:1] != b"{":
        return False
    return (b'"status_code"' not in body and b'"success"' not in body) or not is_error(_decode_object(body))


def _checked_id(key: str, fields: Mapping[str, msgspec.Raw], answer: Answer) -> int:
    raw = bytes(fields.get("id", b"null"))
    # TMDB once sent an id as a string.
    text = raw.strip(b'"')
    # A number beyond 64 bits is no id, and would fit no table.
    id_ = tmdb_id(text.decode())
    if id_ is None:
        raise UntrustedAnswer("no_id", f"{key}: the answer has the id {raw[:40]!r}", answer)
    asked = tmdb_id(key)
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
    """Whether *body* is whole JSON in UTF-8, so that it can lie in a line as it is."""
    try:
        _check_body(body)
        msgspec.json.decode(body, type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True
