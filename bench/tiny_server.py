"""A TMDB that costs next to nothing: small bodies, exports, change feeds, and at `/asked` how many records it was asked
for. Run in a process of its own.

It exists to measure the other side with a million ids, where rendering bodies would take longer than collecting them.
"""

from __future__ import annotations

import argparse
import asyncio
import email.utils
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from reelhouse.entities.paths import Shape
from reelhouse.entities.registry import ENTITIES

PAGE = 100
# By the path of an entity, its answers: with everything that is requested, so that nothing counts as drift.
_ABOUT = {
    "movie": '"title":"A Film","original_title":"A Film","original_language":"en","release_date":"1999-03-30",'
    '"vote_count":7,"genres":[{"id":18,"name":"Drama"}],"budget":0,"overview":"Small."',
    "tv": '"name":"A Series","original_name":"A Series","original_language":"en","first_air_date":"1999-03-30",'
    '"number_of_seasons":1,"genres":[{"id":18,"name":"Drama"}],"seasons":[{"id":7,"season_number":1}]',
    "person": '"name":"A Person","also_known_as":[],"biography":"","known_for_department":"Acting"',
    "collection": '"name":"A Collection","overview":"","parts":[]',
    "company": '"name":"A Company","headquarters":"","origin_country":"US"',
    "network": '"name":"A Network","headquarters":"","origin_country":"US"',
    "keyword": '"name":"a word"',
}
_EPISODES = 17  # of a series, on average
_EPISODE = '{{"id":{},"episode_number":{},"season_number":1,"crew":[],"guest_stars":[]}}'


def tiny_body(kind: str, id_: int) -> bytes:
    """What the server says of an entity's *id_*; a series has a season with its episodes."""
    entity = ENTITIES[kind]
    appends = "".join(f',"{name}":{_empty(entity.shape[name])}' for name in entity.default_appends)
    if kind == "tv":
        first = id_ * _EPISODES
        rows = ",".join(_EPISODE.format(first + n, n) for n in range(1, _EPISODES + 1))
        appends += f',"season/1":{{"season_number":1,"name":"Season 1","episodes":[{rows}]}}'
    return f'{{"id":{id_},{_ABOUT[kind]}{appends}}}'.encode()


def _empty(shape: Shape) -> str:
    """A value of *shape* with its lists, which TMDB sends empty where there is nothing, and without scalars."""
    if isinstance(shape, list):
        return "[]"
    inner = shape.items() if isinstance(shape, dict) else ()
    return "{" + ",".join(f'"{name}":{_empty(one)}' for name, one in inner if not isinstance(one, str)) + "}"


def export_of(ids: Sequence[int]) -> bytes:
    """An export of *ids* as TMDB's looks, in no order of popularity."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    parts = []
    for start in range(0, len(ids), 10_000):
        lines = "".join(_export_line(id_) for id_ in ids[start : start + 10_000])
        parts.append(packer.compress(lines.encode()))
    return b"".join((*parts, packer.flush()))


def _export_line(id_: int) -> str:
    title, popularity = f"The Title of Film {id_ * 7919 % 99991}", (id_ * 2654435761 % 1_000_003) / 9973
    return f'{{"adult":false,"id":{id_},"original_title":"{title}","popularity":{popularity:.4f},"video":false}}\n'


class _Answers:
    def __init__(self, exports: Path, changed: range, today: date) -> None:
        self._asked = 0
        self._exports = exports
        self._changed = changed
        self._day = f"{today:%m_%d_%Y}"
        self._today = today.isoformat()
        self._date = email.utils.format_datetime(datetime.now(UTC).replace(
            year=today.year, month=today.month, day=today.day), usegmt=True)  # fmt: skip

    def answer(self, target: str) -> bytes:
        path, query = urlsplit(target)[2:4]
        _, kind, id_ = path.rsplit("/", 2) if path.count("/") == 3 else ("", "", "")
        if kind in _ABOUT and id_.isdigit():
            self._asked += 1
            return self._whole("200 OK", tiny_body(kind, int(id_)))
        if path == "/asked":
            return self._whole("200 OK", str(self._asked).encode())
        if path == "/3/configuration":
            return self._whole("200 OK", b'{"images":{}}')
        if kind in _ABOUT and id_ == "changes":
            return self._whole("200 OK", self._changes(query))
        if path.startswith("/p/exports/") and self._day in path:
            whole = self._exports / f"{path.rpartition('/')[2].partition(f'_{self._day}')[0]}.gz"
            body = (whole if self._exports.is_dir() else self._exports).read_bytes()
            return self._whole("200 OK", body, f'ETag: "{self._day}"\r\n')
        return self._whole("404 Not Found", b"{}")

    def _changes(self, query: str) -> bytes:
        asked = parse_qs(query)
        page = int(asked["page"][0])
        here = self._changed if asked["start_date"][0] == self._today else range(0)
        rows = ",".join(f'{{"id":{id_},"adult":false}}' for id_ in here[(page - 1) * PAGE : page * PAGE])
        pages = -(-len(here) // PAGE)
        return f'{{"results":[{rows}],"page":{page},"total_pages":{pages},"total_results":{len(here)}}}'.encode()

    def _whole(self, status: str, body: bytes, headers: str = "") -> bytes:
        head = f"HTTP/1.1 {status}\r\nDate: {self._date}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


class _Connection(asyncio.Protocol):
    """HTTP as far as one well-behaved client needs it: GET, kept alive, never two requests at once."""

    def __init__(self, answers: _Answers) -> None:
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n"):
            target = self._received.split(b" ", 2)[1].decode()
            self._received = b""
            self._transport.write(self._answers.answer(target))


async def _serve(answers: _Answers) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(answers), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def tiny_server(exports: Path, *, changed: range = range(0), ahead: int = 0) -> Iterator[str]:
    """The address of a server whose clock is *ahead* days, while inside.

    *exports* is one file, whatever kind is requested, or a folder of `<name of the export>.gz`; each feed names the ids
    *changed*.
    """
    command = [sys.executable, "-m", "bench.tiny_server", str(exports), str(changed.start), str(changed.stop)]
    with subprocess.Popen([*command, str(ahead)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exports", type=Path)
    for name in ("first_changed", "end_changed", "ahead"):
        parser.add_argument(name, type=int)
    given = parser.parse_args()
    today = datetime.now(UTC).date() + timedelta(days=given.ahead)
    asyncio.run(_serve(_Answers(given.exports, range(given.first_changed, given.end_changed), today)))


if __name__ == "__main__":
    main()
