"""What a catalogue is told of a lake: a table's name, where it lies, its columns, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyspark.sql import types as T

from reelhouse.delta.log import schema_mark
from reelhouse.entities.schema import Table
from reelhouse.errors import ConfigError, LakeError, did_you_mean
from reelhouse.marts import REGISTRY
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from reelhouse.tables.schemas import data_type, schema_of
from reelhouse.warehouse.import_registry import imported
from reelhouse.warehouse.import_tables import import_spec
from reelhouse.warehouse.manifest import TableVersion, built

ATTRIBUTION = "This product uses TMDB and the TMDB APIs but is not endorsed, certified, or otherwise approved by TMDB."

# By this property an entry is known as one of ours; its value is the lake's address.
MARK = "reelhouse.lake"


class Column(NamedTuple):
    """One column as it lies in the table."""

    name: str
    type: T.DataType
    comment: str


class Entry(NamedTuple):
    """One table of a lake for a catalogue; *location* is the folder of the Delta table, without a slash at its end."""

    name: str
    about: str
    location: str
    columns: tuple[Column, ...]


def entries_of(storage: Storage, registry: Registry = REGISTRY) -> list[Entry]:
    """Every table of *registry* that the last whole build has, and every imported one.

    Raises `ConfigError` for a lake that is no bucket, `LakeError` where nothing is built or a newer build is due.
    """
    if not storage.url.startswith("s3://"):
        raise ConfigError(f"lake = {storage.url!r}: catalogues name tables in S3; a lake in a bucket is expected")
    root = storage.url.rstrip("/")
    return [
        Entry(
            spec.name,
            spec.about,
            f"{root}/{zone}/{spec.name}",
            tuple(Column(one.name, data_type(one.type), one.comment) for one in spec.columns),
        )
        for zone, spec in _specs(storage, registry)
    ]


def chosen(entries: list[Entry], names: tuple[str, ...] | None) -> list[Entry]:
    """Those of *entries* that *names* names, all where it is None; `LakeError` for a name that none has."""
    if names is None:
        return entries
    known = {entry.name: entry for entry in entries}
    for name in names:
        if name not in known:
            raise LakeError(f"there is no table {name!r} in this lake{did_you_mean(name, known)}")
    return [known[name] for name in dict.fromkeys(names)]


def _specs(storage: Storage, registry: Registry) -> Iterator[tuple[str, Table]]:
    pins = built(storage).tables
    for zone, specs in registry.zones.items():
        for spec in specs:
            if spec.name in pins:
                _check_columns(spec, pins[spec.name])
                yield zone, spec
    for name, one in sorted(imported(storage).items()):
        yield one.zone, import_spec(name, one)


def _check_columns(spec: Table, pin: TableVersion) -> None:
    """A catalogue must say what lies there; who built it with other declarations cannot be described by these."""
    if pin.schema != schema_mark(schema_of(spec.columns)):
        raise LakeError(
            f"{spec.name} was built by another version of reelhouse, with other columns: run `reelhouse build` first"
        )
