"""Files that others wrote: what the course asks of them, and what goes wrong in practice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reelhouse.course.checker import Checked, check_course
from reelhouse.course.layout import MOST_BYTES
from reelhouse.course.structure import Structures
from reelhouse.errors import StorageError
from reelhouse.storage.memory import MemoryStorage
from tests.lakes import tmdb_data

DAY = "Raw/TMDB/JSON/2026/11/23"


def _movie(id_: int, **more: Any) -> dict[str, Any]:
    return {"id": id_, "title": f"Movie {id_}", "runtime": 90, "imdb_id": f"tt{id_:07d}", **more}


def _check(files: dict[str, Any], keys: list[str] | None = None) -> Checked:
    storage = MemoryStorage()
    for name, body in files.items():
        storage.put(name, body if isinstance(body, bytes) else json.dumps(body).encode())
    return check_course(storage, keys)


def _problems(files: dict[str, Any]) -> list[str]:
    found = _check(files)
    assert found.valid is not bool(found.problems)
    return found.problems


def test_arrays_of_movies_are_right() -> None:
    found = _check({f"{DAY}/a.json": [_movie(1), _movie(2, credits={})], f"{DAY}/b.json": [_movie(3)]})
    assert found.valid
    assert (found.files, found.records, found.structures, found.other_files) == (2, 3, {"movie": 3}, 0)
    assert found.bytes > 100


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "is not valid JSON"),
        (b'[{"id": 1}', "is not valid JSON"),
        (b'[{"id": NaN}]', "is not valid JSON"),
        (b"[{'id': 1}]", "is not valid JSON"),
        (b'[{"id": 1, "title": "\xff"}]', "is not UTF-8"),
        (b'\xef\xbb\xbf[{"id": 1}]', "starts with a byte order mark"),
        (b"[" * 99_999, "is not valid JSON"),
        (b"[]", "holds no record"),
        (b"3", "is not valid JSON"),
        (b'{"id": 1}', "holds one object, not an array of records"),
        (b'{"id": 1}\n{"id": 2}\n', "holds JSON lines, not an array of records"),
        (b'[{"id": 1}, null]', "record 1 is not an object but null"),
        (b'[[{"id": 1}]]', 'record 0 is not an object but [{"id": 1}]'),
        ([_movie(id_) for id_ in range(101)], "holds 101 records, more than 100"),
        (
            [_movie(1), _movie(2, overview="x" * MOST_BYTES)],
            "holds 10,000,1",
        ),
        (
            [{"success": False, "status_code": 34, "status_message": "The resource could not be found."}],
            "record 0 is an error that TMDB answered, not a record: \"The resource could not be found.\"",
        ),
        ([_movie(1), {"id": 28, "name": "Action"}], "mixes structures: 1 movie, 1 id and name"),
        ([_movie(1), _movie(2), _movie(1)], f"id 1 (movie) is twice in {DAY}/a.json"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_named(body: Any, problem: str) -> None:
    problems = _problems({f"{DAY}/a.json": body})
    assert any(problem in each and f"{DAY}/a.json" in each for each in problems), problems


def test_a_hundred_records_and_ten_megabytes_are_right_and_one_large_record_alone_too() -> None:
    padding = MOST_BYTES - len(json.dumps([_movie(900), _movie(901, overview="")]))
    files = {
        f"{DAY}/a.json": [_movie(id_) for id_ in range(1, 101)],
        f"{DAY}/b.json": [_movie(900), _movie(901, overview="x" * padding)],
        f"{DAY}/c.json": [_movie(902, overview="x" * MOST_BYTES)],
    }
    found = _check(files)
    assert (found.problems, found.records) == ([], 103)


def test_records_are_counted_also_where_the_file_is_wrong() -> None:
    files = {f"{DAY}/a.json": b'{"id": 1, "title": "x"}\n{"id": 2, "title": "y"}\n', f"{DAY}/b.json": _movie(3)}
    assert _check(files, ["1", "2", "3"]).missing == []


def test_an_id_in_two_files_of_a_day_is_twice_and_on_another_day_it_is_newer() -> None:
    files = {f"{DAY}/a.json": [_movie(1)], f"{DAY}/b.json": [_movie(1)], "Raw/TMDB/JSON/2026/11/24/a.json": [_movie(1)]}
    found = _check(files)
    assert found.problems == [f"id 1 (movie) is in {DAY}/a.json and again in {DAY}/b.json"]
    assert (found.duplicates, found.repeats) == (["1"], 1)


@pytest.mark.parametrize("folders", [("ano=2026/mes=11/dia=23", "ano=2026/mes=11/dia=24"), ("2026/1/2", "2026/1/3")])
def test_days_are_recognized_by_folders_as_people_write_them(folders: tuple[str, str]) -> None:
    assert _check({f"{folder}/a.json": [_movie(1)] for folder in folders}).repeats == 1


@pytest.mark.parametrize("folders", [("batch_1", "batch_2"), ("drama", "comedy")])
def test_other_folders_tell_no_days(folders: tuple[str, str]) -> None:
    assert _check({f"{folder}/a.json": [_movie(1)] for folder in folders}).duplicates == ["1"]


def test_a_movie_and_a_series_of_one_id_are_two_things() -> None:
    series = {"id": 1, "name": "One", "number_of_seasons": 1}
    assert _check({f"{DAY}/a.json": [_movie(1)], f"{DAY}/b.json": [series]}).valid


def test_ids_of_a_list_are_found_by_the_ids_of_every_service() -> None:
    series = {"id": 7, "name": "S", "first_air_date": "", "external_ids": {"imdb_id": "tt0000042", "tvdb_id": 43}}
    person = {"id": 8, "name": "P", "birthday": None}
    files = {f"{DAY}/a.json": [_movie(1), _movie(2), series], f"{DAY}/b.json": [_movie(2), person]}
    found = _check(files, ["1", "tt0000002", "tt0000042", "tvdb:43", "8", "tt0000009", "10", "tvdb:7"])
    assert found.missing == ["8", "tt0000009", "10", "tvdb:7"]
    assert found.duplicates == ["tt0000002"]
    assert not found.valid
    assert _check(files, ["7"]).unlisted == 3


def test_a_lake_is_looked_at_only_where_the_course_has_its_files() -> None:
    files = {
        f"{DAY}/a.json": [_movie(1)],
        "_reelhouse/runs/movie/000001/plan.json": {"run": 1},
        "Raw/Local/CSV/Movies/m.csv": b"id",
    }
    found = _check(files)
    assert (found.files, found.problems) == (1, [])
    found = _check({"a.JSON": [_movie(1)], "b.csv": b"id"})
    assert (found.files, found.other_files, found.problems) == (1, 1, [])


def test_nothing_there_is_not_right() -> None:
    assert _problems({"a.csv": b"id"}) == ["there is no .json file"]


class Strange(MemoryStorage):
    """Lists more than it can give."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names

    def keys(self, prefix: str) -> Any:
        return iter([name for name in self._names if name.startswith(prefix)])


def test_a_file_that_cannot_be_read_is_a_problem_and_a_place_that_fails_is_an_error() -> None:
    found = check_course(Strange("ação.json", "gone.json"))
    assert [problem.split(" ")[0] for problem in found.problems] == ["ação.json", "gone.json"]

    class Failing(Strange):
        def get(self, key: str) -> bytes:
            raise StorageError("the bucket is gone")

    with pytest.raises(StorageError, match="the bucket is gone"):
        check_course(Failing("a.json"))


def test_a_file_that_would_not_fit_into_memory_is_not_read() -> None:
    class Huge(Strange):
        def size(self, key: str) -> int | None:
            return 2_000_000_000

    (problem,) = check_course(Huge("a.json")).problems
    assert "holds 2,000,000,000 bytes" in problem


def test_what_is_no_kind_of_tmdbs_is_recognized_by_shared_keys() -> None:
    names = Structures()
    trimmed = {"Título": 1, "Ano": 1, "Nota": 1, "id": 1}
    first, _ = names.name(trimmed.keys())
    assert names.name({**trimmed, "Gênero": 1}.keys())[0] == first
    assert names.name({"id": 1, "rating": 1, "votes": 1}.keys())[0] != first
    assert names.name({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}.keys())[0] == "{a, b, c, d, …}"
    assert names.name({"a": 1, "b": 1, "c": 1, "d": 1, **dict.fromkeys("uvwxyz")}.keys())[0] == "{a, b, c, d, …} 4"


def test_recorded_bodies_fall_into_their_kinds() -> None:
    kinds = {"movie": "movie", "tv": "series", "person": "person", "season": "season"}
    for folder, kind in kinds.items():
        found = set()
        for path in tmdb_data("recorded", folder).glob("*.json"):
            body = json.loads(path.read_bytes())
            found.add(Structures().name(body.keys())[0])
        assert kind in found
        assert not (found & {*kinds.values()}) - {kind}
