"""A day that begins by itself, at midnight, is a day like those a test moves to."""

from datetime import UTC, date, datetime

from reelhouse.emulator.catalog.generated import GeneratedCatalogue
from reelhouse.emulator.clock import EmulatorClock
from reelhouse.emulator.world import World


def test_a_day_begins_at_midnight_with_the_catalogue_of_that_moment() -> None:
    seconds = [0.0]
    clock = EmulatorClock(datetime(2026, 5, 1, 23, 59, tzinfo=UTC), ticks=lambda: seconds[0])
    world = World(GeneratedCatalogue(1, 20), clock, seed=1)
    before = world.delete(None, 1)
    seconds[0] = 120.0
    after = world.delete(None, 1)
    listed = [
        {world.catalogue.id_of(index) for index in world.snapshot(date(2026, 5, day)).indices(world.catalogue)}
        for day in (1, 2)
    ]
    assert [len(ids) for ids in listed] == [20, 19]
    assert before[0] not in listed[1]
    assert after[0] in listed[1]
    assert clock.http_date() == "Sat, 02 May 2026 00:01:00 GMT"
