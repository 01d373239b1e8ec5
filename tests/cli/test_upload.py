"""`reelhouse upload` and `reelhouse verify --layout course`, as typed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import chdir
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reelhouse.bootstrap import purging
from reelhouse.cli.main import main
from reelhouse.cli.upload import upload_course, upload_settings
from reelhouse.errors import LakeError
from reelhouse.settings import FILE, Settings, load, template
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.opening import open_storage
from tests import serving
from tests.s3servers import aim, fresh_bucket, started

CSV = b"id|tituloPrincipal\ntt0137523|Clube da Luta\n"
JWT = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.s1gnature"

Here = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """The command in this process, in a folder whose lake is ./lake."""

    def here(*arguments: str, **environ: str) -> Result:
        unset = {name: None for name in os.environ if name.startswith(("REELHOUSE_", "TMDB_"))}
        with chdir(tmp_path):
            return CliRunner(env={**unset, **environ}).invoke(main, arguments, input="")

    return here


def _file(folder: Path, name: str, body: bytes = CSV) -> Path:
    path = folder / name
    path.write_bytes(body)
    return path


def _lying(lake: Path) -> dict[str, bytes]:
    return {path.relative_to(lake).as_posix(): path.read_bytes() for path in lake.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("movies.csv", "Movies"),
        ("Filmes_2026.CSV", "Movies"),
        ("title.movie.tsv.gz", "Movies"),
        ("series.csv", "Series"),
        ("minha_serie.txt", "Series"),
        ("tv-shows.csv", "Series"),
    ],
)
def test_a_file_is_stored_unchanged_below_its_kind_and_today(here: Here, tmp_path: Path, name: str, kind: str) -> None:
    _file(tmp_path, name)
    days = [f"{datetime.now(UTC):%Y/%m/%d}"]
    done = here("upload", name, "--layout", "course", "--json")
    days.append(f"{datetime.now(UTC):%Y/%m/%d}")
    assert done.exit_code == 0, done.output
    (one,) = json.loads(done.stdout)["files"]
    assert one in [
        {"file": name, "key": f"Raw/Local/CSV/{kind}/{day}/{name}", "bytes": len(CSV), "new": True} for day in days
    ]
    assert _lying(tmp_path / "lake") == {one["key"]: CSV}


def test_several_files_of_a_named_kind_are_uploaded_together(here: Here, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        _file(tmp_path, name)
    done = here("upload", "a.csv", "b.csv", "--layout", "course", "--kind", "series")
    assert done.exit_code == 0, done.output
    assert "Raw/Local/CSV/Series/" in done.stdout
    assert len(_lying(tmp_path / "lake")) == 2


def test_the_same_file_again_is_fine_and_another_of_its_name_is_refused(here: Here, tmp_path: Path) -> None:
    _file(tmp_path, "movies.csv")
    assert here("upload", "movies.csv", "--layout", "course").exit_code == 0
    again = here("upload", "movies.csv", "--layout", "course", "--json")
    assert (again.exit_code, json.loads(again.stdout)["files"][0]["new"]) == (0, False)
    _file(tmp_path, "movies.csv", CSV + CSV)
    other = here("upload", "movies.csv", "--layout", "course")
    assert other.exit_code == 1
    assert "exists with other content; rename movies.csv" in other.stderr
    assert list(_lying(tmp_path / "lake").values()) == [CSV]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("list.csv", "--layout", "course"), "add --kind movie or --kind series"),
        (("movies_and_series.csv", "--layout", "course"), "add --kind movie or --kind series"),
        (("movies.csv", "none.csv", "--layout", "course", "--kind", "movie"), "none.csv: this file does not exist"),
        (("movies.csv", "movies.json", "--layout", "course"), "a table as text is expected"),
        (("movies.csv", ".", "--layout", "course"), "this file does not exist"),
        (("movies.csv", "filmes a\u00e7\u00e3o.csv", "--layout", "course"), "a name in plain ASCII"),
        (("movies.csv", "sub/movies.csv", "--layout", "course"), "rename one of them"),
        (("movies.csv",), "data files with --layout course"),
        (("reelhouse.toml", "movies.csv"), "alone, or data files"),
    ],
)
def test_a_file_that_cannot_be_put_is_named_before_any_is_put(
    here: Here, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    (tmp_path / "sub").mkdir()
    for name in (
        "list.csv",
        "movies.csv",
        "movies_and_series.csv",
        "movies.json",
        "filmes a\u00e7\u00e3o.csv",
        "sub/movies.csv",
    ):
        _file(tmp_path, name)
    _file(tmp_path, FILE, b"")
    done = here("upload", *arguments)
    assert done.exit_code == 2, done.output
    assert word in done.stderr
    assert not (tmp_path / "lake").exists()


def test_uploaded_settings_are_those_of_the_lake(here: Here, tmp_path: Path) -> None:
    _file(tmp_path, "mine.toml", b'layout = "course"\nrate = 12\n')
    done = here("--lake", "elsewhere", "upload", "mine.toml")
    assert done.exit_code == 0, done.output
    found = load({"lake": str(tmp_path / "elsewhere")}, environ={}, folder=tmp_path)
    assert (found.layout, found.rate) == ("course", 12)
    _file(tmp_path, "mine.toml", b"top = 5\n")
    assert here("--lake", "elsewhere", "upload", "mine.toml").exit_code == 0
    assert load({"lake": str(tmp_path / "elsewhere")}, environ={}, folder=tmp_path).top == 5


def test_the_commented_template_may_be_uploaded(tmp_path: Path) -> None:
    lake = MemoryStorage()
    upload_settings(lake, _file(tmp_path, FILE, template({}, ["movie"]).encode()))
    assert lake.get(FILE) == template({}, ["movie"]).encode()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"layout = course", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b'layot = "course"', "did you mean 'layout'"),
        (b"rate = -1", "0, or 0.001 or more"),
        (b'token = "%b"' % JWT.encode(), "set TMDB_TOKEN"),
        (b'token = "abc"', "set TMDB_TOKEN"),
        (b'token = "ssm:/reelhouse/token"', "must not decide where secrets are sent"),
        (b'unity_token = "abc"', "set DATABRICKS_TOKEN"),
        (b'# token = "%b"' % JWT.encode(), "secrets do not go into the lake"),
    ],
)
def test_a_file_without_settings_or_with_a_secret_is_not_uploaded(
    here: Here, tmp_path: Path, body: bytes, word: str
) -> None:
    _file(tmp_path, "mine.toml", body)
    done = here("upload", "mine.toml")
    assert done.exit_code == 2, done.output
    assert word in done.stderr
    assert "abc" not in done.stderr
    assert JWT not in done.stderr
    assert not (tmp_path / "lake").exists()


class Losing(MemoryStorage):
    """Says that it put what it cut."""

    def put(self, key: str, body: bytes) -> None:
        super().put(key, body[:-1])

    def put_new(self, key: str, body: bytes) -> None:
        super().put_new(key, body[:-1])


def test_an_incomplete_upload_is_an_error(tmp_path: Path) -> None:
    day = datetime.now(UTC).date()
    with pytest.raises(LakeError, match="but the lake has 42"):
        upload_course(Losing(), [_file(tmp_path, "movies.csv")], None, day)
    with pytest.raises(LakeError, match="has something else there"):
        upload_settings(Losing(), _file(tmp_path, FILE, b"top = 5\n"))


RECORDS = [{"id": 550, "title": "Clube da Luta", "imdb_id": "tt0137523", "runtime": 139}]


def test_a_folder_that_others_filled_is_checked_with_a_list(here: Here, tmp_path: Path) -> None:
    folder = tmp_path / "theirs" / "2026" / "11" / "23"
    folder.mkdir(parents=True)
    _file(folder, "a.json", json.dumps(RECORDS).encode())
    _file(tmp_path, "movies.csv")
    done = here("verify", "--layout", "course", "theirs", "--ids", "movies.csv", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["valid"], found["records"], found["missing"]) == (0, True, 1, [])
    _file(tmp_path, "movies.csv", CSV + b"tt0000009|Outro\n")
    done = here("verify", "--layout", "course", "theirs", "--ids", "movies.csv")
    assert done.exit_code == 1
    assert "id tt0000009 of the list is missing" in done.stderr
    assert "not valid" in done.stdout
    _file(folder, "b.json", json.dumps(RECORDS * 60).encode())
    done = here("verify", "--layout", "course", "theirs")
    assert done.exit_code == 1
    assert "id 550 (movie) is in 2026/11/23/a.json and again in 2026/11/23/b.json" in done.stderr
    assert "10 more like that" in done.stderr
    assert len(json.loads(here("verify", "--layout", "course", "theirs", "--json").stdout)["problems"]) == 60


@pytest.mark.parametrize(
    "arguments", [("theirs",), ("--ids", "movies.csv"), ("--layout", "course", "theirs", "--column", "id")]
)
def test_options_that_do_not_go_together_are_refused(here: Here, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    _file(tmp_path, "movies.csv")
    assert here("verify", *arguments).exit_code == 2


def test_an_empty_place_fails_the_check(here: Here) -> None:
    done = here("verify", "--layout", "course", "nowhere")
    assert done.exit_code == 1
    assert "there is no .json file" in done.stderr


def test_a_bucket_takes_files_and_is_checked_by_its_prefix(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = started("moto")
    aim(monkeypatch, server)
    lake = f"s3://{fresh_bucket(server)}/course"
    _file(tmp_path, "movies.csv")
    assert here("--lake", lake, "upload", "movies.csv", "--layout", "course").exit_code == 0
    assert here("--lake", lake, "upload", "movies.csv", "--layout", "course").exit_code == 0
    _file(tmp_path, "movies.csv", CSV + b"tt0137523|Fight Club\n")
    assert here("--lake", lake, "upload", "movies.csv", "--layout", "course").exit_code == 1
    open_storage(lake).put_new("Raw/TMDB/JSON/2026/11/23/theirs.json", json.dumps(RECORDS).encode())
    for place in (lake, f"{lake}/Raw/TMDB/JSON", f"{lake}/Raw/TMDB/JSON/2026/11/23"):
        done = here("verify", "--layout", "course", place, "--ids", "movies.csv", "--json")
        assert (done.exit_code, json.loads(done.stdout)["records"]) == (0, 1), done.output


@pytest.mark.parametrize(
    "line",
    [
        'tmdb_url = "https://evil.example/3"',
        'exports_url = "https://evil.example/p/exports"',
        'unity_url = "https://evil.example"',
        'engine = "sc://evil.example:15002"',
        'spark_conf = { "spark.jars" = "https://evil.example/x.jar" }',
        'spool = "/etc"',
        's3_profile = "other"',
    ],
)
def test_a_setting_that_a_lake_must_not_decide_is_not_uploaded(here: Here, tmp_path: Path, line: str) -> None:
    _file(tmp_path, "mine.toml", f"top = 5\n{line}\n".encode())
    done = here("upload", "mine.toml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(
        f"reelhouse: {line.partition(' =')[0]}: a lake's own file (mine.toml) must not decide"
    )
    assert not (tmp_path / "lake").exists()


def test_the_token_is_never_sent_to_an_address_from_a_lake(here: Here, tmp_path: Path) -> None:
    """The whole command against a server that would have been shown the token."""
    with serving.serving(lambda request: serving.json({})) as server:
        (tmp_path / "lake").mkdir()
        _file(tmp_path / "lake", FILE, f'tmdb_url = "{server.url}/3"\n'.encode())
        for command in ("plan", "collect", "sync"):
            done = here(command, TMDB_TOKEN=JWT)
            assert done.exit_code == 2, done.output
            assert done.stderr.startswith("reelhouse: tmdb_url: a lake's own file (lake/reelhouse.toml)")
        assert server.seen == []


def test_tables_that_a_purge_builds_again_read_quotes_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr("reelhouse.engines.session.session_of", lambda *given: None)
    monkeypatch.setattr("reelhouse.warehouse.run.build", lambda storage, session, **options: asked.update(options))
    settings = Settings(layout="course", course_quotes=False)
    assert purging._rebuild(MemoryStorage(), settings, lambda name: None).done
    assert (asked["course"], asked["course_quotes"]) == (True, False)
