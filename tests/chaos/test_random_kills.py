"""Vendor jobs and schedules while services are killed at random moments of every step: nothing is lost, nothing is done
twice. The moments follow from a seed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests.cluster import SERVICES, Cluster, cluster
from tests.end_to_end.test_invoke import INVOKE, OUTCOME, tasks
from tests.end_to_end.test_schedule import POLL, shown
from tests.eventually import eventually
from tests.reports import Report, Reports
from tests.stack import Place

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

MONTHS, ROWS = 60, 5
SCHEDULES = 30
KILLS = 12
BUDGET = {"windows": [{"requests": 10, "per": "1s", "burst": 1}], "in_flight": 10}


async def patiently(ask: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
    """As senders do: again and again until it is acknowledged."""

    async def acknowledged() -> dict[str, Any] | None:
        answer = await ask()
        found: dict[str, Any] = answer.json()
        return found if answer.status_code in (200, 201, 202) else None

    return await eventually(acknowledged, 60) or {}


async def kill_at_random(running: Cluster, random: Random) -> None:
    for _ in range(KILLS):
        await asyncio.sleep(random.uniform(0.3, 2.0))
        victim = random.choice(tuple(SERVICES))
        if running.processes.alive(victim):
            running.kill(victim)


async def ask_for_schedules(running: Cluster, began: datetime) -> list[str]:
    wanted = []
    for number in range(SCHEDULES):
        at = began + timedelta(seconds=0.5 * number)
        document = {"triggerAt": at.isoformat(), "past": "run", "start": {"vendor": "told", "poll": POLL}}
        key = {"Idempotency-Key": f"schedule {number}"}
        ask = partial(running.http.post, f"{running.gateway}/schedules", json=document, headers=key)
        wanted.append((await patiently(ask))["id"])
    return wanted


async def apply(running: Cluster, reports: Reports) -> None:
    await running.configure_simulator("told", records=ROWS)
    callbacks = {"outcome": OUTCOME, "vendor_job": "body.data.job_id"}
    open_network = {"network": {"private_addresses": "allow"}, "callbacks": callbacks}
    for name, url in (("acme", reports.url), ("told", f"{running.simulator}/told")):
        document = {"base_url": url, "budget": BUDGET, **open_network}
        await patiently(partial(running.http.put, f"{running.gateway}/vendors/{name}", json=document))


@pytest.mark.parametrize("seed", [1])
async def test_kills_at_random_moments_lose_nothing_and_do_nothing_twice(
    topics: Place, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    calls: list[asyncio.Task[Any]] = []

    async def call_back(reports: Reports, report: Report) -> None:
        await asyncio.sleep(random.uniform(0.0, 3.0))

        async def taken() -> bool:
            return await reports.call_back(report, "succeeded") == 202

        await eventually(taken, 60)

    async def on_submit(reports: Reports, report: Report) -> None:
        calls.append(asyncio.create_task(call_back(reports, report)))

    async with Reports(on_submit) as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports)
        inputs = [{"month": str(number)} for number in range(MONTHS)]
        document = {"vendor": "acme", "invoke": {**INVOKE, "deadline": "60s"}, "input": inputs}
        job_id = await running.submit({**document, "sinks": [{"type": "postgres", "table": "killed"}]})
        killing = asyncio.create_task(kill_at_random(running, random))
        wanted = await ask_for_schedules(running, datetime.now(UTC) + timedelta(seconds=2))
        await killing
        job = await running.ended(job_id, within_seconds=150)
        await asyncio.gather(*calls)

        submitted = [report.input["month"] for report in reports.reports.values()]
        assert len(submitted) == len(set(submitted)) == reports.submits
        assert len(submitted) > MONTHS * 0.9
        assert job["distinct"] == len(submitted) * ROWS, (job["failures"], await tasks(running, job_id))
        assert job["counts"].get("failed", 0) == MONTHS - len(submitted), job
        rows = {row["key"] for row in await running.records("killed")}
        assert rows == {f"{report}-{number}" for report in reports.reports for number in range(ROWS)}

        for schedule_id in wanted:
            found = await eventually(partial(shown, running, schedule_id, "removed"), 60)
            assert found is not None
            assert [one["verdict"] for one in found["firings"]] == ["succeeded"]
            assert (await running.ended(schedule_id))["status"] == "completed"
        listed = (await running.http.get(f"{running.gateway}/jobs", params={"limit": 1000})).json()["jobs"]
        assert sorted(one["id"] for one in listed) == sorted([job_id, *wanted])
        assert await running.dead_letters() == []
