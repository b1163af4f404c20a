"""The broker or Postgres is killed over the time at which schedules are due: they fire afterwards, once each."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from infra.local import stack as embedded
from tests.end_to_end.schedules import POLL, schedule, shown
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.stack import ROOT, Place

pytestmark = [pytest.mark.chaos]

FIRINGS = 30
AWAY_SECONDS = 5


async def fire_through(running: Cluster, strike: Callable[[datetime], Awaitable[None]]) -> None:
    """Schedules whose times lie before, in and after the fault."""
    await running.configure_simulator("acme", records=5)
    await running.apply_vendor("acme")
    begin = datetime.now(UTC) + timedelta(seconds=4)
    wanted = []
    for number in range(FIRINGS):
        at = begin + timedelta(seconds=AWAY_SECONDS * 1.5 * number / FIRINGS)
        start = {"vendor": "acme", "poll": POLL}
        wanted.append(await schedule(running, triggerAt=at.isoformat(), past="run", start=start))
    await eventually(lambda: datetime.now(UTC) > begin)
    await strike(begin + timedelta(seconds=AWAY_SECONDS))
    for schedule_id in wanted:
        found = await eventually(partial(shown, running, schedule_id, "removed"), 90)
        assert found is not None
        assert [one["verdict"] for one in found["firings"]] == ["succeeded"]

    async def seen() -> bool:
        jobs = (await running.http.get(f"{running.gateway}/jobs", params={"limit": 1000})).json()["jobs"]
        return sorted(job["id"] for job in jobs) == sorted(wanted)

    await eventually(seen)
    assert await running.dead_letters() == []


async def test_a_schedule_runs_once_when_the_broker_was_away_at_its_time(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:

        async def strike(until: datetime) -> None:
            await asyncio.to_thread(embedded.kill_kafka, ROOT, signal.SIGKILL)
            await eventually(lambda: datetime.now(UTC) > until)
            await asyncio.to_thread(embedded.start_kafka, ROOT)

        await fire_through(running, strike)


async def test_a_schedule_runs_once_when_postgres_was_away_at_its_time(topics: Place, tmp_path: Path) -> None:
    async with cluster(topics, tmp_path) as running:

        async def strike(until: datetime) -> None:
            await asyncio.to_thread(embedded.kill_postgres, ROOT, signal.SIGKILL)
            await eventually(lambda: datetime.now(UTC) > until)
            await asyncio.to_thread(embedded.start_postgres, ROOT)

        await fire_through(running, strike)
