"""The ledger: what is known per id. A cache of the receipts, kept as one SQLite file, rebuilt when lost."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reelhouse.errors import MissingKeyError
from reelhouse.raw.layout import LEDGERS, ledger_key
from reelhouse.raw.plan import Plan, read_plan
from reelhouse.raw.receipt import Receipt, read_receipts, readable
from reelhouse.storage.protocol import Storage

# Each entity's ids are its own; `ask` keeps which IMDb id stood for which TMDB id.
_SCHEMA = """
create table known (
  entity text not null, id integer not null, state text not null, fetched_at text not null, run integer not null,
  primary key (entity, id)) without rowid;
create table alias (
  entity text not null, ask text not null, id integer, state text not null, primary key (entity, ask)) without rowid;
create table run (run integer primary key, entity text not null, asking text not null, requests integer not null);
create table meta (format text not null, run integer not null);
"""

# A ledger of other tables than these is as good as none: it is rebuilt.
_SHAPE = hashlib.sha256(_SCHEMA.encode()).hexdigest()[:16]

# Ledgers that are kept: the newest, and those before it in case it is damaged and for verifying what is new.
_KEPT = 3


class Ledger:
    """An open ledger, a SQLite file of its own that goes away with it. *through* is the last run it reflects."""

    def __init__(self, path: Path, through: int) -> None:
        self.path = path
        self.through = through
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # The file is a throw-away copy: a crash costs nothing, so neither journal nor sync is paid for.
        self.db.executescript(
            "pragma journal_mode=off; pragma synchronous=off; pragma cache_size=-20000; pragma temp_store=file;"
        )

    def take(self, plan: Plan, receipts: Iterable[Receipt]) -> None:
        """Fold in one run's receipts, newest last."""
        self.db.execute("begin")
        requests = 0
        for receipt in receipts:
            requests += receipt.requests
            self.db.executemany(
                "insert or replace into known values (?, ?, ?, ?, ?)",
                (
                    (plan.entity, claim.id, claim.state.value, claim.fetched_at, plan.run)
                    for claim in receipt.claims
                    if claim.id is not None
                ),
            )
            self.db.executemany(
                "insert or replace into alias values (?, ?, ?, ?)",
                (
                    (plan.entity, claim.ask, claim.id, claim.state.value)
                    for claim in receipt.claims
                    if not claim.ask.isdigit()
                ),
            )
        self.db.execute(
            "insert or replace into run values (?, ?, ?, ?)", (plan.run, plan.entity, plan.asking.fingerprint, requests)
        )
        self.through = plan.run
        self.db.execute("delete from meta")
        self.db.execute("insert into meta values (?, ?)", (_SHAPE, plan.run))
        self.db.execute("commit")

    def pack(self) -> bytes:
        """The file, gzipped."""
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        with self.path.open("rb") as file:
            parts = [packer.compress(piece) for piece in iter(lambda: file.read(1 << 20), b"")]
        return b"".join((*parts, packer.flush()))


@contextmanager
def open_ledger(storage: Storage, through: int) -> Iterator[Ledger]:
    """The ledger as of run *through*: from the newest kept one that reads, brought up to date from receipts."""
    with tempfile.TemporaryDirectory(prefix="reelhouse-") as folder:
        ledger = _newest(storage, Path(folder) / "ledger.sqlite", through)
        try:
            for run in range(ledger.through + 1, through + 1):
                plan = read_plan(storage, run)
                if plan is not None:
                    ledger.take(plan, readable(read_receipts(storage, plan)))
            yield ledger
        finally:
            ledger.db.close()


@contextmanager
def empty_ledger() -> Iterator[Ledger]:
    """A ledger that knows nothing yet."""
    with tempfile.TemporaryDirectory(prefix="reelhouse-") as folder:
        ledger = _empty(Path(folder) / "ledger.sqlite")
        try:
            yield ledger
        finally:
            ledger.db.close()


def keep_ledger(storage: Storage, ledger: Ledger) -> None:
    """Put the ledger where the next planning finds it, and drop those before."""
    storage.put(ledger_key(ledger.through), ledger.pack())
    for key in list(storage.keys(LEDGERS))[:-_KEPT]:
        storage.delete(key)


def _newest(storage: Storage, path: Path, through: int) -> Ledger:
    for run in range(through, max(through - _KEPT, 0), -1):
        if (ledger := _unpack(storage, path, run)) is not None:
            return ledger
    path.unlink(missing_ok=True)
    return _empty(path)


def _empty(path: Path) -> Ledger:
    ledger = Ledger(path, 0)
    ledger.db.executescript(_SCHEMA)
    return ledger


def _unpack(storage: Storage, path: Path, run: int) -> Ledger | None:
    """The kept ledger of *run*; None where it is gone, damaged or of another format: it is only a cache."""
    try:
        body = storage.get(ledger_key(run))
    except MissingKeyError:
        return None
    unpacker = zlib.decompressobj(31)
    try:
        with path.open("wb") as file:
            for start in range(0, len(body), 1 << 18):
                file.write(unpacker.decompress(body[start : start + (1 << 18)]))
        if not unpacker.eof:
            return None
        ledger = Ledger(path, run)
        if ledger.db.execute("select format, run from meta").fetchall() == [(_SHAPE, run)]:
            return ledger
        ledger.db.close()
    except (zlib.error, sqlite3.DatabaseError):
        pass
    return None
