"""The entries of a catalogue for a lake: a table's name, location, columns and comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyspark.sql import types as T

from reelhouse.delta.log import schema_fingerprint
from reelhouse.entities.schema import Table
from reelhouse.errors import ConfigError, LakeError
from reelhouse.marts import REGISTRY
from reelhouse.serve.dictionary import where_to_find
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from reelhouse.tables.schemas import data_type, schema_of
from reelhouse.warehouse.import_registry import import_spec, imported
from reelhouse.warehouse.manifest import TableVersion, built

# This property marks an entry as ours; its value is the lake's address.
MARK = "reelhouse.lake"


class CatalogColumn(NamedTuple):
    """One column of the stored table."""

    name: str
    type: T.DataType
    comment: str


class CatalogEntry(NamedTuple):
    """One table of a lake for a catalogue; *location* is the folder of the Delta table, without a slash at its end."""

    name: str
    about: str
    location: str
    columns: tuple[CatalogColumn, ...]


def entries_of(storage: Storage, registry: Registry = REGISTRY) -> list[CatalogEntry]:
    """Every table of *registry* in the last complete build, and every imported one.

    Raises `ConfigError` for a lake that is not in a bucket, `LakeError` if nothing is built or a new build is needed.
    """
    if not storage.url.startswith("s3://"):
        raise ConfigError(f"lake = {storage.url!r}: catalogues hold tables in S3; a lake in a bucket is expected")
    root = storage.url.rstrip("/")
    return [
        CatalogEntry(
            spec.name,
            spec.about,
            f"{root}/{zone}/{spec.name}",
            tuple(CatalogColumn(one.name, data_type(one.type), one.comment) for one in spec.columns),
        )
        for zone, spec in _specs(storage, registry)
    ]


def chosen(entries: list[CatalogEntry], names: tuple[str, ...] | None) -> list[CatalogEntry]:
    """The *entries* with *names*, all if it is None; `ConfigError` for an unknown name."""
    if names is None:
        return entries
    known = {entry.name: entry for entry in entries}
    for name in names:
        if name not in known:
            raise ConfigError(f"there is no table {name!r} in this lake{where_to_find(name, known)}")
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
    """Check that a table has the declared columns: entries made from other declarations would be wrong."""
    if pin.schema_fingerprint != schema_fingerprint(schema_of(spec.columns)):
        raise LakeError(
            f"{spec.name} was built by another version of reelhouse, with other columns: run `reelhouse build` first"
        )
