"""A planner that reaches the database and not the broker holds back no tasks from one that works."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from services.planner.model import Resolved
from services.planner.release.loop import Release
from services.planner.settings import Settings
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging import producer as producing
from shared.runtime.app import Runtime
from shared.runtime.service import open_runtime
from shared.specification.source import Poll
from tests.integration.planner.plans import plan
from tests.support.behind import behind
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.stack import Place

pytestmark = pytest.mark.chaos

TASKS = 50
HOST = "url:host.example"


async def free_tasks(database: Database) -> int:
    """How many planned tasks nobody has locked."""
    async with database.transaction() as tx:
        return len(
            await tx.fetch("SELECT FROM tasks WHERE state = 'planned' AND vendor = $1 FOR UPDATE SKIP LOCKED", HOST)
        )


async def go_on(release: Release) -> None:
    """As its loop does, but for the pauses."""
    while True:
        with suppress(Unavailable):
            await release.step()


async def test_a_planner_that_lost_the_broker_locks_one_task_at_a_time(
    topics: Place, payloads: Path, to_kafka: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "REQUEST_SECONDS", 1)
    settings = topics.settings(Settings, payloads)
    lost: Runtime[Settings] = open_runtime("planner", settings)
    other: Runtime[Settings] = open_runtime("planner", settings)
    for runtime in (lost, other):
        await runtime.database.open()
    with behind(to_kafka):
        await lost.producer.open()
    await other.producer.open()
    releases = Release(lost)
    try:
        await plan(other.database, TASKS, vendor="url:a.example", state="paused")
        job = await plan(other.database, TASKS, vendor=HOST)
        specification = Resolved(vendor=HOST, source="host.example", poll=Poll())
        document = specification.model_dump_json(by_alias=True, exclude_defaults=True).encode()
        await other.database.execute("UPDATE jobs SET specification = $2 WHERE id = $1", job, document)
        to_kafka.cut()
        with pytest.raises(Unavailable):
            await releases.step()
        again = asyncio.create_task(go_on(releases))

        async def is_locked() -> bool:
            return await free_tasks(other.database) == TASKS - 1

        await eventually(is_locked, 60)
        await Release(other).step()
        assert await free_tasks(other.database) < TASKS - 1
        again.cancel()
        await asyncio.wait([again])

        to_kafka.mend()

        await other.database.execute("UPDATE tasks SET state = 'completed', rank = 9 WHERE state = 'released'")
        left = await free_tasks(other.database)

        async def releases_many() -> bool:
            with suppress(Unavailable):
                await releases.step()
            return await free_tasks(other.database) < left - 2

        await eventually(releases_many, 60)
    finally:
        for runtime in (lost, other):
            await runtime.producer.close()
            await runtime.database.close()
