"""The network loses every byte and closes no connection: deadlines find out, and all has happened once in the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from shared.database import pool
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.ids import new_id
from shared.messaging import producer as producing
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.messaging.subscriptions import Subscriptions
from tests.conftest import DatabaseFor, ReaderFor
from tests.integration.shared.shells import Seen, answer, order, shell
from tests.support.behind import behind
from tests.support.eventually import eventually
from tests.support.proxy import Proxy
from tests.support.stack import Place
from tests.support.topic_reader import TopicReader

pytestmark = pytest.mark.chaos

CONNECTIONS = 6
HALF = 100


@pytest.fixture
async def database(topics: Place, to_postgres: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """Behind the proxy, with less patience."""
    for deadline in ("_STATEMENT_SECONDS", "_CONNECT_SECONDS", "_ACQUIRE_SECONDS"):
        monkeypatch.setattr(pool, deadline, 1)
    url = topics.through(to_postgres.port).database_url()
    made = Database(url.replace("{service}", "planner"), schema="planner", connections=CONNECTIONS)
    await made.open()
    yield made
    await made.close()


async def ask(database: Database, query: str = "SELECT 1") -> None:
    async with database.transaction() as tx:
        await tx.fetchval(query)


async def test_connections_that_died_in_silence_are_not_waited_for_one_after_the_other(
    database: Database, to_postgres: Proxy
) -> None:
    await asyncio.gather(*(ask(database, "SELECT pg_sleep(0.3)") for _ in range(CONNECTIONS)))
    to_postgres.cut()
    with pytest.raises(Unavailable):
        await ask(database)
    to_postgres.mend()
    for _ in range(CONNECTIONS):
        await ask(database)


def ids_of(answers: TopicReader) -> list[UUID]:
    return [UUID(value["job_id"]) for value in answers.values]


async def test_a_consumer_that_lost_postgres_waits_and_goes_on(
    topics: Place, producer: Producer, reader_for: ReaderFor, database: Database, to_postgres: Proxy
) -> None:
    answers, dead, retries = [await reader_for(name) for name in ("jobs.events", "planner.dead", "planner.retry")]
    jobs = [new_id() for _ in range(2 * HALF)]
    async with shell(Seen(), topics, database, producer, patience_seconds=1.0) as subscriptions:
        await producer.send([order(job) for job in jobs[:HALF]])
        await eventually(lambda: len(answers.records) >= HALF, 30)
        to_postgres.cut()
        await producer.send([order(job) for job in jobs[HALF:]])
        await eventually(lambda: subscriptions.states()[0]["waiting"], 30)
        to_postgres.mend()
        await eventually(lambda: sorted(set(ids_of(answers))) == sorted(jobs), 30)
        await eventually(lambda: not subscriptions.states()[0]["waiting"], 30)
    assert len({dict(record.headers)["ce_id"] for record in answers.records}) == len(jobs)
    assert not dead.records
    assert not retries.records


def shares(*members: Subscriptions) -> tuple[int, ...]:
    """How many partitions each has."""
    return tuple(member.states()[0]["partitions"] for member in members)


@pytest.mark.parametrize("way", ["together", "each"])
@pytest.mark.parametrize("message", [answer(new_id()), order(new_id())], ids=["known topic", "unknown topic"])
async def test_a_producer_that_lost_the_broker_finds_it_again(
    topics: Place, to_kafka: Proxy, monkeypatch: pytest.MonkeyPatch, way: str, message: Outgoing
) -> None:
    """Also one that has never been asked to produce to a topic before."""
    monkeypatch.setattr(producing, "REQUEST_SECONDS", 1)
    made = Producer(topics.kafka, prefix=topics.prefix)

    async def is_sent_together(sent: Outgoing) -> bool:
        try:
            await made.send([sent])
        except Unavailable:
            return False
        return True

    async def is_sent() -> bool:
        if way == "each":
            return bool((await made.send_each([(None, message)], within_seconds=2)).acknowledged)
        return await is_sent_together(message)

    with behind(to_kafka):
        await made.open()
        # A busy broker may take longer than this producer's patience to lead the partitions of topics just created.
        await eventually(lambda: is_sent_together(answer(new_id())), 30)
        to_kafka.cut()
        assert not await is_sent()
        to_kafka.mend()
        await eventually(is_sent, 30)
        await made.close()


async def test_a_member_that_lost_the_broker_is_replaced_and_comes_back(
    topics: Place,
    producer: Producer,
    reader_for: ReaderFor,
    database_for: DatabaseFor,
    to_kafka: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it had in hand when it was cut off is done by the other one; back again, it does nothing twice."""
    monkeypatch.setattr(producing, "REQUEST_SECONDS", 1)
    database = await database_for("planner")
    answers, dead = await reader_for("jobs.events"), await reader_for("planner.dead")
    jobs, lost, other = [new_id() for _ in range(3 * HALF)], Seen(), Seen()
    own = Producer(topics.kafka, prefix=topics.prefix)
    async with AsyncExitStack() as stack:
        with behind(to_kafka):
            await own.open()
            stack.push_async_callback(own.close)
            one = await stack.enter_async_context(shell(lost, topics, database, own, patience_seconds=1.0))
        two = await stack.enter_async_context(shell(other, topics, database, producer, patience_seconds=1.0))
        await eventually(lambda: shares(one, two) == (1, 1), 30)
        await producer.send([order(job) for job in jobs[:HALF]])
        await eventually(lambda: lost.jobs and other.jobs, 30)
        to_kafka.cut()
        await producer.send([order(job) for job in jobs[HALF : 2 * HALF]])
        await eventually(lambda: set(ids_of(answers)) == set(jobs[: 2 * HALF]), 60)
        to_kafka.mend()
        await eventually(lambda: shares(one, two) == (1, 1), 60)
        await producer.send([order(job) for job in jobs[2 * HALF :]])
        await eventually(lambda: set(ids_of(answers)) == set(jobs), 60)
    assert sorted(lost.jobs + other.jobs) == sorted(jobs)
    assert not dead.records
