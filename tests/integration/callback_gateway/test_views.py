"""tasks.events, jobs.events, dead letters → what the API shows, however they come."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.callback_gateway.http import store
from services.callback_gateway.views.handler import view_jobs, view_tasks
from shared.database.pool import Database
from shared.errors import Problem
from shared.events.catalogue import DEAD, JOBS_EVENTS
from shared.events.dead_letters import DeadLetter, Original
from shared.events.envelope import Event, Position, Record
from shared.events.jobs import (
    FailureCount,
    JobAccepted,
    JobCounts,
    JobEnded,
    JobPlanned,
    JobProgressed,
    JobRejected,
    JobState,
)
from shared.events.tasks import Attempt, TaskChanged, TaskState
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.job_events import BEGAN, incoming
from tests.support.eventually import eventually

WAY = ("planned", "released", "started", "retrying", "started", "stored", "enqueued", "completed")


def way_of(job_id: UUID, number: int, *, round: int = 0, end: str = "completed") -> list[TaskChanged]:
    """Every event of one task, in order."""
    task_id = UUID(int=job_id.int + number + 1)
    events = []
    for step, state in enumerate((*WAY[:-1], end)):
        at = BEGAN + timedelta(seconds=round * 100 + step)
        attempt = None
        if state in ("retrying", "stored"):
            attempt = Attempt(attempt=step, started_at=at, seconds=0.1, verdict=state)
        records = 10 if state == "completed" else None
        events.append(
            TaskChanged(
                task_id=task_id,
                job_id=job_id,
                number=number,
                round=round,
                state=TaskState(state),
                service="fetcher",
                at=at,
                attempt=attempt,
                records=records,
                vendor_job=f"r{round}" if state == "started" else None,
                reason="boom: x" if end == "failed" and state == end else "",
            )
        )
    return events


async def apply(database: Database, events: list[TaskChanged], *, size: int) -> None:
    for start in range(0, len(events), size):
        async with database.transaction() as tx:
            await view_tasks(tx, [incoming(event) for event in events[start : start + size]])


async def test_shuffled_task_events_end_where_ordered_ones_do(edge: Served) -> None:
    job_id = UUID((await edge.http.post("/jobs", json={"url": "https://a.example"})).json()["id"])
    events = [event for n in range(20) for event in way_of(job_id, n, end="failed" if n < 3 else "completed")]
    events += way_of(job_id, 0, round=1)
    random.Random(7).shuffle(events)
    await apply(edge.database, events, size=13)
    job = (await edge.http.get(f"/jobs/{job_id}")).json()
    assert job["counts"] == {"completed": 18, "failed": 2}
    assert job["failures"] == [{"reason": "boom", "count": 2}]
    tasks = (await edge.http.get(f"/jobs/{job_id}/tasks", params={"limit": 15})).json()
    assert [task["number"] for task in tasks["tasks"]] == list(range(15))
    first, second = tasks["tasks"][0], tasks["tasks"][1]
    assert (first["round"], first["state"], len(first["attempts"])) == (1, "completed", 4)
    assert (first["vendor_job"], second["vendor_job"]) == ("r1", "r0")
    assert (second["round"], second["state"], second["reason"]) == (0, "failed", "boom: x")
    assert [attempt["verdict"] for attempt in second["attempts"]] == ["retrying", "stored"]
    rest = (await edge.http.get(f"/jobs/{job_id}/tasks", params={"after": tasks["next"], "state": "completed"})).json()
    assert [task["number"] for task in rest["tasks"]] == list(range(15, 20))


async def test_a_job_that_is_over_has_its_failures_before_its_tasks_are_seen(edge: Served) -> None:
    job_id, counts = UUID((await edge.http.post("/jobs", json={"url": "https://a.example"})).json()["id"]), JobCounts()
    failures = (FailureCount(reason="boom", count=3),)
    ended = JobEnded(job_id=job_id, state=JobState.FAILED, reason="r", counts=counts, failures=failures, at=BEGAN)
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(ended)])
    told = [{"reason": "boom", "count": 3}]
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["failures"] == told
    assert [job["failures"] for job in (await edge.http.get("/jobs")).json()["jobs"]] == [told]
    again = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=counts, at=BEGAN + timedelta(seconds=1))
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(again)])
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["failures"] == []


async def test_attempts_do_not_grow_for_ever(edge: Served) -> None:
    job_id = UUID((await edge.http.post("/jobs", json={"url": "https://a.example"})).json()["id"])
    await apply(edge.database, way_of(job_id, 0) * 100, size=80)
    [task] = (await edge.http.get(f"/jobs/{job_id}/tasks")).json()["tasks"]
    assert len(task["attempts"]) == 100


async def test_a_job_with_characters_that_postgres_has_not_is_shown(database_for: DatabaseFor) -> None:
    database = await database_for("callback-gateway")
    job_id = new_id()
    events: list[Event] = [
        JobAccepted(
            job_id=job_id,
            kind="poll",
            vendor="v",
            source="s",
            specification={"nul": "\0", "long": 10**40},
            at=BEGAN,
        ),
        JobRejected(job_id=new_id(), mistakes=(Problem("/\0", "\0"),), at=BEGAN),
        JobPlanned(job_id=job_id, tasks=3, records=30, note="\0", at=BEGAN),
    ]
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(event) for event in events])
        row = await tx.fetchrow("SELECT state, planned, note FROM jobs WHERE id = $1", job_id)
    assert row is not None
    assert tuple(row) == ("accepted", 3, "\ufffd")


async def test_only_the_latest_events_of_a_job_are_kept(database_for: DatabaseFor) -> None:
    database = await database_for("callback-gateway")
    events = [JobPlanned(job_id=UUID(int=1), tasks=number, at=BEGAN) for number in range(1200)]
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(event) for event in events])
        assert await tx.fetchval("SELECT count(*) FROM job_events") == 1000
        assert await tx.fetchval("SELECT min((data ->> 'tasks')::integer) FROM job_events") == 200


async def test_a_pause_does_not_slow_down_what_is_told_of_a_jobs_end(database_for: DatabaseFor) -> None:
    """A hundred tasks in a hundred seconds, an hour of pause, and again; both at one a second."""
    database, job_id = await database_for("callback-gateway"), new_id()
    runs, paused = JobState.RUNNING, JobState.PAUSED
    told = [(0, runs, 0), (100, runs, 100), (101, paused, 100), (3700, runs, 100), (3800, runs, 200)]
    events: list[Event] = [JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)]
    for seconds, state, completed in told:
        counts, at = JobCounts(planned=400, completed=completed), BEGAN + timedelta(seconds=seconds)
        events.append(JobProgressed(job_id=job_id, state=state, counts=counts, at=at))
    for event in events:
        async with database.transaction() as tx:
            await view_jobs(tx, [incoming(event)])
    async with database.transaction() as tx:
        row = await store.find_job(tx, job_id)
    assert row is not None
    assert row["lately_done"] / row["lately_seconds"] == pytest.approx(1, rel=0.01)
    assert row["lately_done"] < 200


async def test_a_job_may_stand_still_for_ever(database_for: DatabaseFor) -> None:
    """What it did lately becomes less than numbers can hold."""
    database, job_id = await database_for("callback-gateway"), new_id()
    async with database.transaction() as tx:
        wanted = "INSERT INTO jobs (id, state, reported_at, lately_done) VALUES ($1, 'running', $2, '1e-321'::float8)"
        await tx.execute(wanted, job_id, BEGAN)
        later = BEGAN + timedelta(days=30)
        event = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(), at=later)
        await view_jobs(tx, [incoming(event)])
        assert await tx.fetchval("SELECT reported_at FROM jobs WHERE id = $1", job_id) == later


async def test_a_job_is_told_with_its_sinks_and_how_far_it_is(edge: Served) -> None:
    job_id = new_id()
    sinks = [{"type": "postgres", "table": "orders"}, {"type": "topic"}]
    specification = {"vendor": "v", "output": {"sinks": sinks}}
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification=specification, at=BEGAN)
    found = JobPlanned(job_id=job_id, tasks=2, all_known=False, note="paging detected: cursor", at=BEGAN)
    counts = JobCounts(planned=4, completed=3)
    moved = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=counts, at=BEGAN)
    last = JobPlanned(job_id=job_id, tasks=4, at=BEGAN)
    shares = []
    for event in (accepted, found, moved, last, found):
        async with edge.database.transaction() as tx:
            await view_jobs(tx, [incoming(event)])
        job = (await edge.http.get(f"/jobs/{job_id}")).json()
        shares.append(job["percent"])
    assert shares == [None, None, None, 75.0, 75.0]
    assert job["sinks"] == sinks


async def test_dead_letters_and_jobs_come_from_their_topics(gateway: httpx.AsyncClient, producer: Producer) -> None:
    job_id, letter_id = new_id(), new_id()
    original = Original.of(Record(Position("x", 1, 2), b"k", b'{"a": \xff}', (("h", b"v"),), BEGAN))
    letter = DeadLetter(
        service="planner",
        group="sluice.planner.accept",
        event_id=new_id(),
        delivery=2,
        reason="bug",
        error="it broke\0",
        history=("once",),
        job_id=job_id,
        at=BEGAN,
        original=original,
    )
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    broken = letter.model_copy(update={"original": original.model_copy(update={"value": "?"})})
    await producer.send(
        [
            outgoing(JOBS_EVENTS, job_id, accepted),
            outgoing(DEAD["planner"], "k", letter, id=letter_id),
            outgoing(DEAD["fetcher"], "k", broken),
        ]
    )
    await eventually(lambda: _status(gateway, job_id), 30)
    found = await eventually(lambda: _letters(gateway), 30)
    brief = next(one for one in found if one["id"] == str(letter_id))
    assert (brief["reason"], brief["error"], brief["delivery"]) == ("bug", "it broke\ufffd", 2)
    whole = (await gateway.get(f"/dead-letters/{letter_id}")).json()
    assert (whole["history"], whole["attempts"], whole["trace_id"]) == (["once"], 3, job_id.hex)
    assert (whole["original"]["key"], whole["original"]["value"], whole["original"]["headers"]) == (
        "k",
        None,
        [["h", "v"]],
    )
    for one in found:
        assert (await gateway.get(f"/dead-letters/{one['id']}")).status_code == 200


async def _letters(gateway: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await gateway.get("/dead-letters")).json()["dead_letters"]
    return found if len(found) == 2 else []


async def _status(gateway: httpx.AsyncClient, job_id: UUID) -> bool:
    return bool((await gateway.get(f"/jobs/{job_id}")).json()["status"] == "accepted")


async def test_a_look_at_a_large_job_that_runs_does_not_read_its_tasks(edge: Served) -> None:
    job_id = new_id()
    async with edge.database.transaction() as tx:
        await tx.execute(
            """INSERT INTO jobs (id, state, kind, planned, completed, failed, cancelled)
            VALUES ($1, 'running', 'poll', 200000, 120000, 7, 1)""",
            job_id,
        )
        await tx.execute(
            """INSERT INTO tasks (id, job_id, number, round, state, rank, reason, attempts, times)
            SELECT gen_random_uuid(), $1, number, 0, 'started', 2, '', '[]', '{}'
            FROM generate_series(1, 20000) AS number""",
            job_id,
        )
    async with edge.database.transaction() as tx:
        row = await store.find_job(tx, job_id)
        assert row is not None
        assert await store.count_tasks(tx, row) == {"completed": 120_000, "failed": 7, "cancelled": 1, "open": 79_992}
        assert await store.count_failures(tx, row) == []
        read = await tx.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'tasks'::regclass"
        )
    assert read == 0
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["counts"]["open"] == 79_992
