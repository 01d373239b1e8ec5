"""The check before the first request to TMDB: one line for each obstacle to a lake in a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelhouse.errors import ConfigError, ReelhouseError, StorageError
from reelhouse.storage.opening import S3Options
from reelhouse.storage.s3 import S3Storage
from tests.s3proxy import BROKEN, CONFLICT, SLOW_DOWN, Fault, Proxy, cut, ignored, lost, passes, says
from tests.s3servers import OTHERS, aim, free_ports, fresh_bucket, started

SECRET = "wJalrXUtnFEMI/bPxRfiCYEXAMPLEKEY"


def _said(lake: S3Storage, kind: type[ReelhouseError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        lake.check()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    for never in (SECRET, "AWS4-HMAC-SHA256", "X-Amz-Signature", "-secret"):
        assert never not in text
    return text


def test_a_new_bucket_is_proven_with_three_requests_and_only_once(lake: S3Storage, proxy: Proxy) -> None:
    lake.check()
    first = proxy.counts
    proxy.forget()
    lake.check()
    S3Storage(lake.url, S3Options()).check()
    assert (first, proxy.counts) == ({"PUT": 3}, {})


def test_a_bucket_that_was_proven_before_is_proven_with_two_requests(lake: S3Storage, proxy: Proxy) -> None:
    lake.check()
    proxy.forget()
    # Another process, as far as what is remembered goes.
    S3Storage(lake.url, S3Options(region="us-east-1")).check()
    assert proxy.counts == {"PUT": 2}


@pytest.mark.parametrize("fault", [CONFLICT, SLOW_DOWN, BROKEN, cut, lost])
def test_transient_errors_are_retried(lake: S3Storage, proxy: Proxy, fault: Fault) -> None:
    proxy.when(fault, passes, fault, kind="PUT")
    lake.check()


@pytest.mark.parametrize(
    ("faults", "header"), [([ignored, ignored], "If-None-Match"), ([passes, passes, ignored], "If-Match")]
)
def test_a_server_that_ignores_a_condition_is_refused(
    lake: S3Storage, proxy: Proxy, faults: list[Fault], header: str
) -> None:
    proxy.when(*faults, kind="PUT", key="_reelhouse/probe.json")
    assert f"{proxy.endpoint} ignores the condition of a write ({header})" in _said(lake)


def test_a_server_without_conditions_is_refused(lake: S3Storage, proxy: Proxy) -> None:
    proxy.when(says(501, "NotImplemented"), kind="PUT")
    assert "has no conditional writes (IfNoneMatch)" in _said(lake)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (says(400, "ExpiredToken"), "the AWS credentials have expired"),
        (says(400, "TokenRefreshRequired"), "the AWS credentials have expired"),
        (says(400, "InvalidToken"), "unset AWS_SESSION_TOKEN"),
        (says(403, "InvalidAccessKeyId", "<AWSAccessKeyId>AKIA</AWSAccessKeyId>"), "access key or its secret is wrong"),
        (says(403, "SignatureDoesNotMatch", f"<StringToSign>AWS4-HMAC-SHA256 {SECRET}</StringToSign>"), "is wrong"),
        (says(403, "RequestTimeTooSkewed"), "this machine's clock"),
        (says(404, "NoSuchBucket"), "there is no bucket 'lake-"),
        (says(301, "PermanentRedirect", x_amz_bucket_region="eu-west-3"), "is in region eu-west-3: set s3_region"),
        (says(301, "PermanentRedirect"), "is in another region: set s3_region"),
        (says(307, "TemporaryRedirect", x_amz_bucket_region="eu-west-3"), "is in region eu-west-3"),
        (
            says(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>"),
            "is in region eu-central-1: set s3_region = 'eu-central-1'",
        ),
        (says(403, "AccessDenied"), "/lake/_reelhouse/probe.json: access denied: s3:PutObject is not allowed"),
        (
            says(
                403,
                "AccessDenied",
                "<Message>User: arn:aws:iam::1:user/a is not authorized to perform: kms:GenerateDataKey</Message>",
            ),
            "access denied: kms:GenerateDataKey is not allowed",
        ),
        (says(400, "AuthorizationHeaderMalformed"), "S3 says AuthorizationHeaderMalformed: as configured"),
        (says(400, "KMS.NotFoundException"), "correct s3_kms_key"),
        (
            says(418, "Teapot", f"<Message>see https://a:b@c/?X-Amz-Signature={SECRET}</Message>"),
            "Teapot: see https://c/",
        ),
    ],
)
def test_config_errors_are_one_line(lake: S3Storage, proxy: Proxy, fault: Fault, text: str) -> None:
    proxy.always(fault)
    assert text in _said(lake)
    # A redirect is not followed, a wrong key is not tried again.
    assert proxy.counts == {"PUT": 1}


@pytest.mark.parametrize("fault", [SLOW_DOWN, BROKEN, cut])
def test_a_failing_storage_is_not_a_config_error(lake: S3Storage, proxy: Proxy, fault: Fault) -> None:
    proxy.always(fault)
    assert _said(lake, StorageError)


def test_an_endpoint_that_cannot_be_reached_is_named(lake: S3Storage, proxy: Proxy) -> None:
    proxy.off()
    assert f"{proxy.endpoint} cannot be reached" in _said(lake, StorageError)


def test_a_bucket_that_is_not_there_is_named(proxy: Proxy) -> None:
    assert "there is no bucket 'no-such-bucket'" in _said(S3Storage("s3://no-such-bucket/lake", S3Options()))


@pytest.mark.long
@pytest.mark.parametrize("name", ["seaweedfs", "versitygw"])
@pytest.mark.parametrize("wrong", [{"AWS_SECRET_ACCESS_KEY": SECRET}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}])
def test_wrong_keys_are_said_by_real_servers(name: str, wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    server = started(name)
    bucket = fresh_bucket(server)
    aim(monkeypatch, server)
    for variable, value in wrong.items():
        monkeypatch.setenv(variable, value)
    assert "the AWS access key or its secret is wrong" in _said(S3Storage(f"s3://{bucket}", S3Options()))


def _alone(monkeypatch: pytest.MonkeyPatch, config: Path | None = None) -> None:
    """A machine on which nobody has signed in."""
    for name in (*OTHERS, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    if config is not None:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


def test_no_credentials_at_all(lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    _alone(monkeypatch)
    assert "no AWS credentials found: set AWS_ACCESS_KEY_ID" in _said(lake)
    with pytest.raises(ConfigError, match="no AWS credentials found"):
        lake.access().credentials()


def test_half_the_credentials(lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    _alone(monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    assert "credentials are incomplete" in _said(lake)


def test_a_profile_that_is_not_there(lake: S3Storage) -> None:
    assert "there is no AWS profile 'nobody'" in _said(S3Storage(lake.url, S3Options(profile="nobody")))


def test_a_profile_is_used(lake: S3Storage, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile film]\naws_access_key_id = AKIAFILM\naws_secret_access_key = x\nregion = eu-north-1\n"
        f"endpoint_url = {proxy.endpoint.replace('127.0.0.1', 'localhost')}\n"
    )
    _alone(monkeypatch, config)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    S3Storage(lake.url, S3Options(profile="film")).check()
    assert "AKIAFILM" in proxy.seen[-1].headers["Authorization"]
    assert "/eu-north-1/" in proxy.seen[-1].headers["Authorization"]
    # The bucket stands in the path, since no name of its own would lead here.
    assert proxy.seen[-1].key == "lake/_reelhouse/probe.json"


def test_a_region_that_is_set_is_asked(lake: S3Storage, proxy: Proxy) -> None:
    storage = S3Storage(lake.url, S3Options(region="ap-south-1"))
    storage.check()
    assert "/ap-south-1/" in proxy.seen[-1].headers["Authorization"]
    assert storage.access().region == "ap-south-1"


def test_a_sign_in_that_has_ended(lake: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile work]\nsso_start_url = https://example.invalid/start\nsso_region = us-east-1\n"
        "sso_account_id = 123456789012\nsso_role_name = Reader\nregion = us-east-1\n"
    )
    _alone(monkeypatch, config)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "run `aws sso login`" in _said(S3Storage(lake.url, S3Options(profile="work")))


def test_a_helper_that_gives_no_credentials(lake: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text("[profile work]\ncredential_process = false\n")
    _alone(monkeypatch, config)
    assert "AWS credentials could not be fetched" in _said(S3Storage(lake.url, S3Options(profile="work")))


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "http://user:hunter2-secret@", "ftp//x"])
def test_an_endpoint_that_is_none(endpoint: str, lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert "S3 cannot be used" in _said(S3Storage(lake.url, S3Options()))


def test_text_before_an_at_sign_is_never_shown(lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:hunter2-secret@127.0.0.1:{free_ports(1)[0]}")
    assert "http://127.0.0.1:" in _said(S3Storage(lake.url, S3Options()), StorageError)


def test_later_errors_have_the_same_messages(lake: S3Storage, proxy: Proxy) -> None:
    proxy.always(says(400, "ExpiredToken"))
    for call in (
        lambda: lake.get("a"),
        lambda: lake.put("a", b""),
        lambda: lake.put_new("a", b""),
        lambda: lake.delete("a"),
        lambda: list(lake.keys("")),
    ):
        with pytest.raises(StorageError, match="the AWS credentials have expired"):
            call()
