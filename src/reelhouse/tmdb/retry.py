"""Asking again: what is transient is asked up to a number of times, everything else is passed on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import stamina

from reelhouse.errors import TransientError, UntrustedError
from reelhouse.tmdb.client import Answer, TmdbClient, UntrustedAnswer

T = TypeVar("T")


def _again(exc: Exception) -> bool | float:
    # On a 429 the limiter already makes everybody wait; a second wait here would only waste the allowance.
    return 0.0 if isinstance(exc, TransientError) and exc.throttled else _again_unless_throttled(exc)


def _again_unless_throttled(exc: Exception) -> bool | float:
    if isinstance(exc, TransientError):
        return not exc.throttled and (exc.retry_after or True)
    return isinstance(exc, UntrustedError)


async def ask(
    client: TmdbClient,
    path: str,
    query: str,
    check: Callable[[Answer], T],
    *,
    attempts: int,
    wait: float = 0.5,
    refused_at: float | None = None,
) -> T:
    """What *check* makes of the answer. An `UntrustedError` of *check* is asked again like a `TransientError`.

    After *attempts* the last error is raised. *refused_at* is for a caller that has other things to ask after a 429,
    which is raised at once then: when the last one came, `math.inf` if none has come yet.
    """
    async for attempt in stamina.retry_context(
        on=_again if refused_at is None else _again_unless_throttled,
        attempts=attempts,
        timeout=None,
        wait_initial=wait,
        wait_max=30.0,
        wait_jitter=wait,
    ):
        with attempt:
            answer = await client.get(path, query, refused_at=math.inf if refused_at is None else refused_at)
            found = check(answer)
            # Not before: a page in front of TMDB is an answer too, but none of TMDB's.
            client.believed()
            return found
    raise AssertionError("unreachable")


def is_error(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a JSON object is TMDB's error body, whatever its HTTP status: no thing of TMDB's has these fields."""
    return "status_code" in fields or bytes(fields.get("success", b"")) == b"false"


def whole_json(answer: Answer, kind: type[T]) -> T:
    """The answer's body as *kind*, or `UntrustedAnswer` where it is cut or something else."""
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UntrustedAnswer("not_json", f"an answer does not parse: {exc}", answer) from exc
