"""Large schedules and timers that are due at the same time are held in memory a few at a time."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from services.scheduler.model import Timer
from services.scheduler.schedules.loop import FireSchedules
from services.scheduler.settings import Settings
from services.scheduler.timers import store
from services.scheduler.timers.loop import Fire
from shared.database.pool import Database
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.app import Runtime
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.support.stack import Place

COUNT, LARGE = 20, "x" * 1_000_000
"""In one letter over and over: what is kept of it is small, what is read is not."""


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("scheduler")


async def count(database: Database, table: str) -> int:
    async with database.transaction() as tx:
        found: int = await tx.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_large_schedules_of_one_time_fire_in_several_rounds(database: Database) -> None:
    due_at = utc_now() - timedelta(minutes=1)
    document = {"triggerAt": due_at.isoformat(), "start": {"source": "acme", "parameters": {"all": LARGE}}}
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO schedules (id, document, state, anchor, next_at, due_at)
            SELECT gen_random_uuid(), $1, 'active', $2, $2, $2 FROM generate_series(1, $3::integer)""",
            orjson.dumps(document),
            due_at,
            COUNT,
        )
    fire = FireSchedules(database, lambda: None)
    assert await fire.step() == 0
    assert 0 < await count(database, "firings") < COUNT
    while await fire.step() == 0:
        pass
    assert await count(database, "firings") == COUNT


async def test_large_timers_of_one_time_fire_in_several_rounds(
    topics: Place, database: Database, producer: Producer, payloads: Path
) -> None:
    message = Outgoing("jobs.control", "one", LARGE.encode(), ())
    async with database.transaction() as tx:
        await store.insert_timers(tx, [Timer(new_id(), utc_now(), message) for _ in range(COUNT)])
    runtime = Runtime(topics.settings(Settings, payloads), database, producer, PayloadStore(payloads.as_uri()))
    fire = Fire(runtime)
    assert await fire.step() == 0
    assert 0 < await count(database, "timers") < COUNT
    assert await fire.step() == 0
    assert await count(database, "timers") == 0


async def test_one_that_is_larger_than_a_block_is_a_block(database: Database) -> None:
    async with database.transaction() as tx:
        message = Outgoing("jobs.control", "one", LARGE.encode(), ())
        await store.insert_timers(tx, [Timer(new_id(), utc_now(), message) for _ in range(2)])
    async with database.transaction() as tx:
        assert len(await store.claim_due(tx, 100, 1)) == 1
