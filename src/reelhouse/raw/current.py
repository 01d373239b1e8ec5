"""Which answer speaks for an id: the rule. `tests/raw/test_current.py` has it as a function, and holds all to it.

**Order.** Answers are ordered by (run, unit, part, line). In a part, those without a line come first, in the receipt's
order. An answer that comes later is newer. An id may be answered twice in a run: under its own number and
another service's.

**Known**: what the ledger holds of an id is its newest answer, whatever its state. It decides what is requested next.

**Current**: what tables show is the newest answer that settled the id (landed, filtered). A quarantined one never
replaces it. A later `gone` does, unless the newest export lists the id: then it only speaks where nothing settled the
id. An export from more than three days before the newest answer says nothing: a lake may be listed by `discover` since.
Where nothing but quarantined answers is there, the newest speaks.

| where | how | what of it |
|---|---|---|
| `raw/ledger.py` | SQL | order within a run and between runs, known; when the current answer was fetched if it landed |
| `warehouse/staging.py` | a number, `sequence_of` | order |
| `tables/current_record.py` | Spark | current, known (`newest`) |
| `warehouse/verify.py` | plain Python | current, known: how many rows tables have |
| `maintenance/superseded.py` | numpy | which answers can never be current or known again |

Reconciliation and purges ask another question: whether each request has an answer, and which answers there are at all.
They take every answer, and need no rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from reelhouse.errors import LakeError
from reelhouse.raw.receipt import State

SETTLED = (State.LANDED, State.FILTERED)


class _Lined(Protocol):
    @property
    def line(self) -> int | None: ...


Answer = TypeVar("Answer", bound=_Lined)


def in_order(answers: Iterable[Answer]) -> list[Answer]:
    """The answers of one part, newest last."""
    return sorted(answers, key=lambda answer: -1 if answer.line is None else answer.line)


def sequence_of(run: int, unit: int, part: int, position: int) -> int:
    """Where an answer stands among all, as one number; *position* counts the answers of a part `in_order`."""
    if run >= 1 << 19 or unit >= 1 << 17 or part >= 1 << 12 or position >= 1 << 15:
        raise LakeError(f"receipt {run}/{unit}/{part} lies beyond what staging can order")
    return run << 44 | unit << 27 | part << 15 | position
