"""Settings: where each comes from, which one is used, and the message for a wrong one."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from reelhouse.errors import ConfigError
from reelhouse.settings import FILE, Settings, env_name, load, template

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.s1gnature"

# Another value than the default for each setting, as text for the environment and as what it becomes.
OTHERS: dict[str, tuple[str, Any]] = {
    "lake": ("/srv/lake", "/srv/lake"),
    "entities": ("all, movie", ["all", "movie"]),
    "token": (TOKEN, TOKEN),
    "tmdb_url": ("http://localhost:1/3", "http://localhost:1/3"),
    "exports_url": ("http://localhost:1/p/exports", "http://localhost:1/p/exports"),
    "rate": ("12.5", 12.5),
    "connections": ("7", 7),
    "language": ("de-DE", "de-DE"),
    "region": ("DE", "DE"),
    "append": ("credits, keywords", ["credits", "keywords"]),
    "top": ("10", 10),
    "min_popularity": ("0.5", 0.5),
    "include_adult": ("no", False),
    "adult_export": ("true", True),
    "include_video": ("false", False),
    "discover": ("with_genres=18 vote_count.gte=5", {"with_genres": "18", "vote_count.gte": "5"}),
    "follow": ("credits", "credits"),
    "record_filter": ("vote_count > `5`", "vote_count > `5`"),
    "stale_after_days": ("30", 30),
    "min_export_share": ("0.5", 0.5),
    "attempts": ("2", 2),
    "retry_wait": ("0", 0.0),
    "body_megabytes": ("8", 8.0),
    "outage_minutes": ("1", 1.0),
    "chunk_answers": ("10", 10),
    "chunk_megabytes": ("1.5", 1.5),
    "chunk_seconds": ("2", 2.0),
    "layout": ("course", "course"),
    "course_kinds": ("yes", True),
    "course_quotes": ("no", False),
    "s3_region": ("eu-central-1", "eu-central-1"),
    "s3_profile": ("films", "films"),
    "s3_encryption": ("sse-kms", "sse-kms"),
    "s3_kms_key": ("alias/films", "alias/films"),
    "spool": ("/srv/spool", "/srv/spool"),
    "spool_megabytes": ("64", 64.0),
    "run_every_hours": ("6", 6.0),
    "run_kind": ("full", "full"),
    "event_bus": ("default", "default"),
    "engine": ("local[2]", "local[2]"),
    "shared_machine_ok": ("yes", True),
    "spark_conf": ("spark.executor.memory=4g", {"spark.executor.memory": "4g"}),
    "report_quarantined": ("0.5", 0.5),
    "report_rejected": ("0.5", 0.5),
    "report_orphans": ("0.5", 0.5),
    "report_age_days": ("90", 90),
    "report_verify_days": ("7", 7),
    "unity_url": ("https://films.example", "https://films.example"),
    "unity_token": ("dapi-secret", "dapi-secret"),
}

# Those whose variable is the one that other programs know as well.
KNOWN = {"token": "TMDB_TOKEN", "unity_url": "DATABRICKS_HOST", "unity_token": "DATABRICKS_TOKEN"}


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{name}" = "{text}"' for name, text in value.items()) + "}"
    return repr(value).replace("'", '"')


def test_every_setting_is_tried_here() -> None:
    assert list(OTHERS) == [one.name for one in fields(Settings) if one.name != "entity"]


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    assert load(environ={}, folder=tmp_path) == Settings()


def test_the_token_has_tmdb_s_usual_name_and_all_others_begin_with_reelhouse() -> None:
    assert {name: env_name(name) for name in KNOWN} == KNOWN
    assert {env_name(name) for name in OTHERS if name not in KNOWN} == {
        f"REELHOUSE_{name.upper()}" for name in OTHERS if name not in KNOWN
    }


@pytest.mark.parametrize("name", OTHERS)
def test_each_setting_is_read_from_its_environment_variable(name: str, tmp_path: Path) -> None:
    text, value = OTHERS[name]
    found = load(environ={env_name(name): text}, folder=tmp_path)
    assert found == Settings(**{name: value})
    assert found != Settings()


@pytest.mark.parametrize("where", ["file", "argument"])
def test_a_whole_number_where_a_number_is_expected_has_a_point(where: str, tmp_path: Path) -> None:
    """A plan is compared by its text with what is read back of it."""
    if where == "file":
        (tmp_path / FILE).write_text("min_popularity = 40\n[entity.movie]\nmin_popularity = 41\n")
        found = load(folder=tmp_path, environ={}, entities=("movie",))
        assert repr(found.of("movie").min_popularity) == "41.0"
    else:
        found = Settings(min_popularity=40)
    assert repr(found.min_popularity) == "40.0"


def test_texts_and_numbers_of_a_caller_s_own_types_become_plain_ones() -> None:
    """Plans are written in JSON, which knows only these."""

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

    class Whole(int):
        pass

    found = Settings(language=Text("pt-BR"), append=[Text("credits")], discover={Text("year"): Text("1")}, top=Whole(3))
    assert found == Settings(language="pt-BR", append=["credits"], discover={"year": "1"}, top=3)
    ((name, value),) = found.discover.items()
    assert found.append is not None
    assert {type(one) for one in (found.language, *found.append, name, value)} == {str}
    assert type(found.top) is int


@pytest.mark.parametrize("name", OTHERS)
def test_each_setting_is_read_from_the_file(name: str, tmp_path: Path) -> None:
    value = OTHERS[name][1]
    (tmp_path / FILE).write_text(f"{name} = {_toml(value)}\n")
    assert load(environ={}, folder=tmp_path) == Settings(**{name: value})


# Where secrets go, which of them are used, and what runs or is written on a person's own machine.
LOCAL = frozenset(
    ("token", "tmdb_url", "exports_url", "s3_profile", "spool", "engine", "shared_machine_ok", "spark_conf")
) | {"unity_url", "unity_token"}


def _shared_lake(folder: Path, line: str) -> dict[str, Any]:
    """Options that name a lake below *folder* whose own file has this *line*."""
    (folder / "lake").mkdir(exist_ok=True)
    (folder / "lake" / FILE).write_text(f"{line}\n")
    return {"lake": str(folder / "lake")}


@pytest.mark.parametrize("name", OTHERS)
def test_a_lake_s_own_file_decides_nothing_about_secrets_and_the_machine(name: str, tmp_path: Path) -> None:
    text, value = OTHERS[name]
    line = f"{name} = {_toml(value)}"
    options = _shared_lake(tmp_path, line)
    if name not in LOCAL:
        expected = value if name != "lake" else options["lake"]
        assert getattr(load(options, environ={}, folder=tmp_path), name) == expected
        return
    # Also where the person's own value would hold anyway, or the file is in a bucket.
    for environ in ({}, {env_name(name): text}):
        with pytest.raises(ConfigError) as caught:
            load(options, environ=environ, folder=tmp_path)
        said = str(caught.value)
        assert said.startswith(f"{name}: a lake's own file ({tmp_path / 'lake' / FILE}) must not decide")
        assert said.endswith(f"set {env_name(name)}, or {name} in a local {FILE}")
        assert "\n" not in said
    with pytest.raises(ConfigError, match=rf"^{name}: a lake's own file \(s3://bucket/lake/{FILE}\)"):
        load({"lake": "s3://bucket/lake/"}, environ={}, folder=tmp_path, in_bucket=lambda _: line.encode())


def test_a_lake_that_is_entered_is_a_lake_still(tmp_path: Path) -> None:
    line = 'tmdb_url = "http://localhost:1/3"'
    lake = Path(_shared_lake(tmp_path, line)["lake"])
    (tmp_path / "link").symlink_to(lake)
    for named in (str(lake), lake.as_uri(), str(tmp_path / "link"), f"{lake}/../lake/"):
        with pytest.raises(ConfigError, match=r"^tmdb_url: a lake's own file"):
            load({"lake": named}, environ={}, folder=lake)
        with pytest.raises(ConfigError, match=r"^tmdb_url: a lake's own file"):
            load(environ={"REELHOUSE_LAKE": named}, folder=lake)
    (lake / FILE).write_text(f"{line}\nlake = {_toml(str(lake))}\n")
    with pytest.raises(ConfigError, match=r"^tmdb_url: a lake's own file"):
        load(environ={}, folder=lake)
    assert load({"lake": "elsewhere"}, environ={}, folder=lake).tmdb_url == "http://localhost:1/3"
    # What has a lake's folders is one, whatever lake its file names.
    (lake / "_reelhouse").mkdir()
    (lake / "inner").mkdir()
    (lake / "inner" / FILE).write_text(line)
    for text in (line, f'{line}\nlake = "./inner"'):
        (lake / FILE).write_text(text)
        for folder in (lake, lake / "inner", tmp_path / "link"):
            with pytest.raises(ConfigError, match=r"^tmdb_url: a lake's own file"):
                load({"lake": "elsewhere"}, environ={}, folder=folder)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"rate = {'9' * 400}", "rate: a number is expected"),
        ("top = 9223372036854775808", "top: a whole number is expected"),
        ('lake = "\\u0000"', "lake: a text is expected"),
        (f"discover = {'[' * 3000}", "nested too deeply"),
        (f"top = {'9' * 5000}", "a number of too many digits"),
        (f"top = '{'x' * 60_000}'", "top: a whole number is expected"),
    ],
)
def test_extreme_values_in_a_file_are_one_short_line(line: str, said: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(line)
    with pytest.raises(ConfigError, match=said) as caught:
        load(environ={}, folder=tmp_path)
    assert len(str(caught.value)) < 600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_settings_file_of_a_lake_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ConfigError, match="is not a file"):
        load({"lake": str(tmp_path)}, environ={}, folder=tmp_path.parent)


def test_a_lake_s_own_file_names_no_other_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _shared_lake(tmp_path, 'lake = "s3://somebody/else"\nlanguage = "de-DE"')
    found = load(environ={}, folder=tmp_path)
    assert (found.lake, found.language) == ("./lake", "de-DE")


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://api.themoviedb.org/3", True),
        ("http://localhost:8080/3", True),
        ("http://LOCALHOST/3", True),
        ("http://127.0.0.1:1/3", True),
        ("http://127.255.0.9/3", True),
        ("http://[::1]:1/3", True),
        ("http://api.themoviedb.org/3", False),
        ("HTTP://api.themoviedb.org/3", False),
        ("http://10.0.0.7/3", False),
        ("http://0.0.0.0/3", False),
        ("http://localhost@evil.example/3", False),
        ("http://127.0.0.1.evil.example/3", False),
        ("http://localhost.evil.example/3", False),
        ("http://127.1/3", False),
        ("http://2130706433/3", False),
        ("http://127.0.0.1\\@evil.example/3", False),
        (" http://evil.example/3", False),
        ("h\nttp://evil.example/3", False),
        ("http://[::1/3", False),
        ("ws://evil.example/3", False),
        ("wss://evil.example/3", False),
        ("//evil.example/3", False),
        ("evil.example/3", False),
    ],
)
@pytest.mark.parametrize("source", ["option", "environment", "file"])
def test_a_token_travels_by_https_or_to_this_machine_itself(
    address: str, fine: bool, source: str, tmp_path: Path
) -> None:
    options = {"tmdb_url": address} if source == "option" else {}
    environ = {"REELHOUSE_TMDB_URL": address} if source == "environment" else {}
    if source == "file":
        (tmp_path / FILE).write_text(f"tmdb_url = {json.dumps(address)}\n")
    if fine:
        assert load(options, environ=environ, folder=tmp_path).tmdb_url == address
        return
    with pytest.raises(ConfigError, match=r"^tmdb_url: https:// .* is expected"):
        load(options, environ=environ, folder=tmp_path)


def test_unity_s_token_travels_by_https_or_to_this_machine_itself() -> None:
    for url in ("https://films.example", "films.example", "http://localhost:8080", "http://[::1]", ""):
        assert Settings(unity_url=url, unity_token=" dapi-x ").checked_unity_token() == "dapi-x"
    assert Settings(unity_url="http://films.example").checked_unity_token() == ""
    with pytest.raises(ConfigError, match=r"^unity_url: https:// .*http://films") as caught:
        Settings(unity_url="http://films.example", unity_token="dapi-x").checked_unity_token()
    assert "dapi-x" not in str(caught.value)


def test_reelhouse_token_is_understood_too_and_tmdb_token_goes_before_it(tmp_path: Path) -> None:
    assert load(environ={"REELHOUSE_TOKEN": TOKEN}, folder=tmp_path).token == TOKEN
    assert load(environ={"REELHOUSE_TOKEN": "x", "TMDB_TOKEN": TOKEN}, folder=tmp_path).token == TOKEN


def test_the_environment_goes_before_the_file_and_options_before_both(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('language = "fr-FR"\nregion = "FR"\nrate = 1\n')
    environ = {"REELHOUSE_LANGUAGE": "de-DE", "REELHOUSE_REGION": "DE"}
    found = load({"language": "it-IT", "region": None}, environ=environ, folder=tmp_path)
    assert (found.language, found.region, found.rate) == ("it-IT", "DE", 1)


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    assert load(environ={"REELHOUSE_TOP": "", "TMDB_TOKEN": ""}, folder=tmp_path) == Settings()


def test_the_file_beside_you_goes_before_the_lake_s_own(tmp_path: Path) -> None:
    lake, here = tmp_path / "lake", tmp_path / "here"
    for folder, language in ((lake, "de-DE"), (here, "fr-FR")):
        folder.mkdir()
        (folder / FILE).write_text(f'language = "{language}"\n')
    assert load({"lake": str(lake)}, environ={}, folder=here).language == "fr-FR"
    (here / FILE).unlink()
    assert load({"lake": str(lake)}, environ={}, folder=here).language == "de-DE"
    assert load(environ={"REELHOUSE_LAKE": lake.as_uri()}, folder=here).language == "de-DE"
    assert load({"lake": "s3://bucket/lake"}, environ={}, folder=here).language == "en-US"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('language = "de-DE"\n', encoding="utf-8-sig")
    assert load(environ={}, folder=tmp_path).language == "de-DE"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("languag = 'de-DE'", ["languag: no such setting", "did you mean 'language'?", FILE]),
        ("xyzzy = 1", ["xyzzy: no such setting", FILE]),
        ("rate = 'fast'", ["rate: a number is expected, not 'fast'", FILE]),
        ("rate = true", ["rate: a number is expected, not True", FILE]),
        ("top = 1.5", ["top: a whole number is expected, not 1.5", FILE]),
        ("top = true", ["top: a whole number is expected, not True", FILE]),
        ("include_adult = 'no'", ["include_adult: true or false is expected", FILE]),
        ("append = 'credits'", ["append: a list of names is expected", FILE]),
        ("append = [1]", ["append: a list of names is expected", FILE]),
        ("discover = {with_genres = 18}", ["discover: pairs of names and texts is expected", FILE]),
        ("language = 5", ["language: a text is expected, not 5", FILE]),
        ("rate = ", ["is not TOML", FILE]),
    ],
)
def test_a_wrong_line_in_the_file_names_key_expectation_and_place(line: str, says: list[str], tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(line)
    with pytest.raises(ConfigError) as caught:
        load(environ={}, folder=tmp_path)
    for text in says:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("REELHOUSE_RATE", "fast", "rate: a number is expected, not 'fast'"),
        ("REELHOUSE_TOP", "1.5", "top: a whole number is expected, not '1.5'"),
        ("REELHOUSE_INCLUDE_ADULT", "maybe", "include_adult: true or false is expected, not 'maybe'"),
        ("REELHOUSE_DISCOVER", "with_genres", "discover: pairs of names and texts is expected"),
    ],
)
def test_a_wrong_variable_names_key_expectation_and_place(name: str, text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={name: text}, folder=tmp_path)
    assert expected in str(caught.value)
    assert f"correct {name}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tmdb_url", "https://api.themoviedb.org"),
        ("tmdb_url", "http://127.0.0.1:99999/3"),
        ("tmdb_url", "https:///3"),
        ("exports_url", "https://x y/p/exports"),
        ("tmdb_url", "https://api.themoviedb.org/4"),
        ("exports_url", "https://files.tmdb.org"),
        ("connections", 0),
        ("connections", 21),
        ("rate", -1),
        ("rate", float("nan")),
        ("rate", 1e-300),
        ("top", 0),
        ("attempts", 0),
        ("retry_wait", -0.1),
        ("body_megabytes", 0),
        ("min_export_share", 1.1),
        ("min_export_share", -0.1),
        ("chunk_answers", 0),
        ("chunk_megabytes", 0),
        ("chunk_seconds", 0),
        ("stale_after_days", 0),
        ("stale_after_days", 181),
    ],
)
def test_a_value_out_of_bounds_names_key_bounds_and_the_call(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load({name: value}, environ={}, folder=tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{name}: ")
    assert f"is expected, not {value!r}" in said
    assert said.endswith("correct it in the call")


def test_a_file_that_cannot_be_read_is_an_error_and_no_default(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'language = "\xff"')
    with pytest.raises(ConfigError, match=r"reelhouse\.toml is not TOML"):
        load(environ={}, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"reelhouse\.toml cannot be read"):
        (tmp_path / "lake" / FILE).mkdir(parents=True)
        load({"lake": str(tmp_path / "lake")}, environ={}, folder=tmp_path / "elsewhere")


def test_a_good_token_is_given_without_the_blanks_around_it() -> None:
    assert Settings(token=f" {TOKEN}\n").checked_token() == TOKEN


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "token is missing"),
        ("  ", "token is missing"),
        ("0123456789abcdef0123456789abcdef", "this is the API Key"),
        ("two words", "blanks or odd characters"),
        ("eyJ\u2026", "blanks or odd characters"),
        ("a\tb", "blanks or odd characters"),
    ],
)
def test_a_token_that_cannot_be_one_is_refused_with_where_to_set_it_and_never_shown(token: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Settings(token=token).checked_token()
    assert "set TMDB_TOKEN in the environment" in str(caught.value)
    assert FILE in str(caught.value)
    assert not token.strip() or token not in str(caught.value)


def test_the_token_is_in_no_text_of_the_settings(tmp_path: Path) -> None:
    assert TOKEN not in repr(Settings(token=TOKEN))
    (tmp_path / FILE).write_text(f'token = ["{TOKEN}"]')
    with pytest.raises(ConfigError) as caught:
        load(environ={}, folder=tmp_path)
    assert "token: a text is expected" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_the_template_loads_as_it_is_and_every_line_of_it_is_the_default(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(template({}, ["movie"]))
    assert load(environ={}, folder=tmp_path) == Settings()
    defaults = Settings()
    for one in fields(Settings):
        if one.name == "entity":
            continue
        (line,) = (line for line in template({}, ["movie"]).splitlines() if line.startswith(f"# {one.name} ="))
        value = line.partition("=")[2].strip()
        assert env_name(one.name) in template({}, ["movie"])
        if one.default in (None, MISSING):
            # What has no default is shown by an example.
            assert tomllib.loads(f"x = {value}")["x"]
        else:
            (tmp_path / FILE).write_text(line.removeprefix("# "))
            assert load(environ={}, folder=tmp_path) == defaults


TABLES = """
language = "en-US"
top = 10
[entity.movie]
language = "de-DE"
append = ["credits"]
[entity.gadget]
stale_after_days = 30
"""


def _load(folder: Path, body: str, environ: dict[str, str] | None = None, **options: Any) -> Settings:
    (folder / FILE).write_text(body)
    return load(options, environ=environ or {}, folder=folder, entities=("movie", "gadget"))


def test_an_entity_has_its_own_settings_beside_the_general_ones(tmp_path: Path) -> None:
    found = _load(tmp_path, TABLES)
    movie, gadget, other = found.of("movie"), found.of("gadget"), found.of("other")
    assert (movie.language, movie.append, movie.top, movie.stale_after_days) == ("de-DE", ["credits"], 10, None)
    assert (gadget.language, gadget.append, gadget.top, gadget.stale_after_days) == ("en-US", None, 10, 30)
    assert (other.language, other.stale_after_days) == ("en-US", None)


def test_the_environment_and_options_hold_for_every_entity(tmp_path: Path) -> None:
    assert _load(tmp_path, TABLES, {"REELHOUSE_LANGUAGE": "fr-FR"}).of("movie").language == "fr-FR"
    assert _load(tmp_path, TABLES, language="fr-FR").of("movie").language == "fr-FR"
    assert _load(tmp_path, TABLES).overridden(language="fr-FR").of("movie").language == "fr-FR"
    assert _load(tmp_path, TABLES).overridden(top=3).of("movie").language == "de-DE"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('[entity.movies]\nlanguage = "de-DE"', "entity.movies: no such entity is collected"),
        ("[entity.movie]\nlanguag = 1", "languag: no such setting (did you mean 'language'?)"),
        ("[entity.movie]\nrate = 1.0", "rate: it holds for the whole lake: move it out of [entity.movie]"),
        ("[entity.movie]\nlanguage = 1", "language: a text is expected"),
        ("[entity.movie]\nstale_after_days = 200", "stale_after_days: 1 to 180 is expected"),
        ("[entity.movie]\ntop = 0", "top: 1 or more is expected"),
        ("entity = 1", "entity: tables such as [entity.NAME] are expected"),
        ("[entity]\nmovie = 1", "entity: tables such as [entity.NAME] are expected"),
    ],
)
def test_what_makes_no_sense_for_an_entity_is_refused(body: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        _load(tmp_path, body)
    assert word in str(raised.value)


@pytest.mark.parametrize("name", ["tmdb_url", "exports_url", "unity_url"])
def test_an_address_with_a_password_is_refused_and_not_shown(name: str) -> None:
    path = {"tmdb_url": "/3", "exports_url": "/p/exports", "unity_url": ""}[name]
    for user in ("me:hunter2", "me:hun@ter2", "hunter2"):
        address = f"https://{user}@example.org{path}"
        with pytest.raises(ConfigError, match=f"{name}: an address without a user name or password") as caught:
            load({name: address}, environ={})
        assert "hunter2" not in str(caught.value)
        assert "ter2" not in str(caught.value)


def test_no_error_shows_a_password_in_an_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings(layout="s3://me:hunter2@bucket")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("REELHOUSE_TOPP", "REELHOUSE_TOPP: no such setting (did you mean 'REELHOUSE_TOP'?); correct it in the env"),
        ("REELHOUSE_LAK", "REELHOUSE_LAK: no such setting (did you mean 'REELHOUSE_LAKE'?)"),
        ("REELHOUSE_top", "REELHOUSE_top: no such setting"),
        ("REELHOUSE_XYZ", "REELHOUSE_XYZ: no such setting; correct"),
        ("REELHOUSE_ENTITY", "REELHOUSE_ENTITY: no such setting"),
        ("REELHOUSE_", "REELHOUSE_: no such setting"),
    ],
)
@pytest.mark.parametrize("value", ["5", ""])
def test_an_unknown_variable_is_an_error_with_the_nearest_setting(
    tmp_path: Path, name: str, says: str, value: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={name: value}, folder=tmp_path)
    assert says in str(caught.value)


def test_variables_of_others_and_of_the_tests_are_no_mistakes(tmp_path: Path) -> None:
    environ = {"REELHOUSE_TEST_S3_ENDPOINT": "x", "REELHOUSE_TMDB_DATA": "x", "_REELHOUSE_COMPLETE": "x", "TMDB_X": "x"}
    assert load(environ=environ, folder=tmp_path) == Settings()


@pytest.mark.parametrize(("given", "meant"), [("portugues", "pt-BR"), ("pt_BR", "pt-BR"), ("English", "en-US")])
def test_a_language_that_is_no_code_is_refused_with_the_one_that_is_meant(given: str, meant: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"^language: a code such as en-US, pt-BR or de \({meant}, perhaps\) is expected"
    ):
        Settings(language=given)
    assert Settings(language="de").language == "de"
