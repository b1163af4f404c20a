"""Keys of jobs without a table are forgotten in their time, and no others."""

from typing import Any

import pytest

from services.processor.expire import keys as expire
from services.processor.sinks import keys
from shared.database.pool import Database
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.support.pages import TABLE, TOPIC, page

AGE_JOB = "UPDATE keyed_jobs SET due_at = now() WHERE job_id = $1"
COUNTS = "SELECT (SELECT count(*) FROM job_keys) AS keys, (SELECT count(*) FROM keyed_jobs) AS jobs"


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("processor")


async def write(database: Database, records: int, **fields: Any) -> None:
    async with database.transaction() as tx:
        await keys.write(tx, [page([{"id": number} for number in range(records)], **fields)])


async def counts(database: Database) -> tuple[int, int]:
    async with database.transaction() as tx:
        [row] = await tx.fetch(COUNTS)
    return row["keys"], row["jobs"]


async def test_keys_go_when_their_time_is_over(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire, "_BLOCK", 10)
    old, young = new_id(), new_id()
    await write(database, 25, job_id=old, sinks=(TOPIC,))
    await write(database, 4, job_id=young, sinks=())
    await write(database, 9, sinks=(TABLE, TOPIC))
    step = expire.ExpireKeys(database).step
    assert (await step(), await counts(database)) == (60.0, (29, 2))
    await database.execute(AGE_JOB, old)
    assert [(await step(), await counts(database)) for _ in range(4)] == [
        (0.05, (19, 2)),
        (0.05, (9, 2)),
        (0.05, (4, 1)),
        (60.0, (4, 1)),
    ]


async def test_a_page_puts_the_end_off(database: Database) -> None:
    job = new_id()
    await write(database, 3, job_id=job, sinks=(TOPIC,))
    await database.execute(AGE_JOB, job)
    await write(database, 5, job_id=job, sinks=(TOPIC,))
    assert await expire.ExpireKeys(database).step() == 60.0
    assert await counts(database) == (5, 1)
