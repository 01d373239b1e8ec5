"""Given bodies are served whole: every value is kept, and what a body lacks is empty in its right shape."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from reelhouse.emulator import Emulator, EmulatorError
from reelhouse.emulator.catalog.kinds import KINDS
from tests.emulator.asking import DEFAULT_APPENDS, export_ids, export_rows, get

Body = dict[str, Any]


def movie(number: int, **more: Any) -> Body:
    return {
        "id": number, "title": f"Film {number}", "original_title": f"Kino {number}", "popularity": number / 10,
        "release_date": "2001-02-03", "vote_count": number, "overview": "Zwei Wörter\n\t✓", "genres": [{"id": 18}],
        "adult": False, "video": False, "runtime": 90, "tagline": "", "imdb_id": f"tt{number:07d}", **more,
    }  # fmt: skip


def folder_of(tmp_path: Path, bodies: list[Body]) -> Path:
    lines = b"".join(json.dumps(body, ensure_ascii=False).encode() + b"\n" for body in bodies)
    (tmp_path / "movie.jsonl.gz").write_bytes(gzip.compress(lines))
    return tmp_path


def test_a_body_is_served_with_the_asked_blocks_and_no_others(tmp_path: Path) -> None:
    keywords = {"keywords": [{"id": 5, "name": "sea"}]}
    given = [movie(7, keywords=keywords, revenue=2**40, odd={"a": [1.5, None]}), movie(3)]
    with Emulator(payloads=folder_of(tmp_path, given)) as tmdb:
        assert get(tmdb, "movie/7").json() == {key: value for key, value in given[0].items() if key != "keywords"}
        assert get(tmdb, "movie/7?append_to_response=keywords").json() == given[0]
        assert get(tmdb, "movie/7/keywords").json() == {"id": 7, **keywords}
        asked = get(tmdb, f"movie/3?append_to_response={','.join(KINDS['movie'].appends)}").json()
        assert {name: asked[name] for name in KINDS["movie"].appends} == KINDS["movie"].blocks
        assert get(tmdb, "movie/4").json()["status_code"] == 34
        assert get(tmdb, "movie/tt0000003").json()["id"] == 3


def test_lists_and_exports_come_from_the_bodies(tmp_path: Path) -> None:
    given = [movie(9), movie(30), movie(12, adult=True)]
    with Emulator(payloads=folder_of(tmp_path, given)) as tmdb:
        assert export_ids(tmdb) == [9, 30, 12]
        assert export_rows(tmdb)[1] == {
            "adult": False, "id": 30, "original_title": "Kino 30", "popularity": 3.0, "video": False,
        }  # fmt: skip
        assert [row["id"] for row in get(tmdb, "movie/popular").json()["results"]] == [30, 12, 9]
        assert get(tmdb, "movie/latest").json()["id"] == 30
        found = get(tmdb, "discover/movie?vote_count.gte=10&with_genres=18&year=2001").json()
        assert [(row["id"], row["genre_ids"]) for row in found["results"]] == [(30, [18])]


def test_edits_and_deletions_work_and_additions_are_refused(tmp_path: Path) -> None:
    with Emulator(payloads=folder_of(tmp_path, [movie(1), movie(2), movie(3)])) as tmdb:
        tmdb.edit([1])
        assert get(tmdb, "movie/1").json() == movie(1) | {
            "overview": movie(1)["overview"] + " (Edition 2.)", "tagline": "Edition 2.", "runtime": 91,
            "vote_count": 14,
        }  # fmt: skip
        tmdb.delete([2])
        tmdb.next_day()
        assert export_ids(tmdb) == [1, 3]
        with pytest.raises(EmulatorError, match="cannot be added"):
            tmdb.add(count=1)


def test_a_plain_file_works_and_the_later_of_two_lines_counts(tmp_path: Path) -> None:
    lines = [movie(1, title="old"), movie(2), movie(1, title="new")]
    (tmp_path / "movie.jsonl").write_text("\n".join(json.dumps(body) for body in lines))
    with Emulator(payloads=tmp_path) as tmdb:
        assert get(tmdb, "movie/1").json()["title"] == "new"
        assert export_ids(tmdb) == [1, 2]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "no movie.jsonl or movie.jsonl.gz in"), (b"", "no movies in"), (b"{]\n", "line 1 .* not JSON"),
     (b'{"id": 1}\n{"id": "2"}\n', "line 2 .* not a movie")],
)  # fmt: skip
def test_a_folder_without_movies_is_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    if content is not None:
        (tmp_path / "movie.jsonl").write_bytes(content)
    with pytest.raises(EmulatorError, match=complaint), Emulator(payloads=tmp_path):
        pass


@pytest.mark.parametrize(
    "odd",
    [{"vote_count": "1e3"}, {"popularity": "abc"}, {"vote_average": [7]}, {"genres": [1]}, {"credits": "x"},
     {"production_companies": 5}, {"belongs_to_collection": "x"}],
    ids=str,
)  # fmt: skip
def test_a_value_of_a_wrong_kind_is_refused_by_its_line(tmp_path: Path, odd: dict[str, Any]) -> None:
    lines = [json.dumps(movie(1)), json.dumps({**movie(2), **odd})]
    (tmp_path / "movie.jsonl").write_text("\n".join(lines))
    with pytest.raises(EmulatorError, match=r"^line 2 of the movies .* of a wrong kind"), Emulator(payloads=tmp_path):
        pass


def test_half_a_gzip_file_is_refused(tmp_path: Path) -> None:
    whole = folder_of(tmp_path, [movie(number) for number in range(1, 200)]) / "movie.jsonl.gz"
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(EmulatorError, match="not a whole gzip file"), Emulator(payloads=tmp_path):
        pass


def test_every_value_of_tmdbs_own_bodies_is_kept(tmdb_data: Path) -> None:
    with gzip.open(tmdb_data / "payloads" / "movie.jsonl.gz") as lines:
        given = {body["id"]: body for body in map(json.loads, lines)}
    with Emulator(payloads=tmdb_data / "payloads") as tmdb:
        assert set(export_ids(tmdb)) == set(given)
        for number in list(given)[::40]:
            served = get(tmdb, f"movie/{number}?append_to_response={DEFAULT_APPENDS}").json()
            assert {key: served[key] for key in given[number]} == given[number]
            assert {key: block for key, block in served.items() if key not in given[number]} == {
                name: KINDS["movie"].blocks[name] for name in DEFAULT_APPENDS.split(",") if name not in given[number]
            }


def season(number: int, **more: Any) -> Body:
    person = {"id": 77, "name": "Ada", "adult": False, "popularity": 2.5}
    guests = [{**person, "character": "Self", "order": 1}, {"person_id": "6203", "character": "", "order": 2}]
    episode = {
        "id": 900 + number, "episode_number": 2**40, "season_number": number, "air_date": f"200{number}-05-06",
        "overview": "", "vote_count": 3, "runtime": None, "crew": [], "guest_stars": guests,
    }  # fmt: skip
    return {
        "_id": "5f", "id": 500 + number, "season_number": number, "name": f"S{number}", "overview": "",
        "episodes": [episode],
        "air_date": f"200{number}-05-06", "poster_path": None, "vote_average": 8.1,
        "networks": [{"id": 6, "name": "Six", "logo_path": None, "origin_country": "US"}], **more,
    }  # fmt: skip


def test_seasons_are_served_whole_as_parts_of_their_series(tmp_path: Path) -> None:
    lines = [{"series_id": 12, "season": season(number)} for number in (2, 0, 1)]
    (tmp_path / "season.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with Emulator(payloads=folder_of(tmp_path, [movie(12)])) as tmdb:
        assert export_ids(tmdb, name="tv_series_ids") == [12]
        for number in (0, 1, 2):
            assert get(tmdb, f"tv/12/season/{number}").json() == season(number)
        body = get(tmdb, "tv/12?append_to_response=season/1,season/7,credits").json()
        assert body["season/1"] == {key: value for key, value in season(1).items() if key != "id"}
        assert "season/7" not in body
        assert body["credits"] == {"cast": [], "crew": []}
        assert [row["season_number"] for row in body["seasons"]] == [0, 1, 2]
        assert (body["number_of_seasons"], body["number_of_episodes"]) == (2, 2)
        assert (body["first_air_date"], body["last_air_date"]) == ("2001-05-06", "2002-05-06")
        assert get(tmdb, f"tv/12/season/1/episode/{2**40}").json()["id"] == 901
        (found,) = get(tmdb, "discover/tv?first_air_date.gte=2001-05-06").json()["results"]
        assert found["id"] == 12
        assert get(tmdb, "movie/12").json()["title"] == "Film 12"


def test_what_given_bodies_mention_exists(tmp_path: Path) -> None:
    (tmp_path / "season.jsonl").write_text(json.dumps({"series_id": 12, "season": season(1)}))
    given = movie(
        7, keywords={"keywords": [{"id": 5, "name": "sea"}]}, belongs_to_collection={"id": 8, "name": "Seas"},
        production_companies=[{"id": 9, "name": "Nine", "logo_path": None, "origin_country": ""}],
        credits={"cast": [{"id": 77, "name": "Ada"}, {"id": 78, "name": "Bob"}], "crew": []},
    )  # fmt: skip
    with Emulator(payloads=folder_of(tmp_path, [given])) as tmdb:
        for path, name in (("keyword/5", "sea"), ("collection/8", "Seas"), ("company/9", "Nine"), ("person/77", "Ada"),
                           ("person/78", "Bob"), ("network/6", "Six")):  # fmt: skip
            assert get(tmdb, path).json()["name"] == name
        assert [row["id"] for row in get(tmdb, "collection/8").json()["parts"]] == [7]
        assert export_ids(tmdb, name="person_ids") == [77, 78]
        assert get(tmdb, "person/78?append_to_response=combined_credits").json()["combined_credits"]["cast"] == []
        assert get(tmdb, "person/6203").json()["status_code"] == 34


@pytest.mark.parametrize("line", ["{]", '{"id": 1}', '{"series_id": 1, "season": {}}'])
def test_a_season_without_its_series_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "season.jsonl").write_text(line)
    with (
        pytest.raises(EmulatorError, match="line 1 of the seasons in"),
        Emulator(payloads=folder_of(tmp_path, [movie(1)])),
    ):
        pass


def test_every_value_of_tmdbs_own_seasons_is_kept(tmdb_data: Path) -> None:
    with gzip.open(tmdb_data / "payloads" / "season.jsonl.gz") as lines:
        given = [(row["series_id"], row["season"]) for row in map(json.loads, lines)]
    with Emulator(payloads=tmdb_data / "payloads") as tmdb:
        assert set(export_ids(tmdb, name="tv_series_ids")) == {series for series, _ in given}
        for series, body in given[::20]:
            assert get(tmdb, f"tv/{series}/season/{body['season_number']}").json() == body
        people = set(export_ids(tmdb, name="person_ids")) | set(export_ids(tmdb, name="adult_person_ids"))
        named = [row for _, body in given for episode in body["episodes"] for row in episode["guest_stars"]]
        assert {row["id"] for row in named if "id" in row} <= people
