"""Lakes for tests of the build: answers land through the raw modules, and tables are read without the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from reelhouse.engines.session import session_factory
from reelhouse.marts import REGISTRY
from reelhouse.raw.chunk import ChunkWriter
from reelhouse.raw.keys import chunk_key, export_key, receipt_key
from reelhouse.raw.plan import Cause, Counts, ExportRef, Plan, RequestProfile, Selection, pack_ids, put_ids, put_plan
from reelhouse.raw.receipt import Outcome, Receipt, State, put_receipt
from reelhouse.raw.reconciliation import reconcile
from reelhouse.storage.folder import FolderStorage
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.manifest import BuildManifest, read_manifest
from reelhouse.warehouse.run import BuildResult, build

SAIL = session_factory("sail")

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One answer to land. *body* is what TMDB sent: bytes, or something to be written as JSON."""

    id: int | None
    body: Any = None
    state: State = State.LANDED
    key: str = ""
    reason: str | None = None
    parses: bool = True
    claimed: bool = True

    @property
    def asked(self) -> str:
        return self.key or str(self.id)

    @property
    def bytes(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


def a_movie(id_: int, **fields: Any) -> Answer:
    """A landed movie with the fields that matter."""
    return Answer(id_, {"id": id_, "title": f"Movie {id_}", **fields})


def filtered(id_: int) -> Answer:
    return Answer(id_, state=State.FILTERED)


def gone(id_: int) -> Answer:
    return Answer(id_, {"success": False, "status_code": 34}, state=State.GONE)


def quarantined(id_: int | None, key: str = "", reason: str = "cut") -> Answer:
    return Answer(id_, b'{"id":1,"ti', state=State.QUARANTINED, key=key, reason=reason, parses=False)


@dataclass(eq=False)
class LakeInTheMaking:
    """A lake in a folder. Each run gets the next number and is closed, unless `close` is False."""

    root: Path
    storage: Storage = field(init=False)
    runs: int = 0
    chunks: int = 0
    entity: str = "movie"
    registry: Registry = REGISTRY

    def __post_init__(self) -> None:
        self.storage = FolderStorage(self.root)

    def land(
        self,
        *answers: Answer,
        export: Iterable[int] | None = None,
        adult: Iterable[int] | None = None,
        day: str = "2026-11-20",
        at: str | None = None,
        close: bool = True,
        parts: int = 1,
    ) -> Plan:
        """One run of one unit, its answers spread over *parts* receipts with a chunk each."""
        self.runs += 1
        plan = self.plan([answer.asked for answer in answers], export=export, adult=adult, day=day, at=at)
        size = max(1, -(-len(answers) // parts))
        for start in range(0, len(answers), size):
            self.append(plan, answers[start : start + size])
        if close:
            self.close(plan)
        return plan

    def plan(
        self,
        keys: list[str],
        *,
        export: Iterable[int] | None = None,
        adult: Iterable[int] | None = None,
        day: str = "2026-11-20",
        at: str | None = None,
    ) -> Plan:
        ref = None if export is None else self.export(export, day)
        plan = Plan(
            run=self.runs,
            entity=self.entity,
            planned_at=at or f"2026-11-{self.runs:02}T08:00:00Z",
            ids=put_ids(self.storage, "movie", self.runs, (f"{key} new" for key in keys)),
            unit_size=1000,
            request_profile=RequestProfile("en-US", ("credits",)),
            selection=Selection(),
            counts=Counts(len(keys), 0, {}, 0, {"new": len(keys)}),
            export=ref,
            adult_export=None if adult is None else self.export(adult, day, adult=True),
        )
        put_plan(self.storage, plan)
        return plan

    def export(self, ids: Iterable[int], day: str, *, adult: bool = False) -> ExportRef:
        """Land one of TMDB's exports."""
        rows = [
            {"adult": adult, "id": id_, "original_title": f"T{id_}", "popularity": id_ / 2, "video": False}
            for id_ in ids
        ]
        body, count = pack_ids(json.dumps(row) for row in rows)
        sha256 = hashlib.sha256(body).hexdigest()
        key = export_key("adult_movie_ids" if adult else "movie_ids", date.fromisoformat(day), sha256)
        self.storage.put(key, body)
        return ExportRef(key, sha256, day, count)

    def append(self, plan: Plan, answers: Sequence[Answer], unit: int = 0) -> None:
        """A chunk and the receipt that claims its lines."""
        self.chunks += 1
        key = chunk_key(self.entity, date.fromisoformat(plan.planned_at[:10]), plan.run, unit, f"{self.chunks:08x}")
        writer = ChunkWriter(key, plan.run, self.entity, "")
        at = plan.planned_at
        outcomes = []
        for answer in answers:
            line = None
            if answer.state is not State.FILTERED:
                line = writer.add(
                    answer.bytes,
                    parses=answer.parses,
                    key=answer.asked,
                    path=f"/{self.entity}/{answer.asked}",
                    status=404 if answer.state is State.GONE else 200,
                    fetched_at=at,
                    id=answer.id,
                    reason=answer.reason,
                )
            if answer.claimed:
                outcomes.append(
                    Outcome(answer.asked, answer.state, Cause.NEW, at, id=answer.id, line=line, reason=answer.reason)
                )
        reference, body = writer.close()
        self.storage.put_new(reference.key, body)
        chunk = reference if reference.lines else None
        put_receipt(self.storage, Receipt(plan.run, unit, 0, self.entity, outcomes, chunk), set(), 0)

    def spoil_part(self, plan: Plan, part: int, unit: int = 0) -> None:
        """A part of receipts that does not parse, where the next one would go."""
        self.storage.put_new(receipt_key("movie", plan.run, unit, part), b"{half")

    def close(self, plan: Plan) -> None:
        made, _ = reconcile(self.storage, plan)
        assert made is not None

    def build(self, *, full: bool = False, registry: Registry | None = None) -> BuildResult:
        return build(self.storage, SAIL, full=full, registry=registry or self.registry)

    @property
    def current(self) -> BuildManifest:
        found = read_manifest(self.storage)
        assert found is not None
        return found

    def rows(self, name: str, *columns: str) -> list[Row]:
        """The rows of a table as the last build pinned it, by another reader than the engine that wrote it."""
        pin = self.current.tables[name]
        table = DeltaTable(str(self.root / pin.zone / name), version=pin.version).to_pyarrow_table()
        table = table.select(list(columns)) if columns else table
        return sorted(table.to_pylist(), key=lambda row: json.dumps(row, default=str))

    def values(self, name: str, *columns: str) -> list[Any]:
        """The rows as tuples, or as bare values where there is one column."""
        rows = [tuple(row[column] for column in columns) for row in self.rows(name, *columns)]
        return [row[0] for row in rows] if len(columns) == 1 else rows

    def everything(self) -> dict[str, list[Row]]:
        """All rows of all tables and marts, without what tells where an answer lies."""
        apart = {"chunk"}
        return {
            name: [{key: value for key, value in row.items() if key not in apart} for row in self.rows(name)]
            for name in self.current.tables
        }
