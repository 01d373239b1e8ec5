"""Spark jobs in AWS: the templates hold, give no more rights than a build needs, and ask what the entry knows."""

from __future__ import annotations

import re
import shlex
import tarfile
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from aws.build_zip import ROOT, Target
from deploy import package
from reelhouse.spark import job
from tests.aws.stack import TEMPLATE, lint

NAMES = ("emr-serverless", "glue")


def text_of(name: str) -> str:
    return (ROOT / "deploy" / f"{name}.yaml").read_text(encoding="utf-8")


def template(name: str) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse

    found: dict[str, Any] = yaml_parse(text_of(name))
    return found


def statements(name: str) -> list[dict[str, Any]]:
    """All statements of all roles, those under a condition included."""
    policies = [
        policy for one in template(name)["Resources"].values() for policy in one["Properties"].get("Policies", [])
    ]
    stated = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return [each["Fn::If"][1] if "Fn::If" in each else each for each in stated]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    assert lint(text_of(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_role_may_do_everything_anywhere(name: str) -> None:
    found = statements(name)
    assert len(found) > 4
    for one in found:
        actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
        assert not [each for each in actions if each.endswith("*")], one["Sid"]
        assert one["Resource"] != "*", one["Sid"]


@pytest.mark.parametrize("name", NAMES)
def test_a_build_cannot_write_what_was_collected(name: str) -> None:
    (write,) = [one for one in statements(name) if "s3:PutObject" in one["Action"]]
    places = {one["Fn::Sub"].partition("${Prefix}/")[2] for one in write["Resource"]}
    assert places == {
        *(f"{each}/*" for each in ("_reelhouse/staging", "_reelhouse/builds", "tables", "marts", "Trusted", "Refined")),
        "_reelhouse/manifest.json",
        "_reelhouse/build-lease.json",
    }


@pytest.mark.parametrize("name", NAMES)
def test_its_outputs_are_what_the_collectors_stack_takes(name: str) -> None:
    from samtranslator.yaml_helper import yaml_parse

    collectors = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
    assert {"BuildTargetArn", "BuildRoleArn"} <= template(name)["Outputs"].keys() & collectors.keys()
    assert re.fullmatch(
        collectors["BuildTargetArn"]["AllowedPattern"], "arn:aws:states:us-east-1:123456789012:stateMachine:build"
    )


def submitted() -> dict[str, Any]:
    machine = template("emr-serverless")["Resources"]["Build"]["Properties"]["Definition"]
    found: dict[str, Any] = machine["States"]["Build"]["Parameters"]["JobDriver"]["SparkSubmit"]
    return found


def test_what_emr_asks_the_entry_knows() -> None:
    asked = [each.replace("${Lake}", "s3://bucket/lake") for each in submitted()["EntryPointArguments"]]
    assert job.read_arguments(asked).settings == {"lake": "s3://bucket/lake"}


def test_what_glue_asks_the_entry_knows() -> None:
    stated = template("glue")["Resources"]["Job"]["Properties"]["DefaultArguments"]
    # What stands there as text is what the job is given.
    known = {"--lake": "s3://bucket/lake"}
    asked = [
        word
        for name, value in stated.items()
        for word in (name, known.get(name, value if isinstance(value, str) else "something"))
    ]
    assert "--no-deps" in asked
    # What Glue adds by itself.
    asked += ["--JOB_ID", "j_1", "--JOB_RUN_ID", "jr_1", "--JOB_NAME", "reelhouse", "--TempDir", "s3://x/y"]
    assert job.read_arguments(asked) == job.Job({"lake": "s3://bucket/lake"}, full=False)


def test_what_copies_tables_is_packed_with_all_that_it_needs() -> None:
    emr = {*package.OURS, *package.DELTA, *package.BOTO3, *package.ARROW}
    assert "deltalake" in package.DELTA
    for name in package.DELTA:
        needed = [Requirement(each) for each in requires(name) or ()]
        assert {one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})} <= emr, name


def test_every_file_that_a_job_names_is_packed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Wheels that anybody has: what is in them is not the question.
    monkeypatch.setattr(package, "_wheels", lambda target, names: tmp_path / "none")
    package.pack_emr(Target("3.11", "x86_64"), tmp_path / "emr")
    packed = {path.name for path in (tmp_path / "emr").iterdir()}
    words = shlex.split(f"{submitted()['EntryPoint']} {submitted()['SparkSubmitParameters']}")
    named = {found for word in words for found in re.findall(r"\$\{Code\}/([\w.-]+)", word)}
    assert named == packed
    with tarfile.open(tmp_path / "emr" / "reelhouse-emr.tar.gz") as tar:
        assert {"reelhouse/spark/job.py", "reelhouse/warehouse/run.py"} <= set(tar.getnames())
    first = (tmp_path / "emr" / "reelhouse-emr.tar.gz").read_bytes()
    package.pack_emr(Target("3.11", "x86_64"), tmp_path / "emr")
    assert (tmp_path / "emr" / "reelhouse-emr.tar.gz").read_bytes() == first
    glue = {*re.findall(r"\$\{Code\}/([\w.-]+)", text_of("glue"))}
    assert glue <= packed


@pytest.mark.parametrize("name", NAMES)
def test_services_that_run_spark_3_are_refused(name: str) -> None:
    stated = template(name)["Parameters"]
    version = stated.get("ReleaseLabel") or stated["GlueVersion"]
    old = {"emr-serverless": ["emr-7.13.0", "emr-6.15.0", "emr-spark-7"], "glue": ["5.1", "5.0", "4.0"]}[name]
    new = {"emr-serverless": ["emr-spark-8.0.0", "emr-spark-9.1.0"], "glue": ["6.0", "10.0"]}[name]
    assert [each for each in (*old, *new) if re.fullmatch(version["AllowedPattern"], each)] == new
