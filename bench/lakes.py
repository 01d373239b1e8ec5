"""Lakes of typical bodies, landed through `reelhouse.raw` without a request, and kept between measurements."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bench.bodies import Bodies, Body, popular_ids
from bench.report import CACHE
from bench.tiny_server import export_of
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity
from reelhouse.raw.chunk import ChunkWriter, read_chunk
from reelhouse.raw.keys import chunk_key, export_key
from reelhouse.raw.plan import Cause, Counts, ExportRef, Plan, RequestProfile, Selection, put_ids, put_plan, read_plan
from reelhouse.raw.receipt import Outcome, Receipt, State, put_receipt, read_receipts, readable
from reelhouse.raw.reconciliation import reconcile
from reelhouse.storage.folder import FolderStorage
from reelhouse.tmdb.client import query_of

_UNIT = 1000
# Rendering a body costs five times what building it does, so larger lakes hold copies of so many.
_RENDERED = 200_000
# No id of a movie or a person is larger.
_COPY = 100_000_000
CHANGED_EVERY = 100
"""The second run of a lake asks every so manieth movie again."""


def lake_of(count: int, *, runs: int = 1) -> Path:
    """A lake of *count* movies; with two *runs*, the second holds new editions of one percent. Made once, kept."""
    lake = CACHE / f"lake-{count}-{runs}"
    if lake.is_dir():
        return lake
    scratch = CACHE / f"{lake.name}.part"
    shutil.rmtree(scratch, ignore_errors=True)
    bodies = Bodies(count) if count <= _RENDERED else Copies(count)
    if runs == 1:
        land(FolderStorage(scratch), 1, bodies.ids, bodies.ids, iter(bodies))
    else:
        shutil.copytree(lake_of(count), scratch)
        changed = bodies.ids[::CHANGED_EVERY]
        land(FolderStorage(scratch), 2, bodies.ids, changed, bodies.edited(CHANGED_EVERY))
    return scratch.rename(lake)


class Copies:
    """The bodies of several catalogues of `_RENDERED` movies: the same films, under ids and with people of their own.

    So a movie is the same at every size, and what grows is their number. Raises `ValueError` for a *count* that is no
    multiple.
    """

    def __init__(self, count: int) -> None:
        if count % _RENDERED:
            raise ValueError(f"{count:,} movies are not a multiple of {_RENDERED:,}")
        self._copies = range(count // _RENDERED)
        self.ids = [id_ + copy * _COPY for copy in self._copies for id_ in popular_ids(_RENDERED)]

    def __iter__(self) -> Iterator[Body]:
        return self._landed(1)

    def edited(self, every: int) -> Iterator[Body]:
        """A new edition of every *every*-th movie."""
        assert every == CHANGED_EVERY
        return self._landed(2)

    def _landed(self, run: int) -> Iterator[Body]:
        """What a run of the lake that is copied landed, copy by copy."""
        storage = FolderStorage(lake_of(_RENDERED, runs=2))
        plan = read_plan(storage, "movie", run)
        assert plan is not None
        for copy in self._copies:
            for receipt in readable(read_receipts(storage, plan)):
                assert receipt.chunk is not None
                yield from (_copied(line.bytes, copy) for line in read_chunk(storage, receipt.chunk))


def _copied(content: bytes, copy: int) -> Body:
    movie: dict[str, Any] = msgspec.json.decode(content)
    movie["id"] += copy * _COPY
    for credit in (*movie["credits"]["cast"], *movie["credits"]["crew"]):
        # A few have nobody.
        if credit.get("id"):
            credit["id"] += copy * _COPY
        if credit.get("credit_id"):
            credit["credit_id"] += str(copy)
    return Body(movie["id"], msgspec.json.encode(movie))


def land(
    storage: FolderStorage,
    run: int,
    listed: Sequence[int],
    ids: Sequence[int],
    bodies: Iterator[Body],
    entity: Entity = ENTITIES["movie"],
    export: ExportRef | None = None,
) -> Plan:
    """One whole run, as a collector would have left it; of *export* if it is stored already."""
    reason = Cause.NEW if run == 1 else Cause.CHANGED
    export = export or _put_export(storage, entity.export, _day(run), listed)
    plan = _planned(storage, run, listed, ids, reason, entity, export)
    for unit in range(plan.units):
        _land_unit(storage, plan, unit, reason, islice(bodies, _UNIT))
    made, _ = reconcile(storage, plan)
    assert made is not None and made.complete, made
    return plan


def _planned(
    storage: FolderStorage,
    run: int,
    listed: Sequence[int],
    ids: Sequence[int],
    reason: Cause,
    entity: Entity,
    export: ExportRef,
) -> Plan:
    fresh = len(listed) - len(ids)
    counts = Counts(
        listed=len(listed), not_in_listing=0, excluded={}, up_to_date=fresh, requested={reason.value: len(ids)}
    )
    plan = Plan(
        run=run,
        entity=entity.name,
        planned_at=f"{_day(run)}T09:00:00Z",
        ids=put_ids(storage, entity.name, run, (f"{id_} {reason}" for id_ in ids)),
        unit_size=_UNIT,
        request_profile=RequestProfile(language="en-US", append=entity.default_appends),
        selection=Selection(),
        counts=counts,
        export=export,
        changes_read_to=f"{_day(run)}T09:00:00Z",
    )
    put_plan(storage, plan)
    return plan


def _put_export(storage: FolderStorage, name: str, day: date, ids: Sequence[int]) -> ExportRef:
    body = export_of(ids)
    sha256 = hashlib.sha256(body).hexdigest()
    key = export_key(name, day, sha256)
    storage.put(key, body)
    return ExportRef(key, sha256, day.isoformat(), len(ids))


def _day(run: int) -> date:
    return date(2026, 11, 20) + timedelta(days=run)


def _land_unit(storage: FolderStorage, plan: Plan, unit: int, reason: Cause, bodies: Iterable[Body]) -> None:
    # A thousand answers take 25 seconds at TMDB's rate.
    at = f"{datetime.fromisoformat(plan.planned_at) + timedelta(seconds=25 * unit):%Y-%m-%dT%H:%M:%SZ}"
    key = chunk_key(plan.entity, _day(plan.run), plan.run, unit, secrets.token_hex(4))
    writer = ChunkWriter(key, plan.run, plan.entity, query_of(plan.request_profile.params))
    outcomes = []
    for body in bodies:
        key, etag = str(body.id), f'W/"{secrets.token_hex(16)}"'
        line = writer.add(
            body.content,
            parses=True,
            key=key,
            path=f"/{plan.entity}/{key}",
            status=200,
            fetched_at=at,
            id=body.id,
            etag=etag,
        )
        outcomes.append(Outcome(key, State.LANDED, reason, at, id=body.id, line=line, etag=etag))
    reference, packed = writer.close()
    storage.put_new(reference.key, packed)
    put_receipt(storage, Receipt(plan.run, unit, 0, plan.entity, outcomes, reference), set(), 0)
