"""Postgres is restored from a backup, as the page of operations says: no call is made again that must not be."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from infra.local.beginning import PROJECT
from shared.client.replay import Wanted, replay
from shared.ids import new_id
from tests.support.cluster import SERVICES, Cluster, cluster
from tests.support.eventually import eventually
from tests.support.stack import Place

PAGE = (PROJECT / "docs" / "operations" / "restore.md").read_text("utf-8").partition("## Backup and restore")[2]
[STATEMENTS] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
ORDERS = 6


def order(number: int) -> dict[str, Any]:
    """A call that must not be made twice."""
    return {"vendor": "receive", "request": {"method": "POST", "path": "/orders", "json": {"number": number}}}


async def numbers(running: Cluster) -> list[int]:
    """The orders that the vendor got, sorted."""
    log = (await running.http.get(f"{running.simulator}/_truth/receive/orders")).json()["log"]
    return sorted(one["body"]["number"] for one in log)


async def all_are_planned_and_one_is_over(place: Place, jobs: list[str]) -> bool:
    owner = await asyncpg.connect(place.owner_url())
    try:
        ended = [row["ended_at"] for row in await owner.fetch("SELECT ended_at FROM planner.jobs")]
        return len(ended) == len(jobs) and any(ended)
    finally:
        await owner.close()


async def stop_services(running: Cluster) -> None:
    for name in SERVICES:
        await asyncio.to_thread(running.processes.stop, name)


async def start_services(running: Cluster) -> None:
    for name in SERVICES:
        running.start_service(name)
    await running.wait_ready(*SERVICES)


async def copy_database(place: Place, source: str, target: str) -> None:
    admin = await asyncpg.connect(place.admin_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}" STRATEGY file_copy')
    finally:
        await admin.close()


async def close_what_is_open(place: Place) -> list[str]:
    """The page's statements; gives the jobs that are to be cancelled."""
    owner = await asyncpg.connect(place.owner_url())
    try:
        *changes, question = filter(None, (one.strip() for one in STATEMENTS.split(";")))
        for statement in changes:
            await owner.execute(statement)
        return [str(row["id"]) for row in await owner.fetch(question)]
    finally:
        await owner.close()


async def test_a_restore_repeats_no_call_that_must_not_be(topics: Place, tmp_path: Path) -> None:
    backup = f"{topics.database}_backup"
    async with cluster(topics, tmp_path) as running:
        await running.http.put(f"{running.simulator}/_control/receivers/orders", json={})
        slow = {"windows": [{"requests": 1, "per": "1h"}]}
        await running.apply_vendor("receive", budget=slow)
        jobs = [await running.submit(order(number)) for number in range(ORDERS)]
        await eventually(lambda: all_are_planned_and_one_is_over(topics, jobs), 30)
        await asyncio.to_thread(running.processes.stop, "planner")
        on_its_way = await running.submit(order(ORDERS))
        await stop_services(running)
        assert len(await numbers(running)) == 1
        await copy_database(topics, topics.database, backup)
        try:
            await start_services(running)
            await running.apply_vendor("receive")
            for job_id in [*jobs, on_its_way]:
                await running.ended(job_id)
            assert await numbers(running) == list(range(ORDERS + 1))
            await stop_services(running)
            await copy_database(topics, backup, topics.database)
            is_open = await close_what_is_open(topics)
            assert set(is_open) < set(jobs)
            assert len(is_open) == ORDERS - 1
            await start_services(running)
            await the_configuration_comes_back(running, topics)
            for job_id in is_open:
                await running.control(job_id, "cancel")
                await running.reaches(job_id, "cancelled")
            assert await numbers(running) == list(range(ORDERS + 2))
        finally:
            admin = await asyncpg.connect(topics.admin_url)
            await admin.execute(f'DROP DATABASE IF EXISTS "{backup}" WITH (FORCE)')
            await admin.close()


async def the_configuration_comes_back(running: Cluster, place: Place) -> None:
    """By the budget of the backup one more call would take an hour."""
    since, until = datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(minutes=1)
    await replay(place.kafka, place.prefix, Wanted("vendors", "vendors", since, until))
    job = await running.ended(await running.submit(order(ORDERS + 1)))
    assert job["status"] == "completed", job


async def test_what_was_waiting_to_be_sent_starts_no_job_after_a_restore(place: Place) -> None:
    """Neither what the gateway accepted while the broker was away nor what comes again later: it has come since."""
    starts = {"jobs.requested", "jobs.control", "webhooks.received", "schedules.requested"}
    kept = {"callbacks.received", "tasks.due", "fetch.requested"}
    owner = await asyncpg.connect(place.owner_url())
    try:
        for topic in starts | kept:
            await owner.execute("INSERT INTO callback_gateway.spool (topic, key, headers) VALUES ($1, '', '[]')", topic)
            wanted = "INSERT INTO scheduler.timers (id, due_at, topic, key, headers) VALUES ($1, now(), $2, '', '')"
            await owner.execute(wanted, new_id(), topic)
        assert await close_what_is_open(place) == []
        for table in ("callback_gateway.spool", "scheduler.timers"):
            assert {row["topic"] for row in await owner.fetch(f"SELECT topic FROM {table}")} == kept, table
    finally:
        await owner.close()
