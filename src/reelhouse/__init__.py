"""reelhouse: TMDB as data, whole, typed and reconciled."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reelhouse.bootstrap.api import build, collect, diff, export, maintain, open, purge, status, sync, verify  # noqa: A004
    from reelhouse.bootstrap.maintaining import MaintainResult
    from reelhouse.bootstrap.operations import CollectResult, DiffResult, ExportResult, SyncResult
    from reelhouse.bootstrap.purging import PurgeResult
    from reelhouse.collect.reporting import RunSummary
    from reelhouse.collect.status import Status
    from reelhouse.collect.verify import Verdict
    from reelhouse.errors import (
        ConfigError,
        DeniedError,
        IncompleteError,
        LakeError,
        ListingError,
        LockedError,
        ReelhouseError,
        StorageError,
        TmdbError,
        TransientError,
    )
    from reelhouse.serve.lake import Lake
    from reelhouse.spark.data_source import TmdbSource, table_of
    from reelhouse.warehouse.run import BuildResult

__version__ = "0.1.0"

# All public names. docs/python.md describes them.
__all__ = [
    "BuildResult",
    "CollectResult",
    "ConfigError",
    "DeniedError",
    "DiffResult",
    "ExportResult",
    "IncompleteError",
    "Lake",
    "LakeError",
    "ListingError",
    "LockedError",
    "MaintainResult",
    "PurgeResult",
    "ReelhouseError",
    "RunSummary",
    "Status",
    "StorageError",
    "SyncResult",
    "TmdbError",
    "TmdbSource",
    "TransientError",
    "Verdict",
    "__version__",
    "build",
    "collect",
    "diff",
    "export",
    "maintain",
    "open",
    "purge",
    "status",
    "sync",
    "table_of",
    "verify",
]

# Modules of names that are not in the API's own; a name is imported when it is first used.
_MODULES = {
    "BuildResult": "reelhouse.warehouse.run",
    "RunSummary": "reelhouse.collect.reporting",
    "TmdbSource": "reelhouse.spark.data_source",
    "table_of": "reelhouse.spark.data_source",
}


class _Package(ModuleType):
    """Keeps `reelhouse.collect` the function: an import of the folder `collect` would set that name to the folder."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES.get(name, "reelhouse.errors" if name.endswith("Error") else "reelhouse.bootstrap.api")
    return getattr(import_module(module), name)
