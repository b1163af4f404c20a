"""Asynchronous vendor jobs through five processes: submitted within the contract, called back in every manner, their
results fetched, each record once."""

import asyncio
import signal
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.cluster import Cluster, cluster
from tests.end_to_end.invocations import apply, callbacks, invoke, tasks
from tests.eventually import eventually
from tests.reports import Report, Reports
from tests.stack import Place

KILLED = ("planner", "callback-gateway", "scheduler")


async def test_vendor_jobs_are_done_however_their_callbacks_come(topics: Place, tmp_path: Path) -> None:
    async def on_submit(reports: Reports, report: Report) -> None:
        if report.input["month"] == "early":
            assert await reports.call_back(report, "succeeded") == 202

    async with Reports(on_submit) as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports, in_flight=1)
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


async def test_waits_that_no_callback_by_token_ends(topics: Place, tmp_path: Path) -> None:
    """The status is asked; a deadline passes; a job is cancelled; a submit's outcome is unknown."""
    async with Reports() as reports, cluster(topics, tmp_path) as running:
        await apply(running, reports)
        silent = {"method": "POST", "path": "/reports", "json": {"month": "{input.month}"}}
        status = {"request": {"path": "/reports/{vendor_job}"}, "after": "200ms", "every": "1s"}
        asked = await invoke(running, [{"month": "asked"}], submit=silent, status=status)
        expired = await invoke(running, [{"month": "expired"}], deadline="1500ms")
        cancelled = await invoke(running, [{"month": "cancelled"}])
        by_month = await eventually(lambda: _by_month(reports, 3), 30)

        async def seen() -> bool:
            found = [task for job in (asked, expired, cancelled) for task in await tasks(running, job)]
            return len(found) == 3 and all(task["vendor_job"] for task in found)

        await eventually(seen, 20)
        await running.http.post(f"{running.gateway}/jobs/{cancelled}/cancel")
        by_month["asked"].status = "succeeded"
        job = await running.ended(asked)
        assert (job["status"], job["distinct"]) == ("completed", 5), job
        assert (await running.ended(expired))["status"] == "failed"
        for wanted, job_id in (("deadline_exceeded", expired), (None, asked)):
            await eventually(partial(_failed_for, running, job_id, wanted))

        async def given_up() -> bool:
            [task] = await tasks(running, expired)
            reason = "deadline_exceeded: no outcome within 1500ms"
            return (task["state"], task["reason"]) == ("expired", reason)

        await eventually(given_up)
        await eventually(lambda: {by_month[m].status for m in ("expired", "cancelled")} == {"deleted"}, 20)
        await reports.call_back(by_month["expired"], "succeeded")

        async def late() -> bool:
            return await callbacks(running, expired) == [("done", "late")]

        await eventually(late)
        assert reports.submits == 3

        reports.hang_up = True
        unknown = await invoke(running, [{"month": "unknown"}], results=None)
        by_month = await eventually(lambda: _by_month(reports, 4), 30)

        async def waits() -> bool:
            [task] = await tasks(running, unknown)
            return bool(task["state"] == "waiting" and task["reason"].startswith("outcome_unknown"))

        await eventually(waits, 20)
        await running.reaches(unknown, "running")
        await reports.call_back(by_month["unknown"], "succeeded")
        assert (await running.ended(unknown))["status"] == "completed"
        assert reports.submits == 4


async def _failed_for(running: Cluster, job_id: str, reason: str | None) -> bool:
    wanted = [{"reason": reason, "count": 1}] if reason else []
    return bool((await running.job(job_id))["failures"] == wanted)


def _by_month(reports: Reports, count: int) -> dict[str, Report]:
    found = {report.input["month"]: report for report in reports.reports.values()}
    return found if len(found) == count else {}


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
