"""Tables that were damaged or changed by others: verify names what it is, the next build makes the table again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from deltalake import DeltaTable

from reelhouse.delta import log
from reelhouse.delta.delta_rs import read_delta
from reelhouse.delta.log import log_key
from reelhouse.errors import LakeError, ReelhouseError
from reelhouse.raw.json_objects import decode, encode
from reelhouse.raw.keys import MANIFEST, plan_key
from reelhouse.serve.lake import Lake
from reelhouse.warehouse.manifest import BuildManifest, copy_key
from reelhouse.warehouse.staging import Stager
from reelhouse.warehouse.verify import check_tables
from tests.warehouse.few import FEW
from tests.warehouse.landing import SAIL, LakeInTheMaking, Row, a_movie, gone
from tests.warehouse.test_delta_log import changed

FIELDS: dict[str, Any] = {"genres": [{"id": 18, "name": "Drama"}], "release_date": "2020-12-02", "revenue": 7}
STAGING = "_reelhouse/staging/movie"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> LakeInTheMaking:
    """Two builds of two days; the first one's manifest lies beside the lake."""
    lake = LakeInTheMaking(tmp_path_factory.mktemp("damage") / "lake", registry=FEW)
    lake.land(*(a_movie(id_, **FIELDS) for id_ in range(1, 5)), export=[1, 2, 3, 4], day="2026-11-01")
    lake.build()
    (lake.root.parent / "older.json").write_bytes(lake.storage.get(MANIFEST))
    lake.land(a_movie(2, **{**FIELDS, "revenue": 8}), gone(1), export=[2, 3, 4], day="2026-11-02")
    lake.build()
    assert check_tables(lake.storage) == []
    return lake


@pytest.fixture(scope="module")
def rows(lived: LakeInTheMaking) -> dict[str, list[Row]]:
    return lived.everything()


@pytest.fixture
def lake(lived: LakeInTheMaking, tmp_path: Path) -> LakeInTheMaking:
    """A copy, to be damaged."""
    shutil.copytree(lived.root, tmp_path / "lake")
    made = LakeInTheMaking(tmp_path / "lake", registry=FEW)
    made.runs, made.chunks = lived.runs, lived.chunks
    return made


def _files(lake: LakeInTheMaking, folder: str) -> list[Path]:
    """The data files of the version that is pinned."""
    version = lake.current.inputs.stream("movie").staging if folder == STAGING else None
    if folder not in (STAGING, "_reelhouse/staging/movie_current"):
        version = lake.current.tables[folder.rpartition("/")[2]].version
    return [lake.root / folder / path for path in DeltaTable(str(lake.root / folder), version=version).file_uris()]


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _replaced(path: Path) -> None:
    """By a whole file of another table."""
    root = next(parent for parent in path.parents if (parent / "tables/movie_genre").is_dir())
    path.write_bytes(next((root / "tables/movie_genre").glob("*/*.parquet")).read_bytes())


@pytest.mark.parametrize("damage", [_emptied, _cut, _replaced, Path.unlink], ids=lambda one: one.__name__)
def test_data_files_that_are_not_as_they_were_written_are_named(
    lake: LakeInTheMaking, damage: Callable[[Path], None]
) -> None:
    folders = ["tables/movie", "tables/popularity_daily", "marts/dim_movie", STAGING]
    damaged = []
    for folder in folders:
        path = _files(lake, folder)[0]
        damage(path)
        damaged.append(f"{folder}/{path.parent.name}/{path.name}")
    problems = check_tables(lake.storage)
    assert len(problems) == len(damaged)
    for name in damaged:
        assert any(problem.startswith(f"{name} ") and "reelhouse build" in problem for problem in problems), problems


@pytest.mark.parametrize(
    "folders",
    [["tables/movie"], ["marts/dim_movie", "tables/popularity_daily", "_reelhouse/staging/movie_current"], [STAGING]],
    ids=" ".join,
)
def test_the_next_build_makes_damaged_tables_again_and_no_others(
    lake: LakeInTheMaking, rows: dict[str, list[Row]], folders: list[str]
) -> None:
    before = lake.current
    for folder in folders:
        for path in _files(lake, folder):
            _emptied(path)
    result = lake.build()
    assert result.done
    assert check_tables(lake.storage) == []
    assert lake.everything() == rows
    if STAGING in folders:
        assert lake.current.inputs.stream("movie").staging != before.inputs.stream("movie").staging
    else:
        made = {folder.rpartition("/")[2] for folder in folders if not folder.startswith("_reelhouse/staging/")}
        assert set(result.rebuilt) == made
    assert not lake.build().done


@pytest.mark.parametrize(
    "how",
    [
        "emptied",
        pytest.param("lost", marks=pytest.mark.long),
        pytest.param("deletes by others", marks=pytest.mark.long),
    ],
)
def test_what_is_left_of_staging_is_never_appended_to(lake: LakeInTheMaking, tmp_path: Path, how: str) -> None:
    if how == "deletes by others":
        DeltaTable(str(lake.root / STAGING)).delete("requested_key = '3'")
    for path in [] if how == "deletes by others" else _files(lake, STAGING)[:1]:
        _emptied(path) if how == "emptied" else path.unlink()
    assert any(STAGING in problem for problem in check_tables(lake.storage))
    lake.land(a_movie(5, **FIELDS), export=[2, 3, 4, 5], day="2026-11-03")
    lake.build()
    assert lake.values("movie", "movie_id") == [2, 3, 4, 5]
    assert check_tables(lake.storage) == []
    step_by_step = lake.everything()
    lake.build(full=True)
    assert lake.everything() == step_by_step


@pytest.mark.long
def test_a_delete_by_others_while_a_build_appends_to_staging_is_noticed(
    lake: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, done = Stager._append, list[int]()

    def first_deleted(*args: Any, **kwargs: Any) -> Any:
        if not done:
            done.append(1)
            DeltaTable(str(lake.root / STAGING)).delete("requested_key = '3'")
        return own(*args, **kwargs)

    monkeypatch.setattr(Stager, "_append", first_deleted)
    lake.land(a_movie(5, **FIELDS), export=[2, 3, 4, 5], day="2026-11-03")
    lake.build()
    assert done
    assert lake.values("movie", "movie_id") == [2, 3, 4, 5]
    assert check_tables(lake.storage) == []


@pytest.mark.parametrize("folder", ["tables/movie", "tables/popularity_daily", "marts/dim_movie"])
def test_what_others_commit_on_top_of_a_pinned_version_is_named_and_repaired(
    lake: LakeInTheMaking, rows: dict[str, list[Row]], folder: str
) -> None:
    table = DeltaTable(str(lake.root / folder))
    column = "id" if folder.endswith("popularity_daily") else "movie_id"
    table.delete(f"{column} = 3")
    (problem,) = check_tables(lake.storage)
    assert problem.startswith(f"{folder} version {table.version()} (DELETE) was committed by another program")
    assert lake.build().rebuilt == [folder.rpartition("/")[2]]
    assert check_tables(lake.storage) == []
    assert lake.everything() == rows
    newest = DeltaTable(str(lake.root / folder)).to_pyarrow_table()
    assert newest.num_rows == lake.current.tables[folder.rpartition("/")[2]].rows
    assert not lake.build().done


def test_what_others_do_to_a_log_without_changing_rows_is_no_problem(lake: LakeInTheMaking) -> None:
    DeltaTable(str(lake.root / "tables/movie")).vacuum(retention_hours=1000, dry_run=False)
    DeltaTable(str(lake.root / "tables/movie")).create_checkpoint()
    assert check_tables(lake.storage) == []
    assert not lake.build().done


def _edited(lake: LakeInTheMaking, change: Callable[[BuildManifest], BuildManifest]) -> None:
    lake.storage.put(MANIFEST, encode(change(lake.current)))


@pytest.mark.parametrize(
    "how", ["a table is missing", "an older one", "two older ones", "one version", "gone", "all gone", "garbled"]
)
def test_a_manifest_that_is_not_the_newest_builds_is_named_and_repaired(
    lake: LakeInTheMaking, lived: LakeInTheMaking, rows: dict[str, list[Row]], how: str
) -> None:
    older = (lived.root.parent / "older.json").read_bytes()
    if how == "a table is missing":
        _edited(lake, lambda one: msgspec.structs.replace(one, tables={**one.tables, "movie": one.tables["movie"]}))
        left = {name: one for name, one in lake.current.tables.items() if name != "movie"}
        _edited(lake, lambda one: msgspec.structs.replace(one, tables=left))
    elif how == "one version":
        movie = msgspec.structs.replace(lake.current.tables["movie"], version=0)
        _edited(lake, lambda one: msgspec.structs.replace(one, tables={**one.tables, "movie": movie}))
    elif how in ("gone", "all gone"):
        for key in [MANIFEST] if how == "gone" else [MANIFEST, *lake.storage.keys("_reelhouse/builds/")]:
            lake.storage.delete(key)
    elif how == "garbled":
        lake.storage.put(MANIFEST, b"{")
    else:
        lake.storage.put(MANIFEST, older)
    if how == "two older ones":
        lake.storage.put(copy_key(7), encode(msgspec.structs.replace(decode(MANIFEST, older, BuildManifest), build=7)))
    problems = check_tables(lake.storage)
    assert any(MANIFEST in problem for problem in problems), problems
    assert lake.build().done
    assert check_tables(lake.storage) == []
    assert lake.everything() == rows
    assert not lake.build().done


def test_only_the_newest_builds_copy_of_its_manifest_stays(lived: LakeInTheMaking) -> None:
    assert sorted(lived.storage.keys("_reelhouse/builds/")) == [copy_key(2)]
    assert lived.storage.get(copy_key(2)) == lived.storage.get(MANIFEST)


def test_a_log_that_cannot_be_read_is_one_problem_among_others(lake: LakeInTheMaking) -> None:
    lake.storage.put(log_key("tables/movie", lake.current.tables["movie"].version), b"{")
    _emptied(_files(lake, "marts/dim_movie")[0])
    movie, fact = sorted(check_tables(lake.storage), key=lambda problem: "dim_movie" in problem)
    assert "tables/movie/_delta_log" in movie
    assert "marts/dim_movie/" in fact


@pytest.mark.parametrize("how", [b"", b"{", None], ids=["emptied", "garbled", "lost"])
def test_a_table_whose_log_is_damaged_is_named_and_begun_again(
    lake: LakeInTheMaking, rows: dict[str, list[Row]], how: bytes | None
) -> None:
    staged = lake.current.inputs.stream("movie").staging
    assert staged is not None
    versions = {f"tables/{name}": lake.current.tables[name].version for name in ("movie", "popularity_daily")}
    for folder, version in {**versions, STAGING: staged}.items():
        if how is None:
            lake.storage.delete(log_key(folder, version))
        else:
            lake.storage.put(log_key(folder, version), how)
    problems = check_tables(lake.storage)
    assert {problem.partition(" ")[0].partition("/_delta_log")[0] for problem in problems} == {*versions, STAGING}
    assert lake.build().done
    assert check_tables(lake.storage, deep=True) == []
    assert lake.everything() == rows
    assert not lake.build().done


def _corrupt(path: Path, at: float) -> None:
    """Other bytes, no other size."""
    body = bytearray(path.read_bytes())
    start = int(len(body) * at)
    body[start : start + 40] = bytes(255 - byte for byte in body[start : start + 40])
    path.write_bytes(body)


@pytest.mark.parametrize("at", [0.02, pytest.param(0.9, marks=pytest.mark.long)], ids=["in a page", "in the footer"])
def test_other_bytes_of_the_same_number_are_found_by_reading_them(
    lake: LakeInTheMaking, rows: dict[str, list[Row]], at: float
) -> None:
    path = _files(lake, "tables/movie")[0]
    _corrupt(path, at)
    assert check_tables(lake.storage) == []
    (problem,) = check_tables(lake.storage, deep=True)
    assert path.name in problem
    assert "`reelhouse build --full` makes it again" in problem
    if at > 0.5:
        lake.build(full=True)
        assert check_tables(lake.storage, deep=True) == []
        assert lake.everything() == rows


def test_rows_that_a_file_has_and_its_log_does_not_state_are_counted(lake: LakeInTheMaking) -> None:
    genres, crew = (_files(lake, f"tables/{name}")[0] for name in ("movie_genre", "movie"))
    version = lake.current.tables["movie_genre"].version
    commit = log.read_commit(lake.storage, "tables/movie_genre", version)
    actions = map(json.loads, lake.storage.get(log_key("tables/movie_genre", version)).splitlines())
    (stats,) = (json.loads(action["add"]["stats"]) for action in actions if "add" in action)
    shutil.copy(crew, genres)
    # Another table's rows under a log that was made to fit in size.
    lake.storage.delete(log_key("tables/movie_genre", version))
    file = log.DataFile(commit.files[0], genres.stat().st_size, stats)
    log.put_commit(
        lake.storage,
        "tables/movie_genre",
        [file],
        mode="overwrite",
        user=commit.user,
        schema=str(commit.schema),
        over=version - 1,
    )
    assert check_tables(lake.storage) == []
    (problem,) = check_tables(lake.storage, deep=True)
    assert genres.name in problem


def test_a_whole_lake_is_read_through_without_a_problem(lived: LakeInTheMaking) -> None:
    assert check_tables(lived.storage, deep=True) == []


def test_a_build_says_that_runs_are_lost_which_tables_reflect(lake: LakeInTheMaking) -> None:
    lake.storage.delete(plan_key("movie", 2))
    with pytest.raises(LakeError, match="the plan of movie run 2 is gone, though tables reflect run 2"):
        lake.build()


def test_files_are_looked_at_without_reading_them(lived: LakeInTheMaking, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    get = lived.storage.get

    def noting(key: str) -> bytes:
        read.append(key)
        return get(key)

    monkeypatch.setattr(lived.storage, "get", noting)
    assert log.sound(lived.storage, "tables/movie", lived.current.tables["movie"].version)
    assert [key for key in read if key.endswith(".parquet")] == []


def _altered(actions: list[Any]) -> Iterator[list[Any]]:
    """The actions of a commit with a part of one of them replaced, also within texts of JSON, and with one less."""
    for at, action in enumerate(actions):
        before, after = actions[:at], actions[at + 1 :]
        yield [*before, *after]
        yield [*before, action, action, *after]
        yield from ([*before, odd, *after] for odd in changed(action))
        [(name, fields)] = action.items()
        for field, value in fields.items():
            if isinstance(value, str) and value[:1] == "{":
                for odd in changed(json.loads(value)):
                    yield [*before, {name: {**fields, field: json.dumps(odd)}}, *after]


def test_a_type_that_the_log_alone_has_is_an_error_and_no_other_value(lake: LakeInTheMaking) -> None:
    pin = lake.current.tables["movie"]
    key = log_key("tables/movie", pin.version)
    instant, day = b'\\"fetched_at\\",\\"nullable\\":true,\\"type\\":\\"timestamp', b'\\"type\\":\\"date'
    body = lake.storage.get(key)
    assert instant in body
    lake.storage.put(key, body.replace(instant, instant.replace(b'\\"type\\":\\"timestamp', day)))
    with pytest.raises(LakeError, match=r"fetched_at has the type timestamp\[us, tz=UTC\], its log states date32"):
        read_delta(lake.storage, "tables/movie", pin.version, None, pin.rows).read_all()


@pytest.mark.parametrize("every", [60, pytest.param(1, marks=pytest.mark.long)])
def test_whatever_is_altered_in_a_log_gives_the_same_rows_or_an_error(lake: LakeInTheMaking, every: int) -> None:
    pin, opened = lake.current.tables["movie"], Lake(lake.storage, SAIL)
    key = log_key("tables/movie", pin.version)
    actions = [json.loads(line) for line in lake.storage.get(key).splitlines()]
    assert sum(1 for _ in _altered(actions)) > 1_100
    read: list[Callable[[], Any]] = [
        lambda: opened.table("movie").toArrow().sort_by("movie_id"),
        lambda: read_delta(lake.storage, "tables/movie", pin.version, None, pin.rows).read_all().sort_by("movie_id"),
    ]
    wanted = [rows() for rows in read]
    refused = 0
    for altered in islice(_altered(actions), 0, None, every):
        lake.storage.put(key, b"".join(json.dumps(action).encode() + b"\n" for action in altered))
        for rows, expected in zip(read, wanted, strict=True):
            try:
                assert rows().to_pylist() == expected.to_pylist(), altered
            except ReelhouseError:
                refused += 1
    assert refused


def test_a_build_makes_a_table_again_whose_log_lost_an_action(
    lake: LakeInTheMaking, rows: dict[str, list[Row]]
) -> None:
    key = log_key("tables/movie", lake.current.tables["movie"].version)
    for at in range(len(lake.storage.get(key).splitlines())):
        key = log_key("tables/movie", lake.current.tables["movie"].version)
        lines = lake.storage.get(key).splitlines(keepends=True)
        lake.storage.put(key, b"".join(lines[:at] + lines[at + 1 :]))
        if at:
            assert any("_delta_log" in problem for problem in check_tables(lake.storage))
        lake.build()
        assert lake.everything() == rows


@pytest.mark.parametrize(
    ("folder", "how"),
    [
        *(("tables/movie", how) for how in ("gone", "emptied", "cut", "a byte changed", "another commit")),
        ("marts/dim_movie", "gone"),
        *(
            pytest.param("marts/dim_movie", how, marks=pytest.mark.long)
            for how in ("emptied", "cut", "a byte changed", "another commit")
        ),
    ],
)
def test_a_commit_before_the_published_one_is_missed_too_since_other_programs_need_it(
    lake: LakeInTheMaking, rows: dict[str, list[Row]], folder: str, how: str
) -> None:
    version = lake.current.tables[folder.rpartition("/")[2]].version
    key = log_key(folder, version - 1)
    body = lake.storage.get(key)
    changed = {
        "emptied": b"",
        "cut": body[:-20],
        "a byte changed": body.replace(b'"add"', b'"adx"', 1),
        "another commit": lake.storage.get(log_key(folder, version)),
    }
    if how == "gone":
        lake.storage.delete(key)
    else:
        lake.storage.put(key, changed[how])
    (problem,) = check_tables(lake.storage)
    assert problem.startswith(key)
    assert "reelhouse build" in problem
    lake.build(full="--full" in problem)
    assert check_tables(lake.storage) == []
    assert lake.everything() == rows
