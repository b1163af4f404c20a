"""Asynchronous vendor jobs through five processes: submitted within the contract, called back in every manner, their
results fetched, each record once."""

from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, cluster
from tests.eventually import eventually
from tests.reports import Report, Reports
from tests.stack import Place

OUTCOME = {
    "done": "body.status == 'succeeded'",
    "failed": "body.status == 'failed'",
    "progress": "body.status == 'running'",
}
INVOKE: dict[str, Any] = {
    "submit": {
        "method": "POST",
        "path": "/reports",
        "json": {"month": "{input.month}", "callback_url": "{callback.url}"},
    },
    "vendor_job": "body.id",
    "deadline": "2m",
    "results": {
        "request": {"path": "/reports/{vendor_job}/rows"},
        "pages": {"style": "cursor", "next": "body.next", "into": {"query": "cursor"}},
    },
    "abort": {"method": "DELETE", "path": "/reports/{vendor_job}"},
    "records": {"select": "body.rows[]", "key": "id"},
}


async def apply(running: Cluster, reports: Reports, **callbacks: Any) -> None:
    """Configure the vendor `acme` that lives in this test."""
    document = {
        "vendor": "acme",
        "base_url": reports.url,
        "network": {"private_addresses": "allow"},
        "callbacks": {"outcome": OUTCOME, **callbacks},
        "retry": {"attempts": 3, "backoff": {"base": "50ms", "cap": "200ms"}},
    }
    answer = await running.http.put(f"{running.gateway}/vendors/acme", json=document)
    assert answer.status_code in (200, 201), answer.text


async def invoke(running: Cluster, inputs: list[dict[str, Any]], table: str = "reports", **invoke: Any) -> str:
    document = {"vendor": "acme", "invoke": {**INVOKE, **invoke}, "input": inputs}
    return await running.submit({**document, "sinks": [{"type": "postgres", "table": table}]})


async def tasks(running: Cluster, job_id: str) -> list[dict[str, Any]]:
    answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/tasks")
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


async def callbacks(running: Cluster, job_id: str) -> list[tuple[str, str]]:
    answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/callbacks")
    return sorted((one["told"], one["verdict"]) for one in answer.json()["callbacks"])


@pytest.mark.timeout(300)
async def test_vendor_jobs_are_done_however_their_callbacks_come(topics: Place, tmp_path: Path) -> None:
    async def on_submit(reports: Reports, report: Report) -> None:
        if report.input["month"] == "early":
            assert await reports.call_back(report, "succeeded") == 202

    async with Reports(on_submit) as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports)
        job_id = await invoke(running, [{"month": "early"}, {"month": "twice"}, {"month": "failed"}])
        await eventually(lambda: len(reports.reports) == 3, 30)

        async def known() -> bool:
            waiting = [task for task in await tasks(running, job_id) if task["vendor_job"]]
            return len(waiting) == 3

        await eventually(known, 20)
        by_month = {report.input["month"]: report for report in reports.reports.values()}
        await reports.call_back(by_month["twice"], "running")
        assert await reports.call_back(by_month["twice"], "succeeded") == 202
        assert await reports.call_back(by_month["twice"], "succeeded") == 202
        await reports.call_back(by_month["failed"], "failed")
        job = await running.ended(job_id)
        assert (job["kind"], job["status"], job["records"], job["distinct"]) == ("invoke", "failed", 10, 10), job
        assert job["reason"] == "1 of 9 tasks failed"
        assert reports.submits == 3
        rows = await running.records("reports")
        assert {row["key"] for row in rows} == {
            f"{by_month[month].id}-{number}" for month in ("early", "twice") for number in range(5)
        }

        async def judged() -> bool:
            return await callbacks(running, job_id) == [
                ("done", "accepted"),
                ("done", "accepted"),
                ("done", "duplicate"),
                ("failed", "accepted"),
                ("progress", "accepted"),
            ]

        await eventually(judged)
        assert await running.dead_letters() == []
