"""What a policy allows: a small evaluator of IAM statements, for exact ARNs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.aws.stack import Stack


class Call(NamedTuple):
    """One thing that was done: an IAM action on a resource, for keys that begin with *prefix* where it lists."""

    action: str
    resource: str
    prefix: str = ""


class Permission(NamedTuple):
    """One action on one pattern of resources, under a statement's name; of lists only those of the pattern *prefix*."""

    sid: str
    action: str
    resource: str
    prefix: str = "*"

    def covers(self, call: Call) -> bool:
        # Actions are compared without regard to case, resources with it, as IAM does.
        return (
            _matches(self.action.lower(), call.action.lower())
            and _matches(self.resource, call.resource)
            and _matches(self.prefix, call.prefix)
        )


class Policy:
    """All statements of some policy documents together."""

    def __init__(self, documents: Iterable[dict[str, Any]]) -> None:
        self.allowed: list[Permission] = []
        self.denied: list[Permission] = []
        for document in documents:
            assert document["Version"] == "2012-10-17"
            for statement in _listed(document["Statement"]):
                assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}, (
                    "no such statement is understood here"
                )
                into = {"Allow": self.allowed, "Deny": self.denied}[statement["Effect"]]
                into += _permissions(statement)

    @classmethod
    def of_role(cls, stack: Stack, role: str) -> Policy:
        """What a role of the template may do."""
        properties = stack.of_type("AWS::IAM::Role")[role]
        assert "ManagedPolicyArns" not in properties
        return cls(one["PolicyDocument"] for one in properties["Policies"])

    def allows(self, call: Call) -> bool:
        """Whether some statement allows it and none denies it."""
        return any(one.covers(call) for one in self.allowed) and not any(one.covers(call) for one in self.denied)

    def refused(self, calls: Iterable[Call]) -> list[Call]:
        """The calls that AWS would answer with "access denied"."""
        return sorted({call for call in calls if not self.allows(call)})

    def unused(self, calls: Iterable[Call]) -> list[Permission]:
        """The permissions that none of the calls needed."""
        seen = set(calls)
        return [one for one in self.allowed if not any(one.covers(call) for call in seen)]


def _permissions(statement: dict[str, Any]) -> Iterator[Permission]:
    prefix = "*"
    if "Condition" in statement:
        [(operator, condition)] = statement["Condition"].items()
        [(key, prefix)] = condition.items()
        assert (operator, key) == ("StringLike", "s3:prefix"), "no such condition is understood here"
    for action in _listed(statement["Action"]):
        for resource in _listed(statement["Resource"]):
            yield Permission(statement.get("Sid", ""), action, resource, prefix)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    wild = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(wild, text, re.DOTALL) is not None
