"""The Parquet files that plans of Spark Connect read, by themselves or through views."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from pyspark.sql.connect.proto import Plan, Read
from pyspark.sql.connect.proto.catalog_pb2 import DropTempView
from pyspark.sql.connect.proto.commands_pb2 import CreateDataFrameViewCommand
from pyspark.sql.connect.proto.relations_pb2 import SQL


class PlanFiles:
    """What the plans of one session read. It has to see all of them, since some make views or drop them."""

    def __init__(self) -> None:
        self._views: dict[str, set[str]] = {}

    def of(self, plan: Plan) -> set[str]:
        """The addresses of files that *plan* reads; of a query in SQL those of all views whose names are in its text.

        A command that makes a view reads nothing yet.
        """
        found: set[str] = set()
        for node in _nodes(plan):
            if isinstance(node, CreateDataFrameViewCommand):
                self._views[node.name.lower()] = self._of_relation(node.input)
                return set()
            if isinstance(node, DropTempView):
                self._views.pop(node.view_name.lower(), None)
            found |= self._of_node(node)
        return found

    def _of_relation(self, relation: Message) -> set[str]:
        return set().union(*(self._of_node(node) for node in _nodes(relation)))

    def _of_node(self, node: Message) -> set[str]:
        if isinstance(node, Read.DataSource):
            return set(node.paths)
        if not isinstance(node, SQL | Read.NamedTable):
            return set()
        text = (node.query if isinstance(node, SQL) else node.unparsed_identifier).lower()
        named = (files for name, files in self._views.items() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))
        return set().union(*named)


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
