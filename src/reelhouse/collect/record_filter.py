"""The user's JMESPath predicate on a record: compiled, applied, and held against the fields that answers have."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import jmespath
import jmespath.exceptions
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

from reelhouse.entities.numbered_parts import decoded
from reelhouse.entities.schema import Entity
from reelhouse.errors import ConfigError, did_you_mean

Predicate = Callable[[bytes], bool]

_ORDERS = frozenset(("lt", "lte", "gt", "gte"))
_WRITTEN = "JMESPath writes a text as 'text' and a number in backticks, as `60`; anything else is the name of a field"


def compile_filter(expression: str) -> Predicate | None:
    """A JMESPath predicate on the record; None for no filter. `ConfigError` where it could pass no record.

    The predicate raises `ConfigError` for a record that it cannot be applied to, such as one without a text to look in.
    """
    if not expression:
        return None
    try:
        compiled = jmespath.compile(expression)
        _check_functions(expression, compiled.parsed)
    except RecursionError:
        raise ConfigError("record_filter: the expression is nested too deeply") from None
    except jmespath.exceptions.JMESPathError as exc:
        # Its first line leads up to the expression, which stands in ours.
        first = str(exc).splitlines()[0].removesuffix(":").removesuffix(", for expression")
        raise ConfigError(
            f"record_filter: {expression!r} is not a JMESPath expression: {first}.{_hint(exc, expression)}"
        ) from exc

    def wanted(body: bytes) -> bool:
        try:
            found: Any = compiled.search(decoded(body))
        except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError) as exc:
            # JMESPath lets Python's own errors through.
            first = str(exc).splitlines()[0]
            raise ConfigError(
                f"record_filter: {expression!r} cannot be applied to a record: {first}. {_WRITTEN}"
            ) from exc
        # JMESPath's own truth: null, false, "", [] and {} are false, 0 is true.
        return not (found is None or found is False or found in ("", [], {}))

    return wanted


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


def _hint(exc: jmespath.exceptions.JMESPathError, expression: str) -> str:
    """What a usual mistake should have been."""
    token = str(getattr(exc, "token_value", ""))
    # JMESPath's own token ends at the point of a fraction.
    number = re.match(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", expression[getattr(exc, "lex_position", 0) or 0 :])
    if number and number[0].startswith(token):
        return f" JMESPath writes a number in backticks: `{number[0]}`"
    usual = {"=": "==", "and": "&&", "or": "||", "not": "!"}
    return f" JMESPath writes {usual[token]} for {token}" if token in usual else ""


def needs_answers(expression: str, entity: Entity, append: Sequence[str]) -> bool:
    """Whether only answers can tell if all fields of *expression* exist: some are not declared, or lie deeper."""
    if not expression:
        return False
    parsed = jmespath.compile(expression).parsed
    declared = entity.fields | set(append)
    return _orders_text(parsed) or not all(top and node["value"] in declared for node, top in _nodes(parsed, top=True))


def _nodes(node: Mapping[str, Any], *, top: bool) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The places where an expression names a field, and whether each is one of the record itself."""
    if node["type"] == "field":
        yield node, top
    inner = node["type"] in ("subexpression", "index_expression", "pipe") or node["type"].endswith("projection")
    for at, child in enumerate(child for child in node["children"] if isinstance(child, dict)):
        yield from _nodes(child, top=top and not (inner and at) and node["type"] != "expref")


def _orders_text(node: Mapping[str, Any]) -> bool:
    """Whether something is to be less or more than a text, which fails for every number."""
    children = [child for child in node["children"] if isinstance(child, dict)]
    texts = [child for child in children if child["type"] == "literal" and isinstance(child["value"], str)]
    ordered = node["type"] == "comparator" and node["value"] in _ORDERS and bool(texts)
    return ordered or any(_orders_text(child) for child in children)


def check_fields(expression: str, bodies: Sequence[bytes], entity: Entity, append: Sequence[str]) -> None:
    """Raise `ConfigError` where *expression* names a field that none of the answers has, or can be applied to none.

    Below the record itself, where keys may be countries, a missing field is an error only if it looks like a typo.
    """
    if not bodies:
        return
    looked = f"in the {len(bodies)} answers that were looked at"
    prober = _Prober()
    parsed = jmespath.compile(expression).parsed
    failures = [failed for body in bodies if (failed := prober.look(parsed, decoded(body)))]
    declared = entity.fields | set(append)
    for name, keys in prober.missing(parsed, declared):
        if name in entity.appends and name not in append:
            raise ConfigError(f"record_filter: {expression!r}: {name} comes only with append, which does not name it")
        raise ConfigError(
            f"record_filter: {expression!r}: there is no field {name!r} {looked}{did_you_mean(name, keys)}. {_WRITTEN}"
        )
    if len(failures) == len(bodies):
        raise ConfigError(f"record_filter: {expression!r} fails {looked}: {failures[0]}. {_WRITTEN}")


class _Prober(TreeInterpreter):  # type: ignore[misc]
    """Evaluates all parts of an expression, also those that a result does not need, and notes which fields there are.

    A field is known by its place in the expression.
    """

    def __init__(self) -> None:
        super().__init__()
        self._present: set[int] = set()
        self._beside: defaultdict[int, set[str]] = defaultdict(set)

    def look(self, parsed: Mapping[str, Any], record: Any) -> str | None:
        """Evaluate for one record; returns why that fails, None where it does not."""
        try:
            self.visit(parsed, record)
        except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError) as exc:
            return str(exc).splitlines()[0]
        return None

    def missing(self, parsed: Mapping[str, Any], declared: frozenset[str] | set[str]) -> Iterator[tuple[str, set[str]]]:
        """Fields that no record had, with those that lie beside."""
        for node, top in _nodes(parsed, top=True):
            name, keys = node["value"], self._beside.get(id(node), set())
            if id(node) in self._present or not keys or (top and name in declared):
                continue
            if top or did_you_mean(name, keys):
                yield name, keys | declared if top else keys

    def visit_field(self, node: Mapping[str, Any], value: Any) -> Any:
        if not isinstance(value, dict):
            return None
        if node["value"] in value:
            self._present.add(id(node))
        else:
            self._beside[id(node)].update(value)
        return value.get(node["value"])

    def visit_and_expression(self, node: Mapping[str, Any], value: Any) -> Any:
        return self._visit_both(node, value, super().visit_and_expression)

    def visit_or_expression(self, node: Mapping[str, Any], value: Any) -> Any:
        return self._visit_both(node, value, super().visit_or_expression)

    def _visit_both(self, node: Mapping[str, Any], value: Any, usual: Callable[[Any, Any], Any]) -> Any:
        # What a result does not need may fail: often the other side is there to keep it from being reached.
        with suppress(jmespath.exceptions.JMESPathError, ValueError, TypeError):
            self.visit(node["children"][1], value)
        return usual(node, value)
