"""Another fetcher takes over the calls of one that is gone, at a time that the test decides."""

from uuid import UUID

from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover.loop import Takeover
from shared.database.pool import Database

LEASE_SECONDS = 3600.0


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1.0

    def __call__(self) -> float:
        return self.now


async def take_over(database: Database, settlement: Settlement, heir: UUID) -> None:
    """What an heir does once it may judge."""
    clock = Clock()
    takeover = Takeover(database, settlement, heir, LEASE_SECONDS, clock=clock)
    await takeover.step()
    clock.now += LEASE_SECONDS
    await takeover.step()
