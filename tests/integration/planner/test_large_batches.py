"""One batch leads to no more than can be held, unless it is a single event. The shell halves a batch that is refused,
so nothing of it may be left."""

from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from prometheus_client import REGISTRY

from services.planner.control.handler import control_jobs
from services.planner.invoke.handler import follow_submits, wake_submits
from services.planner.model import task_id
from services.planner.room import TooMuchAtOnce
from services.planner.track.handler import track_tasks
from shared.database.pool import Database
from shared.events.callbacks import TaskDue
from shared.events.catalogue import FETCH_REQUESTED, JOBS_CONTROL, JOBS_EVENTS
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


LARGE = {"method": "POST", "path": "/reports/{vendor_job}", "json": {"x": "x" * 900_000}}
MIB = 2**20


async def submitted(database: Database, submits: int, **invoke: Any) -> UUID:
    """A job whose vendor jobs are all under way."""
    submit = {"method": "POST", "path": "/reports", "json": {"url": "{callback.url}"}}
    document = {"submit": submit, "vendor_job": "body.id", "deadline": "1h", **invoke}
    job_id = await asked_for(database, {"vendor": "acme", "invoke": document, "input": [{}] * submits})
    async with database.transaction() as tx:
        await tx.execute(
            """UPDATE tasks SET state = 'waiting', rank = 2, deadline_at = now() + interval '1 hour', submitted = true,
            vendor_job = 'r' || number WHERE job_id = $1""",
            job_id,
        )
    return job_id


async def test_vendor_jobs_that_are_done_do_not_plan_all_of_their_large_results_at_once(database: Database) -> None:
    submits = 60
    job_id = await submitted(database, submits, results={"request": LARGE})
    events = [
        TaskChanged(
            task_id=task_id(job_id, number),
            job_id=job_id,
            number=number,
            state=TaskState.WAITING,
            service="callback-gateway",
            at=utc_now(),
            reported="done",
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


@pytest.mark.parametrize(
    ("kind", "invoke"),
    [("deadline", {"abort": LARGE}), ("status", {"status": {"request": LARGE, "done": "body.done"}})],
)
async def test_vendor_jobs_are_not_all_asked_or_ended_at_once_where_that_takes_large_calls(
    database: Database, kind: Literal["deadline", "status"], invoke: dict[str, Any]
) -> None:
    job_id = await submitted(database, 60, **invoke)
    async with database.transaction() as tx:
        await tx.execute("UPDATE tasks SET deadline_at = now()")
    due = [
        TaskDue(task_id=task_id(job_id, number), job_id=job_id, round=0, kind=kind, due_at=utc_now())
        for number in range(60)
    ]
    before = counted("sluice_invocations_ended_total", vendor="acme", state="expired")
    with pytest.raises(TooMuchAtOnce):
        await handled(database, wake_submits, *due)
    assert counted("sluice_invocations_ended_total", vendor="acme", state="expired") == before
    sent = await handled(database, wake_submits, *due[:30])
    assert len([one for one in sent if one.topic == FETCH_REQUESTED.name]) == 30


async def test_vendor_jobs_of_a_cancelled_job_are_ended_as_many_at_once_as_their_calls_allow(
    database: Database,
) -> None:
    job_id = await submitted(database, 40, abort=LARGE)
    sent = await handled(database, control_jobs, JobControl(job_id=job_id, action="cancel"))
    blocks = [{one.key for one in sent if one.topic == FETCH_REQUESTED.name}]
    assert [orjson.loads(one.value)["counts"]["cancelled"] for one in sent if one.topic == JOBS_EVENTS.name] == [40]
    while orders := [one for one in sent if one.topic == JOBS_CONTROL.name]:
        sent = await handled(database, control_jobs, JobControl.model_validate_json(orders[0].value))
        assert sum(len(one.value) for one in sent) < 17 * MIB
        blocks.append({one.key for one in sent if one.topic == FETCH_REQUESTED.name})
    assert [len(block) for block in blocks] == [18, 18, 4]
    assert len(set[str]().union(*blocks)) == 40
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM tasks WHERE state <> 'cancelled'") == 0
        assert tuple(await tx.fetchrow("SELECT open, cancelled FROM jobs")) == (0, 40)  # type: ignore[arg-type]


async def test_orders_to_cancel_jobs_with_large_aborts_are_not_carried_out_all_at_once(database: Database) -> None:
    jobs = [await submitted(database, 20, abort=LARGE) for _ in range(4)]
    orders = [JobControl(job_id=job_id, action="cancel") for job_id in jobs]
    with pytest.raises(TooMuchAtOnce):
        await handled(database, control_jobs, *orders)
    await handled(database, control_jobs, *orders[:2])


async def test_what_a_vendor_reports_of_a_cancelled_job_leads_to_no_results(database: Database) -> None:
    """An order for the rest of its tasks is on its way, and counts them."""
    job_id = await submitted(database, 2, results={"request": {"path": "/reports/{vendor_job}"}})
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET state = 'cancelled'")
    done = TaskChanged(
        task_id=task_id(job_id, 0),
        job_id=job_id,
        number=0,
        state=TaskState.WAITING,
        service="callback-gateway",
        at=utc_now(),
        reported="done",
    )
    sent = await handled(database, follow_submits, done)
    assert [one for one in sent if one.topic == JOBS_EVENTS.name] == []
    async with database.transaction() as tx:
        assert tuple(await tx.fetchrow("SELECT planned, open FROM jobs")) == (2, 1)  # type: ignore[arg-type]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
