"""How good a lake is: every number that its reconciliations, tables and logs state, against limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from reelhouse.delta.delta_rs import null_counts
from reelhouse.entities.schema import Table
from reelhouse.marts.example_queries import Question
from reelhouse.raw.plan import last_run
from reelhouse.raw.reconciliation import Reconciliation, read_reconciliation, verdict
from reelhouse.raw.verified import Verified, read_verified
from reelhouse.serve.references import references
from reelhouse.serve.report.figures import Figure, asked, bars, waterfall
from reelhouse.storage.prefetch import prefetch
from reelhouse.storage.protocol import Storage
from reelhouse.tables.registry import Registry
from reelhouse.warehouse.manifest import TableVersion

Ask = Callable[[str], list[dict[str, Any]]]

# Entities that get a chart; tables have all of them.
_CHARTS = 3
_RUNS = 20
_EXAMPLES = 30
_OF_A_RUN = ("entity", "run", "requested", "landed", "filtered", "gone", "quarantined")


class QualityLimits(NamedTuple):
    """What turns a report red: shares of 1, and days."""

    quarantined: float = 0.01
    rejected: float = 0.01
    orphans: float = 0.0
    age_days: int = 180
    verify_days: int = 30


class QualityCheck(NamedTuple):
    """One thing that is held against a limit, and the sentence that says how it ended."""

    name: str
    passed: bool
    found: str


class EntityState(NamedTuple):
    """What is known of one entity: ids by the state of their newest answer, and the days of the landed ones."""

    entity: str
    known: int
    landed: int
    gone: int
    filtered: int
    quarantined: int
    oldest: datetime | None
    newest: datetime | None


class Quality(NamedTuple):
    """*figures* in the order of a page, and *checks* of all limits."""

    entities: list[EntityState]
    figures: list[Figure]
    checks: list[QualityCheck]


def quality(
    storage: Storage, ask: Ask, registry: Registry, pins: dict[str, TableVersion], limits: QualityLimits, now: datetime
) -> Quality:
    """Judge a lake whose tables are *pins*; *ask* runs SQL over them. Without tables only runs are judged."""
    runs = {name: _runs(storage, name) for name in registry.entities}
    newest = [done[-1] for done in runs.values() if done]
    figures = [*_waterfalls(newest), *_history([one for done in runs.values() for one in done])]
    checks = [_complete(newest)]
    entities: list[EntityState] = []
    if "record" in pins:
        entities = _entities(ask)
        tables = [spec for spec in (*registry.tables, *registry.marts) if spec.name in pins]
        orphans = _orphans(ask, tables)
        rejected, how_many = _rejected(ask)
        figures += [_ages(ask, now), *_quarantine(ask), *rejected, *_drift(newest)]
        figures += [*_nulls(storage, tables, pins), _orphan_figure(orphans)]
        checks += [
            _quarantined(entities, limits),
            _rejects(entities, how_many, limits),
            _orphaned(orphans, pins, limits),
            _age(entities, limits, now),
        ]
    checks.append(_verify(read_verified(storage), limits, now))
    return Quality(entities, [one for one in figures if one.rows], checks)


def _runs(storage: Storage, entity: str) -> list[Reconciliation]:
    """The last reconciled runs of an entity, oldest first."""
    last = last_run(storage, entity)
    found = prefetch(lambda run: read_reconciliation(storage, entity, run), range(max(1, last - _RUNS + 1), last + 1))
    return [one for one in found if one is not None]


def _entities(ask: Ask) -> list[EntityState]:
    rows = ask(
        "select entity, count(*) as known, count_if(state = 'landed') as landed, count_if(state = 'gone') as gone, "
        "count_if(state = 'filtered') as filtered, min(case when state = 'landed' then fetched_at end) as oldest, "
        "max(case when state = 'landed' then fetched_at end) as newest from record group by entity order by known desc"
    )
    aside = {row["entity"]: row["n"] for row in ask("select entity, count(*) as n from quarantine group by entity")}
    return [EntityState(quarantined=aside.get(row["entity"], 0), **row) for row in rows]


def _waterfalls(newest: Sequence[Reconciliation]) -> Iterator[Figure]:
    for run in sorted(newest, key=lambda one: -one.requested)[:_CHARTS]:
        counts = run.counts
        steps = [
            ("listed", counts.listed, "total"),
            ("not in listing", counts.not_in_listing, "more"),
            *((f"excluded: {name}", count, "fewer") for name, count in sorted(counts.excluded.items())),
            ("up to date", counts.up_to_date, "fewer"),
            ("requested", run.requested, "total"),
            ("filtered", run.filtered, "fewer"),
            ("gone", run.gone, "fewer"),
            ("quarantined", run.quarantined, "fewer"),
            ("landed", run.landed, "total"),
        ]
        yield waterfall(
            f"reconciliation_{run.entity}",
            f"Reconciliation of the last run: {run.entity}",
            "From what TMDB lists to what landed: every id is in one step, or the run is not complete.",
            steps,
        )


def _history(runs: Sequence[Reconciliation]) -> Iterator[Figure]:
    columns = ("entity", "run", "requested", *_OF_A_RUN[3:], "megabytes", "verdict")
    yield Figure(
        "runs",
        "Runs",
        f"The last {_RUNS} reconciled runs of each entity.",
        columns,
        tuple(
            (
                r.entity,
                r.run,
                r.requested,
                r.landed,
                r.filtered,
                r.gone,
                r.quarantined,
                round(r.bytes / 1e6, 1),
                verdict(complete=r.complete, clean=r.clean, quarantined=r.quarantined),
            )
            for r in reversed(runs)
        ),
        wide=True,
    )


def _complete(newest: Sequence[Reconciliation]) -> QualityCheck:
    open_ones = [one.entity for one in newest if not one.complete]
    text = f"the last run is not complete: {', '.join(open_ones)}" if open_ones else "every requested id has an outcome"
    return QualityCheck("last runs", not open_ones, text if newest else "no run is reconciled yet")


def _ages(ask: Ask, now: datetime) -> Figure:
    query = (
        f"select cast(floor(datediff(date'{now:%Y-%m-%d}', cast(fetched_at as date)) / 30) as int) as months, "
        "count(*) as records\nfrom record where state = 'landed'\ngroup by 1 order by 1"
    )
    question = Question(
        "ages",
        "Ages of answers",
        query,
        "",
        "Landed answers by their age in months of 30 days. TMDB's terms end keeping them at six months.",
        "column",
        "months",
        "records",
        labels=("months old", "answers"),
    )
    rows = ask(query)
    return asked(question, ("months", "records"), [(row["months"], row["records"]) for row in rows])


def _listed(ask: Ask, name: str, title: str, about: str, columns: tuple[str, ...], query: str) -> Figure:
    return Figure(name, title, about, columns, tuple(tuple(row.values()) for row in ask(query)), query, wide=True)


def _quarantine(ask: Ask) -> Iterator[Figure]:
    yield _listed(
        ask,
        "quarantine",
        "Quarantined answers",
        "Answers that cannot be trusted, by reason, with the id of one of them.",
        ("entity", "reason", "ids", "example"),
        "select entity, reason, count(*) as ids, min(requested_key) as example\nfrom quarantine\n"
        f"group by entity, reason order by ids desc, entity, reason limit {_EXAMPLES}",
    )


def _rejected(ask: Ask) -> tuple[list[Figure], dict[str, int]]:
    field = r"regexp_replace(path, r'\[[0-9]+\]', '[]')"
    figure = _listed(
        ask,
        "rejected",
        "Rejected values",
        "Values that TMDB sent and no column can hold, by field, with an example. The rest of their rows is kept.",
        ("entity", "field", "reason", "rejected", "example", "example_id"),
        f"select entity, {field} as field, reason, count(*) as rejected,\n"
        "       min(substring(raw, 1, 80)) as example, min(id) as example_id\n"
        f"from rejected_value\ngroup by entity, {field}, reason\n"
        f"order by rejected desc, entity, field limit {_EXAMPLES}",
    )
    counts = ask("select entity, count(*) as n from rejected_value group by entity")
    return [figure], {row["entity"]: row["n"] for row in counts}


def _drift(newest: Sequence[Reconciliation]) -> Iterator[Figure]:
    found = [(one.entity, field, count) for one in newest for field, count in one.drift.items()]
    yield Figure(
        "drift",
        "Drift",
        "Fields that TMDB sent in the last run and no column reads, and appends that answers lack.",
        ("entity", "field", "answers"),
        tuple(sorted(found, key=lambda row: (-row[2], row))[:_EXAMPLES]),
        wide=True,
    )


def _nulls(storage: Storage, tables: Sequence[Table], pins: dict[str, TableVersion]) -> Iterator[Figure]:
    """Shares of NULL in each column: as a chart for the main tables, as rows for all."""
    filled = [spec for spec in tables if pins[spec.name].rows]
    places = [(f"{pins[spec.name].zone}/{spec.name}", pins[spec.name].version) for spec in filled]
    nulls = prefetch(lambda place: null_counts(storage, *place), places)
    counts = dict(zip([spec.name for spec in filled], nulls, strict=True))
    shares = {
        spec.name: [(name, round(count / pins[spec.name].rows, 4)) for name, count in counts[spec.name].items()]
        for spec in filled
    }
    heads = sorted(
        (spec for spec in filled if spec.key and spec.key == (spec.id_column,)), key=lambda s: -pins[s.name].rows
    )
    for spec in heads[:_CHARTS]:
        some = sorted((one for one in shares[spec.name] if one[1]), key=lambda one: -one[1])
        yield bars(
            f"nulls_{spec.name}",
            f"Unknown values: {spec.name}",
            "Share of rows whose column is NULL; columns without NULL are left out.",
            ("column", "share of NULL"),
            some,
        )
    rows = [(name, column, share) for name, found in shares.items() for column, share in found if share]
    yield Figure(
        "nulls",
        "Unknown values in all tables",
        "Columns with NULL, as the tables' logs state them.",
        ("table", "column", "share of NULL"),
        tuple(rows),
        wide=True,
    )


class _Orphans(NamedTuple):
    table: str
    column: str
    parent: str
    orphans: int
    query: str


def _orphans(ask: Ask, tables: Sequence[Table]) -> list[_Orphans]:
    wanted = [one for one in references(tables) if one.whole]
    return [
        _Orphans(one.table, ", ".join(one.columns), one.parent, ask(one.orphans())[0]["orphans"], one.orphans())
        for one in wanted
    ]


def _orphan_figure(found: Sequence[_Orphans]) -> Figure:
    bad = sorted((one for one in found if one.orphans), key=lambda one: -one.orphans)
    about = f"Rows whose key another table lacks, of {len(found)} references between tables."
    shown = bad or [_Orphans("all tables", "", "", 0, found[0].query)] if found else []
    rows = tuple((one.table, one.column, one.parent, one.orphans) for one in shown)
    query = shown[0].query if shown else ""
    return Figure("orphans", "Orphans between tables", about, ("table", "column", "looked up in", "rows"), rows, query)


def _quarantined(entities: Sequence[EntityState], limits: QualityLimits) -> QualityCheck:
    found = {one.entity: one.quarantined / max(1, one.known) for one in entities if one.quarantined}
    return _shares("quarantine", "of the answers in {} are quarantined", found, limits.quarantined)


def _rejects(entities: Sequence[EntityState], counts: dict[str, int], limits: QualityLimits) -> QualityCheck:
    known = {one.entity: max(1, one.landed) for one in entities}
    found = {entity: count / known.get(entity, 1) for entity, count in counts.items()}
    return _shares("rejected values", "of the answers in {} have a rejected value, at most", found, limits.rejected)


def _orphaned(found: Sequence[_Orphans], pins: dict[str, TableVersion], limits: QualityLimits) -> QualityCheck:
    worst: Counter[str] = Counter()
    for one in found:
        worst[one.table] = max(worst[one.table], one.orphans)
    shares = {name: count / max(1, pins[name].rows) for name, count in worst.items() if count}
    return _shares("orphans", "of the rows in {} are orphans", shares, limits.orphans)


def _shares(name: str, words: str, found: dict[str, float], limit: float) -> QualityCheck:
    worst = max(found, key=lambda each: found[each], default=None)
    if worst is None:
        return QualityCheck(name, True, "none")
    share = found[worst]
    return QualityCheck(name, share <= limit, f"{share:.2%} {words.format(worst)} (limit {limit:.2%})")


def _age(entities: Sequence[EntityState], limits: QualityLimits, now: datetime) -> QualityCheck:
    oldest = min((one.oldest for one in entities if one.oldest), default=None)
    if oldest is None:
        return QualityCheck("oldest answer", True, "no answer has landed")
    days = (now - oldest).days
    return QualityCheck("oldest answer", days <= limits.age_days, f"{days} days old (limit {limits.age_days})")


def _verify(found: Verified | None, limits: QualityLimits, now: datetime) -> QualityCheck:
    if found is None:
        return QualityCheck("last verify", False, "never: run `reelhouse verify`")
    days = (now - datetime.fromisoformat(found.at).astimezone(UTC)).days
    problems = f"{found.problems:,} problems" if found.problems else "no problem"
    runs = "1 run" if found.runs == 1 else f"{found.runs:,} runs"
    return QualityCheck(
        "last verify",
        not found.problems and days <= limits.verify_days,
        f"{found.at[:10]}: {problems} in {runs} (limit {limits.verify_days} days)",
    )
