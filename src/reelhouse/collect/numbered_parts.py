"""Whether the numbered parts of an answer are what was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from reelhouse.entities.schema import Numbered


class OddPart(NamedTuple):
    """Why an answer is not believed: a *reason* for its outcome, and a *text* for the log."""

    reason: str
    text: str


def odd_part(numbered: Numbered, id_: int, fields: Mapping[str, msgspec.Raw]) -> OddPart | None:
    """What is wrong with the parts of the answer *fields* about the record *id_*; None where nothing is.

    In the tables, a part without rows looks like one that has none. Parts that did not come are asked for next.
    """
    names = {numbered.listed_in, numbered.total}
    answer = {name: msgspec.json.decode(raw) for name, raw in fields.items() if name in names}
    promised = numbered.promised(answer)
    if not promised and _is_positive(answer.get(numbered.total)):
        text = f"it has no {numbered.of}, though {numbered.total} is {answer[numbered.total]}"
        return OddPart("too_short", text)
    for name, raw in fields.items():
        number = numbered.number_in(name)
        if number is not None and bytes(raw)[:1] == b"{":
            part = msgspec.json.decode(raw)
            if found := next(_faults(numbered, id_, number, part, promised.get(number)), None):
                return found._replace(text=f"{name} {found.text}")
    return None


def _faults(numbered: Numbered, id_: int, number: int, part: dict[str, Any], promised: object) -> Iterator[OddPart]:
    if isinstance(said := part.get(numbered.number), int) and said != number:
        yield OddPart("wrong_part", f"is about number {said}")
    if not numbered.rows:
        return
    rows = part.get(numbered.rows)
    if not isinstance(rows, list):
        yield OddPart("too_short", f"has no list of {numbered.rows}")
        return
    if not rows and _is_positive(promised):
        yield OddPart("too_short", f"has no {numbered.rows}, though it should have {promised}")
    others = (row.get(numbered.record, id_) for row in rows if isinstance(row, dict))
    if (other := next((one for one in others if isinstance(one, int) and one != id_), None)) is not None:
        yield OddPart("wrong_part", f"has {numbered.rows} of {other}")


def _is_positive(count: object) -> bool:
    return isinstance(count, int) and count > 0
