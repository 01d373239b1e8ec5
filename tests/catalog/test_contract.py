"""What holds for every catalogue: it says what the lake holds, once, and nothing of others is touched."""

from __future__ import annotations

import pytest

from reelhouse.errors import ConfigError, LakeError, ReelhouseError
from reelhouse.marts import REGISTRY
from reelhouse.serve import ATTRIBUTION
from reelhouse.serve.catalog.entries import chosen, entries_of
from reelhouse.serve.catalog.registration import RegistrationResult, refresh
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.s3 import S3Storage
from reelhouse.warehouse.import_registry import imported, pin_import
from tests.catalog.conftest import SOME, Shown, a_lake
from tests.s3servers import S3Server

NAMES = sorted([*SOME, "ratings"])
ALL = set(REGISTRY.names)


def registered(place: Shown, lake: S3Storage, names: tuple[str, ...] | None = None) -> RegistrationResult:
    entries = entries_of(lake)
    present = {entry.name for entry in entries}
    return refresh(place.opened(lake.url), lake.url, chosen(entries, names), present, ATTRIBUTION)


def test_every_table_is_named_with_its_place_its_columns_and_what_they_mean(place: Shown, cloud: S3Server) -> None:
    lake = a_lake(cloud, ALL)
    done = registered(place, lake)
    assert (sorted(done.created), done.updated, done.unchanged, done.dropped) == (sorted({*ALL, "ratings"}), [], [], [])
    seen = place.seen()
    assert seen.keys() == {*ALL, "ratings"}
    for zone, specs in REGISTRY.zones.items():
        for spec in specs:
            found = seen[spec.name]
            assert (found.location, found.about) == (f"{lake.url}/{zone}/{spec.name}", spec.about)
            wanted = [(one.name, one.type, one.comment) for one in spec.columns]
            assert found.columns == wanted
    assert seen["ratings"].location == f"{lake.url}/imports/ratings"
    assert seen["ratings"].columns == [
        ("movie_id", "bigint", "There it is called movieId."),
        ("rating", "decimal(3,1)", ""),
    ]


def test_what_says_so_already_is_left_alone(place: Shown, lake: S3Storage) -> None:
    registered(place, lake)
    before = place.changes()
    done = registered(place, lake)
    assert (done.created, done.updated, sorted(done.unchanged), done.dropped) == ([], [], NAMES, [])
    assert place.changes() == before


@pytest.mark.parametrize("what", ["about", "comment", "column", "location"])
def test_only_changed_entries_are_updated(place: Shown, lake: S3Storage, what: str) -> None:
    entries = entries_of(lake)
    present = {entry.name for entry in entries}
    first = entries[0]
    column = first.columns[0]
    before = {
        "about": first._replace(about="Another sentence."),
        "comment": first._replace(columns=(column._replace(comment="Another."), *first.columns[1:])),
        "column": first._replace(columns=first.columns[1:]),
        "location": first._replace(location=f"{lake.url}/tables/elsewhere"),
    }
    refresh(place.opened(lake.url), lake.url, [before[what], *entries[1:]], present, "x")
    done = refresh(place.opened(lake.url), lake.url, entries, present, "x")
    assert (done.created, done.updated, done.dropped) == ([], [first.name], [])
    assert place.seen()[first.name].about == first.about
    assert len(place.seen()[first.name].columns) == len(first.columns)


def test_what_the_lake_no_longer_has_is_dropped_and_strangers_stay(place: Shown, lake: S3Storage) -> None:
    place.stranger("box_office", "s3://somewhere/else")
    registered(place, lake)
    pin_import(lake, "ratings", None, imported(lake)["ratings"])
    done = registered(place, lake)
    assert done.dropped == ["ratings"]
    assert sorted(place.seen()) == sorted({*NAMES, "box_office"} - {"ratings"})
    assert place.seen()["box_office"].location == "s3://somewhere/else"


def test_a_table_elsewhere_whose_entry_was_copied_from_ours_stays(place: Shown, lake: S3Storage) -> None:
    copied = entries_of(lake)[0]._replace(name="my_copy", location="s3://somewhere/else/my_copy")
    refresh(place.opened(lake.url), lake.url, [copied], {"my_copy"}, "x")
    assert registered(place, lake).dropped == []
    assert place.seen()["my_copy"].location == "s3://somewhere/else/my_copy"


def test_a_strangers_name_for_one_of_the_lakes_tables_stays(place: Shown, lake: S3Storage) -> None:
    place.stranger("filme", f"{lake.url}/tables/movie")
    registered(place, lake)
    done = registered(place, lake)
    assert done.dropped == []
    assert sorted(place.seen()) == sorted({*NAMES, "filme"})


def test_a_strangers_table_of_the_same_name_stops_it_before_anything_is_changed(place: Shown, lake: S3Storage) -> None:
    place.stranger("movie_cast", "s3://somewhere/else")
    with pytest.raises(ReelhouseError, match="has a table movie_cast already that is not reelhouse's"):
        registered(place, lake)
    assert [*place.seen()] == ["movie_cast"]


def test_so_does_a_table_of_another_lake(place: Shown, lake: S3Storage) -> None:
    registered(place, lake, ("movie",))
    entry = entries_of(lake)[0]._replace(name="movie", location="s3://another/lake/tables/movie")
    with pytest.raises(ReelhouseError, match=f"is of the lake {lake.url}: nothing is changed"):
        refresh(place.opened("s3://another/lake"), "s3://another/lake", [entry], {"movie"}, "x")
    assert place.seen()["movie"].location == f"{lake.url}/tables/movie"


def test_tables_may_be_chosen_and_others_that_were_chosen_before_stay(place: Shown, lake: S3Storage) -> None:
    assert registered(place, lake, ("movie", "movie")).created == ["movie"]
    assert registered(place, lake, ("fact_movie",)).created == ["fact_movie"]
    assert sorted(place.seen()) == ["fact_movie", "movie"]
    with pytest.raises(ConfigError, match="there is no table 'movy' in this lake \\(did you mean 'movie'"):
        registered(place, lake, ("movy",))


def test_a_database_that_was_there_keeps_its_description(place: Shown, lake: S3Storage) -> None:
    place.stranger("box_office", "s3://somewhere/else")
    before = place.changes()
    registered(place, lake, ("movie",))
    assert place.changes() == before + 1


def test_a_lake_in_a_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="catalogues hold tables in S3"):
        entries_of(MemoryStorage())


def test_tables_that_another_version_built_are_not_described_by_this_one(lake: S3Storage) -> None:
    body = lake.get("_reelhouse/manifest.json").replace(b'"version":3', b'"version":3', 1)
    lake.put("_reelhouse/manifest.json", body.replace(b'"schema_fingerprint":"', b'"schema_fingerprint":"0', 1))
    with pytest.raises(LakeError, match="was built by another version of reelhouse"):
        entries_of(lake)
