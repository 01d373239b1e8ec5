"""Which answer speaks for an id: the newest one that is worth something."""

from __future__ import annotations

import pytest

from reelhouse.warehouse.verify import check_tables
from tests.warehouse.landing import Answer, LakeInTheMaking, a_movie, filtered, gone, quarantined


def _states(lake: LakeInTheMaking) -> dict[int, str]:
    return dict(lake.values("record", "id", "state"))


def _movies(lake: LakeInTheMaking) -> dict[int, str]:
    return dict(lake.values("movie", "movie_id", "title"))


def test_every_state_at_once(lake: LakeInTheMaking) -> None:
    lake.land(*(a_movie(n, title="old") for n in range(1, 12)), export=range(1, 12))
    lake.land(
        a_movie(1, title="new"),
        filtered(2),
        gone(3),
        gone(4),
        quarantined(5, reason="cut"),
        filtered(6),
        gone(7),
        gone(12),
        quarantined(13, reason="empty"),
        quarantined(None, key="tt0000001", reason="unavailable"),
        Answer(8, {"id": 8, "title": "by IMDb id"}, key="tt0000008"),
        # The export of this run lacks 3, 7 and 12: those are gone for good.
        export=[1, 2, 4, 5, 6, 8, 9, 10, 11],
        day="2026-11-21",
    )
    lake.land(a_movie(6, title="back"), a_movie(7, title="back"), quarantined(9), gone(10))
    lake.land(a_movie(9, title="corrected"))

    lake.build()

    assert _movies(lake) == {
        1: "new",
        4: "old",
        5: "old",
        6: "back",
        7: "back",
        8: "by IMDb id",
        9: "corrected",
        10: "old",
        11: "old",
    }
    assert _states(lake) == {
        1: "landed",
        2: "filtered",
        3: "gone",
        4: "landed",
        5: "landed",
        6: "landed",
        7: "landed",
        8: "landed",
        9: "landed",
        10: "landed",
        11: "landed",
        12: "gone",
        13: "quarantined",
    }
    assert sorted(lake.values("tombstone", "id")) == [3, 12]
    assert sorted(lake.values("quarantine", "requested_key", "id", "reason")) == [
        ("13", 13, "empty"),
        ("5", 5, "cut"),
        ("tt0000001", None, "unavailable"),
    ]
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_without_an_export_gone_is_gone(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), a_movie(2))
    lake.land(gone(1))
    lake.build()
    assert list(_movies(lake)) == [2]
    assert lake.values("tombstone", "id") == [1]


@pytest.mark.long
def test_what_was_filtered_before_it_was_gone_does_not_come_back(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), export=[1])
    lake.land(filtered(1))
    lake.land(gone(1))
    lake.build()
    assert _movies(lake) == {}
    assert _states(lake) == {1: "filtered"}
    assert check_tables(lake.storage) == []


def test_what_the_export_of_adult_ones_lists_is_not_buried(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), a_movie(2), a_movie(3), export=[1, 2], adult=[2, 3])
    lake.land(gone(2), gone(3), export=[1], adult=[3], day="2026-11-21")
    lake.build()
    assert sorted(_movies(lake)) == [1, 3]
    assert lake.values("tombstone", "id") == [2]
    assert sorted(map(str, lake.values("popularity_daily", "kind", "id"))) == sorted(
        map(str, [("movie", 1), ("movie", 2), ("movie", 1), ("adult_movie", 2), ("adult_movie", 3), ("adult_movie", 3)])
    )
    assert check_tables(lake.storage) == []
    # Once nobody lists it any more, what it once said counts for nothing.
    lake.land(gone(3), export=[1], day="2026-11-30")
    lake.build()
    assert sorted(lake.values("tombstone", "id")) == [2, 3]
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_a_later_export_decides_about_what_is_gone(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), export=[1])
    lake.land(gone(1))
    lake.build()
    assert list(_movies(lake)) == [1]
    lake.land(a_movie(2), export=[2], day="2026-11-22")
    lake.build()
    assert list(_movies(lake)) == [2]
    assert lake.values("tombstone", "id") == [1]
    assert check_tables(lake.storage) == []


def test_an_old_export_keeps_nothing_that_tmdb_has_deleted(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), a_movie(2), export=[1, 2], day="2026-11-20", at="2026-11-20T09:00:00Z")
    lake.land(gone(1), at="2026-11-21T09:00:00Z")
    lake.build()
    assert lake.values("tombstone", "id") == []
    # Runs of `discover` land no export.
    lake.land(a_movie(2), at="2026-11-23T09:00:00Z")
    lake.build()
    assert lake.values("tombstone", "id") == []
    lake.land(a_movie(2), at="2026-11-24T09:00:00Z")
    lake.build()
    assert (list(_movies(lake)), lake.values("tombstone", "id")) == ([2], [1])
    assert check_tables(lake.storage) == []
    lake.land(a_movie(2), export=[1, 2], day="2026-11-25", at="2026-11-25T09:00:00Z")
    lake.build()
    assert sorted(_movies(lake)) == [1, 2]
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_one_id_asked_twice_in_a_chunk_has_one_row_and_the_later_line(lake: LakeInTheMaking) -> None:
    first = Answer(550, {"id": 550, "title": "first"}, key="550")
    second = Answer(550, {"id": 550, "title": "second"}, key="tt0137523")
    lake.land(first, second)
    lake.build()
    assert _movies(lake) == {550: "second"}
    assert lake.values("record", "line") == [1]


@pytest.mark.long
def test_a_line_that_no_receipt_claims_does_not_exist(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), Answer(2, {"id": 2, "title": "nobody's"}, claimed=False), a_movie(3), close=False)
    lake.build()
    assert sorted(_movies(lake)) == [1, 3]
    assert sorted(lake.values("record", "id")) == [1, 3]


@pytest.mark.long
def test_a_part_of_receipts_that_cannot_be_read_names_nothing_and_costs_nothing_else(lake: LakeInTheMaking) -> None:
    plan = lake.land(a_movie(1), a_movie(2), close=False)
    lake.spoil_part(plan, 1)
    lake.append(plan, [a_movie(3)])
    lake.build()
    assert sorted(_movies(lake)) == [1, 2, 3]
    assert lake.build().done is False
    assert check_tables(lake.storage) == []


@pytest.mark.long
def test_records_say_where_their_answer_lies(lake: LakeInTheMaking) -> None:
    lake.land(a_movie(1), a_movie(2), filtered(3), at="2026-11-01T08:09:10Z")
    lake.build()
    one, two, three = lake.rows("record")
    assert one["chunk"] == two["chunk"] != None  # noqa: E711
    assert (one["line"], two["line"], three["line"], three["chunk"]) == (0, 1, None, None)
    assert one["fetched_at"].isoformat() == "2026-11-01T08:09:10+00:00"
    assert len(one["sha256"]) == 64
    assert one["run"] == 1
