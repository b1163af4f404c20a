"""jobs.events → what the API shows of a job, when they come late or in another order."""

import re
from datetime import timedelta
from uuid import UUID

import pytest

from services.callback_gateway.views.handler import view_jobs
from shared.errors import Problem
from shared.events.jobs import JobAccepted, JobCounts, JobEnded, JobProgressed, JobRejected, JobState
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.job_events import BEGAN, incoming


async def test_a_redriven_job_is_open_again(database_for: DatabaseFor) -> None:
    database = await database_for("callback-gateway")
    job_id, counts = new_id(), JobCounts(planned=2, completed=1, failed=1)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    state = JobState.COMPLETED_WITH_FAILURES
    ended = JobEnded(job_id=job_id, state=state, reason="r", counts=counts, at=BEGAN + timedelta(seconds=2))
    late = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(), at=BEGAN + timedelta(seconds=1))
    again = late.model_copy(update={"at": BEGAN + timedelta(seconds=3)})
    seen = []
    for event in (accepted, ended, late, again):
        async with database.transaction() as tx:
            await view_jobs(tx, [incoming(event)])
            seen.append(await tx.fetchval("SELECT state FROM jobs WHERE id = $1", job_id))
    assert seen == ["accepted", state.value, state.value, "running"]


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_the_end_of_an_earlier_round_that_comes_late_does_not_end_a_redriven_job(edge: Served, size: int) -> None:
    """Who was to tell of it died between its commit and its send; a redrive was told of before another did that."""
    job_id = new_id()
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(
        job_id=job_id, state=JobState.FAILED, reason="r", counts=JobCounts(), at=BEGAN + timedelta(seconds=1)
    )
    redriven = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(), at=BEGAN + timedelta(seconds=2))
    over = ended.model_copy(update={"state": JobState.COMPLETED, "at": BEGAN + timedelta(seconds=3)})
    events = [accepted, redriven, ended]
    for start in range(0, len(events), size):
        async with edge.database.transaction() as tx:
            await view_jobs(tx, [incoming(event) for event in events[start : start + size]])
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["status"] == "running"
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(over)])
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["status"] == "completed"


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_progress_that_was_overtaken_by_the_end_of_its_job_is_no_news(edge: Served, size: int) -> None:
    job_id, later = new_id(), BEGAN + timedelta(seconds=1)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.CANCELLED, reason="r", counts=JobCounts(), at=later)
    overtaken = JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=JobCounts(), at=BEGAN)
    events = [accepted, ended, overtaken]
    for start in range(0, len(events), size):
        async with edge.database.transaction() as tx:
            await view_jobs(tx, [incoming(event) for event in events[start : start + size]])
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["status"] == "cancelled"
    followed = (await edge.http.get(f"/jobs/{job_id}/events", timeout=30)).text
    assert re.findall("event: (.*)", followed) == ["job.accepted", "job.cancelled"]


async def test_a_job_whose_end_is_told_before_its_beginning_is_over(database_for: DatabaseFor) -> None:
    """A planner died between its commit and its messages, and another one was done sooner than it was replaced."""
    database = await database_for("callback-gateway")
    job_id, counts = new_id(), JobCounts(planned=1, completed=1, records=7, distinct=7)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    later = BEGAN + timedelta(seconds=1)
    ended = JobEnded(job_id=job_id, state=JobState.COMPLETED, reason="", counts=counts, at=later)
    for event in (ended, accepted):
        async with database.transaction() as tx:
            await view_jobs(tx, [incoming(event)])
    async with database.transaction() as tx:
        row = await tx.fetchrow("SELECT state, vendor, records, ended_at FROM jobs WHERE id = $1", job_id)
    assert row is not None
    assert tuple(row) == ("completed", "v", 7, later)


async def test_a_rejected_job_that_is_sent_again_is_open_and_has_no_mistakes(database_for: DatabaseFor) -> None:
    database = await database_for("callback-gateway")
    job_id = new_id()
    rejected = JobRejected(job_id=job_id, mistakes=(Problem("/source", "?"),), at=BEGAN)
    later = BEGAN + timedelta(seconds=1)
    accepted = JobAccepted(job_id=job_id, kind="invoke", vendor="v", source="s", specification={}, at=later)
    seen = []
    for event in (rejected, accepted):
        async with database.transaction() as tx:
            await view_jobs(tx, [incoming(event)])
            row = await tx.fetchrow("SELECT state, ended_at, reason, mistakes FROM jobs WHERE id = $1", job_id)
        assert row is not None
        seen.append((row["state"], row["ended_at"], bool(row["reason"]), bool(row["mistakes"])))
    assert seen == [("rejected", BEGAN, True, True), ("accepted", None, False, False)]


async def test_what_is_told_after_the_end_leaves_a_job_over(database_for: DatabaseFor) -> None:
    database = await database_for("callback-gateway")
    job_id, later = new_id(), BEGAN + timedelta(seconds=1)
    accepted = JobAccepted(job_id=job_id, kind="poll", vendor="v", source="s", specification={}, at=BEGAN)
    ended = JobEnded(job_id=job_id, state=JobState.CANCELLED, reason="r", counts=JobCounts(), at=BEGAN)
    after = JobProgressed(job_id=job_id, state=JobState.CANCELLED, counts=JobCounts(), at=later)
    async with database.transaction() as tx:
        await view_jobs(tx, [incoming(event) for event in (accepted, ended, after)])
        row = await tx.fetchrow("SELECT state, ended_at FROM jobs WHERE id = $1", job_id)
    assert row is not None
    assert tuple(row) == ("cancelled", BEGAN)


@pytest.mark.parametrize("size", [1, 2])
async def test_what_was_said_first_does_not_undo_a_pause(edge: Served, size: int) -> None:
    """Who said it died before it was produced; the ledger has kept it."""
    job_id = UUID((await edge.http.post("/jobs", json={"url": "https://a.example"})).json()["id"])
    told = [
        JobProgressed(job_id=job_id, state=state, counts=JobCounts(planned=3), at=BEGAN + timedelta(seconds=second))
        for second, state in ((1, JobState.PAUSED), (0, JobState.RUNNING))
    ]
    for start in range(0, len(told), size):
        async with edge.database.transaction() as tx:
            await view_jobs(tx, [incoming(event) for event in told[start : start + size]])
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["status"] == "paused"
    resumed = told[0].model_copy(update={"state": JobState.RUNNING, "at": BEGAN + timedelta(seconds=2)})
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(resumed)])
    assert (await edge.http.get(f"/jobs/{job_id}")).json()["status"] == "running"
