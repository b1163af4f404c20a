"""jobs.events → calls of cancelled jobs are not made."""

from services.fetcher.control.handler import control_calls
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.takeover import store as takeover_store
from shared.events.jobs import JobState
from shared.ids import new_id
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import cancelled, due, incoming, wanted


async def test_what_waits_for_a_cancelled_job_is_not_called(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    ends, stays = new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(ends), wanted(ends), wanted(stays)])
    assert await due(database) == 3
    async with database.transaction() as tx:
        await control_calls(tx, [cancelled(ends)])
    assert await due(database) == 1
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(ends)])
    assert await due(database) == 1


async def test_a_call_that_was_open_at_the_cancellation_is_not_repeated(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    job_id, fetcher_id = new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(job_id)])
        await lanes_store.claim_calls(tx, await lanes_store.find_due(tx, "v", 1), fetcher_id)
        await control_calls(tx, [cancelled(job_id)])
        assert (await lanes_store.lock_budget(tx, "v", new_id()))["elsewhere"] == 1
        await takeover_store.return_calls(tx, [fetcher_id])
        assert await lanes_store.find_due(tx, "v", 1) == []
        await takeover_store.delete_cancelled(tx)
        assert await lanes_store.find_busy_vendors(tx) == {}


async def test_a_job_that_ended_otherwise_takes_nothing_back(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    job_id = new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(job_id)])
        failed = cancelled(job_id).event.model_copy(update={"state": JobState.FAILED})
        await control_calls(tx, [incoming(failed)])
    assert await due(database) == 1


async def test_what_ends_a_vendors_job_outlives_ours(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    job_id = new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(job_id, "abort")])
        await control_calls(tx, [cancelled(job_id)])
        await enqueue_calls(tx, [wanted(job_id, "abort"), wanted(job_id, "page")])
        await takeover_store.delete_cancelled(tx)
    assert await due(database) == 2
