"""Whoever produces may do so in transactions: only what was committed counts, and nothing waits for their marks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from prometheus_client import REGISTRY

from shared.client.replay import Wanted, replay
from shared.database.pool import Database
from shared.ids import new_id
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.messaging.subscriptions import Subscriptions
from shared.runtime.clock import utc_now
from tests.conftest import DatabaseFor
from tests.integration.shared.shells import Seen, order, shell
from tests.support.eventually import eventually
from tests.support.stack import Place


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


@pytest.fixture
async def exact(topics: Place) -> AsyncIterator[AIOKafkaProducer]:
    """A stranger's producer of exactly-once messages."""
    made = AIOKafkaProducer(bootstrap_servers=topics.kafka, transactional_id=topics.prefix)
    await made.start()
    yield made
    await made.stop()


async def put(exact: AIOKafkaProducer, place: Place, message: Outgoing) -> None:
    await exact.send_and_wait(
        f"{place.prefix}.{message.topic}", message.value, headers=list(message.headers), partition=0
    )


async def put_all(exact: AIOKafkaProducer, place: Place, *messages: Outgoing) -> None:
    async with exact.transaction():
        for message in messages:
            await put(exact, place, message)


async def put_and_abort(exact: AIOKafkaProducer, place: Place, message: Outgoing) -> None:
    await exact.begin_transaction()
    await put(exact, place, message)
    await exact.abort_transaction()


def lag(subscriptions: Subscriptions) -> int:
    found: int = subscriptions.states()[0]["lag"]
    return found


async def test_what_was_aborted_is_neither_handled_nor_replayed(
    topics: Place, database: Database, producer: Producer, exact: AIOKafkaProducer
) -> None:
    seen, aborted, committed = Seen(), new_id(), new_id()
    await put_and_abort(exact, topics, order(aborted))
    await put_all(exact, topics, order(committed))
    async with shell(seen, topics, database, producer):
        await eventually(lambda: committed in seen.jobs, 30)
        wanted = Wanted("jobs.control", "jobs.control", datetime.fromtimestamp(0, UTC), utc_now() + timedelta(hours=1))
        found = await replay(topics.kafka, topics.prefix, wanted, dry_run=True)
    assert seen.jobs == [committed]
    assert found.records == 1


async def test_the_mark_that_ends_a_transaction_is_no_lag(
    topics: Place, database: Database, producer: Producer, exact: AIOKafkaProducer
) -> None:
    """A watchdog would take it for a consumer that makes no progress."""
    seen, job = Seen(), new_id()
    await put_all(exact, topics, order(job))
    await put_and_abort(exact, topics, order(new_id()))
    async with shell(seen, topics, database, producer) as subscriptions:
        await eventually(lambda: seen.jobs, 30)
        await eventually(lambda: lag(subscriptions) == 0, 20)


async def test_the_offsets_that_transactions_take_are_no_jumps(
    topics: Place, database: Database, producer: Producer, exact: AIOKafkaProducer
) -> None:
    """Nothing is lost there, and nobody is to be woken."""
    seen, first, last = Seen(), new_id(), new_id()
    for job in (first, last):
        await put_and_abort(exact, topics, order(new_id()))
        await put_all(exact, topics, order(job))
        async with shell(seen, topics, database, producer):
            await eventually(lambda: job in seen.jobs, 30)  # noqa: B023
    assert seen.jobs == [first, last]
    labels = {"group": f"{topics.prefix}.planner.control"}
    assert REGISTRY.get_sample_value("sluice_position_jumps_total", labels) is None


async def test_a_transaction_that_stays_open_is_no_lag_and_what_is_in_hand_is(
    topics: Place, database: Database, producer: Producer, exact: AIOKafkaProducer
) -> None:
    seen = Seen()
    await put_all(exact, topics, order(new_id()))
    async with shell(seen, topics, database, producer) as subscriptions:
        await eventually(lambda: seen.jobs, 30)
        consumer = subscriptions.subscribers[0].consumer
        at = TopicPartition(f"{topics.prefix}.jobs.control", 0)
        assert consumer is not None
        async with exact.transaction():
            await put(exact, topics, order(new_id()))
            await eventually(lambda: consumer.highwater(at) == 3, 30)
            await eventually(lambda: lag(subscriptions) == 0, 20)
            async with subscriptions._shells[0].gate.lock:
                assert lag(subscriptions) == 1
        await eventually(lambda: len(seen.jobs) == 2 and lag(subscriptions) == 0, 30)
