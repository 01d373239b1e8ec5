"""A month of TMDB's life: what the lake has in the end is what TMDB has, id by id and field by field."""

from __future__ import annotations

import gzip
import json
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reelhouse.bootstrap import collecting
from reelhouse.bootstrap.collecting import CollectOptions
from reelhouse.collect.reporting import Progress, RunResult
from reelhouse.collect.verify import verify
from reelhouse.emulator import Emulator
from reelhouse.emulator.http.faults import PROFILES
from reelhouse.entities.lenient_parse import lenient_parse
from reelhouse.entities.python_rows import TypedAnswer, python_rows
from reelhouse.entities.registry import ENTITIES
from reelhouse.entities.schema import Entity, Table
from reelhouse.raw.chunk import read_answers, whole_record
from reelhouse.raw.ledger import open_ledger
from reelhouse.raw.plan import last_run, read_plan
from reelhouse.raw.receipt import Receipt, read_receipts
from reelhouse.settings import Settings
from reelhouse.storage.memory import MemoryStorage
from reelhouse.storage.protocol import Storage
from reelhouse.tmdb.endpoints import request_of
from reelhouse.warehouse.verify import check_tables
from tests.runs.lakes import TOKEN, of
from tests.warehouse.landing import LakeInTheMaking

KINDS = tuple(name for name, entity in ENTITIES.items() if entity.export)
# Reference lists, and lists that TMDB ranks each day: nothing of them is deleted.
LISTS = tuple(name for name in ENTITIES if name not in KINDS)
LISTS_EVERY = 4
# Kinds without a change feed, whose edits are found by age.
BY_AGE = tuple(name for name in KINDS if not ENTITIES[name].changes)
# Half a surrogate is repaired in the lake, and so differs from what TMDB sends later.
PROFILES_BY_DAY = [name for name in PROFILES if name not in ("outage", "half-surrogate", "slow")]


class Life:
    """One TMDB through the days, and the lake that follows it."""

    def __init__(self, tmdb: Emulator, lake: Storage) -> None:
        self.tmdb, self.lake = tmdb, lake
        ages: dict[str, dict[str, Any]] = {kind: {"stale_after_days": 5} for kind in BY_AGE}
        self.settings: Settings = of(tmdb, attempts=4, outage_minutes=0.001, adult_export=True, entity=ages)
        self.random = Random(7)
        self.gone: dict[str, set[int]] = {kind: set() for kind in KINDS}

    def day(self, edits: int, deletions: int, additions: int) -> None:
        """What happens at TMDB in a day; some of what was deleted returns."""
        for kind in KINDS:
            if back := self.random.sample(sorted(self.gone[kind]), len(self.gone[kind]) // 3):
                self.tmdb.restore(back, kind=kind)
            gone = self.tmdb.delete(count=deletions, kind=kind)
            self.gone[kind] = (self.gone[kind] - set(back)) | set(gone)
            self.tmdb.edit(count=edits, kind=kind)
            self.tmdb.add(count=additions, kind=kind, announce=self.random.random() < 0.5)
        self.tmdb.next_day()

    def collect(self, names: tuple[str, ...] = (*KINDS, *LISTS)) -> list[RunResult]:
        done = collecting.collect_each(self.lake, self.settings, CollectOptions(names=names), Progress())
        assert not done.failures
        return done.results

    def settle(self) -> None:
        """Quiet days: what was edited late is collected once an answer surely holds it, or once it is too old."""
        self.tmdb.set_faults(None)
        for days in (1, 1, 6):
            self.tmdb.next_day(days)
            results = self.collect()
        assert all(result.clean for result in results)

    def assert_equal(self) -> None:
        verdict = verify(self.lake)
        assert verdict.problems == []
        assert verdict.complete
        for kind in KINDS:
            held = dict(bodies(self.lake, kind))
            assert held.keys() == self.listed(kind)
            assert not held.keys() & self.gone[kind]
            for id_, body in held.items():
                assert body == self.asked(kind, id_), f"{kind} {id_}"
        for name in LISTS:
            held = dict(bodies(self.lake, name))
            assert len(held) == (getattr(ENTITIES[name].listing, "last", 1))
            for id_, body in held.items():
                assert body == self.asked(name, id_), f"{name} {id_}"

    def listed(self, kind: str) -> set[int]:
        """The ids of today's exports."""
        entity, found = ENTITIES[kind], set[int]()
        for name in filter(None, (entity.export, entity.adult_export)):
            with urllib.request.urlopen(
                f"{self.tmdb.exports_url}/{name}_{self.tmdb.stats().day:%m_%d_%Y}.json.gz"
            ) as answer:
                found |= {json.loads(line)["id"] for line in gzip.decompress(answer.read()).splitlines()}
        return found

    def asked(self, kind: str, id_: int) -> Any:
        """What TMDB answers now for all that a run requests."""
        plan = read_plan(self.lake, kind, 1)
        assert plan is not None
        params = plan.request_profile.params
        found = self._appended(kind, id_, params, ())
        if not isinstance(found, dict):
            return found
        seasons = [f"season/{season['season_number']}" for season in found.get("seasons", [])]
        for start in range(0, len(appends := [*plan.request_profile.append, *seasons]), 20):
            found |= self._appended(kind, id_, params, appends[start : start + 20])
        return found

    def _appended(self, kind: str, id_: int, params: Mapping[str, str], appends: Iterable[str]) -> Any:
        query = urllib.parse.urlencode({**params, "append_to_response": ",".join(appends)})
        entity = ENTITIES[kind]
        path, query = request_of(entity.path, str(id_) if entity.has_ids else entity.path, query)
        url = f"{self.tmdb.url}{path}?{query}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def bodies(lake: Storage, kind: str) -> Iterator[tuple[int, Any]]:
    """The newest answer of each id that counts as landed."""
    last = last_run(lake, kind)
    with open_ledger(lake, kind, last) as ledger:
        rows = ledger.db.execute("select id, run from known where state = 'landed'").fetchall()
    wanted = {(id_, run) for id_, run in rows}
    for run in sorted({run for _, run in rows}):
        plan = read_plan(lake, kind, run)
        assert plan is not None
        for receipt in read_receipts(lake, plan):
            assert isinstance(receipt, Receipt)
            lines = {line.line: line.bytes for line in read_answers(lake, receipt)}
            for outcome in receipt.outcomes:
                if (outcome.id, run) in wanted and outcome.id is not None:
                    yield outcome.id, json.loads(whole_record([lines[line] for line in outcome.span]))


def live(life: Life, profiles: list[str | None], days: int, outage: range, edits: int) -> None:
    """Collect every day but in the *outage*, each day with another fault, and compare in the end."""
    for day in range(days):
        if day not in outage:
            life.tmdb.set_faults(profiles[day % len(profiles)])
            life.collect((*KINDS, *LISTS) if day % LISTS_EVERY == 0 else KINDS)
            life.tmdb.set_faults(None)
        life.day(edits=edits, deletions=1, additions=1)
    life.settle()
    life.assert_equal()


def world(movies: int, series: int) -> Emulator:
    noon = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    return Emulator(movies=movies, series=series, seed=4, now=noon, fault_share=0.1)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_few_days_and_an_outage_longer_than_the_change_feed() -> None:
    with world(movies=12, series=5) as tmdb:
        live(Life(tmdb, MemoryStorage()), ["wrong-ids"], days=22, outage=range(1, 21), edits=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_month_with_every_fault_and_an_outage_of_twenty_days(tmp_path: Path) -> None:
    lake, days, outage = LakeInTheMaking(tmp_path), 40, range(14, 34)
    with world(movies=60, series=15) as tmdb:
        life = Life(tmdb, lake.storage)
        live(life, list(PROFILES_BY_DAY), days, outage, edits=6)
        today = datetime.combine(tmdb.stats().day, time(12), UTC)
        parsed = {name: list(answers(lake.storage, entity, today)) for name, entity in ENTITIES.items()}
        for _ in range(2):
            lake.build(full=True)
            assert check_tables(lake.storage, ENTITIES) == []
            tables = [table for entity in ENTITIES.values() for table in entity.tables]
            for name in {table.name for table in tables if not table.is_daily} | {"list_daily"}:
                # Some tables have rows of several entities.
                assert_rows(
                    lake,
                    [
                        (table, parsed[entity.name])
                        for entity in ENTITIES.values()
                        for table in entity.tables
                        if table.name == name
                    ],
                    today.date(),
                )
            collected = [day for day in range(0, days, LISTS_EVERY) if day not in outage]
            # Three quiet days follow; a fault may cost a list its day.
            assert 3 < len(set(lake.values("list_daily", "day"))) <= len(collected) + 3
            assert {(row["entity"], row["id"]) for row in lake.rows("tombstone")} == {
                (kind, id_) for kind in KINDS for id_ in life.gone[kind] & known_ids(lake.storage, kind)
            }


def known_ids(lake: Storage, kind: str) -> set[int]:
    """The ids that the lake has asked for: one that came and went while nobody collected is not among them."""
    with open_ledger(lake, kind, last_run(lake, kind)) as ledger:
        return {id_ for (id_,) in ledger.db.execute("select id from known")}


def answers(lake: Storage, entity: Entity, today: datetime) -> Iterator[TypedAnswer]:
    """The newest landed answer of each id, read without an engine; those of ranked lists are of *today*."""
    for id_, body in bodies(lake, entity.name):
        yield TypedAnswer(id_, today, lenient_parse(json.dumps(body).encode(), entity.shape).values, [])


def assert_rows(lake: LakeInTheMaking, made: list[tuple[Table, list[TypedAnswer]]], today: date) -> None:
    """A table has the rows that the answers of its entities say, in all columns; one of days those of *today*."""
    table = made[0][0]
    expected = [row for part, parsed in made for answer in parsed for row in python_rows(part, answer)]
    columns = [name for name in table.column_names if name != "fetched_at"]

    def shown(rows: Iterable[dict[str, Any]]) -> list[str]:
        return sorted(json.dumps([row[name] for name in columns], default=str) for row in rows)

    held = (row for row in lake.rows(table.name) if not table.is_daily or row["day"] == today)
    assert shown(held) == shown(expected), table.name
