"""Design 4 from end to end: a request with its time, one run at that time, its verdict, and nothing left behind."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tests.conftest import ReaderFor
from tests.end_to_end.schedules import POLL, running_jobs, schedule, shown
from tests.support.cluster import SERVICES, cluster
from tests.support.eventually import eventually
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

FIRINGS = 200
KILLED_AT = (0, 30, 75, 120, 160)
LATEST_MS = 10_000
"""Milliseconds are usual; this is for a machine that has much else to do."""


def further(reader: TopicReader, seen: int) -> bool:
    return len(reader.records) > seen


async def test_one_correlation_id_from_the_request_to_the_last_row(
    topics: Place, tmp_path: Path, reader_for: ReaderFor
) -> None:
    tasks = await reader_for("tasks.events")
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=50)
        await running.apply_vendor("acme")
        at = datetime.now(UTC) + timedelta(seconds=3)
        correlation = await schedule(running, triggerAt=at.isoformat(), start={"vendor": "acme", "poll": POLL})
        found = await eventually(lambda: shown(running, correlation, "removed"), 40)
        assert found is not None
        [firing] = found["firings"]
        assert (firing["verdict"], firing["job_id"]) == ("succeeded", correlation)
        assert datetime.fromisoformat(firing["planned_at"]) == at
        assert 0 <= firing["late_ms"] < LATEST_MS
        job = await running.ended(correlation)
        assert (job["status"], job["distinct"], job["correlation_id"]) == ("completed", 50, correlation)
        assert {str(row["job_id"]) for row in await running.records()} == {correlation}
        assert {event["job_id"] for event in tasks.values} == {correlation}
        logs = {path.name: path.read_text() for path in tmp_path.rglob("*.log")}
        for name in ("callback-gateway", "scheduler", "planner"):
            assert correlation in logs[f"{name}.log"], name
        assert (await running.http.get(f"{running.gateway}/schedules")).json()["schedules"] == []
        assert await running.dead_letters() == []


async def logged(root: Path, service: str, correlation: str) -> bool:
    """Whether a service has written the id to its log."""
    return any(correlation in path.read_text() for path in root.rglob(f"{service}.log"))


async def test_every_run_of_a_schedule_carries_its_correlation_id(
    topics: Place, tmp_path: Path, reader_for: ReaderFor
) -> None:
    """It is triggered; its vendor first fails, then answers what is no page, and then is well again."""
    tasks = await reader_for("tasks.events")
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", error_share=1.0, error_status=[500])
        await running.apply_vendor("acme", retry={"attempts": 1})
        source = {"vendor": "acme", "poll": POLL, "sinks": ["postgres", "topic"]}
        assert (await running.http.put(f"{running.gateway}/sources/items", json=source)).status_code == 201
        records = await reader_for("records.items")
        again = {"reschedule": {"after": "1s", "at_most": 100}}
        correlation = await schedule(
            running, schedule="hourly", every="1h", start={"source": "items"}, on_failure=again
        )
        triggered = await running.http.post(f"{running.gateway}/schedules/hourly/trigger")
        assert triggered.status_code == 202, triggered.text
        await eventually(lambda: logged(tmp_path, "fetcher", correlation), 40)
        await running.configure_simulator("acme", misbehaviour={"body": "scalar"})
        await eventually(lambda: logged(tmp_path, "processor", correlation), 40)
        await running.configure_simulator("acme", records=50)

        async def succeeded() -> dict[str, Any] | None:
            [firing] = (await running.http.get(f"{running.gateway}/schedules/hourly")).json()["firings"]
            return dict(firing) if firing["verdict"] == "succeeded" else None

        firing = await eventually(succeeded, 40)
        assert firing is not None
        assert (await running.ended(firing["job_id"]))["status"] == "completed"
        query: dict[str, str | int] = {"correlation_id": correlation, "limit": 1000}
        jobs = (await running.http.get(f"{running.gateway}/jobs", params=query)).json()["jobs"]
        assert len(jobs) == firing["attempt"] + 1 > 2
        assert {job["correlation_id"] for job in [*jobs, await running.job(firing["job_id"])]} == {correlation}
        assert {event["job_id"] for event in tasks.values} == {job["id"] for job in jobs}
        assert {event.get("correlation_id") for event in tasks.values} == {correlation}
        rows = await running.records()
        assert {str(row["correlation_id"]) for row in rows} == {correlation}
        await eventually(lambda: len(records.values) == len(rows) == 50, 20)
        assert {event["correlation_id"] for event in records.values} == {correlation}
        for name in SERVICES:
            assert await logged(tmp_path, name, correlation), name


async def test_a_scheduler_killed_again_and_again_loses_no_firing_and_doubles_none(
    topics: Place, tmp_path: Path, reader_for: ReaderFor
) -> None:
    """Due over twenty seconds, in which the scheduler dies again and again: while it is asked, fires, hears of ends."""
    requested = await reader_for("jobs.requested")
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("acme", records=5)
        await running.apply_vendor("acme", budget={"in_flight": 20})
        began = datetime.now(UTC) + timedelta(seconds=4)
        start = {"vendor": "acme", "poll": POLL}
        wanted = []
        for number in range(FIRINGS):
            at = began + timedelta(milliseconds=100 * number)
            wanted.append(await schedule(running, triggerAt=at.isoformat(), past="run", start=start))
            if number == FIRINGS // 2:
                running.kill("scheduler")
        for seen in KILLED_AT:
            await eventually(partial(further, requested, seen), 60)
            running.kill("scheduler")
            await eventually(lambda: running.processes.alive("scheduler"), 20)
        for schedule_id in wanted:
            found = await eventually(partial(shown, running, schedule_id, "removed"), 60)
            assert found is not None
            assert [one["verdict"] for one in found["firings"]] == ["succeeded"]
        assert {job["id"] for job in requested.values} == set(wanted)
        for job_id in wanted:
            assert (await running.ended(job_id))["status"] == "completed"
        assert (await running.truth("acme"))["requests"] == FIRINGS
        assert await running.dead_letters() == []


async def test_a_recurring_schedule_skips_while_its_run_lasts_and_goes_on(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await running.configure_simulator("slow", records=5, delay_seconds=[1.5, 1.6])
        await running.apply_vendor("slow")
        await schedule(running, schedule="often", every="1s", start={"vendor": "slow", "poll": POLL})

        async def both() -> set[str]:
            found = (await running.http.get(f"{running.gateway}/schedules/often")).json()
            verdicts = [one["verdict"] for one in found["firings"]]
            assert verdicts.count("succeeded") >= 2
            assert "skipped" in verdicts
            return set(verdicts)

        assert await eventually(both, 40) <= {"fired", "skipped", "succeeded"}
        await running.http.delete(f"{running.gateway}/schedules/often")
        await eventually(lambda: shown(running, "often", "removed"), 20)
        await asyncio.gather(*(running.ended(str(job["id"])) for job in await running_jobs(running)))
