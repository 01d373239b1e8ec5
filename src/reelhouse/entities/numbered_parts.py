"""Whether the numbered parts of an answer are what was requested."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from reelhouse.entities.schema import Numbered


class OddPart(NamedTuple):
    """Why an answer is not believed: a *reason* for its outcome, a *text* for the log, and *where* in the answer.

    What is *slight* may be how TMDB itself has it, such as a list of parts that was counted before a part was emptied.
    """

    reason: str
    text: str
    where: str = ""
    slight: bool = False


def odd_part(numbered: Numbered, id_: int, fields: Mapping[str, msgspec.Raw]) -> OddPart | None:
    """What is wrong with the parts of the answer *fields* about the record *id_*; None where nothing is.

    In the tables, a part without rows looks like one that has none. Parts that did not come are requested next.
    """
    names = {numbered.listed_in, numbered.total}
    answer = {name: decoded(raw) for name, raw in fields.items() if name in names}
    promised = numbered.promised(answer)
    if not promised and _is_positive(answer.get(numbered.total)):
        text = f"it has no {numbered.of}, though {numbered.total} is {answer[numbered.total]}"
        return OddPart("too_short", text, numbered.listed_in, slight=answer.get(numbered.listed_in) == [])
    slight = None
    for name, raw in fields.items():
        number = numbered.number_in(name)
        if number is not None and bytes(raw)[:1] == b"{":
            part = decoded(raw)
            for found in _faults(numbered, id_, number, part, promised.get(number)):
                odd = found._replace(text=f"{name} {found.text}", where=name)
                if not odd.slight:
                    return odd
                slight = slight or odd
    return slight


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
        yield OddPart("too_short", f"has no {numbered.rows}, though it should have {promised}", slight=True)
    of = [row.get(numbered.record, id_) for row in rows if isinstance(row, dict)]
    others = [one for one in of if isinstance(one, int) and one != id_]
    if others:
        # A row that moved from another record may still name that one.
        yield OddPart("wrong_part", f"has {numbered.rows} of {others[0]}", slight=id_ in of)


def decoded(body: bytes | msgspec.Raw) -> Any:
    """JSON as Python has it; a number beyond a double is infinite."""
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        return json.loads(bytes(body), parse_int=_int)


def _int(digits: str) -> float:
    # Python refuses numbers of thousands of digits.
    return int(digits) if len(digits) < 100 else float(digits)


def _is_positive(count: object) -> bool:
    return isinstance(count, int) and count > 0
