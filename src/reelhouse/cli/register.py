"""`reelhouse register`: entries for the tables of a lake in S3 in a catalogue."""

from __future__ import annotations

from reelhouse.bootstrap import aws_clients
from reelhouse.bootstrap.storage import lake_of
from reelhouse.cli.terminal import display
from reelhouse.engines.session import check_installed
from reelhouse.serve.catalog.registration import TableCatalogue
from reelhouse.settings import Settings


def register(settings: Settings, catalog: str, database: str, tables: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Create or refresh *database* in *catalog*."""
    # The declared schemas are types of the engine.
    check_installed(settings.engine)
    from reelhouse.serve import ATTRIBUTION
    from reelhouse.serve.catalog.entries import chosen, entries_of
    from reelhouse.serve.catalog.registration import refresh

    storage = lake_of(settings)
    lake = storage.url.rstrip("/")
    with display.spinner("registering") as step:
        entries = entries_of(storage)
        wanted = chosen(entries, tables)
        catalogue = _catalogue(settings, catalog, database, lake)
        about = f"Tables of the reelhouse lake {lake}. {ATTRIBUTION}"
        done = refresh(catalogue, lake, wanted, {entry.name for entry in entries}, about, step)
    if as_json:
        display.as_json({"catalog": catalog, "database": database, "lake": lake, **done._asdict()})
        return
    display.table(
        f"{catalog}: {database}", ("", "tables"), [(word, len(names)) for word, names in done._asdict().items()]
    )


def _catalogue(settings: Settings, catalog: str, database: str, lake: str) -> TableCatalogue:
    if catalog == "unity":
        from reelhouse.serve.catalog.unity import UnityCatalogue, parsed_place

        return UnityCatalogue(settings.unity_url, settings.checked_unity_token(), parsed_place(database), lake)
    from reelhouse.serve.catalog.glue import GlueCatalogue, check_database, opened

    check_database(database)
    client = opened(lambda: aws_clients.client("glue", profile=settings.s3_profile, region=settings.s3_region))
    return GlueCatalogue(client, database, lake)
