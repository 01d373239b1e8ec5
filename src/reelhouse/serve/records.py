"""One record of a lake: its rows in all tables, what TMDB sent, and what became of it run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from reelhouse.delta.delta_rs import read_delta
from reelhouse.entities.schema import Entity, Table
from reelhouse.errors import ConfigError, LakeError, MissingKeyError, did_you_mean
from reelhouse.ids import SINGLE, External, external, number_of, read_id
from reelhouse.raw.chunk import raw_lines, read_line, whole_record
from reelhouse.raw.keys import staging_folder
from reelhouse.raw.ledger import open_ledger
from reelhouse.raw.plan import last_run
from reelhouse.serve.lake import Lake
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.manifest import built

if TYPE_CHECKING:
    import pyarrow as pa

# Columns by which people know a thing.
_NAMES = ("title", "name", "original_title", "original_name")
_CHOICES = 20
_HISTORY = ("sequence", "run", "state", "cause", "reason", "fetched_at", "requested_key", "chunk", "line", "lines")


class RecordChoice(NamedTuple):
    """A record that a text may mean: its names, as far as it has any."""

    id: int
    names: tuple[str, ...]


class Record(NamedTuple):
    """*rows* are those of each of the entity's tables, the main one first; *history* is oldest first.

    *source* is the outcome that the rows come from, None where none landed.
    """

    entity: str
    id: int
    rows: dict[str, pa.Table]
    history: list[dict[str, Any]]
    source: dict[str, Any] | None


def entity_of(name: str, registry: Registry) -> Entity:
    """The entity of this *name*; `ConfigError` if there is none."""
    if name not in registry.entities:
        hint = did_you_mean(name, registry.entities) or f"; there are: {', '.join(registry.entities)}"
        raise ConfigError(f"show: there is no entity {name!r}{hint}")
    return registry.entities[name]


def find(lake: Lake, entity: Entity, text: str) -> list[RecordChoice]:
    """The records that *text* may mean: an id of TMDB, IMDb or TVDB, or a name or a part of one, exact names first."""
    if not entity.has_ids:
        raise ConfigError(f"show: {entity.name} is one list without ids: leave out {text!r}")
    key = read_id(text)
    if key is not None and (id_ := number_of(key)) is not None:
        return [RecordChoice(id_, ())]
    head = _head(entity)
    tables = lake.tables()
    if head is None or head.name not in tables:
        raise LakeError(f"show: {entity.name} is not collected in this lake, or not built: run `reelhouse status`")
    found = []
    if key is not None and (other := external(key)) is not None:
        found = _by_external_id(lake, entity, head, other, tables)
    # A title may look like an id.
    return found or _by_name(lake, head, text)


def _head(entity: Entity) -> Table | None:
    """The table with one row per record."""
    return next((table for table in entity.tables if table.key == (entity.id_column,)), None)


def _by_external_id(
    lake: Lake, entity: Entity, head: Table, other: External, tables: dict[str, int]
) -> list[RecordChoice]:
    table, where = f"{entity.name}_external_id", f"source = '{other.source}' and external_id"
    if other.source in head.column_names:
        table, where = head.name, other.source
    if table not in tables or other.begins not in entity.external:
        raise ConfigError(f"show: {entity.name} has no {other.source}")
    rows = lake.arrow(f"select {entity.id_column} as id from {table} where {where} = {_text(other.id)}").to_pylist()
    return [RecordChoice(row["id"], ()) for row in rows]


def _by_name(lake: Lake, head: Table, text: str) -> list[RecordChoice]:
    names = [name for name in _NAMES if name in head.column_names]
    wanted = _text(text.lower())
    exact = " or ".join(f"lower({name}) = {wanted}" for name in names)
    # No pattern, in which % and _ of a title would mean something else.
    part = " or ".join(f"instr(lower({name}), {wanted}) > 0" for name in names)
    popular = ", popularity desc nulls last" if "popularity" in head.column_names else ""
    found = lake.arrow(
        f"select {head.id_column} as id, {', '.join(names)} from {head.name} where {part} "
        f"order by case when {exact} then 0 else 1 end{popular}, id limit {_CHOICES}"
    ).to_pylist()
    choices = [
        RecordChoice(row["id"], tuple(filter(None, dict.fromkeys(row[name] for name in names)))) for row in found
    ]
    same = [one for one in choices if text.lower() in (name.lower() for name in one.names)]
    return same if len(same) == 1 else choices


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def read(storage: Storage, lake: Lake, entity: Entity, id_: int) -> Record:
    """Everything of one record; `LakeError`, with the reason, if what was built has nothing of it."""
    current = built(storage)
    stream = current.inputs.stream(entity.name)
    if stream.staging is None:
        raise LakeError(f"show: {entity.name} is not collected in this lake, or not built: run `reelhouse status`")
    history = _history(storage, entity, id_, stream.staging)
    if not history:
        raise LakeError(f"show: {entity.name} {id_} {_why_absent(storage, entity, id_)}")
    rows = {}
    for table in entity.tables:
        if table.name in current.tables:
            fixed = [f"{column.name} = {_text(column.fixed)}" for column in table.columns if column.fixed]
            own = [f"{entity.id_column} = {id_}"] if entity.has_ids else []
            where = f" where {' and '.join((*own, *fixed))}" if own or fixed else ""
            order = f" order by {', '.join(table.key)}" if table.key else ""
            rows[table.name] = lake.arrow(f"select * from {table.name}{where}{order}")
    landed = [one for one in history if one["state"] == "landed"]
    return Record(entity.name, id_, rows, history, landed[-1] if landed else None)


def _why_absent(storage: Storage, entity: Entity, id_: int) -> str:
    """Why what was built has nothing of a record, from receipts."""
    with open_ledger(storage, entity.name, last_run(storage, entity.name)) as ledger:
        wanted = (entity.name, id_ if entity.has_ids else SINGLE)
        found = ledger.db.execute("select run, state from known where entity = ? and id = ?", wanted).fetchone()
        if found:
            return f"is in run {found[0]} ({found[1]}), which is not built yet: run `reelhouse build`"
        purged = ledger.db.execute("select 1 from purged where entity = ? and id = ? limit 1", wanted).fetchone()
    return "was purged, and not requested since" if purged else "was never requested"


def _history(storage: Storage, entity: Entity, id_: int, version: int) -> list[dict[str, Any]]:
    """What became of a record in each run, oldest first."""
    import pyarrow.compute as pc

    wanted = id_ if entity.has_ids else SINGLE
    found: dict[int, dict[str, Any]] = {}
    for batch in read_delta(storage, staging_folder(entity.name), version, [*_HISTORY, "id"]):
        # A repeated append brings the same row again.
        found |= {row["sequence"]: row for row in batch.filter(pc.equal(batch.column("id"), wanted)).to_pylist()}
    return [{name: found[key][name] for name in _HISTORY[1:]} for key in sorted(found)]


def raw(storage: Storage, outcome: dict[str, Any]) -> bytes:
    """The answer of an outcome, as TMDB sent it; of a record of several answers what they make together."""
    key, line = outcome["chunk"], outcome["line"]
    try:
        lines = raw_lines(key, storage.get(key))
    except MissingKeyError:
        raise LakeError(f"{key} is gone: `reelhouse verify` says what else is") from None
    envelopes = [read_line(text) for text in lines[line : line + outcome["lines"]]]
    if not envelopes or any(one.key != outcome["requested_key"] for one in envelopes):
        raise LakeError(f"line {line} of {key} is another answer: `reelhouse verify` says what else is wrong")
    return whole_record([one.bytes for one in envelopes])
