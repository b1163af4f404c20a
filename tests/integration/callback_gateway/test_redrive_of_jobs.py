"""Dead letters of a task's earlier rounds and of jobs that are over, and who follows a job that is redriven."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.callback_gateway.http.routes import events
from services.callback_gateway.redrive import store
from services.callback_gateway.views.handler import view_jobs, view_tasks
from shared.database.pool import Database
from shared.events.jobs import JobAccepted, JobCounts, JobEnded, JobProgressed, JobState
from shared.events.tasks import TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.producer import Producer
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of_task, listed
from tests.integration.callback_gateway.job_events import BEGAN, incoming
from tests.integration.callback_gateway.outages import redrive_of
from tests.support.stack import Place


async def test_a_task_that_was_planned_again_leaves_no_open_letter(edge: Served) -> None:
    job_id, task_id = new_id(), new_id()
    first = letter_of_task(job_id, task_id)
    await keep(edge.database, first)
    again = TaskChanged(
        task_id=task_id, job_id=job_id, number=0, round=1, state=TaskState.PLANNED, service="planner", at=BEGAN
    )
    async with edge.database.transaction() as tx:
        await view_tasks(tx, [incoming(again)])
    assert await listed(edge.http, state="open") == []
    await keep(edge.database, first)
    [current] = await keep(edge.database, letter_of_task(job_id, task_id, round=1))
    assert await listed(edge.http, state="open") == [current]


async def test_a_letter_whose_task_was_planned_again_before_its_turn_is_not_sent(edge: Served) -> None:
    """Its order would be for a round that is over."""
    job_id, task_id = new_id(), new_id()
    [waits] = await keep(edge.database, letter_of_task(job_id, task_id))
    assert (await edge.http.post(f"/dead-letters/{waits}/redrive")).status_code == 202
    again = TaskChanged(
        task_id=task_id, job_id=job_id, number=0, round=1, state=TaskState.PLANNED, service="planner", at=BEGAN
    )
    async with edge.database.transaction() as tx:
        await view_tasks(tx, [incoming(again)])
        assert await store.claim_due(tx, 10, 2**20, late_seconds=10) == []
    assert await listed(edge.http, state="redriven") == [waits]


async def test_nothing_of_a_cancelled_job_is_redriven(edge: Served) -> None:
    job_id = new_id()
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.CANCELLED, reason="", counts=JobCounts(failed=1), at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(accepted), incoming(ended)])
    [letter_id] = await keep(edge.database, letter_of_task(job_id, new_id()))
    answer = await edge.http.post(f"/dead-letters/{letter_id}/redrive")
    assert (answer.status_code, answer.json()["detail"]) == (409, "its job is cancelled")


async def test_who_follows_a_redriven_job_does_not_see_its_earlier_end_as_the_last_word(edge: Served) -> None:
    job_id, counts = new_id(), JobCounts(planned=1, failed=1)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.FAILED, reason="r", counts=counts, at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(accepted), incoming(ended)])
    assert (await edge.http.get(f"/jobs/{job_id}/events")).text.count("event: ") == 2
    assert (await edge.http.post(f"/jobs/{job_id}/redrive")).status_code == 202
    seen = b""
    async with edge.http.stream("GET", f"/jobs/{job_id}/events") as answer:
        async for chunk in answer.aiter_bytes():
            seen += chunk
            if b"job.failed" in seen and b"job.completed" not in seen:
                await _go_on(edge.database, job_id)
    assert seen.count(b"event: job.progressed") == 1
    assert seen.count(b"event: job.completed") == 1


async def test_a_stream_does_not_end_while_a_letter_of_its_job_waits_for_its_turn(
    edge: Served, topics: Place, payloads: Path, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn may come long after the order. Once the letter is sent, the planner has a while to act on it."""
    monkeypatch.setattr(events, "_KEEP_ALIVE_SECONDS", 0.1)
    job_id, counts = new_id(), JobCounts(planned=1, failed=1)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.FAILED, reason="r", counts=counts, at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(accepted), incoming(ended)])
    await keep(edge.database, letter_of_task(job_id, new_id(), prefix=topics.prefix))
    order = {"filter": {"job_id": str(job_id)}, "rate": 0.01}
    assert (await edge.http.post("/dead-letters/redrive", json=order)).status_code == 202
    monkeypatch.setattr(events, "_REDRIVE_SECONDS", 0.0)
    place, last = f"/jobs/{job_id}/events", {"Last-Event-ID": "999999"}
    async with edge.http.stream("GET", place, headers=last) as answer:
        assert answer.status_code == 200
        assert b"still here" in await anext(answer.aiter_bytes())
    monkeypatch.setattr(events, "_REDRIVE_SECONDS", 600.0)
    await redrive_of(topics, payloads, edge.database, producer).step()
    assert await listed(edge.http, state="redriving") == []
    async with edge.http.stream("GET", place, headers=last) as answer:
        assert answer.status_code == 200
    monkeypatch.setattr(events, "_REDRIVE_SECONDS", 0.0)
    assert (await edge.http.get(place, headers=last)).status_code == 204


async def _go_on(database: Database, job_id: UUID) -> None:
    at, counts = BEGAN + timedelta(seconds=1), JobCounts(planned=1, completed=1)
    running = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(planned=1), at=at)
    ended = JobEnded(job_id=job_id, state=JobState.COMPLETED, reason="", counts=counts, at=at + timedelta(seconds=1))
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(running)])
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(ended)])
