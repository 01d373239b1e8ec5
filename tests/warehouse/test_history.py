"""History: what titles were, from when to when, and who offered them; the same after maintenance and from raw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reelhouse.maintenance.run import maintain
from reelhouse.raw.plan import read_plan
from reelhouse.raw.receipt import Receipt, read_receipts
from reelhouse.warehouse.verify import check_tables
from tests.warehouse.landing import LakeInTheMaking, a_movie, gone, quarantined


def _offers(*providers: int) -> dict[str, Any]:
    some = [{"provider_id": one, "provider_name": f"P{one}"} for one in providers]
    return {"watch/providers": {"results": {"BR": {"link": "x", "flatrate": some}} if some else {}}}


def _history(lake: LakeInTheMaking) -> dict[str, list[Any]]:
    names = ("dim_movie_history", "fact_movie_snapshot", "fact_watch_availability", "movie_daily", "movie_offer_daily")
    return {name: lake.rows(name) for name in names}


def test_a_day_says_whether_its_answer_includes_offers(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path)
    lake.land(a_movie(1, **_offers(8)), a_movie(2, **_offers()), a_movie(3), a_movie(4, **{"watch/providers": {}}))
    lake.build()
    found = lake.values("movie_daily", "movie_id", "includes_offers")
    assert sorted(found) == [(1, True), (2, True), (3, False), (4, False)]


def test_an_answer_without_offers_leaves_the_offers_of_its_day(tmp_path: Path) -> None:
    """They were not requested again: `append` leaves them out."""
    lake = LakeInTheMaking(tmp_path)
    morning, evening = "2026-11-20T08:00:00Z", "2026-11-20T20:00:00Z"
    lake.land(a_movie(1, title="A", **_offers(8, 9)), a_movie(2, **_offers(8)), a_movie(3, **_offers(8)), at=morning)
    lake.land(a_movie(1, title="B"), a_movie(2, **_offers(9)), a_movie(4), at=evening)
    lake.build()
    assert sorted(lake.values("movie_offer_daily", "movie_id", "provider_id")) == [(1, 8), (1, 9), (2, 9), (3, 8)]
    days = lake.values("movie_daily", "movie_id", "title", "includes_offers")
    assert sorted(days) == [(1, "B", True), (2, "Movie 2", True), (3, "Movie 3", True), (4, "Movie 4", False)]
    offers = lake.values("fact_watch_availability", "title_id", "provider_id", "is_current")
    assert sorted(offers) == [(1, 8, True), (1, 9, True), (2, 9, True), (3, 8, True)]


@pytest.mark.long
def test_what_changed_is_kept_and_is_the_same_after_maintenance_and_from_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = LakeInTheMaking(tmp_path)
    lake.land(a_movie(1, title="A", vote_count=10, **_offers(8, 9)), a_movie(2, title="X", **_offers(8)))
    lake.build()
    lake.land(a_movie(1, title="A", vote_count=12, overview="longer", **_offers(8)))
    lake.land(a_movie(1, title="B", vote_count=15, **_offers(8, 9)), quarantined(2))
    lake.build()
    lake.land(gone(2), export=[1])
    lake.build()
    day = [None, *(lake_day(lake, run) for run in range(1, 5))]
    found = lake.values("dim_movie_history", "movie_id", "title", "valid_from", "valid_to", "is_current", "is_deleted")
    assert sorted(found, key=str) == [
        (1, "A", day[1], day[3], False, False),
        (1, "B", day[3], None, True, False),
        (2, "X", day[1], day[4], False, True),
    ]
    snapshots = lake.values("fact_movie_snapshot", "movie_id", "votes", "votes_change", "days_since")
    assert [row for row in snapshots if row[0] == 1] == [(1, 10, None, None), (1, 12, 2, 1), (1, 15, 3, 1)]
    offers = lake.values("fact_watch_availability", "title_id", "provider_id", "first_seen", "last_seen", "is_current")
    dates = [one and one.date() for one in day]
    assert sorted(offers) == [
        (1, 8, dates[1], dates[3], True),
        (1, 9, dates[1], dates[1], False),
        (1, 9, dates[3], dates[3], True),
        (2, 8, dates[1], dates[1], False),
    ]
    before, everything = _history(lake), lake.everything()
    monkeypatch.setattr("reelhouse.maintenance.run._MANY", 0)
    done = maintain(lake.storage, datetime.now(UTC) + timedelta(days=30), timedelta(0))
    assert "_reelhouse/staging/movie" in [one.folder for one in done.rewritten]
    # One that says nothing new, so that tables are made of what maintenance left.
    lake.land(gone(3))
    lake.build()
    assert _history(lake) == before
    assert check_tables(lake.storage) == []
    lake.build(full=True)
    assert _history(lake) == before
    assert check_tables(lake.storage) == []
    assert lake.everything()["movie"] == everything["movie"]


def lake_day(lake: LakeInTheMaking, run: int) -> datetime:
    """When the answers of a run were fetched."""
    plan = read_plan(lake.storage, "movie", run)
    assert plan is not None
    receipt = next(iter(read_receipts(lake.storage, plan)))
    assert isinstance(receipt, Receipt)
    return datetime.fromisoformat(receipt.outcomes[0].fetched_at)
