"""Whatever a Delta log holds, it is read or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from reelhouse.delta.log import DataFile, commits_held, damage, list_sizes, log_key, put_commit, read_commit, sound
from reelhouse.errors import LakeError
from reelhouse.storage.memory import MemoryStorage

_ODD: tuple[Any, ...] = (
    None,
    7,
    -1,
    1e300,
    True,
    "x",
    "",
    [],
    {},
    ["x"],
    {"x": 1},
    '{"numRecords": 1e999}',
    "7",
    "null",
)


def _changed(value: Any) -> Iterator[Any]:
    """*value* with one part of it replaced, each part by each odd value."""
    yield from _ODD
    if isinstance(value, dict):
        for name in value:
            yield {key: one for key, one in value.items() if key != name}
            yield from ({**value, name: odd} for odd in _changed(value[name]))


@pytest.fixture
def lake() -> MemoryStorage:
    made = MemoryStorage()
    made.put("tables/t/a.parquet", b"x" * 10)
    put_commit(
        made,
        "tables/t",
        [DataFile("a.parquet", 10, {"numRecords": 3})],
        mode="overwrite",
        user={"receipts": []},
        schema="{}",
        over=None,
    )
    return made


def test_odd_values_in_a_log_are_read_or_refused_in_one_line(lake: MemoryStorage) -> None:
    key = log_key("tables/t", 0)
    actions = [json.loads(line) for line in lake.get(key).splitlines()]
    tried = 0
    for at, action in enumerate(actions):
        for odd in _changed(action):
            tried += 1
            lake.put(
                key, b"".join(json.dumps(each).encode() + b"\n" for each in [*actions[:at], odd, *actions[at + 1 :]])
            )
            sound(lake, "tables/t", 0, 3)
            with suppress(LakeError):
                list(damage(lake, "tables/t", list(commits_held(lake, "tables/t", 0)), list_sizes(lake, "tables/t/")))
    assert tried > 300


def test_a_log_that_cannot_be_read_is_named(lake: MemoryStorage) -> None:
    for body in (b'{"add": {"path": "a", "size": "x"}}\n', b'{"add": {"path": "a", "stats": 7}}\n', b"7\n", b"\xff\n"):
        lake.put(log_key("tables/t", 0), body)
        with pytest.raises(LakeError, match=r"^tables/t/_delta_log/0{20}\.json cannot be read"):
            read_commit(lake, "tables/t", 0)
