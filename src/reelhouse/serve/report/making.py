"""Make a report: ask a lake everything, judge it, and write the page."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple

import reelhouse
from reelhouse.errors import ConfigError, ReelhouseError, UnknownTableError, pip_install
from reelhouse.marts import REGISTRY
from reelhouse.marts.report_questions import COVERAGE, POSTERS, REPORT_QUESTIONS, SECTIONS
from reelhouse.raw.plan import last_run
from reelhouse.serve.lake import Lake
from reelhouse.serve.report.figures import Figure, asked
from reelhouse.serve.report.page import Poster, ReportPage
from reelhouse.serve.report.quality import QualityCheck, QualityLimits, quality
from reelhouse.storage.protocol import Step, Storage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.manifest import believed, why_unbuilt


class Report(NamedTuple):
    """The page, and the checks that it shows."""

    html: str
    checks: list[QualityCheck]


def make(
    storage: Storage,
    lake: Lake,
    place: str,
    now: datetime,
    *,
    limits: QualityLimits,
    images: bool = False,
    step: Step = lambda text: None,
    registry: Registry = REGISTRY,
    runtime: Callable[[], str] | None = None,
) -> Report:
    """Report on the *lake* in *storage*, which is shown as *place*; *images* names posters, which TMDB's server sends.

    One query runs at a time, and none returns more rows than a chart shows. *runtime* gives the program that draws, if
    not that of the charts' own library.
    """
    with ThreadPoolExecutor(1) as beside:
        # It takes seconds of its own, in which the engine works.
        program = beside.submit(runtime or _runtime)
        current = believed(storage)
        pins = current.tables if current else {}
        known = registry.only([name for name in registry.entities if last_run(storage, name)])
        answered, unanswered = _answers(lake, step) if pins else ({}, [])
        step("quality")
        judged = quality(storage, lambda query: _rows(lake, query), known, pins, limits, now)
        page = ReportPage(
            place,
            now,
            f"reelhouse {reelhouse.__version__}",
            judged.entities,
            [(name, one.zone, one.rows) for name, one in sorted(pins.items())],
            answered.pop(COVERAGE, []),
            [(title, answered[title]) for title in SECTIONS if title in answered],
            unanswered,
            judged.figures,
            judged.checks,
            _posters(lake) if images and pins else (),
            "" if pins else why_unbuilt(storage),
        )
        return Report(page.render(program.result()), judged.checks)


def check_installed() -> None:
    """Raise `ConfigError` where the packages that draw are missing."""
    try:
        import altair  # noqa: F401 (whether it is there)
        import vl_convert  # noqa: F401 (as above)
    except ImportError:
        raise ConfigError(
            f"report: packages to draw charts are not installed; install them with: {pip_install('lake', 'report')}"
        ) from None


_BUNDLE = "import sys, vl_convert; sys.stdout.write(vl_convert.javascript_bundle(vl_version=sys.argv[1]))"


def _runtime() -> str:
    import altair

    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    # In a process of its own, which gives back the 250 MB that this takes.
    command = [sys.executable, "-P", "-X", "utf8", "-c", _BUNDLE, version]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")  # noqa: S603 (our own words)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ReelhouseError(f"report: the program that draws charts could not be made: {last}")
    # A text that ends a script would end the page's.
    return done.stdout.replace("</script", "<\\/script")


def _answers(lake: Lake, step: Step) -> tuple[dict[str, list[Figure]], list[str]]:
    """Figures by section, and the titles of questions that this lake has no rows for."""
    found: dict[str, list[Figure]] = {}
    without = []
    for question in REPORT_QUESTIONS:
        step(question.title)
        try:
            rows = lake.arrow(question.query)
        except UnknownTableError:
            # What the lake does not collect is not missing.
            continue
        figure = asked(question, rows.column_names, [tuple(row.values()) for row in rows.to_pylist()])
        if figure.rows:
            found.setdefault(question.section, []).append(figure)
        else:
            without.append(question.title)
    return found, without


def _rows(lake: Lake, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.arrow(query).to_pylist()
    return found


def _posters(lake: Lake) -> list[Poster]:
    try:
        return [Poster(**row) for row in _rows(lake, POSTERS)]
    except UnknownTableError:
        return []
