"""One record: found by id or name, with all its rows, its answer and its history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reelhouse.errors import ConfigError, LakeError
from reelhouse.marts import REGISTRY
from reelhouse.retention.erasure import purge
from reelhouse.retention.selection import PurgeSelection
from reelhouse.serve import records
from reelhouse.serve.lake import Lake
from reelhouse.serve.records import RecordChoice
from reelhouse.storage.folder import FolderStorage
from tests.warehouse.landing import SAIL, LakeInTheMaking, a_movie, gone

MOVIE = REGISTRY.entities["movie"]


def lake_of(made: LakeInTheMaking) -> Lake:
    return Lake(made.storage, SAIL)


@pytest.mark.parametrize("text", ["2", "tt0000002", "TT2", "movie 2", "Movie 2"])
def test_a_record_is_found_by_id_and_by_name(three_movies: LakeInTheMaking, text: str) -> None:
    assert [one.id for one in records.find(lake_of(three_movies), MOVIE, text)] == [2]


def test_a_name_of_several_gives_a_choice_the_most_popular_first(three_movies: LakeInTheMaking) -> None:
    found = records.find(lake_of(three_movies), MOVIE, "movie")
    assert found == [RecordChoice(id_, (f"Movie {id_}",)) for id_ in (3, 2, 1)]


@pytest.mark.parametrize("text", ["%", "it's", "\\", "'; select 1", "tt9999999"])
def test_a_name_of_none_finds_none(three_movies: LakeInTheMaking, text: str) -> None:
    assert records.find(lake_of(three_movies), MOVIE, text) == []


def test_a_title_that_looks_like_an_id_is_found(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path)
    made.land(a_movie(1, title="tt0133093"), a_movie(2, imdb_id="tt0000002"))
    made.build()
    assert [one.id for one in records.find(lake_of(made), MOVIE, "tt0133093")] == [1]
    assert [one.id for one in records.find(lake_of(made), MOVIE, "tt0000002")] == [2]


def test_a_record_has_its_rows_and_the_answer_that_they_come_from(three_movies: LakeInTheMaking) -> None:
    found = records.read(three_movies.storage, lake_of(three_movies), MOVIE, 3)
    assert next(iter(found.rows)) == "movie"
    assert found.rows["movie"].column("runtime").to_pylist() == [93]
    assert found.rows["movie_crew"].column("credit_id").to_pylist() == ["c3"]
    assert found.source is not None
    assert (found.source["run"], found.source["line"]) == (1, 2)
    assert json.loads(records.raw(three_movies.storage, found.source))["title"] == "Movie 3"


def test_what_is_unknown_is_refused_with_what_there_is(three_movies: LakeInTheMaking) -> None:
    with pytest.raises(LakeError, match="movie 4 was never requested"):
        records.read(three_movies.storage, lake_of(three_movies), MOVIE, 4)
    with pytest.raises(ConfigError, match=r"no entity 'moovie'.*did you mean 'movie'"):
        records.entity_of("moovie", REGISTRY)
    with pytest.raises(ConfigError, match="one list without ids"):
        records.find(lake_of(three_movies), REGISTRY.entities["language"], "en")


def test_a_record_that_was_not_built_says_why(tmp_path: Path) -> None:
    made = LakeInTheMaking(tmp_path)
    made.land(a_movie(1), a_movie(2))
    made.build()
    made.land(a_movie(3))
    with pytest.raises(LakeError, match=r"movie 3 is in run 2 \(landed\), which is not built yet: .*reelhouse build"):
        records.read(made.storage, lake_of(made), MOVIE, 3)
    purge(made.storage, PurgeSelection("1 id", keys=frozenset({"2"})), datetime.now(UTC))
    made.build()
    with pytest.raises(LakeError, match="movie 2 was purged, and not requested since"):
        records.read(made.storage, lake_of(made), MOVIE, 2)
    assert records.read(made.storage, lake_of(made), MOVIE, 3).rows["movie"].num_rows == 1


@pytest.mark.long
def test_a_series_is_found_by_its_ids_at_other_services(everything: Path) -> None:
    lake, entity = Lake(FolderStorage(everything), SAIL), REGISTRY.entities["tv"]
    rows = lake.arrow("select tv_id, source, external_id from tv_external_id").to_pylist()
    named = {(row["source"], row["external_id"]): row["tv_id"] for row in rows}
    tvdb, id_ = next((key[1], id_) for key, id_ in named.items() if key[0] == "tvdb_id")
    imdb = next(key[1] for key, other in named.items() if key[0] == "imdb_id" and other == id_)
    for text in (f"tvdb:{tvdb}", imdb):
        assert [one.id for one in records.find(lake, entity, text)] == [id_]
    assert records.find(lake, entity, "tvdb:999999999") == []
    with pytest.raises(ConfigError, match="show: movie has no tvdb_id"):
        records.find(lake, MOVIE, f"tvdb:{tvdb}")


@pytest.mark.long
def test_the_history_names_every_state(three_movies: LakeInTheMaking) -> None:
    made = LakeInTheMaking(three_movies.root.parent / "history")
    made.land(a_movie(1), a_movie(2))
    made.land(a_movie(1, title="Later"))
    made.land(gone(1))
    made.build()
    found = records.read(made.storage, lake_of(made), MOVIE, 1)
    assert [(one["run"], one["state"]) for one in found.history] == [(1, "landed"), (2, "landed"), (3, "gone")]
    assert found.source is not None
    assert found.source["run"] == 2
    assert found.rows["movie"].num_rows == 0
