"""A record filter is held against the fields that answers have, before anything is spent on a typo."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reelhouse.collect.record_filter import check_fields, compile_filter, needs_answers
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError

MOVIE = ENTITIES["movie"]
APPEND = ("credits", "watch/providers")

RECORDS: list[dict[str, Any]] = [
    {
        "id": id_,
        "title": "A",
        "runtime": 90 + id_,
        "genres": [{"id": 18, "name": "Drama"}] if id_ else [],
        "belongs_to_collection": None,
        "brand_new": 1,
        "credits": {"cast": [{"name": "B", "order": 0}], "crew": []},
        "watch/providers": {"results": {"US": {"link": "x", "flatrate": []}, "GB": {"link": "x", "rent": []}}},
    }
    for id_ in range(3)
]


def _check(expression: str, records: list[dict[str, Any]] | None = None) -> None:
    bodies = [msgspec.json.encode(record) for record in (RECORDS if records is None else records)]
    check_fields(expression, bodies, MOVIE, APPEND)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("runtme > `60`", r"no field 'runtme' in the 3 answers that were looked at \(did you mean 'runtime'\?\)"),
        ("runtime > `60` && titel == 'A'", r"'titel' .*'title'"),
        ("runtime > `900` && titel == 'A'", r"'titel' .*'title'"),
        ("runtime || titel", r"'titel' .*'title'"),
        ("!(runtme)", "'runtme'"),
        ("brandnew == `1`", r"'brandnew' .*'brand_new'"),
        ("credits.csat[0].name", r"'csat' .*'cast'"),
        ("credits.cast[?nmae=='B']", r"'nmae' .*'name'"),
        ("genres[].nam | [0]", r"'nam' .*'name'"),
        ('"watch/providers".result.US', r"'result' .*'results'"),
        ('"watch/providers".results.GB.ret', r"'ret' .*'rent'"),
        ("keywords.keywords[0]", "keywords comes only with append"),
        ('runtime > "60"', "'60' .*a number in backticks"),
        ("title == Alien", "'Alien' .*a text as 'text'"),
        ("runtime > '60'", "fails in the 3 answers .*a number in backticks"),
        ("contains(genres[].nme, 'Drama')", "'nme'"),
    ],
)
def test_a_field_that_no_answer_has_is_an_error_that_says_what_may_be_meant(expression: str, said: str) -> None:
    compile_filter(expression)
    assert needs_answers(expression, MOVIE, APPEND)
    with pytest.raises(ConfigError, match=said):
        _check(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "brand_new == `1`",
        "revenue > `0`",
        "belongs_to_collection.name == 'X'",
        "genres[?name=='Drama']",
        "credits.cast[?name=='B'].order | [0]",
        '"watch/providers".results.BR.flatrate',
        '"watch/providers".results.US.ads',
        "title && contains(title, 'A')",
        "release_date && release_date >= '2020'",
        "overview.anything",
        "@",
        "*",
        "length(@) > `3`",
        "genres[0:2].id",
        "{a: title, b: genres[*].id}.a == 'A'",
        "max_by(credits.cast, &order).name == 'B'",
    ],
)
def test_a_field_that_an_answer_has_that_is_declared_or_that_may_be_a_key_is_none(expression: str) -> None:
    compile_filter(expression)
    _check(expression)


def test_without_an_answer_to_look_at_nothing_is_said() -> None:
    _check("runtme > `60`", [])


@pytest.mark.parametrize(
    ("expression", "needed"),
    [
        ("", False),
        ("runtime >= `60` && adult == `false`", False),
        ("length(title) > `3` || credits", False),
        ("release_date >= '2020'", True),
        ("softcore2 == `true`", True),
        ("genres[0]", False),
        ("genres[0].id", True),
        ("max_by(credits, &order)", True),
    ],
)
def test_answers_are_looked_at_only_where_declarations_do_not_say_enough(expression: str, needed: bool) -> None:
    assert needs_answers(expression, MOVIE, APPEND) == needed


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("runtime > 60", "a number in backticks: `60`"),
        ("vote_average >= 7.5", "a number in backticks: `7.5`"),
        ("budget > 1e6", "a number in backticks: `1e6`"),
        ("runtime > -5", "a number in backticks: `-5`"),
        ("title = 'A'", "writes == for ="),
        ("adult and video", "writes && for and"),
        ("adult or video", r"writes \|\| for or"),
    ],
)
def test_usual_mistakes_are_explained(expression: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compile_filter(expression)


def test_an_expression_that_is_nested_too_deeply_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        compile_filter("(" * 5000 + "id" + ")" * 5000)
