"""A reconciled run is announced to EventBridge at least once, whatever ends the process, and known runs only once."""

from __future__ import annotations

import functools
import json
import secrets
from datetime import UTC, datetime
from typing import Any

import boto3
import msgspec
import pytest
from aiohttp import web

from reelhouse.aws import eventbridge, invocation
from reelhouse.aws.invocation import Invocation
from reelhouse.aws.time_budget import LearnedDurations
from reelhouse.bootstrap import aws_clients
from reelhouse.bootstrap.collecting import CallResult
from reelhouse.collect.reporting import RunResult
from reelhouse.errors import ReelhouseError
from reelhouse.raw.keys import announced_key
from reelhouse.raw.reconciliation import reconcile
from reelhouse.settings import Settings
from reelhouse.storage.memory import MemoryStorage
from tests.aws.invoking import Ageing, Function
from tests.lakes import a_plan
from tests.runs.tiny import Tiny
from tests.s3servers import S3Server
from tests.serving import html
from tests.serving import json as answer


@functools.cache
def _client(service: str) -> Any:
    return boto3.session.Session().client(service)


class Bus:
    """An EventBridge bus whose events land in a queue."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._heard: list[dict[str, Any]] = []
        self._events, self._queues = _client("events"), _client("sqs")

    def listen(self) -> None:
        """Make the bus: before, nobody listens."""
        self._events.create_event_bus(Name=self.name)
        self._url = self._queues.create_queue(QueueName=self.name)["QueueUrl"]
        arn = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
        pattern = {"source": ["reelhouse"]}
        self._events.put_rule(Name=self.name, EventBusName=self.name, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": arn["QueueArn"]}
        self._events.put_targets(Rule=self.name, EventBusName=self.name, Targets=[target])

    def heard(self, kind: str = eventbridge.RECONCILED) -> list[dict[str, Any]]:
        """The details of what came since of this *kind*."""
        self._receive()
        found = [event["detail"] for event in self._heard if event["detail-type"] == kind]
        self._heard = [event for event in self._heard if event["detail-type"] != kind]
        return found

    def _receive(self) -> None:
        while messages := self._queues.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._heard.append(json.loads(message["Body"]))
                self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def bus(cloud: S3Server, function: Function) -> Bus:
    made = Bus(f"bus-{secrets.token_hex(4)}")
    made.listen()
    function.set(REELHOUSE_EVENT_BUS=made.name)
    return made


@pytest.fixture(autouse=True)
def now(tiny: Tiny) -> None:
    tiny.now = datetime.now(UTC).isoformat(timespec="seconds")


def test_each_run_is_announced_once_with_its_numbers(function: Function, tiny: Tiny, bus: Bus) -> None:
    tiny.broken = {9}
    function.tick()
    (detail,) = bus.heard()
    assert detail == {
        "run": 1,
        "entity": "movie",
        "lake": function.lake.url.removeprefix("file://"),
        "counts": {"requested": 30, "landed": 29, "filtered": 0, "gone": 0, "quarantined": 1},
        "complete": True,
        "clean": False,
    }
    function.tick()
    assert bus.heard() == []
    function({"ids": [500]})
    assert [detail["run"] for detail in bus.heard()] == [2]
    assert function.lake.size(announced_key("movie", 2)) is not None


def test_a_run_that_ends_with_little_time_left_is_announced_at_once(function: Function, bus: Bus) -> None:
    assert function.tick(Ageing(asked=1))["state"] == "reconciled"
    assert [detail["run"] for detail in bus.heard()] == [1]


def test_each_run_that_an_invocation_ended_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = MemoryStorage()
    movies, series = _a_result(lake, "movie"), _a_result(lake, "series")
    announced: list[str] = []
    monkeypatch.setattr(eventbridge, "announce", lambda storage, settings, made: announced.append(made.entity))
    working = Invocation(lake, Settings(lake="memory"), LearnedDurations(), lambda: 100.0)
    working._close(CallResult([movies, series._replace(reconciliation=None)], 0, 0, 0.0, 0, {}))
    assert announced == ["movie"]


def test_a_summary_has_each_entity_and_the_totals_of_all() -> None:
    lake = MemoryStorage()
    first = _a_result(lake, "movie")._replace(states={"landed": 2, "gone": 1}, pending=0)
    second = _a_result(lake, "series")._replace(states={"landed": 3}, pending=4, reconciliation=None, reason="stopped")
    found = invocation._summary(CallResult([first, second], 12, 1, 0.5, 3, {}))
    assert {name: found[name] for name in ("state", "landed", "gone", "pending", "requests", "throttled")} == {
        "state": "open",
        "landed": 5,
        "gone": 1,
        "pending": 4,
        "requests": 12,
        "throttled": 1,
    }
    assert [(run["entity"], run["state"], run["landed"], run["pending"], run["reason"]) for run in found["runs"]] == [
        ("movie", "reconciled", 2, 0, None),
        ("series", "open", 3, 4, "stopped"),
    ]


def _a_result(lake: MemoryStorage, entity: str) -> RunResult:
    plan = msgspec.structs.replace(a_plan(lake, [], put=False), entity=entity)
    made, counted = reconcile(lake, plan)
    return RunResult(plan, made, counted.pending, None, 0, {})


class KilledError(BaseException):
    """What nothing catches."""


@pytest.mark.parametrize("announced", [False, True])
def test_after_a_kill_during_the_announcement_the_next_tick_announces(
    function: Function, bus: Bus, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    put_event = eventbridge._put_event

    def dying(*given: Any) -> str:
        if announced:
            put_event(*given)
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(eventbridge, "_put_event", dying)
        function.tick()
    assert function.lake.size(announced_key("movie", 1)) is None
    assert function.tick() == {"state": "idle", "messages": 0}
    assert [detail["run"] for detail in bus.heard()] == ([1, 1] if announced else [1])
    function.tick()
    assert bus.heard() == []


@pytest.mark.usefixtures("fresh_clients")
def test_a_failing_bus_is_an_error_but_collecting_continues(
    function: Function, tiny: Tiny, cloud: S3Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last run is announced as soon as possible; a build reads the whole lake anyway."""
    missing = Bus(f"later-{secrets.token_hex(4)}")
    function.set(REELHOUSE_EVENT_BUS=missing.name, AWS_ENDPOINT_URL_EVENTBRIDGE="http://127.0.0.1:9")
    with pytest.raises(
        ReelhouseError, match=f"run 1 is reconciled, but could not be announced on the event bus {missing.name}"
    ):
        function.tick()
    with pytest.raises(ReelhouseError, match="run 2 is reconciled"):
        function({"ids": [500]})
    assert "500" in tiny.asked
    with pytest.raises(ReelhouseError, match="run 2 is reconciled"):
        function.tick()
    assert '"pending": 0' in capsys.readouterr().out


def test_an_event_that_the_bus_refuses_is_an_error(
    function: Function, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def put_events(self, **_: Any) -> dict[str, Any]:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}]}

    with monkeypatch.context() as patch:
        patch.setattr(aws_clients, "client", lambda *_, **__: Refusing())
        with pytest.raises(ReelhouseError, match="ThrottlingException"):
            function.tick()
    assert function.lake.size(announced_key("movie", 1)) is None
    function.tick()
    assert [detail["run"] for detail in bus.heard()] == [1]


def _languages(request: web.BaseRequest) -> web.StreamResponse | None:
    language = {"iso_639_1": "en", "english_name": "English", "name": "English"}
    return answer([language] * 100) if "languages" in request.path else None


def test_the_lake_is_announced_as_idle_once_no_run_of_any_entity_is_left(
    function: Function, tiny: Tiny, bus: Bus
) -> None:
    lake = function.lake.url.removeprefix("file://")
    function.set(REELHOUSE_ENTITIES="movie,language")
    tiny.instead = _languages
    assert function.tick(Ageing(asked=1))["state"] == "reconciled"
    assert bus.heard(eventbridge.IDLE) == []
    assert function.tick()["state"] == "reconciled"
    assert bus.heard(eventbridge.IDLE) == [{"lake": lake, "runs": {"language": 1, "movie": 1}}]
    assert function.tick()["state"] == "idle"
    assert bus.heard(eventbridge.IDLE) == []
    function({"ids": [500], "entity": "movie"})
    assert bus.heard(eventbridge.IDLE) == [{"lake": lake, "runs": {"language": 1, "movie": 2}}]
    # As if it had been killed before that.
    function.lake.delete("_reelhouse/idle.json")
    assert function.tick()["state"] == "idle"
    assert [one["runs"] for one in bus.heard(eventbridge.IDLE)] == [{"language": 1, "movie": 2}]


def test_an_entity_that_fails_does_not_keep_the_others_from_being_built(
    function: Function, tiny: Tiny, bus: Bus
) -> None:
    function.set(REELHOUSE_ENTITIES="movie,language")
    tiny.instead = _languages
    tiny.export_instead = lambda request: html(403)
    for _ in range(2):
        with pytest.raises(ReelhouseError):
            function.tick()
    assert [one["runs"] for one in bus.heard(eventbridge.IDLE)] == [{"language": 1}]


def test_without_a_bus_nothing_is_announced(function: Function) -> None:
    function.tick()
    assert function.lake.size(announced_key("movie", 1)) is None
