"""`reelhouse init`: a commented reelhouse.toml, by default or by what a person answers at a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from reelhouse.bootstrap import collecting, collector
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.bootstrap.interruptible import run as run_loop
from reelhouse.bootstrap.secrets import ENV_FILE, FILE_PLACE, KEYRING_PLACE, keep_in_file, keep_in_keyring
from reelhouse.bootstrap.selection import selected
from reelhouse.bootstrap.storage import readable_storage
from reelhouse.cli.terminal import display
from reelhouse.collect.reporting import duration
from reelhouse.entities.registry import DEFAULT, ENTITIES
from reelhouse.errors import ConfigError, DeniedError, ReelhouseError
from reelhouse.settings import FILE, Settings, load, template
from reelhouse.storage.folder import FolderStorage

T = TypeVar("T")

# How many of each entity are collected unless a user says otherwise.
_TOP = "1000"

_TERMS = """\
TMDB's terms: no commercial use without a written agreement with TMDB.
No use in connection with machine learning or AI, including training.
No caching for longer than six months: reelhouse requests old records again.
No redistribution. State that you use TMDB but are not endorsed, certified or
otherwise approved by it (README).\
"""


class _Answers(NamedTuple):
    """What goes into the file, and the token, which does not."""

    values: dict[str, Any]
    token: str = ""


def init(entities: Sequence[str], lake: str | None, *, force: bool, ask: bool) -> None:
    """Write the file; with *ask* let a person at a terminal choose the token's place, the lake and what to collect.

    What is not asked is what the questions have as a default.
    """
    path = Path(FILE)
    ranked = _are_ranked(entities)
    if path.exists() and not force:
        raise ConfigError(f"{path} exists; --force replaces it")
    values = {"lake": _place(lake)} if lake is not None else {}
    answers = _Answers(
        values | ({"entities": list(entities)} if entities else {}) | ({"top": int(_TOP)} if ranked else {})
    )
    if ask:
        # What is wrong with the environment would be held against each answer.
        load(folder=Path(os.devnull))
        click.echo(_TERMS, err=True)
        answers = _asked(list(entities), values)
    try:
        path.write_text(template(answers.values, [DEFAULT]), encoding="utf-8")
    except OSError as exc:
        raise ReelhouseError(f"{path} cannot be written: {exc.strerror}") from exc
    if ask:
        display.note(f"{path} is written. {_cost(answers)} Begin with: reelhouse sync")
        return
    chosen = f" It selects the {int(_TOP):,} most popular of each entity: top." if ranked else ""
    display.note(f"{path} is written.{chosen} Now set TMDB_TOKEN and run: reelhouse sync")
    click.echo(_TERMS)


def _are_ranked(entities: Sequence[str]) -> bool:
    """Whether there are most popular ones of any of these."""
    return any(ENTITIES[name].has_popularity for name in selected(entities))


def _asked(entities: list[str], values: dict[str, Any]) -> _Answers:
    """The answers of a person; *values* are not asked."""
    token = _token()
    if token:
        place = _keep(token)
        values |= {"token": place} if place else {}
    if "lake" not in values:
        values["lake"] = _valid("Where is the lake to be: a folder, or s3://bucket/prefix", "./lake", _place)
    if not entities:
        known = ", ".join(dict.fromkeys(("all", *(one.group for one in ENTITIES.values() if one.group), *ENTITIES)))
        display.note(f"reelhouse collects: {known}.")
        entities = _valid("What to collect, separated by commas", DEFAULT, _names)
    values["entities"] = entities
    top = 0
    if _are_ranked(entities):
        top = _valid("How many of the most popular of each; 0 for all", _TOP, _count)
    return _Answers(values | ({"top": top} if top else {}), token)


def _valid(question: str, default: str, read: Callable[[str], T]) -> T:
    """The first answer that *read* accepts."""
    while True:
        try:
            return read(str(click.prompt(question, default=default, err=True)).strip())
        except ConfigError as exc:
            display.note(str(exc))


def _place(text: str) -> str:
    storage = readable_storage(Settings(lake=text))
    if isinstance(storage, FolderStorage) and storage.root.resolve() == Path.cwd().resolve():
        # The file that is written here would be the lake's own, which must not say where the token is.
        raise ConfigError("the lake needs a folder of its own")
    return text


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    selected(names)
    return names


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ConfigError(f"a whole number is expected, not {text!r}")
    return int(text)


def _token() -> str:
    """A token that TMDB accepts, or that could not be checked; empty if the user has none yet."""
    display.note("TMDB's API Read Access Token (the long one) is on https://www.themoviedb.org/settings/api")
    while True:
        question = "Token, which is not shown; empty to set TMDB_TOKEN later"
        token = str(click.prompt(question, "", hide_input=True, show_default=False, err=True)).strip()
        if not token:
            return ""
        try:
            run_loop(_check(load({"token": token}, folder=Path(os.devnull))))
        except (ConfigError, DeniedError) as exc:
            display.note(str(exc))
            continue
        except ReelhouseError as exc:
            display.note(f"The token cannot be checked now: {exc}")
            return token
        display.note("TMDB accepts the token.")
        return token


async def _check(settings: Settings) -> None:
    async with collector.open_tmdb(settings) as tmdb:
        await tmdb.client.get("/configuration")


def _keep(token: str) -> str:
    """Keep the token where the user chooses; the place for the file, empty if the environment has it."""
    places = ["env", "file", *(["keyring"] if find_spec("keyring") else [])]
    keyring = " keyring: this machine's." if "keyring" in places else ""
    display.note(f"env: you set TMDB_TOKEN. file: {ENV_FILE}, readable by you alone.{keyring}")
    chosen = click.prompt("Where to keep the token", type=click.Choice(places), default="file", err=True)
    if chosen == "keyring":
        keep_in_keyring(token)
        return KEYRING_PLACE
    if chosen == "file":
        keep_in_file(token)
        display.note(f"{ENV_FILE} is written. It holds the token: keep it out of version control.")
        return f"{FILE_PLACE}{ENV_FILE}"
    display.note("Put this line with your token into your shell's profile: export TMDB_TOKEN=eyJ…")
    return ""


def _cost(answers: _Answers) -> str:
    """What the first run costs, in a sentence."""
    settings = load({**answers.values, "token": answers.token or None}, folder=Path(os.devnull))
    names = selected(settings.entities)
    if settings.top and all(ENTITIES[name].has_popularity for name in names):
        count, words = settings.top * len(names), "at most "
    elif not answers.token:
        return "`reelhouse plan` says what the first run costs."
    else:
        with display.spinner("counting"):
            try:
                requests = [CollectOptions(names=(name,)) for name in names]
                storage = readable_storage(settings)
                count = sum(collecting.draft(storage, settings, one).requests for one in requests)
            except ReelhouseError as exc:
                return f"What the first run costs is not known yet ({exc}); `reelhouse plan` says it."
        words = ""
    time_needed = f": {duration(count / settings.rate)}" if settings.rate else ""
    return f"The first run makes {words}{count:,} requests{time_needed}."
