"""The API answers as the contract says: credentials, errors, pages, appends, headers."""

import gzip
from datetime import UTC, datetime

import pytest

from reelhouse.emulator import Emulator, EmulatorError
from reelhouse.emulator.catalog.kinds import KINDS
from tests.emulator.asking import ask, export_ids, get


def error_of(tmdb: Emulator, path: str) -> tuple[int, int]:
    reply = get(tmdb, path)
    assert reply.json()["success"] is False
    assert reply.json()["status_message"]
    return reply.status, reply.json()["status_code"]


def test_any_bearer_token_is_accepted(tmdb: Emulator) -> None:
    assert ask(tmdb.address, "/3/configuration", {"Authorization": "Bearer x"}).status == 200


def test_a_key_of_32_hex_digits_is_accepted(tmdb: Emulator) -> None:
    assert ask(tmdb.address, f"/3/configuration?api_key={'0123456789abcdef' * 2}").status == 200


@pytest.mark.parametrize("path", ["/3/configuration", "/3/configuration?api_key=short", "/3/movie/changes"])
def test_without_a_credential_the_answer_is_401_code_7(tmdb: Emulator, path: str) -> None:
    reply = ask(tmdb.address, path)
    assert (reply.status, reply.json()["status_code"]) == (401, 7)


def test_an_authorization_without_a_token_is_none(tmdb: Emulator) -> None:
    assert ask(tmdb.address, "/3/configuration", {"Authorization": "Bearer "}).status == 401


def test_with_a_token_all_others_are_refused() -> None:
    with Emulator(movies=5, token="the one") as tmdb:
        path = "/3/configuration"
        assert ask(tmdb.address, path, {"Authorization": "Bearer the one"}).status == 200
        assert ask(tmdb.address, path, {"Authorization": "bearer  the one "}).status == 200
        for header in ({}, {"Authorization": "Bearer another"}, {"Authorization": "Basic the one"}):
            reply = ask(tmdb.address, f"{path}?api_key={'0123456789abcdef' * 2}", header)
            assert (reply.status, reply.json()["status_code"]) == (401, 7)


@pytest.mark.parametrize("token", ["", " "])
def test_an_empty_token_would_let_nobody_in(token: str) -> None:
    with pytest.raises(EmulatorError, match="token is empty"):
        Emulator(token=token)


def test_a_movie_that_is_not_there_is_404_code_34(tmdb: Emulator) -> None:
    missing = next(number for number in range(2, 100) if number not in set(export_ids(tmdb)))
    assert error_of(tmdb, f"movie/{missing}") == (404, 34)
    assert error_of(tmdb, f"movie/{missing}/keywords") == (404, 34)
    assert error_of(tmdb, "movie/999999999") == (404, 34)


def test_an_unknown_path_is_404_code_34(tmdb: Emulator) -> None:
    assert error_of(tmdb, "movie/2/sequels") == (404, 34)
    assert error_of(tmdb, "tv/1399") == (404, 34)


@pytest.mark.parametrize("page", ["0", "501", "-1", "two", "1.5"])
@pytest.mark.parametrize("path", ["discover/movie", "movie/popular", "movie/changes"])
def test_a_page_outside_1_to_500_is_400_code_22(tmdb: Emulator, path: str, page: str) -> None:
    assert error_of(tmdb, f"{path}?page={page}") == (400, 22)


def test_page_500_is_still_a_page(tmdb: Emulator) -> None:
    reply = get(tmdb, "discover/movie?page=500").json()
    assert (reply["page"], reply["results"]) == (500, [])


def test_twenty_appends_pass_and_the_twenty_first_is_400_code_27(tmdb: Emulator) -> None:
    number = export_ids(tmdb)[0]
    twenty = ",".join([*KINDS["movie"].appends, *(f"unknown{n}" for n in range(20 - len(KINDS["movie"].appends)))])
    assert get(tmdb, f"movie/{number}?append_to_response={twenty}").status == 200
    assert error_of(tmdb, f"movie/{number}?append_to_response={twenty},credits") == (400, 27)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start_date=2026-01-01&end_date=2026-01-16", (422, 20)),
        ("start_date=2026-01-02&end_date=2026-01-01", (422, 20)),
        ("start_date=01/02/2026", (400, 23)),
        ("end_date=2026-02-30", (400, 23)),
    ],
)
def test_bad_ranges_and_bad_dates_have_codes_of_their_own(
    tmdb: Emulator, query: str, expected: tuple[int, int]
) -> None:
    assert error_of(tmdb, f"movie/changes?{query}") == expected


def test_fourteen_days_are_a_range_and_a_time_of_day_is_ignored(tmdb: Emulator) -> None:
    assert get(tmdb, "movie/changes?start_date=2026-01-01&end_date=2026-01-15").status == 200
    assert get(tmdb, "movie/changes?start_date=2026-01-01%2000:00:00%20%2B0000").status == 200


def test_a_method_that_writes_is_405_code_42(tmdb: Emulator) -> None:
    reply = ask(tmdb.address, "/3/configuration", {"Authorization": "Bearer x"}, method="POST")
    assert (reply.status, reply.json()["status_code"]) == (405, 42)


def test_a_zero_byte_in_the_path_is_400_and_dots_are_resolved(tmdb: Emulator) -> None:
    assert get(tmdb, "movie/%00").status == 400
    assert get(tmdb, "credit/x%2F..%2F..%2Fconfiguration").status == 200


def test_each_append_equals_its_own_path(tmdb: Emulator) -> None:
    number = export_ids(tmdb)[0]
    body = get(tmdb, f"movie/{number}?append_to_response={','.join(KINDS['movie'].appends)}").json()
    for name in KINDS["movie"].appends:
        alone = get(tmdb, f"movie/{number}/{name}").json()
        assert "id" not in body[name]
        assert alone.pop("id", number) == number
        assert body[name] == alone, name


def test_a_block_that_was_not_asked_for_is_not_there(tmdb: Emulator) -> None:
    number = export_ids(tmdb)[0]
    assert not set(get(tmdb, f"movie/{number}?append_to_response=keywords").json()) & set(KINDS["movie"].appends) - {
        "keywords"
    }


def test_unknown_parameters_are_ignored(tmdb: Emulator) -> None:
    number = export_ids(tmdb)[0]
    assert get(tmdb, f"movie/{number}?colour=red").json() == get(tmdb, f"movie/{number}").json()
    filtered, typo = get(tmdb, "discover/movie?with_genre=18").json(), get(tmdb, "discover/movie").json()
    assert filtered == typo


def test_an_imdb_id_and_a_slug_lead_to_the_movie(tmdb: Emulator) -> None:
    body = next(body for number in export_ids(tmdb) if (body := get(tmdb, f"movie/{number}").json())["imdb_id"])
    assert get(tmdb, f"movie/{body['imdb_id']}").json() == body
    assert get(tmdb, f"movie/{body['id']}-some-title").json() == body
    found = get(tmdb, f"find/{body['imdb_id']}?external_source=imdb_id").json()["movie_results"]
    assert [row["id"] for row in found] == [body["id"]]


def test_an_unknown_imdb_id_is_404_and_finds_nothing(tmdb: Emulator) -> None:
    assert error_of(tmdb, "movie/tt0000001") == (404, 34)
    assert not any(get(tmdb, "find/tt0000001?external_source=imdb_id").json().values())


def test_gzip_comes_when_it_is_asked_for(tmdb: Emulator) -> None:
    path = f"movie/{export_ids(tmdb)[0]}?append_to_response=credits"
    plain, packed = get(tmdb, path), get(tmdb, path, Accept_Encoding="gzip, deflate")
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) == int(packed.headers["Content-Length"])


def test_a_known_etag_is_answered_304_without_a_body(tmdb: Emulator) -> None:
    path = f"movie/{export_ids(tmdb)[0]}"
    first = get(tmdb, path)
    assert first.headers["ETag"].startswith('W/"')
    again = get(tmdb, path, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert get(tmdb, path, If_None_Match='W/"another"').status == 200


def test_answers_carry_cache_control_and_a_date(tmdb: Emulator) -> None:
    reply = get(tmdb, f"movie/{export_ids(tmdb)[0]}")
    assert reply.headers["Cache-Control"].startswith("public, max-age=")
    assert reply.headers["Content-Type"] == "application/json;charset=utf-8"
    assert "GMT" in reply.headers["Date"]


def test_a_head_request_has_the_headers_and_no_body(tmdb: Emulator) -> None:
    path = f"/3/movie/{export_ids(tmdb)[0]}"
    full = ask(tmdb.address, path, {"Authorization": "Bearer x"})
    head = ask(tmdb.address, path, {"Authorization": "Bearer x"}, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(full.body))


def test_the_clock_can_start_at_any_instant() -> None:
    with Emulator(movies=5, now=datetime(2026, 3, 1, 12, tzinfo=UTC)) as tmdb:
        assert get(tmdb, "configuration").headers["Date"].startswith("Sun, 01 Mar 2026 12:00:")


def test_lists_have_twenty_rows_a_page_and_every_movie_once(tmdb: Emulator) -> None:
    first = get(tmdb, "movie/popular").json()
    assert (first["page"], first["total_results"], first["total_pages"]) == (1, 500, 25)
    pages = [get(tmdb, f"movie/popular?page={page}").json()["results"] for page in range(1, 26)]
    assert [len(rows) for rows in pages] == [20] * 25
    assert sorted(row["id"] for rows in pages for row in rows) == sorted(export_ids(tmdb))
    popularity = [row["popularity"] for rows in pages for row in rows]
    assert popularity == sorted(popularity, reverse=True)


def test_the_latest_movie_has_the_highest_id(tmdb: Emulator) -> None:
    assert get(tmdb, "movie/latest").json()["id"] == max(export_ids(tmdb))


def test_reference_lists_have_their_documented_shape(tmdb: Emulator) -> None:
    genres = get(tmdb, "genre/movie/list").json()["genres"]
    assert len(genres) == 19
    assert {"id": 878, "name": "Science Fiction"} in genres
    for name in ("countries", "languages", "jobs"):
        assert isinstance(get(tmdb, f"configuration/{name}").json(), list)


def test_another_language_translates_or_leaves_empty(tmdb: Emulator) -> None:
    for row in get(tmdb, "movie/popular").json()["results"]:
        body = get(tmdb, f"movie/{row['id']}?language=de-DE&append_to_response=translations").json()
        german = [row["data"] for row in body["translations"]["translations"] if row["iso_639_1"] == "de"]
        assert body["overview"] == (german[0]["overview"] if german else "")
        assert body["title"] == ((german and german[0]["title"]) or body["original_title"])


def test_a_language_filters_images_and_a_country_filters_titles(tmdb: Emulator) -> None:
    numbers = [row["id"] for row in get(tmdb, "movie/popular").json()["results"]]
    posters = [get(tmdb, f"movie/{number}/images?include_image_language=en,null").json() for number in numbers]
    assert {row["iso_639_1"] for body in posters for row in body["posters"]} == {"en", None}
    bodies = [get(tmdb, f"movie/{number}/alternative_titles").json() for number in numbers]
    body = next(body for body in bodies if len(body["titles"]) > 1)
    country = body["titles"][0]["iso_3166_1"]
    some = get(tmdb, f"movie/{body['id']}/alternative_titles?country={country}").json()["titles"]
    assert some == [row for row in body["titles"] if row["iso_3166_1"] == country]
