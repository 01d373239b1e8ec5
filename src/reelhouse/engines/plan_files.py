"""The Parquet files that plans of Spark Connect read, by themselves or through views."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from pyspark.sql.connect.proto import Plan, Read
from pyspark.sql.connect.proto.catalog_pb2 import DropTempView
from pyspark.sql.connect.proto.commands_pb2 import CreateDataFrameViewCommand, SqlCommand
from pyspark.sql.connect.proto.relations_pb2 import SQL

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
# The name's last part: a quoted one with a backtick in it is as good as two.
_CREATES_VIEW = re.compile(
    r"\s*create\b[\w\s]*\bview\s+(?:if\s+not\s+exists\s+)?(?:(?:`[^`]*`|\w)+\s*\.\s*)*((?:`[^`]*`|\w)+)",
    re.IGNORECASE,
)
# These run when their rows are fetched, by another plan.
_ASKS = re.compile(r"[\s(]*(?:select|with|values|from|explain|desc|describe|show)\b", re.IGNORECASE)
_NAMES = re.compile(r"`([^`]+)`|(\w+)")


class PlanFiles:
    """What the plans of one session read. It has to see all of them, since some make views or drop them."""

    def __init__(self) -> None:
        self._views: dict[str, set[str]] = {}
        # Threads share a session.
        self._lock = threading.Lock()

    def of(self, plan: Plan) -> set[str]:
        """The addresses of files that *plan* reads; of a query in SQL those of all views whose names are in its text.

        A command that makes a view, or is a query in SQL, reads nothing yet.
        """
        with self._lock:
            found: set[str] = set()
            for node in _nodes(plan):
                if isinstance(node, CreateDataFrameViewCommand):
                    self._views[node.name.lower()] = set().union(*map(self._of_node, _nodes(node.input)))
                    return set()
                if isinstance(node, SqlCommand):
                    text = _COMMENT.sub(" ", node.input.sql.query)
                    if made := _CREATES_VIEW.match(text):
                        # By the whole text: `--` may stand within quotes.
                        self._views |= dict.fromkeys(_names(made[1]), self._of_text(node.input.sql.query))
                    if made or _ASKS.match(text):
                        return set()
                if isinstance(node, DropTempView):
                    self._views.pop(node.view_name.lower(), None)
                found |= self._of_node(node)
            return found

    def _of_node(self, node: Message) -> set[str]:
        if isinstance(node, Read.DataSource):
            return set(node.paths)
        if isinstance(node, SQL):
            return self._of_text(node.query)
        return self._of_text(node.unparsed_identifier) if isinstance(node, Read.NamedTable) else set()

    def _of_text(self, text: str) -> set[str]:
        return set().union(*(self._views.get(name, ()) for name in _names(text)))


def _names(text: str) -> set[str]:
    return {(quoted or plain).lower() for quoted, plain in _NAMES.findall(text)}


def _nodes(message: Message) -> Iterator[Message]:
    """A message and all messages in it, each before its parts; plans may be nested deeper than calls may be."""
    left: list[Any] = [message]
    while left:
        node = left.pop()
        yield node
        for _, value in node.ListFields():
            if isinstance(value, Message):
                left.append(value)
            elif not isinstance(value, str | bytes | int | float):
                left += (one for one in value if isinstance(one, Message))
