"""One record of each entity is purged by its id: nothing made of its answers is left, and all else stays."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from reelhouse.bootstrap import collecting
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.cli.main import main
from reelhouse.collect.reporting import Progress
from reelhouse.collect.verify import verify
from reelhouse.emulator import Emulator
from reelhouse.emulator.api import Api
from reelhouse.emulator.world import World
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Export, Pages
from reelhouse.raw.keys import EXPORTS, RAW
from reelhouse.retention.erasure import preview
from reelhouse.retention.selection import PurgeSelection
from reelhouse.storage.folder import FolderStorage
from reelhouse.warehouse.purged_tables import leftovers
from reelhouse.warehouse.verify import check_tables
from tests.runs.lakes import of
from tests.warehouse.landing import LakeInTheMaking, Row

Typed = Callable[..., Result]

WITH_IDS = [name for name, one in ENTITIES.items() if isinstance(one.listing, Export)]
LISTS = {name: replace(ENTITIES[name], listing=Pages(2)) for name in ("movie_popular", "tv_popular", "person_popular")}
# One record of each entity.
IDS = {"movie": 4, "tv": 2, "person": 10, "collection": 11, "company": 10, "network": 1, "keyword": 100}
# Texts in which each answer is marked.
_MARKED = {"title", "name", "overview", "biography", "description", "headquarters", "character", "tagline"}


def _mark(entity: str, id_: int) -> str:
    """What only the answers about one record hold, in many of their texts."""
    return f"Mark-{entity}-{id_}-"


def _marked(value: Any, mark: str) -> Any:
    if isinstance(value, list):
        return [_marked(one, mark) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"{mark}{one}" if key in _MARKED and isinstance(one, str) else _marked(one, mark)
        for key, one in value.items()
    }


def _holding(root: Path, mark: str) -> list[str]:
    """The files that hold *mark*, packed or not."""
    files = (one for one in root.rglob("*") if one.is_file())
    return sorted(one.relative_to(root).as_posix() for one in files if mark in _readable(one))


def _readable(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pq.read_table(path, partitioning=None).to_pylist())
    body = path.read_bytes()
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode(errors="replace")


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of every entity that has ids, and of lists that name them."""
    lake = LakeInTheMaking(tmp_path_factory.mktemp("collected") / "lake")
    entities = {**ENTITIES, **LISTS}
    localize = Api._localize

    def marking(self: Api, world: World, body: dict[str, Any], index: int, language: str) -> None:
        localize(self, world, body, index, language)
        kind = world.catalogue.kind.name
        body.update(_marked(body, _mark(kind, world.catalogue.id_of(index))))

    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with pytest.MonkeyPatch.context() as patch, Emulator(movies=4, series=1, seed=7, now=noon) as tmdb:
        patch.setattr(Api, "_localize", marking)
        for _ in range(2):
            options = CollectOptions(entities=entities, names=(*WITH_IDS, *LISTS), full=True)
            done = collecting.collect_each(lake.storage, of(tmdb), options, Progress())
            assert not done.failures
            assert all(result.clean for result in done.results)
            tmdb.next_day()
    return lake.root


@pytest.fixture(scope="module")
def built(collected: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built") / "lake"
    shutil.copytree(collected, root)
    assert LakeInTheMaking(root).build().done
    return root


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """A command with these words in a folder that holds `lake`."""

    def typed(*words: str, given: str = "") -> Result:
        unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
        with chdir(tmp_path):
            return CliRunner(env=unset).invoke(main, list(words), input=given)

    return typed


def _purged_of(root: Path, entity: str, typed: Typed) -> dict[str, Any]:
    """What `purge --json` says of an id, after all promises are checked that need no tables."""
    mark = _mark(entity, IDS[entity])
    assert _holding(root, mark)
    done = typed("purge", "--entity", entity, "--ids", "-", "--yes", "--json", given=f"{IDS[entity]}\n")
    assert done.exit_code == 0, done.output
    assert _holding(root, mark) == []
    storage = FolderStorage(root)
    verdict = verify(storage, entities={**ENTITIES, **LISTS})
    assert (verdict.problems, verdict.complete, verdict.clean) == ([], True, True)
    assert verdict.states["purged"] == 2
    assert (leftovers(storage), check_tables(storage)) == ([], [])
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["answers"], found["unknown"], found["problems"], found["gone"]) == (2, [], [], True)
    assert found["entities"] == {entity: {"runs": 2, "answers": 2, "chunks": found["chunks"]}}
    return found


def _answers(root: Path) -> set[tuple[str, str, int, str]]:
    """Entity, key, run and body of everything that chunks hold."""
    storage = FolderStorage(root)
    chunks = (gzip.decompress(storage.get(key)) for key in storage.keys(RAW) if not key.startswith(EXPORTS))
    lines = (json.loads(line) for body in chunks for line in body.splitlines())
    return {(line["entity"], line["key"], line["run"], json.dumps(line["body"])) for line in lines}


def _plain(rows: list[Row]) -> list[str]:
    """Rows without where an answer lies: a chunk that loses one is written again."""
    return sorted(str({name: value for name, value in row.items() if name != "line"}) for row in rows)


_QUICK = {"movie", "person", "keyword"}


@pytest.mark.parametrize(
    "entity", [pytest.param(name, marks=[] if name in _QUICK else [pytest.mark.long]) for name in WITH_IDS]
)
def test_a_record_is_purged_by_its_id_and_no_other_goes(
    collected: Path, tmp_path: Path, typed: Typed, entity: str
) -> None:
    root = tmp_path / "lake"
    shutil.copytree(collected, root)
    before = _answers(root)
    _purged_of(root, entity, typed)
    assert before - _answers(root) == {one for one in before if one[:2] == (entity, str(IDS[entity]))}


@pytest.mark.long
@pytest.mark.parametrize("entity", WITH_IDS)
def test_tables_marts_and_days_lose_a_record_and_keep_those_of_others(
    built: Path, tmp_path: Path, typed: Typed, entity: str
) -> None:
    root = tmp_path / "lake"
    shutil.copytree(built, root)
    before = LakeInTheMaking(root).everything()
    assert _purged_of(root, entity, typed)["rebuilt"]
    after = LakeInTheMaking(root).everything()
    own = {table.name for table in ENTITIES[entity].tables}
    others = {table.name for one in (*ENTITIES.values(), *LISTS.values()) for table in one.tables} - own
    changed = [name for name in sorted(others & before.keys()) if _plain(before[name]) != _plain(after[name])]
    assert changed == []
    for name in sorted(own & before.keys()):
        id_column = ENTITIES[entity].id_column
        assert _plain(after[name]) == _plain([row for row in before[name] if row[id_column] != IDS[entity]]), name
    assert before["list_daily"]


@pytest.mark.parametrize(
    ("entity", "begins"), [(name, begins) for name in WITH_IDS for begins in ENTITIES[name].external]
)
def test_an_id_of_another_service_means_the_record_that_its_answers_name(
    collected: Path, entity: str, begins: str
) -> None:
    bodies = (json.loads(body) for name, _, _, body in _answers(collected) if name == entity)
    source = "tvdb_id" if begins == "tvdb:" else "imdb_id"
    stated = next(found for one in bodies if (found := one.get(source) or one.get("external_ids", {}).get(source)))
    key = f"{begins}{stated}".removeprefix("" if begins == "tvdb:" else begins)
    chosen = PurgeSelection("1 id", entity=entity, keys=frozenset({key}))
    found = preview(FolderStorage(collected), chosen, datetime.now(UTC))
    assert (found.answers, found.unknown, list(found.entities)) == (2, [], [entity])
