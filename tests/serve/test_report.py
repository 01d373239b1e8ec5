"""The report of a lake: everything is on one page, which needs nothing else, and its checks are right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from reelhouse.marts.report_questions import REPORT_QUESTIONS
from reelhouse.raw.verified import Verified, keep_verified
from reelhouse.serve.lake import Lake
from reelhouse.serve.report import making
from reelhouse.serve.report.figures import asked
from reelhouse.serve.report.quality import QualityLimits
from reelhouse.storage.folder import FolderStorage
from tests.browser import Tab, axe, browse
from tests.serve.conftest import DANGEROUS
from tests.warehouse.landing import SAIL, LakeInTheMaking, quarantined

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
CLEAN = Verified("2026-11-28T12:00:00+00:00", 1, 0, True, True, False)
WIDTHS = (360, 768, 1440)


def report(
    root: Path, limits: QualityLimits | None = None, *, now: datetime = NOW, images: bool = False, drawing: bool = False
) -> making.Report:
    storage = FolderStorage(root)
    runtime: Callable[[], str] | None = None if drawing else lambda: ""
    given = limits or QualityLimits(rejected=1.0)
    return making.make(storage, Lake(storage, SAIL), "my <lake>", now, limits=given, images=images, runtime=runtime)


def charts(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read


@pytest.fixture(scope="module")
def made(three_movies: LakeInTheMaking) -> making.Report:
    keep_verified(three_movies.storage, CLEAN)
    return report(three_movies.root)


def test_it_says_what_is_in_the_lake_what_it_says_and_how_good_it_is(made: making.Report) -> None:
    headings = re.findall(r"<h([234])[^>]*>(.*?)</h\1>", made.html)
    assert [text for level, text in headings if level == "2"] == ["What is in it", "What it says", "How good it is"]
    titles = {text for level, text in headings if level == "4"}
    assert {"Movies by year of release", "Return on investment by genre", "Score by decade of release"} <= titles
    assert {"Directors of three movies or more", "Rejected values", "Reconciliation of the last run: movie"} <= titles
    levels = [1, *(int(level) for level, _ in headings)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_a_sentence_its_rows_and_its_query(made: making.Report) -> None:
    drawn = charts(made.html)
    assert len(drawn) >= 12
    for name, chart in drawn.items():
        figure = re.search(rf'<figure id="{name}".*?</figure>', made.html, re.DOTALL)
        assert figure is not None
        assert f'id="chart-{name}" role="img" aria-label="Chart: ' in figure[0]
        assert "<summary>Rows (" in figure[0]
        assert all(chart["datasets"].values())
        if name in {question.name for question in REPORT_QUESTIONS}:
            query = next(question.query for question in REPORT_QUESTIONS if question.name == name)
            assert query in unescape(figure[0])
            assert "Copy SQL" in figure[0]


def test_it_asks_nobody_for_anything(made: making.Report) -> None:
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', made.html) == []
    assert "default-src 'none'" in made.html


def test_posters_come_from_tmdb_and_only_if_asked_for(
    three_movies: LakeInTheMaking, made: making.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "REPORT_QUESTIONS", ())
    assert "image.tmdb.org" not in made.html
    html = report(three_movies.root, images=True).html
    assert html.count('<img src="https://image.tmdb.org/t/p/w185/') == 3
    assert "img-src data: https://image.tmdb.org" in html


def test_no_text_of_tmdb_becomes_html(made: making.Report) -> None:
    assert DANGEROUS not in made.html
    assert DANGEROUS in unescape(made.html)
    assert any(DANGEROUS in json.dumps(chart) for chart in charts(made.html).values())
    assert "<h1>my &lt;lake&gt;</h1>" in made.html


def test_it_attributes_tmdb_and_justwatch(made: making.Report) -> None:
    footer = made.html.partition("<footer>")[2]
    assert "not endorsed, certified, or otherwise approved by TMDB" in footer
    assert "JustWatch" in footer


def test_rejected_values_are_named_by_field_with_an_example(made: making.Report) -> None:
    figure = made.html.partition('<figure id="rejected"')[2].partition("</figure>")[0]
    assert "<td>release_date</td>" in figure
    assert "<td>1999-02-30</td>" in figure


def test_a_lake_without_faults_passes_all_checks(made: making.Report) -> None:
    assert [one for one in made.checks if not one.passed] == []
    assert "6 checks passed" in made.html


@pytest.mark.parametrize(
    ("limits", "now", "failing"),
    [
        (QualityLimits(rejected=0.1), NOW, "rejected values"),
        (QualityLimits(rejected=1.0, age_days=20), NOW, "oldest answer"),
        (QualityLimits(rejected=1.0, verify_days=0), NOW.replace(day=30), "last verify"),
    ],
)
def test_a_limit_turns_its_check_red(
    three_movies: LakeInTheMaking, limits: QualityLimits, now: datetime, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_verified(three_movies.storage, CLEAN)
    monkeypatch.setattr(making, "REPORT_QUESTIONS", ())
    red = report(three_movies.root, limits, now=now)
    assert [one.name for one in red.checks if not one.passed] == [failing]
    assert "1 of 6 checks failed" in red.html


def test_a_lake_without_tables_says_what_to_do(tmp_path: Path) -> None:
    lake = LakeInTheMaking(tmp_path / "lake")
    lake.land(quarantined(5))
    found = report(lake.root)
    assert "run <code>reelhouse build</code>" in found.html
    assert {one.name: one.passed for one in found.checks} == {"last runs": True, "last verify": False}


def test_a_line_of_one_day_is_shown_as_bars() -> None:
    question = next(one for one in REPORT_QUESTIONS if one.name == "popularity_by_day")
    rows = [("2026-11-29", name, 2.5) for name in ("A", "B")]
    one_day = asked(question, ("day", "movie", "popularity"), rows).chart
    two_days = asked(question, ("day", "movie", "popularity"), [*rows, ("2026-11-30", "A", 1.0)]).chart
    assert one_day is not None
    assert two_days is not None
    assert (one_day["mark"]["type"], two_days["mark"]["type"]) == ("bar", "line")


@pytest.mark.long
def test_every_question_has_an_answer_in_a_lake_of_everything(everything: Path) -> None:
    found = report(everything)
    # There is one export yet.
    assert "Without rows in this lake: Movies that moved most since the export before." in found.html
    assert {question.name for question in REPORT_QUESTIONS} - charts(found.html).keys() == {"movers"}
    assert {one.name for one in found.checks if not one.passed} <= {"last verify"}


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_browser_draws_every_chart_and_cuts_nothing(drawn: Path, width: int, dark: bool) -> None:
    async def visit(tab: Tab) -> tuple[Any, ...]:
        await tab.show(drawn.as_uri(), width, dark=dark)
        await tab.wait_for("document.documentElement.dataset.drawn")
        empty = await tab.evaluate(_UNDRAWN)
        beyond = await tab.evaluate(_BEYOND) + await tab.evaluate(_SHORTENED)
        if width == max(WIDTHS):
            beyond += await tab.evaluate(_SCROLLED)
        return empty, beyond, tab.complaints, [each for each in tab.requests if not each.startswith(drawn.as_uri())]

    assert browse(visit) == (0, [], [], [])


_UNDRAWN = "[...document.querySelectorAll('.chart')].filter(e => !e.querySelector('svg path')).length"
# What reaches over the page's edge, except what scrolls by itself.
_BEYOND = """[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.scroll, .skip'))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.outerHTML.slice(0, 100))"""


_SHORTENED = "[...document.querySelectorAll('svg text')].map(e => e.textContent).filter(text => text.endsWith('…'))"
_SCROLLED = """[...document.querySelectorAll('.scroll')]
  .filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"""


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_to_complain_of(drawn: Path, dark: bool) -> None:
    program = axe()

    async def visit(tab: Tab) -> Any:
        await tab.show(drawn.as_uri(), 768, dark=dark)
        await tab.wait_for("document.documentElement.dataset.drawn")
        await tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        await tab.evaluate(program)
        return await tab.evaluate("axe.run().then(found => found.violations.map(each => [each.id, each.nodes.length]))")

    assert browse(visit) == []


@pytest.mark.long
def test_the_button_copies_the_query_or_selects_it(drawn: Path) -> None:
    async def visit(tab: Tab) -> Any:
        await tab.show(drawn.as_uri(), 768)
        await tab.wait_for("document.documentElement.dataset.drawn")
        await tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        await tab.evaluate("document.querySelector('button.copy').click()")
        await tab.wait_for("document.querySelector('button.copy').textContent !== 'Copy SQL'")
        return await tab.evaluate("document.querySelector('button.copy').textContent")

    assert browse(visit) in ("Copied", "Selected: copy it with the keyboard")


@pytest.fixture(scope="module")
def drawn(three_movies: LakeInTheMaking, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with its charts' program, as a file."""
    keep_verified(three_movies.storage, CLEAN)
    page = tmp_path_factory.mktemp("page") / "lake.html"
    page.write_text(report(three_movies.root, drawing=True).html, encoding="utf-8")
    return page
