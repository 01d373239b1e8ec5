"""What there is to ask about: a listing in SQLite tables beside the ledger, so that a million ids cost no memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from reelhouse.ids import is_number, key_id, read_id
from reelhouse.raw.plan import Cause, Selection
from reelhouse.tmdb.exports import read_rows

_SCHEMA = """
create temp table listed (id integer primary key, popularity real, reason text not null, excluded text);
create temp table unresolved (position integer primary key, ask text not null unique, listed integer not null);
create temp table changed (id integer primary key, fresh_after text not null);
create temp table vanished (id integer primary key);
"""

# Why a row of an export or of discover is not asked: its id is negative or far beyond what a request could name.
_NO_ID = "not_an_id"

# So many ids are looked up in memory. A listing of a few may meet a lake of a million.
_FEW = 100_000

_ADD = "insert or ignore into listed values (?, ?, ?, ?)"


class Listing:
    """The ids of one planning, each once, with the filter that keeps it from being asked, if one does."""

    def __init__(self, db: sqlite3.Connection, entity: str) -> None:
        self.db = db
        self._entity = entity
        for statement in ("changed", "vanished", "unresolved", "listed", "incoming"):
            db.execute(f"drop table if exists temp.{statement}")
        db.executescript(_SCHEMA)

    def add_export(self, body: bytes, selection: Selection, *, adult: bool = False) -> int:
        """Every row of an export, or of one of *adult* ones, *selection* applied; returns how many rows it has."""
        plain = selection.include_adult and selection.include_video and selection.min_popularity is None
        rows = 0
        # Appended first and sorted in one go: inserting a million ids in the export's order costs twice as much.
        self.db.execute("create temp table incoming (id integer, popularity real, excluded text)")
        self.db.execute("begin")
        for batch in read_rows(body):
            rows += len(batch)
            self.db.executemany(
                "insert into incoming values (?, ?, ?)",
                [
                    (
                        row.id,
                        row.popularity,
                        (None if plain else _excluded(adult or row.adult, row.video, row.popularity, selection))
                        if is_number(row.id)
                        else _NO_ID,
                    )
                    for row in batch
                ],
            )
        self.db.execute(
            "insert or ignore into listed select id, popularity, ?, excluded from incoming order by id",
            (Cause.NEW.value,),
        )
        self.db.execute("commit")
        self.db.execute("drop table incoming")
        self._cut_top(selection.top)
        return rows

    def add_lines(self, lines: Iterable[str], selection: Selection) -> None:
        """A plan's listing object: `id popularity` as discover gave it, or an id that somebody named."""
        keys: list[str] = []
        self.db.execute("begin")
        for line in lines:
            key, _, popularity = line.partition(" ")
            if popularity:
                id_, ranked = int(key), float(popularity)
                reason = _excluded(False, False, ranked, selection) if is_number(id_) else _NO_ID
                self.db.execute(_ADD, (id_, ranked, Cause.LISTED.value, reason))
            else:
                keys.append(key)
        self.db.execute("commit")
        if selection.source == "discover":
            self._cut_top(selection.top)
        self._add_keys(keys, Cause.NEW if selection.source in ("single", "column", "pages") else Cause.LISTED)

    def _add_keys(self, keys: Iterable[str], cause: Cause) -> None:
        """Keys that somebody named or a table holds. They are wanted whatever a filter says."""
        self.db.execute("begin")
        for key in keys:
            id_ = key_id(key)
            if id_ is None:
                id_ = self._alias(key)
            if id_ is None:
                self.db.execute("insert or ignore into unresolved (ask, listed) values (?, 1)", (key,))
            else:
                self.db.execute(
                    "insert into listed values (?, null, ?, null) on conflict (id) do update "
                    "set reason = excluded.reason, excluded = null",
                    (id_, cause.value),
                )
        self.db.execute("commit")

    def add_changed(self, ids: Iterable[int], fresh_after: str) -> None:
        """Ids that the change feed names; one fetched after *fresh_after* holds the change already."""
        self.db.execute("begin")
        self.db.executemany(
            "insert into changed values (?, ?) on conflict (id) do update "
            "set fresh_after = max(fresh_after, excluded.fresh_after)",
            ((id_, fresh_after) for id_ in ids),
        )
        self.db.execute("commit")

    def mark_vanished(self, previous: Iterable[int] | None) -> None:
        """Known ids that the *previous* listing held and this one lacks; without it, all that this one lacks."""
        missing = (
            "select id from known where entity = ? and state in ('landed', 'filtered') "
            "and id not in (select id from listed)"
        )
        add = "insert or ignore into vanished "
        self.db.execute("begin")
        if previous is None:
            self.db.execute(f"{add}{missing}", (self._entity,))
        else:
            found = {id_ for (id_,) in self.db.execute(f"{missing} limit ?", (self._entity, _FEW + 1))}
            if len(found) <= _FEW:
                gone = found.intersection(previous) if found else ()
                self.db.executemany(f"{add}values (?)", ((id_,) for id_ in gone))
            else:
                self.db.executemany(f"{add}{missing} and id = ?", ((self._entity, id_) for id_ in previous))
        self.db.execute("commit")

    def add_set_aside(self) -> None:
        """Ids of other services, set aside before anybody said which of TMDB's they are: no other table has them."""
        found = self.db.execute(
            "select ask from alias where entity = ? and id is null and state = 'quarantined' order by ask",
            (self._entity,),
        ).fetchall()
        self.db.executemany(
            "insert or ignore into unresolved (ask, listed) values (?, 0)",
            [each for each in found if read_id(each[0]) is not None],
        )

    def count(self) -> int:
        """Distinct ids and asks listed."""
        (count,) = self.db.execute(
            "select (select count(*) from listed) + (select count(*) from unresolved where listed)"
        ).fetchone()
        return int(count)

    def _alias(self, key: str) -> int | None:
        found = self.db.execute(
            "select id from alias where entity = ? and ask = ? and id is not null", (self._entity, key)
        ).fetchone()
        return found[0] if found else None

    def _cut_top(self, top: int | None) -> None:
        if top is None:
            return
        self.db.execute(
            "update listed set excluded = 'top' where excluded is null and id not in "
            "(select id from listed where excluded is null order by popularity desc, id limit ?)",
            (top,),
        )


def _excluded(adult: bool | None, video: bool | None, popularity: float | None, selection: Selection) -> str | None:
    if adult and not selection.include_adult:
        return "adult"
    if video and not selection.include_video:
        return "video"
    if selection.min_popularity is not None and (popularity or 0.0) < selection.min_popularity:
        return "min_popularity"
    return None
