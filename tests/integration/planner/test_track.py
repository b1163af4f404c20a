"""What events of tasks make of jobs, in the planner's tables."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from services.planner.control.handler import control_jobs
from services.planner.invoke.handler import follow_submits
from services.planner.model import task_id
from services.planner.track.decide import MOST_BARREN
from services.planner.track.handler import track_tasks
from shared.database.pool import Database
from shared.events.catalogue import JOBS_EVENTS
from shared.events.jobs import JobControl
from shared.events.tasks import Facts, TaskChanged, TaskState
from shared.messaging.handler import Outgoing
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.planner.jobs import asked_for, handled

INVOKE = {"submit": {"method": "POST", "path": "/reports", "json": {"url": "{callback.url}"}}, "deadline": "1h"}
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


@pytest.mark.parametrize("handler", ["track", "invoke", "control"])
async def test_a_job_that_cannot_be_read_fails_and_its_neighbours_are_handled(database: Database, handler: str) -> None:
    """An older release wrote it down. It must not look like a defect, of which too many stop everything."""
    bad, good = [await asked_for(database, {"vendor": "acme", "invoke": INVOKE, "input": [{}]}) for _ in range(2)]
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET specification = '{\"invoke\": 7}' WHERE id = $1", bad)
    told: list[Outgoing] = []
    for job_id in (bad, good, bad):
        match handler:
            case "track":
                told += await handled(database, track_tasks, changed(job_id, 0, TaskState.FAILED))
            case "invoke":
                waiting = changed(job_id, 0, TaskState.WAITING, reported="failed")
                told += await handled(database, follow_submits, waiting)
            case _:
                told += await handled(database, control_jobs, JobControl(job_id=job_id, action="cancel"))
    ends = [orjson.loads(one.value or b"") for one in told if one.topic == JOBS_EVENTS.name]
    expected = "cancelled" if handler == "control" else "failed"
    assert [(UUID(one["job_id"]), one["state"]) for one in ends] == [(bad, "failed"), (good, expected)]
    assert ends[0]["reason"].startswith("specification_unreadable")
    assert ends[0]["counts"]["cancelled"] == 1
