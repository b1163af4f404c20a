"""What events of tasks make of jobs, in the planner's tables."""

from typing import Any
from uuid import UUID

import pytest

from services.planner.model import task_id
from services.planner.room import TooMuchAtOnce
from services.planner.track.decide import MOST_BARREN
from services.planner.track.handler import track_tasks
from shared.database.pool import Database
from shared.events.tasks import Facts, TaskChanged, TaskState
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.planner.jobs import asked_for, handled

COUNTED = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 10, "total": "body.total"}}


def changed(job_id: UUID, number: int, state: TaskState, **more: Any) -> TaskChanged:
    place = {"task_id": task_id(job_id, number), "job_id": job_id, "number": number}
    return TaskChanged(**place, state=state, service="another", at=utc_now(), **more)


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_empty_pages_in_the_middle_of_a_counted_job_do_not_end_it(database: Database) -> None:
    pages = MOST_BARREN + 2
    job_id = await asked_for(database, {"vendor": "acme", "poll": COUNTED})
    facts = Facts(items=10, total=10 * pages)
    await handled(database, track_tasks, changed(job_id, 0, TaskState.STORED, facts=facts))
    middle = [changed(job_id, number, TaskState.COMPLETED, records=10, distinct=0) for number in range(1, pages - 1)]
    await handled(database, track_tasks, *middle)
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT reason FROM jobs") == ""


async def test_one_batch_plans_no_more_than_can_be_held_unless_it_is_a_single_event(database: Database) -> None:
    """The shell halves a batch that is refused, so nothing of it may be left."""
    pages = 15_000
    jobs = [await asked_for(database, {"vendor": "acme", "poll": COUNTED}) for _ in range(2)]
    facts = Facts(items=10, total=10 * pages)
    events = [changed(job_id, 0, TaskState.STORED, facts=facts) for job_id in jobs]
    with pytest.raises(TooMuchAtOnce):
        await handled(database, track_tasks, *events)
    await handled(database, track_tasks, events[0])
    async with database.transaction() as tx:
        counted = await tx.fetch("SELECT job_id, count(*) AS tasks FROM tasks GROUP BY job_id")
    assert {row["job_id"]: row["tasks"] for row in counted} == {jobs[0]: pages, jobs[1]: 1}
