"""The handler with its lake in a bucket: the cost of a tick, concurrent invocations, and the stored bytes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from reelhouse.aws import handler
from reelhouse.storage.opening import open_storage
from reelhouse.storage.protocol import Storage
from tests import s3servers
from tests.aws.calls import recorded
from tests.aws.invoking import Function, Given, event, lines, metrics
from tests.runs.lakes import TOKEN, assert_whole
from tests.runs.tiny import Tiny
from tests.s3servers import S3Server


@pytest.fixture
def lake(cloud: S3Server, function: Function, tiny: Tiny) -> Storage:
    """The lake in a bucket, with its settings."""
    tiny.now = datetime.now(UTC).isoformat(timespec="seconds")
    place = f"s3://{s3servers.fresh_bucket(cloud)}/lake"
    function.set(REELHOUSE_LAKE=place)
    made = open_storage(place)
    made.put("reelhouse.toml", b"chunk_answers = 10\n")
    return made


def test_a_life_in_a_bucket(function: Function, tiny: Tiny, lake: Storage) -> None:
    assert function.tick()["landed"] == 30
    assert len(list(lake.keys("raw/movie/"))) >= 3
    # Two are known; of an IMDb id only TMDB says which one it is.
    assert function(event("ids_as_text"))["requested"] == 1
    function(event("sqs_batch"))
    assert function.tick()["state"] == "reconciled"
    assert_whole(lake)
    for key in lake.keys(""):
        assert TOKEN.encode() not in lake.get(key)


@pytest.mark.long
def test_a_tick_with_nothing_to_do_costs_a_handful_of_requests_and_one_listing(
    function: Function, lake: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id_ in (500, 501, 502):
        function({"ids": [id_]})
    function.tick()
    # A new environment, which has seen nothing yet.
    monkeypatch.setattr(handler, "_storages", {})
    with recorded() as calls:
        given = Given()
        assert function.tick(given)["state"] == "idle"
    assert given.seconds > 898
    asked = Counter(call.action for call in calls)
    assert asked.keys() == {"s3:GetObject", "s3:ListBucket"}
    # A key that is missing needs the right to list it, and is not listed.
    missing = sum(call.action == "s3:ListBucket" and not call.prefix.endswith("/") for call in calls)
    assert asked["s3:ListBucket"] - missing == 1
    assert asked.total() - missing <= 12


def test_a_second_invocation_does_not_disturb_the_first(
    function: Function, tiny: Tiny, lake: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    with lake.lock(seconds=60), recorded() as calls:
        assert function.tick()["state"] == "busy"
        assert function({"ids": [500]})["state"] == "busy"
    assert tiny.asked.total() + tiny.listings.total() == 0
    assert Counter(call.action for call in calls)["s3:PutObject"] <= 5
    assert function.tick()["requested"] == 31
    assert_whole(lake)
    logged = [line for line in lines(capsys.readouterr().out) if "_aws" not in line]
    assert {line["requestId"] for line in logged} == {"request-1", "request-2", "request-3"}


def test_metrics_name_the_lake(function: Function, lake: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    function.tick()
    printed = capsys.readouterr().out
    assert metrics(printed)["bytes"] > 0
    (emf,) = (line for line in lines(printed) if "_aws" in line)
    assert emf["lake"] == lake.url
