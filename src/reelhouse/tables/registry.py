"""What a lake is built to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reelhouse.entities.schema import Entity, Table
from reelhouse.tables.metadata_tables import metadata_tables
from reelhouse.tables.popularity import POPULARITY


@dataclass(frozen=True, eq=False)
class Registry:
    """The entities whose answers are staged, and the tables and marts made of them, in the order they are built.

    `popularity_daily` is always among the tables: by the newest export it is known what TMDB has removed.
    """

    entities: Mapping[str, Entity]
    tables: tuple[Table, ...]
    marts: tuple[Table, ...] = ()

    def __post_init__(self) -> None:
        if POPULARITY not in self.tables:
            raise ValueError(f"a registry needs the table {POPULARITY.name}")

    @classmethod
    def of(cls, entities: Mapping[str, Entity], marts: Iterable[Table] = ()) -> Registry:
        """All that is declared of *entities*, what is known about their records, and *marts*."""
        declared = (table for entity in entities.values() for table in entity.tables)
        about = (table for name in entities for table in metadata_tables(name))
        return cls(entities, (*declared, POPULARITY, *about), tuple(marts))

    @property
    def entity(self) -> Entity:
        """The entity whose answers are staged: a lake has one stream of runs, so there is one."""
        (found,) = self.entities.values()
        return found

    @property
    def zones(self) -> dict[str, tuple[Table, ...]]:
        """The tables by the folder that holds them."""
        return {"tables": self.tables, "marts": self.marts}

    @property
    def names(self) -> frozenset[str]:
        """The names of all tables and marts."""
        return frozenset(table.name for table in (*self.tables, *self.marts))

    @property
    def of_answers(self) -> dict[str, Table]:
        """The tables that are made of answers alone, by name."""
        return {table.name: table for table in self.tables if table.of_answers}
