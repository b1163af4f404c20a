"""What an answer says of further pages is followed once, however often it is told."""

import pytest

from services.planner.control.handler import control_jobs
from services.planner.track.handler import track_tasks
from shared.database.pool import Database
from shared.events.jobs import JobControl
from shared.events.tasks import Facts, TaskState
from tests.conftest import DatabaseFor
from tests.integration.planner.jobs import asked_for, handled
from tests.integration.planner.told import PAGED, changed, claim, completed, fetched, reason_of

COUNTED = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 10, "total": "body.total"}}
TOTAL = Facts(items=10, total=40, digest="a")


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def offsets(database: Database) -> list[str | None]:
    """Where the planned pages of the only job begin."""
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT call -> 'query' ->> 'offset' AS at FROM tasks")
    return sorted(row["at"] for row in rows)


async def test_a_page_that_is_told_again_plans_no_page_twice(database: Database) -> None:
    await asked_for(database, {"vendor": "acme", "poll": COUNTED})
    [first] = await claim(database)
    for _ in range(2):
        await handled(database, track_tasks, changed(first, TaskState.STORED, facts=TOTAL))
    assert await offsets(database) == ["0", "10", "20", "30"]


async def test_a_page_that_is_told_again_is_no_loop(database: Database) -> None:
    job_id = await asked_for(database, {"vendor": "acme", "poll": PAGED})
    [first] = await claim(database)
    await handled(database, track_tasks, fetched(first, "2"))
    [second] = await claim(database)
    await handled(database, track_tasks, fetched(first, "2"))
    await handled(database, track_tasks, fetched(second))
    await handled(database, track_tasks, completed(first), completed(second))
    assert await reason_of(database, job_id) == ""


async def test_an_answer_that_comes_after_its_task_had_ended_is_followed_once_the_task_is_redriven(
    database: Database,
) -> None:
    """The two may come by topics of their own."""
    job_id = await asked_for(database, {"vendor": "acme", "poll": PAGED})
    [first] = await claim(database)
    await handled(database, track_tasks, changed(first, TaskState.DEAD, reason="bug: x"))
    await handled(database, track_tasks, fetched(first, "2"))
    await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    [again] = await claim(database)
    await handled(database, track_tasks, fetched(again, "2"))
    await handled(database, track_tasks, completed(again))
    [second] = await claim(database)
    assert (second["number"], await reason_of(database, job_id)) == (1, "")


async def test_an_answer_of_an_earlier_round_leads_nowhere(database: Database) -> None:
    job_id = await asked_for(database, {"vendor": "acme", "poll": PAGED})
    [first] = await claim(database)
    await handled(database, track_tasks, changed(first, TaskState.DEAD, reason="bug: x"))
    await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    [again] = await claim(database)
    await handled(database, track_tasks, fetched(first, "2"))
    assert await claim(database) == []
    await handled(database, track_tasks, fetched(again, "2"))
    [second] = await claim(database)
    assert (second["number"], await reason_of(database, job_id)) == (1, "")
