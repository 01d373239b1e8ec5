"""Records AWS calls of a program: each call as the IAM action that it needs on the resource it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore.client
from botocore.exceptions import ClientError

from tests.aws.iam import Call
from tests.aws.stack import ACCOUNT, REGION

Arguments = dict[str, Any]


def _bucket(given: Arguments) -> str:
    return f"arn:aws:s3:::{given['Bucket']}"


def _object(given: Arguments) -> str:
    return f"arn:aws:s3:::{given['Bucket']}/{given['Key']}"


def _parameter(given: Arguments) -> str:
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{given['Name'].removeprefix('/')}"


def _secret(given: Arguments) -> str:
    return str(given["SecretId"])


def _bus(given: Arguments) -> str:
    [bus] = {entry["EventBusName"] for entry in given["Entries"]}
    return f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}"


NEEDS: dict[tuple[str, str], tuple[str, Callable[[Arguments], str]]] = {
    ("s3", "GetObject"): ("s3:GetObject", _object),
    ("s3", "HeadObject"): ("s3:GetObject", _object),
    ("s3", "PutObject"): ("s3:PutObject", _object),
    ("s3", "DeleteObject"): ("s3:DeleteObject", _object),
    ("s3", "ListObjectsV2"): ("s3:ListBucket", _bucket),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions", _bucket),
    ("ssm", "GetParameter"): ("ssm:GetParameter", _parameter),
    ("secretsmanager", "GetSecretValue"): ("secretsmanager:GetSecretValue", _secret),
    ("events", "PutEvents"): ("events:PutEvents", _bus),
}


def needed(service: str, operation: str, given: Arguments) -> Iterator[Call]:
    """The permissions that one call needs; an operation that is not known here is an error, never nothing."""
    if (service, operation) not in NEEDS:
        raise AssertionError(f"{service} {operation}: which permission does it need?")
    action, resource = NEEDS[service, operation]
    if given.get("VersionId"):
        action += "Version"
    yield Call(action, resource(given), given.get("Prefix", ""))
    if given.get("IfMatch") and operation == "PutObject":
        # What is compared must be allowed to be read.
        yield Call("s3:GetObject", resource(given))


@contextmanager
def recorded(into: list[Call] | None = None) -> Iterator[list[Call]]:
    """What this process asks of AWS through botocore while inside, refused calls too; added to *into* where given."""
    calls = [] if into is None else into
    real = botocore.client.BaseClient._make_api_call

    def listening(client: Any, operation: str, given: Arguments) -> Any:
        calls.extend(needed(client.meta.service_model.service_name, operation, given))
        try:
            return real(client, operation, given)
        except ClientError as exc:
            if exc.response["ResponseMetadata"]["HTTPStatusCode"] == 404 and "Key" in given:
                # S3 answers 404 instead of 403 only to those who may list that very key.
                calls.append(Call("s3:ListBucket", _bucket(given), given["Key"]))
            raise

    botocore.client.BaseClient._make_api_call = listening
    try:
        yield calls
    finally:
        botocore.client.BaseClient._make_api_call = real
