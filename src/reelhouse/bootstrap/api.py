"""The Python API: what the commands do, as functions with typed results (docs/python.md).

A function raises what the command fails with. Where a command exits with 1 and a result, its function raises
`IncompleteError` with the result, unless *check* is False. *lake* is a folder or an address, by default what the
settings name; *settings* are others by their names in `reelhouse.toml`, and win over the file and the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reelhouse.bootstrap import maintaining, operations, purging
from reelhouse.bootstrap.collecting import CallResult, CollectOptions, of_other_selections
from reelhouse.bootstrap.collector import only_entity
from reelhouse.bootstrap.interruptible import SIGNALS
from reelhouse.bootstrap.maintaining import MaintainResult
from reelhouse.bootstrap.operations import CollectResult, DiffResult, ExportResult, SyncResult
from reelhouse.bootstrap.purging import PurgeResult
from reelhouse.bootstrap.selection import selected
from reelhouse.bootstrap.status import status as lake_status
from reelhouse.bootstrap.storage import lake_of, load_settings, writable_storage
from reelhouse.collect.id_lists import KeyList, Reading, read_lists
from reelhouse.collect.reporting import Progress
from reelhouse.collect.status import Status
from reelhouse.collect.verify import Verdict
from reelhouse.engines.session import check_installed, release, session_of
from reelhouse.errors import ConfigError, IncompleteError
from reelhouse.retention.selection import CutoffClock
from reelhouse.serve.lake import Lake
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage

if TYPE_CHECKING:
    from reelhouse.warehouse.run import BuildResult

Place = str | os.PathLike[str] | None
Ids = Iterable[int | str] | Path


class _Result(Protocol):
    @property
    def ok(self) -> bool: ...

    @property
    def issues(self) -> Sequence[str]: ...


R = TypeVar("R", bound=_Result)


def open(lake: Place = None, *, settings: Mapping[str, Any] | None = None) -> Lake:  # noqa: A001 (it is `reelhouse.open`)
    """The lake for reading: tables as DataFrames, and SQL. The engine starts with the first query.

    Raises `ConfigError` if there is no lake, or the engine is not installed.
    """
    chosen = _settings(lake, settings)
    storage = lake_of(chosen)
    return Lake(storage, session_of(chosen, storage), release)


def collect(
    lake: Place = None,
    *,
    entities: Sequence[str] = (),
    ids: Ids | None = None,
    top: int | None = None,
    min_popularity: float | None = None,
    discover: Mapping[str, str] | None = None,
    full: bool = False,
    abandon: bool = False,
    max_requests: int | None = None,
    deadline: float | None = None,
    check: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> CollectResult:
    """Continue the open run, or plan and execute the next one.

    *ids* are of TMDB, IMDb or TVDB, or the path of a CSV. *deadline* is in seconds; a run that it stops stays open. A
    selection beside an open run of another one is a `ConfigError`, unless *abandon* gives up what that one lacks.
    """
    slice_ = {"top": top, "min_popularity": min_popularity, "discover": discover}
    chosen, request = _request(lake, settings, entities, ids, slice_, max_requests, deadline)
    done = _collect(writable_storage(chosen), chosen, request._replace(full=full, abandon=abandon))
    return _checked(operations.collected(done, request), check)


def sync(
    lake: Place = None,
    *,
    entities: Sequence[str] = (),
    ids: Ids | None = None,
    top: int | None = None,
    min_popularity: float | None = None,
    discover: Mapping[str, str] | None = None,
    max_requests: int | None = None,
    deadline: float | None = None,
    check: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> SyncResult:
    """Collect as `collect` does, then build and verify.

    After Ctrl-C or SIGTERM nothing is built: `IncompleteError` has what was collected.
    """
    slice_ = {"top": top, "min_popularity": min_popularity, "discover": discover}
    chosen, request = _request(lake, settings, entities, ids, slice_, max_requests, deadline)
    storage = writable_storage(chosen)

    def work(request: CollectOptions) -> CallResult:
        done = _collect(storage, chosen, request)
        if any(result.reason in SIGNALS for result in done.results):
            raise IncompleteError(operations.collected(done, request))
        return done

    done, built = operations.sync(storage, chosen, request, work, lambda: operations.build(storage, chosen, _silent))
    verdict = operations.verify(storage, since=operations.first_runs(done.results))
    return _checked(SyncResult(operations.collected(done, request), built, verdict), check)


def build(
    lake: Place = None, *, full: bool = False, check: bool = True, settings: Mapping[str, Any] | None = None
) -> BuildResult:
    """Build tables and marts from what has landed since the last build; with *full* everything again."""
    chosen = _settings(lake, settings)
    check_installed(chosen.engine)
    return _checked(operations.build(lake_of(chosen), chosen, _silent, full=full), check)


def verify(
    lake: Place = None, *, deep: bool = False, check: bool = True, settings: Mapping[str, Any] | None = None
) -> Verdict:
    """Recompute every count from the stored objects; with *deep* also read every value of the tables."""
    operations.check_can_verify(deep=deep)
    return _checked(operations.verify(lake_of(_settings(lake, settings)), deep=deep), check)


def status(lake: Place = None, *, settings: Mapping[str, Any] | None = None) -> Status:
    """What is known, landed, pending, old and not built yet, and the open runs."""
    return lake_status(_settings(lake, settings))


def diff(
    lake: Place = None,
    *,
    entities: Sequence[str] = (),
    check: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> DiffResult:
    """Compare the lake with TMDB's newest exports, id by id; *entities*, or all that were collected."""
    chosen = _settings(lake, settings)
    names = _names(entities, "entities")
    return _checked(operations.diff(lake_of(chosen), chosen, selected(names) if names else (), Progress()), check)


def maintain(
    lake: Place = None,
    *,
    keep_days: int = 7,
    dry_run: bool = False,
    check: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> MaintainResult:
    """Compact, checkpoint and vacuum tables; what readers that began within *keep_days* need stays."""
    if not isinstance(keep_days, int) or keep_days < 1:
        raise ConfigError(f"keep_days: a whole number, 1 or more, is expected, not {keep_days!r}")
    storage = lake_of(_settings(lake, settings))
    return _checked(maintaining.maintain(storage, _silent, keep_days=keep_days, dry_run=dry_run), check)


def export(
    lake: Place = None,
    *,
    to: str | os.PathLike[str],
    tables: Sequence[str] | None = None,
    schema: str | None = None,
    full: bool = False,
    excel_safe: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> ExportResult:
    """Copy tables and marts of the last complete build to a database or files; all, or those that *tables* names.

    *to* is what `--to` is for the command: postgresql://…, x.duckdb, x.sqlite, csv:FOLDER, parquet:FOLDER.
    With *excel_safe* no text in a CSV is a formula to a spreadsheet.
    """
    chosen = _settings(lake, settings)
    operations.check_can_export()
    names = tuple(_names(tables, "tables")) if tables is not None else None
    return operations.export(
        lake_of(chosen), chosen, os.fspath(to), names, schema, _silent, _silent, full=full, excel_safe=excel_safe
    )


def purge(
    lake: Place = None,
    *,
    older_than: str | None = None,
    entity: str | None = None,
    ids: Ids | None = None,
    everything: bool = False,
    as_of: date | None = None,
    dry_run: bool = False,
    check: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> PurgeResult:
    """Delete answers, old versions in a bucket included, and prove that they are gone; nothing is asked first.

    Give one of *older_than* ("180d", "12h"), *entity*, *ids* (of an *entity*) and *everything*. *dry_run* changes
    nothing.
    """
    chosen = _settings(lake, settings)
    if ids is not None:
        entity = entity or only_entity(chosen)
    keys = tuple(key for one in _lists(ids, [entity or ""]) for key in one.keys)
    counted_from = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC) if as_of else None
    clock = CutoffClock(datetime.now(UTC).replace(microsecond=0), counted_from)
    wanted = purging.chosen_by(clock, older_than=older_than, entity=entity, keys=keys, everything=everything)
    storage, now = lake_of(chosen), counted_from or clock.now
    if dry_run:
        return purging.preview(storage, wanted, now)
    return _checked(purging.purge(storage, chosen, wanted, now, _silent), check)


def _collect(storage: Storage, settings: Settings, request: CollectOptions) -> CallResult:
    for part in () if request.abandon else request.by_list:
        if others := of_other_selections(storage, settings, part):
            raise ConfigError(
                f"{' and '.join(plan.name for plan in others)} is open, of another selection: reelhouse.collect "
                "without a selection finishes it first, reelhouse.collect(…, abandon=True) gives it up"
            )
    return operations.collect(storage, settings, request, Progress(), request.by_list)


def _silent(text: str) -> None:
    """For steps that nobody watches."""


def _checked(result: R, check: bool) -> R:
    if check and not result.ok:
        raise IncompleteError(result)
    return result


def _settings(lake: Place, settings: Mapping[str, Any] | None, **options: Any) -> Settings:
    place = None if lake is None else os.fspath(lake)
    return load_settings({**(settings or {}), **{k: v for k, v in {"lake": place, **options}.items() if v is not None}})


def _request(
    lake: Place,
    settings: Mapping[str, Any] | None,
    entities: Sequence[str],
    ids: Ids | None,
    slice_: Mapping[str, Any],
    max_requests: int | None,
    deadline: float | None,
) -> tuple[Settings, CollectOptions]:
    given = {name: value for name, value in slice_.items() if value is not None}
    if ids is not None and given:
        raise ConfigError(f"{next(iter(given))}: ids already names what to request; give only one of them")
    chosen = _settings(lake, settings, **given)
    names = _names(entities, "entities")
    lists = _lists(ids, selected(names or chosen.entities))
    limits = {"max_requests": max_requests, "deadline": deadline}
    return chosen, operations.request_of(chosen, names, lists, selects=bool(given), **limits)


def _names(names: Sequence[str], what: str) -> Sequence[str]:
    """*names*, unless they are one text, which is a sequence of letters."""
    if isinstance(names, str):
        raise ConfigError(f"{what}: a list of names is expected, such as [{names!r}]")
    return names


def _lists(ids: Ids | None, entities: Sequence[str]) -> list[KeyList]:
    """The ids of each of *entities*, read as the command reads a file of them."""
    if ids is None:
        return []
    if isinstance(ids, (str, bytes)) or not isinstance(ids, (Path, Iterable)):
        raise ConfigError("ids: a list of ids is expected, or a pathlib.Path of a file of them")
    try:
        body = ids.read_bytes() if isinstance(ids, Path) else "\n".join(map(str, ids)).encode()
    except OSError as exc:
        raise ConfigError(f"ids: {ids} cannot be read: {exc.strerror}") from exc
    name = str(ids) if isinstance(ids, Path) else ""
    read = read_lists(body, Reading(name=name), entities)
    if not any(one.keys for one in read):
        raise ConfigError("ids: the list has no ids")
    return read
