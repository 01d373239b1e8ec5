"""Options: what they mean, and what is refused before Spark shows it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from reelhouse.errors import ConfigError, LakeError
from reelhouse.settings import Settings
from reelhouse.spark.api_partitions import partitions_of, travelling
from reelhouse.spark.options import Options, read_options
from reelhouse.spark.reading import known_columns
from tests.runs.lakes import TOKEN


@pytest.mark.parametrize(
    "given",
    [
        {"token": TOKEN},
        {"tmdb_token": "ssm:/name"},
        {"api_key": "0123456789abcdef0123456789abcdef"},
        {"Authorization": f"Bearer {TOKEN}"},
        {"ids": TOKEN},
        {"lake": "0123456789abcdef0123456789abcdef"},
        {TOKEN: "1"},
        # As Spark writes the names of options.
        {TOKEN.lower(): "1"},
    ],
)
def test_a_secret_is_refused_and_not_shown(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="executors' environment") as refused:
        read_options(given)
    for piece in TOKEN.split("."):
        assert piece.lower() not in str(refused.value).lower()
    assert "0123456789abcdef" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"idss": "3"}, "did you mean 'ids'"),
        ({"ids": "603,x"}, "'x' is neither a TMDB id"),
        ({"ids": " , "}, "has no ids"),
        ({"ids": "603", "lake": "/lake"}, "lake and ids cannot be read at once"),
        ({"ids": "603", "discover.year": "1999"}, "ids and discover"),
        ({"ids": "603", "ids_file": "/dev/null"}, "ids and ids"),
        ({"ids": "603", "min_popularity": "5"}, "ids and min_popularity"),
        ({"lake": "/lake", "min_popularity": "5"}, "lake and min_popularity"),
        ({"ids": "603", "include_adult": "false"}, "include_adult: only the export has such marks"),
        ({"discover.year": "1999", "include_video": "false"}, "include_video: only the export has such marks"),
        ({"since": "today", "include_adult": "false"}, "include_adult: only the export has such marks"),
        ({"ids_file": "/nowhere"}, "cannot be read where the driver runs"),
        ({"entity": "podcast"}, "movie, tv, person, collection"),
        ({"entity": "podcast", "ids_file": "/dev/null"}, "movie, tv, person, collection"),
        ({"entity": "person", "ids": "31,tt0133093"}, "'tt0133093' cannot be the id of one of TMDB's people"),
        ({"ids": "nm0000206"}, "'nm0000206' cannot be the id of one of TMDB's movies"),
        ({"entity": "keyword", "ids": "tt0133093"}, "cannot be the id of one of TMDB's keywords"),
        ({"entity": "language", "ids": "1"}, "language has no ids to request"),
        ({"entity": "language", "top": "1"}, "language has no ids to request"),
        ({"ids": "603", "adult_export": "true"}, "adult_export: only the export has such marks"),
        ({"entity": "company", "top": "5", "adult_export": "true"}, "no export of adult companies"),
        ({"partition_ids": "0"}, "partition_ids"),
        ({"quarantined": "maybe"}, "quarantined"),
        ({"since": "last week"}, "since"),
        ({"rate": "many"}, "rate"),
    ],
)
def test_options_that_would_be_ignored_are_errors(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_options(given)


def test_the_table_is_the_entitys_first_without_the_option() -> None:
    assert {name: read_options({"entity": name}).table for name in ("movie", "tv", "movie_popular", "genre_tv")} == {
        "movie": "movie",
        "tv": "tv",
        "movie_popular": "list_daily",
        "genre_tv": "genre",
    }


def test_a_table_that_is_not_made_from_answers_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'movie_cast'"):
        _ = read_options({"table": "movie_kast"}).spec
    with pytest.raises(ConfigError, match="or read a lake"):
        _ = read_options({"table": "popularity_daily"}).spec


def test_ids_come_from_an_option_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "links.csv"
    file.write_text("movieId,imdbId,tmdbId\n1,0114709,862\n2,0113497,\n")
    assert read_options({"ids": "603, 550 tt133093,603"}).keys == ("603", "550", "tt0133093")
    assert read_options({"ids_file": str(file)}).keys == ("862", "tt0113497")


def test_a_list_in_a_file_is_read_as_strictly_as_at_the_prompt(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("id,imdb_id,type\n1,tt0114709,movie\n2,tt0113497,show\n")
    with pytest.raises(ConfigError, match=r'id and imdb_id may all hold .*option\("ids_column", "imdb_id"\)'):
        read_options({"ids_file": str(file)})
    with pytest.warns(UserWarning, match="1 show"):
        assert read_options({"ids_file": str(file), "ids_column": "imdb_id"}).keys == ("tt0114709",)
    both = read_options({"ids_file": str(file), "ids_column": "imdb_id", "ids_kinds": "false"})
    assert both.keys == ("tt0114709", "tt0113497")
    file.write_text('id,title\n1,"Open\n2,b\n')
    with pytest.raises(ConfigError, match=r'line 2 opens a quote .*option\("ids_quotes", "false"\)'):
        read_options({"ids_file": str(file)})
    assert read_options({"ids_file": str(file), "ids_quotes": "false"}).keys == ("1", "2")
    with pytest.raises(ConfigError, match="ids_column: it is an option of ids_file"):
        read_options({"ids": "603", "ids_column": "id"})


@pytest.mark.parametrize("ids", ["../account", "²", "5;new", "0", "1" * 23, "id,603"])
def test_an_invalid_id_is_refused(ids: str) -> None:
    with pytest.raises(ConfigError, match="is neither a TMDB id"):
        read_options({"ids": ids})


def test_options_are_settings_where_there_are_such() -> None:
    found = read_options({"discover.with_genres": "18", "discover.year": "1999", "language": "de-DE", "rate": "8"})
    assert found.asks_tmdb
    assert found.settings == {
        "discover": {"with_genres": "18", "year": "1999"},
        "language": "de-DE",
        "rate": 8.0,
    }
    assert read_options({"top": "5", "min_popularity": "2", "include_adult": "false"}).asks_tmdb
    assert not read_options({"lake": "/lake"}).asks_tmdb


def test_shares_of_all_that_may_be_at_work_make_up_the_rate() -> None:
    settings = Settings(rate=40.0, connections=20)
    ids = [str(number) for number in range(1, 1001)]
    alone = partitions_of(ids[:200], Options(), settings)
    assert [(len(one.keys), one.settings.rate, one.settings.connections) for one in alone] == [(200, 40.0, 20)]
    few = partitions_of(ids, Options(), settings)
    assert [(len(one.keys), one.settings.rate, one.settings.connections) for one in few] == [(250, 10.0, 5)] * 4
    many = partitions_of(ids, Options(concurrency=2, partition_ids=100), settings)
    assert [(len(one.keys), one.settings.rate) for one in many] == [(100, 20.0)] * 10
    fewer = partitions_of(ids, Options(concurrency=50, partition_ids=500), settings)
    assert [one.settings.rate for one in fewer] == [20.0, 20.0]
    # Of sixty tasks that begin together each asks once in the first second.
    most = partitions_of(ids, Options(concurrency=60, partition_ids=10), settings)
    assert [(len(one.keys), one.settings.rate) for one in most] == [(25, 1.0)] * 40
    (slow,) = partitions_of(ids, Options(concurrency=60), settings.overridden(rate=0.5))
    assert slow.settings.rate == 0.5
    for found in (alone, few, many, fewer, most):
        assert sorted(key for one in found for key in one.keys) == sorted(ids[: sum(len(one.keys) for one in found)])
    assert partitions_of([], Options(), settings) == []


def test_only_partitions_of_imdb_ids_know_what_is_asked_elsewhere() -> None:
    found = partitions_of(["603", "tt1", "550", "tt2"], Options(partition_ids=2), Settings())
    assert [one.keys for one in found] == [("tt1", "tt2"), ("603", "550")]
    assert [sorted(one.elsewhere) for one in found] == [[550, 603], []]


def test_a_token_is_not_sent_but_its_place_is() -> None:
    assert travelling(Settings(token=TOKEN)).token == ""
    assert travelling(Settings(token="ssm:/tmdb")).token == "ssm:/tmdb"
    (only,) = partitions_of(["1"], Options(), Settings(token=TOKEN))
    assert TOKEN not in repr(vars(only))
    assert only.settings.token == ""


def test_no_other_secret_of_the_driver_is_sent() -> None:
    driver = Settings(
        unity_token="a-catalogues-secret", spark_conf={"spark.password": "a-sparks-secret"}, s3_profile="a-drivers-own"
    )
    (only,) = partitions_of(["1"], Options(), driver)
    travels = pickle.dumps(only)
    for stays in (b"a-catalogues-secret", b"a-sparks-secret", b"a-drivers-own"):
        assert stays not in travels


def test_options_without_effect_on_a_lake_are_refused() -> None:
    for given in ({"lake": "/lake", "record_filter": "adult"}, {"language": "de-DE"}, {"append": "credits"}):
        with pytest.raises(ConfigError, match="a lake is read as it was collected"):
            read_options(given).check_batch()
    read_options({"lake": "/lake", "rate": "5"}).check_batch()


def test_options_of_streams_and_of_batches_do_not_mix() -> None:
    for given in ({"since": "today"}, {"early": "true"}):
        with pytest.raises(ConfigError, match="are for `readStream`"):
            read_options(given).check_batch()
    for given in ({"ids": "603", "since": "today"}, {"lake": "/lake", "since": "today"}, {"top": "5"}):
        with pytest.raises(ConfigError, match="are for `read`"):
            read_options(given).check_stream()
    with pytest.raises(ConfigError, match="since is missing"):
        read_options({"table": "movie"}).check_stream()
    with pytest.raises(ConfigError, match="not made directly from the API"):
        read_options({"table": "dim_movie", "since": "today"}).check_stream()
    read_options({"since": "2026-03-02", "early": "true"}).check_stream()


def test_a_table_that_is_neither_built_nor_made_from_the_api_is_named_with_what_is_like_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELHOUSE_LAKE", str(tmp_path))
    with pytest.raises(LakeError, match=r"nothing is built.*nor is 'movi' made .* \(did you mean 'movie'\?\)"):
        known_columns(read_options({"table": "movi"}))
    with pytest.raises(LakeError, match=r"before it\)$"):
        known_columns(read_options({"table": "movie", "lake": str(tmp_path)}))


def test_the_path_of_load_is_the_lake() -> None:
    assert read_options({"path": "./lake", "table": "movie_cast"}).lake == "./lake"
    assert read_options({"path": "./lake", "lake": "./lake"}).lake == "./lake"
    with pytest.raises(ConfigError, match="lake and path name two lakes"):
        read_options({"path": "./lake", "lake": "./other"})
    with pytest.raises(ConfigError, match="lake and ids cannot be read at once"):
        read_options({"path": "./lake", "ids": "603"})


def test_a_list_that_is_named_after_another_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_text("tmdb\n862\n")
    with pytest.raises(ConfigError, match=r"is about tv, not about movie: option\(\"ids_kinds\", \"false\"\)"):
        read_options({"ids_file": str(file)})
    assert read_options({"ids_file": str(file), "ids_kinds": "false"}).keys == ("862",)
