"""The names of things at rest. No other module spells a key of the raw zone or of what keeps house."""

from __future__ import annotations

import re
from datetime import date
from typing import NamedTuple

from reelhouse.storage.protocol import HOUSE

FORMAT = 3
"""The version of everything that lies in the raw zone; a reader refuses every other."""


def plan_key(entity: str, run: int) -> str:
    return f"{run_folder(entity, run)}plan.json"


def ids_key(entity: str, run: int, sha256: str) -> str:
    # Two planners of one run differ here, so the loser never overwrites what the winner's plan names.
    return f"{run_folder(entity, run)}ids-{sha256[:16]}.gz"


def receipt_key(entity: str, run: int, unit: int, part: int) -> str:
    return f"{run_folder(entity, run)}receipts/{unit:05d}-{part}.json"


def checkpoint_key(entity: str, run: int) -> str:
    return f"{run_folder(entity, run)}checkpoint.json"


def purged_key(entity: str, run: int) -> str:
    return f"{run_folder(entity, run)}purged.json"


def reconciliation_key(entity: str, run: int) -> str:
    return f"{run_folder(entity, run)}reconciliation.json"


def announced_key(entity: str, run: int) -> str:
    return f"{run_folder(entity, run)}announced.json"


def chunk_key(entity: str, day: date, run: int, unit: int, token: str) -> str:
    return f"raw/{entity}/{day:%Y/%m/%d}/{run:06d}-{unit:05d}-{token}.jsonl.gz"


def renewed_key(key: str, token: str) -> str:
    """Where the chunk lies that takes the place of the one at *key*."""
    folder, _, name = key.rpartition("/")
    stem, _, ending = name.partition(".")
    return f"{folder}/{stem.rpartition('-')[0]}-{token}.{ending}"


class RunPlace(NamedTuple):
    """One run: each entity counts its own."""

    entity: str
    run: int


class ChunkPlace(NamedTuple):
    """What a chunk's key tells: the day of its answers and the run that put it."""

    day: date
    entity: str
    run: int


def chunk_place(key: str) -> ChunkPlace | None:
    """Where a chunk belongs; None for what is not a chunk."""
    found = _CHUNK.fullmatch(key)
    if found is None:
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None
    return ChunkPlace(day, found["entity"], int(found["run"]))


def of_a_lake(key: str) -> bool:
    """Whether a lake has put *key*: answers, runs, tables, uploads or imports. Settings alone are not a lake."""
    patterns = (_RUN, _LEDGER, _OF_A_LAKE)
    return any(pattern.match(key) for pattern in patterns) or chunk_place(key) is not None


def export_key(kind: str, day: date, sha256: str) -> str:
    # TMDB may publish another body under the same date; both are kept apart.
    return f"raw/exports/{kind}/{day:%Y/%m/%d}/{kind}_{day:%m_%d_%Y}-{sha256[:12]}.json.gz"


def ledgers(entity: str) -> str:
    """The folder of an entity's kept ledgers."""
    return f"{LEDGERS}{entity}/"


class LedgerKey(NamedTuple):
    """What a piece of an entity's ledger holds: runs *first* to *last*, of these all ids or the *oldest* only."""

    entity: str
    first: int
    last: int
    oldest: bool = False


def ledger_key(piece: LedgerKey, part: int = 1) -> str:
    ending = f"{'-oldest' if piece.oldest else ''}.{part:03d}.sqlite.gz"
    return f"{ledgers(piece.entity)}{piece.first:06d}-{piece.last:06d}{ending}"


def ledger_piece(key: str) -> LedgerKey | None:
    """The piece that *key* holds a part of; None for what is not a ledger."""
    found = _LEDGER.fullmatch(key)
    return LedgerKey(found["entity"], int(found["first"]), int(found["run"]), bool(found["oldest"])) if found else None


def chunks_folder(entity: str) -> str:
    """Where an entity's chunks are, by day."""
    return f"{RAW}{entity}/"


def staging_folder(entity: str) -> str:
    """Where an entity's parsed answers are."""
    return f"{STAGING}{entity}"


def runs_folder(entity: str) -> str:
    return f"{RUNS}{entity}/"


def run_folder(entity: str, run: int) -> str:
    return f"{runs_folder(entity)}{run:06d}/"


def run_place(key: str) -> RunPlace | None:
    """The run whose folder *key* is in; None for what is in no run's."""
    found = _RUN.match(key)
    return RunPlace(found["entity"], int(found["run"])) if found else None


def inbox_key(event: str) -> str:
    return f"{INBOX}{event}.json"


INBOX = f"{HOUSE}inbox/"
EXPORTS = "raw/exports/"


def is_export_of(kind: str, key: str) -> bool:
    """Whether an export of *kind* is at *key*."""
    return key.startswith(f"{EXPORTS}{kind}/")


RAW = "raw/"
RUNS = f"{HOUSE}runs/"
PURGES = f"{HOUSE}purges.json"
LOGS = f"{HOUSE}logs/"
LEDGERS = f"{HOUSE}ledger/"
STAGING = f"{HOUSE}staging/"
BUILDS = f"{HOUSE}builds/"
MANIFEST = f"{HOUSE}manifest.json"
IMPORTS = f"{HOUSE}imports.json"
VERIFIED = f"{HOUSE}verified.json"
IDLE = f"{HOUSE}idle.json"
_ENTITY = r"(?P<entity>[a-z][a-z0-9_]*)"
_LEDGER = re.compile(
    rf"{LEDGERS}{_ENTITY}/(?P<first>\d{{6,}})-(?P<run>\d{{6,}})(?P<oldest>-oldest)?\.\d{{3,}}\.sqlite\.gz"
)
_RUN = re.compile(rf"{RUNS}{_ENTITY}/(?P<run>\d{{6,}})/")
_NAME = r"(?P<year>\d{4})/(?P<month>\d\d)/(?P<day>\d\d)/(?P<run>\d{6,})-\d{5,}-[0-9a-f]+"
_CHUNK = re.compile(rf"raw/{_ENTITY}/{_NAME}\.jsonl\.gz")
_OF_A_LAKE = re.compile(
    rf"{EXPORTS}|{INBOX}[^/]+\.json|{PURGES}|{MANIFEST}|{IMPORTS}|Raw/Local/CSV/"
    rf"|({STAGING}|(tables|marts|imports)/)[a-z_0-9]+/_delta_log/"
)
FIRST_PLAN_OF_FORMAT_1 = "runs/000001/plan.json"
# Where a lake's keys begin, those first that nearly every lake has and that hold few.
PLACES = (HOUSE, "imports/", RAW, "Raw/", "tables/", "marts/")
