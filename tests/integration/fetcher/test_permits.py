"""What a lane notes of permits in the vendor's row, which is all that other fetchers know of them."""

import asyncio

from services.fetcher.configure import handler as configuration
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.lanes.leases import Leases
from services.fetcher.lanes.permit import Permit
from services.fetcher.lanes.resources import Vendors
from shared.database.pool import Row
from shared.ids import new_id
from shared.specification.vendor import Budget
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import wanted
from tests.integration.fetcher.leaser import QUOTA, Leaser, noted
from tests.support.eventually import PATIENCE, eventually
from tests.support.locks import waiting


async def test_a_call_that_leaves_while_its_lane_waits_for_its_turn_counts_once(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(2)])
    leaser = Leaser(database)
    lane = leaser.lane
    running = asyncio.create_task(lane.run())

    try:
        await eventually(lambda: len(leaser.permits) == 2, 20)
        async with database.transaction() as other:
            await other.execute("SELECT FROM budgets FOR UPDATE")
            leaser.permits[0].left()
            lane.look()
            await eventually(lambda: waiting(database), 20)
            leaser.permits[1].left()

        async def is_noted() -> bool:
            lane.look()
            return (await noted(database))[1] == 0

        await eventually(is_noted, 20)
        assert await noted(database) == (2, 0)
    finally:
        running.cancel()


async def test_permits_are_for_the_time_after_the_wait_for_the_vendors_row(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
        await lanes_store.lock_budget(tx, "v", new_id())
    leaser = Leaser(database)
    running = asyncio.create_task(leaser.lane.run())

    async def waits_for_long() -> bool:
        async with database.transaction() as tx:
            return bool(
                await tx.fetchval(
                    "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                    " WHERE NOT granted AND query_start < clock_timestamp() - interval '0.2 s'"
                )
            )

    try:
        async with database.transaction() as other:
            await other.execute("SELECT FROM budgets FOR UPDATE")
            await eventually(waits_for_long, 20)
            over = await other.fetchval("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        [moment] = await eventually(lambda: leaser.moments, 20)
        assert moment > over
    finally:
        running.cancel()


async def test_a_claim_that_waits_for_its_turn_finds_the_contract_that_is_in_force_then(
    database_for: DatabaseFor,
) -> None:
    """The new contract is what it waits for."""
    database, before = await database_for("fetcher"), QUOTA.model_copy(update={"budget": Budget(in_flight=1)})

    async def claim() -> Row:
        async with database.transaction() as tx:
            return await lanes_store.lock_budget(tx, "v", new_id())

    async with database.transaction() as tx:
        await configuration.vendors.put(tx, {"v": before})
    await claim()
    async with database.transaction() as tx:
        await configuration.vendors.put(tx, {"v": QUOTA})
        claiming = asyncio.create_task(claim())
        await eventually(lambda: waiting(database), 20)
    row = await claiming
    assert Vendors().read("v", row) == QUOTA


async def test_a_call_that_the_library_sends_again_uses_up_no_other_calls_permit(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(2)])
    leaser = Leaser(database, QUOTA)
    lane = leaser.lane
    running = asyncio.create_task(lane.run())

    async def is_noted() -> bool:
        lane.look()
        return (await noted(database))[0] == 2

    try:
        await eventually(lambda: len(leaser.permits) == 2, 20)
        leaser.permits[0].left()
        leaser.permits[0].left()
        await eventually(is_noted, 20)
        assert (await noted(database))[1] == 1
    finally:
        running.cancel()


async def test_what_is_called_while_a_contract_has_no_windows_counts_once_they_are_back(
    database_for: DatabaseFor,
) -> None:
    database = await database_for("fetcher")
    leaser = Leaser(database, QUOTA)
    lane = leaser.lane

    async def ask(calls: int, budget: Budget) -> None:
        leaser.configured.vendor = QUOTA.model_copy(update={"budget": budget})
        async with database.transaction() as tx:
            await enqueue_calls(tx, [wanted(new_id()) for _ in range(calls)])
        lane.look()

    async def are_leased(permits: int) -> None:
        await eventually(lambda: len(leaser.permits) == permits, 20)

    async def leave(permits: list[Permit], *, noted_as: int) -> None:
        for permit in permits:
            permit.left()

        async def is_noted() -> bool:
            lane.look()
            return await noted(database) == (noted_as, 0)

        await eventually(is_noted, 20)

    await ask(2, QUOTA.budget)
    running = asyncio.create_task(lane.run())
    try:
        await are_leased(2)
        await leave(leaser.permits, noted_as=2)
        await ask(3, Budget())
        await are_leased(5)
        await leave(leaser.permits[2:], noted_as=5)
        await ask(8, QUOTA.budget)
        await are_leased(10)
    finally:
        running.cancel()


async def test_redirects_of_one_vendor_that_wait_for_its_row_hold_up_no_other_vendor(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    resources = Leaser(database).lane._resources
    mine, other = Leases("v", resources), Leases("w", resources)
    await mine.lease_another()
    async with database.transaction() as tx:
        await tx.execute("SELECT FROM budgets FOR UPDATE")
        redirects = [asyncio.create_task(mine.lease_another()) for _ in range(10)]
        await eventually(lambda: waiting(database), 20)
        async with asyncio.timeout(5 * PATIENCE):
            assert isinstance(await other.lease_another(), int)
    assert all(isinstance(moment, int) for moment in await asyncio.gather(*redirects))
