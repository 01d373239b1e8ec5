"""Each shape of event becomes the same few requests, or an error that tells its keys and not its values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reelhouse.aws.events import CollectEvent, CollectRequest, GivenList, ListedIn, QueueBatch, read_event
from reelhouse.collect.id_lists import KeyList
from reelhouse.errors import ReelhouseError
from reelhouse.storage.protocol import check_key
from tests.aws.invoking import event

LISTED = ListedIn("lists-of-tests", "id-lists/my list=1 ä.csv")
ASKS = ("12", "25", "tt0000003")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("scheduler_own_input", CollectEvent(works=True, ticks=True)),
        ("scheduler_default", CollectEvent(works=True, ticks=True)),
        ("rule_schedule", CollectEvent(works=True, ticks=True)),
        ("ids", CollectEvent((CollectRequest("call-request-1", ASKS),), works=True)),
        ("run_full", CollectEvent((CollectRequest("call-request-1", run="full"),), works=True)),
        ("run_incremental", CollectEvent((CollectRequest("call-request-1", run="incremental"),), works=True)),
        ("s3_notification", CollectEvent((LISTED,))),
        ("eventbridge_object_created", CollectEvent((LISTED,))),
        ("s3_test_event", CollectEvent()),
    ],
)
def test_an_event_asks_for(name: str, meant: CollectEvent) -> None:
    assert read_event(event(name), "request-1") == meant


def test_messages_of_a_queue_are_events_of_their_own() -> None:
    batch = read_event(event("sqs_batch"), "request-1")
    assert isinstance(batch, QueueBatch)
    ids, run, test, tick = (message.read() for message in batch.messages)
    assert ids.requests == (CollectRequest("sqs-059f36b4-87a3-44ab-83d2-661975830a7d", ("12", "25")),)
    assert run.requests == (CollectRequest("sqs-2e1424d4-f796-459a-8184-9c92662be6da", run="full"),)
    assert test.requests == tick.requests == ()
    (of_s3,) = read_event(event("sqs_of_s3"), "request-1").messages  # type: ignore[union-attr]
    assert of_s3.read().requests == (LISTED,)


@pytest.mark.parametrize("name", ["ids_and_run", "failure_destination", "s3_removed"])
def test_an_event_that_is_not_known_is_an_error(name: str) -> None:
    with pytest.raises(ReelhouseError):
        read_event(event(name), "request-1")


def test_the_error_names_its_keys_and_never_its_values() -> None:
    with pytest.raises(ReelhouseError, match="its keys: 'please', 'tok") as caught:
        read_event({"please": "a-secret", "tokén": ["another-secret"]}, "request-1")
    assert "secret" not in str(caught.value)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "tick",
        7,
        {},
        {"tick": True, "ids": [550]},
        {"tick": True, "run": "full"},
        {"tick": False},
        {"tick": "true"},
        {"ids": []},
        {"ids": {"550": 1}},
        {"ids": [True]},
        {"ids": [5.5]},
        {"ids": [-1]},
        {"ids": [0]},
        {"ids": ["550 551"]},
        {"ids": ["id", "550"]},
        {"ids": [550], "note": "for later"},
        {"ids": [550], "column": "id"},
        {"ids": ["²"]},
        {"ids": ["../account"]},
        {"ids": ["1\n2"]},
        {"ids": [10**23]},
        {"ids": "550\n²"},
        {"ids": 'id,title\n550,"Open\n551,x'},
        {"ids": "id,imdb_id\n550,tt0137523"},
        {"ids": "tmdb_id,type\n1,show"},
        {"ids": "id\n550", "column": 5},
        {"ids": "id\n550", "quotes": "no"},
        {"ids": "id\n550", "escape": "ab"},
        {"run": "everything"},
        {"run": None},
        {"Records": []},
        {"Records": "none"},
        {"Records": [{"eventSource": "aws:kinesis"}]},
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"Records": [7]},
        {"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"object": {"key": 7}}}]},
        {"detail-type": "Object Created", "source": "aws.s3", "detail": "{}"},
        {"detail-type": "Object Deleted", "source": "aws.s3", "detail": {}},
    ],
)
def test_contradictory_events_are_errors(odd: Any) -> None:
    with pytest.raises(ReelhouseError):
        _read(read_event(odd, "request-1"))


def _read(found: CollectEvent | QueueBatch, entity: str = "movie") -> KeyList:
    """The one list of an event that names ids as text."""
    assert isinstance(found, CollectEvent)
    (request,) = found.requests
    assert isinstance(request, GivenList)
    return request.read(request.entity or entity)


def test_a_list_in_an_event_is_read_as_it_says_and_names_its_own_ways() -> None:
    text = 'id,imdb_id,type,title\n1,tt0137523,movie,"Open\n2,tt0137524,show,b\n'
    with pytest.raises(ReelhouseError, match=r'line 2 opens a quote .*"quotes": false next to "ids"'):
        _read(read_event({"ids": text, "column": "id"}, "one"))
    with pytest.raises(ReelhouseError, match='say which: "column": "id" next to "ids" or "column": "imdb_id"'):
        _read(read_event({"ids": text, "quotes": False}, "one"))
    listed = _read(read_event({"ids": text, "column": "imdb_id", "quotes": False}, "one"))
    assert (listed.keys, listed.others) == (("tt0137523",), {"show": 1})
    given = {"ids": text, "column": "imdb_id", "quotes": False, "all_kinds": True}
    assert _read(read_event(given, "one")).keys == ("tt0137523", "tt0137524")
    series = _read(read_event({"ids": "tvdb_id,tmdb_id\n81189,\n,1396\n", "entity": "tv"}, "one"))
    assert (series.entity, series.keys) == ("tv", ("tvdb:81189", "1396"))
    asked = read_event({"ids": ["tvdb:81189", 1396], "entity": "tv"}, "one")
    assert isinstance(asked, CollectEvent)
    assert asked.requests == (CollectRequest("call-one", ("tvdb:81189", "1396"), entity="tv"),)


@pytest.mark.parametrize("id_", ["", "a/../b", ".hidden", "ä", "x" * 500, "\ud800", "a b"])
def test_any_id_of_an_event_gives_a_key(id_: str) -> None:
    (request,) = read_event({"ids": [1]}, id_).requests  # type: ignore[union-attr]
    assert isinstance(request, CollectRequest)
    assert check_key(f"_reelhouse/inbox/{request.name}.json")
    assert len(request.name) < 120


def test_an_event_of_an_object_may_hold_half_a_character() -> None:
    put = event("eventbridge_object_created")
    put["detail"]["object"]["version-id"] = "a\ud800"
    assert read_event(put, "one").requests == (LISTED,)  # type: ignore[union-attr]
    put["detail"]["object"]["key"] = "id-lists/\ud800.csv"
    with pytest.raises(ReelhouseError):
        read_event(put, "one")


def test_a_message_that_is_no_json_is_an_error_of_its_own() -> None:
    batch = read_event(event("sqs_with_bad_messages"), "request-1")
    assert isinstance(batch, QueueBatch)
    good = []
    for message in batch.messages:
        try:
            good.append(message.read().requests)
        except ReelhouseError as exc:
            assert "collect" not in str(exc).replace("collector", "") and "twelve" not in str(exc)
    assert len(good) == 2
    deep = {"Records": [{"eventSource": "aws:sqs", "messageId": "deep", "body": "[" * 100_000}]}
    (message,) = read_event(deep, "request-1").messages  # type: ignore[union-attr]
    with pytest.raises(ReelhouseError):
        message.read()


def test_the_fixtures_are_what_they_say() -> None:
    assert event("scheduler_default")["detail"] == "{}"
    assert json.loads(event("sqs_of_s3")["Records"][0]["body"])["Records"][0]["eventSource"] == "aws:s3"


def test_an_event_may_name_the_entity_that_it_is_about() -> None:
    call = read_event({"ids": [550], "entity": "gadget"}, "r")
    assert isinstance(call, CollectEvent)
    (asked,) = call.requests
    assert isinstance(asked, CollectRequest)
    assert (asked.entity, asked.keys, call.works) == ("gadget", ("550",), True)
    call = read_event({"run": "full", "entity": "gadget"}, "r")
    assert isinstance(call, CollectEvent)
    assert [(one.entity, one.run) for one in call.requests if isinstance(one, CollectRequest)] == [("gadget", "full")]
    mixed = "type,tmdb\nmovie,1\ngadget,2\n"
    with pytest.raises(ReelhouseError, match="holds no gadget, only 1 movie, 1 of an unknown kind"):
        _read(read_event({"ids": mixed, "entity": "gadget"}, "r"))
    with pytest.raises(ReelhouseError, match="entity: a name is expected"):
        read_event({"run": "full", "entity": 1}, "r")
    with pytest.raises(ReelhouseError, match="this event is not known"):
        read_event({"tick": True, "entity": "gadget", "run": "full"}, "r")
