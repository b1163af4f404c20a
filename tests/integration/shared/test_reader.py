"""Batches that cannot be read, on a real broker: all the rest flows, nothing is lost, and the place is shown."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from shared.database.pool import Database
from shared.events.catalogue import JOBS_CONTROL
from shared.events.jobs import JobControl
from shared.ids import new_id
from shared.messaging import reader
from shared.messaging.producer import Producer
from shared.messaging.reader import Reader
from shared.messaging.skip import NotSkipped, skip
from shared.messaging.subscriptions import Subscriptions
from shared.messaging.unpack import MOST_BYTES
from tests.conftest import DatabaseFor
from tests.integration.shared.shells import Seen, order, shell
from tests.support.damage import flip_byte, send_bomb, send_broken_header
from tests.support.eventually import eventually
from tests.support.stack import Place

PARTITION = 0
LOST = 3


@pytest.fixture
async def database(database_for: DatabaseFor) -> Database:
    return await database_for("planner")


def topic(place: Place) -> str:
    return JOBS_CONTROL.full_name(place.prefix)


def orders(count: int) -> list[UUID]:
    return [new_id() for _ in range(count)]


async def send(producer: Producer, jobs: Sequence[UUID]) -> None:
    await producer.send([order(job) for job in jobs])


async def send_unreadable(place: Place) -> None:
    await send_bomb(place.kafka, topic(place), PARTITION, records=LOST, record_bytes=MOST_BYTES // 2)


def unreadable(subscriptions: Subscriptions) -> list[str]:
    found: list[str] = subscriptions.states()[0]["unreadable"]
    return found


async def test_subscribers_read_with_our_reader_and_a_batch_timeout_of_one_millisecond(
    topics: Place, database: Database, producer: Producer
) -> None:
    async with shell(Seen(), topics, database, producer) as subscriptions:
        [subscriber] = subscriptions.subscribers
        assert isinstance(subscriber.consumer, Reader)
        assert subscriber.batch_timeout_ms == 1


async def test_a_batch_that_unpacks_to_too_much_stops_one_partition_only_until_an_operator_skips_it(
    topics: Place, database: Database, producer: Producer
) -> None:
    """All of it waits when the consumer starts: what one read call takes from a neighbour must not get lost when the
    bad batch raises out of the same call."""
    seen, before, after = Seen(), orders(40), orders(40)
    group = f"{topics.prefix}.planner.control"
    await send(producer, before)
    await send_unreadable(topics)
    await send(producer, after)
    async with shell(seen, topics, database, producer) as subscriptions:
        [found] = await eventually(lambda: unreadable(subscriptions), 30)
        offset = int(found.rsplit(" ", 1)[1])
        assert found == f"{topic(topics)} {PARTITION} {offset}"
        await eventually(lambda: set(before) <= set(seen.jobs), 30)
        later = orders(40)
        await send(producer, later)
        # The other partition has about half of them, and takes no notice.
        readable = await eventually(lambda: set(seen.jobs) & set(later), 30)
        assert readable < set(later)
        with pytest.raises(NotSkipped, match="at work"):
            await skip(topics.kafka, group, topic(topics), PARTITION, offset)
    with pytest.raises(NotSkipped, match=f"is at {offset}, not at {offset + 1}"):
        await skip(topics.kafka, group, topic(topics), PARTITION, offset + 1)
    assert await skip(topics.kafka, group, topic(topics), PARTITION, offset) == offset + LOST
    with pytest.raises(NotSkipped, match="can be read"):
        await skip(topics.kafka, group, topic(topics), PARTITION, offset + LOST)
    async with shell(seen, topics, database, producer) as subscriptions:
        await eventually(lambda: len(seen.jobs) >= 120, 30)
        assert not unreadable(subscriptions)
    assert sorted(seen.jobs) == sorted([*before, *after, *later])


async def test_a_header_whose_name_is_no_text_stops_one_partition_only_until_it_is_skipped(
    topics: Place, database: Database, producer: Producer
) -> None:
    seen, before, after = Seen(), orders(40), orders(40)
    group = f"{topics.prefix}.planner.control"
    await send(producer, before)
    await send_broken_header(topics.kafka, topic(topics), PARTITION, order(new_id()).value or b"")
    await send(producer, after)
    async with shell(seen, topics, database, producer) as subscriptions:
        [found] = await eventually(lambda: unreadable(subscriptions), 30)
        offset = int(found.rsplit(" ", 1)[1])
        await eventually(lambda: set(before) <= set(seen.jobs), 30)
        readable = await eventually(lambda: set(seen.jobs) & set(after), 30)
        assert readable < set(after)
    assert await skip(topics.kafka, group, topic(topics), PARTITION, offset) == offset + 1
    async with shell(seen, topics, database, producer):
        await eventually(lambda: len(seen.jobs) >= 80, 30)
    assert sorted(seen.jobs) == sorted([*before, *after])


async def test_a_batch_damaged_on_the_brokers_disk_is_read_as_soon_as_it_is_mended(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOK_AGAIN_SECONDS", 0.5)
    seen, damaged, rest = Seen(), new_id(), orders(40)
    await send(producer, rest[:20])
    await send(producer, [damaged])
    await send(producer, rest[20:])
    flip_byte(topic(topics), str(damaged).encode())
    async with shell(seen, topics, database, producer) as subscriptions:
        await eventually(lambda: unreadable(subscriptions), 30)
        await eventually(lambda: set(rest[:20]) <= set(seen.jobs), 30)
        assert damaged not in seen.jobs
        flip_byte(topic(topics), str(damaged).encode())
        await eventually(lambda: len(seen.jobs) >= 41, 30)
        assert not unreadable(subscriptions)
    assert sorted(seen.jobs) == sorted([damaged, *rest])


async def test_a_partition_that_was_put_aside_is_found_again_after_a_rebalance(
    topics: Place, database: Database, producer: Producer
) -> None:
    first, second = Seen(), Seen()
    await send_unreadable(topics)
    async with shell(first, topics, database, producer) as one:
        await eventually(lambda: unreadable(one), 30)
        async with shell(second, topics, database, producer) as two:
            found = await eventually(
                lambda: two.states()[0]["partitions"] == 1 and [*unreadable(one), *unreadable(two)], 30
            )
            assert found == [f"{topic(topics)} {PARTITION} 0"]
        await eventually(lambda: one.states()[0]["partitions"] == 2 and unreadable(one), 30)
        await eventually(lambda: consumer_of(one).paused() == {TopicPartition(topic(topics), PARTITION)}, 30)


def consumer_of(subscriptions: Subscriptions) -> Reader:
    [subscriber] = subscriptions.subscribers
    assert isinstance(subscriber.consumer, Reader)
    return subscriber.consumer


async def test_a_damaged_batch_is_read_again_after_asking_for_its_offset_failed_once(
    topics: Place, database: Database, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is damaged on its way only, and the broker fails once to say where the group stands."""
    damaged, before = new_id(), orders(40)
    await send(producer, before)
    await send(producer, [damaged])
    flip_byte(topic(topics), str(damaged).encode())
    told, committed = False, Reader.committed

    async def tells_at_the_second_time(self: Reader, partition: TopicPartition) -> int | None:
        nonlocal told
        told, before_that = True, told
        if not before_that:
            raise KafkaError("unknown")
        offset: int | None = await committed(self, partition)
        return offset

    monkeypatch.setattr(Reader, "committed", tells_at_the_second_time)
    consumer = Reader(
        bootstrap_servers=topics.kafka, group_id="g", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    consumer.subscribe([topic(topics)])
    await consumer.start()
    found = set[UUID]()

    async def reads_all() -> bool:
        try:
            read = await consumer.getmany(max_records=500)
        except KafkaError:
            flip_byte(topic(topics), str(damaged).encode())
            return False
        found.update(JobControl.model_validate_json(one.value).job_id for records in read.values() for one in records)
        return found == {*before, damaged}

    try:
        await eventually(reads_all, 20)
    finally:
        await consumer.stop()
