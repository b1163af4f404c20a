"""A call that ends the fetchers which make it is given up, and it alone."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.model import Claimed, Later, Leave, Outcome
from services.fetcher.rows import show_life
from services.fetcher.settle import store as settle_store
from services.fetcher.settle.settle import Settlement
from services.fetcher.takeover import store as takeover_store
from services.fetcher.takeover.loop import Takeover
from shared.database.pool import Database
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.fetcher.calls import busy, claim, states, submit, wanted
from tests.integration.fetcher.lanes_at_work import ask, at_work
from tests.integration.fetcher.leaser import FULL, Leaser
from tests.integration.fetcher.takeovers import LEASE_SECONDS, Clock, take_over
from tests.support.eventually import eventually
from tests.support.stack import Place


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("fetcher")


async def die(database: Database, settlement: Settlement, heir: UUID) -> None:
    """A fetcher claims what waits, and is never heard of again."""
    await claim(database, new_id())
    await take_over(database, settlement, heir)


async def test_a_call_that_was_open_at_three_deaths_in_succession_is_given_up(
    topics: Place, database: Database, producer: Producer, reader_for: ReaderFor
) -> None:
    dead, heir = await reader_for("fetcher.dead"), new_id()
    settlement = Settlement(database, producer, heir)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    for _ in range(2):
        await die(database, settlement, heir)
        assert list((await states(database)).values()) == ["waiting"]
    await die(database, settlement, heir)
    assert list((await states(database)).values()) == ["answered"]
    await settlement.send()
    [letter] = await eventually(lambda: dead.values, 20)
    assert letter["reason"] == "fatal"


async def test_deaths_count_only_in_succession(place: Place, database: Database) -> None:
    heir = new_id()
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), heir)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    for _ in range(3):
        await die(database, settlement, heir)
        await die(database, settlement, heir)
        [call] = await claim(database, heir)
        async with database.transaction() as tx:
            await settle_store.settle_calls(tx, heir, [Later(call, utc_now(), 2)])
    assert list((await states(database)).values()) == ["waiting"]


async def test_a_fetcher_that_was_told_to_stop_was_ended_by_nothing(place: Place, database: Database) -> None:
    heir = new_id()
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), heir)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    for _ in range(5):
        stops = new_id()
        await show_life(database, stops)
        await claim(database, stops)
        await lanes_store.stop_fetcher(database, stops)
        async with database.transaction() as tx:
            await tx.execute("UPDATE fetchers SET seen_at = now() - interval '1 day' WHERE id = $1", stops)
        await take_over(database, settlement, heir)
        assert list((await states(database)).values()) == ["waiting"]


async def test_a_fetcher_that_was_only_silent_was_ended_by_nothing(place: Place, database: Database) -> None:
    heir, sleeper, clock = new_id(), new_id(), Clock()
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), heir)
    sleeps = Takeover(database, settlement, sleeper, LEASE_SECONDS, clock=clock)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    for _ in range(5):
        await sleeps.step()
        await claim(database, sleeper)
        clock.now += 2 * LEASE_SECONDS
        async with database.transaction() as tx:
            await tx.execute("UPDATE fetchers SET seen_at = now() - interval '1 day' WHERE id = $1", sleeper)
        await take_over(database, settlement, heir)
        assert list((await states(database)).values()) == ["waiting"]


async def test_what_must_not_be_repeated_is_unknown_all_the_same(place: Place, database: Database) -> None:
    heir = new_id()
    settlement = Settlement(database, Producer(place.kafka, prefix=place.prefix), heir)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [submit()])
    for _ in range(2):
        await die(database, settlement, heir)
    await claim(database, gone := new_id())
    async with database.transaction() as tx:
        await tx.execute("UPDATE calls SET may_have_left = true")
        [call] = await takeover_store.find_lost(tx, [gone])
        assert await takeover_store.return_calls(tx, [gone]) == []
    assert not call.repeatable


async def test_a_vendor_is_not_looked_after_while_all_its_calls_wait_for_one_that_may_end_the_process(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id(), vendor=vendor) for vendor in "ab"])
        await tx.execute("UPDATE calls SET taken_from = ARRAY[gen_random_uuid(), gen_random_uuid()] WHERE vendor = 'a'")
    assert await busy(database) == ["a", "b"]
    assert await busy(database, suspects=False) == ["b"]


@pytest.mark.parametrize(("waited", "suspects"), [(timedelta(), 0), (timedelta(minutes=1), 1)])
async def test_a_call_that_fetchers_ended_with_waits_for_other_calls_of_its_vendor_but_not_for_long(
    database: Database, waited: timedelta, suspects: int
) -> None:
    """The vendor allows two calls in flight, and has three others."""
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id()) for _ in range(3)])
        await enqueue_calls(tx, [wanted(last := new_id())])
        await tx.execute(
            "UPDATE calls SET taken_from = ARRAY[id, id], not_before = now() - $2::interval, priority = priority + 1"
            " WHERE job_id = $1",
            last,
            waited,
        )
    leaser = Leaser(database, FULL)
    running = asyncio.create_task(leaser.lane.run())
    try:
        await eventually(lambda: len(leaser.calls) == 2, 20)
    finally:
        running.cancel()
    assert sum(call.is_suspect for call in leaser.calls) == suspects


async def test_of_calls_that_fetchers_ended_with_a_process_has_one_open_at_a_time(
    topics: Place, payloads: Path
) -> None:
    """Two vendors with two such calls each, and one call that nothing is known of."""
    open_now: list[Claimed] = []
    may_end = asyncio.Semaphore(0)
    most = ended = 0

    async def hold(call: Claimed, leave: Leave) -> Outcome:
        nonlocal most, ended
        open_now.append(call)
        most = max(most, sum(one.is_suspect for one in open_now))
        await may_end.acquire()
        open_now.remove(call)
        ended += 1
        return Later(call, utc_now().replace(year=9000), call.attempt)

    async with at_work(topics, payloads, hold) as (runtime, lanes):
        async with runtime.database.transaction() as tx:
            await enqueue_calls(tx, [wanted(new_id(), vendor=f"url:{name}.example") for name in "aabb"])
            await tx.execute("UPDATE calls SET taken_from = ARRAY[gen_random_uuid(), gen_random_uuid()]")
        await ask(runtime, lanes, "url:a.example")
        await eventually(lambda: len(open_now) == 2, 20)
        for _ in range(5):
            may_end.release()
        await eventually(lambda: ended == 5, 20)
    assert most == 1
