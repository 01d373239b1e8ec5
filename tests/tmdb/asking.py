"""A session and a client of the product, at a server of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from reelhouse.tmdb.client import TmdbClient, open_session
from reelhouse.tmdb.rate import Limiter

T = TypeVar("T")

# The shape of a real token, so that a leak would show.
TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LXBheWxvYWQ.s1gnatureThatNobodyMaySee"


def with_client(
    url: str, work: Callable[[TmdbClient], Awaitable[T]], *, limiter: Limiter | None = None, largest: int = 64 << 20
) -> T:
    """What *work* makes of a client that asks *url*."""

    async def run() -> T:
        async with open_session(20) as session:
            return await work(TmdbClient(session, f"{url}/3", TOKEN, limiter or Limiter(0), largest=largest))

    return asyncio.run(run())


def with_session(work: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_session(20) as session:
            return await work(session)

    return asyncio.run(run())
