"""The function's permissions against what it calls: nothing is refused, and nothing is allowed that it never needs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.calls import needed
from tests.aws.iam import Call, Permission, Policy

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
