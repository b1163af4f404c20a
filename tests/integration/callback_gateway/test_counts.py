"""The counts of a job: which states they keep apart, while it runs and after its end."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.callback_gateway.views.handler import view_jobs
from shared.events.jobs import JobCounts, JobEnded, JobProgressed, JobState
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.job_events import BEGAN, incoming

ENDS = {"completed": 4, "dead": 2, "expired": 1, "failed": 3}


async def move(edge: Served, event: JobProgressed | JobEnded) -> None:
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(event)])


async def shown(edge: Served, job_id: UUID) -> tuple[dict[str, int], dict[str, int]]:
    """The counts of a job alone and in the list."""
    jobs: list[dict[str, Any]] = (await edge.http.get("/jobs")).json()["jobs"]
    alone = (await edge.http.get(f"/jobs/{job_id}")).json()["counts"]
    return alone, next(job["counts"] for job in jobs if job["id"] == str(job_id))


async def test_a_job_that_is_over_keeps_failed_dead_and_expired_tasks_apart(edge: Served) -> None:
    job_id = UUID((await edge.http.post("/jobs", json={"url": "https://a.example"})).json()["id"])
    counts = JobCounts(planned=10, completed=4, failed=6)
    end = JobEnded(job_id=job_id, state=JobState.FAILED, reason="r", counts=counts, dead=2, expired=1, at=BEGAN)
    await move(edge, end)
    assert await shown(edge, job_id) == (ENDS, ENDS)


async def test_the_list_counts_the_open_tasks_of_a_job_that_runs(edge: Served) -> None:
    job_id = UUID((await edge.http.post("/jobs", json={"url": "https://a.example"})).json()["id"])
    counts, at = JobCounts(planned=100, completed=40, failed=3), BEGAN + timedelta(seconds=1)
    await move(edge, JobProgressed(job_id=job_id, state=JobState.RUNNING, counts=counts, at=at))
    told = {"completed": 40, "failed": 3, "open": 57}
    assert await shown(edge, job_id) == (told, told)
