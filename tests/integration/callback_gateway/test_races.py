"""What comes in between two statements of the gateway. Each test holds a lock, or does itself what comes in between."""

import asyncio

import pytest

from services.callback_gateway.schedules.loop import Forget
from shared.database.pool import Database
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.eventually import eventually

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("callback-gateway")


async def somebody_waits(database: Database) -> bool:
    async with database.transaction() as tx:
        return bool(await tx.fetchval(WAITING))


async def test_a_schedule_that_is_asked_for_again_is_not_forgotten(database: Database) -> None:
    schedule_id = new_id()
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO schedules (id, state, changed_at) SELECT id, 'removed', now() - interval '40 days'
            FROM unnest($1::uuid[]) AS given (id)""",
            [schedule_id, new_id()],
        )
    async with database.transaction() as tx:
        await tx.execute("UPDATE schedules SET state = 'active', changed_at = now() WHERE id = $1", schedule_id)
        forgetting = asyncio.create_task(Forget(database).step())
        await eventually(lambda: _is_done_or_waits(forgetting, database))
    await forgetting
    async with database.transaction() as tx:
        assert [row["id"] for row in await tx.fetch("SELECT id FROM schedules")] == [schedule_id]


async def _is_done_or_waits(task: "asyncio.Task[float]", database: Database) -> bool:
    return task.done() or await somebody_waits(database)
