"""The one place where settings become parts: storage, TMDB, what to request and how to run it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from reelhouse import __version__
from reelhouse.bootstrap.secrets import token_of
from reelhouse.bootstrap.selection import limits_of, selected
from reelhouse.collect.fetching import RetryPolicy
from reelhouse.collect.landing import ChunkLimits
from reelhouse.collect.planning import RunSpec, Tmdb
from reelhouse.collect.record_filter import compile_filter
from reelhouse.collect.run import RunOptions
from reelhouse.entities.schema import Entity, FromColumn
from reelhouse.errors import ConfigError, did_you_mean
from reelhouse.raw.plan import RequestProfile, Selection
from reelhouse.settings import Settings
from reelhouse.tmdb.client import TmdbClient, open_session
from reelhouse.tmdb.endpoints import check_appends
from reelhouse.tmdb.filters import check_filters
from reelhouse.tmdb.rate import Limiter

# Settings that choose among what is listed.
_OF_LISTINGS = ("top", "min_popularity", "discover")


def only_entity(settings: Settings) -> str:
    """The one entity that the settings select; `ConfigError` if they select several."""
    names = selected(settings.entities)
    if len(names) > 1:
        raise ConfigError(f"entity: say whose ids these are, with --entity {' or --entity '.join(names)}")
    return names[0]


def wanted(
    settings: Settings,
    entity: Entity,
    *,
    keys: tuple[str, ...] = (),
    listed: bool = False,
    full: bool = False,
    among: Iterable[Entity] = (),
    stated: bool = False,
) -> RunSpec:
    """The run that the settings describe of an *entity*, *among* others for which they hold as well.

    *listed* is for a run of *keys* only, *full* to request up-to-date ids too. *stated* is True if the call itself
    narrows the selection: then it must apply to one of these entities.

    Raises `ConfigError` before TMDB is contacted.
    """
    append = _appends(settings, entity, among)
    columns = () if listed else _followed(settings, entity, among)
    its_own = settings.entity.get(entity.name, {})
    filters = _filters(settings, entity, among, stated=stated)
    source = "list" if listed else "column" if columns else "discover" if filters else entity.source
    limits, notes = ({}, ()) if listed else limits_of(settings, entity, source, among, stated=stated)
    settings = settings.of(entity.name)
    compile_filter(settings.record_filter)
    if its_own.get("adult_export") and not entity.adult_export:
        raise ConfigError(f"adult_export: TMDB has no export of adult {entity.several}")
    return RunSpec(
        entity=entity,
        request_profile=RequestProfile(
            language=settings.language, append=append, region=settings.region, record_filter=settings.record_filter
        ),
        selection=Selection(
            source=source,
            **limits,
            include_adult=settings.include_adult,
            include_video=settings.include_video,
            adult_export=settings.adult_export and source == "export" and bool(entity.adult_export),
            discover={} if listed else filters,
        ),
        keys=keys,
        columns=columns,
        # With an age of 0 everything is stale.
        stale_after_days=0 if full else settings.stale_after_days or entity.stale_after_days,
        min_export_share=settings.min_export_share,
        written_by=f"reelhouse {__version__}",
        # A full run includes an incremental one.
        runs=() if listed else ("incremental", "full") if full else ("incremental",),
        notes=notes,
    )


def _filters(settings: Settings, entity: Entity, among: Iterable[Entity], *, stated: bool) -> dict[str, str]:
    """The discover filters; general ones hold for the entities that TMDB can discover."""
    own = "discover" in settings.entity.get(entity.name, {})
    settings = settings.of(entity.name)
    filters = dict(settings.discover)
    others = {one.name: one.discover.filters for one in among if one.discover.path and one.name != entity.name}
    if not own and not entity.discover.path and (others or not stated):
        return {}
    if filters and not entity.discover.path:
        raise ConfigError(f"discover: TMDB cannot discover {entity.several}; leave it out")
    for name in ("language", "region"):
        if filters and (value := getattr(settings, name)) and name in entity.discover.filters:
            filters.setdefault(name, value)
    elsewhere = {name for known in others.values() for name in known} - entity.discover.filters.keys()
    if not own and (odd := sorted(filters.keys() & elsewhere)):
        places = " or ".join(f"[entity.{name}]" for name in (*others, entity.name))
        raise ConfigError(f"discover: TMDB has no filter {odd[0]!r} for {entity.name}: move it to {places}")
    check_filters(entity, filters)
    return filters


def _appends(settings: Settings, entity: Entity, among: Iterable[Entity]) -> tuple[str, ...]:
    """What to append. Of the general setting an entity takes what TMDB has for it; the rest is for some of *among*."""
    given = settings.of(entity.name).append
    if given is None:
        return entity.default_appends
    its_own = "append" in settings.entity.get(entity.name, {})
    of_others = set[str]() if its_own else {name for one in among for name in one.appends}
    appends = tuple(name for name in given if name in entity.appends or name not in of_others)
    check_appends(entity, appends)
    return appends


def _followed(settings: Settings, entity: Entity, among: Iterable[Entity]) -> tuple[str, ...]:
    """The columns whose ids are collected; none of an entity that is listed otherwise."""
    own = (entity.listing.column,) if isinstance(entity.listing, FromColumn) else ()
    name = settings.of(entity.name).follow
    if not name:
        return own
    others = () if "follow" in settings.entity.get(entity.name, {}) else among
    if name not in entity.follow and not any(name in one.follow for one in others):
        raise ConfigError(f"follow: {entity.name} declares no {name!r}{did_you_mean(name, entity.follow)}")
    columns = entity.follow.get(name, own)
    stated = settings.entity.get(entity.name, {})
    if columns and (unused := next((each for each in _OF_LISTINGS if stated.get(each)), None)):
        raise ConfigError(
            f"{unused}: what is followed from tables is collected whole: leave {unused} out of [entity.{entity.name}], "
            "or leave out follow"
        )
    return columns


def run_options(settings: Settings) -> RunOptions:
    """The options for executing a run."""
    return RunOptions(
        connections=settings.connections,
        retry_policy=RetryPolicy(
            attempts=settings.attempts, outage=settings.outage_minutes * 60, wait=settings.retry_wait
        ),
        limits=ChunkLimits(
            answers=settings.chunk_answers,
            size=int(settings.chunk_megabytes * (1 << 20)),
            seconds=settings.chunk_seconds,
        ),
        course=settings.layout == "course",
        course_kinds=settings.course_kinds,
    )


@asynccontextmanager
async def open_tmdb(settings: Settings) -> AsyncIterator[Tmdb]:
    """TMDB with the settings' address, token, rate and number of connections."""
    token = token_of(settings)
    async with open_session(settings.connections) as session:
        largest = int(settings.body_megabytes * (1 << 20))
        client = TmdbClient(session, settings.tmdb_url, token, Limiter(settings.rate), largest=largest)
        yield Tmdb(client, session, settings.exports_url)
