"""`reelhouse show`: one record as a page in the terminal."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click

from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display, result_table
from reelhouse.engines.session import check_installed, session_of
from reelhouse.errors import ConfigError
from reelhouse.ids import SINGLE
from reelhouse.settings import Settings

_HEAD = 5


def show(settings: Settings, name: str, text: str | None, *, raw: bool, as_json: bool) -> None:
    """Show the record of entity *name* that *text* means, or what TMDB sent of it."""
    check_installed(settings.engine)
    from reelhouse.marts import REGISTRY
    from reelhouse.serve import records
    from reelhouse.serve.lake import Lake
    from reelhouse.warehouse.manifest import reading

    entity = records.entity_of(name, REGISTRY)
    storage = lake_of(settings)
    lake = Lake(storage, session_of(settings, storage))
    if text is None and entity.has_ids:
        raise ConfigError(f"show: which {name}? Give an id of TMDB, IMDb or TVDB, or a name")
    with reading(storage):
        id_ = SINGLE if text is None else _chosen(records.find(lake, entity, text), name, text)
        found = records.read(storage, lake, entity, id_)
    if raw:
        if found.source is None:
            raise ConfigError(f"show: no answer to {name} {id_} has landed")
        display.text(records.raw(storage, found.source) + b"\n", None)
    elif as_json:
        display.as_json(_plain(found))
    else:
        _page(found, {column.name: column.path for table in entity.tables[:1] for column in table.columns})


def _chosen(choices: list[Any], name: str, text: str) -> int:
    """The id that is meant; a person is asked where several may be."""
    if not choices:
        raise ConfigError(f"show: no {name} in this lake is called {text!r}")
    if len(choices) == 1:
        return int(choices[0].id)
    rows = [(str(one.id), " · ".join(one.names)) for one in choices]
    if not display.at_terminal(sys.stdin):
        listed = ", ".join(f"{id_} ({names})" for id_, names in rows)
        raise ConfigError(f"show: several records match {text!r}; give the id of one of them: {listed}")
    display.table(f"{text!r} may be one of these", ("id", "name"), rows)
    chosen: str = click.prompt("id", type=click.Choice([id_ for id_, _ in rows]), show_choices=False, err=True)
    return int(chosen)


def _plain(found: Any) -> dict[str, Any]:
    rows = {name: table.to_pylist() for name, table in found.rows.items()}
    return {"entity": found.entity, "id": found.id, "tables": rows, "history": found.history, "source": found.source}


def _page(found: Any, paths: dict[str, str]) -> None:
    (main, head), *children = found.rows.items()
    one = head.num_rows == 1
    if one:
        values = [(name, _shown(value), paths.get(name, "")) for name, value in head.to_pylist()[0].items()]
        display.table(f"{main} {found.id}", ("column", "value", "where TMDB sends it"), values)
    for name, table in children if one else found.rows.items():
        if table.num_rows:
            known = head.column_names[:1] if one else []
            columns = [each for each in table.column_names if each not in (*known, "fetched_at")]
            more = f" ({table.num_rows:,} rows, the first {_HEAD})" if table.num_rows > _HEAD else ""
            result_table.show(f"{name}{more}", table.select(columns).slice(0, _HEAD))
    empty = [name for name, table in found.rows.items() if not table.num_rows]
    if empty:
        display.text(f"Without rows: {', '.join(empty)}\n", None)
    if found.source:
        place = found.source
        last = place["line"] + place["lines"] - 1
        lines = f"line {place['line']}" if place["lines"] == 1 else f"lines {place['line']} to {last}"
        display.text(f"From run {place['run']}, {place['chunk']}, {lines} (--raw shows it)\n", None)
    named = ("run", "state", "cause", "reason", "fetched_at")
    display.table("History", named, [[_shown(row[name]) for name in named] for row in found.history])


def _shown(value: object) -> str:
    """A value in full: an id is not a count, and what is unknown is shown as such."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    return str(value).lower() if isinstance(value, bool) else f"{value:,}" if isinstance(value, float) else str(value)
