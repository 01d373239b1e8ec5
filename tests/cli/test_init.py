"""`reelhouse init`: what it asks at a terminal, and the file that it writes."""

from __future__ import annotations

import json
import os
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelhouse.bootstrap.secrets import KEYRING_PLACE, keep_in_file, keep_in_keyring, token_of
from reelhouse.bootstrap.storage import load_settings
from reelhouse.emulator import Emulator
from reelhouse.errors import ConfigError
from reelhouse.logs import log
from reelhouse.settings import FILE, Settings, load, shared, template
from tests.cli.terminal import Terminal, shown

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def tmdb() -> Iterator[Emulator]:
    with Emulator(movies=150, process=True, token=TOKEN) as tmdb:
        yield tmdb


def _init(cwd: Path, tmdb: Emulator, *arguments: str, columns: int = 80, **environ: str) -> Terminal:
    env = {"REELHOUSE_TMDB_URL": tmdb.url, "REELHOUSE_EXPORTS_URL": tmdb.exports_url, **environ}
    return Terminal(["-m", "reelhouse", "init", *arguments], columns=columns, cwd=cwd, env=env)


def _answer(terminal: Terminal, *answers: tuple[str, str]) -> str:
    times: Counter[str] = Counter()
    for question, answer in answers:
        times[question] += 1
        terminal._read(lambda: terminal.screen.text.count(question) >= times[question], 60)  # noqa: B023
        terminal.type(f"{answer}\n")
    assert terminal.end() == 0
    return " ".join(terminal.screen.text.split())


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_is_asked_for_token_place_and_selection(tmp_path: Path, tmdb: Emulator, columns: int) -> None:
    text = _answer(
        _init(tmp_path, tmdb, columns=columns),
        ("Token, which is not shown", "a-wrong-one"),
        ("Token, which is not shown", TOKEN),
        ("Where to keep the token", "file"),
        ("Where is the lake", "./films"),
        ("What to collect", "movies"),
        ("What to collect", "movie"),
        ("How many", "many"),
        ("How many", "20"),
    )
    assert "TMDB accepts the token." in text
    assert "'movies' is not collected" in text
    assert "a whole number is expected" in text
    assert "The first run makes at most 20 requests: 0 s." in text
    assert TOKEN not in text
    assert (tmp_path / ".env").read_text() == f"TMDB_TOKEN={TOKEN}\n"
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    found = load(environ={}, folder=tmp_path, entities=["movie"])
    assert (found.token, found.lake, found.entities, found.top) == ("file:.env", "./films", ["movie"], 20)
    assert TOKEN not in (tmp_path / FILE).read_text()


def test_all_of_something_is_counted_before_it_is_begun(tmp_path: Path, tmdb: Emulator) -> None:
    text = _answer(
        _init(tmp_path, tmdb, "--entities", "movie"),
        ("Token, which is not shown", TOKEN),
        ("Where to keep the token", "env"),
        ("Where is the lake", "."),
        ("Where is the lake", ""),
        ("How many", "0"),
    )
    assert "the lake needs a folder of its own" in text
    assert "The first run makes 150 requests: 4 s." in text
    assert "export TMDB_TOKEN=" in text
    assert not (tmp_path / ".env").exists()
    assert "\n# token = " in (tmp_path / FILE).read_text()


def test_without_a_token_the_rest_is_asked(tmp_path: Path, tmdb: Emulator) -> None:
    answers = (("Token, which is not shown", ""), ("Where is the lake", ""), ("What to collect", ""), ("How many", "0"))
    assert "`reelhouse plan` says what the first run costs" in _answer(_init(tmp_path, tmdb), *answers)


def test_ctrl_c_ends_it_as_it_ends_other_commands(tmp_path: Path, tmdb: Emulator) -> None:
    terminal = _init(tmp_path, tmdb)
    terminal.wait_for("Token, which is not shown")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "reelhouse: interrupted; no reelhouse.toml was written" in terminal.screen.text
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_the_environment_is_said_before_any_question(tmp_path: Path) -> None:
    wrong = {"REELHOUSE_EXPORTS_URL": "http://127.0.0.1/p"}
    terminal = Terminal(["-m", "reelhouse", "init"], columns=80, cwd=tmp_path, env=wrong)
    assert terminal.end() == 2
    assert "exports_url: " in terminal.screen.text
    assert "Token" not in terminal.screen.text


def test_yes_asks_nothing_at_a_terminal(tmp_path: Path) -> None:
    code, text = shown(["init", "--yes"], columns=80, cwd=tmp_path)
    assert (code, "Token" in text) == (0, False)
    assert load(environ={}, folder=tmp_path) == Settings(top=1000)


@pytest.mark.parametrize(("entities", "top"), [("keyword", None), ("keyword,reference", None), ("keyword,tv", 1000)])
def test_the_most_popular_are_selected_of_what_has_a_popularity(
    entities: str, top: int | None, tmp_path: Path, tmdb: Emulator
) -> None:
    code, _ = shown(["init", "--yes", "--entities", entities], columns=80, cwd=tmp_path)
    assert (code, load(environ={}, folder=tmp_path).top) == (0, top)
    answers = [("Token, which is not shown", ""), ("Where is the lake", ""), *([("How many", "")] if top else [])]
    _answer(_init(tmp_path, tmdb, "--force", "--entities", entities), *answers)
    assert load(environ={}, folder=tmp_path).top == top


def test_a_lake_that_is_named_goes_into_the_file_and_is_not_asked_for(tmp_path: Path, tmdb: Emulator) -> None:
    code, _ = shown(["--lake", "./films", "init", "--yes"], columns=80, cwd=tmp_path)
    assert (code, load(environ={}, folder=tmp_path).lake) == (0, "./films")
    answers = (("Token, which is not shown", ""), ("What to collect", ""), ("How many", ""))
    _answer(_init(tmp_path, tmdb, "--force", "--lake", "./series"), *answers)
    assert load(environ={}, folder=tmp_path).lake == "./series"
    code, text = shown(["init", "--force", "--yes", "--lake", "."], columns=80, cwd=tmp_path)
    assert (code, "the lake needs a folder of its own" in text) == (2, True)
    assert load(environ={}, folder=tmp_path).lake == "./series"


def test_without_a_limit_of_requests_no_time_is_said(tmp_path: Path, tmdb: Emulator) -> None:
    terminal = _init(tmp_path, tmdb, "--entities", "movie", REELHOUSE_RATE="0")
    answers = (("Token, which is not shown", ""), ("Where is the lake", ""), ("How many", "20"))
    assert "The first run makes at most 20 requests. Begin with" in _answer(terminal, *answers)


_LINES = [line for line in template({}, ["movie"]).splitlines() if " = " in line or line.startswith("# [")]


@pytest.mark.parametrize("line", _LINES)
def test_each_line_may_be_uncommented(line: str, tmp_path: Path) -> None:
    text = template({}, ["movie"])
    (tmp_path / FILE).write_text(text.replace(f"\n{line}\n", f"\n{line.removeprefix('#').strip()}\n"))
    assert (tmp_path / FILE).read_text() != text
    load(environ={}, folder=tmp_path, entities=["movie"])


def test_what_a_user_types_is_text_in_the_file(tmp_path: Path) -> None:
    lake = 'C:\\films\\"new" é'
    (tmp_path / FILE).write_text(template({"lake": lake, "entities": ["movie"], "top": 3}, ["movie"]), "utf-8")
    assert load(environ={}, folder=tmp_path).lake == lake


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "TMDB_TOKEN={}\n"),
        ("A=1", "A=1\nTMDB_TOKEN={}\n"),
        ("A=1\nexport TMDB_TOKEN='old'\nB=2\n", "A=1\nexport TMDB_TOKEN={}\nB=2\n"),
        ("  export\tTMDB_TOKEN=old\n", "  export\tTMDB_TOKEN={}\n"),
        ("\ufeffTMDB_TOKEN=old\nA=1\n", "TMDB_TOKEN={}\nA=1\n"),
        ("TMDB_TOKEN=\nPASSWORD=x\nB=2\n", "TMDB_TOKEN={}\nPASSWORD=x\nB=2\n"),
    ],
)
def test_a_token_in_a_file_leaves_the_rest_of_it(
    before: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(before, encoding="utf-8")
    keep_in_file("new-\\1-one")
    assert (tmp_path / ".env").read_text(encoding="utf-8") == after.format("new-\\1-one")
    assert token_of(load_settings({"token": f"file:{tmp_path / '.env'}"})) == "new-\\1-one"


@pytest.mark.skipif(os.name != "posix", reason="there are no modes of files")
def test_a_file_of_a_token_is_read_as_shells_do_and_is_for_its_owner(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "propagate", True)
    path = tmp_path / "secrets"
    path.write_text("\ufeffTMDB_TOKEN=old\n  TMDB_TOKEN='new' # of last week\n", encoding="utf-8")
    path.chmod(0o640)
    assert token_of(load_settings({"token": f"file:{path}"})) == "new"
    assert f"others on this machine may read {path}, which holds TMDB's token: chmod 600 {path}" in caplog.text
    caplog.clear()
    other = path.rename(tmp_path / "other")
    other.chmod(0o600)
    assert token_of(load_settings({"token": f"file:{other}"})) == "new"
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("file:none", "none cannot be read"),
        ("file:empty", "no line TMDB_TOKEN"),
        ("file:unset", "holds no token"),
        ("file:commented", "holds no token"),
        ("keyring:x", "the only place"),
    ],
)
def test_a_place_without_a_token_is_named(
    place: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "unset").write_text("TMDB_TOKEN = \n\nPASSWORD=hunter2\n")
    (tmp_path / "commented").write_text("TMDB_TOKEN= # yours\nPASSWORD=hunter2\n")
    with pytest.raises(ConfigError, match=text):
        token_of(load_settings({"token": place}))


def test_a_keyring_keeps_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}

    class KeyringError(Exception):
        pass

    keyring, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    vars(keyring).update(
        errors=errors,
        set_password=lambda service, name, text: kept.update({(service, name): text}),
        get_password=lambda service, name: kept.get((service, name)),
    )
    vars(errors).update(KeyringError=KeyringError)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    with pytest.raises(ConfigError, match="token is missing"):
        token_of(load_settings({"token": KEYRING_PLACE}))
    keep_in_keyring(TOKEN)
    assert token_of(load_settings({"token": KEYRING_PLACE})) == TOKEN


@pytest.mark.parametrize("place", ["file:.env", "keyring:reelhouse"])
def test_a_lakes_own_file_names_no_place_on_a_machine(place: str) -> None:
    with pytest.raises(ConfigError, match="own file"):
        shared(f"token = {json.dumps(place)}".encode(), "s3://x/reelhouse.toml")
