"""The rate of an order is kept whatever happens meanwhile: an outage, another order."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from shared.database.pool import Database
from shared.errors import Unavailable
from shared.messaging.producer import Producer
from tests.integration.callback_gateway.conftest import Served
from tests.integration.callback_gateway.dead_letters import keep, letter_of
from tests.integration.callback_gateway.job_events import BEGAN
from tests.integration.callback_gateway.outages import redrive_of, without_broker
from tests.support.stack import Place

COUNT = 50
SECOND = timedelta(seconds=1)


async def keep_letters(edge: Served, prefix: str, reason: str) -> None:
    await keep(
        edge.database, *(letter_of(prefix, reason=reason, at=BEGAN + number * SECOND) for number in range(COUNT))
    )


async def order(edge: Served, prefix: str, reason: str = "bug", *, rate: float = 1) -> None:
    """Redrive so many letters, so many a second."""
    await keep_letters(edge, prefix, reason)
    answer = await edge.http.post("/dead-letters/redrive", json={"filter": {"reason": reason}, "rate": rate})
    assert (answer.status_code, answer.json()["count"]) == (202, COUNT)


async def turns(database: Database, reason: str) -> list[timedelta]:
    """How far the turns of the letters that wait are away."""
    async with database.transaction() as tx:
        rows = await tx.fetch(
            """SELECT due_at - now() AS away FROM dead_letters
            WHERE state = 'redriving' AND reason = $1 ORDER BY due_at""",
            reason,
        )
    return [row["away"] for row in rows]


async def first_turn(database: Database, reason: str) -> timedelta:
    """How far the first of them is away."""
    return (await turns(database, reason))[0]


async def gaps(database: Database, reason: str = "bug") -> list[timedelta]:
    """How far the turns of the letters that wait are apart."""
    return [later - turn for turn, later in pairwise(await turns(database, reason))]


async def pass_time(database: Database, time: timedelta) -> None:
    async with database.transaction() as tx:
        await tx.execute("UPDATE dead_letters SET due_at = due_at - $1::interval WHERE state = 'redriving'", time)


async def test_letters_that_the_broker_does_not_take_get_turns_at_the_same_rate(
    edge: Served, topics: Place, payloads: Path
) -> None:
    await order(edge, topics.prefix)
    redrive = redrive_of(topics, payloads, edge.database, without_broker(topics))
    for _ in range(5):
        await pass_time(edge.database, 5 * SECOND)
        with pytest.raises(Unavailable):
            await redrive.step()
    apart = await gaps(edge.database)
    assert (len(apart), min(apart)) == (COUNT - 1, SECOND)


async def test_turns_that_passed_while_nothing_was_sent_are_given_anew(
    edge: Served, topics: Place, payloads: Path, producer: Producer
) -> None:
    """A letter that is redriven alone has no rate: it is sent as soon as that is possible."""
    await order(edge, topics.prefix)
    [alone] = await keep(edge.database, letter_of(topics.prefix, reason="alone"))
    assert (await edge.http.post(f"/dead-letters/{alone}/redrive")).status_code == 202
    await pass_time(edge.database, timedelta(hours=1))
    redrive = redrive_of(topics, payloads, edge.database, producer)
    for _ in range(3):
        await redrive.step()
    apart = await gaps(edge.database)
    assert (len(apart), min(apart)) == (COUNT - 1, SECOND)
    assert (await edge.http.get(f"/dead-letters/{alone}")).json()["state"] == "redriven"


async def test_an_order_does_not_wait_for_a_slow_one(edge: Served, topics: Place) -> None:
    await order(edge, topics.prefix, "slow", rate=0.01)
    await order(edge, topics.prefix, "empty")
    apart = await gaps(edge.database, "empty")
    assert (len(apart), max(apart)) == (COUNT - 1, SECOND)
    assert await first_turn(edge.database, "empty") <= timedelta()


async def test_missed_turns_of_one_order_leave_those_of_another_alone(
    edge: Served, topics: Place, payloads: Path, producer: Producer
) -> None:
    await order(edge, topics.prefix, "slow", rate=0.01)
    await order(edge, topics.prefix)
    await pass_time(edge.database, timedelta(minutes=1))
    await redrive_of(topics, payloads, edge.database, producer).step()
    slow, quick = await gaps(edge.database, "slow"), await gaps(edge.database, "bug")
    assert (len(slow), min(slow)) == (COUNT - 1, 100 * SECOND)
    assert (len(quick), min(quick)) == (COUNT - 1, SECOND)
    assert await first_turn(edge.database, "bug") < timedelta(minutes=1)


async def test_requests_that_differ_only_in_their_times_share_one_rate(edge: Served, topics: Place) -> None:
    """So does the rest of an order that is too large for one request."""
    await keep_letters(edge, topics.prefix, "bug")
    for times in ({"to": (BEGAN + 20 * SECOND).isoformat()}, {"from": (BEGAN + 20 * SECOND).isoformat()}):
        answer = await edge.http.post("/dead-letters/redrive", json={"filter": {"reason": "bug", **times}, "rate": 1})
        assert answer.status_code == 202
    apart = await gaps(edge.database)
    assert (len(apart), min(apart)) == (COUNT - 1, SECOND)
