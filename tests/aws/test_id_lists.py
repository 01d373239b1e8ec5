"""Lists of ids in a bucket: read from S3, taken once, refused with a clear message."""

from __future__ import annotations

import copy
import json
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reelhouse.aws import id_lists
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import ReelhouseError
from reelhouse.raw.inbox import waiting
from tests import s3servers
from tests.aws.invoking import Function, event
from tests.runs.tiny import Tiny
from tests.s3servers import S3Server

KEY = "id-lists/my list=1 ä.csv"
CSV = b"\xef\xbb\xbfmovieId|imdbId|tmdbId\r\n1|0000012|12\r\n2|0000003|\r\n3|0000025|25\r\n"


class Bucket:
    """A bucket, and the events that tell of a list in it."""

    def __init__(self, server: S3Server) -> None:
        self.name = s3servers.fresh_bucket(server)
        self._client = s3servers.client(server)

    def put(self, body: bytes, **metadata: str) -> None:
        made = self._client.put_object(Bucket=self.name, Key=KEY, Body=body, Metadata=metadata)
        self.etag = made["ETag"].strip('"')

    def event(self, name: str) -> Any:
        text = json.dumps(event(name))
        found = text.replace("lists-of-tests", self.name)
        return json.loads(found.replace("0f343b0931126a20f133d67c2b018a3b", self.etag))


@pytest.fixture
def bucket(cloud: S3Server) -> Bucket:
    made = Bucket(cloud)
    made.put(CSV)
    return made


@pytest.fixture(autouse=True)
def now(tiny: Tiny) -> None:
    tiny.now = datetime.now(UTC).isoformat(timespec="seconds")


@pytest.mark.parametrize("name", ["s3_notification", "eventbridge_object_created", "sqs_of_s3"])
def test_a_list_waits_in_the_inbox_and_the_next_tick_requests_it(
    function: Function, tiny: Tiny, bucket: Bucket, name: str
) -> None:
    answer = function(bucket.event(name))
    assert answer in ({"state": "queued", "messages": 1}, {"batchItemFailures": []})
    assert tiny.asked.total() + tiny.listings.total() == 0
    ((_, letter),) = waiting(function.lake, "movie")
    assert letter.keys == ["12", "tt0000003", "25"]
    function.tick()
    assert {"12", "25", "tt0000003"} <= set(tiny.asked)


def test_a_list_announced_twice_is_taken_once_and_a_new_one_again(function: Function, bucket: Bucket) -> None:
    function(bucket.event("s3_notification"))
    function(bucket.event("eventbridge_object_created"))
    function(bucket.event("sqs_of_s3"))
    assert len(list(waiting(function.lake, "movie"))) == 1
    bucket.put(b"7\n8\n")
    function(bucket.event("s3_notification"))
    assert sorted(letter.keys for _, letter in waiting(function.lake, "movie")) == [
        ["12", "tt0000003", "25"],
        ["7", "8"],
    ]


def test_the_event_of_a_list_that_was_replaced_does_not_stand_for_a_later_one(
    function: Function, bucket: Bucket
) -> None:
    of_the_first = bucket.event("s3_notification")
    bucket.put(b"7\n8\n")
    function(of_the_first)
    # The first list again; S3 tells its states apart by the second.
    time.sleep(1.1)
    bucket.put(CSV)
    function(bucket.event("s3_notification"))
    assert sorted(letter.keys for _, letter in waiting(function.lake, "movie")) == [
        ["12", "tt0000003", "25"],
        ["7", "8"],
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "has no ids"),
        (b"\xff\xfe1", "in the middle of a character of UTF-16"),
        (b"title\nFight Club\n", "neither an id nor a header"),
        (b"1\ntwo\n", "line 2"),
        (b'id,title\n1,a\n2,"Open\n3,c\n', "line 3 opens a quote that is never closed .*metadata quotes=no"),
        (b"id,imdb_id,title\n1,tt0114709,First\n", "id and imdb_id may all hold .*metadata column=imdb_id"),
        (b"tmdb_id,type\n1,show\n", "holds no movie, only 1 show; .*metadata all-kinds=yes"),
    ],
)
def test_an_invalid_list_is_an_error_that_names_the_object(
    function: Function, bucket: Bucket, body: bytes, reason: str
) -> None:
    bucket.put(body)
    with pytest.raises(ReelhouseError, match=reason) as caught:
        function(bucket.event("s3_notification"))
    assert f"s3://{bucket.name}/{KEY}" in str(caught.value)
    failures = function(bucket.event("sqs_of_s3"))["batchItemFailures"]
    assert len(failures) == 1
    assert list(waiting(function.lake, "movie")) == []


def test_a_list_s_metadata_says_how_it_is_read_and_rows_of_other_kinds_are_counted(
    function: Function, bucket: Bucket
) -> None:
    body = b'id,imdb_id,type,title\n1,tt0000012,movie,"Open\n2,tt0000013,show,b\n'
    bucket.put(body, column="imdb_id", quotes="no")
    assert function(bucket.event("s3_notification")) == {"state": "queued", "messages": 1, "other_kinds": {"show": 1}}
    ((_, letter),) = waiting(function.lake, "movie")
    assert letter.keys == ["tt0000012"]
    bucket.put(body + b" ", column="imdb_id", quotes="perhaps")
    with pytest.raises(ReelhouseError, match="metadata quotes: yes or no is expected"):
        function(bucket.event("s3_notification"))


@pytest.mark.parametrize("body", [b'{"event":"e","entity":"movie","keys":["../account"],"run":"","format":1}', b"{"])
def test_a_foreign_message_does_not_stop_ticks(function: Function, tiny: Tiny, bucket: Bucket, body: bytes) -> None:
    function.lake.put("_reelhouse/inbox/odd.json", body)
    assert function.tick()["state"] == "reconciled"
    function({"ids": [25]})
    function.tick()
    assert "../account" not in tiny.asked
    assert function.tick()["state"] == "idle"


def test_a_line_of_200_kb_is_one_cell_of_a_list_and_no_message_repeats_it(function: Function, bucket: Bucket) -> None:
    long = b"x" * 200_000
    bucket.put(b"id,note\n5,%b\n%b,b\n6,c\n" % (long, long))
    said = function(bucket.event("s3_notification"))
    assert said["messages"] == 1
    assert len(str(said)) < 500
    ((_, message),) = waiting(function.lake, "movie")
    assert message.keys == ["5", "6"]
    bucket.put(b"5\n%b\n" % long)
    for given in (bucket.event("s3_notification"), {"ids": [5, long.decode()]}):
        with pytest.raises(ReelhouseError, match=r"no TMDB id|neither a TMDB id") as refused:
            function(given)
        assert len(str(refused.value)) < 300


@pytest.mark.long
def test_a_list_that_is_too_long_is_refused_before_it_fills_the_memory(
    function: Function, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(id_lists, "MOST_BYTES", 1 << 20)
    bucket.put(b"5\n" * (1 << 19))
    assert function(bucket.event("s3_notification"))["messages"] == 1
    bucket.put(b"5\n" * (1 << 19) + b"6")
    with pytest.raises(ReelhouseError, match="larger than 1 MB"):
        function(bucket.event("s3_notification"))


def test_a_list_that_is_gone_or_out_of_reach_is_an_error(function: Function, bucket: Bucket) -> None:
    gone = copy.deepcopy(bucket.event("s3_notification"))
    gone["Records"][0]["s3"]["object"]["key"] = "id-lists/none"
    with pytest.raises(ReelhouseError, match=r"s3://.*/id-lists/none cannot be read: NoSuchKey"):
        function(gone)
    gone["Records"][0]["s3"]["bucket"]["name"] = f"nobodys-{secrets.token_hex(6)}"
    with pytest.raises(ReelhouseError, match="NoSuchBucket"):
        function(gone)


def test_one_bad_list_keeps_nothing_of_its_event(function: Function, bucket: Bucket) -> None:
    """Lambda tries the event again as a whole, and what was put already is put no second time."""
    both = bucket.event("s3_notification")
    bad = copy.deepcopy(both["Records"][0])
    bad["s3"]["object"]["key"] = "id-lists/none"
    both["Records"].append(bad)
    for _ in range(2):
        with pytest.raises(ReelhouseError):
            function(both)
        assert len(list(waiting(function.lake, "movie"))) == 1


def test_a_list_is_about_the_entity_that_its_metadata_names(
    function: Function, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = replace(ENTITIES["movie"], name="gadget", words="gadget", course_name="Gadgets")
    monkeypatch.setitem(ENTITIES, "gadget", second)
    monkeypatch.setenv("REELHOUSE_ENTITIES", "movie,gadget")
    with pytest.raises(ReelhouseError, match="entity: one of movie, gadget is expected, not ''"):
        function(bucket.event("s3_notification"))
    bucket.put(CSV, entity="gadget")
    function(bucket.event("s3_notification"))
    assert [len(message.keys) for _, message in waiting(function.lake, "gadget")] == [3]
    assert list(waiting(function.lake, "movie")) == []
