"""Schedules as they are asked for, and what the gateway shows of them."""

from typing import Any

from tests.support.cluster import Cluster

POLL = {"request": {"path": "/items"}, "pages": {"style": "none"}, "records": {"key": "id"}}


async def schedule(running: Cluster, **document: Any) -> str:
    """Ask for a schedule; gives the correlation id, which a schedule with a single time runs its job under."""
    answer = await running.http.post(f"{running.gateway}/schedules", json=document)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["correlation_id"])


async def shown(running: Cluster, schedule_id: str, status: str) -> dict[str, Any] | None:
    """A schedule as the gateway shows it, once it has this status."""
    found: dict[str, Any] = (await running.http.get(f"{running.gateway}/schedules/{schedule_id}")).json()
    return found if found["status"] == status else None


async def running_jobs(running: Cluster) -> list[dict[str, Any]]:
    """All jobs that the gateway shows."""
    found: list[dict[str, Any]] = (await running.http.get(f"{running.gateway}/jobs")).json()["jobs"]
    return found
