"""`kill -9` of each service, of the broker and of Postgres in the middle of a job, and both of them hanging: every
record arrives exactly once, nothing is dead, work goes on by itself, and the vendor's contract is kept."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.local import stack as embedded
from shared.ids import new_id
from tests.chaos.long_jobs import CONTRACT, POLL, RECORDS, prepare
from tests.end_to_end.schedules import POLL as ONE_CALL
from tests.end_to_end.schedules import schedule
from tests.support.cluster import SERVICES, Cluster, cluster
from tests.support.eventually import eventually
from tests.support.stack import ROOT, Place

pytestmark = [pytest.mark.chaos]

BACK_SECONDS = 20
"""What it may take from the restart of a service until the service works again."""
AWAY_SECONDS = 45
"""What it may take, with margin, until the group has missed members that came back under other names."""
STOP_SECONDS, ENDED_SECONDS = 2, 12
"""What a stop may take, and that on a machine that has much else to do."""
HANG_SECONDS = 15
"""Longer than a consumer may be silent before its group gives its partitions away."""
ANSWER_SECONDS = 20


async def survives(running: Cluster, table: str, strike: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """Run a job, strike in its middle, and see that nothing is lost or doubled; gives the job."""
    job_id = await running.submit({"vendor": "acme", "poll": POLL, "sinks": [{"type": "postgres", "table": table}]})
    await eventually(lambda: _some(running, job_id), 30)
    await strike()
    job = await running.ended(job_id, within_seconds=90)
    assert (job["status"], job["records"], job["distinct"]) == ("completed", RECORDS, RECORDS), job
    rows = await running.records(table)
    assert {int(row["key"]) for row in rows} == set(range(1, RECORDS + 1))
    assert await running.dead_letters() == []
    await CONTRACT.assert_kept(running, "acme")
    return job


async def _some(running: Cluster, job_id: str) -> bool:
    return bool((await running.job(job_id))["counts"].get("completed", 0) >= 10)


async def test_a_job_completes_when_each_service_is_killed_in_turn(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await prepare(running)
        for name in SERVICES:
            table = f"after_{name.replace('-', '_')}"

            async def strike(name: str = name, table: str = table) -> None:
                running.kill(name)
                await eventually(lambda: running.processes.exit_codes(name), 10)
                restarted = time.monotonic()
                await works(running, name, table)
                assert time.monotonic() - restarted < BACK_SECONDS

            await survives(running, table, strike)


async def works(running: Cluster, name: str, table: str) -> None:
    """Until this service does what only it can do: the fetcher makes a call, the processor writes rows to the table,
    and the others have their part in a job that begins now."""
    match name:
        case "fetcher":
            calls = (await running.truth("acme"))["requests"]
            await eventually(lambda: _has_more_calls(running, calls), BACK_SECONDS)
        case "processor":
            rows = len(await running.records(table))
            await eventually(lambda: _grows(running, table, rows), BACK_SECONDS)
        case "scheduler":
            now = datetime.now(UTC).isoformat()
            job_id = await schedule(running, triggerAt=now, past="run", start={"vendor": "acme", "poll": ONE_CALL})
            await eventually(lambda: _is_planned(running, job_id), BACK_SECONDS)
        case _:
            job_id = await running.submit({"vendor": "acme", "poll": ONE_CALL})
            await eventually(lambda: _is_planned(running, job_id), BACK_SECONDS)


async def _has_more_calls(running: Cluster, seen: int) -> bool:
    return bool((await running.truth("acme"))["requests"] > seen)


async def _is_planned(running: Cluster, job_id: str) -> bool:
    return bool((await running.job(job_id))["total"]["tasks"] > 0)


async def test_members_without_static_names_go_on_after_all_of_them_were_killed(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As compose starts them: the group waits until the sessions of the killed members have ended."""
    monkeypatch.setenv("SLUICE_FETCHER_LEASE_SECONDS", "3")
    async with cluster(topics, tmp_path, is_static=False) as running:
        await prepare(running)

        async def strike() -> None:
            for name in SERVICES:
                running.kill(name)
            struck, seen = time.monotonic(), len(await running.records("nameless"))
            await eventually(lambda: _grows(running, "nameless", seen))
            assert time.monotonic() - struck < AWAY_SECONDS

        await survives(running, "nameless", strike)


async def _grows(running: Cluster, table: str, seen: int) -> bool:
    return len(await running.records(table)) > seen


async def test_a_job_completes_after_the_broker_was_killed(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await prepare(running)

        async def strike() -> None:
            await asyncio.to_thread(embedded.kill_kafka, ROOT, signal.SIGKILL)
            await asyncio.to_thread(embedded.start_kafka, ROOT)

        await survives(running, "after_broker", strike)


async def test_a_job_completes_after_postgres_was_killed(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:
        await prepare(running)

        async def strike() -> None:
            await asyncio.to_thread(embedded.kill_postgres, ROOT, signal.SIGKILL)
            await asyncio.to_thread(embedded.start_postgres, ROOT)

        await survives(running, "after_postgres", strike)


@pytest.mark.parametrize("disturb", [embedded.kill_kafka, embedded.kill_postgres])
async def test_a_job_completes_after_the_broker_or_postgres_hung(
    topics: Place, tmp_path: Path, disturb: Callable[[Path, signal.Signals], None]
) -> None:
    """Connections stay open without an answer: only deadlines show it."""
    async with cluster(topics, tmp_path) as running:
        await prepare(running)

        async def strike() -> None:
            until = time.monotonic() + HANG_SECONDS
            await asyncio.to_thread(disturb, ROOT, signal.SIGSTOP)
            try:
                await asyncio.gather(*(accepted(running, **key) for key in ({}, {"id": str(new_id())})))
                await eventually(lambda: time.monotonic() > until, 2 * HANG_SECONDS)
                for port in running.ports.values():
                    assert (await running.http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
            finally:
                await asyncio.to_thread(disturb, ROOT, signal.SIGCONT)

        await survives(running, "after_hang", strike)
        assert all(running.processes.exit_codes(name) == [] for name in SERVICES)


async def test_a_stop_ends_in_time_while_both_servers_hang_and_loses_nothing(
    topics: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_STOP_SECONDS", str(STOP_SECONDS))
    monkeypatch.setenv("SLUICE_FETCHER_LEASE_SECONDS", "3")
    async with cluster(topics, tmp_path) as running:
        await prepare(running)

        async def strike() -> None:
            disturb(signal.SIGSTOP)
            try:
                stops = [asyncio.to_thread(running.processes.stop, name, ENDED_SECONDS) for name in SERVICES]
                codes = await asyncio.gather(*stops)
            finally:
                disturb(signal.SIGCONT)
            assert codes == [0] * len(SERVICES)
            for name in SERVICES:
                running.processes.restart(name)

        await survives(running, "after_stop", strike)


def disturb(number: signal.Signals) -> None:
    """Send a signal to both servers."""
    embedded.kill_kafka(ROOT, number)
    embedded.kill_postgres(ROOT, number)


async def accepted(running: Cluster, **more: Any) -> None:
    """A job is answered while one of the servers hangs: the other one keeps it."""
    document = {"vendor": "acme", "poll": POLL, "sinks": [{"type": "postgres", "table": "meanwhile"}], **more}
    began = time.monotonic()
    answer = await running.http.post(f"{running.gateway}/jobs", json=document)
    assert answer.status_code == 202, answer.text
    assert time.monotonic() - began < ANSWER_SECONDS
