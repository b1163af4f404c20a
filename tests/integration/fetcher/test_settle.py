"""What a call's row remembers between its tries: since when it met only limits, and for how long it was tried."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from services.fetcher.call.decide import Elsewhere, RateLimited, RetryAt
from services.fetcher.call.outcome import Tried, outcome_of
from services.fetcher.enqueue.handler import enqueue_calls
from services.fetcher.lanes import store as lanes_store
from services.fetcher.model import Claimed, Ended, Later, Outcome
from services.fetcher.settle import store as settle_store
from services.fetcher.settle.settle import Settlement
from shared.database.pool import Database, Transaction
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.fetcher.calls import wanted
from tests.support.eventually import eventually
from tests.support.locks import waiting
from tests.support.stack import Place

FETCHER = new_id()
Decided = RetryAt | RateLimited | Elsewhere | None


async def claim(tx: Transaction) -> Claimed:
    """The one call, whenever it is due."""
    await tx.execute("UPDATE calls SET not_before = now()")
    [call] = await lanes_store.claim_calls(tx, await lanes_store.find_due(tx, "v", 1), FETCHER)
    return call


def came_of(call: Claimed, decided: Decided) -> Outcome:
    if decided is None:
        return Later(call, utc_now(), call.attempt)
    return outcome_of(call, decided, Tried(utc_now(), 0.1, status=429), utc_now())


async def tried(database: Database, what: Sequence[Decided]) -> tuple[Claimed, Claimed]:
    """The call at its first try, and after these outcomes."""
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id())])
    async with database.transaction() as tx:
        first = call = await claim(tx)
    for decided in what:
        async with database.transaction() as tx:
            assert await settle_store.settle_calls(tx, FETCHER, [came_of(call, decided)]) == {call.key}
            call = await claim(tx)
    return first, call


def later(hours: float) -> datetime:
    return utc_now() + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("outcomes", "limited"),
    [
        ([RateLimited(later(1), "status_429")], True),
        ([RateLimited(later(1), "status_429"), RetryAt(later(0), "status_500")], False),
        ([RateLimited(later(1), "status_429"), Elsewhere("status_429")], True),
        ([RateLimited(later(1), "status_429"), None], True),
    ],
)
async def test_a_call_knows_since_when_it_met_nothing_but_limits(
    database_for: DatabaseFor, outcomes: Sequence[Decided], limited: bool
) -> None:
    first, last = await tried(await database_for("fetcher"), outcomes)
    assert (last.limited_since is not None) == limited
    if last.limited_since is not None:
        assert last.limited_since - first.first_attempt_at < timedelta(minutes=1)


async def test_waits_for_a_limit_are_no_part_of_the_time_that_a_call_is_tried(database_for: DatabaseFor) -> None:
    first, last = await tried(
        await database_for("fetcher"),
        [RateLimited(later(1), "status_429"), RetryAt(later(2), "status_500"), Elsewhere("status_429"), None],
    )
    assert last.first_attempt_at - first.first_attempt_at == pytest.approx(timedelta(hours=1), abs=timedelta(minutes=1))
    assert last.attempt == 2


async def test_waits_for_a_limit_that_others_met_are_no_part_of_it_either(database_for: DatabaseFor) -> None:
    database = await database_for("fetcher")
    first, _ = await tried(database, [RetryAt(later(0), "status_500"), RetryAt(later(0), "status_500")])
    async with database.transaction() as tx:
        await tx.execute("UPDATE calls SET state = 'waiting', not_before = now() - interval '40 minutes'")
        [waiting_call] = await lanes_store.claim_calls(tx, await lanes_store.find_due(tx, "v", 1), FETCHER)
    waited = waiting_call.first_attempt_at - first.first_attempt_at
    assert waited == pytest.approx(timedelta(minutes=40), abs=timedelta(minutes=1))


async def test_fetchers_that_hear_the_opposite_of_two_vendors_never_wait_for_each_other_in_a_circle(
    place: Place, database_for: DatabaseFor
) -> None:
    database, producer = await database_for("fetcher"), Producer(place.kafka, prefix=place.prefix)
    async with database.transaction() as tx:
        await enqueue_calls(tx, [wanted(new_id(), vendor=vendor) for vendor in "aabb"])
        await tx.execute("INSERT INTO budgets (vendor, pace) VALUES ('a', 0.5), ('b', 0.5)")

    async def refused_by(vendor: str, other: str) -> Settlement:
        settlement = Settlement(database, producer, new_id())
        for name, decided in ((vendor, RateLimited(later(1), "status_429")), (other, None)):
            async with database.transaction() as tx:
                [call] = await lanes_store.claim_calls(tx, await lanes_store.find_due(tx, name, 1), new_id())
            settlement.add(came_of(call, decided) if decided else Ended(call, (), None, True), lambda: None)
        return settlement

    async def wait_for(writers: int) -> None:
        async def wait() -> bool:
            return await waiting(database) == writers

        await eventually(wait, 20)

    first, second = await refused_by("a", "b"), await refused_by("b", "a")
    async with database.transaction() as other:
        await other.execute("SELECT FROM budgets WHERE vendor = 'a' FOR UPDATE")
        writing = [asyncio.create_task(first.write())]
        await wait_for(1)
        writing.append(asyncio.create_task(second.write()))
        await wait_for(2)
    await asyncio.gather(*writing)
