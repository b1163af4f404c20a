"""How fast a vendor is called below its contract: slower with each refusal, and back by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from services.fetcher.settle import store as settle_store
from shared.database.pool import Database
from tests.conftest import DatabaseFor

NOW = datetime.now(UTC)


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("fetcher")


async def refuse(database: Database, vendor: str, *, until: datetime, times: int = 1, refused: bool = True) -> None:
    """So many calls at once hear that it is too much."""
    async with database.transaction() as tx:
        await settle_store.pause_vendors(tx, [settle_store.Pause(vendor, until, refused)] * times)


async def succeed(database: Database, vendor: str, times: int) -> None:
    async with database.transaction() as tx:
        await settle_store.speed_up_vendors(tx, [vendor] * times)


async def pace(database: Database, vendor: str) -> float:
    async with database.transaction() as tx:
        return float(await tx.fetchval("SELECT pace FROM budgets WHERE vendor = $1", vendor))


async def start(database: Database, **paces: float) -> None:
    async with database.transaction() as tx:
        for vendor, begins in paces.items():
            await tx.execute("INSERT INTO budgets (vendor, pace) VALUES ($1, $2)", vendor, begins)


async def test_each_refusal_slows_down_to_a_floor_and_successes_lead_back_to_the_contract(database: Database) -> None:
    past = NOW - timedelta(hours=1)
    await start(database, acme=1, other=1)
    for expected in (0.7, 0.49, 0.343):
        await refuse(database, "acme", until=past)
        assert await pace(database, "acme") == pytest.approx(expected)
    for _ in range(20):
        await refuse(database, "acme", until=past)
    assert await pace(database, "acme") == pytest.approx(0.05)
    await succeed(database, "acme", 10)
    assert await pace(database, "acme") == pytest.approx(0.15)
    await succeed(database, "acme", 200)
    assert (await pace(database, "acme"), await pace(database, "other")) == (1, 1)


async def test_calls_that_meet_one_pause_slow_down_once(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    await start(database, acme=1, spent=1)
    for _ in range(3):
        await refuse(database, "acme", until=later, times=20)
        await refuse(database, "spent", until=later, refused=False)
    assert await pace(database, "acme") == pytest.approx(0.7)
    assert await pace(database, "spent") == 1
