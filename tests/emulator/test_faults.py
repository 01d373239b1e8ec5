"""Each fault profile fails as its table says, in the same way for the same seed, and stops when it should."""

import gzip
import http.client
import json
import time
import zlib
from collections.abc import Callable

import pytest

from reelhouse.emulator import Emulator, EmulatorError
from reelhouse.emulator.catalog.kinds import KINDS
from reelhouse.emulator.http.fault_responses import SLOW_SECONDS
from reelhouse.emulator.http.faults import PROFILES, Faults
from tests.emulator.asking import Reply, ask, export_ids, export_path, get

BROKEN = (http.client.HTTPException, ConnectionError)
LONGEST = 8


def outcome(tmdb: Emulator, path: str) -> str:
    """What a client sees: a status, or how the answer broke."""
    try:
        reply = get(tmdb, path, Accept_Encoding="gzip")
    except http.client.IncompleteRead:
        return "cut short"
    except BROKEN:
        return "reset"
    if "json" not in reply.headers["Content-Type"]:
        return f"{reply.status} html"
    try:
        content = reply.json()
    except EOFError:
        return "cut gzip"
    except ValueError:
        return "broken json"
    wrong = reply.status == 200 and "id" in content and str(content["id"]) != path.removeprefix("movie/")
    return "wrong id" if wrong else str(reply.status)


def outcomes(profile: str, share: float = 0.5, movies: int = 32) -> dict[int, list[str]]:
    """Every movie asked nine times under *profile*."""
    with Emulator(movies=movies, seed=2, faults=profile, fault_share=share) as tmdb:
        ids = sorted(export_ids_when_well(tmdb))
        return {number: [outcome(tmdb, f"movie/{number}") for _ in range(LONGEST + 1)] for number in ids}


def export_ids_when_well(tmdb: Emulator) -> list[int]:
    """The export, asked until it comes whole."""
    for _ in range(LONGEST):
        try:
            reply = ask(tmdb.address, export_path(tmdb.stats().day))
            return [json.loads(line)["id"] for line in gzip.decompress(reply.body).splitlines()]
        except (*BROKEN, EOFError, OSError, zlib.error, ValueError):
            continue
    raise AssertionError("the export never came whole")


@pytest.mark.parametrize(
    ("profile", "seen"),
    [
        ("429-bursts", {"429"}),
        ("500", {"500"}),
        ("502", {"502", "502 html"}),
        ("503", {"503"}),
        ("504", {"504", "504 html"}),
        ("resets", {"reset"}),
        ("cut", {"cut short", "cut gzip"}),
        ("invalid-json", {"broken json"}),
        ("html-200", {"200 html"}),
        ("html-404", {"404 html"}),
        ("wrong-ids", {"wrong id"}),
        ("vanishing-ids", {"404"}),
    ],
)
def test_a_share_of_the_movies_fails_for_a_while_and_then_recovers(profile: str, seen: set[str]) -> None:
    results = outcomes(profile)
    unlucky = {number: tries for number, tries in results.items() if tries[0] != "200"}
    assert {result for tries in results.values() for result in tries} == seen | {"200"}
    assert len(results) / 5 < len(unlucky) < len(results) * 4 / 5
    for tries in results.values():
        bad = tries.count("200") and tries.index("200")
        assert bad in (0, 1, 2, LONGEST)
        assert set(tries[bad:]) == {"200"}


def test_most_fail_once_some_twice_and_a_few_so_long_that_a_run_gives_up() -> None:
    faults = Faults(1, "500", 0.5)
    tries = [sum(faults.for_detail("movie", number) is not None for _ in range(20)) for number in range(4000)]
    once, twice, long = (tries.count(times) for times in (1, 2, LONGEST))
    assert once > twice > long > 100
    assert tries.count(0) + once + twice + long == 4000


@pytest.mark.parametrize("profile", ["cut", pytest.param("all", marks=pytest.mark.long)])
def test_the_same_seed_gives_the_same_faults(profile: str) -> None:
    assert outcomes(profile, movies=15) == outcomes(profile, movies=15)


def test_all_is_a_mixture(fresh: Emulator) -> None:
    ids = export_ids(fresh)
    fresh.set_faults("all")
    for number in ids:
        outcome(fresh, f"movie/{number}")
    assert len(fresh.stats().by_fault) >= 6
    assert set(PROFILES["all"].faults) >= set(fresh.stats().by_fault)


def test_bursts_hit_neighbouring_ids_together() -> None:
    faults = Faults(1, "429-bursts", 0.1)
    hit = [number for number in range(8000) if faults.for_detail("movie", number)]
    assert 400 < len(hit) < 1200
    assert {number // 8 for number in hit} == {number // 8 for number in hit if number % 8 == 0}
    assert len(hit) == 8 * len({number // 8 for number in hit})


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_the_share_is_an_option(share: float) -> None:
    faults = Faults(1, "500", share)
    hit = sum(faults.for_detail("movie", number) is not None for number in range(4000))
    assert abs(hit / 4000 - share) < 0.02


def test_listings_fail_less_often_and_at_most_twice() -> None:
    faults = Faults(1, "500", 0.2)
    keys = [f"/3/movie/changes?page={page}" for page in range(1000)]
    tries = [[faults.for_listing(key) for key in keys] for _ in range(3)]
    first, second, third = ([fault for fault in results if fault] for results in tries)
    assert 50 < len(first) < 150
    assert 0 < len(second) < len(first)
    assert third == []


def test_a_slow_body_comes_whole_but_late(fresh: Emulator) -> None:
    ids = export_ids(fresh)
    fresh.set_faults("slow")
    number = next(number for number in ids if Faults(3, "slow", 0.08).for_detail("movie", number))
    began = time.monotonic()
    assert get(fresh, f"movie/{number}").json()["id"] == number
    # The last pause may follow the last byte.
    assert time.monotonic() - began > 0.7 * SLOW_SECONDS
    assert fresh.stats().by_fault == {"slow": 1}


def test_a_client_that_hangs_up_leaves_no_error_behind(caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(movies=5, faults="slow", fault_share=1) as tmdb:
        number = export_ids_when_well(tmdb)[0]
        connection = http.client.HTTPConnection(tmdb.address.removeprefix("http://"), timeout=5)
        connection.request("GET", f"/3/movie/{number}", headers={"Authorization": "Bearer x"})
        connection.close()
        ends = time.monotonic() + 30
        while "499" not in (by_status := tmdb.stats().by_status):
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert by_status["499"] == 1
    assert caplog.records == []


def test_the_first_download_of_an_export_is_cut_and_the_second_is_whole(fresh: Emulator) -> None:
    whole = ask(fresh.address, export_path(fresh.stats().day)).body
    fresh.set_faults("cut")
    path = export_path(fresh.stats().day)
    try:
        assert len(ask(fresh.address, path).body) < len(whole)
    except http.client.IncompleteRead as error:
        assert len(error.partial) < len(whole)
    assert ask(fresh.address, path).body == whole


def test_in_an_outage_every_request_to_the_api_fails_until_it_ends(fresh: Emulator) -> None:
    ids = export_ids(fresh)[:20]
    fresh.set_faults("outage")
    during = [outcome(fresh, f"movie/{number}") for number in ids] + [outcome(fresh, "movie/changes?page=1")]
    assert set(during) == {"503", "reset"}
    assert export_ids(fresh)[:20] == ids
    fresh.set_faults(None)
    assert {outcome(fresh, f"movie/{number}") for number in ids} == {"200"}


def test_switching_the_profile_resets_counts(fresh: Emulator) -> None:
    ids = export_ids(fresh)[:60]
    seen = []
    for _ in range(2):
        fresh.set_faults("500")
        seen.append([outcome(fresh, f"movie/{number}") for number in ids])
    assert seen[0] == seen[1]
    assert "500" in seen[0]


def test_an_unknown_profile_is_refused_by_name(fresh: Emulator) -> None:
    with pytest.raises(EmulatorError, match="no fault profile 'chaos'; there are: 429-bursts, 500"):
        fresh.set_faults("chaos")
    with pytest.raises(EmulatorError, match="no fault profile 'chaos'"), Emulator(faults="chaos"):
        pass


def test_retrying_and_running_again_ends_with_the_same_data_as_without_faults() -> None:
    def collect(ask_once: Callable[[str], Reply | None], ids: list[int]) -> dict[int, object]:
        left, kept = set(ids), {}
        for _ in range(3):
            for number in sorted(left):
                for _ in range(4):
                    reply = ask_once(f"movie/{number}")
                    if reply is not None:
                        kept[number] = reply.json()
                        left.discard(number)
                        break
        return kept

    with Emulator(movies=16, seed=6) as tmdb:
        ids = export_ids(tmdb)
        expected = collect(lambda path: get(tmdb, path), ids)
        for profile in set(PROFILES) - {"outage", "slow", "half-surrogate"}:
            tmdb.set_faults(profile)
            assert collect(lambda path: get(tmdb, path) if outcome(tmdb, path) == "200" else None, ids) == expected, (
                profile
            )


def test_a_gzip_body_can_come_without_saying_so() -> None:
    with Emulator(movies=5, faults="gzip-unlabelled", fault_share=1) as tmdb:
        number = export_ids_when_well(tmdb)[0]
        for encoding in ("gzip", "identity"):
            reply = get(tmdb, f"movie/{number}", Accept_Encoding=encoding)
            if reply.body.startswith(b"\x1f\x8b"):
                break
        assert "Content-Encoding" not in reply.headers
        assert json.loads(gzip.decompress(reply.body))["id"] == number


@pytest.mark.parametrize("kind", ["movie", "tv", "person", "company", "keyword"])
def test_half_a_surrogate_is_valid_json_that_is_no_valid_text(kind: str) -> None:
    with Emulator(movies=5, faults="half-surrogate", fault_share=1) as tmdb:
        number = next(number for number in range(1, 40) if get(tmdb, f"{kind}/{number}/none").status == 404
                      and get(tmdb, f"{kind}/{number}").status == 200)  # fmt: skip
        tmdb.set_faults("half-surrogate")
        reply = get(tmdb, f"{kind}/{number}")
        assert reply.body.count(b"\\ud83d ") == 1
        with pytest.raises(UnicodeEncodeError):
            json.dumps(reply.json(), ensure_ascii=False).encode()
        assert reply.json()["id"] == number


def test_the_same_number_of_another_kind_has_its_own_luck() -> None:
    faults = Faults(1, "500", 0.5)
    movies = [faults.for_detail("movie", number) for number in range(200)]
    assert [faults.for_detail("tv", number) for number in range(200)] != movies
    assert 60 < sum(map(bool, movies)) < 140


@pytest.mark.parametrize(
    ("path", "size"), [("discover/tv", 20), ("movie/popular", 20), ("tv/changes", 100), ("trending/movie/day", 20)]
)
@pytest.mark.parametrize("series", [200, 207])
def test_rows_that_drift_between_pages_come_twice_and_none_is_lost(path: str, size: int, series: int) -> None:
    with Emulator(movies=300, series=series, seed=3) as tmdb:
        tmdb.edit(count=series, kind="tv")
        calm = drained(tmdb, path)
        tmdb.set_faults("drifting-pages")
        drifting = drained(tmdb, path)
        assert set(drifting) == set(calm)
        assert len(drifting) > len(set(calm))
        assert drifting[size - 1] == drifting[size]
        assert get(tmdb, f"{path}?page=2").json()["total_results"] == get(tmdb, path).json()["total_results"] + 1
        assert export_ids(tmdb)


def drained(tmdb: Emulator, path: str) -> list[int | None]:
    """The ids of all pages, the last being the one that the page before it says."""
    ids, page, pages = [], 0, 1
    while page < pages:
        page += 1
        body = get(tmdb, f"{path}?page={page}").json()
        ids += [row["id"] for row in body["results"]]
        pages = body["total_pages"]
    return ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_wrong_body_is_that_of_another_of_the_same_kind(kind: str) -> None:
    with Emulator(movies=60, series=20, seed=5) as tmdb:
        ids = export_ids(tmdb, name=KINDS[kind].export)
        right = get(tmdb, f"{kind}/{ids[0]}").json()
        tmdb.set_faults("wrong-ids")
        bodies = [get(tmdb, f"{kind}/{number}").json() for number in ids]
        wrong = [body for number, body in zip(ids, bodies, strict=True) if body["id"] != number]
        assert len(wrong) == tmdb.stats().by_fault.get("wrong-id", 0)
        assert all(set(body) == set(right) for body in bodies)
