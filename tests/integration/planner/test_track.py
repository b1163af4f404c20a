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
from shared.events.catalogue import JOBS_EVENTS, TASKS_EVENTS
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


async def counted_job(database: Database, pages: int) -> UUID:
    """A job of which all pages are planned, and the first is done."""
    job_id = await asked_for(database, {"vendor": "acme", "poll": COUNTED})
    facts = Facts(items=10, total=10 * pages)
    await handled(database, track_tasks, changed(job_id, 0, TaskState.STORED, facts=facts))
    await handled(database, track_tasks, changed(job_id, 0, TaskState.COMPLETED, records=10, distinct=10))
    return job_id


async def test_pages_without_new_records_in_the_middle_of_a_counted_job_do_not_end_it(database: Database) -> None:
    pages = MOST_BARREN + 3
    job_id = await counted_job(database, pages)
    await handled(database, track_tasks, changed(job_id, 1, TaskState.COMPLETED, records=10, distinct=10))
    middle = [changed(job_id, number, TaskState.COMPLETED, records=10, distinct=0) for number in range(2, pages - 1)]
    await handled(database, track_tasks, *middle)
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT reason FROM jobs") == ""


async def test_a_counted_job_that_reads_its_first_page_again_and_again_calls_no_further_pages(
    database: Database,
) -> None:
    """The vendor ignores the offset. What is under way is waited for."""
    pages, under_way = 4 * MOST_BARREN, MOST_BARREN + 1
    job_id = await counted_job(database, pages)
    async with database.transaction() as tx:
        released = "UPDATE tasks SET state = 'released', rank = 1 WHERE number BETWEEN 1 AND $1 + 1"
        await tx.execute(released, MOST_BARREN)
    again = [changed(job_id, one, TaskState.COMPLETED, records=10, distinct=0) for one in range(1, under_way + 1)]
    told = await handled(database, track_tasks, *again[:-1])
    states = [orjson.loads(one.value or b"").get("state") for one in told if one.topic == TASKS_EVENTS.name]
    assert states == ["cancelled"] * (pages - under_way - 1)
    [end] = [
        orjson.loads(one.value or b"")
        for one in await handled(database, track_tasks, again[-1])
        if one.topic == JOBS_EVENTS.name
    ]
    assert (end["state"], end["counts"]["cancelled"]) == ("failed", pages - under_way - 1)
    assert end["reason"].startswith("no_new_records")


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


async def test_a_job_that_cannot_be_read_fails_even_if_its_tasks_cannot_be_read_either(database: Database) -> None:
    bad, good = [await asked_for(database, {"vendor": "acme", "poll": COUNTED}) for _ in range(2)]
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET specification = '{\"poll\": 7}' WHERE id = $1", bad)
        await tx.execute("UPDATE tasks SET wanted = '{\"total\": 7}' WHERE job_id = $1", bad)
    facts = Facts(items=10, total=20)
    events = [changed(job_id, 0, TaskState.STORED, facts=facts) for job_id in (bad, good)]
    await handled(database, track_tasks, *events)
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT id, state, planned FROM jobs")
    assert {row["id"]: (row["state"], row["planned"]) for row in rows} == {bad: ("failed", 1), good: ("running", 2)}
