"""The rate of a redrive is kept whatever happens meanwhile: an outage, another order."""

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


async def order(edge: Served, prefix: str, reason: str = "bug") -> None:
    """Redrive so many letters, one a second."""
    await keep(
        edge.database, *(letter_of(prefix, reason=reason, at=BEGAN + number * SECOND) for number in range(COUNT))
    )
    answer = await edge.http.post("/dead-letters/redrive", json={"filter": {"reason": reason}, "rate": 1})
    assert (answer.status_code, answer.json()["count"]) == (202, COUNT)


async def gaps(database: Database) -> list[timedelta]:
    """How far the turns of the letters that wait are apart."""
    async with database.transaction() as tx:
        rows = await tx.fetch("SELECT due_at FROM dead_letters WHERE state = 'redriving' ORDER BY due_at")
    return [later["due_at"] - turn["due_at"] for turn, later in pairwise(rows)]


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


async def test_the_turns_of_a_second_order_begin_behind_those_of_the_first(edge: Served, topics: Place) -> None:
    await order(edge, topics.prefix)
    await order(edge, topics.prefix, "empty")
    apart = await gaps(edge.database)
    assert (len(apart), min(apart)) == (2 * COUNT - 1, SECOND)
