"""What titles mention exists under the same id; every kind has its exports, its feed and its counts."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from reelhouse.emulator import Emulator, EmulatorError
from reelhouse.emulator.catalog.kinds import KINDS
from tests.emulator.asking import ask, export_ids, export_path, export_rows, get

ROWS = {
    "movie_ids": ["adult", "id", "original_title", "popularity", "video"],
    "tv_series_ids": ["id", "original_name", "popularity"],
    "person_ids": ["adult", "id", "name", "popularity"],
    "collection_ids": ["id", "name"],
    "tv_network_ids": ["id", "name"],
    "keyword_ids": ["id", "name"],
    "production_company_ids": ["id", "name"],
}


@pytest.fixture(scope="module")
def many() -> Iterator[Emulator]:
    """Enough of everything for adults among it; no test changes it."""
    with Emulator(movies=1200, series=400, seed=7) as emulator:
        yield emulator


@pytest.mark.parametrize("name", ROWS)
def test_each_export_has_tmdbs_keys_in_tmdbs_order(many: Emulator, name: str) -> None:
    rows = export_rows(many, name=name)
    assert {tuple(row) for row in rows} == {tuple(ROWS[name])}
    kind = next(kind for kind in KINDS.values() if kind.export == name)
    apart = len(export_rows(many, name=kind.adult_export)) if kind.adult_apart else 0
    assert len({row["id"] for row in rows}) + apart == many.stats().living[kind.name]


@pytest.mark.parametrize("kind", ["tv", "person"])
def test_adult_ones_are_in_an_export_of_their_own(many: Emulator, kind: str) -> None:
    adult = set(export_ids(many, name=KINDS[kind].adult_export))
    assert adult
    assert adult.isdisjoint(export_ids(many, name=KINDS[kind].export))
    assert all(get(many, f"{kind}/{number}").json()["adult"] for number in adult)


def test_adult_movies_are_in_an_export_of_their_own_too(many: Emulator) -> None:
    adult = {row["id"] for row in export_rows(many) if row["adult"]}
    assert adult == set(export_ids(many, name="adult_movie_ids"))


def test_an_unknown_export_is_403(many: Emulator) -> None:
    for name in ("tv_ids", "season_ids", "episode_ids"):
        assert ask(many.address, export_path(many.stats().day, name)).status == 403


def test_everything_that_titles_mention_exists_under_the_same_id_and_name(many: Emulator) -> None:
    mentioned: dict[str, dict[int, Any]] = {
        kind: {} for kind in ("person", "collection", "company", "keyword", "network")
    }
    for row in get(many, "movie/popular").json()["results"]:
        body = get(many, f"movie/{row['id']}?append_to_response=credits,keywords").json()
        rows = {
            "person": body["credits"]["cast"][:5] + body["credits"]["crew"][:5],
            "company": body["production_companies"],
            "collection": [body["belongs_to_collection"]] if body["belongs_to_collection"] else [],
            "keyword": body["keywords"]["keywords"][:5],
        }
        _note(mentioned, rows)
    for row in get(many, "tv/popular").json()["results"]:
        body = get(many, f"tv/{row['id']}?append_to_response=credits,keywords,season/1").json()
        episodes = body.get("season/1", {"episodes": []})["episodes"][:3]
        rows = {
            "person": [one for episode in episodes for one in episode["crew"] + episode["guest_stars"]]
            + body["created_by"],
            "company": body["production_companies"],
            "keyword": body["keywords"]["results"][:5],
            "network": body["networks"],
        }
        _note(mentioned, rows)
    for kind, names in mentioned.items():
        assert names, kind
        for number, name in names.items():
            body = get(many, f"{kind}/{number}").json()
            assert (body["id"], body["name"]) == (number, name)


def _note(mentioned: dict[str, dict[int, Any]], rows: dict[str, list[dict[str, Any]]]) -> None:
    for kind, found in rows.items():
        mentioned[kind] |= {row["id"]: row["name"] for row in found if "id" in row}


def test_the_parts_of_a_collection_are_the_movies_that_name_it() -> None:
    with Emulator(movies=400, seed=5) as tmdb:
        named: dict[int, set[int]] = {}
        for number in export_ids(tmdb):
            of = get(tmdb, f"movie/{number}").json()["belongs_to_collection"]
            if of is not None:
                named.setdefault(of["id"], set()).add(number)
        parts = {number: _parts(tmdb, number) for number in export_ids(tmdb, name="collection_ids")}
        assert {number: ids for number, ids in parts.items() if ids} == named
        number = next(iter(named))
        gone = min(named[number])
        tmdb.delete([gone])
        assert _parts(tmdb, number) == named[number] - {gone}


def _parts(tmdb: Emulator, number: int) -> set[int]:
    return {row["id"] for row in get(tmdb, f"collection/{number}").json()["parts"]}


def test_the_credits_of_a_person_are_titles_that_exist(many: Emulator) -> None:
    for person in get(many, "person/popular").json()["results"]:
        body = get(many, f"person/{person['id']}?append_to_response=combined_credits,movie_credits,tv_credits").json()
        rows = body["combined_credits"]["cast"] + body["combined_credits"]["crew"]
        for row in rows[:3]:
            title = get(many, f"{row['media_type']}/{row['id']}").json()
            assert title["overview"] == row["overview"]
        apart = [body[f"{kind}_credits"][side] for kind in ("movie", "tv") for side in ("cast", "crew")]
        assert sum(map(len, apart)) == len(rows)
        assert person["known_for"] == [] or "media_type" in person["known_for"][0]


def test_a_person_is_found_by_the_imdb_id(many: Emulator) -> None:
    rows = get(many, "person/popular").json()["results"]
    known = [get(many, f"person/{row['id']}?append_to_response=external_ids").json() for row in rows]
    for body in [body for body in known if body["imdb_id"]][:5]:
        assert body["external_ids"]["imdb_id"] == body["imdb_id"]
        (found,) = get(many, f"find/{body['imdb_id']}?external_source=imdb_id").json()["person_results"]
        assert (found["id"], found["media_type"]) == (body["id"], "person")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_vanishes_returns_and_grows_by_itself(kind: str) -> None:
    export = KINDS[kind].export
    with Emulator(movies=80, series=20, seed=4) as tmdb:
        before = tmdb.stats().living
        edited = tmdb.edit(count=2, kind=kind)
        if KINDS[kind].feed:
            assert {row["id"] for row in get(tmdb, f"{kind}/changes?page=1").json()["results"]} == set(edited)
        listed = export_ids(tmdb, name=export)
        gone = tmdb.delete(listed[:2], kind=kind)
        new = tmdb.add(count=2, kind=kind)
        assert {get(tmdb, f"{kind}/{number}").status for number in gone} == {404}
        assert {get(tmdb, f"{kind}/{number}").status for number in new} == {200}
        tmdb.next_day()
        assert set(gone).isdisjoint(export_ids(tmdb, name=export))
        tmdb.restore(gone, kind=kind)
        tmdb.next_day()
        assert set(gone) <= set(export_ids(tmdb, name=export))
        assert tmdb.stats().living == before | {kind: before[kind] + 2}


@pytest.mark.parametrize("kind", ["person", "collection", "company", "network"])
def test_an_edit_changes_the_body_of_what_has_a_text(kind: str) -> None:
    with Emulator(movies=80, seed=4) as tmdb:
        number = export_ids(tmdb, name=KINDS[kind].export)[3]
        before = get(tmdb, f"{kind}/{number}").json()
        tmdb.edit([number], kind=kind)
        after = get(tmdb, f"{kind}/{number}").json()
        assert [key for key in before if before[key] != after[key]] == list(KINDS[kind].edited)


def test_only_movies_series_and_people_have_a_feed(many: Emulator) -> None:
    for kind in KINDS.values():
        assert (get(many, f"{kind.name}/changes?page=1").status == 200) == kind.feed


def test_an_unknown_kind_is_explained(fresh: Emulator) -> None:
    with pytest.raises(EmulatorError, match="no kind 'show'; there are: movie, tv, person"):
        fresh.edit(count=1, kind="show")
    with pytest.raises(EmulatorError, match="no such network: 999999"):
        fresh.edit([999999], kind="network")
    with pytest.raises(EmulatorError, match="5000 series wanted, but only 20 exist"):
        fresh.delete(count=5000, kind="tv")


def test_movies_are_the_same_whatever_the_other_kinds_do() -> None:
    bodies = []
    for series in (0, 50):
        with Emulator(movies=40, series=series, seed=9) as tmdb:
            if series:
                tmdb.edit(count=5, kind="tv")
                tmdb.delete(count=5, kind="person")
            chosen = tmdb.edit(count=5)
            bodies.append([get(tmdb, f"movie/{number}").body for number in (*export_ids(tmdb), *chosen)])
    assert bodies[0] == bodies[1]


def test_counts_and_faults_do_not_mix_kinds(fresh: Emulator) -> None:
    shared = next(number for number in export_ids(fresh) if get(fresh, f"person/{number}").status == 200)
    fresh.reset_stats()
    for path in (f"movie/{shared}", f"person/{shared}", f"person/{shared}", f"person/{shared}/images",
                 f"tv/{shared}/season/1", f"tv/{shared}/season/1/episode/2", "tv/changes", "discover/tv",
                 "trending/all/day"):  # fmt: skip
        get(fresh, path)
    stats = fresh.stats()
    assert stats.asked_by_kind == {"movie": {shared: 1}, "person": {shared: 2}}
    assert (stats.distinct_ids, stats.asked) == (2, {shared: 1})
    assert stats.by_kind == {
        "detail": 1, "person/detail": 2, "person/append": 1, "tv/season": 1, "tv/episode": 1, "tv/changes": 1,
        "tv/discover": 1, "trending": 1,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["person", "company", "network"])
def test_a_language_leaves_pictures_without_one_where_they_have_none(many: Emulator, kind: str) -> None:
    ids = export_ids(many, name=KINDS[kind].export)[:20]
    everything = [get(many, f"{kind}/{number}/images").json() for number in ids]
    assert [get(many, f"{kind}/{number}/images?language=en-US").json() for number in ids] == everything
    assert any(rows for block in everything for rows in block.values() if isinstance(rows, list))


def test_a_language_leaves_out_a_series_other_pictures(many: Emulator) -> None:
    (row, *_) = get(many, "tv/popular").json()["results"]
    posters = get(many, f"tv/{row['id']}/images?language=de").json()["posters"]
    assert {poster["iso_639_1"] for poster in posters} <= {"de"}
    untagged = get(many, f"tv/{row['id']}/images?include_image_language=null").json()["posters"]
    assert {poster["iso_639_1"] for poster in untagged} == {None}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("tv/abc", 6), ("tv/0", 34), ("tv/999999999999999999", 34), ("tv/{id}/season/x", 34),
        ("tv/{id}/season/-1", 34), ("tv/{id}/season/1/episode/x", 34), ("tv/{id}/season/1/nothing", 34),
        ("tv/{id}/season/1/episode/1/nothing", 34), ("tv/{id}/releases", 34), ("tv/tt0000001", 6),
        ("tv/season/1/changes", 34), ("tv/episode/1/changes", 34), ("person/0", 34), ("keyword/4/images", 34),
        ("network/1/changes", 34), ("collection", 34), ("trending/tv/month", 34), ("trending/company/day", 34),
        ("find/", 34), ("discover/person", 34),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_refused_as_tmdb_does(many: Emulator, path: str, code: int) -> None:
    number = get(many, "tv/popular").json()["results"][0]["id"]
    assert get(many, path.format(id=number)).json()["status_code"] == code


def test_a_slug_and_unknown_appends_are_ignored(many: Emulator) -> None:
    for kind in KINDS.values():
        number = export_ids(many, name=kind.export)[0]
        plain = get(many, f"{kind.name}/{number}").json()
        assert get(many, f"{kind.name}/{number}-some-name?append_to_response=nonsense,season/x").json() == plain


@pytest.mark.parametrize("text", ["nm", "nm\u00b2", "tt", "x", "99999999999999999999999", "-5"])
@pytest.mark.parametrize("source", ["imdb_id", "tvdb_id", "wikidata_id"])
def test_an_external_id_of_nobody_finds_nothing(many: Emulator, text: str, source: str) -> None:
    found = get(many, f"find/{quote(text)}?external_source={source}").json()
    assert set(found) == {f"{kind}_results" for kind in ("movie", "person", "tv", "tv_episode", "tv_season")}
    assert not any(found.values())


@pytest.mark.parametrize("query", ["start_date=9999-12-31", "end_date=0001-01-01", "start_date=0001-01-01"])
def test_the_ends_of_the_calendar_are_days_without_changes(many: Emulator, query: str) -> None:
    assert get(many, f"tv/changes?{query}").json()["total_results"] == 0
