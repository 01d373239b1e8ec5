"""Chunks: what TMDB sent comes back byte for byte, whatever it was."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelhouse.collect.validation import parses
from reelhouse.errors import LakeError
from reelhouse.raw.chunk import ChunkWriter, Envelope, read_chunk, read_lines
from reelhouse.raw.receipt import ChunkRef
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import tmdb_data

KEY = "raw/movie/2026/11/23/000007-00003-0badcafe.jsonl.gz"

# JSON with blanks and line ends where JSON allows them, and text of any script.
json_bodies = st.builds(
    lambda value, indent, ascii_only, around: (
        around + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + around
    ).encode(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from((None, 0, 2, "\t")),
    st.booleans(),
    st.sampled_from(("", " ", "\t", "\n", "\r\n", "\r")),
).filter(lambda body: parses(body))


def _written(bodies: list[bytes]) -> tuple[ChunkRef, bytes]:
    writer = ChunkWriter(KEY, 7, "movie", "language=en-US")
    for number, body in enumerate(bodies):
        writer.add(
            body,
            parses=parses(body),
            key=str(number),
            path=f"/movie/{number}",
            status=200,
            fetched_at="2026-11-23T09:00:00Z",
            id=number,
        )
    return writer.close()


@given(bodies=st.lists(st.binary(max_size=300) | json_bodies, max_size=8))
@example(bodies=[b"", b"null", b" ", b"{}", b" {} ", b"{}\n", b"\r{}", b'{"a":"\xff"}', b'"\xe2\x80\xa8"', b"\x00"])
@example(bodies=[b'{"a": 1}\t', b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', b"[" * 3000 + b"]" * 3000])
def test_any_bytes_come_back_as_they_came(bodies: list[bytes]) -> None:
    reference, packed = _written(bodies)
    lines = list(read_lines(KEY, packed))
    assert [line.bytes for line in lines] == bodies
    assert [line.sha256 for line in lines] == [hashlib.sha256(body).hexdigest() for body in bodies]
    assert [line.line for line in lines] == list(range(len(bodies))) == list(range(reference.lines))


@given(bodies=st.lists(st.binary(max_size=100) | json_bodies, min_size=1, max_size=5))
@example(bodies=[b'{"a":\r1}', b'{"a":\n1}', b'{"a":\r\n1}', b'{"a":1}'])
def test_every_line_is_one_json_object_for_any_reader(bodies: list[bytes]) -> None:
    _, packed = _written(bodies)
    text = gzip.decompress(packed)
    assert b"\r" not in text
    assert text.count(b"\n") == len(bodies)
    for number, line in enumerate(text.splitlines()):
        read = json.loads(line)
        assert read["line"] == number
        assert ("body" in read) != ("base64" in read)


def test_an_envelope_says_where_its_answer_came_from() -> None:
    writer = ChunkWriter(KEY, 7, "movie", "language=en-US")
    line = writer.add(
        b'{"id":550}',
        parses=True,
        key="tt0137523",
        path="/movie/tt0137523",
        status=200,
        fetched_at="2026-11-23T09:00:00Z",
        id=550,
        etag='W/"abc"',
        age=17,
    )
    assert line == 0
    (read,) = read_lines(KEY, writer.close()[1])
    assert (read.chunk, read.run, read.entity, read.params) == (KEY, 7, "movie", "language=en-US")
    assert (read.key, read.path, read.status, read.fetched_at) == (
        "tt0137523",
        "/movie/tt0137523",
        200,
        "2026-11-23T09:00:00Z",
    )
    assert (read.id, read.etag, read.age, read.reason) == (550, 'W/"abc"', 17, None)


def test_all_recorded_movies_come_back_as_they_came() -> None:
    files = sorted(path for path in tmdb_data("recorded", "movie").iterdir() if path.is_file())
    assert files
    bodies = [path.read_bytes() for path in files]
    storage = MemoryStorage()
    reference, packed = _written(bodies)
    storage.put_new(reference.key, packed)
    assert [line.bytes for line in read_chunk(storage, reference)] == bodies


def test_the_same_answers_make_the_same_bytes() -> None:
    bodies = [b'{"id":%d}' % number for number in range(100)]
    assert _written(bodies) == _written(bodies)


def test_a_writer_knows_roughly_what_its_chunk_will_weigh() -> None:
    writer = ChunkWriter(KEY, 7, "movie", "")
    for number in range(300):
        noise = hashlib.shake_128(str(number).encode()).hexdigest(2000).encode()
        writer.add(b'"%b"' % noise, parses=True, key="1", path="/movie/1", status=200, fetched_at="")
    so_far = writer.size
    reference, _ = writer.close()
    assert 0.7 * reference.size < so_far <= reference.size


def _read(damage: Callable[[bytes], bytes]) -> list[Envelope]:
    storage = MemoryStorage()
    reference, packed = _written([b'{"id":1}', b'{"id":2}'] * 50)
    storage.put(reference.key, damage(packed))
    return list(read_chunk(storage, reference))


def test_a_whole_chunk_reads() -> None:
    assert len(_read(lambda packed: packed)) == 100


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: b"",
        lambda packed: packed + b"\0",
        lambda packed: packed[:40] + bytes([packed[40] ^ 1]) + packed[41:],
    ],
    ids=["cut by a byte", "cut in half", "emptied", "grown", "one bit"],
)
def test_a_chunk_that_is_not_what_was_put_is_a_damage_and_no_shorter_chunk(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(LakeError, match=KEY):
        _read(damage)


def test_another_chunk_of_the_same_size_is_a_damage() -> None:
    storage = MemoryStorage()
    reference, packed = _written([b'{"id":1}'])
    storage.put(reference.key, packed)
    with pytest.raises(LakeError, match=KEY):
        read_chunk(storage, ChunkRef(reference.key, reference.size, "0" * 64, reference.lines))


def test_a_chunk_that_is_gone_is_a_damage() -> None:
    with pytest.raises(LakeError, match="is gone"):
        read_chunk(MemoryStorage(), ChunkRef(KEY, 1, "", 1))


@pytest.mark.parametrize(
    "packed",
    [
        b"no gzip",
        gzip.compress(b'{"chunk":"a"}\n'),
        gzip.compress(b"not json\n"),
        gzip.compress(b'{"chunk":"\xff"}\n'),
        gzip.compress(b'{"a":' + b"[" * 100_000),
        gzip.compress(b"{}")[:-4],
    ],
    ids=["no gzip", "fields missing", "no json", "no utf-8", "too deep", "cut"],
)
def test_lines_that_cannot_be_read_are_a_damage(packed: bytes) -> None:
    with pytest.raises(LakeError, match=KEY):
        list(read_lines(KEY, packed))
