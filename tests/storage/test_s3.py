"""What a lake in a bucket promises beyond the contract: whatever is lost on the way, the outcome is known."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from reelhouse.errors import ConfigError, KeyTakenError, MissingKeyError, StorageError
from reelhouse.storage.opening import S3Options, open_storage
from reelhouse.storage.protocol import Storage
from reelhouse.storage.s3 import S3Storage
from tests.s3proxy import (
    BROKEN,
    CONFLICT,
    SLOW_DOWN,
    Answer,
    Fault,
    Proxy,
    cut,
    done_and_says,
    half,
    lost,
    proxied,
    says,
)
from tests.s3servers import ON_EACH, aim, client, fresh_bucket, started

# Keys that moto and the others give at a time.
PAGES = {"moto": 100, "seaweedfs": 1000, "versitygw": 1000}

PASSING: list[Fault] = [CONFLICT, SLOW_DOWN, BROKEN, cut]
DONE_UNHEARD: list[Fault] = [lost, done_and_says(500, "InternalError"), done_and_says(503, "SlowDown")]
WRITES: dict[str, Callable[[Storage, str, bytes], None]] = {
    "put": lambda storage, key, body: storage.put(key, body),
    "put_new": lambda storage, key, body: storage.put_new(key, body),
    "put_if": lambda storage, key, body: storage.put_if(key, body, storage.get_versioned(key).version),
}


def _before(write: str, lake: S3Storage) -> None:
    if write == "put_if":
        lake.put("a", b"before")


def _look(proxy: Proxy, lake: S3Storage, key: str) -> Any:
    bucket, _, prefix = lake.url.removeprefix("s3://").partition("/")
    return client(proxy.server).head_object(Bucket=bucket, Key=f"{prefix}/{key}")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bu.ck-et/a", "s3://bu.ck-et/a"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
    ],
)
def test_an_address_names_a_bucket_and_what_keys_start_with(address: str, url: str) -> None:
    assert open_storage(address).url == url


@pytest.mark.parametrize(
    "address",
    [
        "s3://",
        "s3:///a",
        "s3://b",
        "s3://buck et/a",
        "s3://bucket/a//b",
        "s3://bucket//",
        "s3://bucket/../a",
        "s3://bucket/é",
    ],
)
def test_an_invalid_address_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError, match=r"s3://bucket/prefix is expected") as caught:
        open_storage(address)
    assert "\n" not in str(caught.value)


def test_nothing_is_asked_before_the_first_call(proxy: Proxy) -> None:
    open_storage("s3://bucket/a")
    assert proxy.seen == []


def test_a_lake_can_be_the_whole_bucket(proxy: Proxy) -> None:
    lake = S3Storage(f"s3://{fresh_bucket(proxy.server)}", S3Options())
    lake.put_new("raw/a", b"1")
    lake.check()
    assert list(lake.keys("")) == list(lake.list_all_versions("")) == ["raw/a"]
    lake.delete_all_versions("raw/a")
    assert list(lake.list_all_versions("")) == []


@pytest.mark.parametrize("name", ["inbox/", "inbox/a//b", "inbox/.DS_Store", "inbox/é"])
def test_folders_and_the_like_that_other_tools_put_are_no_keys(name: str, lake: S3Storage, proxy: Proxy) -> None:
    bucket, _, prefix = lake.url.removeprefix("s3://").partition("/")
    client(proxy.server).put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=b"")
    lake.put("inbox/a.json", b"1")
    assert list(lake.keys("inbox/")) == list(lake.list_all_versions("inbox/")) == ["inbox/a.json"]


def test_each_call_is_one_request(lake: S3Storage, proxy: Proxy) -> None:
    def asked(call: Callable[[], object]) -> dict[str, int]:
        proxy.forget()
        with suppress(MissingKeyError, KeyTakenError):
            call()
        return dict(proxy.counts)

    lake.check()
    assert asked(lake.check) == {}
    assert asked(lambda: lake.put("a", b"1")) == {"PUT": 1}
    assert asked(lambda: lake.put_new("b", b"1")) == {"PUT": 1}
    version = lake.get_versioned("a").version
    assert asked(lambda: lake.put_if("a", b"2", version)) == {"PUT": 1}
    assert asked(lambda: lake.get("a")) == {"GET": 1}
    assert asked(lambda: lake.get_versioned("a")) == {"GET": 1}
    assert asked(lambda: lake.size("a")) == {"HEAD": 1}
    assert asked(lambda: lake.size("none")) == {"HEAD": 1}
    assert asked(lambda: lake.get("none")) == {"GET": 1}
    assert asked(lambda: lake.put_new("b", b"2")) == {"PUT": 1}
    assert asked(lambda: lake.put_if("a", b"3", version)) == {"PUT": 1}
    assert asked(lambda: list(lake.keys(""))) == {"LIST": 1}
    assert asked(lambda: list(lake.list_all_versions(""))) == {"LIST": 1}
    assert asked(lambda: lake.delete("a")) == {"DELETE": 1}
    lake.put("bc", b"1")
    assert asked(lambda: lake.delete_all_versions("b")) == {"LIST": 1, "DELETE": 1}


def test_a_lease_is_taken_and_let_go_with_three_requests(lake: S3Storage, proxy: Proxy) -> None:
    with lake.lock():
        pass
    proxy.forget()
    with lake.lock():
        pass
    assert proxy.counts == {"GET": 1, "PUT": 2}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", PASSING)
def test_transient_errors_are_retried(lake: S3Storage, proxy: Proxy, write: str, fault: Fault) -> None:
    _before(write, lake)
    proxy.when(fault, fault, kind="PUT")
    WRITES[write](lake, "a", b"mine")
    assert lake.get("a") == b"mine"


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("fault", DONE_UNHEARD)
def test_a_lost_response_is_resolved(lake: S3Storage, proxy: Proxy, write: str, fault: Fault) -> None:
    _before(write, lake)
    proxy.when(fault, kind="PUT")
    WRITES[write](lake, "a", b"mine")
    assert lake.get("a") == b"mine"


@pytest.mark.parametrize("write", ["put_new", "put_if"])
def test_a_response_that_is_always_lost_is_resolved(lake: S3Storage, proxy: Proxy, write: str) -> None:
    _before(write, lake)
    proxy.always(done_and_says(500, "InternalError"), kind="PUT")
    WRITES[write](lake, "a", b"mine")
    assert lake.get("a") == b"mine"


@pytest.mark.parametrize("write", ["put_new", "put_if"])
@pytest.mark.parametrize("fault", [cut, BROKEN])
def test_another_writers_put_is_never_taken_for_ours(lake: S3Storage, proxy: Proxy, write: str, fault: Fault) -> None:
    _before(write, lake)
    bucket = lake.url.removeprefix("s3://").partition("/")[0]

    def another(request: Any, on: Any) -> Any:
        # Even with the very same bytes: who counts under `put_if` would lose a count.
        client(proxy.server).put_object(Bucket=bucket, Key="lake/a", Body=b"same")
        return fault(request, on)

    proxy.when(another, kind="PUT")
    with pytest.raises(KeyTakenError):
        WRITES[write](lake, "a", b"same")


@pytest.mark.parametrize("write", ["put_new", "put_if"])
def test_a_conflict_for_ever_is_no_success_and_no_taken_key(lake: S3Storage, proxy: Proxy, write: str) -> None:
    _before(write, lake)
    proxy.always(CONFLICT, kind="PUT")
    with pytest.raises(StorageError, match="ConditionalRequestConflict") as caught:
        WRITES[write](lake, "a", b"mine")
    assert not isinstance(caught.value, KeyTakenError)
    assert proxy.counts["PUT"] == 4 + (write == "put_if")


def test_a_clear_refusal_costs_no_second_request(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"1")
    proxy.forget()
    proxy.when(CONFLICT, kind="PUT")
    with pytest.raises(KeyTakenError):
        lake.put_new("a", b"1")
    assert proxy.counts == {"PUT": 2}


def test_a_version_of_a_deleted_object_does_not_match(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"1")
    version = lake.get_versioned("a").version
    # Amazon's word; others say 412.
    proxy.when(says(404, "NoSuchKey"), kind="PUT")
    with pytest.raises(KeyTakenError):
        lake.put_if("a", b"2", version)


def test_puts_carry_a_checksum_that_every_s3_checks(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"x" * 10)
    headers = {name.lower(): value for name, value in proxy.seen[-1].headers.items()}
    assert headers["content-md5"] == "M2MRoBYYQybdvdYe3U7rUg=="
    assert not [name for name in headers if "checksum" in name or "trailer" in name or name == "content-encoding"]


def test_what_changed_on_the_way_is_sent_again(lake: S3Storage, proxy: Proxy) -> None:
    proxy.when(says(400, "BadDigest"), kind="PUT")
    lake.put_new("a", b"whole")
    assert lake.get("a") == b"whole"


def test_an_unresolved_outcome_is_an_error(lake: S3Storage, proxy: Proxy) -> None:
    proxy.always(lost, kind="PUT")
    proxy.always(cut, kind="HEAD")
    with pytest.raises(StorageError, match=r"connection to .* broke") as caught:
        lake.put_new("a", b"1")
    assert not isinstance(caught.value, KeyTakenError)


@pytest.mark.parametrize("fault", [SLOW_DOWN, BROKEN, cut, half, lost])
def test_reads_retry_transient_errors(lake: S3Storage, proxy: Proxy, fault: Fault) -> None:
    body = bytes(range(256)) * 400
    lake.put("a", body)
    proxy.when(fault, fault, kind="GET")
    assert lake.get("a") == body


def test_a_missing_object_whose_answer_is_cut_is_missing_all_the_same(lake: S3Storage, proxy: Proxy) -> None:
    proxy.when(half, kind="GET")
    with pytest.raises(MissingKeyError):
        lake.get("a")
    assert proxy.counts == {"GET": 2}


def test_a_body_that_is_always_cut_is_an_error_and_never_half_a_body(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"x" * 100_000)
    proxy.always(half, kind="GET")
    with pytest.raises(StorageError, match="broke"):
        lake.get("a")
    assert proxy.counts["GET"] == 4


@pytest.mark.parametrize("fault", [SLOW_DOWN, BROKEN, cut, half])
def test_listings_retry_transient_errors(lake: S3Storage, proxy: Proxy, fault: Fault) -> None:
    lake.put("a", b"1")
    proxy.when(fault, fault, kind="LIST")
    assert list(lake.keys("")) == ["a"]
    proxy.when(fault, fault, kind="LIST")
    assert list(lake.list_all_versions("")) == ["a"]


def test_a_server_that_is_gone_is_an_error_and_one_that_is_back_is_used_again(
    lake: S3Storage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    lake.put("a", b"1")
    proxy.off()
    for call in (
        lambda: lake.get("a"),
        lambda: lake.size("a"),
        lambda: lake.put("a", b"2"),
        lambda: lake.put_new("b", b"2"),
        lambda: lake.delete("a"),
        lambda: list(lake.keys("")),
    ):
        with pytest.raises(StorageError, match="cannot be reached"):
            call()
    proxy.on()
    assert lake.get("a") == b"1"
    assert list(lake.keys("")) == ["a"]


@pytest.mark.parametrize("name", ON_EACH[:3])
def test_more_keys_than_one_page_holds_are_all_listed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = started(name)
    aim(monkeypatch, server)
    bucket = fresh_bucket(server, versioned=True)
    expected = [f"k/{number:04d}" for number in range(PAGES[name] + 1)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: client(server).put_object(Bucket=bucket, Key=f"lake/{key}", Body=b""), expected))
    lake = S3Storage(f"s3://{bucket}/lake", S3Options())
    with proxied(server) as proxy:
        aim(monkeypatch, server, endpoint=proxy.endpoint)
        assert list(lake.keys("k/")) == expected
        assert list(lake.list_all_versions("k/")) == expected
        assert proxy.counts == {"LIST": 4}


def test_more_versions_of_a_key_than_one_page_holds_are_all_erased(proxy: Proxy) -> None:
    bucket = fresh_bucket(proxy.server, versioned=True)
    lake = S3Storage(f"s3://{bucket}/lake", S3Options())
    # One after the other: of two at once moto may keep one.
    for number in range(PAGES["moto"] + 2):
        lake.put("a", b"%d" % number)
    lake.delete_all_versions("a")
    assert "Versions" not in client(proxy.server).list_object_versions(Bucket=bucket)
    assert proxy.counts["DELETE"] == PAGES["moto"] + 2


def _says_ok(body: bytes, *headers: tuple[str, str]) -> Fault:
    return lambda *_: Answer(200, [("Content-Length", str(len(body))), *headers], body)


@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b"<a/>"])
def test_what_is_not_a_listing_is_an_error_and_never_an_empty_listing(
    body: bytes, lake: S3Storage, proxy: Proxy
) -> None:
    lake.put("a", b"1")
    proxy.always(_says_ok(body), kind="LIST", key="^$")
    listing: tuple[Callable[[], object], ...] = (
        lambda: list(lake.keys("")),
        lambda: list(lake.sizes("")),
        lambda: list(lake.list_all_versions("")),
        lambda: lake.delete_all_versions("a"),
    )
    for call in listing:
        with pytest.raises(StorageError, match="no IsTruncated, so it is not S3's"):
            call()


@pytest.mark.parametrize(
    "mark", [b"", b"<NextContinuationToken>t</NextContinuationToken><NextKeyMarker>a</NextKeyMarker>"]
)
def test_a_listing_that_does_not_say_where_it_goes_on_is_an_error(mark: bytes, lake: S3Storage, proxy: Proxy) -> None:
    proxy.always(_says_ok(b"<a><IsTruncated>true</IsTruncated>" + mark + b"</a>"), kind="LIST", key="^$")
    calls: tuple[Callable[[], object], ...] = (lambda: list(lake.keys("")), lambda: list(lake.list_all_versions("")))
    for call in calls:
        with pytest.raises(StorageError, match="where the listing goes on"):
            call()


def test_an_answer_without_its_headers_is_an_error(lake: S3Storage, proxy: Proxy) -> None:
    proxy.always(_says_ok(b""), key="a$")
    calls: tuple[Callable[[], object], ...] = (lambda: lake.get_versioned("a"), lambda: lake.put_new("a", b"1"))
    for call in calls:
        with pytest.raises(StorageError, match="no ETag"):
            call()


def test_a_missing_bucket_is_an_error_and_never_a_missing_key(proxy: Proxy) -> None:
    lake = S3Storage("s3://no-such-bucket/lake", S3Options())
    for call in (
        lambda: lake.get("a"),
        lambda: lake.size("a"),
        lambda: lake.put_new("a", b""),
        lambda: list(lake.keys("")),
    ):
        with pytest.raises(StorageError, match="no bucket 'no-such-bucket'") as caught:
            call()
        assert not isinstance(caught.value, MissingKeyError)


def test_an_error_of_head_has_a_message(lake: S3Storage, proxy: Proxy) -> None:
    proxy.always(says(400, "ExpiredToken"))
    with pytest.raises(StorageError, match="expired"):
        lake.size("a")


@pytest.mark.parametrize("versioned", [True, False])
@pytest.mark.parametrize("name", ON_EACH[:3])
def test_what_is_erased_is_gone_with_its_old_versions(
    name: str, versioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = started(name)
    aim(monkeypatch, server)
    bucket = fresh_bucket(server, versioned=versioned)
    lake = S3Storage(f"s3://{bucket}/lake", S3Options())
    for body in (b"1", b"2"):
        lake.put("raw/gone", body)
        lake.put("raw/deleted", body)
        lake.put("raw/gone-not", body)
    for key in ("raw/deleted", "raw/never-there"):
        lake.delete(key)
    assert list(lake.keys("")) == ["raw/gone", "raw/gone-not"]
    assert list(lake.list_all_versions("raw/")) == [*(["raw/deleted"] if versioned else []), "raw/gone", "raw/gone-not"]
    for key in ("raw/gone", "raw/deleted", "raw/never-there"):
        lake.delete_all_versions(key)
    assert list(lake.list_all_versions("")) == ["raw/gone-not"]
    assert lake.get("raw/gone-not") == b"2"
    found = client(server).list_object_versions(Bucket=bucket)
    assert {entry["Key"] for kind in ("Versions", "DeleteMarkers") for entry in found.get(kind, ())} == {
        "lake/raw/gone-not"
    }


@pytest.mark.parametrize("name", ON_EACH[:3])
def test_parts_of_files_that_a_killed_engine_left_go_and_those_of_others_stay(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = started(name)
    aim(monkeypatch, server)
    bucket, s3 = fresh_bucket(server), client(server)
    for key in ("lake/tables/movie/a.parquet", "lake/tables/movie/a.parquet", "lake/marts/b//c", "lake2/tables/d"):
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"rows")
    lake = S3Storage(f"s3://{bucket}/lake", S3Options())
    lake.put("raw/a", b"1")
    lake.delete_unfinished()
    lake.delete_unfinished()
    assert [one["Key"] for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["lake2/tables/d"]
    assert lake.get("raw/a") == b"1"


def test_a_server_that_lists_no_uploads_has_none_and_a_missing_right_is_an_error(lake: S3Storage, proxy: Proxy) -> None:
    proxy.always(says(501, "NotImplemented"), kind="LIST")
    lake.delete_unfinished()
    proxy.forget()
    proxy.always(says(403, "AccessDenied"), kind="LIST")
    with pytest.raises(StorageError, match="s3:ListBucketMultipartUploads is not allowed"):
        lake.delete_unfinished()


def test_a_server_without_versions_deletes(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"1")
    proxy.always(says(501, "NotImplemented"), kind="LIST", key="^$")
    lake.delete_all_versions("a")
    assert proxy.counts["DELETE"] == 1
    proxy.forget()
    assert lake.size("a") is None


def test_a_missing_right_to_list_versions_is_an_error(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"1")
    proxy.always(says(403, "AccessDenied"), kind="LIST")
    for call in (lambda: lake.delete_all_versions("a"), lambda: list(lake.list_all_versions(""))):
        with pytest.raises(StorageError, match="s3:ListBucketVersions is not allowed"):
            call()
    assert proxy.counts["DELETE"] == 0


@pytest.mark.parametrize(
    ("options", "expected", "key"),
    [
        (S3Options(encryption="sse-s3"), "AES256", None),
        (S3Options(encryption="sse-kms"), "aws:kms", None),
        (S3Options(encryption="sse-kms", kms_key="alias/lake"), "aws:kms", "alias/lake"),
        (S3Options(kms_key="alias/lake"), "aws:kms", "alias/lake"),
    ],
)
def test_each_object_asks_for_its_encryption(proxy: Proxy, options: S3Options, expected: str, key: str | None) -> None:
    lake = S3Storage(f"s3://{fresh_bucket(proxy.server)}/lake", options)
    lake.put("a", b"1")
    lake.put_new("b", b"1")
    lake.put_if("a", b"2", lake.get_versioned("a").version)
    lake.check()
    for name in ("a", "b", "_reelhouse/probe.json"):
        found = _look(proxy, lake, name)
        assert (found["ServerSideEncryption"], found.get("SSEKMSKeyId")) == (expected, key)


def test_without_a_setting_the_bucket_decides_on_encryption(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"1")
    assert not any(name.lower().startswith("x-amz-server-side") for name in proxy.seen[-1].headers)


def test_many_threads_share_one_client(lake: S3Storage, proxy: Proxy) -> None:
    lake.put("a", b"1")
    start = threading.Barrier(32)

    def work(number: int) -> bytes:
        start.wait(10)
        lake.put_new(f"k/{number}", b"1")
        return lake.get("a")

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(work, range(32))) == [b"1"] * 32
    assert len(list(lake.keys("k/"))) == 32


def test_an_engine_gets_the_buckets_address_and_credentials(lake: S3Storage, proxy: Proxy) -> None:
    access = lake.access()
    assert access.endpoint == proxy.endpoint
    assert access.region == "us-east-1"
    assert tuple(access.credentials()) == (proxy.server.access_key, proxy.server.secret_key, "")
