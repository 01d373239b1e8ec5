"""What an answer is worth: kept, filtered or set aside, and what a filter takes for true."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from reelhouse.collect.record_filter import compile_filter
from reelhouse.collect.validation import ResponseValidator, Validated, parses
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ConfigError
from reelhouse.raw.receipt import State
from reelhouse.tmdb.client import Answer, UntrustedAnswer
from tests.lakes import tmdb_data

MOVIE = ENTITIES["movie"]


def _answer(body: bytes) -> Answer:
    return Answer(200, body, "2026-11-23T09:00:00Z", None, None)


def _judged(key: str, body: bytes, *, append: tuple[str, ...] = (), record_filter: str = "") -> Validated:
    return ResponseValidator(MOVIE, append, record_filter).judge(key, _answer(body))


def _reason(key: str, body: bytes) -> str:
    with pytest.raises(UntrustedAnswer) as caught:
        _judged(key, body)
    assert caught.value.answer.body == body
    return caught.value.reason


def test_the_answer_to_what_was_asked_is_kept() -> None:
    body = b'{"id":550,"title":"Fight Club"}'
    assert _judged("550", body) == Validated(State.LANDED, _answer(body), 550)


@pytest.mark.parametrize("id_", [0, -4, 1 << 40, 1 << 63, 1 << 200])
def test_an_id_found_for_an_imdb_id_that_no_request_can_name_is_set_aside(id_: int) -> None:
    answer = _answer(b'{"person_results":[{"id":%d}]}' % id_)
    with pytest.raises(UntrustedAnswer) as caught:
        ResponseValidator(ENTITIES["person"], (), "").judge_found("nm0000008", answer)
    assert (caught.value.reason, caught.value.answer.status) == ("not_an_id", 200)


def test_an_id_that_came_as_a_string_is_the_same_id() -> None:
    assert _judged("550", b'{"id":"550"}').id == 550


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("550", b'{"id":551}', "wrong_id"),
        ("550", b'{"id":"551"}', "wrong_id"),
        ("550", b'{"title":"x"}', "no_id"),
        ("550", b'{"id":null}', "no_id"),
        ("550", b'{"id":-550}', "no_id"),
        ("550", b'{"id":550.0}', "no_id"),
        ("550", b'{"id":[550]}', "no_id"),
        ("550", b'{"id":' + b"5" * 5000 + b"}", "no_id"),
        ("tt0137523", b'{"id":99999999999999999999}', "no_id"),
        ("tt0137523", b'{"id":"/550"}', "no_id"),
        ("tt0137523", b'{"id":550,"imdb_id":"tt0000001"}', "wrong_id"),
        ("550", b"", "not_json"),
        ("550", b"<html>Just a moment...</html>", "not_json"),
        ("550", b'{"id":550', "not_json"),
        ("550", b'{"id":550}{"id":550}', "not_json"),
        ("550", b"[]", "not_json"),
        ("550", b"null", "not_json"),
        ("550", b'{"id":550,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not_json"),
        ("550", b'{"id":550}],[{"id":550}', "not_json"),
        ("550", b'{"id":550,"x":NaN}', "not_json"),
        ("550", b'{"id":550,"x":-Infinity}', "not_json"),
        ("550", b'{"id":550,"x":"\\ud800"}', "not_json"),
        ("550", b'{"id":550,"title":"\xff"}', "not_utf8"),
        ("550", b'\xef\xbb\xbf{"id":550}', "not_json"),
    ],
)
def test_what_is_not_what_was_asked_for_is_not_believed_and_says_why(key: str, body: bytes, reason: str) -> None:
    assert _reason(key, body) == reason


@pytest.mark.parametrize("imdb", [b'"tt0137523"', b"null", b'""'])
def test_an_imdb_id_is_answered_with_tmdb_s(imdb: bytes) -> None:
    assert _judged("tt0137523", b'{"id":550,"imdb_id":' + imdb + b"}").id == 550
    assert _judged("tt0137523", b'{"id":550}').id == 550


WHOLE = dict.fromkeys(MOVIE.fields) | {"id": 550, "credits": {"cast": [], "crew": []}, "watch/providers": {}}
APPEND = ("credits", "watch/providers")


def _without(*names: str) -> bytes:
    return msgspec.json.encode({name: value for name, value in WHOLE.items() if name not in names})


def _distrusted(judge: ResponseValidator, body: bytes) -> UntrustedAnswer:
    with pytest.raises(UntrustedAnswer) as caught:
        judge.judge("550", _answer(body))
    return caught.value


def test_a_field_that_is_new_is_drift_and_no_fault() -> None:
    judge = ResponseValidator(MOVIE, APPEND)

    def drift(fields: dict[str, Any]) -> tuple[str, ...]:
        return judge.judge("550", _answer(msgspec.json.encode(fields))).drift

    assert drift(WHOLE) == ()
    assert drift(WHOLE | {"newest_idea": 1}) == ("unknown:newest_idea",)
    assert drift(WHOLE | {"keywords": {}}) == ("unknown:keywords",)


@pytest.mark.parametrize(
    "block",
    [
        None,
        [],
        "",
        1,
        {"success": False},
        {"success": False, "status_code": 25, "status_message": "Your request count is over the limit."},
        {"status_code": 11},
    ],
)
def test_an_append_that_is_none_is_missing(block: Any) -> None:
    found = _distrusted(ResponseValidator(MOVIE, APPEND), msgspec.json.encode(WHOLE | {"credits": block}))
    assert found.reason == "missing:credits"


def test_an_append_that_speaks_of_errors_is_none_itself() -> None:
    lists = {"results": [{"name": "status_code", "description": '"success":false', "status_code": 1}]}
    judge = ResponseValidator(MOVIE, ("lists",))
    assert judge.judge("550", _answer(msgspec.json.encode(WHOLE | {"lists": lists}))).state is State.LANDED


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":550,"success":false,"status_code":25}',
        b'{"success":false,"status_code":34,"status_message":"The resource you requested could not be found."}',
        b'{"status_code":7,"status_message":"Invalid API key"}',
        b'{"success": false}',
        _without()[:-1] + b',"success":false}',
    ],
)
def test_an_error_with_the_status_200_is_never_a_movie(body: bytes) -> None:
    assert _reason("550", body) == "error_body"


def test_an_append_that_tmdb_sends_to_others_sets_the_answer_aside_that_stays_without_it() -> None:
    judge = ResponseValidator(MOVIE, APPEND)
    judge.judge("550", _answer(_without()))
    found = _distrusted(judge, _without("credits", "watch/providers"))
    assert found.reason == "missing:credits,watch/providers"
    assert judge.lands_yet(found) is None


def test_an_append_that_tmdb_sends_to_nobody_is_asked_for_again_some_times_and_named_where_answers_land() -> None:
    judge = ResponseValidator(MOVIE, APPEND)
    body = _without("credits")
    for _ in range(5):
        landed = judge.lands_yet(_distrusted(judge, body))
        assert landed == Validated(State.LANDED, _answer(body), 550, drift=("missing:credits",))
    assert judge.judge("550", _answer(body)) == landed
    # Until somebody has it.
    judge.judge("550", _answer(_without()))
    assert judge.lands_yet(_distrusted(judge, body)) is None


@pytest.mark.parametrize("name", sorted(MOVIE.core))
def test_a_body_without_appends_and_without_what_every_movie_has_never_lands(name: str) -> None:
    judge = ResponseValidator(MOVIE, APPEND)
    for _ in range(9):
        assert judge.lands_yet(_distrusted(judge, _without("credits", name))) is None


def test_every_recorded_movie_is_kept_with_all_that_was_asked_with_it() -> None:
    judged: Counter[tuple[str, ...]] = Counter()
    with gzip.open(tmdb_data("payloads", "movie.jsonl.gz")) as lines:
        for line in lines:
            fields = msgspec.json.decode(line)
            asked = tuple(name for name in MOVIE.appends if name in fields)
            assert ResponseValidator(MOVIE, asked).judge(str(fields["id"]), _answer(line.strip())).state is State.LANDED
            judged[asked] += 1
    assert judged == {("credits", "keywords"): 1000, ("keywords",): 4700}
    recorded = 0
    for line in tmdb_data("recorded", "index.jsonl").read_bytes().splitlines():
        entry = msgspec.json.decode(line)
        found = re.fullmatch(r"GET /3/movie/(\d+|tt\d+)(?:\?(.*))?", entry["endpoint"])
        if found and str(entry["status"]) == "200":
            asked = tuple(parse_qs(found[2] or "").get("append_to_response", [""])[0].split(",")) if found[2] else ()
            body = tmdb_data("recorded", *entry["file"].split("/")).read_bytes()
            judge = ResponseValidator(MOVIE, tuple(name for name in asked if name))
            assert judge.judge(found[1], _answer(body)).state is State.LANDED
            recorded += 1
    assert recorded == 5


RECORD = {
    "id": 550,
    "title": "Fight Club",
    "budget": 63_000_000,
    "runtime": 0,
    "tagline": "",
    "poster_path": None,
    "genres": [{"id": 18, "name": "Drama"}],
    "origin_country": [],
    "belongs_to_collection": {},
    "vote_average": 8.4,
    "adult": False,
    "video": True,
}


@pytest.mark.parametrize(
    ("expression", "passes"),
    [
        ("vote_average > `8`", True),
        ("vote_average > `8.4`", False),
        ("budget >= `63000000` && runtime == `0`", True),
        ("genres[?name=='Drama']", True),
        ("genres[?name=='Comedy']", False),
        ("contains(genres[].id, `18`)", True),
        ("starts_with(title, 'Fight')", True),
        ("!adult", True),
        # JMESPath's own truth: only null, false and what is empty are false; 0 is true.
        ("runtime", True),
        ("video", True),
        ("adult", False),
        ("tagline", False),
        ("poster_path", False),
        ("origin_country", False),
        ("belongs_to_collection", False),
        ("no_such_field", False),
        ("`0`", True),
        ("@", True),
    ],
)
def test_a_filter_passes_what_jmespath_takes_for_true(expression: str, passes: bool) -> None:
    validated = _judged("550", msgspec.json.encode(RECORD), record_filter=expression)
    assert (validated.state, validated.id) == (State.LANDED if passes else State.FILTERED, 550)


def _nested(depth: int) -> bytes:
    return b'{"id":550,"x":' + b"[" * depth + b"]" * depth + b"}"


def test_what_nests_as_deeply_as_can_be_read_here_is_set_aside_since_others_could_not() -> None:
    deepest = 1
    while parses(_nested(deepest + 1)):
        deepest += 1
    # It lies one level deeper in its line, and is read again from wherever a command stands.
    assert msgspec.json.decode(b"[" * 90 + _nested(deepest) + b"]" * 90, type=msgspec.Raw)
    assert _judged("550", _nested(deepest - 20)).state is State.LANDED
    assert _reason("550", _nested(deepest + 20)) == "not_json"


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 310, b"9" * 5000])
def test_a_number_out_of_range_lands_also_past_a_filter_that_looks_elsewhere(number: bytes) -> None:
    body = b'{"id":550,"adult":true,"x":' + number + b"}"
    for record_filter, state in (("", State.LANDED), ("adult", State.LANDED), ("!adult", State.FILTERED)):
        assert _judged("550", body, record_filter=record_filter).state is state
    assert parses(body)


def test_what_is_two_values_with_brackets_between_does_not_parse() -> None:
    assert not parses(b'{"id":550}],[{"id":550}')


def test_no_filter_is_no_predicate() -> None:
    assert compile_filter("") is None


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("vote_average >", "not a JMESPath expression"),
        ("genres[?name=='Drama'", "not a JMESPath expression"),
        ("vote_average > 8", "not a JMESPath expression"),
        ("lenght(title)", r"no function lenght\(\)"),
        ("adult && upper(title)", r"no function upper\(\)"),
        ("genres[?foo(@)]", r"no function foo\(\)"),
        ("starts_with(title)", r"starts_with\(\) takes 2, not 1"),
        ("length(title, genres)", r"length\(\) takes 1, not 2"),
    ],
)
def test_a_filter_that_could_pass_no_record_is_refused_before_anything_is_asked(expression: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"record_filter: .*{text}"):
        compile_filter(expression)


@pytest.mark.parametrize(
    "expression",
    ["not_null(title, tagline)", "merge(@, @, @)", "sort_by(genres, &name)[0]", "length(genres) > `0`", "keys(@)"],
)
def test_functions_that_jmespath_has_are_let_through(expression: str) -> None:
    assert _judged("550", msgspec.json.encode(RECORD), record_filter=expression).state is State.LANDED


def test_a_record_that_a_filter_cannot_be_applied_to_is_set_aside_with_the_reason_and_ends_nothing() -> None:
    validated = _judged("550", b'{"id":550,"title":null}', record_filter="contains(title, 'Club')")
    assert validated.state is State.QUARANTINED
    assert validated.id == 550
    assert validated.reason is not None
    assert validated.reason.startswith("record_filter: ")
    assert "\n" not in validated.reason


def test_what_a_filter_cannot_judge_because_it_is_not_what_was_asked_is_not_believed() -> None:
    with pytest.raises(UntrustedAnswer):
        _judged("550", b'{"id":551}', record_filter="id == `551`")


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"{}", True),
        (b" [1] ", True),
        (b"null", True),
        (b"", False),
        (b"{", False),
        (b'"\xff"', False),
        (b"{} x", False),
        (b"NaN", False),
        (b"[" * 100_000, False),
    ],
)
def test_only_whole_json_in_utf_8_can_lie_in_a_line_as_it_is(body: bytes, whole: bool) -> None:
    assert parses(body) == whole


def _page(number: int, **fields: Any) -> Validated:
    body = {"page": number, "results": [], "total_pages": 500, "total_results": 10_000, **fields}
    return ResponseValidator(ENTITIES["movie_popular"], ()).judge(str(number), _answer(msgspec.json.encode(body)))


@pytest.mark.parametrize("results", [[], None, {"a": 1}, "x", [1, 2]])
def test_a_page_of_a_daily_list_without_the_rows_that_it_promises_is_not_believed(results: Any) -> None:
    with pytest.raises(UntrustedAnswer):
        _page(2, results=results)


def test_short_pages_of_a_daily_list_land_and_empty_ones_after_its_end() -> None:
    assert _page(2, results=[{"id": 1}]).state is State.LANDED
    assert _page(1, total_pages=0, total_results=0).state is State.LANDED
    assert _page(17, total_pages=16, total_results=318).state is State.LANDED


_SEASONS = [{"season_number": 0, "episode_count": 0}, {"season_number": 1, "episode_count": 2}]


def _series(seasons: Any = _SEASONS, block: Any = None, **fields: Any) -> Validated:
    episodes = [{"id": 11, "show_id": 7, "season_number": 1}, {"id": 12, "show_id": 7, "season_number": 2}]
    body: dict[str, Any] = dict.fromkeys(ENTITIES["tv"].core) | {"id": 7, "number_of_episodes": 2, "seasons": seasons}
    body |= {"season/0": {"season_number": 0, "episodes": []}, "season/1": block or {"episodes": episodes}, **fields}
    return ResponseValidator(ENTITIES["tv"], ()).judge("7", _answer(msgspec.json.encode(body)))


def test_seasons_land_as_tmdb_sends_them() -> None:
    assert _series(number_of_episodes=0).state is State.LANDED
    assert (_series().state, _series().missing, _series().drift) == (State.LANDED, (), ())
    assert _series([], number_of_episodes=0).state is State.LANDED


@pytest.mark.parametrize(
    "block",
    [
        {"name": "Season 1"},
        {"episodes": None},
        {"episodes": []},
        {"episodes": {"a": 1}},
        {"season_number": 2, "episodes": [{"id": 1}]},
        {"season_number": 2, "episodes": []},
        {"season_number": 1, "episodes": [{"id": 1, "show_id": 8}, {"id": 2, "show_id": 8}]},
        {"season_number": 1, "episodes": [{"id": 1, "show_id": 7}, {"id": 2, "show_id": 8}]},
    ],
)
def test_a_season_without_its_episodes_or_of_something_else_is_not_believed(block: Any) -> None:
    with pytest.raises(UntrustedAnswer, match="season/1"):
        _series(block=block)
    body = {"id": 7, "seasons": _SEASONS, "number_of_episodes": 2, "season/1": block}
    with pytest.raises(UntrustedAnswer, match="season/1"):
        ResponseValidator(ENTITIES["tv"], ()).judge_further(
            "7", ("season/1",), None, _answer(msgspec.json.encode(body))
        )


@pytest.mark.parametrize("seasons", [None, [], {"1": {"season_number": 1}}, "x", [None, 1], [{"season_number": -1}]])
def test_a_series_with_episodes_that_lists_no_season_is_not_believed(seasons: Any) -> None:
    with pytest.raises(UntrustedAnswer, match="number_of_episodes is 2"):
        _series(seasons)


@pytest.mark.parametrize("number", [11, "11", 11.0])
def test_a_season_is_asked_for_by_the_number_that_tables_read(number: Any) -> None:
    assert _series([*_SEASONS, {"season_number": number}]).missing == ("season/11",)


@pytest.mark.parametrize("name", ["season/x", "season/1/episodes", "season/", "season/01", "season/-1"])
def test_what_is_not_a_season_is_drift(name: str) -> None:
    assert _series(**{name: {}}).drift == (f"unknown:{name}",)


def _series_judge() -> tuple[ResponseValidator, Callable[..., Validated | None]]:
    judge = ResponseValidator(ENTITIES["tv"], ())

    def lands_yet(**fields: Any) -> Validated | None:
        body = dict.fromkeys(ENTITIES["tv"].core) | {"id": 7, "number_of_episodes": 2, "seasons": _SEASONS}
        body["season/0"] = {"episodes": []}
        with pytest.raises(UntrustedAnswer) as found:
            judge.judge("7", _answer(msgspec.json.encode(body | fields)))
        return judge.lands_yet(found.value)

    return judge, lands_yet


_MOVED = {"season/1": {"episodes": [{"id": 1, "show_id": 7}, {"id": 2, "show_id": 8}]}}


@pytest.mark.parametrize(
    ("fields", "drift"),
    [
        ({"season/1": {"season_number": 1, "episodes": []}}, "missing:season/1"),
        (_MOVED, "wrong_part:season/1"),
        ({"seasons": []}, "missing:seasons"),
    ],
)
def test_a_series_that_stays_at_odds_with_itself_lands_and_is_named_but_not_many(fields: Any, drift: str) -> None:
    _, lands_yet = _series_judge()
    for _ in range(5):
        landed = lands_yet(**fields)
        assert landed is not None
        assert (landed.state, landed.drift) == (State.LANDED, (drift,))
    assert lands_yet(**fields) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"season/1": {"season_number": 2, "episodes": []}},
        {"season/1": {"episodes": None}},
        {"season/1": {"episodes": [{"id": 1, "show_id": 8}]}},
        {"seasons": None},
    ],
)
def test_a_series_that_is_not_what_tmdb_sends_never_lands(fields: Any) -> None:
    assert _series_judge()[1](**fields) is None


def test_a_listed_season_that_does_not_come_is_named_and_its_series_lands() -> None:
    judge, _ = _series_judge()
    fields = dict.fromkeys(ENTITIES["tv"].core) | {"id": 7, "seasons": _SEASONS, "season/0": {"episodes": []}}
    body = msgspec.json.encode(fields)
    with pytest.raises(UntrustedAnswer, match="lacks season/1") as found:
        judge.judge_further("7", ("season/1",), None, _answer(body))
    further = judge.further_yet(found.value)
    assert further is not None
    assert further.drift == ("missing:season/1",)


@pytest.mark.parametrize(
    "odd",
    ["1e400", "-1e400", "1" * 5000, "[]", "[[1]]", "{}", '{"a":[1e400]}', '""', "true", "null", "-0.0", '"\\u0000"'],
)
@pytest.mark.parametrize(
    "place",
    [
        '"number_of_episodes":2',
        '"season_number":1',
        '"season_number":0',
        '"episode_count":2',
        '"show_id":7',
        '"episodes":[{"id":1,"show_id":7},{"id":2,"show_id":7}]',
    ],
)
def test_odd_values_among_seasons_are_judged(place: str, odd: str) -> None:
    episodes = [{"id": 1, "show_id": 7}, {"id": 2, "show_id": 7}]
    fields: dict[str, Any] = dict.fromkeys(ENTITIES["tv"].core) | {
        "id": 7,
        "number_of_episodes": 2,
        "seasons": [{"season_number": 0, "episode_count": 0}, {"season_number": 1, "episode_count": 2}],
        "season/0": {"episodes": []},
        "season/1": {"season_number": 1, "episodes": episodes},
    }
    whole = msgspec.json.encode(fields).decode()
    assert place in whole
    body = whole.replace(place, f"{place.partition(':')[0]}:{odd}").encode()
    judge = ResponseValidator(ENTITIES["tv"], ())
    for judged in (
        lambda: judge.judge("7", _answer(body)),
        lambda: judge.judge_further("7", ("season/1",), None, _answer(body)),
    ):
        with suppress(UntrustedAnswer):
            judged()


def test_every_recorded_season_is_believed() -> None:
    with gzip.open(tmdb_data("payloads", "season.jsonl.gz")) as lines:
        for line in lines:
            one = msgspec.json.decode(line)
            number, series = one["season"]["season_number"], one["series_id"]
            seasons = [{"season_number": number, "episode_count": len(one["season"]["episodes"])}]
            body = dict.fromkeys(ENTITIES["tv"].core) | {"id": series, "seasons": seasons}
            body[f"season/{number}"] = one["season"]
            judged = ResponseValidator(ENTITIES["tv"], ()).judge(str(series), _answer(msgspec.json.encode(body)))
            assert (judged.state, judged.missing) == (State.LANDED, ())
