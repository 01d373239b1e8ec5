"""The ledger: what is known per id. A cache of the receipts, kept as one SQLite file, rebuilt when lost."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reelhouse.errors import MissingKeyError, StorageError
from reelhouse.raw.keys import LEDGERS, ledger_key, ledgers, receipt_key
from reelhouse.raw.plan import Plan, read_plan
from reelhouse.raw.purges import purge_count
from reelhouse.raw.receipt import Receipt, purged_outcomes, read_receipts, readable
from reelhouse.storage.protocol import Storage

# Objects are receipts, of which no size is known, and the chunks that they name.
# Each entity's ids are its own; `ask` keeps which IMDb id stood for which TMDB id. What was purged is known no more; it
# is kept only for checking plans that were made before, up to run `through`.
_SCHEMA = """
create table known (
  entity text not null, id integer not null, state text not null, fetched_at text not null, run integer not null,
  primary key (entity, id)) without rowid;
create table alias (
  entity text not null, ask text not null, id integer, state text not null, primary key (entity, ask)) without rowid;
create table purged (
  entity text not null, ask text not null, id integer, state text not null, fetched_at text not null,
  run integer not null, through integer not null, primary key (entity, ask)) without rowid;
create table object (key text primary key, run integer not null, size integer) without rowid;
create table run (run integer primary key, entity text not null, asking text not null, requests integer not null);
create table meta (format text not null, run integer not null, purges integer not null);
"""

# What a plan knew that was made before some of it was purged.
_AS_OF = """
create temp view known as select entity, id, state, fetched_at, run from main.known
union all
select entity, id, state, fetched_at, max(run) from main.purged p where id is not null and through >= {run}
  and not exists (select 1 from main.known k where k.entity = p.entity and k.id = p.id) group by entity, id;
create temp view alias as select entity, ask, id, state from main.alias
union all
select entity, ask, id, state from main.purged p where ask glob '*[^0-9]*' and through >= {run}
  and not exists (select 1 from main.alias a where a.entity = p.entity and a.ask = p.ask);
"""

# A ledger of other tables than these is as good as none: it is rebuilt.
_SHAPE = hashlib.sha256(_SCHEMA.encode()).hexdigest()[:16]

# Ledgers that are kept: the newest, and those before it in case it is damaged and for verifying what is new.
_KEPT = 3


class Ledger:
    """An open ledger, a SQLite file of its own that goes away with it.

    *through* is the last run it reflects, *purges* how many purges there were when it was begun.
    """

    def __init__(self, path: Path, through: int, purges: int = 0) -> None:
        self.path = path
        self.through = through
        self.purges = purges
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
            self._note_objects(receipt)
            self.db.executemany(
                "insert or replace into known values (?, ?, ?, ?, ?)",
                (
                    (plan.entity, outcome.id, outcome.state.value, outcome.fetched_at, plan.run)
                    for outcome in receipt.outcomes
                    if outcome.id is not None
                ),
            )
            self.db.executemany(
                "insert or replace into alias values (?, ?, ?, ?)",
                (
                    (plan.entity, outcome.key, outcome.id, outcome.state.value)
                    for outcome in receipt.outcomes
                    if outcome.by_imdb_id
                ),
            )
            self.db.executemany(
                "insert or replace into purged values (?, ?, ?, ?, ?, ?, ?)",
                (
                    (plan.entity, outcome.key, outcome.id, outcome.state.value, outcome.fetched_at, plan.run, through)
                    for outcome, through in purged_outcomes(receipt)
                ),
            )
        self.db.execute(
            "insert or replace into run values (?, ?, ?, ?)", (plan.run, plan.entity, plan.asking.fingerprint, requests)
        )
        self.through = plan.run
        self.db.execute("delete from meta")
        self.db.execute("insert into meta values (?, ?, ?)", (_SHAPE, plan.run, self.purges))
        self.db.execute("commit")

    def _note_objects(self, receipt: Receipt) -> None:
        chunk = [] if receipt.chunk is None else [(receipt.chunk.key, receipt.run, receipt.chunk.size)]
        objects = [(receipt_key(receipt.entity, receipt.run, receipt.unit, receipt.part), receipt.run, None), *chunk]
        self.db.executemany("insert or replace into object values (?, ?, ?)", objects)

    @contextmanager
    def as_of(self, run: int) -> Iterator[None]:
        """While inside, `known` and `alias` hold what the plan of *run* knew, though some of it was purged since."""
        self.db.executescript(_AS_OF.format(run=run))
        try:
            yield
        finally:
            self.db.executescript("drop view temp.known; drop view temp.alias;")

    def oldest_landed(self) -> str | None:
        """When the oldest answer was fetched that counts as landed, of whatever entity."""
        (oldest,) = self.db.execute("select min(fetched_at) from known where state = 'landed'").fetchone()
        return str(oldest) if oldest else None

    def pack(self) -> bytes:
        """The file, gzipped."""
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        with self.path.open("rb") as file:
            parts = [packer.compress(piece) for piece in iter(lambda: file.read(1 << 20), b"")]
        return b"".join((*parts, packer.flush()))


@contextmanager
def open_ledger(storage: Storage, entity: str, through: int) -> Iterator[Ledger]:
    """The ledger of *entity* as of run *through*: the newest kept one that reads, brought up to date by receipts."""
    # Before any receipt is read: one that a purge overtakes counts as none when it is looked for.
    purges = purge_count(storage)
    with _file() as path, _made(lambda: _newest(storage, entity, path, through, purges)) as ledger:
        for run in range(ledger.through + 1, through + 1):
            plan = read_plan(storage, entity, run)
            if plan is not None:
                ledger.take(plan, readable(read_receipts(storage, plan)))
        yield ledger


@contextmanager
def empty_ledger() -> Iterator[Ledger]:
    """A ledger that knows nothing yet."""
    with _file() as path, _made(lambda: _empty(path)) as ledger:
        yield ledger


@contextmanager
def _file() -> Iterator[Path]:
    """Where a ledger can lie for a while."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="reelhouse-")
    except OSError as exc:
        raise _no_room(exc) from exc
    with folder:
        yield Path(folder.name) / "ledger.sqlite"


@contextmanager
def _made(make: Callable[[], Ledger]) -> Iterator[Ledger]:
    try:
        ledger = make()
    except (OSError, sqlite3.OperationalError) as exc:
        raise _no_room(exc) from exc
    try:
        yield ledger
    finally:
        ledger.db.close()


def _no_room(exc: Exception) -> StorageError:
    return StorageError(f"there is no room for temporary files: {getattr(exc, 'strerror', None) or exc}")


def keep_ledger(storage: Storage, entity: str, ledger: Ledger) -> None:
    """Put an *entity*'s ledger where the next planning finds it, and drop those before."""
    storage.put(ledger_key(entity, ledger.through), ledger.pack())
    for key in list(storage.keys(ledgers(entity)))[:-_KEPT]:
        storage.delete(key)


def drop_ledgers(storage: Storage) -> None:
    """Remove all that are kept of all entities, old versions too."""
    for key in list(storage.list_all_versions(LEDGERS)):
        storage.delete_all_versions(key)


def _newest(storage: Storage, entity: str, path: Path, through: int, purges: int) -> Ledger:
    for run in range(through, max(through - _KEPT, 0), -1):
        if (ledger := _unpack(storage, entity, path, run, purges)) is not None:
            return ledger
    path.unlink(missing_ok=True)
    return _empty(path, purges)


def _empty(path: Path, purges: int = 0) -> Ledger:
    ledger = Ledger(path, 0, purges)
    ledger.db.executescript(_SCHEMA)
    return ledger


def _unpack(storage: Storage, entity: str, path: Path, run: int, purges: int) -> Ledger | None:
    """The kept ledger of *run*; None where it is gone, damaged, of another format or from before a purge."""
    try:
        body = storage.get(ledger_key(entity, run))
    except MissingKeyError:
        return None
    unpacker = zlib.decompressobj(31)
    try:
        with path.open("wb") as file:
            for start in range(0, len(body), 1 << 18):
                file.write(unpacker.decompress(body[start : start + (1 << 18)]))
        if not unpacker.eof:
            return None
        ledger = Ledger(path, run, purges)
        if ledger.db.execute("select format, run, purges from meta").fetchall() == [(_SHAPE, run, purges)]:
            return ledger
        ledger.db.close()
    except (zlib.error, sqlite3.DatabaseError):
        pass
    return None
