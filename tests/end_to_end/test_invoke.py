"""Asynchronous vendor jobs through five processes: submitted within the contract, called back in every manner, their
results fetched, each record once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.end_to_end.invocations import apply, callbacks, invoke, tasks
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.reports import Report, Reports
from tests.support.stack import Place

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLED = ("planner", "callback-gateway", "scheduler")


async def test_kills_between_submit_and_callback_submit_nothing_twice(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`kill -9` of each service that takes part. The fetcher dies while all calls that may be in flight are at the
    vendor, and none is answered: nobody can know what came of them, so their tasks wait for their callbacks.
    """
    monkeypatch.setenv("SLUICE_FETCHER_LEASE_SECONDS", "3")
    months, in_flight = [str(number) for number in range(20)], 6
    is_dead = asyncio.Event()

    async def on_submit(reports: Reports, report: Report) -> None:
        await is_dead.wait()

    async with Reports(on_submit) as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, in_flight=in_flight, vendor_job="body.data.job_id")
        job_id = await invoke(running, [{"month": month} for month in months])
        await eventually(lambda: reports.submits == in_flight)
        running.kill("fetcher")
        is_dead.set()
        await eventually(partial(_unknown, running, job_id, in_flight))
        victims = iter(KILLED)
        called: set[str] = set()

        async def over() -> bool:
            for report in [one for one in list(reports.reports.values()) if one.id not in called]:
                try:
                    called.update([report.id] if await reports.call_back(report, "succeeded") == 202 else [])
                except httpx.HTTPError:
                    continue
                victim = next(victims, None) if len(called) % 3 == 0 else None
                if victim is not None:
                    await eventually(partial(running.processes.alive, victim))
                    running.kill(victim)
            return bool((await running.job(job_id)).get("ended_at"))

        await eventually(over, 120)
        job = await running.job(job_id)
        submitted = [report.input["month"] for report in reports.reports.values()]
        assert sorted(submitted) == sorted(months)
        assert reports.submits == len(months)
        assert (job["status"], job["distinct"]) == ("completed", 5 * len(months)), job
        rows = {f"{report}-{number}" for report in called for number in range(5)}
        assert {row["key"] for row in await running.records("reports")} == rows
        killed = [-signal.SIGKILL]
        await eventually(lambda: all(running.processes.exit_codes(name) == killed for name in (*KILLED, "fetcher")))


async def _unknown(running: Cluster, job_id: str, count: int) -> bool:
    """Whether the outcome of so many submits is unknown."""
    found = [task for task in await tasks(running, job_id) if (task["reason"] or "").startswith("outcome_unknown")]
    return len([task for task in found if task["state"] == "waiting"]) == count


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reports(running: Cluster) -> AsyncIterator[Reports]:
    """The vendor `acme` of the module's cluster. It takes one call at a time, and calls back for the month `early`
    before its submit is answered."""

    async def on_submit(reports: Reports, report: Report) -> None:
        if report.input["month"] == "early":
            assert await reports.call_back(report, "succeeded") == 202

    async with Reports(on_submit) as made:
        await apply(running, made, in_flight=1)
        yield made


async def submitted(running: Cluster, reports: Reports, job_id: str, months: int = 1) -> dict[str, Report]:
    """What was submitted for the months of a job, once the job knows the vendor's id of each."""

    async def known() -> set[str]:
        found = {task["vendor_job"] for task in await tasks(running, job_id) if task["vendor_job"]}
        return found if len(found) == months else set()

    return {reports.reports[one].input["month"]: reports.reports[one] for one in await eventually(known, 50)}


async def test_vendor_jobs_are_done_however_their_callbacks_come(running: Cluster, reports: Reports) -> None:
    before = reports.submits
    job_id = await invoke(running, [{"month": "early"}, {"month": "twice"}, {"month": "failed"}])
    by_month = await submitted(running, reports, job_id, 3)
    await reports.call_back(by_month["twice"], "running")
    assert await reports.call_back(by_month["twice"], "succeeded") == 202
    assert await reports.call_back(by_month["twice"], "succeeded") == 202
    await reports.call_back(by_month["failed"], "failed")
    job = await running.ended(job_id)
    assert (job["kind"], job["status"], job["records"], job["distinct"]) == ("invoke", "failed", 10, 10), job
    assert job["reason"] == "1 of 9 tasks failed"
    assert reports.submits - before == 3
    assert {row["key"] for row in await running.records("reports") if str(row["job_id"]) == job_id} == {
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
    assert await running.dead_letters(job_id=job_id) == []


async def test_a_vendor_that_does_not_call_back_is_asked_for_the_status(running: Cluster, reports: Reports) -> None:
    silent = {"method": "POST", "path": "/reports", "json": {"month": "{input.month}"}}
    status = {"request": {"path": "/reports/{vendor_job}"}, "after": "200ms", "every": "1s"}
    job_id = await invoke(running, [{"month": "asked"}], submit=silent, status=status)
    report = (await submitted(running, reports, job_id))["asked"]
    report.status = "succeeded"
    job = await running.ended(job_id)
    assert (job["status"], job["distinct"]) == ("completed", 5), job
    await eventually(partial(_failed_for, running, job_id, None))


async def test_a_deadline_ends_the_wait_and_the_vendors_job_and_a_later_callback_is_late(
    running: Cluster, reports: Reports
) -> None:
    before = reports.submits
    job_id = await invoke(running, [{"month": "expired"}], deadline="1500ms")
    report = (await submitted(running, reports, job_id))["expired"]
    assert (await running.ended(job_id))["status"] == "failed"
    await eventually(partial(_failed_for, running, job_id, "deadline_exceeded"))

    async def given_up() -> bool:
        [task] = await tasks(running, job_id)
        reason = "deadline_exceeded: no outcome within 1500ms"
        return (task["state"], task["reason"]) == ("expired", reason)

    await eventually(given_up)
    await eventually(lambda: report.status == "deleted", 20)
    await reports.call_back(report, "succeeded")

    async def late() -> bool:
        return await callbacks(running, job_id) == [("done", "late")]

    await eventually(late)
    assert reports.submits - before == 1


async def test_a_cancelled_job_ends_the_vendors_job(running: Cluster, reports: Reports) -> None:
    job_id = await invoke(running, [{"month": "cancelled"}])
    report = (await submitted(running, reports, job_id))["cancelled"]
    await running.control(job_id, "cancel")
    await eventually(lambda: report.status == "deleted", 20)
    await running.reaches(job_id, "cancelled")


async def test_a_submit_whose_answer_is_lost_is_not_repeated_and_waits_for_its_callback(
    running: Cluster, reports: Reports
) -> None:
    before, reports.hang_up = reports.submits, True
    try:
        job_id = await invoke(running, [{"month": "unknown"}], results=None)

        async def waits() -> bool:
            [task] = await tasks(running, job_id)
            return bool(task["state"] == "waiting" and task["reason"].startswith("outcome_unknown"))

        await eventually(waits, 50)
    finally:
        reports.hang_up = False
    await running.reaches(job_id, "running")
    [report] = [one for one in reports.reports.values() if one.input["month"] == "unknown"]
    await reports.call_back(report, "succeeded")
    assert (await running.ended(job_id))["status"] == "completed"
    assert reports.submits - before == 1


async def _failed_for(running: Cluster, job_id: str, reason: str | None) -> bool:
    wanted = [{"reason": reason, "count": 1}] if reason else []
    return bool((await running.job(job_id))["failures"] == wanted)
