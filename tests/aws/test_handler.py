"""The handler from event to answer, against a TMDB that really answers: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from awslambdaric.bootstrap import LambdaLoggerHandler, StandardLogSink  # type: ignore[import-untyped]
from awslambdaric.lambda_runtime_log_utils import JsonFormatter  # type: ignore[import-untyped]

from reelhouse.aws import handler, invocation
from reelhouse.bootstrap.storage import storage_of
from reelhouse.errors import LakeError, ReelhouseError, StorageError
from reelhouse.logs import log
from reelhouse.raw.inbox import put_message
from reelhouse.raw.keys import plan_key, reconciliation_key
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.raw.reconciliation import open_run, read_reconciliation
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.protocol import Storage
from tests.aws.invoking import Ageing, Function, Given, event, lines, metrics
from tests.runs.lakes import TOKEN, answers, assert_whole, reasons
from tests.runs.tiny import Tiny
from tests.serving import html, verdict


def ago(**past: float) -> str:
    """TMDB's clock so long ago."""
    return (datetime.now(UTC) - timedelta(**past)).isoformat(timespec="seconds")


@pytest.fixture(autouse=True)
def now(tiny: Tiny) -> None:
    tiny.now = ago()


def letters(lake: Storage) -> list[str]:
    return list(lake.keys("_reelhouse/inbox/"))


@pytest.mark.parametrize("name", ["scheduler_own_input", "scheduler_default", "rule_schedule"])
def test_the_first_tick_collects_everything_and_the_next_one_finds_nothing_to_do(
    function: Function, tiny: Tiny, name: str
) -> None:
    assert function(event(name)) == {
        "state": "reconciled",
        "entity": "movie",
        "run": 1,
        "requested": 30,
        "landed": 30,
        "filtered": 0,
        "gone": 0,
        "quarantined": 0,
        "pending": 0,
        "requests": 30,
        "throttled": 0,
        "waited_seconds": 0.0,
        "retries": 0,
        "reason": None,
        "messages": 0,
    }
    assert tiny.asked.total() == 30
    tiny.forget()
    assert function(event(name)) == {"state": "idle", "messages": 0}
    assert tiny.asked.total() + tiny.listings.total() == 0
    assert last_run(function.lake, "movie") == 1
    assert_whole(function.lake)


def test_each_state_of_an_id_is_in_the_answer(function: Function, tiny: Tiny) -> None:
    tiny.short, tiny.gone, tiny.broken = {5, 15}, {7}, {9}
    function.set(REELHOUSE_RECORD_FILTER="runtime >= `60`")
    answer = function.tick()
    assert [answer[name] for name in ("landed", "filtered", "gone", "quarantined")] == [26, 2, 1, 1]


def test_a_run_is_due_by_its_settings(function: Function, tiny: Tiny) -> None:
    tiny.now = ago(hours=23, minutes=58)
    function.tick()
    assert function.tick()["state"] == "idle"
    function.set(REELHOUSE_RUN_EVERY_HOURS="23.9")
    tiny.now = ago()
    tiny.listed.append(40)
    answer = function.tick()
    assert (answer["run"], answer["requested"]) == (2, 1)
    function.set(REELHOUSE_RUN_EVERY_HOURS="0.05", REELHOUSE_RUN_KIND="full")
    tiny.now = ago(minutes=-5)
    assert function.tick() == {"state": "idle", "messages": 0}
    _grow_older(function.lake, 2, hours=1)
    assert function.tick()["requested"] == 31
    assert set(reasons(function.lake, 3).values()) == {"stale"}


def _grow_older(lake: Storage, run: int, **by: float) -> None:
    """The same run, planned earlier."""
    plan = json.loads(lake.get(plan_key("movie", run)))
    for name in ("planned_at", "listed_at"):
        plan[name] = (datetime.fromisoformat(plan[name]) - timedelta(**by)).strftime("%Y-%m-%dT%H:%M:%SZ")
    lake.put(plan_key("movie", run), json.dumps(plan).encode())


@pytest.mark.parametrize("name", ["ids", "ids_as_text"])
def test_ids_are_requested_at_once_and_nothing_else(function: Function, tiny: Tiny, name: str) -> None:
    answer = function(event(name))
    assert (answer["state"], answer["run"], answer["requested"], answer["messages"]) == ("reconciled", 1, 3, 1)
    assert set(tiny.asked) == {"12", "25", "tt0000003"}
    assert letters(function.lake) == []
    # It was not a run over everything, so that one is still due.
    assert function.tick()["requested"] == 27
    assert_whole(function.lake)


def test_a_list_as_text_is_about_the_entity_that_the_settings_select(function: Function) -> None:
    function.set(REELHOUSE_ENTITIES="person")
    body = json.dumps({"ids": "type,id\nmovie,6\nperson,5\nperson,nm0000007\n"})
    queued = {"Records": [{"eventSource": "aws:sqs", "messageId": "list", "body": body}]}
    assert function(queued) == {"batchItemFailures": []}
    (letter,) = (json.loads(function.lake.get(key)) for key in letters(function.lake))
    assert (letter["entity"], letter["keys"]) == ("person", ["5", "nm0000007"])


def test_lists_of_ids_do_not_delay_a_run_that_is_due(function: Function, tiny: Tiny) -> None:
    tiny.now = ago(hours=25)
    function.tick()
    tiny.now = ago()
    tiny.listed += [41]
    assert function({"ids": [500]})["requested"] == 1
    assert function({"ids": [501]})["requested"] == 1
    answer = function.tick()
    assert (answer["run"], answer["requested"]) == (4, 1)
    assert reasons(function.lake, 4) == {"41": "new"}
    assert function.tick()["state"] == "idle"


def test_the_same_event_again_changes_nothing(function: Function, tiny: Tiny) -> None:
    again = Given(request="the-same")
    function(event("ids"), again)
    tiny.forget()
    before = set(function.lake.keys("_reelhouse/runs/movie/"))
    assert function(event("ids"), again)["state"] == "idle"
    assert set(function.lake.keys("_reelhouse/runs/movie/")) == before
    assert tiny.asked.total() == 0
    # A real second request is answered: the ids are known.
    assert function(event("ids"))["requested"] == 0
    assert tiny.asked.total() == 0
    assert letters(function.lake) == []


def test_a_full_run_that_is_delivered_again_is_not_done_again(function: Function, tiny: Tiny) -> None:
    tiny.now = ago(minutes=10)
    function.tick()
    tiny.now = ago()
    again = Given(request="full-1")
    assert function(event("run_full"), again)["requested"] == 30
    tiny.forget()
    assert function(event("run_full"), again)["state"] == "idle"
    assert tiny.asked.total() == 0


def test_a_requested_run_is_of_its_kind(function: Function, tiny: Tiny) -> None:
    tiny.now = ago(minutes=10)
    function.tick()
    tiny.now = ago()
    tiny.listed.append(42)
    assert function(event("run_incremental"))["requested"] == 1
    tiny.now = ago(minutes=-1)
    answer = function(event("run_full"))
    assert (answer["run"], answer["requested"]) == (3, 31)
    assert set(reasons(function.lake, 3).values()) == {"stale"}
    assert letters(function.lake) == []
    assert_whole(function.lake)


def test_requests_during_an_open_run_wait_and_are_taken_next(function: Function, tiny: Tiny) -> None:
    first = _leave_open(function, tiny)
    # A queue's messages only wait.
    assert function(event("sqs_batch")) == {"batchItemFailures": []}
    assert len(letters(function.lake)) == 2
    tiny.instead = lambda request: None
    tiny.now = ago(minutes=-1)
    tiny.forget()
    answer = function({"ids": [601]})
    assert letters(function.lake) == []
    assert open_run(function.lake, "movie") is None
    # The open run first, then a full one, of what is older than it, which takes the ids as well.
    asked = Counter(reasons(function.lake, 2).values())
    assert (answer["run"], asked) == (2, {"stale": 30 - first["pending"], "listed": 1})
    assert "601" in tiny.asked
    plan = read_plan(function.lake, "movie", 2)
    assert plan is not None
    assert len(plan.inbox) == 3
    assert_whole(function.lake)


def _leave_open(function: Function, tiny: Tiny) -> dict[str, Any]:
    """A first run of which only some ids are answered."""
    tiny.instead = lambda request: verdict(503, 11) if tiny.asked.total() > 9 else None
    function.set(REELHOUSE_OUTAGE_MINUTES="0.002")
    answer = function.tick()
    assert answer["state"] == "open"
    assert 0 < answer["pending"] < 30
    assert "TMDB has answered nobody" in answer["reason"]
    return answer


def test_the_next_run_is_left_to_the_next_tick_when_little_time_is_left(function: Function, tiny: Tiny) -> None:
    _leave_open(function, tiny)
    function(event("sqs_with_bad_messages"))
    tiny.instead = lambda request: None
    assert function.tick(Ageing())["run"] == 1
    assert open_run(function.lake, "movie") is None
    assert len(letters(function.lake)) == 2
    assert function.tick()["run"] == 2
    assert letters(function.lake) == []


def test_an_open_run_continues_where_it_stopped(function: Function, tiny: Tiny) -> None:
    first = _leave_open(function, tiny)
    tiny.instead = lambda request: None
    tiny.forget()
    second = function.tick()
    assert (second["state"], second["run"], second["landed"]) == ("reconciled", 1, 30)
    assert tiny.asked.total() == first["pending"]
    assert_whole(function.lake)


def test_messages_that_are_wrong_are_reported_and_the_others_are_kept(
    function: Function, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = function(event("sqs_with_bad_messages"))["batchItemFailures"]
    assert [each["itemIdentifier"] for each in failures] == ["no-json", "no-id", "unknown"]
    assert letters(function.lake) == ["_reelhouse/inbox/sqs-good-1.json", "_reelhouse/inbox/sqs-good-2.json"]
    assert tiny.asked.total() == 0
    logged = [line for line in lines(capsys.readouterr().out) if line["level"] == "ERROR"]
    assert [line["messageId"] for line in logged] == ["no-json", "no-id", "unknown"]
    assert "twelve" not in json.dumps(logged)
    # Delivered again, as the queue does with what failed and sometimes with what did not.
    before = {key: function.lake.get(key) for key in letters(function.lake)}
    function(event("sqs_with_bad_messages"))
    assert {key: function.lake.get(key) for key in letters(function.lake)} == before
    function.tick()
    assert {"12", "tt0000003"} <= set(tiny.asked)


def test_messages_that_the_lake_does_not_take_go_back_to_the_queue(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(FolderStorage):
        def put_new(self, key: str, body: bytes) -> None:
            if key.endswith("good-2.json"):
                raise StorageError("no space left")
            super().put_new(key, body)

    monkeypatch.setattr(handler, "readable_storage", lambda settings: Full(Path(settings.lake)))
    failures = function(event("sqs_with_bad_messages"))["batchItemFailures"]
    assert "good-2" in {each["itemIdentifier"] for each in failures}
    assert letters(function.lake) == ["_reelhouse/inbox/sqs-good-1.json"]


def test_an_event_that_is_not_known_is_raised_and_nothing_is_done(function: Function, tiny: Tiny) -> None:
    with pytest.raises(ReelhouseError, match="not known"):
        function(event("failure_destination"))
    assert tiny.listings.total() == 0
    assert list(function.lake.keys("")) == []


def test_a_second_invocation_returns_at_once(
    function: Function, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    with function.lake.lock():
        given = Given()
        assert function.tick(given) == {"state": "busy", "messages": 0}
        assert function(event("ids")) == {"state": "busy", "messages": 1}
        assert given.seconds > 890
    assert tiny.asked.total() + tiny.listings.total() == 0
    assert last_run(function.lake, "movie") == 0
    assert "_aws" not in capsys.readouterr().out
    # What it was asked for is not lost.
    assert {"12", "25", "tt0000003"} <= set(reasons(function.lake, function.tick()["run"]))


def test_of_many_at_once_one_works(function: Function, tiny: Tiny) -> None:
    tiny.delay = 0.02
    found: list[str] = []

    def invoke(number: int) -> None:
        found.append(handler.handler({"tick": True}, Given(request=f"request-{number}"))["state"])

    threads = [threading.Thread(target=invoke, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(found) == {"reconciled": 1, "busy": 5} or set(found) == {"reconciled", "busy", "idle"}
    assert max(tiny.asked.values()) == 1
    assert last_run(function.lake, "movie") == 1


class Counting:
    """A storage that counts what is asked of it."""

    def __init__(self, inner: Storage) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        self.calls[name] += 1
        return found


def test_a_tick_with_nothing_to_do_is_cheap(
    function: Function, tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    function.tick()
    for id_ in range(500, 506):
        function({"ids": [id_]})
    counting: list[Counting] = []

    def counted(settings: Settings) -> Any:
        counting.append(Counting(storage_of(settings)))
        return counting[-1]

    monkeypatch.setattr(handler, "readable_storage", counted)
    monkeypatch.setattr(handler, "_storages", {})
    capsys.readouterr()
    given = Given()
    assert function.tick(given)["state"] == "idle"
    assert given.seconds > 899
    (storage,) = counting
    assert storage.calls["keys"] == 1
    assert set(storage.calls) == {"size", "get", "keys"}
    # And one for the settings, where the lake is a bucket.
    assert storage.calls.total() <= 11
    logged = metrics(capsys.readouterr().out)
    assert (logged["requests"], logged["landed"], logged["pending"]) == (0, 0, 0)
    assert 0 <= logged["lag_seconds"] < 60


@pytest.mark.long
def test_it_stops_before_its_time_is_up_and_the_next_tick_continues(function: Function, tiny: Tiny) -> None:
    function.set(REELHOUSE_CONNECTIONS="2", REELHOUSE_CHUNK_ANSWERS="5", REELHOUSE_CHUNK_SECONDS="1")
    tiny.delay = 0.25
    states = []
    for _ in range(12):
        given = Given(4.0)
        answer = function.tick(given)
        assert given.seconds > 0
        states.append(answer["state"])
        if answer["state"] == "reconciled":
            break
        assert answer["reason"] == "the deadline is reached"
        assert answer["pending"] < 30
    assert states[-1] == "reconciled"
    assert len(states) > 1
    assert set(tiny.asked.values()) == {1}
    assert_whole(function.lake)


def test_answers_that_hang_are_not_waited_for(function: Function, tiny: Tiny) -> None:
    _leave_open(function, tiny)
    tiny.instead = lambda request: None
    tiny.delay = 30.0
    given = Given(2.0)
    assert function.tick(given)["state"] == "open"
    assert given.seconds > 0


def test_a_run_that_cannot_even_be_planned_in_time_is_an_error(function: Function, tiny: Tiny) -> None:
    tiny.delay = 5.0
    given = Given(2.0)
    with pytest.raises(ReelhouseError, match="the next run is not planned"):
        function.tick(given)
    assert given.seconds > 0
    assert last_run(function.lake, "movie") == 0


def test_a_run_that_does_not_add_up_is_an_error_and_reported_once(function: Function, tiny: Tiny) -> None:
    _leave_open(function, tiny)
    chunk, *_ = function.lake.keys("raw/movie/")
    function.lake.delete(chunk)
    tiny.instead = lambda request: None
    with pytest.raises(LakeError, match="run 1 does not add up"):
        function.tick()
    made = read_reconciliation(function.lake, "movie", 1)
    assert made is not None
    assert not made.complete
    assert function.tick()["state"] == "idle"


def test_errors_are_raised_so_that_lambda_sees_them(
    function: Function, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.instead = lambda request: verdict(401, 7, "Invalid API key")
    with pytest.raises(ReelhouseError, match="refuses the token"):
        function.tick()
    assert metrics(capsys.readouterr().out)["landed"] == 0
    tiny.export_instead = lambda request: html(403)
    tiny.instead = lambda request: None
    tiny.now = ago(days=-1)
    assert function.tick()["state"] == "reconciled"


def test_the_work_of_a_killed_invocation_is_continued(function: Function, tiny: Tiny) -> None:
    function.tick()
    # Killed between its reconciliation and the end: letters and ledger are as before.
    put_message(function.lake, "call-again", "movie", ["700"])
    function.lake.delete("_reelhouse/ledger/movie/000001-000001.001.sqlite.gz")
    assert function.tick()["requested"] == 1
    function.lake.delete(reconciliation_key("movie", 2))
    tiny.forget()
    assert function.tick()["run"] == 2
    assert tiny.asked.total() == 0
    assert_whole(function.lake)
    assert answers(function.lake)["700"].state == "landed"


def test_log_lines_are_json_with_the_invocation_the_run_and_the_numbers(
    function: Function, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.broken = {9}
    function.set(REELHOUSE_CHUNK_ANSWERS="10")
    function.tick(Given(request="request-77"))
    printed = capsys.readouterr().out
    logged = [line for line in lines(printed) if "_aws" not in line]
    assert {line["requestId"] for line in logged} == {"request-77"}
    landed = [line for line in logged if line["message"] == "landed" and "unit" in line]
    assert len(landed) >= 3
    assert sum(line.get("landed", 0) for line in landed) == 29
    assert {(line["run"], line["unit"]) for line in landed} == {(1, 0)}
    numbers = metrics(printed)
    # Whether it is the id or TMDB is asked as well.
    requests = tiny.asked.total() + tiny.listings["/3/configuration"]
    assert (numbers["requests"], numbers["landed"], numbers["quarantined"]) == (requests, 29, 1)
    made = read_reconciliation(function.lake, "movie", 1)
    assert made is not None
    assert numbers["bytes"] == made.bytes == sum(line["bytes"] for line in landed)
    assert 179.9 < numbers["days_to_expiry"] <= 180
    assert 0 <= numbers["lag_seconds"] < 60
    assert numbers["throttled"] == 0


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_lambdas_own_format_is_left_as_it_is(
    function: Function,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    level: int,
) -> None:
    """Each line once, with what its client adds, and at the level that the function is set to."""
    handler = LambdaLoggerHandler(StandardLogSink())
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler])
    caplog.set_level(level)
    log.setLevel(logging.NOTSET)
    function.tick()
    logged = [line for line in lines(capsys.readouterr().out) if "_aws" not in line]
    messages = [line["message"] for line in logged if line["logger"] == "reelhouse"]
    assert messages == (["working", "landed", "reconciled"] if level == logging.INFO else [])


def test_answers_of_429_are_reported(function: Function, tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.instead = lambda request: verdict(429, 25) if tiny.asked.total() == 3 and "movie/" in request.path else None
    answer = function.tick()
    assert answer["state"] == "reconciled"
    assert metrics(capsys.readouterr().out)["throttled"] >= 1


def test_settings_in_the_lake_are_read_by_each_invocation(function: Function, tiny: Tiny) -> None:
    function.lake.put("reelhouse.toml", b"top = 3\n")
    assert function.tick()["requested"] == 3
    function.lake.put("reelhouse.toml", b"top = 4\nrun_every_hours = 0.0001\n")
    tiny.now = ago(minutes=-1)
    _grow_older(function.lake, 1, hours=1)
    assert function.tick()["requested"] == 1


def test_errors_contain_no_token(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(*_: object) -> Any:
        try:
            raise ValueError(f"Authorization: Bearer {TOKEN}")
        except ValueError as exc:
            raise RuntimeError("a fault of ours") from exc

    function.tick()
    monkeypatch.setattr(handler, "read_event", careless)
    with pytest.raises(ReelhouseError, match="RuntimeError: a fault of ours") as caught:
        function.tick()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    # Other faults are raised as they are, with where they happened.
    monkeypatch.setattr(handler, "read_event", lambda event, request: None)
    with pytest.raises(AttributeError):
        function.tick()


def test_during_an_outage_a_tick_stops_and_the_next_one_continues(
    function: Function, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocation, "_MOST_OUTAGE", 0.005)
    tiny.instead = lambda request: html(503)
    answer = function.tick()
    assert (answer["state"], answer["pending"]) == ("open", 30)
    tiny.instead = lambda request: None
    assert function.tick()["state"] == "reconciled"
    assert_whole(function.lake)
