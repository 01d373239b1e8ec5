"""`python -m bench [NAME ...] [--quick | --full]`: measure, print, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import importlib

from bench.report import keep, show

# The rate comes last, since it is measured at a raised priority, which this process keeps.
NAMES = (
    "collecting",
    "planning",
    "many_ids",
    "everything",
    "months",
    "starting",
    "storing",
    "counting",
    "building",
    "growing",
    "exporting",
    "importing",
    "looking",
    "serverless",
    "pacing",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure, of {', '.join(NAMES)}; else all")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes: minutes; the page is not written")
    size.add_argument("--full", action="store_true", help="the sizes that the targets speak of: an hour")
    given = parser.parse_args()
    for name in given.names or NAMES:
        if name not in NAMES:
            parser.error(f"{name} is none of {', '.join(NAMES)}")
    for name in given.names or NAMES:
        section = importlib.import_module(f"bench.{name}").measure(full=given.full, quick=given.quick)
        show(section)
        if not given.quick:
            keep(section)


if __name__ == "__main__":
    main()
