"""The cost of collecting split by step, each step run alone over the same bodies in this process."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from zlib_ng import zlib_ng

from bench.bodies import Body
from reelhouse.collect.validation import ResponseValidator
from reelhouse.entities.registry import ENTITIES
from reelhouse.raw.chunk import ChunkWriter
from reelhouse.tmdb.client import Answer

_AT = "2026-11-23T12:00:00Z"
_PER_CHUNK = 1000

T = TypeVar("T")


class Step(NamedTuple):
    """*cost* in CPU milliseconds per movie."""

    name: str
    cost: float


def steps_of(bodies: Sequence[Body]) -> list[Step]:
    """What happens to a body between the network and the disk."""
    gzipped = [zlib_ng.compress(body.content, 1, 31) for body in bodies]
    entity = ENTITIES["movie"]
    judge = ResponseValidator(entity, entity.default_appends)
    answers = [(str(body.id), Answer(200, body.content, _AT, None, None)) for body in bodies]
    sha256 = _cost(bodies, lambda body: hashlib.sha256(body.content).hexdigest())
    pack = _cost_of(lambda: _packed(bodies), len(bodies))
    written = _cost_of(lambda: _written(bodies), len(bodies))
    return [
        Step("gunzip", _cost(gzipped, lambda body: zlib_ng.decompress(body, 31))),
        Step("judge (UTF-8, whole JSON, id, drift)", _cost(answers, lambda answer: judge.judge(*answer))),
        Step("sha256", sha256),
        Step("gzip into the chunk", pack),
        Step("envelope", written - sha256 - pack),
    ]


def _packed(bodies: Iterable[Body]) -> None:
    packer = zlib_ng.compressobj(6, zlib_ng.DEFLATED, 31)
    for body in bodies:
        packer.compress(body.content)
    packer.flush()


def _written(bodies: Sequence[Body]) -> None:
    for start in range(0, len(bodies), _PER_CHUNK):
        writer = ChunkWriter("raw/movie/2026/11/23/000001-00000-00000000.jsonl.gz", 1, "movie", "")
        for body in bodies[start : start + _PER_CHUNK]:
            key = str(body.id)
            writer.add(body.content, parses=True, key=key, path=f"/movie/{key}", status=200, fetched_at=_AT, id=body.id)
        writer.close()


def _cost(things: Sequence[T], do: Callable[[T], object]) -> float:
    def all_of_them() -> None:
        for thing in things:
            do(thing)

    return _cost_of(all_of_them, len(things))


def _cost_of(do: Callable[[], object], count: int, times: int = 3) -> float:
    """The least of several runs: what disturbs only ever adds."""
    return min(_once(do) for _ in range(times)) / count * 1000


def _once(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began
