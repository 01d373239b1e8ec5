"""docs/aws.md names only what exists: commands, parameters, outputs, alarms, permissions."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from tests.aws.stack import ACCOUNT, REGION, ROOT, Stack, source, transformed
from tests.typed import context_of

TEXT = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
TEMPLATE = source()

# Names in the console or of AWS's own making, written as code.
OTHERS = {"CodeUri", "Empty"}

# What a role made in the console has already, and what a stack alone has.
NOT_BY_HAND = {"Logs", "Failures", "Lists", "MissingLists"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """The arguments of each command line of a program."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [one[1:] for one in words if one and one[0] == program]


def test_every_command_of_reelhouse_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reelhouse.toml").touch()
    asked = commands("reelhouse")
    assert len(asked) > 5
    for words in asked:
        name, *rest = words[2:] if words[0] == "--lake" else words
        context_of(name, rest)


def test_an_unknown_option_would_be_noticed() -> None:
    with pytest.raises(click.UsageError):
        context_of("collect", ["--quickly"])


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {words[0] for words in commands("make")}
    assert asked
    assert asked <= targets


def test_every_parameter_that_is_set_exists_and_fits() -> None:
    pairs = [word.partition("=") for words in commands("sam") for word in words if re.match(r"[A-Z]\w*=", word)]
    pairs += [word.partition("=") for word in re.findall(r"`([A-Z]\w*=\w+)`", TEXT)]
    assert len(pairs) > 2
    for name, _, value in pairs:
        stated = TEMPLATE["Parameters"][name]
        assert value in [str(one) for one in stated.get("AllowedValues", [value])]
        assert re.fullmatch(stated.get("AllowedPattern", ".*"), value)


def test_every_name_stands_in_the_template() -> None:
    known = {name for part in ("Parameters", "Resources", "Outputs") for name in TEMPLATE[part]}
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", TEXT))
    assert len(named) > 15
    assert named - known - OTHERS == set()


def test_every_alarm_is_explained() -> None:
    alarms = {name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    assert {name for name in alarms if f"`{name}`" not in TEXT} == set()


def test_the_policy_by_hand_is_the_one_of_the_template() -> None:
    stack = Stack(transformed(), {"ExistingBucket": "BUCKET"})
    [made] = stack.of_type("AWS::IAM::Role")["FunctionRole"]["Policies"]
    statements = [one for one in made["PolicyDocument"]["Statement"] if one["Sid"] not in NOT_BY_HAND]
    expected = json.dumps(statements).replace(REGION, "REGION").replace(ACCOUNT, "ACCOUNT")
    assert "(../aws/policy.json)" in TEXT
    policy = json.loads((ROOT / "aws" / "policy.json").read_text(encoding="utf-8"))
    assert policy == {"Version": "2012-10-17", "Statement": json.loads(expected)}


def test_every_explained_message_exists() -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "reelhouse").rglob("*.py"))
    said += (ROOT / "aws" / "build_zip.py").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)`", TEXT.partition("## When something is wrong")[2], re.MULTILINE)
    assert len(rows) > 8
    for row in rows:
        for part in row.split("…"):
            # Names of versions and of AWS's errors are filled in.
            plain = re.sub(r"python3\.\d+|(?<=read: )\w+$", "", part).strip(" :,")
            words = [piece for piece in re.split(r"  +", plain) if piece]
            assert all(piece in said for piece in words), row
