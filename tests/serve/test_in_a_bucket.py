"""What shows a lake works on a lake in a bucket: report, record, and the copy for the browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from docs.pictures import browsing
from reelhouse import LakeError
from reelhouse import open as open_lake
from tests import s3servers
from tests.cluster.lakes import Bucket
from tests.end_to_end.conftest import unset
from tests.in_process import reelhouse
from tests.warehouse.landing import LakeInTheMaking

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def bucket(three_movies: LakeInTheMaking) -> Iterator[Bucket]:
    made = Bucket(s3servers.started("moto"))
    made.upload(three_movies.root)
    yield made


def test_a_report_of_a_bucket_has_its_answers(bucket: Bucket, tmp_path: Path) -> None:
    env = {**unset(), **bucket.server.environ}
    done = reelhouse("--lake", bucket.lake, "report", "--output", "lake.html", "--json", env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "lake.html").read_text(encoding="utf-8")
    assert f"<h1>{bucket.lake}</h1>" in page.replace("<wbr>", "")
    assert "Return on investment by genre" in page
    assert {one["name"] for one in json.loads(done.stdout)["checks"]} >= {"last runs", "orphans", "last verify"}


def test_a_record_of_a_bucket_is_shown_with_its_raw_answer(bucket: Bucket, tmp_path: Path) -> None:
    env = {**unset(), **bucket.server.environ}
    shown = reelhouse("--lake", bucket.lake, "show", "movie", "tt0000002", env=env, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "Movie 2" in shown.stdout
    raw = reelhouse("--lake", bucket.lake, "show", "movie", "2", "--raw", env=env, cwd=tmp_path)
    assert json.loads(raw.stdout)["title"] == "Movie 2"


def test_a_dataframe_of_a_bucket_whose_files_are_gone_is_an_error(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**unset(), **bucket.server.environ}.items():
        monkeypatch.setenv(name, value)
    with open_lake(bucket.lake) as lake:
        genres, titles = lake.table("movie_genre"), lake.sql("select title from movie")
        assert titles.count() == 3
        rows = genres.count()
        storage = lake._storage
        kept = {key: storage.get(key) for key in storage.keys("tables/movie/") if key.endswith(".parquet")}
        for key in kept:
            storage.delete(key)
        try:
            with pytest.raises(LakeError, match=f"{len(kept)} of the files that it reads are gone"):
                titles.count()
            assert genres.count() == rows
        finally:
            for key, body in kept.items():
                storage.put(key, body)
        assert titles.count() == 3


def test_a_bucket_is_browsed(bucket: Bucket) -> None:
    with browsing(bucket.lake, {**unset(), **bucket.server.environ}) as address:
        with urlopen(f"{address}/lake/dim_movie.json?_shape=array&_search=movie") as answer:
            assert len(json.load(answer)) == 3
        with urlopen(f"{address}/lake/dim_movie") as page:
            assert "Title in the original language" in page.read().decode()
