"""jobs.control → what becomes of a job and its tasks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from prometheus_client import REGISTRY

from services.planner.accept.handler import accept_jobs
from services.planner.app import build
from services.planner.configure.handler import vendors
from services.planner.control.handler import control_jobs
from services.planner.model import task_id
from services.planner.settings import Settings
from services.planner.track.handler import track_tasks
from shared.database.pool import Database, Transaction
from shared.events.catalogue import CALLBACKS_EXPECTED, JOBS_CONTROL, JOBS_EVENTS, JOBS_REQUESTED, TASKS_EVENTS
from shared.events.configuration import VendorConfigured
from shared.events.envelope import DELIVERY, Incoming, Position, Record, delivery_of_replay
from shared.events.jobs import JobControl, JobRequested
from shared.events.tasks import TaskChanged, TaskState
from shared.ids import derived_id, new_id
from shared.messaging.handler import Again, Outgoing, Refuse, Result, outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from shared.specification.vendor import Vendor
from tests.conftest import DatabaseFor, ReaderFor
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

Handle = Callable[[Transaction, Sequence[Incoming[Any]]], Awaitable[Sequence[Result]]]


def completed(call: dict[str, Any]) -> Outgoing:
    """What the processor tells of a page."""
    event = TaskChanged(
        task_id=call["task_id"],
        job_id=call["job_id"],
        number=call["number"],
        state=TaskState.COMPLETED,
        service="processor",
        records=1,
        distinct=1,
        at=utc_now(),
    )
    return outgoing(TASKS_EVENTS, event.job_id, event)


def ended(call: dict[str, Any], state: TaskState) -> Outgoing:
    """What the fetcher tells of a call that it gave up, in the call's own round."""
    event = TaskChanged(
        task_id=call["task_id"],
        job_id=call["job_id"],
        number=call["number"],
        round=call["round"],
        state=state,
        service="fetcher",
        reason="boom: at the third attempt",
        at=utc_now(),
    )
    return outgoing(TASKS_EVENTS, event.job_id, event)


def counted(state: str) -> float:
    """Jobs that are counted with this end."""
    return REGISTRY.get_sample_value("sluice_jobs_ended_total", {"state": state}) or 0.0


def redrive(job_id: UUID, *task_ids: UUID) -> Outgoing:
    """An order to plan failed tasks again."""
    return outgoing(JOBS_CONTROL, job_id, JobControl(job_id=job_id, action="redrive", task_ids=task_ids))


def requested(job_id: UUID) -> Outgoing:
    """A job of one page."""
    job = JobRequested.model_validate({"url": "https://api.example/items", "id": str(job_id)})
    return outgoing(JOBS_REQUESTED, job_id, job)


def delivered(order: Outgoing, delivery: int) -> Outgoing:
    """The same order as the scheduler sends it again."""
    return replace(order, headers=(*order.headers, (DELIVERY, str(delivery).encode())))


@pytest.mark.parametrize(("action", "state"), [("cancel", "cancelled"), ("pause", "paused")])
async def test_an_order_that_overtakes_its_job_stops_it_before_its_first_call(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    payloads: Path,
    action: Literal["cancel", "pause"],
    state: str,
) -> None:
    fetches, jobs, retries = [await reader_for(one) for one in ("fetch.requested", "jobs.events", "planner.retry")]
    async with running("planner", Settings, build, topics, payloads):
        job_id, other = new_id(), new_id()
        order = outgoing(JOBS_CONTROL, job_id, JobControl(job_id=job_id, action=action))
        await producer.send([order])
        await eventually(lambda: retries.of_type("job_unknown", "reason"), 30)
        await producer.send([requested(job_id)])
        await eventually(lambda: jobs.of_type(str(job_id), "job_id"), 30)
        await producer.send([requested(other)])
        await eventually(lambda: fetches.of_type(str(other), "job_id"), 30)
        await producer.send([delivered(order, 1)])
        [told] = await eventually(lambda: jobs.of_type(state, "state"), 30)
        assert told["job_id"] == str(job_id)
        assert not fetches.of_type(str(job_id), "job_id")
        resume = JobControl(job_id=job_id, action="resume")
        await producer.send([outgoing(JOBS_CONTROL, job_id, resume)])
        if action == "pause":
            await eventually(lambda: fetches.of_type(str(job_id), "job_id"), 30)


async def test_an_order_waits_two_minutes_for_its_job_and_then_becomes_a_dead_letter(database_for: DatabaseFor) -> None:
    database, event = await database_for("planner"), JobControl(job_id=new_id(), action="cancel")
    assert await waited_in_vain(database, event) == ("job_unknown", 128)
    assert await waited_in_vain(database, event, first=delivery_of_replay(1)) == ("job_unknown", 128)
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM early_orders") == 0


async def handled(database: Database, handle: Handle, event: Any, delivery: int = 0) -> list[Result]:
    """What a handler gives back for one event."""
    incoming = Incoming(event, derived_id(repr(event)), delivery, Record(Position("t", 0, 0), None, b"", (), utc_now()))
    async with database.transaction() as tx:
        return list(await handle(tx, [incoming]))


async def waited_in_vain(database: Database, order: JobControl, *, first: int = 0) -> tuple[str, int]:
    """For what an order is given up in the end, and after how many seconds."""
    waited = 0.0
    for delivery in range(first, first + 20):
        [result] = await handled(database, control_jobs, order, delivery)
        if isinstance(result, Refuse):
            return result.reason, round(waited)
        assert isinstance(result, Again)
        waited += result.after_seconds
    return "never", round(waited)


def planned(results: list[Result]) -> list[tuple[UUID, int]]:
    """The tasks that were planned again, and their rounds."""
    sent = [one for one in results if isinstance(one, Outgoing) and one.topic == TASKS_EVENTS.name]
    events = [TaskChanged.model_validate_json(one.value or b"") for one in sent]
    return [(event.task_id, event.round) for event in events if event.state is TaskState.PLANNED]


async def asked_for(database: Database, months: int) -> tuple[UUID, list[UUID]]:
    """A job of so many submits, and their tasks."""
    job_id, inputs = new_id(), [{"month": f"2026-0{number}"} for number in range(1, months + 1)]
    submit = {"method": "POST", "path": "/reports", "json": {"url": "{callback.url}", "month": "{input.month}"}}
    document = {"vendor": "acme", "invoke": {"submit": submit, "deadline": "1h"}, "input": inputs, "id": str(job_id)}
    await handled(
        database, vendors.handle, VendorConfigured(vendor=Vendor(vendor="acme", base_url="https://a.example"))
    )
    await handled(database, accept_jobs, JobRequested.model_validate(document))
    return job_id, [task_id(job_id, number) for number in range(months)]


def died(job_id: UUID, task: UUID, number: int, round: int = 0) -> TaskChanged:
    """What the fetcher tells of a call that it gave up."""
    about = {"task_id": task, "job_id": job_id, "number": number, "round": round}
    return TaskChanged(**about, state=TaskState.DEAD, service="fetcher", reason="boom", at=utc_now())


async def test_a_redrive_that_is_early_waits_for_the_end_of_its_task_in_its_round(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id, [task] = await asked_for(database, 1)
    order = JobControl(job_id=job_id, action="redrive", task_ids=(task,), round=0)
    assert await waited_in_vain(database, order) == ("task_open", 128)
    await handled(database, track_tasks, died(job_id, task, 0))
    assert planned(await handled(database, control_jobs, order, 3)) == [(task, 1)]
    assert await handled(database, control_jobs, order, 4) == []
    later = order.model_copy(update={"round": 1})
    [again] = await handled(database, control_jobs, later)
    assert isinstance(again, Again)
    await handled(database, track_tasks, died(job_id, task, 0, round=1))
    assert await handled(database, control_jobs, order, 5) == []
    assert planned(await handled(database, control_jobs, later, 1)) == [(task, 2)]


async def test_of_several_tasks_to_redrive_each_is_redriven_once_it_has_failed(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id, [first, second] = await asked_for(database, 2)
    await handled(database, track_tasks, died(job_id, first, 0))
    order = JobControl(job_id=job_id, action="redrive", task_ids=(first, second))
    results = await handled(database, control_jobs, order)
    assert planned(results) == [(first, 1)]
    [rest] = [one for one in results if isinstance(one, Outgoing) and one.topic == JOBS_CONTROL.name]
    alone = JobControl.model_validate_json(rest.value or b"")
    assert alone.task_ids == (second,)
    assert isinstance((await handled(database, control_jobs, alone))[0], Again)
    await handled(database, track_tasks, died(job_id, second, 1))
    assert planned(await handled(database, control_jobs, alone, 1)) == [(second, 1)]


async def test_a_paused_job_stays_paused_when_its_tasks_are_redriven(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id, [first, _] = await asked_for(database, 2)
    await handled(database, track_tasks, died(job_id, first, 0))
    await handled(database, control_jobs, JobControl(job_id=job_id, action="pause"))
    assert planned(await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))) == [(first, 1)]
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT state FROM jobs WHERE id = $1", job_id) == "paused"


async def test_results_that_were_cut_off_stay_so_when_another_task_is_redriven(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id, [_, second] = await asked_for(database, 2)
    cut = "results of task 0: page_limit: more than 5 pages"
    async with database.transaction() as tx:
        await tx.execute("UPDATE jobs SET reason = $2 WHERE id = $1", job_id, cut)
    await handled(database, track_tasks, died(job_id, second, 1))
    assert planned(await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))) == [(second, 1)]
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT reason FROM jobs WHERE id = $1", job_id) == cut


async def test_what_has_not_failed_is_not_redriven(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id, [task] = await asked_for(database, 1)
    assert await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive")) == []
    await handled(database, control_jobs, JobControl(job_id=job_id, action="cancel"))
    named = JobControl(job_id=job_id, action="redrive", task_ids=(task,), round=0)
    assert await handled(database, control_jobs, named) == []


async def test_exactly_the_named_tasks_of_a_job_are_redriven(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    fetches, jobs, tasks = [await reader_for(one) for one in ("fetch.requested", "jobs.events", "tasks.events")]
    retries, dead = await reader_for("planner.retry"), await reader_for("planner.dead")
    async with running("planner", Settings, build, topics, payloads):
        job_id = new_id()
        await producer.send([requested(job_id)])
        await eventually(lambda: fetches.of_type("fetch.requested"), within_seconds=30)
        [call] = fetches.of_type("fetch.requested")
        await producer.send([redrive(job_id, UUID(call["task_id"]))])
        await eventually(lambda: retries.of_type("task_open", "reason"), 30)
        await producer.send([ended(call, TaskState.DEAD)])
        [over] = await eventually(lambda: jobs.of_type("failed", "state"), 30)
        assert (over["failures"], over["dead"]) == ([{"reason": "boom", "count": 1}], 1)
        strangers = [new_id(), new_id()]
        await producer.send([redrive(job_id, strangers[0])])
        await eventually(lambda: dead.of_type(str(strangers[0]), "task_id"), 30)
        assert not jobs.of_type("running", "state")
        await producer.send([redrive(job_id, strangers[1], UUID(call["task_id"]))])
        await eventually(lambda: dead.of_type(str(strangers[1]), "task_id"), 30)
        assert [letter["reason"] for letter in dead.values] == ["task_unknown", "task_unknown"]
        await eventually(lambda: len(fetches.of_type("fetch.requested")) == 2, 30)
        again = fetches.of_type("fetch.requested")[1]
        assert (again["task_id"], again["round"]) == (call["task_id"], 1)
        await eventually(lambda: [one["round"] for one in tasks.of_type("planned", "state")] == [0, 1])
        [told] = await eventually(lambda: jobs.of_type("running", "state"))
        assert (told["counts"]["planned"], told["counts"]["failed"]) == (1, 0)


async def test_the_last_calls_of_a_cancelled_job_tell_nothing_after_its_end(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    fetches, jobs = await reader_for("fetch.requested"), await reader_for("jobs.events")
    before = counted("cancelled")
    async with running("planner", Settings, build, topics, payloads):
        cancelled, other = new_id(), new_id()
        await producer.send([requested(job_id) for job_id in (cancelled, other)])
        await eventually(lambda: len(fetches.of_type("fetch.requested")) == 2, within_seconds=30)
        await producer.send([outgoing(JOBS_CONTROL, cancelled, JobControl(job_id=cancelled, action="cancel"))])
        await eventually(lambda: jobs.of_type("cancelled", "state"), 30)
        calls = {call["job_id"]: call for call in fetches.of_type("fetch.requested")}
        await producer.send([completed(calls[str(cancelled)])])
        await producer.send([completed(calls[str(other)])])
        await eventually(lambda: jobs.of_type("failed", "state"), 30)
        told = [value["type"] for value in jobs.values if value["job_id"] == str(cancelled)]
        assert told == ["job.accepted", "job.ended"]
        assert counted("cancelled") == before + 1


def sent(results: list[Result], topic: str) -> list[dict[str, Any]]:
    """The events for a topic."""
    return [orjson.loads(one.value or b"") for one in results if isinstance(one, Outgoing) and one.topic == topic]


async def test_a_job_of_very_many_tasks_is_over_at_once_and_its_tasks_end_block_by_block(
    database_for: DatabaseFor,
) -> None:
    database = await database_for("planner")
    job_id, [submit] = await asked_for(database, 1)
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO tasks (id, job_id, number, vendor, priority, purpose, call, position)
            SELECT gen_random_uuid(), jobs.id, number, jobs.vendor, jobs.priority, 'page', '{}', 0
            FROM jobs, generate_series(1, 11000) AS number""",
        )
        await tx.execute("UPDATE jobs SET planned = 11001, open = 11001")
        await tx.execute("UPDATE tasks SET state = 'waiting', rank = 2, deadline_at = now() WHERE id = $1", submit)
    results = await handled(database, control_jobs, JobControl(job_id=job_id, action="cancel", reason="enough"))
    [over] = sent(results, JOBS_EVENTS.name)
    assert (over["state"], over["reason"], over["counts"]["cancelled"]) == ("cancelled", "enough", 11_001)
    assert [event["task_id"] for event in sent(results, CALLBACKS_EXPECTED.name)] == [str(submit)]
    blocks = [len(sent(results, TASKS_EVENTS.name))]
    while orders := sent(results, JOBS_CONTROL.name):
        results = await handled(database, control_jobs, JobControl.model_validate(orders[0]), len(blocks))
        blocks.append(len(sent(results, TASKS_EVENTS.name)))
        async with database.transaction() as tx:
            await tx.execute("UPDATE tasks SET state = 'released', rank = 1 WHERE number = 11000 AND rank = 0")
        assert sent(results, JOBS_EVENTS.name) == []
    assert blocks == [5_001, 5_000, 999, 1]
    assert await handled(database, control_jobs, JobControl(job_id=job_id, action="cancel")) == []
    async with database.transaction() as tx:
        job = await tx.fetch("SELECT state, reason, open, cancelled FROM jobs")
        assert [tuple(row) for row in job] == [("cancelled", "enough", 0, 11_001)]
        assert await tx.fetchval("SELECT count(*) FROM tasks WHERE state <> 'cancelled'") == 0


async def failed_job(database: Database, tasks: int) -> UUID:
    """A job that is over, and all of whose tasks failed."""
    job_id, _ = await asked_for(database, 1)
    async with database.transaction() as tx:
        await tx.execute(
            """INSERT INTO tasks (id, job_id, number, vendor, priority, purpose, call, position)
            SELECT gen_random_uuid(), jobs.id, number, jobs.vendor, jobs.priority, 'page', '{}', 0
            FROM jobs, generate_series(1, $1 - 1) AS number""",
            tasks,
        )
        await tx.execute("UPDATE tasks SET state = 'dead', rank = 9")
        await tx.execute(
            "UPDATE jobs SET state = 'failed', planned = $1, open = 0, failed = $1, ended_at = now()", tasks
        )
    return job_id


def ends(results: list[Result]) -> list[dict[str, Any]]:
    """The ends of jobs among the events."""
    return [event for event in sent(results, JOBS_EVENTS.name) if event["type"] == "job.ended"]


async def all_but_one_completed(database: Database) -> TaskChanged:
    """All tasks that are planned have been done, but for one, of which this tells that it failed again."""
    async with database.transaction() as tx:
        last = await tx.fetchrow("SELECT id, job_id, number, round FROM tasks WHERE state = 'planned' LIMIT 1")
        assert last is not None
        await tx.execute(
            "UPDATE tasks SET state = 'completed', rank = 9 WHERE state = 'planned' AND id <> $1", last["id"]
        )
        await tx.execute("UPDATE jobs SET completed = completed + open - 1, open = 1")
    return died(last["job_id"], last["id"], last["number"], last["round"])


async def test_failed_tasks_of_a_huge_job_are_planned_again_block_by_block_and_it_is_not_over_before_the_last(
    database_for: DatabaseFor,
) -> None:
    database = await database_for("planner")
    job_id = await failed_job(database, 10_001)
    results = await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    blocks, lefts = [], []
    while orders := sent(results, JOBS_CONTROL.name):
        blocks.append(len(planned(results)))
        lefts += [(event["state"], event["counts"]["failed"]) for event in sent(results, JOBS_EVENTS.name)]
        assert ends(await handled(database, track_tasks, await all_but_one_completed(database))) == []
        [order] = orders
        results = await handled(database, control_jobs, JobControl.model_validate(order))
        assert await handled(database, control_jobs, JobControl.model_validate(order)) == []
    assert [*blocks, len(planned(results))] == [5_000, 5_000, 1]
    assert lefts == [("running", 5_001), ("running", 2)]
    [over] = ends(await handled(database, track_tasks, await all_but_one_completed(database)))
    assert (over["counts"]["completed"], over["counts"]["failed"]) == (9_998, 3)
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM tasks WHERE round <> 1") == 0


async def test_a_job_whose_last_block_is_empty_is_over_with_it(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id = await failed_job(database, 5_000)
    results = await handled(database, control_jobs, JobControl(job_id=job_id, action="redrive"))
    [order] = sent(results, JOBS_CONTROL.name)
    assert ends(await handled(database, track_tasks, await all_but_one_completed(database))) == []
    results = await handled(database, control_jobs, JobControl.model_validate(order))
    [over] = ends(results)
    assert (over["state"], over["failures"], len(results)) == ("failed", [{"reason": "boom", "count": 1}], 1)


async def test_another_redrive_begins_anew_and_goes_on_instead_of_the_one_before(database_for: DatabaseFor) -> None:
    database = await database_for("planner")
    job_id = await failed_job(database, 5_001)
    redrive_all = JobControl(job_id=job_id, action="redrive")
    [first] = sent(await handled(database, control_jobs, redrive_all), JOBS_CONTROL.name)
    await handled(database, track_tasks, await all_but_one_completed(database))
    results = await handled(database, control_jobs, redrive_all)
    assert (sorted(round for _, round in planned(results)), sent(results, JOBS_CONTROL.name)) == ([1, 2], [])
    assert await handled(database, control_jobs, JobControl.model_validate(first)) == []
