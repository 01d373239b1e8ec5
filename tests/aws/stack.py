"""The template as CloudFormation sees it: packaged, transformed, and resolved for given parameters. Offline."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "aws" / "template.yaml"

# moto's own, so that what it is asked and what the template names are the same.
ACCOUNT = "123456789012"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/given"

Template = dict[str, Any]
Parameters = Mapping[str, str | int]

_NOTHING = {"Ref": "AWS::NoValue"}


def source() -> Template:
    """The template as it is written, intrinsic functions in their long form."""
    return copy.deepcopy(_source())


@functools.cache
def _source() -> Template:
    from samtranslator.yaml_helper import yaml_parse

    found: Template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    return found


def transformed(template: Template | None = None, parameters: Parameters | None = None) -> Template:
    """What AWS's own transform makes of it, once `sam deploy` has uploaded the code."""
    from samtranslator.translator.transform import transform

    packaged = copy.deepcopy(template) if template else source()
    packaged["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://uploads/reelhouse-lambda.zip"
    with pytest.MonkeyPatch.context() as patch:
        # It asks boto3 for a region, which is the developer's own otherwise.
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.delenv("AWS_PROFILE", raising=False)
        # It fills some of them in by itself, defaults as well.
        given = {name: str(value) for name, value in (parameters or {}).items()}
        made: Template = transform(packaged, given, _NoManagedPolicies())
    return made


class _NoManagedPolicies:
    """The template names none of AWS's own policies, so none has to be fetched."""

    def load(self) -> dict[str, str]:
        return {}


def lint(template: Template | str) -> list[str]:
    """What cfn-lint finds wrong or suspicious, as `rule message`."""
    from cfnlint.api import lint_all

    text = template if isinstance(template, str) else json.dumps(template)
    found = [(match.rule.id, match.message) for match in lint_all(text)]
    # Rules with an I are hints.
    return [f"{rule} {message}" for rule, message in found if not rule.startswith("I")]


class Stack:
    """The resources that a deployment with these parameters makes, every function resolved.

    *named* gives resources their physical names; others are called like their logical ones, in lower case.
    """

    def __init__(
        self, template: Template, parameters: Parameters | None = None, named: Mapping[str, str] | None = None
    ) -> None:
        self._template = template
        self._named = named or {}
        stated, given = template["Parameters"], parameters or {}
        assert given.keys() <= stated.keys(), given.keys() - stated.keys()
        self.parameters = {name: given.get(name, one.get("Default")) for name, one in stated.items()}
        self.resources: dict[str, Any] = {
            name: self._resolved(one)
            for name, one in template["Resources"].items()
            if "Condition" not in one or self._holds(one["Condition"])
        }
        self.outputs: dict[str, Any] = {
            name: self._resolved(one["Value"])
            for name, one in template["Outputs"].items()
            if "Condition" not in one or self._holds(one["Condition"])
        }

    def of_type(self, kind: str) -> dict[str, Any]:
        """The properties of each resource of a type, by its logical name."""
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] == kind}

    def _holds(self, condition: str) -> bool:
        return self._truth(self._template["Conditions"][condition])

    def _truth(self, test: Any) -> bool:
        [(function, given)] = test.items()
        match function:
            case "Condition":
                return self._holds(given)
            case "Fn::Not":
                return not self._truth(given[0])
            case "Fn::And":
                return all(self._truth(one) for one in given)
            case "Fn::Equals":
                # CloudFormation compares texts, numbers too.
                left, right = (str(self._resolved(one)) for one in given)
                return left == right
        raise AssertionError(f"no such condition function: {function}")

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolved(one) for one in value if self._chosen(one) != _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, given)] = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._function(function, given)
        return {name: self._resolved(one) for name, one in value.items() if self._chosen(one) != _NOTHING}

    def _chosen(self, value: Any) -> Any:
        """*value*, or what its `Fn::If` comes to, so that a chosen nothing can be left out."""
        while isinstance(value, dict) and value.keys() == {"Fn::If"}:
            condition, yes, no = value["Fn::If"]
            value = yes if self._holds(condition) else no
        return value

    def _function(self, function: str, given: Any) -> Any:
        match function:
            case "Ref":
                return self._ref(given)
            case "Fn::If":
                return self._resolved(self._chosen({function: given}))
            case "Fn::GetAtt":
                name, attribute = given
                return self._attribute(name, attribute)
            case "Fn::Sub":
                text, names = given if isinstance(given, list) else (given, {})
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._filled(found[1], names), text)
        raise AssertionError(f"no such function: {function}")

    def _filled(self, name: str, names: dict[str, Any]) -> str:
        if name in names:
            return str(self._resolved(names[name]))
        resource, _, attribute = name.partition(".")
        return str(self._attribute(resource, attribute) if attribute else self._ref(name))

    def _ref(self, name: str) -> Any:
        pseudo = {
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "AWS::StackName": "reelhouse",
            "AWS::NoValue": None,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        assert name in self._template["Resources"], name
        return self._named.get(name, name.lower())

    def _attribute(self, name: str, attribute: str) -> str:
        kind = self._template["Resources"][name]["Type"]
        called = self._ref(name)
        arns = {
            "AWS::S3::Bucket": f"arn:aws:s3:::{called}",
            "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{called}",
            "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{called}",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{called}",
            "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{called}:*",
            "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{called}",
        }
        return arns[kind] if attribute == "Arn" else str(called)
