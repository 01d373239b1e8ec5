"""The page of a report: HTML that holds its style, its charts and the program that draws them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from reelhouse.serve import ATTRIBUTION, JUSTWATCH
from reelhouse.serve.report.figures import Figure
from reelhouse.serve.report.quality import EntityState, QualityCheck

_ATTRIBUTION = (
    ATTRIBUTION,
    JUSTWATCH,
    "TMDB's terms forbid redistribution: this page is for you. Its data may not be kept for longer than six months.",
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval';"
_COMMAND, _AS_CODE = re.compile("`(.+?)`"), r"<code>\1</code>"
_IMAGES = "https://image.tmdb.org"
# Whole numbers that count nothing are shown without separators.
_NO_COUNT = re.compile(r"(?:^|_)(?:year|decade|id|run|minutes|months)$")


class Poster(NamedTuple):
    title: str
    address: str


class ReportPage(NamedTuple):
    """What a page shows. *holds* are the tables with their rows, *sections* the answers under their headings.

    Without tables, *unbuilt* says why there are none.
    """

    lake: str
    made: datetime
    by: str
    entities: Sequence[EntityState]
    holds: Sequence[tuple[str, str, int]]
    coverage: Sequence[Figure]
    sections: Sequence[tuple[str, Sequence[Figure]]]
    unanswered: Sequence[str]
    figures: Sequence[Figure]
    checks: Sequence[QualityCheck]
    posters: Sequence[Poster] = ()
    unbuilt: str = ""

    def render(self, runtime: str) -> str:
        """The page as HTML; *runtime* is the program that draws charts."""
        shown = [*self.coverage, *(one for _, its in self.sections for one in its), *self.figures]
        charts = {one.name: one.chart for one in shown if one.chart}
        images = _IMAGES if self.posters else ""
        # The policy forbids every request, so that the page cannot make any by mistake.
        policy = f"{_POLICY} img-src data: {images}"
        return "\n".join(
            (
                '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                f'<meta http-equiv="Content-Security-Policy" content="{policy.strip()}">',
                '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">',
                f"<title>{escape(self.lake)}: report</title>\n<style>\n{_asset('report.css')}</style>\n</head>\n<body>",
                '<a class="skip" href="#main">Skip to the report</a>',
                self._header(),
                '<main id="main">',
                *self._contents(),
                "</main>",
                f"<footer>{''.join(f'<p>{escape(text)}</p>' for text in _ATTRIBUTION)}</footer>",
                f'<script type="application/json" id="charts">{_json(charts)}</script>' if charts else "",
                f"<script>{runtime}</script>\n<script>\n{_asset('report.js')}</script>" if charts else "",
                "</body>\n</html>\n",
            )
        )

    def _header(self) -> str:
        failed = [one for one in self.checks if not one.passed]
        verdict = (
            f"{len(failed)} of {len(self.checks)} checks failed" if failed else f"{len(self.checks)} checks passed"
        )
        links = (("holds", "What is in it"), ("says", "What it says"), ("good", "How good it is"))
        return (
            f"<header><h1>{escape(self.lake).replace('/', '/<wbr>')}</h1>"
            f'<p class="muted">Report of {self.made:%Y-%m-%d %H:%M} UTC by {escape(self.by)}</p>'
            f'<p><span class="verdict {"bad" if failed else "good"}">{verdict}</span></p></header>\n'
            '<nav aria-label="Parts of the report"><ul>'
            + "".join(f'<li><a href="#{id_}">{text}</a></li>' for id_, text in links)
            + "</ul></nav>"
        )

    def _contents(self) -> Iterator[str]:
        yield '<section aria-labelledby="holds"><h2 id="holds">What is in it</h2>'
        if not self.holds:
            yield f"<p>{_COMMAND.sub(_AS_CODE, escape(self.unbuilt))}.</p>"
        else:
            yield self._tiles()
            yield _entities(self.entities)
            yield _posters(self.posters)
            yield _tables(self.holds)
            if self.coverage:
                yield f"<h3>Coverage over time</h3>{_figures(self.coverage)}"
        yield '</section>\n<section aria-labelledby="says"><h2 id="says">What it says</h2>'
        if not self.sections:
            yield "<p>There are no rows to ask about yet.</p>"
        for title, figures in self.sections:
            yield f"<h3>{escape(title)}</h3>{_figures(figures)}"
        if self.unanswered and self.sections:
            yield f'<p class="muted">Without rows in this lake: {escape("; ".join(self.unanswered))}.</p>'
        yield '</section>\n<section aria-labelledby="good"><h2 id="good">How good it is</h2>'
        yield f"<h3>Checks</h3>{_checks(self.checks)}"
        if self.figures:
            yield f"<h3>Behind the checks</h3>{_figures(self.figures)}"
        yield "</section>"

    def _tiles(self) -> str:
        tiles = [(f"{one.landed:,}", f"{one.entity}: records landed") for one in self.entities[:4]]
        tiles.append((f"{sum(rows for _, _, rows in self.holds):,}", f"rows in {len(self.holds)} tables and marts"))
        newest = max((one.newest for one in self.entities if one.newest), default=None)
        if newest:
            tiles.append((f"{newest:%Y-%m-%d}", "newest answer"))
        shown = "".join(f"<li class=tile><b>{value}</b>{escape(text)}</li>" for value, text in tiles)
        return f'<ul class="tiles">{shown}</ul>'


def _entities(entities: Sequence[EntityState]) -> str:
    columns = ("entity", "known", "landed", "gone", "filtered", "quarantined", "oldest answer", "newest answer")
    rows = [
        (one.entity, one.known, one.landed, one.gone, one.filtered, one.quarantined, _day(one.oldest), _day(one.newest))
        for one in entities
    ]
    return f"<h3>Entities</h3>{_table('Entities', columns, rows)}"


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d}" if instant else ""


def _tables(holds: Sequence[tuple[str, str, int]]) -> str:
    table = _table("Tables and marts", ("table", "zone", "rows"), holds)
    return f"<details><summary>{len(holds)} tables and marts with their rows</summary>{table}</details>"


def _posters(posters: Sequence[Poster]) -> str:
    if not posters:
        return ""
    # The title is below the picture, so the picture itself says nothing more.
    shown = "".join(
        f'<li><img src="{escape(one.address)}" alt="" loading="lazy" width="185" height="278">{escape(one.title)}</li>'
        for one in posters
    )
    return f'<h3>Most popular</h3><ul class="posters">{shown}</ul>'


def _checks(checks: Sequence[QualityCheck]) -> str:
    rows = "".join(
        f'<tr><td>{escape(one.name)}</td><td><span class="verdict {"good" if one.passed else "bad"}">'
        f"{'passed' if one.passed else 'failed'}</span></td><td>{_with_code(one.found)}</td></tr>"
        for one in checks
    )
    head = "<thead><tr><th scope=col>check</th><th scope=col>verdict</th><th scope=col>found</th></tr></thead>"
    return _scrolled("Checks", f"<table>{head}<tbody>{rows}</tbody></table>")


def _with_code(text: str) -> str:
    return re.sub("`(.*?)`", r"<code>\1</code>", escape(text))


def _figures(figures: Sequence[Figure]) -> str:
    """Two in a row on a large screen; one that would be alone in its row takes the whole of it."""
    shown, left = [], True
    for at, one in enumerate(figures):
        last = at + 1 == len(figures) or figures[at + 1].wide
        wide = one.wide or (left and last)
        shown.append(_figure(one, wide))
        left = wide or not left
    return f'<div class="figures">{"".join(shown)}</div>'


def _figure(one: Figure, wide: bool) -> str:
    table = _table(one.title, one.columns, one.rows)
    chart = f'<div class="chart" id="chart-{one.name}" role="img" aria-label="{escape(one.summary)}"></div>'
    rows = f"<details><summary>Rows ({len(one.rows):,})</summary>{table}</details>"
    sql = (
        '<details class="sql"><summary>SQL</summary><button type="button" class="copy" hidden>Copy SQL</button>'
        f"<pre><code>{escape(one.sql)}</code></pre></details>"
    )
    return (
        f'<figure id="{one.name}"{" class=wide" if wide else ""}><figcaption><h4>{escape(one.title)}</h4>'
        f'<p class="muted">{escape(one.about)}</p></figcaption>{chart + rows if one.chart else table}'
        f"{sql if one.sql else ''}</figure>"
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numeric = [all(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))]
    head = "".join(
        f"<th scope=col{' class=n' if number else ''}>{escape(name.replace('_', ' '))}</th>"
        for name, number in zip(columns, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, columns, row, numeric))}</tr>" for row in rows)
    return _scrolled(title, f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def _scrolled(title: str, table: str) -> str:
    # What scrolls must be reached by the keyboard, and then says what it is.
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {escape(title)}">{table}</div>'


def _cell(column: str, value: Any, numeric: bool) -> str:
    if value is None:
        text = ""
    elif isinstance(value, int) and not _NO_COUNT.search(column):
        text = f"{value:,}"
    elif isinstance(value, float):
        text = f"{value:,.10g}"
    else:
        text = escape(str(value))
    return f"<td{' class=n' if numeric else ''}>{text}</td>"


def _json(value: Any) -> str:
    """JSON that cannot end the script that holds it, whatever a title says."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _asset(name: str) -> str:
    return (files("reelhouse.serve.report") / name).read_text(encoding="utf-8")
