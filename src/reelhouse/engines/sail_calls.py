"""Calls of Spark Connect to Sail: bounded where Sail may not answer, and repeated if an answer cannot be read here."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from pyspark.sql.connect.client import ChannelBuilder
from pyspark.sql.connect.proto import InterruptResponse

from reelhouse.delta.engine_errors import is_unread

if TYPE_CHECKING:
    from reelhouse.engines.sail import EngineProcess

# Sail answers neither call while a query holds all its threads: then the query ends with the engine.
_SECONDS = {"Interrupt": 2.0, "ReleaseExecute": 10.0}
# How often a call is made whose answer cannot be read.
_CALLS = 3


class Channels(ChannelBuilder):
    """A builder of connections to *engine* for a client of Spark Connect."""

    def __init__(self, engine: EngineProcess) -> None:
        # Sail refuses the path of a socket for a host.
        super().__init__([("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)])
        self._address = engine.address
        self.add_interceptor(_Calls(engine))

    @property
    def host(self) -> str:
        return self._address

    def toChannel(self) -> grpc.Channel:  # noqa: N802
        return self._insecure_channel(self._address)


class _Calls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]
    def __init__(self, engine: EngineProcess) -> None:
        self._engine = engine

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self._engine.follow()
        if details.method.endswith("/ExecutePlan") and request.plan.HasField("root"):
            return _answers(continuation, details, request)
        # A command may have done its work.
        return continuation(details, request)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        name = details.method.rpartition("/")[2]
        if name not in _SECONDS:
            self._engine.follow()
            return _answer(continuation, details, request)
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


def _answer(continuation: Any, details: Any, request: Any) -> Any:
    """The answer to a call that changes nothing."""
    for _ in range(_CALLS):
        call = continuation(details, request)
        if call.code() is not grpc.StatusCode.INTERNAL or not is_unread(str(call.details())):
            break
    return call


def _answers(continuation: Any, details: Any, request: Any) -> Iterator[Any]:
    """The answers to a query, which is repeated if the first one cannot be read."""
    for left in reversed(range(_CALLS)):
        begun = False
        try:
            for answer in continuation(details, request):
                begun = True
                yield answer
        except grpc.RpcError as exc:
            if begun or not left or not is_unread(str(exc.details())):
                raise
            request.operation_id = str(uuid.uuid4())
        else:
            return
