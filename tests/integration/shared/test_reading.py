"""The read call while all can be read, on a real broker: what is busy does not wait for what is not."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from shared.events.catalogue import JOBS_CONTROL
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.messaging.reader import UNREAD_SECONDS, Read, Reader
from tests.eventually import eventually
from tests.integration.shared.shells import order
from tests.stack import Place

MANY = 20
LONG_SECONDS = 60.0


@pytest.fixture
async def reader(topics: Place) -> AsyncIterator[Reader]:
    started = Reader(bootstrap_servers=topics.kafka, auto_offset_reset="earliest")
    started.assign([TopicPartition(JOBS_CONTROL.full_name(topics.prefix), partition) for partition in (0, 1)])
    await started.start()
    yield started
    await started.stop()


def count(read: Read) -> int:
    return sum(len(records) for records in read.values())


async def test_the_others_are_fetched_together_with_a_partition_whose_records_lie_unread(
    reader: Reader, producer: Producer
) -> None:
    """Else its next fetch waits behind theirs, for as long as the broker keeps one that finds nothing."""
    await producer.send([order(new_id())])
    [unread] = await eventually(lambda: list(reader._fetcher._records.values()), 10)
    assert UNREAD_SECONDS / 2 < unread.calculate_backoff() <= UNREAD_SECONDS


async def test_under_load_what_comes_within_the_spacing_is_one_batch(reader: Reader, producer: Producer) -> None:
    reader.spacing_seconds = LONG_SECONDS
    await producer.send([order(new_id()) for _ in range(MANY)])
    read = 0
    while read < MANY:
        read += count(await reader.getmany(max_records=MANY - read))
    reading = asyncio.create_task(reader.getmany(max_records=2))
    for wanted in (MANY + 1, MANY + 2):
        await producer.send([order(new_id())])
        await eventually(partial(_has_taken, reader, wanted), 10)
    assert count(await reading) == 2


async def test_where_little_happens_nothing_is_delayed(reader: Reader, producer: Producer) -> None:
    reader.spacing_seconds = LONG_SECONDS
    await producer.send([order(new_id())])
    async with asyncio.timeout(LONG_SECONDS / 2):
        assert count(await reader.getmany(max_records=MANY)) == 1


async def test_what_was_gathered_before_a_look_that_fails_is_read_again(
    topics: Place, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    getmany, job = AIOKafkaConsumer.getmany, order(new_id())

    async def forbidden(self: Reader, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> Read:
        """Every look but the first of a read call."""
        if not timeout_ms:
            raise TopicAuthorizationFailedError
        read: Read = await getmany(self, *partitions, timeout_ms=timeout_ms, max_records=max_records)
        return read

    options = {"bootstrap_servers": topics.kafka, "group_id": "g", "auto_offset_reset": "earliest"}
    reader = Reader(**options, enable_auto_commit=False)
    reader.subscribe([JOBS_CONTROL.full_name(topics.prefix)])
    await reader.start()
    try:
        reader.spacing_seconds = LONG_SECONDS
        await producer.send([order(new_id()) for _ in range(MANY)])
        assert await eventually(lambda: reader.getmany(max_records=1), 30)
        assert await reader.getmany(max_records=MANY - 1)
        await producer.send([job])
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", forbidden)
        with pytest.raises(TopicAuthorizationFailedError):
            await reader.getmany(max_records=MANY)
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
        reader.spacing_seconds = 0
        found = set[bytes | None]()

        async def reads_it() -> bool:
            read = await reader.getmany(max_records=MANY)
            found.update(record.value for records in read.values() for record in records)
            return job.value in found

        await eventually(reads_it, 30)
    finally:
        await reader.stop()


async def _has_taken(reader: Reader, wanted: int) -> bool:
    positions: list[int] = [await reader.position(partition) for partition in reader.assignment()]
    return sum(positions) == wanted
