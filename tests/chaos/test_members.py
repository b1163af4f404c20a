"""Members of a group that come and go without end, or stand still for a while: each event is handled once, in order."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from shared.database.pool import Database
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.messaging.subscriptions import Subscriptions
from tests.chaos.long_jobs import POLL, RECORDS, prepare
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, order, shell
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.stack import Place

pytestmark = [pytest.mark.chaos]

ROUNDS, AT_ONCE = 3, 20
PARTITIONS = 2


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


async def test_no_event_is_lost_or_handled_twice_while_a_member_joins_and_leaves(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    staying, coming = Seen(), Seen()
    answers, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    sent: list[UUID] = []
    storming = asyncio.Event()

    async def ask() -> None:
        while not storming.is_set():
            jobs = [new_id() for _ in range(AT_ONCE)]
            await producer.send([order(job) for job in jobs])
            sent.extend(jobs)

    async with shell(staying, topics, database, producer) as present:
        asking = asyncio.create_task(ask())
        for _ in range(ROUNDS):
            before = len(coming.jobs)
            async with shell(coming, topics, database, producer) as visitor:
                await eventually(lambda: shares(present, visitor) == (1, 1), 30)
                await eventually(has_grown(coming, before), 30)
            await eventually(lambda: shares(present) == (2,), 30)
        storming.set()
        await asking
        await eventually(lambda: len(answers.records) >= len(sent), 30)
    assert sorted(staying.jobs + coming.jobs) == sorted(sent)
    assert len({dict(record.headers)["ce_id"] for record in answers.records}) == len(sent)
    assert not dead.records


def shares(*members: Subscriptions) -> tuple[int, ...]:
    """How many partitions each has."""
    return tuple(member.states()[0]["partitions"] for member in members)


def has_grown(seen: Seen, before: int) -> Callable[[], bool]:
    return lambda: len(seen.jobs) > before


FROZEN = ("planner", "fetcher")


async def test_processes_that_stand_still_are_replaced_and_do_nothing_twice_afterwards(
    topics: Place, tmp_path: Path
) -> None:
    """As under a blocked event loop: the group gives their partitions away, and their calls are taken over. Later on,
    they take both for theirs."""
    async with cluster(topics, tmp_path) as running:
        await prepare(running)
        sinks = [{"type": "postgres", "table": "after_standstill"}]
        job_id = await running.submit({"vendor": "acme", "poll": POLL, "sinks": sinks})
        await eventually(lambda: pages(running, job_id, 10), 30)
        for name in FROZEN:
            running.start_service(name, instance=f"{name}-2")
        await running.wait_ready(*(f"{name}-2" for name in FROZEN))
        for name in FROZEN:
            running.processes.kill(name, signal.SIGSTOP)
        try:
            await eventually(lambda: own_everything(running, *(f"{name}-2" for name in FROZEN)), 40)
        finally:
            for name in FROZEN:
                running.processes.kill(name, signal.SIGCONT)
        job = await running.ended(job_id, within_seconds=90)
        await running.wait_ready(*FROZEN)
        assert (job["status"], job["records"], job["distinct"]) == ("completed", RECORDS, RECORDS), job
        assert {int(row["key"]) for row in await running.records("after_standstill")} == set(range(1, RECORDS + 1))
        assert await running.dead_letters() == []
        assert all(running.processes.exit_codes(name) == [] for name in FROZEN)


async def pages(running: Cluster, job_id: str, enough: int) -> bool:
    return bool((await running.job(job_id))["counts"].get("completed", 0) >= enough)


async def own_everything(running: Cluster, *names: str) -> bool:
    """Whether these have all partitions of what they read."""
    answers = [await running.http.get(f"http://127.0.0.1:{running.ports[name]}/readyz") for name in names]
    return all(state["partitions"] == PARTITIONS for answer in answers for state in answer.json()["consumers"])
