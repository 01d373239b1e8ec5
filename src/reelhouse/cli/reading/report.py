"""`reelhouse report`: a lake as one page."""

from __future__ import annotations

import webbrowser
from datetime import UTC, datetime
from pathlib import Path

from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.engines.session import check_installed, session_of
from reelhouse.serve.export.atomic_files import check_output
from reelhouse.settings import Settings
from reelhouse.warehouse.manifest import reading


def report(
    settings: Settings,
    output: Path,
    *,
    images: bool = False,
    show: bool = False,
    check: bool = False,
    as_json: bool = False,
) -> int:
    """Write the report to *output*; 1 if *check* and it is red."""
    check_installed(settings.engine)
    from reelhouse.serve.lake import Lake
    from reelhouse.serve.report import making
    from reelhouse.serve.report.quality import QualityLimits

    making.check_installed()
    storage = lake_of(settings)
    check_output(output, storage)
    limits = QualityLimits(
        settings.report_quarantined,
        settings.report_rejected,
        settings.report_orphans,
        settings.report_age_days,
        settings.report_verify_days,
    )
    with display.spinner("reporting") as step, reading(storage):
        made = making.make(
            storage,
            Lake(storage, session_of(settings, storage)),
            settings.lake,
            datetime.now(UTC),
            limits=limits,
            images=images,
            step=step,
        )
    display.text(made.html, output)
    failed = [one for one in made.checks if not one.passed]
    if as_json:
        display.as_json({"output": str(output.absolute()), "checks": [one._asdict() for one in made.checks]})
    else:
        display.problems(f"failed: {one.name}: {one.found}" for one in failed)
        display.note(f"The report is {output.absolute()}.")
    if show:
        webbrowser.open(output.absolute().as_uri())
    return 1 if check and failed else 0
