"""jobs.control → what becomes of a job and its tasks."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest

from services.planner.app import build
from services.planner.control.handler import control_jobs
from services.planner.settings import Settings
from shared.events.catalogue import JOBS_CONTROL, JOBS_REQUESTED, TASKS_EVENTS
from shared.events.envelope import DELIVERY, Incoming, Position, Record
from shared.events.jobs import JobControl, JobRequested
from shared.events.tasks import TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.handler import Again, Outgoing, Refuse, outgoing
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.eventually import eventually
from tests.running import running
from tests.stack import Place


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
    order_id, waited = new_id(), 0.0
    for delivery in range(20):
        incoming = Incoming(event, order_id, delivery, Record(Position("t", 0, 0), None, b"", (), utc_now()))
        async with database.transaction() as tx:
            [result] = await control_jobs(tx, [incoming])
        if not isinstance(result, Again):
            break
        waited += result.after_seconds
    assert isinstance(result, Refuse)
    assert (result.reason, round(waited)) == ("job_unknown", 128)
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT count(*) FROM early_orders") == 0


async def test_exactly_the_named_tasks_of_a_job_are_redriven(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path
) -> None:
    fetches, jobs, tasks = [await reader_for(one) for one in ("fetch.requested", "jobs.events", "tasks.events")]
    retries = await reader_for("planner.retry")
    async with running("planner", Settings, build, topics, payloads):
        job_id = new_id()
        job = JobRequested.model_validate({"url": "https://api.example/items", "id": str(job_id)})
        await producer.send([outgoing(JOBS_REQUESTED, job_id, job)])
        await eventually(lambda: fetches.of_type("fetch.requested"), within_seconds=30)
        [call] = fetches.of_type("fetch.requested")
        await producer.send([redrive(job_id, UUID(call["task_id"]))])
        await eventually(lambda: retries.of_type("task_open", "reason"), 30)
        await producer.send([ended(call, TaskState.DEAD)])
        [over] = await eventually(lambda: jobs.of_type("failed", "state"), 30)
        assert over["failures"] == [{"reason": "boom", "count": 1}]
        await producer.send([redrive(job_id, new_id())])
        await eventually(lambda: len(retries.of_type("task_open", "reason")) == 2, 30)
        assert not jobs.of_type("running", "state")
        await producer.send([redrive(job_id, new_id(), UUID(call["task_id"]))])
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
    async with running("planner", Settings, build, topics, payloads):
        cancelled, other = new_id(), new_id()
        for job_id in (cancelled, other):
            job = JobRequested.model_validate({"url": "https://api.example/items", "id": str(job_id)})
            await producer.send([outgoing(JOBS_REQUESTED, job_id, job)])
        await eventually(lambda: len(fetches.of_type("fetch.requested")) == 2, within_seconds=30)
        await producer.send([outgoing(JOBS_CONTROL, cancelled, JobControl(job_id=cancelled, action="cancel"))])
        await eventually(lambda: jobs.of_type("cancelled", "state"), 30)
        calls = {call["job_id"]: call for call in fetches.of_type("fetch.requested")}
        await producer.send([completed(calls[str(cancelled)])])
        await producer.send([completed(calls[str(other)])])
        await eventually(lambda: jobs.of_type("failed", "state"), 30)
        told = [value["type"] for value in jobs.values if value["job_id"] == str(cancelled)]
        assert told == ["job.accepted", "job.ended"]
