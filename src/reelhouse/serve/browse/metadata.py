"""What datasette shows beside the rows of an export: descriptions, labels, facets and ready-made queries."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reelhouse.entities.schema import Table
from reelhouse.errors import ConfigError
from reelhouse.marts.example_queries import QUESTIONS
from reelhouse.marts.report_questions import REPORT_QUESTIONS
from reelhouse.serve.export.atomic_files import check_file, in_one_line, put_in_place, scratch_in
from reelhouse.serve.export.database_file import listed
from reelhouse.serve.export.result import NOTES, TERMS
from reelhouse.sql_quoting import quoted

# Columns by which a row is known, and which are searched.
_LABELS = ("title", "english_name", "name")
_SEARCHED = ("title", "name", "original_title", "original_name", "english_name")
# Columns of few values, by which people narrow a table down.
_FACETS = (
    *("status", "type", "original_language", "release_decade", "first_air_decade", "credit_type", "department"),
    *("monetization_type", "iso_3166_1", "known_for_department", "entity", "state", "reason"),
)
_MOST_FACETS = 3
# A query must not make a page wider than a phone, nor a long text a row higher than a screen.
_STYLE = (
    "pre{white-space:pre-wrap;overflow-wrap:anywhere}"
    "@media(min-width:577px){td.col-overview,td.col-biography,td.col-tagline{min-width:24rem}}"
)


def metadata_place(database: Path) -> Path:
    """Where the metadata of an export is: beside it."""
    return database.with_name(f"{database.stem}.metadata.yml")


def check_metadata(database: Path) -> None:
    """Raise `ConfigError` where the metadata's place holds what `write_metadata` did not write, or what was edited."""
    place = metadata_place(database)
    check_file(place)
    with in_one_line(place):
        try:
            found = json.loads(place.read_bytes())
        except FileNotFoundError:
            return
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, dict) or found.pop(NOTES, None) != _mark(found):
        raise ConfigError(
            f"to: {place} was not made by reelhouse, or was edited since: give it another name, or take another file"
        )


def write_metadata(database: Path, tables: Iterable[Table]) -> None:
    """Write the metadata of the export at *database*, which holds *tables*."""
    found, place = metadata(database, list(tables)), metadata_place(database)
    with scratch_in(place.parent) as folder:
        made = folder / place.name
        # JSON is YAML too, and needs no package to be written.
        body = json.dumps({**found, NOTES: _mark(found)}, indent=2, ensure_ascii=False) + "\n"
        made.write_text(body, encoding="utf-8")
        put_in_place(made, place)


def _mark(found: dict[str, Any]) -> str:
    """By this metadata are known that nobody edited."""
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()


def metadata(database: Path, tables: list[Table]) -> dict[str, Any]:
    """The metadata of the export at *database*; queries that it cannot answer are left out."""
    return {
        "title": database.stem,
        "description": TERMS,
        "source": "TMDB",
        "source_url": "https://www.themoviedb.org",
        "extra_css_urls": [f"data:text/css,{quote(_STYLE)}"],
        "databases": {
            database.stem: {
                "tables": {table.name: _of_table(table) for table in tables},
                "queries": dict(_queries(database)),
            }
        },
    }


def _of_table(table: Table) -> dict[str, Any]:
    facets = [name for name in _FACETS if name in table.column_names and table.key != (name,)]
    found: dict[str, Any] = {
        "description": table.about,
        "columns": {column.name: column.comment for column in table.columns},
        "facets": facets[:_MOST_FACETS],
    }
    if label := next((name for name in _LABELS if name in table.column_names), None):
        found["label_column"] = label
    if "popularity" in table.column_names:
        found["sort_desc"] = "popularity"
    return found


def _queries(database: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The questions of demo and report, in SQLite's SQL."""
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as file:
        for question in (*QUESTIONS, *REPORT_QUESTIONS):
            query = _in_sqlite(question.query)
            try:
                file.execute(f"explain {query}")
            except sqlite3.Error:
                # Of a table that is not exported, or by a function that SQLite lacks.
                continue
            yield question.name, {"title": question.title, "description": question.about, "sql": query}


@cache
def _in_sqlite(query: str) -> str:
    import sqlglot

    return sqlglot.transpile(query, read="spark", write="sqlite", pretty=True)[0]


def add_search(database: Path, tables: Iterable[Table]) -> list[str]:
    """Make names and titles searchable word by word, with or without accents; returns the tables that are."""
    done = []
    with closing(sqlite3.connect(database, isolation_level=None)) as file:
        for table in tables:
            columns = [name for name in _SEARCHED if name in table.column_names]
            # Names within other things, as in credits, are found by way of those.
            if not columns or len(table.key) != 1:
                continue
            index = quoted(f"{table.name}_fts")
            file.execute(f"drop table if exists {index}")
            file.execute(
                f"create virtual table {index} using fts5({listed(columns)}, content={quoted(table.name)}, "
                "tokenize='unicode61 remove_diacritics 2')"
            )
            file.execute(f"insert into {index} ({index}) values ('rebuild')")
            done.append(table.name)
    return done
