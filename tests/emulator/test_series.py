"""Series, their seasons and episodes, with everything TMDB does to a client that collects them."""

from collections.abc import Iterator
from typing import Any

import pytest

from reelhouse.emulator import Emulator
from reelhouse.emulator.catalog.kinds import KINDS
from reelhouse.emulator.catalog.seasons import LARGE_NUMBER, LONG_SEASON
from tests.emulator.asking import export_ids, get

Body = dict[str, Any]
SEASONS = ",".join(f"season/{number}" for number in range(20))


@pytest.fixture(scope="module")
def series() -> Iterator[Emulator]:
    """Sixty series that no test changes."""
    with Emulator(movies=300, series=60, seed=7) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def bodies(series: Emulator) -> list[Body]:
    """Every series with its seasons, most popular first."""
    ids = [row["id"] for page in (1, 2, 3) for row in get(series, f"tv/popular?page={page}").json()["results"]]
    return [get(series, f"tv/{number}?append_to_response={SEASONS}").json() for number in ids]


def appended(body: Body) -> dict[int, Body]:
    return {int(key.partition("/")[2]): value for key, value in body.items() if key.startswith("season/")}


def test_the_catalogue_has_series_of_every_length(bodies: list[Body]) -> None:
    counts = {body["number_of_seasons"] for body in bodies}
    assert counts >= {0, 1, 2, 5, 21, 25}
    assert any(len(season["episodes"]) == LONG_SEASON for body in bodies for season in appended(body).values())
    assert any(season["season_number"] > 1900 for body in bodies for season in body["seasons"])


def test_the_numbers_leave_season_0_out_though_the_list_has_it(bodies: list[Body]) -> None:
    assert any(body["seasons"][0]["season_number"] == 0 for body in bodies if body["seasons"])
    for body in bodies:
        regular = [season for season in body["seasons"] if season["season_number"]]
        assert body["number_of_seasons"] == len(regular)
        assert body["number_of_episodes"] == sum(season["episode_count"] for season in regular)


def test_an_appended_season_is_the_one_asked_alone_without_its_id(series: Emulator, bodies: list[Body]) -> None:
    for body in bodies[:12]:
        listed = {season["season_number"]: season for season in body["seasons"]}
        for number, season in appended(body).items():
            alone = get(series, f"tv/{body['id']}/season/{number}").json()
            assert alone["id"] == listed[number]["id"]
            del alone["id"]
            assert season == alone
            assert "_id" in season
            assert listed[number]["episode_count"] == len(season["episodes"])


def test_a_season_that_does_not_exist_is_left_out_and_asked_alone_is_404(series: Emulator, bodies: list[Body]) -> None:
    for body in bodies[:12]:
        existing = {season["season_number"] for season in body["seasons"]}
        assert set(appended(body)) == existing & set(range(20))
        missing = next(number for number in range(50) if number not in existing)
        reply = get(series, f"tv/{body['id']}/season/{missing}")
        assert (reply.status, reply.json()["status_code"]) == (404, 34)


def test_twenty_appends_are_answered_and_twenty_one_are_refused(series: Emulator, bodies: list[Body]) -> None:
    number = bodies[0]["id"]
    assert len(appended(get(series, f"tv/{number}?append_to_response={SEASONS}").json())) == 20
    reply = get(series, f"tv/{number}?append_to_response={SEASONS},credits")
    assert (reply.status, reply.json()["status_code"]) == (400, 27)
    more = get(series, f"tv/{number}?append_to_response=season/20,season/25,season/26,credits").json()
    assert list(appended(more)) == [20, 25]
    assert "credits" in more


def test_ids_of_seasons_and_episodes_are_nobody_elses(bodies: list[Body]) -> None:
    seasons = [season["id"] for body in bodies for season in body["seasons"]]
    episodes = [row["id"] for body in bodies for season in appended(body).values() for row in season["episodes"]]
    assert len(set(seasons)) == len(seasons)
    assert len(set(episodes)) == len(episodes)


def test_an_episode_is_that_of_its_season_without_the_series(series: Emulator, bodies: list[Body]) -> None:
    body = bodies[1]
    last = body["season/5"]["episodes"][-1]
    assert last["episode_number"] == LARGE_NUMBER
    path = f"tv/{body['id']}/season/5/episode/{LARGE_NUMBER}"
    assert get(series, path).json() == {key: value for key, value in last.items() if key != "show_id"}
    block = get(series, f"{path}/credits").json()
    assert (block["id"], block["guest_stars"]) == (last["id"], last["guest_stars"])
    assert set(get(series, f"{path}?append_to_response=images,external_ids").json()) > {"images", "external_ids"}
    assert get(series, f"tv/{body['id']}/season/5/episode/99").json()["status_code"] == 34


def test_some_credits_lack_their_person(bodies: list[Body]) -> None:
    guests = [row for body in bodies for season in appended(body).values() for row in _guests(season)]
    gone = [row for row in guests if "id" not in row]
    assert gone
    assert all("name" not in row and len(row["person_id"]) == 24 for row in gone)
    assert any(row["character"] == "" for row in guests)


def _guests(season: Body) -> list[Body]:
    return [row for episode in season["episodes"] for row in episode["guest_stars"]]


def test_unknown_values_of_episodes_are_null_or_empty_and_never_missing(bodies: list[Body]) -> None:
    episodes = [row for body in bodies for season in appended(body).values() for row in season["episodes"]]
    assert len({tuple(sorted(row)) for row in episodes}) == 1
    for key, unknown in (("air_date", None), ("runtime", None), ("still_path", None), ("overview", ""),
                         ("production_code", "")):  # fmt: skip
        values = {row[key] == unknown for row in episodes}
        assert values == {True, False}, key
    assert {row["episode_type"] for row in episodes} == {"standard", "finale", "mid_season"}


def test_an_episode_may_name_another_season_than_its_own(bodies: list[Body]) -> None:
    placed = [
        (number, row["season_number"])
        for body in bodies
        for number, season in appended(body).items()
        for row in season["episodes"]
    ]
    assert {named - number for number, named in placed} == {0, 1}


def test_the_blocks_differ_from_a_movies_where_tmdbs_do(series: Emulator, bodies: list[Body]) -> None:
    number = bodies[0]["id"]
    asked = get(series, f"tv/{number}?append_to_response={','.join(KINDS['tv'].appends)}").json()
    assert set(KINDS["tv"].appends) <= set(asked)
    assert all("results" in asked[name] for name in ("keywords", "alternative_titles", "content_ratings"))
    assert "imdb_id" not in bodies[0]
    assert all("cast_id" not in row for row in asked["credits"]["cast"])
    first = asked["aggregate_credits"]["cast"][0]
    assert first["roles"][0]["episode_count"] == first["total_episode_count"] == bodies[0]["number_of_episodes"]


def test_another_language_has_no_text_of_its_own_for_seasons(series: Emulator, bodies: list[Body]) -> None:
    number = bodies[0]["id"]
    body = get(series, f"tv/{number}?language=pl&append_to_response=season/1").json()
    assert {row["overview"] for row in body["season/1"]["episodes"]} == {""}
    assert body["original_name"] == bodies[0]["original_name"]


def test_an_edit_shows_in_the_series_one_of_its_seasons_and_the_feed() -> None:
    with Emulator(movies=50, series=10, seed=3) as tmdb:
        number = get(tmdb, "tv/popular").json()["results"][1]["id"]
        path = f"tv/{number}?append_to_response={SEASONS}"
        for _ in range(7):
            before = get(tmdb, path).json()
            assert tmdb.edit([number], kind="tv") == [number]
            after = get(tmdb, path).json()
            changed = {key for key in before if before[key] != after[key]}
            seasons = [key for key in changed if key.startswith("season/")]
            assert len(seasons) == 1
            assert "overview" in changed
            items = {row["key"]: row["items"] for row in get(tmdb, f"tv/{number}/changes").json()["changes"]}
            assert items["season"][-1]["value"]["season_number"] == int(seasons[0].partition("/")[2])
        assert [row["id"] for row in get(tmdb, "tv/changes?page=1").json()["results"]] == [number]
        assert get(tmdb, "movie/changes?page=1").json()["results"] == []


def test_a_series_vanishes_and_returns_and_new_ones_come() -> None:
    with Emulator(movies=50, series=10, seed=3) as tmdb:
        (gone,) = tmdb.delete(count=1, kind="tv")
        assert [get(tmdb, f"tv/{gone}{rest}").json()["status_code"] for rest in ("", "/season/1", "/keywords")] == [
            34
        ] * 3
        tmdb.next_day()
        assert gone not in export_ids(tmdb, name="tv_series_ids")
        tmdb.restore([gone], kind="tv")
        (new,) = tmdb.add(count=1, kind="tv", announce=True)
        assert get(tmdb, "tv/latest").json()["id"] == new
        tmdb.next_day()
        assert {gone, new} <= set(export_ids(tmdb, name="tv_series_ids"))
        assert len(export_ids(tmdb)) == 50


def test_the_feed_of_series_has_pages_and_rows_without_an_id() -> None:
    with Emulator(movies=50, series=150, seed=3) as tmdb:
        edited = tmdb.edit(count=120, kind="tv")
        pages = [get(tmdb, f"tv/changes?page={page}").json() for page in (1, 2)]
        rows = [row for page in pages for row in page["results"]]
        assert pages[0]["total_results"] == len(rows) == 124
        assert sorted(row["id"] for row in rows if row["id"] is not None) == sorted(edited)
        assert {None} == {row["adult"] for row in rows if row["id"] is None}
        assert get(tmdb, "tv/changes?start_date=2026-01-01&end_date=2026-01-16").json()["status_code"] == 20


def test_discover_keeps_to_windows_of_the_first_air_date(series: Emulator) -> None:
    def found(query: str) -> dict[int, str]:
        pages = [get(series, f"discover/tv?include_adult=true&page={page}&{query}").json() for page in (1, 2, 3)]
        return {row["id"]: row["first_air_date"] for page in pages for row in page["results"]}

    everything = found("")
    assert len(everything) == 60
    recent = found("first_air_date.gte=2010-01-01&first_air_date.lte=2020-12-31")
    assert recent == {number: day for number, day in everything.items() if day and "2010" <= day < "2021"}
    undated = found("first_air_date.gte=2010-01-01&first_air_date.lte=2020-12-31&include_null_first_air_dates=true")
    assert set(undated) - set(recent) == {number for number, day in everything.items() if not day}
    assert get(series, "discover/tv?page=501").json()["status_code"] == 22


@pytest.mark.parametrize(("name", "key"), [("with_networks", "networks"), ("with_companies", "production_companies")])
def test_discover_filters_series_by_what_they_mention(
    series: Emulator, bodies: list[Body], name: str, key: str
) -> None:
    number = next(row["id"] for body in bodies for row in body[key])
    expected = {body["id"] for body in bodies if number in [row["id"] for row in body[key]]}
    rows = get(series, f"discover/tv?include_adult=true&{name}={number}").json()["results"]
    assert {row["id"] for row in rows} == expected


def test_discover_filters_series_by_status_and_type(series: Emulator, bodies: list[Body]) -> None:
    ended = get(series, "discover/tv?include_adult=true&with_status=3").json()["total_results"]
    assert ended == sum(body["status"] == "Ended" for body in bodies) > 0
    scripted = get(series, "discover/tv?include_adult=true&with_type=4").json()["total_results"]
    assert scripted == sum(body["type"] == "Scripted" for body in bodies) > 0


def test_an_external_id_can_be_of_several_kinds(series: Emulator, bodies: list[Body]) -> None:
    ids = [get(series, f"tv/{body['id']}/external_ids").json() for body in bodies]
    found = [get(series, f"find/{row['imdb_id']}?external_source=imdb_id").json() for row in ids if row["imdb_id"]]
    assert all(len(answer["tv_results"]) == 1 for answer in found)
    assert any(answer["movie_results"] for answer in found)
    known = next(row for row in ids if row["tvdb_id"])
    (row,) = get(series, f"find/{known['tvdb_id']}?external_source=tvdb_id").json()["tv_results"]
    assert (row["id"], row["media_type"]) == (known["id"], "tv")
    season = next(season for body in bodies for season in body["seasons"] if season["episode_count"])
    (row,) = get(series, f"find/{season['id']}?external_source=tvdb_id").json()["tv_season_results"]
    assert (row["id"], row["episode_count"]) == (season["id"], season["episode_count"])


def test_an_episode_is_found_by_its_imdb_id(series: Emulator, bodies: list[Body]) -> None:
    for episode in bodies[1]["season/2"]["episodes"]:
        path = f"tv/{bodies[1]['id']}/season/2/episode/{episode['episode_number']}"
        text = get(series, f"{path}/external_ids").json()["imdb_id"]
        if text is not None:
            found = get(series, f"find/{text}?external_source=imdb_id").json()
            (row,) = found.pop("tv_episode_results")
            assert (row["id"], row["show_id"], row["media_type"]) == (episode["id"], bodies[1]["id"], "tv_episode")
            assert not any(found.values())


def test_without_series_there_are_no_paths_for_them() -> None:
    with Emulator(movies=20, series=0) as tmdb:
        for path in ("tv/1", "tv/popular", "tv/changes", "discover/tv"):
            assert get(tmdb, path).json()["status_code"] == 34, path
        assert get(tmdb, "trending/all/day").json()["results"]
        assert "tv" not in tmdb.stats().living
