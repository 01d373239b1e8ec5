"""The token from Parameter Store or Secrets Manager: read once, and sent to TMDB only."""

from __future__ import annotations

import functools
import json
import logging
import secrets
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reelhouse.bootstrap import aws_clients
from reelhouse.bootstrap.collecting import CollectOptions, draft
from reelhouse.bootstrap.secrets import hidden, safe, token_of
from reelhouse.errors import ConfigError, DeniedError, ReelhouseError
from reelhouse.settings import Settings
from reelhouse.storage.folder import FolderStorage
from tests.aws.invoking import Function
from tests.runs.lakes import TOKEN, assert_whole
from tests.runs.lakes import settings as quick
from tests.runs.tiny import Tiny
from tests.s3servers import S3Server
from tests.serving import verdict


@functools.cache
def client(server: S3Server, service: str) -> Any:
    import boto3

    return boto3.session.Session().client(service)


@pytest.fixture
def parameter(cloud: S3Server) -> str:
    name = f"/reelhouse/{secrets.token_hex(4)}/tmdb-token"
    client(cloud, "ssm").put_parameter(Name=name, Value=TOKEN, Type="SecureString")
    return name


@pytest.fixture
def bearers(tiny: Tiny) -> set[str]:
    """What TMDB was shown."""
    shown: set[str] = set()

    def look(request: web.BaseRequest) -> None:
        shown.add(request.headers["Authorization"])

    tiny.instead = look
    return shown


def test_the_value_of_a_parameter_is_sent_to_tmdb(
    function: Function, parameter: str, bearers: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    function.set(TMDB_TOKEN=f"ssm:{parameter}")
    assert function.tick()["landed"] == 30
    assert bearers == {f"Bearer {TOKEN}"}
    assert TOKEN not in capsys.readouterr().out
    assert_whole(function.lake)


def test_it_is_read_once_for_all_invocations(
    function: Function, cloud: S3Server, parameter: str, bearers: set[str]
) -> None:
    function.set(TMDB_TOKEN=f"ssm:{parameter}")
    function.tick()
    client(cloud, "ssm").delete_parameter(Name=parameter)
    assert function({"ids": [700]})["landed"] == 1


def test_a_replaced_token_is_read_again(function: Function, cloud: S3Server, parameter: str, tiny: Tiny) -> None:
    function.set(TMDB_TOKEN=f"ssm:{parameter}")
    function.tick()
    another = TOKEN.replace("the-token", "another-token")
    client(cloud, "ssm").put_parameter(Name=parameter, Value=another, Type="SecureString", Overwrite=True)
    tiny.instead = lambda request: None if request.headers["Authorization"].endswith(another) else verdict(401, 7)
    assert function({"ids": [700]})["landed"] == 1
    # Where it is still the same, TMDB's word stands.
    tiny.instead = lambda request: verdict(401, 7)
    with pytest.raises(DeniedError):
        function({"ids": [701]})


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        (TOKEN, ""),
        (f"  {TOKEN}\n", ""),
        (json.dumps({"TMDB_TOKEN": TOKEN}), ""),
        (json.dumps({"token": TOKEN, "api_key": "x"}), ""),
        (json.dumps({"read": TOKEN, "token": "x"}), "#read"),
    ],
)
def test_a_secret_holds_it_as_a_text_or_as_json(cloud: S3Server, secret: str, key: str) -> None:
    name = f"tmdb-{secrets.token_hex(4)}"
    made = client(cloud, "secretsmanager").create_secret(Name=name, SecretString=secret)
    assert token_of(Settings(token=f"secret:{name}{key}")) == TOKEN
    assert token_of(Settings(token=f"secret:{made['ARN']}{key}")) == TOKEN


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        (" ", ""),
        ("two words", ""),
        ("0123456789abcdef0123456789abcdef", ""),
        (json.dumps({"a": TOKEN, "b": TOKEN}), ""),
        (json.dumps({"a": TOKEN}), "#b"),
        (json.dumps({"a": {"b": TOKEN}}), ""),
        (TOKEN, "#key"),
        (b"\x00" + TOKEN.encode(), ""),
    ],
)
def test_an_invalid_token_is_an_error_that_does_not_show_it(cloud: S3Server, secret: str | bytes, key: str) -> None:
    name = f"tmdb-{secrets.token_hex(4)}"
    held = {"SecretBinary": secret} if isinstance(secret, bytes) else {"SecretString": secret}
    client(cloud, "secretsmanager").create_secret(Name=name, **held)
    with pytest.raises(ConfigError, match=name) as caught:
        token_of(Settings(token=f"secret:{name}{key}"))
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["ssm:/there/is/none", "secret:there-is-none", "ssm:", "secret:"])
def test_a_place_without_a_token_is_an_error_that_names_it(cloud: S3Server, place: str) -> None:
    with pytest.raises(ConfigError, match=f"token: {place} cannot be read") as caught:
        token_of(Settings(token=place))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("fresh_clients")
def test_without_credentials_or_without_aws_it_is_an_error_in_one_line(
    cloud: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ConfigError, match=r"token: ssm:/name cannot be read: AWS cannot be reached$"):
        token_of(Settings(token="ssm:/name"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match=r"no AWS credentials found$"):
        token_of(Settings(token="secret:name"))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    aws_clients.client.cache_clear()
    with pytest.raises(ConfigError, match=r"no AWS region is set"):
        token_of(Settings(token="secret:name"))


def test_a_laptop_reads_it_from_there_too(tiny: Tiny, parameter: str, bearers: set[str], tmp_path: Path) -> None:
    drafted = draft(
        FolderStorage(tmp_path / "lake"), quick(tiny.url, token=f"ssm:{parameter}"), CollectOptions(names=("movie",))
    )
    assert drafted.requests == 30


@pytest.mark.usefixtures("fresh_clients")
def test_it_is_in_no_log_even_when_everything_is_logged(
    function: Function, parameter: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    function.set(TMDB_TOKEN=f"ssm:{parameter}", REELHOUSE_EVENT_BUS="default")
    with caplog.at_level(logging.DEBUG):
        function.tick()
    assert caplog.records
    printed_text = capfd.readouterr()
    assert TOKEN not in caplog.text + printed_text.out + printed_text.err


def test_a_token_that_is_used_is_hidden_in_every_text() -> None:
    token_of(Settings(token=TOKEN))
    assert hidden(f"Bearer {TOKEN}.") == "Bearer ***."
    plain = ReelhouseError("nothing of it")
    assert safe(plain) is plain
    quoting = safe(ValueError(TOKEN))
    assert TOKEN not in repr(quoting)
    assert "ValueError: ***" in str(quoting)
