"""What comes in between two statements of the planner. Each test holds a lock for as long as that takes."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from services.planner.control.handler import control_jobs
from services.planner.invoke.handler import wake_submits
from services.planner.model import PlannedCall, Task, task_id
from services.planner.rows import insert_tasks
from services.planner.track.handler import track_tasks
from shared.database.pool import Database
from shared.events.callbacks import TaskDue
from shared.events.envelope import CE_TYPE
from shared.events.jobs import JobControl
from shared.events.tasks import Call, Facts, FactsWanted, TaskState
from shared.messaging.handler import Outgoing
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.planner.jobs import asked_for, handled
from tests.integration.planner.told import PAGED, changed, claim, completed, fetched, reason_of
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.stack import Place

GATE = 1
"""The advisory lock that holds up whoever looks at a job, as `shut_gate` has it."""
INVOKE = {
    "submit": {"method": "POST", "path": "/reports", "json": {"url": "{callback.url}"}},
    "deadline": "1h",
    "results": {"request": {"path": "/reports/1"}},
}


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def held_up(
    database: Database, statement: str, work: Coroutine[Any, Any, list[Outgoing]]
) -> tuple[datetime, list[Outgoing]]:
    """Work that waited for what a statement had locked: the time at which it still did, and what came of it."""
    async with database.transaction() as tx:
        await tx.execute(statement)
        task = asyncio.create_task(work)
        await eventually(lambda: waiting(database))
        waited = utc_now()
    return waited, await task


async def shut_gate(place: Place) -> None:
    """From now on the planner's role waits at the gate when a statement comes to its jobs: after the statement's
    snapshot was taken, and before it locks what it is to give."""
    admin = await asyncpg.connect(f"{place.admin_url.rsplit('/', 1)[0]}/{place.database}")
    try:
        await admin.execute(
            f"""CREATE FUNCTION planner.pass_gate() RETURNS boolean LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN true; END $$;
            CREATE POLICY gate ON planner.jobs USING (planner.pass_gate());
            ALTER TABLE planner.jobs ENABLE ROW LEVEL SECURITY"""
        )
    finally:
        await admin.close()


def at(messages: Sequence[Outgoing], ce_type: bytes) -> datetime:
    """When it was told."""
    [headers] = [found for message in messages if (found := dict(message.headers))["ce_type"] == ce_type]
    return datetime.fromisoformat(headers["ce_time"].decode())


async def test_orders_that_waited_for_their_job_are_told_after_what_they_waited_for(database: Database) -> None:
    job_id = await asked_for(database, {"url": "https://api.example/items"})
    cancel = handled(database, control_jobs, JobControl(job_id=job_id, action="cancel"))
    waited, told = await held_up(database, "SELECT FROM jobs FOR UPDATE", cancel)
    assert at(told, b"job.cancelled") > waited


@pytest.mark.parametrize("table", ["jobs", "tasks"])
async def test_a_wait_that_ends_is_told_after_what_its_end_waited_for(database: Database, table: str) -> None:
    job_id = await asked_for(database, {"vendor": "acme", "invoke": INVOKE, "input": [{}]})
    async with database.transaction() as tx:
        task_id = await tx.fetchval(
            "UPDATE tasks SET state = 'waiting', rank = 2, submitted = true, deadline_at = now() RETURNING id"
        )
    due = TaskDue(task_id=task_id, job_id=job_id, round=0, kind="deadline", due_at=utc_now())
    expire = handled(database, wake_submits, due)
    waited, told = await held_up(database, f"SELECT FROM {table} FOR UPDATE", expire)
    assert at(told, b"job.failed") > waited


async def test_what_was_cancelled_or_released_since_a_window_was_chosen_is_not_in_it(
    database: Database, place: Place
) -> None:
    await asked_for(database, {"vendor": "acme", "invoke": INVOKE, "input": [{}, {}, {}]})
    await shut_gate(place)
    async with database.transaction() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", GATE)
        chosen = asyncio.create_task(claim(database))
        await eventually(lambda: waiting(database))
        async with database.transaction() as other:
            await other.execute("UPDATE tasks SET state = 'cancelled', rank = 9 WHERE number = 0")
            await other.execute("UPDATE tasks SET state = 'released', rank = 1 WHERE number = 1")
    assert [row["number"] for row in await chosen] == [2]


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_page_that_led_on_and_is_redriven_leads_nowhere_else(database: Database, at_once: bool) -> None:
    job_id = await asked_for(database, {"vendor": "acme", "poll": PAGED})
    [first] = await claim(database)
    events = [fetched(first, "2"), changed(first, TaskState.DEAD, reason="key_missing: no id")]
    for batch in [events] if at_once else [[event] for event in events]:
        await handled(database, track_tasks, *batch)
    await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    again, second = await claim(database)
    assert (again["number"], again["round"], second["number"]) == (0, 1, 1)
    await handled(database, track_tasks, fetched(again, "2"), fetched(second))
    told = await handled(database, track_tasks, *map(completed, (again, second)))
    assert at(told, b"job.completed")


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_page_that_could_not_be_read_leads_on_when_it_is_redriven(database: Database, at_once: bool) -> None:
    job_id = await asked_for(database, {"vendor": "acme", "poll": PAGED})
    [first] = await claim(database)
    events = [fetched(first, problem="no JSON"), changed(first, TaskState.DEAD, reason="vendor_malformed: no JSON")]
    for batch in [events] if at_once else [[event] for event in events]:
        await handled(database, track_tasks, *batch)
    await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    [again] = await claim(database)
    await handled(database, track_tasks, fetched(again, "2"))
    [second] = await claim(database)
    await handled(database, track_tasks, fetched(second))
    told = await handled(database, track_tasks, *map(completed, (again, second)))
    assert at(told, b"job.completed")


@pytest.mark.parametrize(
    ("pages", "told", "planned"),
    [
        ({"style": "page", "total": "body.total", "pages": "body.pages"}, {"pages": 4}, 4),
        ({"style": "offset", "size": 1, "total": "body.total"}, {}, 2),
    ],
)
async def test_a_counted_page_leads_on_once_whatever_it_does_not_tell(
    database: Database, pages: dict[str, Any], told: dict[str, Any], planned: int
) -> None:
    """What is configured and missing is done without, so the answer has led on: the page's end afterwards stops
    nothing, and tried again it plans nothing twice."""
    poll = {"request": {"path": "/items"}, "pages": pages}
    job_id = await asked_for(database, {"vendor": "acme", "poll": poll, "tolerate": 0.5})
    [first] = await claim(database)
    await handled(database, track_tasks, fetched(first, problem="body.total: expected a whole number", **told))
    others = await claim(database)
    await handled(database, track_tasks, changed(first, TaskState.DEAD, reason="key_missing: no id"))
    assert (len(others), await reason_of(database, job_id)) == (planned - 1, "")
    await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    [again] = await claim(database)
    last = others[-1]
    await handled(database, track_tasks, fetched(again, **told), changed(last, TaskState.STORED, facts=Facts(items=0)))
    ended = await handled(database, track_tasks, *map(completed, (again, *others)))
    assert at(ended, b"job.completed")
    assert await claim(database) == []


async def test_results_that_a_failed_page_cut_go_on_when_it_is_redriven(database: Database) -> None:
    results = {"request": {"path": "/reports/1"}, "pages": PAGED["pages"]}
    invoke = {**INVOKE, "results": results}
    job_id = await asked_for(database, {"vendor": "acme", "invoke": invoke, "input": [{}, {}], "tolerate": 0.9})
    call = PlannedCall(Call(path="/reports/1"), wanted=FactsWanted(next="body.next"))
    async with database.transaction() as tx:
        pages = [Task(task_id(job_id, 2 + slice), job_id, 2 + slice, replace(call, slice=slice)) for slice in (0, 1)]
        await insert_tasks(tx, [("acme", page) for page in pages])
        await tx.execute("UPDATE jobs SET planned = 4, open = 4")
    *submits, one, other = await claim(database)
    dead = [changed(page, TaskState.DEAD, reason="status_500: again") for page in (one, other)]
    ended = await handled(database, track_tasks, *map(completed, submits), *dead)
    [end] = [one for one in ended if (CE_TYPE, b"job.failed") in one.headers]
    cuts = {slice: f"paging stopped at task {2 + slice}: status_500: again" for slice in (0, 1)}
    assert orjson.loads(end.value or b"")["reason"] == "; ".join(
        f"results of task {slice}: {cuts[slice]}" for slice in cuts
    )
    assert await cuts_of(database, job_id) == cuts
    for page, left in ((one, {1: cuts[1]}), (other, {})):
        await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive", task_ids=(page["id"],)))
        [again] = await claim(database)
        assert (again["id"], await cuts_of(database, job_id)) == (page["id"], left)
        await handled(database, track_tasks, fetched(again, "2"), completed(again))
        [following] = await claim(database)
        ended = await handled(database, track_tasks, fetched(following), completed(following))
        assert at(ended, b"job.failed" if left else b"job.completed")


async def test_what_the_last_page_tells_counts_when_it_is_redriven(database: Database) -> None:
    pages = {"style": "offset", "size": 1, "total": "body.total"}
    poll = {"request": {"path": "/items"}, "pages": pages}
    job_id = await asked_for(database, {"vendor": "acme", "poll": poll, "tolerate": 0.5})
    [first] = await claim(database)
    await handled(database, track_tasks, fetched(first, total=3))
    second, last = await claim(database)
    dead = changed(last, TaskState.DEAD, reason="status_500: again")
    ended = await handled(database, track_tasks, *map(completed, (first, second)), dead)
    assert at(ended, b"job.completed_with_failures")
    await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    [again] = await claim(database)
    await handled(database, track_tasks, fetched(again, total=4), completed(again))
    [grown] = await claim(database)
    ended = await handled(database, track_tasks, fetched(grown, total=4), completed(grown))
    assert at(ended, b"job.completed")
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT (expected, distinct_records) = (4, 4) FROM jobs WHERE id = $1", job_id)


async def test_a_page_may_have_the_same_bytes_as_the_metadata_before_it(database: Database) -> None:
    """Of one record, say, where the total is asked for with the smallest page there is."""
    plan = {"path": "/items", "query": {"limit": "1"}, "total": "body.total"}
    poll = {"request": {"path": "/items"}, "pages": {"style": "offset", "plan": plan}}
    await asked_for(database, {"vendor": "acme", "poll": poll})
    [metadata] = await claim(database)
    told = Facts(total=1, items=1, digest="same")
    await handled(database, track_tasks, changed(metadata, TaskState.COMPLETED, facts=told, records=0, distinct=0))
    [page] = await claim(database)
    ended = await handled(database, track_tasks, changed(page, TaskState.STORED, facts=told), completed(page))
    assert at(ended, b"job.completed")


async def cuts_of(database: Database, job_id: UUID) -> dict[int, str]:
    """Which results of the job were not walked to their end, and why."""
    async with database.transaction() as tx:
        cuts: bytes = await tx.fetchval("SELECT cuts FROM jobs WHERE id = $1", job_id)
    return {int(submit): why for submit, why in orjson.loads(cuts).items()}
