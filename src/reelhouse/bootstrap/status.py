"""The state of a lake: its raw zone, this machine's spool, and what no build has read yet."""

from __future__ import annotations

from collections.abc import Iterator

from reelhouse.bootstrap.selection import limits_of, selected
from reelhouse.bootstrap.storage import lake_of, spool_of
from reelhouse.collect import status as raw
from reelhouse.collect.status import Status
from reelhouse.entities.registry import ENTITIES
from reelhouse.errors import LakeError
from reelhouse.raw.inbox import count_waiting
from reelhouse.settings import Settings
from reelhouse.storage.protocol import Storage
from reelhouse.warehouse.manifest import believed
from reelhouse.warehouse.pending import answers_pending


def status(settings: Settings) -> Status:
    """What is known, landed, pending, old and not built yet, and the open runs. `ConfigError` without a lake."""
    storage = lake_of(settings)
    ages = {name: settings.of(name).stale_after_days for name in ENTITIES}
    # Nobody asked for the usual entity of a lake that holds others.
    names = selected(settings.entities) if settings.entities else ()
    found = raw.status(storage, settings.rate, spool=spool_of(settings, storage), ages=ages, selected=names)
    listed = [ENTITIES[name] for name in names if not settings.of(name).follow]
    limits = (note for one in listed for note in limits_of(settings, one, one.source)[1])
    found = found._replace(notes=(*limits, *_forgotten(storage, settings)))
    try:
        return found._replace(unbuilt=_unbuilt(storage, found))
    except LakeError as exc:
        return found._replace(problems=[*found.problems, str(exc)])


def _forgotten(storage: Storage, settings: Settings) -> Iterator[str]:
    """Requests that were accepted, and that no run takes while the settings are what they are."""
    for name, count in sorted(count_waiting(storage).items()):
        if name in ENTITIES and name not in selected(settings.entities):
            take = f"`reelhouse sync --entity {name}` takes its messages in the inbox"
            yield f"{name} is not selected; {take} ({count:,})"


def _unbuilt(storage: Storage, found: Status) -> int:
    current = believed(storage)
    if current is None:
        return sum(one.known for one in found.entities)
    return answers_pending(storage, (one.entity for one in found.entities), current)
