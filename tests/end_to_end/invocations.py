"""Jobs that let the vendor of these tests do its own jobs, and what the gateway shows of them."""

from typing import Any

from tests.support.cluster import Cluster
from tests.support.reports import Reports

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


async def apply(running: Cluster, reports: Reports, *, in_flight: int = 20, **callbacks: Any) -> None:
    """Configure the vendor `acme` that lives in this test."""
    document = {
        "vendor": "acme",
        "base_url": reports.url,
        "network": {"private_addresses": "allow"},
        "callbacks": {"outcome": OUTCOME, **callbacks},
        "budget": {"in_flight": in_flight},
        "retry": {"attempts": 3, "backoff": {"base": "50ms", "cap": "200ms"}},
    }
    answer = await running.http.put(f"{running.gateway}/vendors/acme", json=document)
    assert answer.status_code in (200, 201), answer.text


async def invoke(running: Cluster, inputs: list[dict[str, Any]], table: str = "reports", **invoke: Any) -> str:
    """Ask for a vendor's job for each of these inputs; gives the id of ours."""
    document = {"vendor": "acme", "invoke": {**INVOKE, **invoke}, "input": inputs}
    return await running.submit({**document, "sinks": [{"type": "postgres", "table": table}]})


async def tasks(running: Cluster, job_id: str) -> list[dict[str, Any]]:
    """The tasks of a job, as the gateway shows them."""
    answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/tasks")
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return found


async def callbacks(running: Cluster, job_id: str) -> list[tuple[str, str]]:
    """What the callbacks of a job told, and what was made of each."""
    answer = await running.http.get(f"{running.gateway}/jobs/{job_id}/callbacks")
    return sorted((one["reported"], one["verdict"]) for one in answer.json()["callbacks"])
