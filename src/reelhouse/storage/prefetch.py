"""Many small reads at once, because a bucket takes some 20 ms for each, whatever its size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 16

Item = TypeVar("Item")
Found = TypeVar("Found")


def prefetch(function: Callable[[Item], Found], items: Iterable[Item], at_once: int = AT_ONCE) -> Iterator[Found]:
    """`map`, in order, with up to *at_once* calls in flight; no more results than that wait in memory."""
    with ThreadPoolExecutor(at_once) as pool:
        coming: deque[Future[Found]] = deque()
        for item in items:
            coming.append(pool.submit(function, item))
            if len(coming) == at_once:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
