"""What starting costs: the help, and a build where nothing is new."""

from __future__ import annotations

import tempfile

from bench.measuring import REELHOUSE, Usage, least_of, measured
from bench.report import Measure, Section

_TARGET_HELP = 0.3
_TARGET_BUILD = 4.0


def measure(*, full: bool, quick: bool) -> Section:
    shown = least_of(10, show_help)
    measures = [
        Measure(
            "`reelhouse --help`",
            "< 0.3 s",
            f"{shown.wall:.2f} s, {shown.cpu:.2f} s CPU",
            shown.wall < _TARGET_HELP,
            "the least of 10",
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        built = least_of(5, lambda: measured([REELHOUSE, "--lake", folder, "build", "--json"]))
    measures.append(
        Measure(
            "`reelhouse build` of an empty lake",
            "< 4 s",
            f"{built.wall:.2f} s, {built.cpu:.2f} s CPU",
            built.wall < _TARGET_BUILD,
            "the least of 5",
        )
    )
    return Section("starting", "python -m bench starting", measures)


def show_help() -> Usage:
    return measured([REELHOUSE, "--help"])
