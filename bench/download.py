"""The least that a Python client can do, which collecting is held to: download bodies with bare aiohttp, drop them."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from zlib_ng import zlib_ng

from bench.bodies import QUERY
from reelhouse.tmdb.client import query_of

_CONNECTIONS = 20


async def _download(url: str, ids: Iterator[str], *, unpack: bool) -> None:
    aiohttp.set_zlib_backend(zlib_ng)
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    query = query_of(QUERY)
    headers = {"Authorization": "Bearer x", "Accept-Encoding": "gzip"}
    async with aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=unpack) as session:

        async def work() -> None:
            for id_ in ids:
                async with session.get(f"{url}/movie/{id_}?{query}") as response:
                    await response.read()

        await asyncio.gather(*(work() for _ in range(_CONNECTIONS)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("ids", type=Path)
    parser.add_argument("--unpack", action="store_true")
    given = parser.parse_args()
    asyncio.run(_download(given.url, iter(given.ids.read_text().split()), unpack=given.unpack))


if __name__ == "__main__":
    main()
