"""A plugin of datasette: only this machine's own names are answered, because any web site may point its name here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from datasette import hookimpl
from datasette.utils.asgi import Response

_Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
_NAMES = frozenset(("127.0.0.1", "localhost"))


@hookimpl  # type: ignore[untyped-decorator]
def asgi_wrapper() -> Callable[[_Application], _Application]:
    """Refuse requests made for another host."""
    return _for_this_machine


def _for_this_machine(application: _Application) -> _Application:
    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        host = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1").partition(":")[0]
        if scope["type"] == "http" and host not in _NAMES:
            await Response.text("This lake is served to this machine only.", status=403).asgi_send(send)
        else:
            await application(scope, receive, send)

    return answer
