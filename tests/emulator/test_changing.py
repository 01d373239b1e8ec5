"""The catalogue changes while it runs, and feed, exports and clock show it as TMDB's do."""

from datetime import UTC, datetime, timedelta

import pytest

from reelhouse.emulator import Emulator, EmulatorError
from tests.emulator.asking import ask, export_ids, export_path, get


def feed(tmdb: Emulator, query: str = "page=1") -> list[int]:
    return [row["id"] for row in get(tmdb, f"movie/changes?{query}").json()["results"]]


def test_a_new_emulator_has_an_empty_feed(fresh: Emulator) -> None:
    assert get(fresh, "movie/changes?page=1").json() == {
        "results": [], "page": 1, "total_pages": 0, "total_results": 0,
    }  # fmt: skip


def test_an_edit_shows_in_the_body_its_etag_and_the_feed(fresh: Emulator) -> None:
    number = export_ids(fresh)[0]
    before = get(fresh, f"movie/{number}?append_to_response=keywords,credits")
    assert fresh.edit([number]) == [number]
    after = get(fresh, f"movie/{number}?append_to_response=keywords,credits")
    changed = {key for key, value in before.json().items() if after.json()[key] != value}
    assert {"overview", "tagline", "runtime", "vote_count"} <= changed
    assert changed <= {"overview", "tagline", "runtime", "vote_count", "keywords", "credits"}
    assert before.headers["ETag"] != after.headers["ETag"]
    assert feed(fresh) == [number]


def test_every_edit_makes_another_edition(fresh: Emulator) -> None:
    number = export_ids(fresh)[0]
    seen = set()
    for _ in range(3):
        seen.add(get(fresh, f"movie/{number}").headers["ETag"])
        fresh.edit([number])
    assert len(seen) == 3
    assert feed(fresh) == [number]


def test_the_changes_of_a_movie_name_the_fields_with_both_values(fresh: Emulator) -> None:
    (number,) = fresh.edit(count=1)
    changes = {row["key"]: row["items"] for row in get(fresh, f"movie/{number}/changes").json()["changes"]}
    (item,) = changes["overview"]
    assert item["value"] == get(fresh, f"movie/{number}").json()["overview"]
    assert item["original_value"] != item["value"]
    assert item["time"].startswith(f"{fresh.stats().day}")
    assert item["time"].endswith(" UTC")
    other = next(other for other in export_ids(fresh) if other != number)
    assert get(fresh, f"movie/{other}/changes").json() == {"changes": []}


def test_a_deletion_is_404_at_once_leaves_the_next_export_and_is_in_no_feed(fresh: Emulator) -> None:
    today = fresh.stats().day
    gone = fresh.delete(count=5)
    assert {get(fresh, f"movie/{number}").json()["status_code"] for number in gone} == {34}
    assert set(gone) <= set(export_ids(fresh, today))
    assert feed(fresh) == []
    tomorrow = fresh.next_day()
    assert not set(gone) & set(export_ids(fresh, tomorrow))
    assert len(export_ids(fresh, tomorrow)) == 195
    assert set(gone) <= set(export_ids(fresh, today))


def test_a_movie_edited_and_then_deleted_leaves_the_feed(fresh: Emulator) -> None:
    edited = fresh.edit(count=3)
    fresh.delete(edited[:1])
    assert set(feed(fresh)) == set(edited[1:])


def test_each_day_that_was_skipped_has_an_export_of_its_own_beginning(fresh: Emulator) -> None:
    first = fresh.stats().day
    (gone,) = fresh.delete(count=1)
    fresh.next_day(3)
    fresh.add(count=1)
    fresh.next_day()
    held = [export_ids(fresh, first + timedelta(days=days)) for days in range(5)]
    assert [gone in ids for ids in held] == [True, False, False, False, False]
    assert [len(ids) for ids in held] == [200, 199, 199, 199, 200]


def test_a_deleted_movie_is_in_no_list(fresh: Emulator) -> None:
    gone = fresh.delete([row["id"] for row in get(fresh, "movie/popular").json()["results"][:3]])
    for path in ("movie/popular", "discover/movie?include_adult=true&include_video=true"):
        pages = [get(fresh, f"{path}{'&' if '?' in path else '?'}page={page}").json() for page in range(1, 11)]
        ids = [row["id"] for page in pages for row in page["results"]]
        assert len(ids) == pages[0]["total_results"] == 197
        assert not set(gone) & set(ids)


def test_a_deleted_movie_can_come_back(fresh: Emulator) -> None:
    (number,) = fresh.delete(count=1)
    fresh.next_day()
    assert fresh.restore([number]) == [number]
    assert get(fresh, f"movie/{number}").status == 200
    assert number not in export_ids(fresh)
    fresh.next_day()
    assert number in export_ids(fresh)


def test_added_movies_are_there_at_once_and_in_the_next_export(fresh: Emulator) -> None:
    before = export_ids(fresh)
    new = fresh.add(count=4)
    assert min(new) > max(before)
    assert all(get(fresh, f"movie/{number}").json()["id"] == number for number in new)
    assert get(fresh, "movie/latest").json()["id"] == max(new)
    assert export_ids(fresh) == before
    assert feed(fresh) == []
    fresh.next_day()
    assert set(export_ids(fresh)) == set(before) | set(new)


def test_added_movies_can_be_announced_in_the_feed(fresh: Emulator) -> None:
    new = fresh.add(count=2, announce=True)
    assert sorted(feed(fresh)) == new
    assert get(fresh, f"movie/{new[0]}/changes").json()["changes"][0]["items"][0]["action"] == "added"


def test_the_next_day_moves_the_date_header_and_the_newest_export() -> None:
    with Emulator(movies=10, now=datetime(2026, 12, 31, 9, tzinfo=UTC)) as tmdb:
        today = tmdb.stats().day
        assert ask(tmdb.address, export_path(today + timedelta(days=1))).status == 403
        assert str(tmdb.next_day()) == "2027-01-01"
        assert get(tmdb, "configuration").headers["Date"].startswith("Fri, 01 Jan 2027 09:00")
        assert len(export_ids(tmdb)) == 10


def test_the_feed_keeps_both_bounds_and_the_last_day_by_default(fresh: Emulator) -> None:
    days, edited = [fresh.stats().day], []
    for _ in range(3):
        edited.append(fresh.edit(count=1)[0])
        days.append(fresh.next_day())
    assert set(feed(fresh, f"start_date={days[0]}&end_date={days[0]}")) == {edited[0]}
    assert set(feed(fresh, f"start_date={days[0]}&end_date={days[1]}")) == set(edited[:2])
    assert set(feed(fresh, f"start_date={days[0]}&end_date={days[3]}")) == set(edited)
    assert set(feed(fresh)) == {edited[2]}


def test_the_feed_has_a_hundred_rows_a_page_and_each_movie_once(fresh: Emulator) -> None:
    edited = fresh.edit(count=150)
    fresh.edit(edited[:10])
    first, second = (get(fresh, f"movie/changes?page={page}").json() for page in (1, 2))
    assert (first["total_pages"], first["total_results"]) == (2, 150)
    assert (len(first["results"]), len(second["results"])) == (100, 50)
    rows = first["results"] + second["results"]
    assert {row["id"] for row in rows} == set(edited)
    assert {type(row["adult"]) for row in rows} <= {bool, type(None)}
    assert {"id", "adult", "softcore"} == set(rows[0])


def test_edits_are_seen_by_discover(fresh: Emulator) -> None:
    row = get(fresh, "discover/movie?sort_by=vote_count.desc").json()["results"][0]
    fresh.edit([row["id"]])
    found = get(fresh, f"discover/movie?vote_count.gte={row['vote_count'] + 1}").json()["results"]
    assert [(movie["id"], movie["vote_count"]) for movie in found] == [(row["id"], row["vote_count"] + 13)]


def test_the_same_seed_makes_the_same_changes() -> None:
    chosen = []
    for _ in range(2):
        with Emulator(movies=100, seed=9) as tmdb:
            chosen.append((tmdb.edit(count=5), tmdb.delete(count=5), tmdb.add(count=2)))
    assert chosen[0] == chosen[1]


def test_mistakes_are_explained_in_a_sentence(fresh: Emulator) -> None:
    with pytest.raises(EmulatorError, match="no such movie: 999999"):
        fresh.edit([999999])
    with pytest.raises(EmulatorError, match="201 movies wanted, but only 200 exist"):
        fresh.delete(count=201)
    with pytest.raises(EmulatorError, match="only moves forward"):
        fresh.next_day(0)
    reply = ask(fresh.address, "/-/edit", method="POST", body=b'{"idz": []}')
    assert (reply.status, "idz" in reply.json()["error"]) == (400, True)
    assert ask(fresh.address, "/-/nothing").status == 404
