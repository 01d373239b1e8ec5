"""A function that makes rows and was changed has a new version, or somebody said that its rows are the same.

`python -m tests.warehouse.test_fingerprints` writes down what the functions are now.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from reelhouse.entities import lenient_parse
from reelhouse.entities.schema import ColumnSpec
from reelhouse.marts import REGISTRY
from reelhouse.tables import current_record, select, staging

RECORDED = Path(__file__).parent / "function_versions.json"
COMMAND = "python -m tests.warehouse.test_fingerprints"

# What decides how rows are made beside the functions of single tables.
_SHARED: dict[str, tuple[int, list[Callable[..., Any]]]] = {
    "parsing of answers (tables/staging.py)": (
        staging.VERSION,
        [staging.staged, lenient_parse.lenient_parse, lenient_parse.nothing_of],
    ),
    "declared tables (tables/select.py)": (select.VERSION, [select.rows_of]),
    "the current record (tables/current_record.py)": (
        current_record.VERSION,
        [current_record.current_outcomes, current_record.landed_answers, current_record.daily_answers],
    ),
}


def found() -> dict[str, dict[str, Any]]:
    """Version and code of every function, by what it makes."""
    by_hand = {table.name: (table.version, [table.make]) for table in (*REGISTRY.tables, *REGISTRY.marts) if table.make}
    everything = {**_SHARED, **by_hand}
    return {name: {"version": version, "code": _code(*roots)} for name, (version, roots) in sorted(everything.items())}


def _code(*roots: Callable[..., Any]) -> str:
    """A hash of functions and of all of the package's that they use; comments and docstrings do not count."""
    seen: dict[str, Any] = {}
    for root in roots:
        _follow(root, seen)
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


def _follow(code: Any, seen: dict[str, Any]) -> None:
    name = f"{code.__module__}.{code.__qualname__}"
    if name in seen:
        return
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    for node in ast.walk(tree):
        # Of what type something is says nothing of rows.
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
    seen[name] = _without_words(tree)
    known = vars(sys.modules[code.__module__])
    for used in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & known.keys()):
        for value in _followed(known[used]):
            _follow(value, seen)
        if not isinstance(known[used], (FunctionType, type, ModuleType)):
            seen[f"{code.__module__}.{used}"] = sorted(_constants(known[used]))


def _followed(value: Any) -> Iterator[Any]:
    """The package's own functions and classes in a value."""
    if isinstance(value, (FunctionType, type)):
        if value.__module__.startswith("reelhouse."):
            yield value
    elif isinstance(value, (tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _followed(each)


def _constants(value: Any) -> Iterator[str]:
    # Columns are in the fingerprint of their table.
    if isinstance(value, (tuple, frozenset)):
        for each in value:
            yield from _constants(each)
    elif isinstance(value, dict):
        yield from map(repr, value)
    elif not isinstance(value, (FunctionType, ColumnSpec)):
        yield repr(value)


def _without_words(node: Any) -> Any:
    """A syntax tree as plain data, the same in all versions of Python, without docstrings."""
    if isinstance(node, list):
        return [_without_words(each) for each in node if not _is_text(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    kept = [[name, _without_words(value)] for name, value in fields if name not in ("ctx", "kind")]
    return [type(node).__name__, *kept]


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def test_a_function_that_changed_has_a_new_version() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    changed = [name for name, one in found().items() if recorded.get(name) != one]
    gone = recorded.keys() - found().keys()
    assert not changed and not gone, (
        f"{', '.join([*changed, *gone])}: the code is not what was written down. Where rows may differ from what it "
        f"made before, raise its version, else lakes keep the old rows; then run `{COMMAND}`"
    )


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(found(), indent=2) + "\n", encoding="utf-8")
