"""Calls of Spark Connect to Sail, bounded where Sail may not answer.

Sail takes a file that is gone for one without rows, so after a query the files that it read are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from pyspark.sql.connect.client import ChannelBuilder
from pyspark.sql.connect.proto import InterruptResponse

from reelhouse.engines.plan_files import PlanFiles
from reelhouse.errors import LakeError

if TYPE_CHECKING:
    from reelhouse.engines.sail import EngineProcess

Gone = Callable[[set[str]], list[str]]

# Sail answers neither call while a query holds all its threads: then the query ends with the engine.
_SECONDS = {"Interrupt": 2.0, "ReleaseExecute": 10.0}
_OPTIONS = [
    # Sail refuses the path of a socket for a host.
    ("grpc.default_authority", "localhost"),
    ("grpc.enable_http_proxy", 0),
    # No compression: Sail spends five times as much on an answer that it may compress, and gRPC in Python now and then
    # hands on a compressed message as it came, which nobody can read.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Sail sends 8,192 rows in a message, however wide they are.
    ("grpc.max_receive_message_length", -1),
]


class Channels(ChannelBuilder):
    """A builder of connections to *engine* for a client of Spark Connect.

    *gone* tells which of some addresses have no file any more: a query or a command over such files is a `LakeError`.
    """

    def __init__(self, engine: EngineProcess, gone: Gone | None) -> None:
        super().__init__(_OPTIONS)
        self._address = engine.address
        self.add_interceptor(_Calls(engine, gone))

    @property
    def host(self) -> str:
        return self._address

    def toChannel(self) -> grpc.Channel:  # noqa: N802
        return self._insecure_channel(self._address)


class _Calls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]
    def __init__(self, engine: EngineProcess, gone: Gone | None) -> None:
        self._engine = engine
        self._gone = gone
        self._files = PlanFiles()

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._engine.follow()
        if not details.method.endswith("/ExecutePlan"):
            return continuation(details, request)
        files = self._files.of(request.plan) if self._gone else set()
        if not request.plan.HasField("root"):
            # A command: a write empties its place first.
            self._check(files)
        answers = continuation(details, request)
        return self._checked(answers, files) if files else answers

    def _checked(self, answers: Iterator[Any], files: set[str]) -> Iterator[Any]:
        """*answers*, of which the last comes only if all *files* are there still. Their names are never used again."""
        for answer in answers:
            if answer.HasField("result_complete"):
                self._check(files)
            yield answer

    def _check(self, files: set[str]) -> None:
        if files and self._gone and (gone := self._gone(files)):
            raise LakeError(
                "the lake was built again, or answers were purged, since this DataFrame was made, and "
                f"{len(gone)} of the files that it reads are gone ({gone[0]}): make it again, or open the lake again"
            )

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        name = details.method.rpartition("/")[2]
        if name not in _SECONDS:
            self._engine.follow()
            return continuation(details, request)
        call = continuation(details._replace(timeout=_SECONDS[name]), request)
        if name != "Interrupt" or call.code() is grpc.StatusCode.OK:
            return call
        self._engine.stop()
        return _Interrupted(request.session_id)


class _Interrupted(NamedTuple):
    """The answer to an interrupt that ended the engine, as gRPC wants it."""

    session_id: str

    def result(self) -> InterruptResponse:
        return InterruptResponse(session_id=self.session_id)
