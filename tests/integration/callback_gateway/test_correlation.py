"""Jobs are shown with their correlation ids, and found by them."""

from typing import Any
from uuid import UUID

import pytest
import structlog.testing

from services.callback_gateway.views.handler import view_jobs
from shared.errors import Problem
from shared.events.jobs import JobAccepted, JobRejected
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.integration.callback_gateway.callbacks import expected, received, run
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.job_events import BEGAN, incoming


def accepted(correlation_id: UUID | None) -> JobAccepted:
    return JobAccepted(
        job_id=new_id(),
        correlation_id=correlation_id,
        kind="poll",
        vendor="acme",
        source="items",
        specification={},
        at=BEGAN,
    )


async def test_all_jobs_with_a_correlation_id_are_found_a_page_at_a_time(edge: Served) -> None:
    correlation_id = new_id()
    ours = [accepted(correlation_id) for _ in range(3)]
    others = [accepted(None), accepted(new_id())]
    rejected = JobRejected(
        job_id=new_id(), correlation_id=correlation_id, mistakes=(Problem("/url", "no URL"),), at=BEGAN
    )
    events: list[Any] = [*ours, *others, rejected]
    async with edge.database.transaction() as tx:
        await view_jobs(tx, [incoming(event) for event in events])

    async def found(query: str) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = []
        while query:
            answer = await edge.http.get(f"/jobs?{query}")
            jobs += answer.json()["jobs"]
            query = answer.links["next"]["url"].partition("?")[2] if "next" in answer.links else ""
        return jobs

    jobs = await found(f"correlation_id={correlation_id}&limit=2")
    assert {job["id"] for job in jobs} == {str(rejected.job_id), *(str(event.job_id) for event in ours)}
    assert len(jobs) == 4
    assert {job["correlation_id"] for job in jobs} == {str(correlation_id)}
    assert [job["id"] for job in await found(f"correlation_id={correlation_id}&status=rejected")] == [
        str(rejected.job_id)
    ]
    [one] = [job for job in await found("limit=100") if job["id"] == str(others[0].job_id)]
    assert "correlation_id" not in one
    assert (await edge.http.get("/jobs?correlation_id=nightly")).status_code == 422


async def test_a_job_is_asked_for_with_one(edge: Served) -> None:
    document = {"url": "https://a.example"}
    assert (await edge.http.post("/jobs", json={**document, "correlation_id": str(new_id())})).status_code == 202
    refused = await edge.http.post("/jobs", json={**document, "correlation_id": "nightly"})
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/correlation_id"]


@pytest.mark.parametrize("correlation_id", [new_id(), None])
async def test_what_a_callback_reports_names_the_job_and_what_it_was_asked_for_with(
    database_for: DatabaseFor, correlation_id: UUID | None
) -> None:
    task_id = new_id()
    waits = expected(task_id, correlation_id=correlation_id)
    with structlog.testing.capture_logs() as lines:
        [told] = await run(await database_for("callback-gateway"), waits, received(task_id))
    [line] = [line for line in lines if line["event"] == "callback.accepted"]
    assert (line["job_id"], line["task_id"]) == (told["job_id"], told["task_id"])
    found = str(correlation_id) if correlation_id else None
    assert (line.get("correlation_id"), told.get("correlation_id")) == (found, found)
