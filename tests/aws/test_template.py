"""The template: what cfn-lint says of it before and after AWS's transform, and what it must never lose."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aws.build_zip import PYTHON
from reelhouse.aws import eventbridge, invocation, metrics
from tests.aws import checks
from tests.aws.stack import ACCOUNT, REGION, ROLE, TEMPLATE, Parameters, Stack, lint, source, transformed

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:tmdb-AbCdEf"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:build"

DEPLOYMENTS: dict[str, Parameters] = {
    "as it comes": {},
    "everything": {
        "TokenSecretArn": SECRET,
        "TokenKeyArn": KEY,
        "BucketKeyArn": KEY,
        "Queue": "yes",
        "BuildTargetArn": MACHINE,
        "BuildRoleArn": ROLE,
        "AlarmEmail": "me@example.com",
        "ShowDashboard": "yes",
        "ReservedConcurrency": 2,
        "TickMinutes": 59,
    },
    "a given role": {"RoleArn": ROLE, "Queue": "yes"},
    "a given bucket": {"ExistingBucket": "mine", "TickMinutes": 2},
    "as little as possible": {"IdListsPrefix": "", "EventBus": "", "Ticking": "DISABLED"},
}

CHECKS: tuple[Callable[[Stack], Iterator[str]], ...] = (
    checks.schedules,
    checks.wide_permissions,
    checks.open_buckets,
    checks.environment,
    checks.lost_events,
)


def deployed(parameters: Parameters | None = None) -> Stack:
    return Stack(transformed(parameters=parameters), parameters)


def changed(*path: str | int, to: Any) -> Stack:
    """A deployment of a template with one place changed after the transform; None takes it away."""
    template = transformed()
    place: Any = template["Resources"]
    for part in path[:-1]:
        place = place[part]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return Stack(template, {"Queue": "yes"})


@pytest.mark.long
def test_cfn_lint_finds_nothing_in_the_source() -> None:
    assert lint(TEMPLATE.read_text(encoding="utf-8")) == []


@pytest.mark.long
def test_cfn_lint_finds_nothing_in_what_the_transform_makes_of_it() -> None:
    # The transform fills in parameters; an empty role would be seen where its condition never lets it stand.
    assert lint(transformed(parameters={"RoleArn": ROLE})) == []


@pytest.mark.long
def test_what_the_source_hides_from_cfn_lint_shows_after_the_transform() -> None:
    wrong = source()
    function = wrong["Resources"]["Function"]["Properties"]
    function |= {"Runtime": "python3.77", "Architectures": ["arm"], "RecursiveLoop": "Stop", "Timeout": 901}
    function["EventInvokeConfig"]["MaximumRetryAttempts"] = 3
    wrong["Resources"]["FunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][1]["Action"] = (
        "s3:ListBuckets2"
    )
    found = "\n".join(lint(transformed(wrong, {"RoleArn": ROLE})))
    for sign in ("python3.77", "'arm'", "'Stop'", "901", "3 is greater", "listbuckets2"):
        assert sign in found, sign


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("parameters", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_every_deployment_passes(check: Callable[[Stack], Iterator[str]], parameters: Parameters) -> None:
    assert list(check(deployed(parameters))) == []


def test_every_parameter_is_used_described_and_has_a_default() -> None:
    assert list(checks.unused_parameters(source())) == []


def test_nothing_is_kept_for_longer_than_six_months() -> None:
    template = source()
    expiry = template["Parameters"]["ExpireAfterDays"]
    for days in (expiry["MinValue"], expiry["Default"], expiry["MaxValue"]):
        assert list(checks.open_buckets(deployed({"ExpireAfterDays": days}))) == []
    docs = TEMPLATE.parent.parent / "docs"
    [(day_of_week, age)] = re.findall(
        r"^\d+ \d+ \* \* (\d) .* purge --older-than (\d+)d", (docs / "schedule.md").read_text(encoding="utf-8"), re.M
    )
    assert day_of_week in "0123456"
    oldest = int(age) + 7
    assert oldest < expiry["MinValue"]
    alarm = template["Resources"]["ExpiryAlarm"]["Properties"]
    assert 0 < alarm["Threshold"] < invocation._MOST_DAYS - oldest


def _lake(stack: Stack) -> Any:
    [function] = stack.of_type("AWS::Lambda::Function").values()
    return function["Environment"]["Variables"]["REELHOUSE_LAKE"]


def test_alarms_watch_this_lake_alone() -> None:
    stack = deployed()
    watched = []
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        parts = [one["MetricStat"]["Metric"] for one in alarm.get("Metrics", []) if "MetricStat" in one] or [alarm]
        watched += [one for one in parts if one["Namespace"] == metrics.NAMESPACE]
    assert {one["MetricName"] for one in watched} == {"pending", "days_to_expiry", "throttled"}
    assert all(one.get("Dimensions") == [{"Name": "lake", "Value": _lake(stack)}] for one in watched)


def dashboard_metrics() -> Iterator[tuple[str, str]]:
    """Namespace and name of each metric that the dashboard shows; those of ours are of this lake."""
    body, _ = source()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    for widget in json.loads(re.sub(r"\$\{[\w:]+\}", "1", body))["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], str):
                assert metric[0] != metrics.NAMESPACE or metric[2:4] == ["lake", "1"]
                yield metric[0], metric[1]


def test_the_dashboard_shows_only_what_the_function_emits() -> None:
    shown = set(dashboard_metrics())
    ours = {name for namespace, name in shown if namespace == metrics.NAMESPACE}
    assert ours == {"requests", "throttled", "landed", "quarantined", "pending", "days_to_expiry"}
    emitted = set(metrics.Meter().metrics) | set(re.findall(r'"(\w+)": ', inspect.getsource(invocation.Invocation)))
    assert ours <= emitted
    assert {(namespace, name) for namespace, name in shown if namespace != metrics.NAMESPACE} == {
        ("AWS/Lambda", "Duration"),
        ("AWS/Lambda", "Invocations"),
    }


def test_an_unused_parameter_would_be_seen() -> None:
    wrong = source()
    wrong["Parameters"]["Colour"] = {"Type": "String"}
    assert list(checks.unused_parameters(wrong)) == [
        "Colour is never used",
        "Colour is not described",
        "Colour has no default",
    ]


BUCKET = ("Bucket", "Properties")
FUNCTION = ("Function", "Properties")
STATEMENTS = ("FunctionRole", "Properties", "Policies", 0, "PolicyDocument", "Statement")

PLANTED: list[tuple[Callable[[Stack], Iterator[str]], tuple[str | int, ...], Any, str]] = [
    (checks.schedules, ("Tick", "Properties", "ScheduleExpression"), "rate(0 minutes)", "never comes"),
    (checks.schedules, ("Tick", "Properties", "ScheduleExpression"), "rate(1 minutes)", "singular and plural"),
    (checks.schedules, ("Tick", "Properties", "ScheduleExpression"), "rate(5 minute)", "singular and plural"),
    (checks.schedules, ("Tick", "Properties", "ScheduleExpression"), "cron(0 12 * * * *)", "must be ?"),
    (checks.schedules, ("Tick", "Properties", "ScheduleExpression"), "every day", "not a schedule"),
    (checks.schedules, ("Tick",), None, "0 schedules"),
    (checks.wide_permissions, (*STATEMENTS, 0, "Action"), "s3:*", "allows s3:*"),
    (checks.wide_permissions, (*STATEMENTS, 0, "Action"), ["s3:GetObject", "s3:Put*"], "allows s3:Put*"),
    (checks.wide_permissions, (*STATEMENTS, 0, "Resource"), "*", "allows on *"),
    (checks.wide_permissions, (*STATEMENTS, 0, "Resource"), "arn:aws:s3:::*", "allows on arn:aws:s3:::*"),
    (checks.wide_permissions, (*STATEMENTS, 0, "NotAction"), "s3:DeleteObject", "whatever is not named"),
    (
        checks.wide_permissions,
        ("FunctionRole", "Properties", "ManagedPolicyArns"),
        ["arn:aws:iam::aws:policy/AmazonS3FullAccess"],
        "managed policy",
    ),
    (
        checks.wide_permissions,
        ("DeadLettersPolicy", "Properties", "PolicyDocument", "Statement", 0, "Principal"),
        "*",
        "everybody",
    ),
    (checks.wide_permissions, (*STATEMENTS, 0, "Action"), "s3:ListBucket", "list all of the bucket"),
    (checks.open_buckets, (*BUCKET, "PublicAccessBlockConfiguration"), None, "RestrictPublicBuckets is off"),
    (
        checks.open_buckets,
        (*BUCKET, "PublicAccessBlockConfiguration", "BlockPublicPolicy"),
        False,
        "BlockPublicPolicy is off",
    ),
    (checks.open_buckets, ("BucketPolicy",), None, "without TLS"),
    (
        checks.open_buckets,
        ("BucketPolicy", "Properties", "PolicyDocument", "Statement", 0, "Condition", "Bool", "aws:SecureTransport"),
        True,
        "without TLS",
    ),
    (
        checks.open_buckets,
        ("BucketPolicy", "Properties", "PolicyDocument", "Statement", 0, "Resource"),
        ["arn:aws:s3:::bucket"],
        "without TLS",
    ),
    (checks.open_buckets, (*BUCKET, "BucketEncryption"), None, "not encrypted"),
    (checks.open_buckets, (*BUCKET, "VersioningConfiguration", "Status"), "Suspended", "no versions"),
    (checks.open_buckets, ("Bucket", "DeletionPolicy"), "Delete", "goes with the stack"),
    (checks.open_buckets, (*BUCKET, "LifecycleConfiguration", "Rules", 0), None, "unfinished uploads"),
    (checks.open_buckets, (*BUCKET, "LifecycleConfiguration", "Rules", 1), None, "old versions"),
    (checks.open_buckets, (*BUCKET, "LifecycleConfiguration", "Rules", 2, "Prefix"), "raw/", "lake/raw/ stay for ever"),
    (checks.open_buckets, (*BUCKET, "LifecycleConfiguration", "Rules", 2, "ExpirationInDays"), 90, "after 90 days"),
    (checks.open_buckets, (*BUCKET, "LifecycleConfiguration", "Rules", 2, "ExpirationInDays"), 190, "for 199 days"),
    (checks.missing_handler, (*FUNCTION, "Handler"), "reelhouse.aws.hander.handler", "no such module"),
    (checks.missing_handler, (*FUNCTION, "Handler"), "reelhouse.cli.main.handler", "no such function"),
    (checks.environment, (*FUNCTION, "Environment", "Variables", "TMDB_TOKEN"), "eyJ.x.y", "name of a secret"),
    (checks.environment, (*FUNCTION, "Environment", "Variables", "REELHOUSE_LAK"), "s3://a/b", "REELHOUSE_LAK"),
    (checks.environment, (*FUNCTION, "Environment", "Variables", "REELHOUSE_LAKE"), "bucket/lake", "not a place"),
    (checks.lost_events, (*FUNCTION, "RecursiveLoop"), "Allow", "loop"),
    (checks.lost_events, ("FunctionEventInvokeConfig", "Properties", "MaximumRetryAttempts"), 2, "retried"),
    (checks.lost_events, ("FunctionEventInvokeConfig", "Properties", "DestinationConfig"), None, "lost"),
    (checks.lost_events, ("IdQueue", "Properties", "VisibilityTimeout"), 900, "comes back"),
    (checks.lost_events, ("IdQueueMapping", "Properties", "FunctionResponseTypes"), None, "one bad message"),
    (checks.lost_events, ("Tick", "Properties", "Target", "DeadLetterConfig"), None, "Tick: has no dead letters"),
    (checks.lost_events, ("IdListsRule", "Properties", "Targets", 0, "DeadLetterConfig"), None, "IdListsRule: has no"),
    (checks.lost_events, ("DeadLettersAlarm",), None, "nobody gets"),
]


@pytest.mark.parametrize(("check", "path", "to", "said"), PLANTED)
def test_a_planted_mistake_is_seen(
    check: Callable[[Stack], Iterator[str]], path: tuple[str | int, ...], to: Any, said: str
) -> None:
    found = list(check(changed(*path, to=to)))
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize(
    "good", ["rate(1 minute)", "rate(5 minutes)", "rate(2 days)", "cron(0 12 * * ? *)", "at(2026-11-20T13:00:00)"]
)
def test_schedules_as_eventbridge_writes_them_are_fine(good: str) -> None:
    assert checks.schedule_problem(good) is None


def test_the_runtime_is_the_one_that_the_zip_is_built_for() -> None:
    assert deployed().parameters["Runtime"] == f"python{PYTHON}"


def test_the_handler_is_there() -> None:
    assert list(checks.missing_handler(deployed())) == []


def test_a_given_role_makes_no_role_and_still_ticks() -> None:
    stack = deployed({"RoleArn": ROLE})
    assert stack.of_type("AWS::IAM::Role") == {}
    assert stack.of_type("AWS::Lambda::Function")["Function"]["Role"] == ROLE
    [rule] = [one for one in stack.of_type("AWS::Events::Rule").values() if "ScheduleExpression" in one]
    assert rule["Targets"][0]["Input"] == deployed().of_type("AWS::Scheduler::Schedule")["Tick"]["Target"]["Input"]


def test_a_given_bucket_is_left_as_it_is() -> None:
    stack = deployed({"ExistingBucket": "mine"})
    assert stack.of_type("AWS::S3::Bucket") == stack.of_type("AWS::S3::BucketPolicy") == {}
    assert stack.outputs["Lake"] == "s3://mine/lake"
    assert "arn:aws:s3:::mine/lake/raw/*" in str(stack.of_type("AWS::IAM::Role")["FunctionRole"])


def test_alarms_notify_those_whom_the_parameters_name() -> None:
    def recipients(**parameters: str) -> set[str]:
        alarms = deployed(parameters).of_type("AWS::CloudWatch::Alarm").values()
        return {str(one["AlarmActions"]) for one in alarms}

    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
    assert recipients() == {"[]"}
    assert recipients(AlarmEmail="me@example.com") == {"['topic']"}
    assert recipients(AlarmTopicArn=topic, AlarmEmail="me@example.com") == {str([topic])}


def test_a_build_is_started_once_this_lake_is_idle_where_a_target_is_named() -> None:
    assert "BuildRule" not in deployed().resources
    rule = deployed({"BuildTargetArn": MACHINE, "BuildRoleArn": ROLE}).of_type("AWS::Events::Rule")["BuildRule"]
    assert rule["EventPattern"] == {
        "source": [eventbridge.SOURCE],
        "detail-type": [eventbridge.IDLE],
        "detail": {"lake": [_lake(deployed())]},
    }
    assert (rule["Targets"][0]["Arn"], rule["Targets"][0]["RoleArn"]) == (MACHINE, ROLE)
