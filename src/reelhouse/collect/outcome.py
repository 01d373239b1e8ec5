"""What an answer is worth: kept, filtered, gone or set aside. Nothing here asks or writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jmespath
import jmespath.exceptions
import msgspec
from jmespath.functions import Functions

from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError
from reelhouse.raw.receipt import State
from reelhouse.tmdb.client import Answer, UntrustedAnswer

Predicate = Callable[[bytes], bool]

# How deeply JSON may nest depends on the stack of the one that reads it, and a chunk's line wraps a body once more.
_DEEPER, _DEEPER_ENDS = b"[" * 100, b"]" * 100


class Outcome(NamedTuple):
    """What became of one question. *answer* is None only where nobody ever answered."""

    state: State
    answer: Answer | None
    id: int | None
    why: str | None = None
    parses: bool = True
    drift: tuple[str, ...] = ()


class Judge:
    """Says of each answer to one entity's details whether it is what was asked for, and whether the user wants it."""

    def __init__(self, entity: Entity, append: tuple[str, ...], record_filter: str = "") -> None:
        self._known = entity.fields | set(append)
        self._append = append
        self._wanted = compile_filter(record_filter)
        self._decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def judge(self, ask: str, answer: Answer) -> Outcome:
        """The outcome of a 200; `UntrustedAnswer` where it cannot be believed."""
        try:
            _check_body(answer.body)
            fields = self._decode(answer.body)
        except UnicodeDecodeError as exc:
            raise UntrustedAnswer("not_utf8", f"{ask}: the answer is not UTF-8: {exc}", answer) from exc
        except (msgspec.DecodeError, RecursionError) as exc:
            raise UntrustedAnswer("not_json", f"{ask}: the answer does not parse: {exc}", answer) from exc
        id_ = _checked_id(ask, fields, answer)
        try:
            wanted = self._wanted is None or self._wanted(answer.body)
        except ConfigError as exc:
            # Raised, it would end this run at the same record for ever: a plan keeps its filter.
            return Outcome(State.QUARANTINED, answer, id_, str(exc))
        if not wanted:
            return Outcome(State.FILTERED, answer, id_)
        return Outcome(State.LANDED, answer, id_, drift=self._drift(fields))

    def _drift(self, fields: Mapping[str, msgspec.Raw]) -> tuple[str, ...]:
        missing = tuple(f"missing:{name}" for name in self._append if name not in fields)
        if fields.keys() <= self._known:
            return missing
        return (*missing, *(f"unknown:{name}" for name in fields if name not in self._known))


def _checked_id(ask: str, fields: Mapping[str, msgspec.Raw], answer: Answer) -> int:
    raw = bytes(fields.get("id", b"null"))
    # TMDB once sent an id as a string.
    text = raw.strip(b'"')
    # A number beyond 64 bits is no id, and would fit no table.
    if not text.isdigit() or len(text) > 18:
        raise UntrustedAnswer("no_id", f"{ask}: the answer has the id {raw[:40]!r}", answer)
    id_ = int(text)
    if ask.isdigit() and id_ != int(ask):
        raise UntrustedAnswer("wrong_id", f"{ask}: the answer is about {id_}", answer)
    if not ask.isdigit() and bytes(fields.get("imdb_id", b"null")) not in (f'"{ask}"'.encode(), b"null", b'""'):
        raise UntrustedAnswer("wrong_id", f"{ask}: the answer is about {bytes(fields['imdb_id'])[:40]!r}", answer)
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


def compile_filter(expression: str) -> Predicate | None:
    """A JMESPath predicate on the record; None for no filter. `ConfigError` where it could pass no record.

    The predicate raises `ConfigError` for a record that it cannot be applied to, such as one without a text to look in.
    """
    if not expression:
        return None
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as exc:
        first = str(exc).splitlines()[0]
        raise ConfigError(f"record_filter: {expression!r} is no JMESPath expression: {first}") from exc
    _check_functions(expression, compiled.parsed)

    def wanted(body: bytes) -> bool:
        try:
            found: Any = compiled.search(_decoded(body))
        except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError) as exc:
            # JMESPath lets Python's own errors through.
            first = str(exc).splitlines()[0]
            raise ConfigError(f"record_filter: {expression!r} cannot be applied to a record: {first}") from exc
        # JMESPath's own truth: null, false, "", [] and {} are false, 0 is true.
        return not (found is None or found is False or found in ("", [], {}))

    return wanted


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        # A number beyond a double, which need not be where the filter looks.
        return json.loads(body, parse_int=_int)


def _int(digits: str) -> float:
    # Python refuses numbers of thousands of digits.
    return int(digits) if len(digits) < 100 else float(digits)


def _check_functions(expression: str, node: Mapping[str, Any]) -> None:
    """JMESPath itself looks at a function only when it calls it: hours later, or never."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    if node["type"] == "function_expression":
        known = Functions.FUNCTION_TABLE.get(node["value"])
        if known is None:
            raise ConfigError(f"record_filter: {expression!r}: JMESPath has no function {node['value']}()")
        takes = len(known["signature"])
        variadic = takes and known["signature"][-1].get("variadic")
        if len(children) < takes or (len(children) > takes and not variadic):
            raise ConfigError(f"record_filter: {expression!r}: {node['value']}() takes {takes}, not {len(children)}")
    for child in children:
        _check_functions(expression, child)
