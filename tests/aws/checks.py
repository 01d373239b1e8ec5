"""Checks of the template that cfn-lint does not make. Each yields what is wrong, in one line each."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from tests.aws.stack import Stack, Template

_FIELD = r"(\*|\?|L|W|#|[A-Z0-9]+)([-/,#](\*|[A-Z0-9]+))*[LW]?"


def schedule_problem(expression: str) -> str | None:
    """What is wrong with a schedule expression of EventBridge, None where nothing is."""
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", expression):
        count = int(rate[1])
        if count == 0:
            return f"{expression} never comes"
        # EventBridge refuses `rate(1 minutes)` as well as `rate(5 minute)`.
        return None if (count == 1) == (rate[3] == "") else f"{expression} mixes singular and plural"
    if cron := re.fullmatch(r"cron\((.+)\)", expression):
        fields = cron[1].split(" ")
        if len(fields) != 6 or not all(re.fullmatch(_FIELD, one) for one in fields):
            return f"{expression} has not six fields"
        return None if (fields[2] == "?") != (fields[4] == "?") else f"{expression}: one of the days must be ?"
    return (
        None if re.fullmatch(r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)", expression) else f"{expression} is not a schedule"
    )


def schedules(stack: Stack) -> Iterator[str]:
    """Wrong schedule expressions, and a tick that nothing or more than one thing gives."""
    found = [
        one["ScheduleExpression"]
        for kind in ("AWS::Scheduler::Schedule", "AWS::Events::Rule")
        for one in stack.of_type(kind).values()
        if "ScheduleExpression" in one
    ]
    if len(found) != 1:
        yield f"{len(found)} schedules, one is expected"
    yield from (problem for one in found if (problem := schedule_problem(one)))


def wide_permissions(stack: Stack) -> Iterator[str]:
    """Allowed actions with a wildcard, allowed resources that are everything, policies of AWS's own."""
    for name, role in stack.of_type("AWS::IAM::Role").items():
        if role.get("ManagedPolicyArns"):
            yield f"{name} has a managed policy"
    for name, statement in _statements(stack):
        if statement["Effect"] != "Allow":
            continue
        if "NotAction" in statement or "NotResource" in statement:
            yield f"{name} allows whatever is not named"
        yield from (f"{name} allows {one}" for one in _listed(statement.get("Action", [])) if "*" in one)
        for one in _listed(statement.get("Resource", [])):
            if re.fullmatch(r"[*:]*|arn:aws:[a-z0-9-]+:[^:]*:[^:]*:\*", one):
                yield f"{name} allows on {one}"
        if "Principal" in statement and statement["Principal"] in ("*", {"AWS": "*"}):
            yield f"{name} allows everybody"
        if "s3:ListBucket" in _listed(statement.get("Action", [])) and not _lists_a_folder(statement):
            yield f"{name} allows to list all of the bucket"


def _lists_a_folder(statement: dict[str, Any]) -> bool:
    prefix = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", "")
    return re.fullmatch(r"[^*?]+/\*", prefix) is not None


def _statements(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in stack.of_type("AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            yield from ((name, one) for one in policy["PolicyDocument"]["Statement"])
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::IAM::ManagedPolicy"):
        for name, policy in stack.of_type(kind).items():
            yield from ((name, one) for one in policy["PolicyDocument"]["Statement"])


def open_buckets(stack: Stack) -> Iterator[str]:
    """Buckets that could be public, read without TLS or in the clear, or lost with the stack."""
    policies = {
        one["Bucket"]: one["PolicyDocument"]["Statement"] for one in stack.of_type("AWS::S3::BucketPolicy").values()
    }
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    for name, bucket in stack.of_type("AWS::S3::Bucket").items():
        blocked = bucket.get("PublicAccessBlockConfiguration", {})
        yield from (f"{name}: {one} is off" for one in blocks if blocked.get(one) is not True)
        if not any(_asks_tls(one) for one in policies.get(name.lower(), [])):
            yield f"{name}: answers without TLS"
        if "BucketEncryption" not in bucket:
            yield f"{name}: is not encrypted"
        if bucket.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{name}: keeps no versions"
        if {stack.resources[name].get(one) for one in ("DeletionPolicy", "UpdateReplacePolicy")} != {"Retain"}:
            yield f"{name}: goes with the stack"
        yield from _endless(name, bucket, str(stack.parameters["Prefix"]))


def _asks_tls(statement: dict[str, Any]) -> bool:
    arns = statement.get("Resource", [])
    return (
        statement["Effect"] == "Deny"
        and statement.get("Principal") == "*"
        and statement.get("Action") == "s3:*"
        and len(arns) == 2
        and arns[1] == f"{arns[0]}/*"
        and str(statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")).lower() == "false"
    )


def _endless(name: str, bucket: dict[str, Any], prefix: str) -> Iterator[str]:
    rules = [one for one in bucket.get("LifecycleConfiguration", {}).get("Rules", []) if one["Status"] == "Enabled"]
    if not any("AbortIncompleteMultipartUpload" in one for one in rules):
        yield f"{name}: unfinished uploads stay"
    if not any("NoncurrentVersionExpiration" in one and "Prefix" not in one for one in rules):
        yield f"{name}: old versions stay"
    expiring = {one.get("Prefix"): one["ExpirationInDays"] for one in rules if "ExpirationInDays" in one}
    for answers in (f"{prefix}/raw/", f"{prefix}/Raw/TMDB/"):
        if answers not in expiring:
            yield f"{name}: answers under {answers} stay for ever"
    # Anything sooner would take answers that a weekly purge takes in time, and that receipts name.
    yield from (f"{name}: {key} expires after {days} days" for key, days in expiring.items() if int(days) <= 172)
    noncurrent = [one["NoncurrentVersionExpiration"] for one in rules if "NoncurrentVersionExpiration" in one]
    versions = max((int(one["NoncurrentDays"]) for one in noncurrent), default=0)
    # S3 rounds both times up to the next midnight.
    kept = {key: int(days) + 1 + versions + 1 for key, days in expiring.items()}
    yield from (f"{name}: {key} is kept for {days} days" for key, days in kept.items() if days > 184)


def missing_handler(stack: Stack) -> Iterator[str]:
    """A handler that is nowhere."""
    [function] = stack.of_type("AWS::Lambda::Function").values()
    module, _, attribute = function["Handler"].rpartition(".")
    try:
        if not callable(getattr(importlib.import_module(module), attribute, None)):
            yield f"{function['Handler']}: no such function"
    except ModuleNotFoundError:
        yield f"{function['Handler']}: no such module"


def environment(stack: Stack) -> Iterator[str]:
    """Variables that are not settings, and the token itself where its name belongs."""
    [function] = stack.of_type("AWS::Lambda::Function").values()
    environ = function["Environment"]["Variables"]
    if environ.keys() != {"REELHOUSE_LAKE", "TMDB_TOKEN", "REELHOUSE_EVENT_BUS"}:
        yield f"environment: {', '.join(sorted(environ))}"
    lake = environ.get("REELHOUSE_LAKE", "")
    if not re.fullmatch(r"s3://[a-z0-9.-]{3,63}/[^/]+(/[^/]+)*", lake):
        yield f"REELHOUSE_LAKE: {lake} is not a place in a bucket"
    if not environ.get("TMDB_TOKEN", "").startswith(("ssm:/", "secret:arn:")):
        yield "TMDB_TOKEN: the name of a secret is expected"


def lost_events(stack: Stack) -> Iterator[str]:
    """Events that are retried where the next tick does, or that nobody would ever see again."""
    [function] = stack.of_type("AWS::Lambda::Function").values()
    if function.get("RecursiveLoop") != "Terminate":
        yield "a loop of invocations is not ended"
    for one in stack.of_type("AWS::Lambda::EventInvokeConfig").values():
        if one["MaximumRetryAttempts"] != 0 or "OnFailure" not in one.get("DestinationConfig", {}):
            yield "failed invocations are retried or lost"
    for one in stack.of_type("AWS::Lambda::EventSourceMapping").values():
        if one.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield "one bad message fails its batch"
    targets = [(name, one["Target"]) for name, one in stack.of_type("AWS::Scheduler::Schedule").items()]
    targets += [(name, one) for name, rule in stack.of_type("AWS::Events::Rule").items() for one in rule["Targets"]]
    yield from (f"{name}: has no dead letters" for name, one in targets if "DeadLetterConfig" not in one)
    watched = {
        dimension["Value"]
        for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
    }
    for name, queue in stack.of_type("AWS::SQS::Queue").items():
        if "RedrivePolicy" not in queue and name.lower() not in watched:
            yield f"{name}: nobody gets its dead letters"
        if "RedrivePolicy" in queue and queue["VisibilityTimeout"] < 6 * function["Timeout"]:
            yield f"{name}: a message comes back while it is worked on"


def unused_parameters(template: Template) -> Iterator[str]:
    """Parameters that nothing reads, or that say nothing about themselves."""
    read = set(_names({part: one for part, one in template.items() if part != "Parameters"}))
    for name, one in template["Parameters"].items():
        if name not in read:
            yield f"{name} is never used"
        if len(one.get("Description", "")) < 10:
            yield f"{name} is not described"
        if "Default" not in one:
            yield f"{name} has no default"


def _names(value: Any) -> Iterator[str]:
    """What is referred to, by `Ref` and in `Fn::Sub`."""
    if isinstance(value, list):
        for one in value:
            yield from _names(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "Ref":
                yield one
            elif name == "Fn::Sub":
                yield from re.findall(r"\$\{([A-Za-z0-9:]+)", one if isinstance(one, str) else one[0])
            yield from _names(one)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
