"""The names of things at rest. No other module spells a key of the raw zone."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

FORMAT = 1
"""The version of everything that lies in the raw zone; a reader refuses what is newer."""


class Layout(NamedTuple):
    """How landed answers lie: in the envelopes of chunks, or as the *course* has it, with or without its *kinds*."""

    course: bool = False
    kinds: bool = False


def plan_key(run: int) -> str:
    return f"runs/{run:06d}/plan.json"


def ids_key(run: int, sha256: str) -> str:
    # Two planners of one run differ here, so the loser never overwrites what the winner's plan names.
    return f"runs/{run:06d}/ids-{sha256[:16]}.gz"


def receipt_key(run: int, unit: int, part: int) -> str:
    return f"runs/{run:06d}/receipts/{unit:05d}-{part}.json"


def progress_key(run: int) -> str:
    return f"runs/{run:06d}/progress.json"


def purged_key(run: int) -> str:
    return f"runs/{run:06d}/purged.json"


def reconciliation_key(run: int) -> str:
    return f"runs/{run:06d}/reconciliation.json"


def announced_key(run: int) -> str:
    return f"runs/{run:06d}/announced.json"


def chunk_key(entity: str, day: date, run: int, unit: int, token: str) -> str:
    return f"raw/{entity}/{day:%Y/%m/%d}/{run:06d}-{unit:05d}-{token}.jsonl.gz"


def course_key(layout: Layout, entity: str, day: date, run: int, unit: int, token: str) -> str:
    kind = f"{COURSE_KINDS[entity]}/" if layout.kinds else ""
    return f"{COURSE}{kind}{day:%Y/%m/%d}/{run:06d}-{unit:05d}-{token}.json"


def is_course(key: str) -> bool:
    """Whether *key* is a chunk in the course's layout, and not what others laid beside it."""
    return _OF_COURSE.fullmatch(key) is not None


def renewed_key(key: str, token: str) -> str:
    """Where the chunk lies that takes the place of the one at *key*, in the same layout."""
    folder, _, name = key.rpartition("/")
    stem, _, ending = name.partition(".")
    return f"{folder}/{stem.rpartition('-')[0]}-{token}.{ending}"


class ChunkPlace(NamedTuple):
    """What a chunk's key tells: the day of its answers and the run that put it."""

    day: date
    run: int


def chunk_place(key: str) -> ChunkPlace | None:
    """Where a chunk of either layout belongs; None for what is no chunk of reelhouse's."""
    found = _CHUNK.fullmatch(key) or _OF_COURSE.fullmatch(key)
    if found is None:
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None
    return ChunkPlace(day, int(found["run"]))


def of_a_lake(key: str) -> bool:
    """Whether a lake has put *key*: answers, runs, tables, uploads or imports. Settings alone are no lake."""
    patterns = (_RUN, _LEDGER, _OF_A_LAKE)
    return any(pattern.match(key) for pattern in patterns) or chunk_place(key) is not None


def upload_key(kind: str, day: date, name: str) -> str:
    return f"Raw/Local/CSV/{COURSE_KINDS[kind]}/{day:%Y/%m/%d}/{name}"


def export_key(kind: str, day: date, sha256: str) -> str:
    # TMDB may publish another body under the same date; both are kept apart.
    return f"raw/exports/{kind}/{day:%Y/%m/%d}/{kind}_{day:%m_%d_%Y}-{sha256[:12]}.json.gz"


def ledger_key(run: int) -> str:
    return f"ledger/{run:06d}.sqlite.gz"


def ledger_run(key: str) -> int | None:
    """The run that a kept ledger was made after; None for what is no ledger."""
    found = _LEDGER.fullmatch(key)
    return int(found["run"]) if found else None


def run_folder(run: int) -> str:
    return f"{RUNS}{run:06d}/"


def run_of(key: str) -> int | None:
    """The run whose folder *key* is in; None for what is in no run's."""
    found = _RUN.match(key)
    return int(found["run"]) if found else None


def inbox_key(event: str) -> str:
    return f"inbox/{event}.json"


INBOX = "inbox/"
SETTINGS = "reelhouse.toml"
EXPORTS = "raw/exports/"
RAW = "raw/"
RUNS = "runs/"
PURGES = "runs/purges.json"
LEDGERS = "ledger/"
COURSE = "Raw/TMDB/JSON/"
COURSE_KINDS = {"movie": "Movies", "series": "Series"}
_LEDGER = re.compile(rf"{LEDGERS}(?P<run>\d{{6,}})\.sqlite\.gz")
_RUN = re.compile(rf"{RUNS}(?P<run>\d{{6,}})/")
_NAME = r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/(?P<run>\d{6,})-\d{5,}-[0-9a-f]+"
_OF_COURSE = re.compile(re.escape(COURSE) + rf"([A-Za-z]+/)?{_NAME}\.json")
_CHUNK = re.compile(rf"raw/[a-z_]+/{_NAME}\.jsonl\.gz")
_OF_A_LAKE = re.compile(
    rf"{EXPORTS}|{INBOX}[^/]+\.json|{PURGES}|builds/current\.json|imports/pins\.json|Raw/Local/CSV/"
    r"|(staging|tables|marts|imports)/[a-z_0-9]+/_delta_log/"
)
# Where a lake's keys begin, those first that nearly every lake has and that hold few.
PLACES = (RUNS, "builds/", LEDGERS, "imports/", INBOX, RAW, "Raw/", "tables/", "marts/", "staging/")
