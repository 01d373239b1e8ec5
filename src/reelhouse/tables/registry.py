"""What a lake is built to hold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reelhouse.entities.schema import ANSWERS, CURRENT, DAILY, STAGING, Entity, FromColumn, Table
from reelhouse.tables.metadata_tables import metadata_tables
from reelhouse.tables.popularity import POPULARITY

_OF_AN_ENTITY = frozenset((ANSWERS, STAGING, CURRENT, DAILY))


# The marts of a lake that has collected these entities.
MartsOf: TypeAlias = Callable[[Collection[str]], tuple[Table, ...]]


def input_of(entity: str, name: str) -> str:
    """What a part of a table is made of: *name* is `ANSWERS` or another such part of an *entity*, or a table."""
    return f"{name} of {entity}" if name in _OF_AN_ENTITY else name


@dataclass(frozen=True, eq=False)
class Registry:
    """The entities whose answers are staged, and the tables and marts made of them, in the order they are built.

    `popularity_daily` is always among the tables: by the newest export it is known what TMDB has removed. *marts_of*
    makes the marts of fewer entities.
    """

    entities: Mapping[str, Entity]
    tables: tuple[Table, ...]
    marts: tuple[Table, ...] = ()
    marts_of: MartsOf | None = None

    def __post_init__(self) -> None:
        if POPULARITY not in self.tables:
            raise ValueError(f"a registry needs the table {POPULARITY.name}")
        names = [table.name for table in (*self.tables, *self.marts)]
        if again := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tables or marts are called {', '.join(again)}")
        for entity in self.entities.values():
            self._check_listing(entity)
        self._check_folders()

    def _check_folders(self) -> None:
        """Raise `ValueError` where two entities, or an entity and something else, would be in one folder."""
        taken = {"exports", *(f"{name}_current" for name in self.entities)}
        if odd := sorted(taken & self.entities.keys()):
            raise ValueError(f"no entity can be called {', '.join(odd)}: its folders are something else's")
        names = [(one.course_name or one.name).lower() for one in self.entities.values()]
        if again := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two entities are called {', '.join(again)} in the course layout: set course_name")

    def _check_listing(self, entity: Entity) -> None:
        # A registry may lack other entities' tables, as one of a lake that has not collected them does.
        types = {table.name: {one.name: one.type for one in table.columns} for table in self.tables}
        own = (entity.listing.column,) if isinstance(entity.listing, FromColumn) else ()
        for column in (*own, *(column for columns in entity.follow.values() for column in columns)):
            table, _, name = column.partition(".")
            if table in types and types[table].get(name) != "bigint":
                raise ValueError(f"{entity.name} is listed from {column}, which is not a column of ids")

    @classmethod
    def of(
        cls, entities: Mapping[str, Entity], marts: Iterable[Table] = (), marts_of: MartsOf | None = None
    ) -> Registry:
        """All that is declared of *entities*, what is known about their records, and *marts*."""
        declared: list[Table] = []
        for table in (table for entity in entities.values() for table in entity.tables):
            if not any(one.shares_with(table) for one in declared):
                declared.append(table)
        return cls(entities, (*declared, POPULARITY, *metadata_tables(next(iter(entities)))), tuple(marts), marts_of)

    def only(self, names: Collection[str]) -> Registry:
        """What a lake holds that has collected no more than the entities of these *names*.

        Of the rest there are no empty tables either. Where nothing was collected, it is what the first entity has.
        """
        kept = {name: one for name, one in self.entities.items() if name in names}
        kept = kept or dict(list(self.entities.items())[:1])
        if kept.keys() == self.entities.keys():
            return self
        # A table that this registry has otherwise than its entity declares it stays as it is here.
        declared = {table.name: table for table in Registry.of(self.entities).tables}
        own = {table.name: table for table in self.tables}
        tables = tuple(
            table if own[table.name] == declared.get(table.name) else own[table.name]
            for table in Registry.of(kept).tables
            if table.name in own
        )
        if self.marts_of is not None:
            marts_of_kept = tuple(mart for mart in self.marts_of(kept) if mart.name in self.names)
            return Registry(kept, tables, marts_of_kept, self.marts_of)
        known = {*(table.name for table in tables), *(input_of(name, one) for name in kept for one in _OF_AN_ENTITY)}
        marts: list[Table] = []
        for mart in self.marts:
            if known.issuperset(mart.inputs):
                marts.append(mart)
                known.add(mart.name)
        return Registry(kept, tables, tuple(marts))

    def parts_of(self, table: Table) -> list[tuple[Table, tuple[str, ...]]]:
        """What the rows of *table* are the union of: each part with the names of what it is made of.

        A table that entities declare is made of their answers alone, one about records of those of every entity.
        """
        if not _OF_AN_ENTITY & set(table.inputs):
            return [(table, table.inputs)]
        parts = self._named(table.name, {name: one.tables for name, one in self.entities.items()})
        if len(parts) == 1:
            # As this registry has it, which may be otherwise than its entity declares it.
            parts = [(parts[0][0], table)]
        parts = parts or self._named(table.name, {name: metadata_tables(name) for name in self.entities})
        return [(part, tuple(input_of(name, one) for one in part.inputs)) for name, part in parts]

    @staticmethod
    def _named(name: str, tables: Mapping[str, Iterable[Table]]) -> list[tuple[str, Table]]:
        return [(entity, one) for entity, its in tables.items() for one in its if one.name == name]

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
