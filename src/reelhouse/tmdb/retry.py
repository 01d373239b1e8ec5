"""Retries: transient errors are retried up to a number of times, all others are raised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import stamina

from reelhouse.errors import ConfigError, MissingError, TransientError, UntrustedError
from reelhouse.tmdb.client import Answer, TmdbClient, UntrustedAnswer
from reelhouse.tmdb.endpoints import CANARY

T = TypeVar("T")

# The members of an object, each unread.
decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _again(exc: Exception) -> bool | float:
    # On a 429 the limiter already pauses all tasks; a second wait here would only waste the allowance.
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
    """Request and return the result of *check*. An `UntrustedError` of *check* is retried like a `TransientError`.

    After *attempts* the last error is raised. A caller with other requests to make passes *refused_at*, the time of the
    last 429 or `math.inf`: then a 429 is raised at once.
    """

    async def once() -> T:
        answer = await client.get(path, query, refused_at=math.inf if refused_at is None else refused_at)
        found = check(answer)
        # Only now: a proxy's page is an answer too, but not TMDB's.
        client.believed()
        return found

    # Nearly all requests need no second attempt, and what counts attempts costs a tenth of a request.
    failed: Exception | None
    try:
        return await once()
    except Exception as exc:
        failed = exc
    async for attempt in stamina.retry_context(
        on=_again if refused_at is None else _again_unless_throttled,
        attempts=attempts,
        timeout=None,
        wait_initial=wait,
        wait_max=30.0,
        wait_jitter=wait,
    ):
        with attempt:
            if failed is not None:
                first, failed = failed, None
                raise first
            return await once()
    raise AssertionError("unreachable")


async def ask_time(client: TmdbClient, attempts: int) -> None:
    """Request what TMDB answers everybody; the client then knows TMDB's time. `ConfigError` where it is not there."""
    try:
        await ask(client, CANARY, "", lambda answer: answer, attempts=attempts)
    except MissingError as exc:
        raise ConfigError(
            f"tmdb_url: {CANARY} is not there ({exc}), and TMDB always has it; correct the address"
        ) from exc


def is_error(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a JSON object is TMDB's error body, whatever its HTTP status: no record of TMDB's has these fields."""
    return "status_code" in fields or bytes(fields.get("success", b"")) == b"false"


def whole_json(answer: Answer, decode: Callable[[bytes], T]) -> T:
    """The answer's body as *decode* reads it, or `UntrustedAnswer` if it is truncated or something else."""
    try:
        return decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise UntrustedAnswer("not_json", f"an answer does not parse: {exc}", answer) from exc
