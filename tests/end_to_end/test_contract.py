"""The vendor is the judge: by its own count the contract is never exceeded, and a vendor that hangs hurts nobody."""

from functools import partial

import pytest

from tests.end_to_end.invocations import INVOKE, OUTCOME, tasks
from tests.end_to_end.schedules import schedule, shown
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.reports import Reports

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEMS = {"request": {"path": "/items"}, "records": {"key": "id"}}
IN_FLIGHT, HANG_SECONDS = 50, 600
"""Of a vendor that hangs for longer than any test lasts."""


async def test_a_quota_that_only_the_vendor_knows_is_waited_for(running: Cluster) -> None:
    """Its answers tell what is left; nobody told us of the contract."""
    contract = {"requests": 10, "per_seconds": 3.0, "burst": 10, "headers": "x-ratelimit"}
    await running.configure_simulator("quota", records=250, contract=contract)
    await running.apply_vendor("quota", budget={"in_flight": 1})
    pages = {"style": "offset", "size": 10, "total": "body.meta.total"}
    job = await running.ended(await running.submit({"vendor": "quota", "poll": {**ITEMS, "pages": pages}}))
    assert (job["status"], job["distinct"]) == ("completed", 250)
    truth = await running.truth("quota")
    assert "429" not in truth["by_status"]
    assert truth["requests"] == 25


async def test_a_refusal_that_only_a_header_of_the_vendors_own_explains_is_waited_for(running: Cluster) -> None:
    """A call that came back earlier would be refused again."""
    field = {"header": "X-Free-At", "form": "epoch_milliseconds"}
    contract = {"requests": 1, "per_seconds": 4.0, "retry_after": "none", "reset_field": field}
    await running.configure_simulator("own", records=20, contract=contract)
    await running.apply_vendor("own", budget={"in_flight": 1, "reset_header": "X-Free-At"})
    pages = {"style": "offset", "size": 10, "total": "body.meta.total"}
    job = await running.ended(await running.submit({"vendor": "own", "poll": {**ITEMS, "pages": pages}}))
    assert (job["status"], job["distinct"]) == ("completed", 20)
    assert (await running.truth("own"))["by_status"].get("429", 0) <= 1


async def test_a_vendor_that_hangs_holds_up_nobody_else(running: Cluster) -> None:
    """As many calls as may be in flight hang, with three times as many behind them, and all of them still do when the
    other vendor's job has ended."""
    hangs = {"fail_paths": [{"match": "offset=[1-9]", "fault": "hang"}], "hang_seconds": HANG_SECONDS}
    await running.configure_simulator("hangs", records=20_000, **hangs)
    await running.configure_simulator("works", records=2000)
    waits = {"first_byte": f"{HANG_SECONDS}s", "total": f"{HANG_SECONDS}s"}
    await running.apply_vendor("hangs", budget={"in_flight": IN_FLIGHT}, timeouts=waits)
    await running.apply_vendor("works")
    pages = {"style": "offset", "size": 100, "total": "body.meta.total"}
    await running.submit({"vendor": "hangs", "poll": {**ITEMS, "pages": pages}})
    await eventually(partial(_are_open, running, IN_FLIGHT))
    job = await running.ended(await running.submit({"vendor": "works", "poll": {**ITEMS, "pages": pages}}))
    assert (job["status"], job["distinct"]) == ("completed", 2000)
    truth = await running.truth("hangs")
    assert (truth["in_flight"], truth["requests"]) == (IN_FLIGHT, 1 + IN_FLIGHT)


async def _are_open(running: Cluster, calls: int) -> bool:
    return bool((await running.truth("hangs"))["in_flight"] == calls)


async def test_a_vendor_that_fails_for_a_while_rests_and_none_of_its_calls_is_given_up(running: Cluster) -> None:
    """Of its 200 pages all but the first fail; each may be tried six times."""
    pages, failing = {"style": "offset", "size": 100, "total": "body.meta.total"}, [{"match": "offset=[1-9]"}]
    await running.configure_simulator("down", records=20_000, fail_paths=failing)
    await running.apply_vendor("down", budget={"windows": [{"requests": 50, "per": "1s", "burst": 1}]})
    job_id = await running.submit({"vendor": "down", "poll": {**ITEMS, "pages": pages}})
    await eventually(partial(_circuit_is, running, "down", 1))
    met = (await running.truth("down"))["requests"]
    await eventually(partial(_was_asked, running, "down", met + 1))
    assert (await running.truth("down"))["by_status"]["500"] < 400
    await running.configure_simulator("down", records=20_000)
    job = await running.ended(job_id)
    assert (job["status"], job["distinct"], job["counts"]) == ("completed", 20_000, {"completed": 200}), job
    assert await running.dead_letters(job_id=job_id) == []
    await eventually(partial(_circuit_is, running, "down", 0))


async def _circuit_is(running: Cluster, vendor: str, value: int) -> bool:
    shown = (await running.http.get(f"http://127.0.0.1:{running.ports['fetcher']}/metrics")).text
    return f'sluice_vendor_circuit_open{{vendor="{vendor}"}} {value:.1f}' in shown.splitlines()


async def _was_asked(running: Cluster, vendor: str, requests: int) -> bool:
    return bool((await running.truth(vendor))["requests"] >= requests)


async def test_a_job_can_be_paused_resumed_and_cancelled(running: Cluster) -> None:
    await running.configure_simulator("slow", records=100_000)
    window = {"requests": 50, "per": "1s", "burst": 1}
    await running.apply_vendor("slow", budget={"windows": [window]})
    pages = {"style": "offset", "size": 100, "total": "body.meta.total"}
    job_id = await running.submit({"vendor": "slow", "poll": {**ITEMS, "pages": pages}})
    await eventually(lambda: _is_planned(running, job_id), 20)
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        await running.control(job_id, action)
        await running.reaches(job_id, state)
    job = await running.ended(job_id)
    assert job["counts"]["cancelled"] > 500


async def _is_planned(running: Cluster, job_id: str) -> bool:
    return bool((await running.job(job_id))["total"]["tasks"] > 900)


async def allow(running: Cluster, reports: Reports, requests: int) -> None:
    """The contract of the vendor `sparing`: so many calls an hour."""
    document = {
        "base_url": reports.url,
        "network": {"private_addresses": "allow"},
        "callbacks": {"outcome": OUTCOME},
        "budget": {"windows": [{"requests": requests, "per": "1h"}]},
    }
    answer = await running.http.put(f"{running.gateway}/vendors/sparing", json=document)
    assert answer.status_code in (200, 201), answer.text


async def test_a_contract_is_changed_while_jobs_wait_for_it(running: Cluster) -> None:
    """What was called before counts on; what waits for a permit is not submitted yet, so its deadline has not begun."""
    async with Reports() as reports:
        await running.configure_simulator("other", records=10)
        await running.apply_vendor("other")
        await allow(running, reports, 2)
        invoke = {**INVOKE, "deadline": "8s", "results": None}
        status = {"request": {"path": "/items"}, "after": "1h", "done": "body.never"}
        silent = {**invoke, "submit": {"path": "/items"}, "status": status}
        job = {"vendor": "sparing", "invoke": invoke, "input": [{"month": str(number)} for number in range(4)]}
        job_id = await schedule(running, triggerAt="2026-01-01T00:00:00Z", past="run", start=job)
        for allowed in (2, 3, 4):
            await allow(running, reports, allowed)
            await eventually(partial(_has, reports, allowed), 20)
            for report in [one for one in reports.reports.values() if one.status == "queued"]:
                assert await reports.call_back(report, "succeeded") == 202
            await eventually(partial(_shows_backlog, running, 4 - allowed, 3600 * (4 - allowed) / allowed))
            silent["deadline"] = invoke["deadline"] if allowed == 2 else "1s"
            other = await running.ended(await running.submit({"vendor": "other", "invoke": silent, "input": [{}]}))
            assert other["status"] == "failed", other
            assert reports.submits == allowed
        job = await running.ended(job_id)
        assert (job["status"], job["counts"]) == ("completed", {"completed": 4}), job
        await eventually(partial(shown, running, job_id, "removed"), 20)
        assert [task["attempts"][0]["attempt"] for task in await tasks(running, job_id)] == [1, 1, 1, 1]
        assert await running.dead_letters(job_id=job_id) == []


def _has(reports: Reports, submits: int) -> bool:
    return reports.submits == submits


async def _shows_backlog(running: Cluster, calls: int, seconds: float) -> bool:
    told = (await running.http.get(f"http://127.0.0.1:{running.ports['planner']}/metrics")).text.splitlines()
    wanted = {f'sluice_backlog_calls{{vendor="sparing"}} {calls:.1f}'}
    return wanted | {f'sluice_backlog_seconds{{vendor="sparing"}} {seconds:.1f}'} <= set(told)
