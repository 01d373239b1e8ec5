"""Whatever a Delta log holds, it is read or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from reelhouse.delta.log import (
    DataFile,
    commits_held,
    damage,
    list_sizes,
    log_key,
    put_commit,
    read_commit,
    schema_at,
    sound,
)
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


def changed(value: Any) -> Iterator[Any]:
    """*value* with one part of it replaced, each part by each odd value."""
    yield from _ODD
    if isinstance(value, dict):
        for name in value:
            yield {key: one for key, one in value.items() if key != name}
            yield from ({**value, name: odd} for odd in changed(value[name]))


_SCHEMA = '{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}}]}'


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
        schema=_SCHEMA,
        over=None,
    )
    return made


def test_odd_values_in_a_log_are_read_or_refused_in_one_line(lake: MemoryStorage) -> None:
    key = log_key("tables/t", 0)
    actions = [json.loads(line) for line in lake.get(key).splitlines()]
    tried = 0
    for at, action in enumerate(actions):
        for odd in changed(action):
            tried += 1
            lake.put(
                key, b"".join(json.dumps(each).encode() + b"\n" for each in [*actions[:at], odd, *actions[at + 1 :]])
            )
            sound(lake, "tables/t", 0, 3)
            with suppress(LakeError):
                list(damage(lake, "tables/t", list(commits_held(lake, "tables/t", 0)), list_sizes(lake, "tables/t/")))
    assert tried > 300


@pytest.mark.parametrize(
    "change", ["an action less", "an action twice", "an action more", "a byte", "a note", "a mode"]
)
def test_a_commit_that_was_altered_is_damage(lake: MemoryStorage, change: str) -> None:
    put_commit(lake, "tables/t", [], mode="overwrite", user={"fingerprint": "x"}, schema=_SCHEMA, over=0)
    key = log_key("tables/t", 1)
    lines = lake.get(key).splitlines(keepends=True)
    assert b'"remove"' in lines[-1]
    altered = {
        "an action less": lines[:-1],
        "an action twice": [*lines, lines[-1]],
        "an action more": [*lines, b"{}\n"],
        "a byte": [*lines[:-1], lines[-1].replace(b"a.parquet", b"b.parquet")],
        "a note": [lines[0].replace(b"fingerprint", b"made_form"), *lines[1:]],
        "a mode": [lines[0].replace(b"Overwrite", b"Append"), *lines[1:]],
    }
    assert altered[change] != lines
    lake.put(key, b"".join(altered[change]))
    commits = list(commits_held(lake, "tables/t", 1))
    assert list(damage(lake, "tables/t", commits, list_sizes(lake, "tables/t/"))) == [f"{key} is not as it was written"]
    assert not sound(lake, "tables/t", 1)


@pytest.mark.parametrize("of", ["another version", "another table"])
def test_a_commit_of_another_place_is_damage(lake: MemoryStorage, of: str) -> None:
    folder = "tables/t" if of == "another version" else "tables/other"
    lake.put(log_key(folder, 1 if folder == "tables/t" else 0), lake.get(log_key("tables/t", 0)))
    lake.put("tables/other/a.parquet", b"x" * 10)
    assert not sound(lake, folder, 1 if folder == "tables/t" else 0)


@pytest.mark.parametrize("schema", ["{}", "7", '{"fields":[{"name":7}]}', '{"fields":"7"}', "x"])
def test_columns_that_cannot_be_read_are_refused(lake: MemoryStorage, schema: str) -> None:
    put_commit(lake, "tables/t", [], mode="overwrite", user={}, schema=schema, over=0)
    with pytest.raises(LakeError, match="states no columns that can be read"):
        schema_at(lake, "tables/t", 1)


def test_a_log_that_cannot_be_read_is_named(lake: MemoryStorage) -> None:
    for body in (b'{"add": {"path": "a", "size": "x"}}\n', b'{"add": {"path": "a", "stats": 7}}\n', b"7\n", b"\xff\n"):
        lake.put(log_key("tables/t", 0), body)
        with pytest.raises(LakeError, match=r"^tables/t/_delta_log/0{20}\.json cannot be read"):
            read_commit(lake, "tables/t", 0)
