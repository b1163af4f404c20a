"""A commit took effect, and nobody heard of it: the connection was gone before the answer. Nothing that a living
fetcher holds may hang on it, because nobody takes over from the living."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.fetcher.call.messages import Change, changed
from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.model import Ended, Later
from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover.loop import Takeover
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.tasks import TaskState
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.payloads.store import PayloadStore
from shared.runtime.clock import utc_now
from tests.conftest import ReaderFor
from tests.integration.fetcher.calls import claim, states, wanted
from tests.integration.fetcher.leaser import QUOTA, Leaser, noted
from tests.integration.fetcher.takeovers import LEASE_SECONDS, Clock, take_over
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.stack import Place

COMMIT = b"COMMIT"


@pytest.fixture
async def database(place: Place, to_postgres: Proxy) -> AsyncIterator[Database]:
    url = place.through(to_postgres.port).database_url()
    made = Database(url.replace("{service}", "fetcher"), schema="fetcher")
    await made.open()
    yield made
    await made.close()


async def test_an_answer_that_was_written_unheard_is_told(
    topics: Place, to_postgres: Proxy, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    told, fetcher_id = await reader_for("tasks.events"), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()), wanted(new_id())])
    ends, waits = await claim(database, fetcher_id)
    settlement, settled = Settlement(database, producer, fetcher_id), list[None]()
    message = changed(ends, Change(TaskState.COMPLETED), utc_now())
    settlement.add(Ended(ends, (message,), None, succeeded=True), lambda: settled.append(None))
    message = changed(waits, Change(TaskState.RETRYING), utc_now())
    settlement.add(Later(waits, utc_now(), 2, (message,), limited=True, met_limit=True), lambda: settled.append(None))

    to_postgres.lose_answer_to(COMMIT)
    with pytest.raises(Unavailable):
        await settlement.write()
    assert (settled, await states(database)) == ([], {ends.id: "answered", waits.id: "waiting"})
    await settlement.drain(within_seconds=20)
    assert (len(settled), await states(database)) == (2, {waits.id: "waiting"})
    await eventually(lambda: {event["state"] for event in told.values} == {"completed", "retrying"}, 20)


async def test_an_attempt_that_was_written_unheard_is_logged_once(
    topics: Place, to_postgres: Proxy, database: Database, producer: Producer
) -> None:
    fetcher_id = new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()), wanted(new_id())])
    calls = await claim(database, fetcher_id)
    settlement = Settlement(database, producer, fetcher_id)
    outcomes = [give_up(call, "refused", Tried(utc_now(), 0.1, status=400), utc_now()) for call in calls]
    settlement.add(outcomes[0], lambda: None)
    to_postgres.lose_answer_to(COMMIT)
    with pytest.raises(Unavailable):
        await settlement.write()
    settlement.add(outcomes[1], lambda: None)
    await settlement.drain(within_seconds=20)
    async with database.transaction() as tx:
        logged = [row["call_id"] for row in await tx.fetch("SELECT call_id FROM attempts ORDER BY call_id")]
    assert logged == sorted(call.id for call in calls)


async def test_calls_that_were_claimed_unheard_are_made(to_postgres: Proxy, database: Database) -> None:
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(2)])
    leaser = Leaser(database)
    lane = leaser.lane
    to_postgres.lose_answer_to(COMMIT)
    running = asyncio.create_task(lane.run())
    try:
        await eventually(lambda: len(leaser.permits) == 2, 20)
        assert set((await states(database)).values()) == {"running"}
    finally:
        running.cancel()


async def test_a_permit_that_was_returned_unheard_frees_no_other_calls_permit(
    to_postgres: Proxy, database: Database
) -> None:
    """Of a quota, which is not spaced: permits for the same moment."""
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(2)])
    leaser = Leaser(database, QUOTA)
    lane = leaser.lane
    running = asyncio.create_task(lane.run())

    async def all_noted() -> bool:
        lane.look()
        return not lane._leases.has_reports

    try:
        await eventually(lambda: len(set(leaser.moments)) == 1 and len(leaser.permits) == 2, 20)
        to_postgres.lose_answer_to(COMMIT)
        leaser.permits[0].close()
        await eventually(all_noted, 20)
        assert sum(await noted(database)) == 1
    finally:
        running.cancel()


async def test_calls_that_were_taken_over_unheard_are_told(
    topics: Place, to_postgres: Proxy, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    told, gone, heir = await reader_for("tasks.events"), new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    [call] = await claim(database, gone)
    theirs = Settlement(database, producer, gone)
    theirs.add(Ended(call, (changed(call, Change(TaskState.COMPLETED), utc_now()),), None, True), lambda: None)
    await theirs.write()

    settlement = Settlement(database, producer, heir)
    clock = Clock()
    takeover = Takeover(database, settlement, heir, LEASE_SECONDS, clock=clock)
    await takeover.step()
    clock.now += LEASE_SECONDS
    to_postgres.lose_answer_to(COMMIT)
    with pytest.raises(Unavailable):
        await takeover.step()
    await settlement.drain(within_seconds=20)
    assert await states(database) == {call.id: "answered"}
    await takeover.step()
    await settlement.drain(within_seconds=20)
    assert await states(database) == {}
    [event] = await eventually(lambda: told.values, 20)
    assert event["state"] == "completed"


async def test_what_was_stored_for_an_answer_that_was_written_unheard_and_told_by_an_heir_is_kept(
    topics: Place, to_postgres: Proxy, database: Database, producer: Producer, payloads: Path
) -> None:
    store, fetcher_id, heir = PayloadStore(payloads.as_uri()), new_id(), new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    [call] = await claim(database, fetcher_id)
    pointer = await store.put(call.request.job_id, call.payload, b"[]", media_type="application/json")
    settlement, others = (Settlement(database, producer, one) for one in (fetcher_id, heir))
    settlement.add(Ended(call, (changed(call, Change(TaskState.STORED), utc_now()),), None, True), lambda: None)
    to_postgres.lose_answer_to(COMMIT)
    with pytest.raises(Unavailable):
        await settlement.write()
    await take_over(database, others, heir)
    await others.drain(within_seconds=20)
    assert await states(database) == {}
    await settlement.drain(within_seconds=20)
    for one in (settlement, others):
        await one.leftovers.delete(store)
    assert await store.get(pointer) == b"[]"


async def test_a_fault_while_the_rest_is_written_ends_nothing(
    topics: Place, to_postgres: Proxy, database: Database, producer: Producer
) -> None:
    fetcher_id = new_id()
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    [call] = await claim(database, fetcher_id)
    settlement = Settlement(database, producer, fetcher_id)
    settlement.add(Ended(call, (changed(call, Change(TaskState.COMPLETED), utc_now()),), None, True), lambda: None)
    to_postgres.lose_answer_to(COMMIT)
    await settlement.drain(within_seconds=20)
    assert await states(database) == {}
