"""What comes in between two statements of the scheduler."""

import asyncio
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.scheduler.schedules.handler import change_schedules, end_firings
from shared.database.pool import Database
from shared.events.envelope import Incoming, Position, Record
from shared.events.jobs import JobCounts, JobEnded, JobState
from shared.events.schedules import ScheduleRequested
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.support.eventually import eventually
from tests.support.locks import waiting

DAILY = {"every": "1d", "start": {"source": "acme-orders"}}


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("scheduler")


def incoming(event: Any) -> Incoming[Any]:
    return Incoming(event, new_id(), 0, Record(Position("t", 0, 0), None, b"", (), utc_now()))


def facts(results: Any) -> list[dict[str, Any]]:
    values = [orjson.loads(result.value or b"{}") for result in results if isinstance(result, Outgoing)]
    return [value for value in values if "fact" in value]


async def ask(database: Database, schedule_id: UUID, action: Any, **more: Any) -> list[dict[str, Any]]:
    async with database.transaction() as tx:
        event = ScheduleRequested(schedule_id=schedule_id, action=action, **more)
        return facts(await change_schedules(tx, [incoming(event)]))


async def end(database: Database, job_id: UUID) -> list[dict[str, Any]]:
    event = JobEnded(job_id=job_id, state=JobState.COMPLETED, reason="", counts=JobCounts(), at=utc_now())
    async with database.transaction() as tx:
        return facts(await end_firings(tx, [incoming(event)]))


async def test_the_last_run_of_a_removed_schedule_does_not_end_the_one_that_follows_it(database: Database) -> None:
    """There is no row to lock while a schedule is not there."""
    schedule_id = new_id()
    await ask(database, schedule_id, "put", schedule=DAILY)
    [fired] = await ask(database, schedule_id, "trigger")
    await ask(database, schedule_id, "delete")
    async with database.transaction() as tx:
        again = ScheduleRequested(schedule_id=schedule_id, action="put", schedule=DAILY)
        await change_schedules(tx, [incoming(again)])
        ending = asyncio.create_task(end(database, UUID(fired["job_id"])))
        await eventually(lambda: _is_done_or_waits(ending, database))
    [fact] = await ending
    assert (fact["fact"], fact["state"]) == ("succeeded", "active")


async def _is_done_or_waits(task: "asyncio.Task[Any]", database: Database) -> bool:
    return task.done() or bool(await waiting(database))
