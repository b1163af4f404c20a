"""jobs.events → calls of paused jobs wait until these go on."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.fetcher.app import build
from services.fetcher.control.handler import control_calls
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.settings import Settings
from services.fetcher.takeover import store as takeover_store
from shared.database.pool import Database
from shared.events.catalogue import FETCH_REQUESTED, JOBS_EVENTS
from shared.events.envelope import Incoming
from shared.events.jobs import JobCounts, JobProgressed, JobState
from shared.events.tasks import FetchRequested
from shared.ids import new_id
from shared.messaging.handler import outgoing
from shared.messaging.producer import Producer
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import AT, busy, cancelled, due, incoming, wanted
from tests.integration.fetcher.site import Site
from tests.integration.fetcher.site_calls import configured
from tests.support.eventually import eventually
from tests.support.running import running
from tests.support.stack import Place

PAUSED, RUNNING = JobState.PAUSED, JobState.RUNNING


def told(job_id: UUID, state: JobState, second: int) -> Incoming[JobProgressed]:
    """The job stands like this, so many seconds after it began."""
    at = AT + timedelta(seconds=second)
    return incoming(JobProgressed(job_id=job_id, state=state, counts=JobCounts(), at=at))


async def hear(database: Database, *events: Incoming[JobProgressed]) -> None:
    async with database.transaction() as tx:
        await control_calls(tx, events)


async def ask(database: Database, *calls: Incoming[FetchRequested]) -> None:
    async with database.transaction() as tx:
        await enqueue_calls(tx, calls)


async def test_what_waits_for_a_paused_job_is_called_when_it_goes_on(database_for: DatabaseFor) -> None:
    database, pauses, stays = await database_for("fetcher"), new_id(), new_id()
    await ask(database, wanted(pauses), wanted(pauses), wanted(stays))
    await hear(database, told(pauses, PAUSED, 1), told(stays, RUNNING, 1))
    assert await due(database) == 1
    await ask(database, wanted(pauses), wanted(pauses, "abort"))
    assert await due(database) == 2
    await hear(database, told(pauses, RUNNING, 2))
    assert await due(database) == 5


async def test_a_vendor_is_not_looked_after_while_all_its_calls_wait_for_paused_jobs(database_for: DatabaseFor) -> None:
    database, pauses = await database_for("fetcher"), new_id()
    await ask(database, wanted(pauses, vendor="a"), wanted(pauses, vendor="b"), wanted(new_id(), vendor="b"))
    await ask(database, wanted(pauses, "abort", vendor="c"))
    await hear(database, told(pauses, PAUSED, 1))
    assert await busy(database) == ["b", "c"]
    await hear(database, told(pauses, RUNNING, 2))
    assert await busy(database) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("said", "held"),
    [
        ([(PAUSED, 1), (RUNNING, 2)], False),
        ([(RUNNING, 2), (PAUSED, 1)], False),
        ([(PAUSED, 1), (RUNNING, 2), (PAUSED, 3)], True),
        ([(PAUSED, 3), (RUNNING, 2), (PAUSED, 1)], True),
    ],
)
async def test_orders_in_quick_succession_count_in_the_order_of_their_time(
    database_for: DatabaseFor, said: list[tuple[JobState, int]], held: bool
) -> None:
    """In one batch; and in batches of their own, where the first pause comes before what follows, as the planner sends
    it, and each may come again late."""
    database, together, apart = await database_for("fetcher"), new_id(), new_id()
    await ask(database, wanted(together), wanted(apart))
    await hear(database, *(told(together, *one) for one in said))
    assert await due(database) == (1 if held else 2)
    await hear(database, told(apart, PAUSED, 0))
    for one in said:
        await hear(database, told(apart, *one))
    assert await due(database) == (0 if held else 2)


async def test_a_call_that_was_open_at_the_pause_is_repeated_only_when_its_job_goes_on(
    database_for: DatabaseFor,
) -> None:
    database, job_id, fetcher_id = await database_for("fetcher"), new_id(), new_id()
    await ask(database, wanted(job_id))
    async with database.transaction() as tx:
        await lanes_store.claim_calls(tx, await lanes_store.find_due(tx, "v", 1), fetcher_id)
    await hear(database, told(job_id, PAUSED, 1))
    async with database.transaction() as tx:
        await takeover_store.return_calls(tx, [fetcher_id])
    assert await due(database) == 0
    await hear(database, told(job_id, RUNNING, 2))
    assert await due(database) == 1


async def test_the_time_of_a_pause_is_no_part_of_the_time_that_a_limit_was_met(database_for: DatabaseFor) -> None:
    database, job_id = await database_for("fetcher"), new_id()
    await ask(database, wanted(job_id))
    async with database.transaction() as tx:
        await tx.execute("UPDATE calls SET limited_since = now() - interval '1 day'")
    await hear(database, told(job_id, PAUSED, 1))
    await hear(database, told(job_id, RUNNING, 2))
    async with database.transaction() as tx:
        assert await tx.fetchval("SELECT limited_since FROM calls") is None


async def test_a_paused_job_that_is_cancelled_is_over(database_for: DatabaseFor) -> None:
    database, job_id = await database_for("fetcher"), new_id()
    await ask(database, wanted(job_id))
    async with database.transaction() as tx:
        await control_calls(tx, [told(job_id, PAUSED, 1), cancelled(job_id)])
        assert await tx.fetchval("SELECT count(*) FROM calls") == 0


async def test_pauses_are_forgotten_once_nothing_waits_for_their_end(database_for: DatabaseFor) -> None:
    database, holds, empty, over = await database_for("fetcher"), new_id(), new_id(), new_id()
    await ask(database, wanted(holds))
    await hear(database, told(holds, PAUSED, 1), told(empty, PAUSED, 1), told(over, PAUSED, 1))
    await hear(database, told(over, RUNNING, 2))
    async with database.transaction() as tx:
        await tx.execute("UPDATE paused_jobs SET noted_at = now() - interval '8 days'")
    await hear(database, told(new := new_id(), PAUSED, 1))
    async with database.transaction() as tx:
        assert {row["job_id"] for row in await tx.fetch("SELECT job_id FROM paused_jobs")} == {holds, new}


async def test_calls_that_were_released_before_the_pause_leave_after_it(
    topics: Place, producer: Producer, reader_for: ReaderFor, payloads: Path, site: Site, database_for: DatabaseFor
) -> None:
    """From topic to vendor: another job of the same vendor is not held up."""
    tasks, database = await reader_for("tasks.events"), await database_for("fetcher")
    held, other = wanted(new_id()), wanted(new_id())

    def stored() -> set[str]:
        return {event["task_id"] for event in tasks.of_type("task.changed") if event["state"] == "stored"}

    async def is_held() -> bool:
        async with database.transaction() as tx:
            return bool(await tx.fetchval("SELECT count(*) FROM paused_jobs WHERE paused"))

    async with running("fetcher", Settings, build, topics, payloads):
        await producer.send([outgoing(JOBS_EVENTS, held.event.job_id, told(held.event.job_id, PAUSED, 1).event)])
        await eventually(is_held, 30)
        calls = [outgoing(FETCH_REQUESTED, one.event.task_id, one.event) for one in (held, other)]
        await producer.send([configured(site), *calls])
        await eventually(lambda: stored() == {str(other.event.task_id)}, 30)
        assert len(site.heads) == 1
        await producer.send([outgoing(JOBS_EVENTS, held.event.job_id, told(held.event.job_id, RUNNING, 2).event)])
        await eventually(lambda: len(stored()) == 2, 30)
