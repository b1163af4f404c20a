"""One batch leads to no more than can be held, unless it is a single event. The shell halves a batch that is refused,
so nothing of it may be left."""

import pytest
from prometheus_client import REGISTRY

from services.planner.control.handler import control_jobs
from services.planner.invoke.handler import follow_submits
from services.planner.model import task_id
from services.planner.room import TooMuchAtOnce
from services.planner.track.handler import track_tasks
from shared.database.pool import Database
from shared.events.jobs import JobControl
from shared.events.tasks import Facts, TaskChanged, TaskState
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.planner.jobs import asked_for, handled
from tests.integration.planner.plans import plan

COUNTED = {"request": {"path": "/items"}, "pages": {"style": "offset", "size": 10, "total": "body.total"}}


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_first_pages_of_large_jobs_do_not_plan_all_of_them_at_once(database: Database) -> None:
    pages = 15_000
    jobs = [await asked_for(database, {"vendor": "acme", "poll": COUNTED}) for _ in range(2)]
    events = [
        TaskChanged(
            task_id=task_id(job_id, 0),
            job_id=job_id,
            number=0,
            state=TaskState.STORED,
            service="fetcher",
            at=utc_now(),
            facts=Facts(items=10, total=10 * pages),
        )
        for job_id in jobs
    ]
    with pytest.raises(TooMuchAtOnce):
        await handled(database, track_tasks, *events)
    await handled(database, track_tasks, events[0])
    async with database.transaction() as tx:
        counted = await tx.fetch("SELECT job_id, count(*) AS tasks FROM tasks GROUP BY job_id")
    assert {row["job_id"]: row["tasks"] for row in counted} == {jobs[0]: pages, jobs[1]: 1}


async def test_orders_for_large_jobs_are_not_carried_out_all_at_once(database: Database) -> None:
    jobs = [await plan(database, 5_000) for _ in range(6)]
    async with database.transaction() as tx:
        await tx.execute("""UPDATE jobs SET specification = '{"vendor": "acme", "source": "items"}'""")
    orders = [JobControl(job_id=job_id, action="cancel") for job_id in jobs]
    before = counted("sluice_jobs_ended_total", state="cancelled")
    with pytest.raises(TooMuchAtOnce):
        await handled(database, control_jobs, *orders)
    assert counted("sluice_jobs_ended_total", state="cancelled") == before
    await handled(database, control_jobs, *orders[:3])
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM tasks WHERE state = 'cancelled'") == 15_000
    assert counted("sluice_jobs_ended_total", state="cancelled") == before + 3


async def test_vendor_jobs_that_are_done_do_not_plan_all_of_their_large_results_at_once(database: Database) -> None:
    submits = 60
    results = {"request": {"method": "POST", "path": "/reports/{vendor_job}", "json": {"x": "x" * 900_000}}}
    submit = {"method": "POST", "path": "/reports", "json": {"url": "{callback.url}"}}
    invoke = {"submit": submit, "vendor_job": "body.id", "deadline": "1h", "results": results}
    job_id = await asked_for(database, {"vendor": "acme", "invoke": invoke, "input": [{}] * submits})
    events = [
        TaskChanged(
            task_id=task_id(job_id, number),
            job_id=job_id,
            number=number,
            state=TaskState.WAITING,
            service="callback-gateway",
            at=utc_now(),
            reported="done",
            vendor_job=f"r{number}",
        )
        for number in range(submits)
    ]
    ended = {"vendor": "acme", "state": "completed"}
    before = counted("sluice_invocations_ended_total", **ended)
    with pytest.raises(TooMuchAtOnce):
        await handled(database, follow_submits, *events)
    assert counted("sluice_invocations_ended_total", **ended) == before
    await handled(database, follow_submits, *events[: submits // 2])
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT planned FROM jobs") == submits + submits // 2


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
