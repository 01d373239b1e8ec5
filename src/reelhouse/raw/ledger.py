"""The ledger: what is known per id. A cache of the receipts, kept in pieces, rebuilt where one is lost.

A piece is a SQLite file of the tables below that holds what the receipts of some runs say. Pieces become one ledger as
receipts do: a newer row replaces the one with the same key (`raw/current.py`). So the piece of one run, a *segment*,
needs no other to be made. A *base* is a piece that begins with run 1.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from reelhouse.errors import LakeError, MissingKeyError, StorageError, UnreadableError
from reelhouse.raw.current import in_order
from reelhouse.raw.keys import LEDGERS, LedgerKey, ledger_key, ledger_piece, ledgers, receipt_key
from reelhouse.raw.plan import Plan, read_plan
from reelhouse.raw.purges import purge_count
from reelhouse.raw.receipt import Receipt, purged_outcomes, read_receipts, readable
from reelhouse.storage.protocol import Storage

# Objects are receipts, of which no size is known, and the chunks that they name.
# Each entity's ids are its own; `ask` keeps which id of another service stood for which of TMDB's. What was
# purged is known no more; it is kept only for checking plans that were made before, up to run `through`.
# `landed_at` is the time of the landed answer that the row's own, quarantined or gone, did not replace; '' if that one
# was filtered. `gone_since` is the time of the first answer after it that said gone. Nearly all rows have neither,
# which costs a byte each.
_SCHEMA = """
create table known (
  entity text not null, id integer not null, state text not null, fetched_at text not null, run integer not null,
  landed_at text, gone_since text, primary key (entity, id)) without rowid;
create table alias (
  entity text not null, ask text not null, id integer, state text not null, primary key (entity, ask)) without rowid;
create table purged (
  entity text not null, ask text not null, id integer, state text not null, fetched_at text not null,
  run integer not null, through integer not null, primary key (entity, ask)) without rowid;
create table object (key text primary key, run integer not null, size integer) without rowid;
create table run (
  run integer primary key, entity text not null, request_profile text not null, requests integer not null);
create table meta (format text not null, first integer not null, run integer not null, purges integer not null);
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

_REPLACE = """
on conflict (entity, id) do update set state = excluded.state, fetched_at = excluded.fetched_at, run = excluded.run,
  landed_at = case when excluded.state not in ('landed', 'filtered') then coalesce(excluded.landed_at,
    case known.state when 'landed' then known.fetched_at when 'filtered' then '' else known.landed_at end) end,
  gone_since = case when excluded.state not in ('landed', 'filtered')
    then coalesce(case when excluded.landed_at is null then known.gone_since end, excluded.gone_since) end
"""

# When the landed answer that tables show of an id was fetched. A ledger knows no export, so what is gone counts as
# shown until a purge: an answer that counts too long is noticed, one that does not count is kept beyond TMDB's terms.
SHOWN = "case state when 'landed' then fetched_at else nullif(landed_at, '') end"

# A piece with other tables than these is not used.
_SHAPE = hashlib.sha256(_SCHEMA.encode()).hexdigest()[:16]

# The tables that hold what receipts say.
TABLES = ("known", "alias", "purged", "object", "run")

# A piece lies in objects of this size, so that reading or putting one holds no more in memory.
_PART = 8 << 20
_PIECE = 1 << 14

# A new base is put when the segments since the last one are larger than this share of it, or more in number.
_SHARE = 10
_SMALL = 1 << 18
_MOST_SEGMENTS = 16


class Ledger:
    """An open ledger, a SQLite file of its own that goes away with it.

    *first* and *through* are the runs it reflects, *purges* how many purges there were when it was begun. *scattered*
    means that opening it took many segments, or receipts where a segment is missing: a new base is worth its bytes.
    """

    def __init__(self, path: Path, through: int, purges: int = 0, first: int = 1) -> None:
        self.path = path
        self.first = first
        self.through = through
        self.purges = purges
        self.scattered = False
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
            outcomes = in_order(receipt.outcomes)
            self.db.executemany(
                f"insert into known values (?1, ?2, ?3, ?4, ?5, null, iif(?3 = 'gone', ?4, null)) {_REPLACE}",
                (
                    (plan.entity, outcome.id, outcome.state.value, outcome.fetched_at, plan.run)
                    for outcome in outcomes
                    if outcome.id is not None
                ),
            )
            self.db.executemany(
                "insert or replace into alias values (?, ?, ?, ?)",
                (
                    (plan.entity, outcome.key, outcome.id, outcome.state.value)
                    for outcome in outcomes
                    if outcome.by_external_id
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
            "insert or replace into run values (?, ?, ?, ?)",
            (plan.run, plan.entity, plan.request_profile.fingerprint, requests),
        )
        self.through = plan.run
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

    def oldest_and_newest(self) -> tuple[str | None, str | None]:
        """When the oldest and the newest of the landed answers that tables show were fetched, of whatever entity."""
        oldest, newest = self.db.execute(f"select min({SHOWN}), max({SHOWN}) from known").fetchone()
        return oldest, newest

    def add(self, path: Path, run: int) -> None:
        """Fold in the segment of *run* in the file at *path*."""
        self.db.execute("attach ? as segment", (str(path),))
        self.db.execute(f"insert into main.known select * from segment.known where true {_REPLACE}")
        for table in TABLES[1:]:
            self.db.execute(f"insert or replace into main.{table} select * from segment.{table}")
        self.db.execute("detach segment")
        self.through = run

    def pack(self) -> Iterator[bytes]:
        """The file, gzipped, in parts of bounded size."""
        self.db.execute("delete from meta")
        self.db.execute("insert into meta values (?, ?, ?, ?)", (_SHAPE, self.first, self.through, self.purges))
        part = bytearray()
        for piece in _gzipped(self.path):
            part += piece
            while len(part) > _PART:
                yield bytes(part[:_PART])
                del part[:_PART]
        yield bytes(part)


def _gzipped(path: Path) -> Iterator[bytes]:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            yield packer.compress(piece)
    yield packer.flush()


@contextmanager
def open_ledger(storage: Storage, entity: str, through: int) -> Iterator[Ledger]:
    """An *entity*'s ledger as of run *through*: the newest base that reads, updated by segments or receipts."""
    # Before any receipt is read: a piece that a purge overtakes is not used when it is looked for.
    purges = purge_count(storage)
    kept = _kept(storage, entity) if through else {}
    with _opened(storage, _bases(kept, through), purges) as ledger:
        _catch_up(storage, entity, ledger, through, kept)
        yield ledger


@contextmanager
def empty_ledger(purges: int = 0, first: int = 1) -> Iterator[Ledger]:
    """A ledger that knows nothing yet."""
    with _file() as path, _made(lambda: _empty(path, purges, first)) as ledger:
        yield ledger


def oldest_landed(storage: Storage, entity: str, through: int) -> str | None:
    """When the oldest landed answer that tables show was fetched, after run *through*.

    Reads no large base as a rule.
    """
    purges = purge_count(storage)
    kept = _kept(storage, entity)
    bases = _bases(kept, through)
    excerpt = kept.get(bases[0].of._replace(oldest=True)) if bases else None
    if excerpt is not None:
        with _opened(storage, [excerpt], purges) as ledger:
            newest_kept = ledger.oldest_and_newest()[1]
            if newest_kept is not None:
                _catch_up(storage, entity, ledger, through, kept)
                oldest = ledger.oldest_and_newest()[0]
                # What the excerpt lacks of its base is not older than its newest row.
                if oldest is not None and oldest <= newest_kept:
                    return oldest
    with _opened(storage, bases, purges) as ledger:
        _catch_up(storage, entity, ledger, through, kept)
        return ledger.oldest_and_newest()[0]


def keep_run(storage: Storage, plan: Plan) -> None:
    """Put the segment of a reconciled run, which is small if the run was."""
    with empty_ledger(purge_count(storage), plan.run) as ledger:
        ledger.take(plan, readable(read_receipts(storage, plan)))
        _put(storage, plan.entity, ledger)


def keep_ledger(storage: Storage, entity: str, ledger: Ledger) -> None:
    """Put a whole ledger as *entity*'s new base, and drop what only bases before the last one need."""
    _put(storage, entity, ledger)
    pieces = [(key, piece) for key in storage.keys(ledgers(entity)) if (piece := ledger_piece(key)) is not None]
    # One from before stays in case the newest is damaged, and for verifying what is new.
    before = max((piece.last for _, piece in pieces if _is_base(piece) and piece.last < ledger.through), default=0)
    for key, piece in pieces:
        if piece.last < before or (piece.last == before and piece.first > 1):
            storage.delete(key)


def drop_ledgers(storage: Storage) -> None:
    """Remove all that are kept of all entities, old versions too."""
    for key in list(storage.list_all_versions(LEDGERS)):
        storage.delete_all_versions(key)


@contextmanager
def _opened(storage: Storage, pieces: list[_Piece], purges: int) -> Iterator[Ledger]:
    """A ledger from the first of *pieces* that reads; an empty one where none does."""
    with _file() as path, _made(lambda: _newest(storage, path, pieces, purges)) as ledger:
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


class _Piece(NamedTuple):
    """A kept piece: the keys of its parts in order, and what they weigh together."""

    of: LedgerKey
    parts: list[str]
    size: int


def _kept(storage: Storage, entity: str) -> dict[LedgerKey, _Piece]:
    """What a listing shows, whole or not. What it lacks is read from receipts."""
    found: dict[LedgerKey, list[tuple[str, int]]] = {}
    for key, size in storage.sizes(ledgers(entity)):
        if (piece := ledger_piece(key)) is not None:
            found.setdefault(piece, []).append((key, size))
    return {
        piece: _Piece(piece, sorted(key for key, _ in parts), sum(size for _, size in parts))
        for piece, parts in found.items()
    }


def _bases(kept: dict[LedgerKey, _Piece], through: int) -> list[_Piece]:
    """Those that run *through* may start from, newest first."""
    return [kept[key] for key in sorted(kept, reverse=True) if _is_base(key) and key.last <= through]


def _is_base(key: LedgerKey) -> bool:
    return key.first == 1 and not key.oldest


def _newest(storage: Storage, path: Path, pieces: list[_Piece], purges: int) -> Ledger:
    """The first of *pieces* that reads; an empty ledger where none does."""
    for piece in pieces:
        if _unpack(storage, path, piece, purges):
            return Ledger(path, piece.of.last, purges)
    path.unlink(missing_ok=True)
    return _empty(path, purges, 1)


def _empty(path: Path, purges: int, first: int) -> Ledger:
    ledger = Ledger(path, first - 1, purges, first)
    ledger.db.executescript(_SCHEMA)
    return ledger


def _catch_up(storage: Storage, entity: str, ledger: Ledger, through: int, kept: dict[LedgerKey, _Piece]) -> None:
    """Bring a ledger up to run *through*, each run from its segment or, where that does not read, from receipts."""
    base = kept.get(LedgerKey(entity, 1, ledger.through))
    segments = size = 0
    for run in range(ledger.through + 1, through + 1):
        segment = kept.get(LedgerKey(entity, run, run))
        if segment is not None and _add(storage, ledger, segment):
            segments, size = segments + 1, size + segment.size
        elif (plan := read_plan(storage, entity, run)) is not None:
            ledger.take(plan, readable(read_receipts(storage, plan)))
            ledger.scattered = True
    most = max(_SMALL, base.size // _SHARE if base else 0)
    ledger.scattered |= segments > _MOST_SEGMENTS or size > most


def _add(storage: Storage, ledger: Ledger, segment: _Piece) -> bool:
    """Fold in a segment; False where it does not read."""
    path = ledger.path.with_name("segment.sqlite")
    try:
        if not _unpack(storage, path, segment, ledger.purges):
            return False
        ledger.add(path, segment.of.last)
    except (OSError, sqlite3.OperationalError) as exc:
        raise _no_room(exc) from exc
    except sqlite3.DatabaseError:
        # What it gave is replaced from the receipts of its run.
        ledger.db.execute("detach segment")
        return False
    return True


def _put(storage: Storage, entity: str, ledger: Ledger) -> None:
    key = LedgerKey(entity, ledger.first, ledger.through)
    if _is_base(key) and ledger.path.stat().st_size > _PART:
        _put_excerpt(storage, ledger, key._replace(oldest=True))
    _put_parts(storage, ledger, key)


def _put_parts(storage: Storage, ledger: Ledger, key: LedgerKey) -> None:
    for number, part in enumerate(ledger.pack(), 1):
        storage.put(ledger_key(key, number), part)


def _put_excerpt(storage: Storage, ledger: Ledger, key: LedgerKey) -> None:
    """Put a base's rows with the oldest shown answers: as a rule more than segments replace before the next base."""
    with empty_ledger(ledger.purges) as excerpt:
        excerpt.through = ledger.through
        ledger.db.execute("attach ? as excerpt", (str(excerpt.path),))
        ledger.db.execute(
            f"insert into excerpt.known select * from (select * from main.known where {SHOWN} is not null "
            f"order by {SHOWN} limit (select count(*) / ? + 1 from main.known)) order by entity, id",
            (_SHARE,),
        )
        ledger.db.execute("detach excerpt")
        _put_parts(storage, excerpt, key)


def _unpack(storage: Storage, path: Path, piece: _Piece, purges: int) -> bool:
    """Write a piece to *path*; False where it is gone, cut, unreadable, of another format or from before a purge."""
    unpacker = zlib.decompressobj(31)
    try:
        with path.open("wb") as file:
            for key in piece.parts:
                body = storage.get(key)
                for start in range(0, len(body), _PIECE):
                    file.write(unpacker.decompress(body[start : start + _PIECE]))
        return unpacker.eof and _reads(path, (_SHAPE, piece.of.first, piece.of.last, purges))
    except (MissingKeyError, UnreadableError, LakeError, zlib.error):
        return False


def _reads(path: Path, meta: tuple[str, int, int, int]) -> bool:
    db = sqlite3.connect(path)
    try:
        with suppress(sqlite3.DatabaseError):
            said = db.execute("select format, first, run, purges from meta").fetchall()
            return said == [meta] and _columns(db) == _COLUMNS
        return False
    finally:
        db.close()


def _columns(db: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns of each table."""
    return {table: [row[1] for row in db.execute(f"pragma table_info({table})")] for table in TABLES}


def _expected_columns() -> dict[str, list[str]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return _columns(db)


_COLUMNS = _expected_columns()
