"""The function's permissions against what it calls: nothing is refused, and nothing is allowed that it never needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import boto3
import pytest

from reelhouse.aws import handler
from reelhouse.errors import DeniedError
from reelhouse.raw import ledger
from tests.aws.calls import needed, recorded
from tests.aws.iam import Call, Permission, Policy
from tests.aws.invoking import Given, event, lines
from tests.aws.stack import Stack, transformed
from tests.runs.lakes import FILTER, TOKEN
from tests.runs.tiny import Tiny
from tests.s3servers import S3Server, client, fresh_bucket
from tests.serving import verdict

LAKE = "arn:aws:s3:::films/lake"


def policy(*statements: dict[str, Any]) -> Policy:
    return Policy([{"Version": "2012-10-17", "Statement": list(statements)}])


def allow(action: str | list[str], resource: str | list[str], effect: str = "Allow") -> dict[str, Any]:
    return {"Sid": "Some", "Effect": effect, "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("action", "resource", "call", "allowed"),
    [
        ("s3:GetObject", f"{LAKE}/*", Call("s3:GetObject", f"{LAKE}/raw/2026/a.gz"), True),
        ("s3:getobject", f"{LAKE}/*", Call("s3:GetObject", f"{LAKE}/raw"), True),
        ("s3:GetObject", f"{LAKE}/*", Call("s3:PutObject", f"{LAKE}/raw"), False),
        ("s3:GetObject", f"{LAKE}/*", Call("s3:GetObject", "arn:aws:s3:::films/lakes/raw"), False),
        ("s3:GetObject", f"{LAKE}/*", Call("s3:GetObject", "arn:aws:s3:::films/LAKE/raw"), False),
        ("s3:Get*", f"{LAKE}/raw/?", Call("s3:GetObject", f"{LAKE}/raw/1"), True),
        ("s3:Get*", f"{LAKE}/raw/?", Call("s3:GetObject", f"{LAKE}/raw/12"), False),
        ("s3:ListBucket", "arn:aws:s3:::films", Call("s3:ListBucket", "arn:aws:s3:::films"), True),
        ("s3:ListBucket", "arn:aws:s3:::films", Call("s3:ListBucket", "arn:aws:s3:::films2"), False),
        ("s3:GetObject", f"{LAKE}/a.b", Call("s3:GetObject", f"{LAKE}/a-b"), False),
    ],
)
def test_a_call_is_allowed_as_iam_would(action: str, resource: str, call: Call, allowed: bool) -> None:
    assert policy(allow(action, resource)).allows(call) is allowed


@pytest.mark.parametrize(
    ("prefix", "allowed"), [("lake/", True), ("lake/raw/x", True), ("", False), ("lake2/", False), ("other/", False)]
)
def test_a_list_is_allowed_of_the_prefix_that_a_condition_names(prefix: str, allowed: bool) -> None:
    statement = {**allow("s3:ListBucket", "*"), "Condition": {"StringLike": {"s3:prefix": "lake/*"}}}
    assert policy(statement).allows(Call("s3:ListBucket", "arn:aws:s3:::films", prefix)) is allowed


def test_a_denial_wins() -> None:
    both = policy(allow("s3:GetObject", f"{LAKE}/*"), allow("s3:*", f"{LAKE}/raw/*", "Deny"))
    assert both.refused([Call("s3:GetObject", f"{LAKE}/raw/1"), Call("s3:GetObject", f"{LAKE}/runs/1")]) == [
        Call("s3:GetObject", f"{LAKE}/raw/1")
    ]


def test_what_was_never_called_is_named() -> None:
    wide = policy(allow(["s3:GetObject", "s3:PutObject"], [f"{LAKE}/raw/*", f"{LAKE}/runs/*"]))
    calls = [Call("s3:GetObject", f"{LAKE}/raw/1"), Call("s3:PutObject", f"{LAKE}/runs/1")]
    assert wide.unused(calls) == [
        Permission("Some", "s3:GetObject", f"{LAKE}/runs/*"),
        Permission("Some", "s3:PutObject", f"{LAKE}/raw/*"),
    ]


def test_a_statement_that_is_not_understood_is_no_permission() -> None:
    with pytest.raises(AssertionError):
        policy({**allow("s3:GetObject", "*"), "Condition": {"Bool": {"aws:SecureTransport": True}}})


def test_a_call_needs_what_aws_says_it_needs() -> None:
    given = {"Bucket": "films", "Key": "lake/lease.json"}
    lease = f"{LAKE}/lease.json"
    assert [*needed("s3", "HeadObject", given)] == [Call("s3:GetObject", lease)]
    assert [*needed("s3", "PutObject", {**given, "IfMatch": '"1"'})] == [
        Call("s3:PutObject", lease),
        Call("s3:GetObject", lease),
    ]
    assert [*needed("s3", "DeleteObject", {**given, "VersionId": "v"})] == [Call("s3:DeleteObjectVersion", lease)]
    with pytest.raises(AssertionError, match="s3 PutBucketPolicy"):
        list(needed("s3", "PutBucketPolicy", {"Bucket": "films"}))


# What Lambda itself does with the function's role: no call of ours.
LAMBDAS_OWN = {"Logs", "Failures"}
# Lists that are gone before the function reads them.
RACES = {"MissingLists"}


class Deployed:
    """The function as the stack deploys it, on an S3 that is not Amazon's."""

    def __init__(self, cold: pytest.MonkeyPatch, cloud: S3Server, tiny: Tiny, **parameters: str | int) -> None:
        self.bucket = fresh_bucket(cloud, versioned=True)
        self.stack = Stack(transformed(parameters=parameters), parameters, named={"Bucket": self.bucket})
        self._s3 = client(cloud)
        self.calls: list[Call] = []
        self._count = 0
        [made] = self.stack.of_type("AWS::Lambda::Function").values()
        ours = {"REELHOUSE_TMDB_URL": f"{tiny.url}/3", "REELHOUSE_EXPORTS_URL": f"{tiny.url}/p/exports"}
        for name, value in {**made["Environment"]["Variables"], **ours}.items():
            cold.setenv(name, value)

    @property
    def policy(self) -> Policy:
        return Policy.of_role(self.stack, "FunctionRole")

    def put(self, key: str, text: str) -> None:
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def listed(self) -> list[str]:
        return [one["Key"] for one in self._s3.list_objects_v2(Bucket=self.bucket)["Contents"]]

    def __call__(self, given: Any) -> dict[str, Any]:
        self._count += 1
        with recorded(self.calls):
            return handler.handler(given, Given(request=f"request-{self._count}"))


def settled(**more: str) -> str:
    """A `reelhouse.toml` for the tiny TMDB, in small steps."""
    given = {"record_filter": FILTER, **more}
    return "rate = 0.0\nretry_wait = 0.01\nattempts = 1\nchunk_answers = 4\nconnections = 2\n" + "".join(
        f"{name} = '{value}'\n" for name, value in given.items()
    )


def live(deployed: Deployed, tiny: Tiny) -> None:
    """Every kind of event on one lake, runs of both kinds and layouts, cut off and continued."""
    put_event = event("eventbridge_object_created")
    put_event["detail"]["bucket"]["name"] = deployed.bucket
    put_event["detail"]["object"]["key"] = "id-lists/mine.csv"
    deployed.put("id-lists/mine.csv", "3\ntt0000004\n")
    deployed.put("lake/reelhouse.toml", settled())
    # What is due is seen by this machine's clock.
    now = datetime.now(UTC)
    tiny.now = (now - timedelta(hours=12)).isoformat(timespec="seconds")
    tiny.instead = lambda request: verdict(401, 7) if tiny.asked.total() > 10 else None
    with pytest.raises(DeniedError):
        deployed({"tick": True})
    tiny.instead = lambda request: None
    assert deployed(put_event)["state"] == "queued"
    assert deployed(event("sqs_batch"))["batchItemFailures"] == []
    assert deployed({"tick": True})["state"] == "reconciled"
    assert deployed({"tick": True})["state"] == "idle"
    assert deployed({"ids": [1, 2]})["state"] == "reconciled"
    tiny.now = now.isoformat(timespec="seconds")
    tiny.changed = {f"{now - timedelta(days=days):%Y-%m-%d}": {1, 2} for days in range(3)}
    assert deployed({"run": "incremental"})["state"] == "reconciled"
    deployed.put("lake/reelhouse.toml", settled(layout="course"))
    assert deployed({"run": "full"})["state"] == "reconciled"
    assert f"lake/Raw/TMDB/JSON/{now:%Y/%m/%d}/_SUCCESS" in deployed.listed()


@pytest.mark.long
def test_the_role_allows_what_the_function_calls_and_nothing_else(
    cold: pytest.MonkeyPatch, cloud: S3Server, tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = Deployed(cold, cloud, tiny)
    name = deployed.stack.parameters["TokenParameter"]
    boto3.client("ssm").put_parameter(Name=name, Type="SecureString", Value=TOKEN, Overwrite=True)
    # Else a ledger of a few runs is kept in segments only, and none of them is removed.
    cold.setattr(ledger, "_SMALL", 1)
    live(deployed, tiny)
    assert deployed.policy.refused(deployed.calls) == []
    assert [one for one in deployed.policy.unused(deployed.calls) if one.sid not in LAMBDAS_OWN | RACES] == []
    assert_alarms_are_fed(deployed.stack, capsys.readouterr().out)


def test_a_secret_and_no_bus_need_no_more_than_the_role_allows_then(
    cold: pytest.MonkeyPatch, cloud: S3Server, tiny: Tiny
) -> None:
    secret = boto3.client("secretsmanager").create_secret(Name=token_hex(8), SecretString=TOKEN)["ARN"]
    deployed = Deployed(cold, cloud, tiny, TokenSecretArn=secret, EventBus="", IdListsPrefix="")
    deployed.put("lake/reelhouse.toml", settled())
    assert deployed({"tick": True})["state"] == "reconciled"
    assert Call("secretsmanager:GetSecretValue", secret) in deployed.calls
    assert deployed.policy.refused(deployed.calls) == []
    assert {one.action for one in deployed.policy.allowed} & {"ssm:GetParameter", "events:PutEvents"} == set()


def assert_alarms_are_fed(stack: Stack, printed: str) -> None:
    """Every metric of ours that an alarm watches was sent, in the same namespace and with the same dimensions."""
    sent = {
        (block["Namespace"], metric["Name"])
        for line in lines(printed)
        if "_aws" in line
        for block in line["_aws"]["CloudWatchMetrics"]
        for metric in block["Metrics"]
        if block["Dimensions"] == [["lake"]] and "lake" in line
    }
    watched = set()
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        parts = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]
        ours = [one for one in parts if not one["Namespace"].startswith("AWS/")]
        assert all([each["Name"] for each in one["Dimensions"]] == ["lake"] for one in ours)
        watched |= {(one["Namespace"], one["MetricName"]) for one in ours}
    assert watched
    assert watched <= sent
