"""The generated catalogue looks like TMDB's: its skews, its quirks and its sparse ids; and a seed fixes all of it."""

import statistics
import time
from collections import Counter
from datetime import date
from itertools import islice
from typing import Any

import msgspec
import pytest

from reelhouse.emulator.catalog.generated import GeneratedCatalogue
from reelhouse.emulator.catalog.kinds import KINDS
from reelhouse.emulator.catalog.reference import GENRE_NAMES
from tests.emulator.asking import DEFAULT_APPENDS

Body = dict[str, Any]
SIZE = 4000


def full_body(catalogue: GeneratedCatalogue, index: int) -> Body:
    body = catalogue.detail(index)
    return body | {name: catalogue.block(index, name, 1) for name in DEFAULT_APPENDS.split(",")}


@pytest.fixture(scope="module")
def catalogue() -> GeneratedCatalogue:
    return GeneratedCatalogue(seed=5, size=SIZE)


@pytest.fixture(scope="module")
def bodies(catalogue: GeneratedCatalogue) -> list[Body]:
    return [full_body(catalogue, index) for index in catalogue.by_popularity()]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = (GeneratedCatalogue(seed, 50) for seed in (1, 1, 2))
    for index in range(50):
        for name in set(KINDS["movie"].appends) - {"changes"}:
            assert first.block(index, name, 1) == again.block(index, name, 1)
        assert msgspec.json.encode(first.detail(index)) == msgspec.json.encode(again.detail(index))
    assert [first.detail(index) for index in range(50)] != [other.detail(index) for index in range(50)]


def test_a_body_does_not_depend_on_what_was_asked_before(catalogue: GeneratedCatalogue) -> None:
    busy = GeneratedCatalogue(seed=5, size=SIZE)
    for index in range(300):
        full_body(busy, index)
    assert full_body(busy, 17) == full_body(catalogue, 17)


def test_ids_are_sparse_unique_and_lead_back(catalogue: GeneratedCatalogue) -> None:
    ids = [catalogue.id_of(index) for index in range(SIZE)]
    assert ids == sorted(set(ids))
    assert ids != list(range(ids[0], ids[0] + SIZE))
    assert [catalogue.index_of(number) for number in ids] == list(range(SIZE))
    gaps = set(range(max(ids))) - set(ids)
    assert len(gaps) > SIZE / 4
    assert all(catalogue.index_of(number) is None for number in gaps)


def test_exports_are_not_sorted_by_id(catalogue: GeneratedCatalogue) -> None:
    order = list(catalogue.export_order())
    assert sorted(order) == list(range(SIZE))
    assert order != sorted(order)


def test_popularity_is_skewed_and_most_movies_are_unpopular(bodies: list[Body]) -> None:
    popularity = [body["popularity"] for body in bodies]
    assert popularity == sorted(popularity, reverse=True)
    assert popularity[0] > 30
    assert statistics.median(popularity) < 0.6


def test_popular_bodies_are_large_and_the_tail_is_small(bodies: list[Body]) -> None:
    sizes = [len(msgspec.json.encode(body)) for body in bodies]
    assert 10_000 < statistics.mean(sizes[40 : SIZE // 10]) < 16_000
    assert statistics.mean(sizes[SIZE // 2 :]) < 4_000


def test_one_id_has_one_name(bodies: list[Body]) -> None:
    names: dict[tuple[str, int], Any] = {}
    for body in bodies:
        things = [("keyword", row["id"], row) for row in body["keywords"]["keywords"]]
        things += [("company", row["id"], row) for row in body["production_companies"]]
        people = [*body["credits"]["cast"], *body["credits"]["crew"]]
        things += [("person", row["id"], (row["name"], row["gender"])) for row in people if "id" in row]
        collection = body["belongs_to_collection"]
        things += [("collection", collection["id"], collection)] if collection else []
        for kind, number, row in things:
            assert names.setdefault((kind, number), row) == row
    assert {kind for kind, _ in names} == {"keyword", "company", "person", "collection"}


def test_people_and_companies_have_long_tails(bodies: list[Body]) -> None:
    roles = Counter(row["id"] for body in bodies for row in body["credits"]["cast"] if "id" in row)
    counts = sorted(roles.values(), reverse=True)
    assert counts[0] > 40
    assert statistics.median(counts) <= 3
    companies = Counter(row["id"] for body in bodies for row in body["production_companies"])
    assert max(companies.values()) > 20


def test_casts_are_mostly_small_and_a_few_are_huge(bodies: list[Body]) -> None:
    sizes = [len(body["credits"]["cast"]) + len(body["credits"]["crew"]) for body in bodies]
    assert statistics.median(sizes) < 12
    assert max(sizes) > 1000
    assert sum(size > 200 for size in sizes) >= 2
    credit_ids = [row["credit_id"] for body in bodies for part in ("cast", "crew") for row in body["credits"][part]]
    assert len(set(credit_ids)) == len(credit_ids)
    assert all(len(credit_id) == 24 for credit_id in credit_ids)


def test_a_few_credits_have_no_person(bodies: list[Body]) -> None:
    rows = [row for body in bodies for row in body["credits"]["cast"]]
    orphans = [row for row in rows if "id" not in row]
    assert 0 < len(orphans) < len(rows) / 500
    assert all("person_id" in row and "name" not in row for row in orphans)


def test_unknown_is_written_in_all_the_ways_of_tmdb(bodies: list[Body]) -> None:
    def values(key: str) -> list[Any]:
        return [body[key] for body in bodies]

    assert {None, ""} <= set(values("imdb_id"))
    assert {None, ""} <= set(values("release_date"))
    for key in ("overview", "tagline", "homepage"):
        assert "" in values(key)
        assert None not in values(key)
    for key in ("budget", "revenue", "runtime", "vote_count", "vote_average"):
        assert 0 in values(key)
    for key in ("poster_path", "backdrop_path", "belongs_to_collection"):
        assert None in values(key)
    for key in ("genres", "origin_country", "production_countries", "production_companies", "spoken_languages"):
        assert [] in values(key)
    assert "" in {row["origin_country"] for body in bodies for row in body["production_companies"]}
    assert "" in {row["name"] for body in bodies for row in body["spoken_languages"]}


def test_dates_run_from_the_1900s_into_the_future_and_a_few_are_impossible(bodies: list[Body]) -> None:
    impossible, years = [], set()
    for text in filter(None, (body["release_date"] for body in bodies)):
        try:
            years.add(date.fromisoformat(text).year)
        except ValueError:
            impossible.append(text)
    assert min(years) < 1915
    assert max(years) >= 2027
    assert 0 < len(impossible) < SIZE / 200


def test_money_outgrows_32_bits_and_follows_fame_and_genre(bodies: list[Body]) -> None:
    revenues = [body["revenue"] for body in bodies]
    assert max(revenues) > 2**31

    def median_budget(some: list[Body]) -> float:
        return float(statistics.median(body["budget"] for body in some if body["budget"] > 1000))

    assert median_budget(bodies[:400]) > 5 * median_budget(bodies[2000:])
    assert statistics.mean(revenues[:400]) > 20 * statistics.mean(revenues[1000:])
    by_genre = {
        genre: [body for body in bodies[:1500] if body["genres"] and body["genres"][0]["name"] == genre]
        for genre in ("Action", "Documentary")
    }
    assert median_budget(by_genre["Action"]) > 5 * median_budget(by_genre["Documentary"])


def test_votes_follow_fame_and_marks_gather_around_the_middle(bodies: list[Body]) -> None:
    votes = [body["vote_count"] for body in bodies]
    assert statistics.median(votes[:100]) > 300
    assert statistics.median(votes[2000:]) < 5
    marks = [body["vote_average"] for body in bodies if body["vote_count"] > 50]
    assert 5.5 < statistics.mean(marks) < 7.2
    assert all(body["vote_average"] == 0.0 for body in bodies if not body["vote_count"])
    assert all(body["vote_count"] == body["revenue"] == 0 for body in bodies if body["status"] == "Planned")


def test_texts_contain_what_breaks_careless_readers(bodies: list[Body]) -> None:
    texts = "".join(f"{body['title']}{body['original_title']}{body['overview']}" for body in bodies)
    for awkward in (
        "\n",
        "\t",
        "\r",
        '"',
        "\\",
        "\u2028",
        "\u200f",
        "\u0301",
        "🎬",
        "灯",
        "한",
        "ה",
        "ق",
        "ไ",
        "ё",
        "½",
    ):
        assert awkward in texts, repr(awkward)
    assert any(body["title"] != body["title"].strip() for body in bodies)


def test_genres_are_the_nineteen_of_tmdb(bodies: list[Body]) -> None:
    seen = {genre["id"]: genre["name"] for body in bodies for genre in body["genres"]}
    assert seen == GENRE_NAMES
    assert len(seen) == 19


def test_releases_carry_certificates_and_instants(bodies: list[Body]) -> None:
    countries = [row for body in bodies for row in body["release_dates"]["results"]]
    releases = [release for row in countries for release in row["release_dates"]]
    marks = {(row["iso_3166_1"], release["certification"]) for row in countries for release in row["release_dates"]}
    assert {("US", "R"), ("US", "PG-13"), ("US", ""), ("DE", "12")} <= marks
    assert all(release["release_date"].endswith("T00:00:00.000Z") for release in releases)
    assert {release["type"] for release in releases} == {1, 2, 3, 4, 5, 6}


def test_recommendations_are_twenty_or_none_seldom_in_between_and_exist(
    catalogue: GeneratedCatalogue, bodies: list[Body]
) -> None:
    counts = [len(body["recommendations"]["results"]) for body in bodies]
    partial = sum(0 < count < 20 for count in counts)
    assert counts.count(0) > 100
    assert counts.count(20) > 200
    assert partial < len(counts) / 20
    rows = [row for body in bodies[:50] for row in body["recommendations"]["results"]]
    assert all(catalogue.index_of(row["id"]) is not None for row in rows)


def test_statuses_adult_softcore_and_video_all_occur(bodies: list[Body]) -> None:
    assert {"Released", "Planned", "In Production", "Post Production", "Rumored", "Canceled"} == {
        body["status"] for body in bodies
    }
    for flag in ("adult", "softcore", "video"):
        share = sum(body[flag] for body in bodies) / len(bodies)
        assert 0 < share < 0.03


def test_lists_show_the_same_values_as_details(catalogue: GeneratedCatalogue) -> None:
    for index in range(200):
        row, body = catalogue.row(index), catalogue.detail(index)
        assert row.pop("genre_ids") == [genre["id"] for genre in body["genres"]]
        assert row == {key: body[key] for key in row}
        export = msgspec.to_builtins(catalogue.export_row(index))
        assert export == {key: body[key] for key in export}


def test_a_million_movies_are_there_at_once() -> None:
    begun = time.thread_time()
    catalogue = GeneratedCatalogue(seed=1, size=1_000_000)
    assert catalogue.detail(999_999)["id"] == catalogue.id_of(999_999)
    assert len(list(islice(catalogue.by_popularity(), 10))) == 10
    assert time.thread_time() - begun < 1
