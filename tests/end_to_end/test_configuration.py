"""A change of configuration is in force in every service two seconds after it was answered."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.eventually import PATIENCE, eventually
from tests.support.signing import SECRET, signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMISED_SECONDS = 2.0
BUDGET = "sluice_vendor_permitted_requests_per_second"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {"ACME_HOOK": SECRET}


async def soon(condition: Callable[[], Awaitable[object]]) -> None:
    """Within what is promised, and no longer on a crowded machine: it takes a tenth of that."""
    await eventually(condition, PROMISED_SECONDS / PATIENCE)


async def put(running: Cluster, kind: str, document: dict[str, Any]) -> None:
    answer = await running.http.put(f"{running.gateway}/{kind}s/{document[kind]}", json=document)
    assert answer.is_success, answer.text


def limited(requests: int, per: str) -> dict[str, Any]:
    return {"windows": [{"requests": requests, "per": per}], "in_flight": 2}


async def requests_at(running: Cluster, vendor: str) -> int:
    return int((await running.truth(vendor))["requests"])


async def test_a_raised_budget_lets_the_calls_leave_that_waited(running: Cluster) -> None:
    """The planner releases them, and the fetcher leases permits for them."""
    await running.configure_simulator("raised", records=10)
    await running.apply_vendor("raised", budget=limited(1, "1h"))
    call = {"vendor": "raised", "request": {"path": "/items", "query": {"limit": 1}}}
    jobs = [await running.submit(call) for _ in range(3)]

    async def have_left(count: int) -> bool:
        return await requests_at(running, "raised") == count

    await eventually(lambda: have_left(1), 20)
    for most in (2, 3):
        assert await have_left(most - 1)
        await running.apply_vendor("raised", budget=limited(most, "1h"))
        await soon(lambda: have_left(most))  # noqa: B023 - asked for in this round
    assert {(await running.ended(job_id))["status"] for job_id in jobs} == {"completed"}


async def test_a_lowered_budget_is_kept(running: Cluster) -> None:
    await running.configure_simulator("lowered", records=100_000, contract={"requests": 1000, "per_seconds": 1.0})
    await running.apply_vendor("lowered", budget=limited(100, "1s"))
    pages = {"style": "offset", "size": 10, "total": "body.meta.total"}
    poll = {"request": {"path": "/items"}, "pages": pages, "records": {"key": "id"}}
    job_id = await running.submit({"vendor": "lowered", "poll": poll})

    async def made(count: int) -> bool:
        return await requests_at(running, "lowered") >= count

    async def is_in_force() -> bool:
        page = (await running.http.get(f"http://127.0.0.1:{running.ports['fetcher']}/metrics")).text
        [line] = [line for line in page.splitlines() if line.startswith(BUDGET) and "lowered" in line]
        return float(line.split()[-1]) <= 20

    await eventually(lambda: made(30), 30)
    await running.apply_vendor("lowered", budget=limited(20, "1s"))
    await soon(is_in_force)
    await running.http.post(f"{running.simulator}/_control/vendors/lowered/reset")
    await eventually(lambda: made(30), 20)
    assert (await running.truth("lowered"))["highest_in_any_second"]["all"] <= 20
    await running.control(job_id, "cancel")


async def test_a_source_can_be_started_when_it_was_put_and_runs_as_it_was_changed(running: Cluster) -> None:
    await running.configure_simulator("changed", records=50)
    await running.apply_vendor("changed")
    for size in (3, 7):
        poll = {"request": {"path": "/items", "query": {"limit": size}}, "pages": {"style": "none"}}
        poll["records"] = {"key": "id"}
        await put(running, "source", {"source": "changed", "vendor": "changed", "poll": poll})

        async def runs_so() -> bool:
            answer = await running.http.post(f"{running.gateway}/jobs", json={"source": "changed"})
            job = await running.ended(answer.json()["id"])
            return (job["status"], job["records"]) == ("completed", size)  # noqa: B023 - asked for in this round

        await soon(runs_so)


async def test_a_hook_takes_webhooks_when_it_was_put_and_none_when_it_was_deleted(running: Cluster) -> None:
    verify = {"scheme": "standard-webhooks", "secrets": ["env:ACME_HOOK"]}
    await put(running, "hook", {"hook": "taken", "verify": verify})

    async def is_answered(status: int) -> bool:
        answer = await running.http.post(f"{running.gateway}/in/taken", **signed({}, f"msg_{status}"))
        return answer.status_code == status

    await soon(lambda: is_answered(202))
    assert (await running.http.delete(f"{running.gateway}/hooks/taken")).is_success
    await soon(lambda: is_answered(404))
