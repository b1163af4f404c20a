"""The read call while all can be read, on a real broker: what is busy does not wait for what is not."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiokafka import TopicPartition

from shared.events.catalogue import JOBS_CONTROL
from shared.ids import new_id
from shared.messaging.producer import Producer
from shared.messaging.reader import UNREAD_SECONDS, Read, Reader
from tests.integration.shared.shells import order
from tests.support.eventually import eventually
from tests.support.stack import Place

MANY = 20
MUCH = 2000
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
    """The broker keeps the fetch until the spacing is over, or enough has come for a batch that is worth it."""
    reader.spacing_seconds = LONG_SECONDS
    job_id = new_id()
    await producer.send([order(job_id) for _ in range(MANY)])
    assert count(await eventually(partial(reader.getmany, max_records=MANY), 20)) == MANY
    reading = asyncio.create_task(reader.getmany(max_records=2 * MUCH))
    first = order(new_id())
    await producer.send([first])
    await producer.send([order(new_id()) for _ in range(MUCH)])
    async with asyncio.timeout(LONG_SECONDS / 2):
        gathered = await reading
    assert first.value in {record.value for records in gathered.values() for record in records}
    assert count(gathered) > MANY


async def test_a_single_record_is_read_without_waiting_for_the_spacing(reader: Reader, producer: Producer) -> None:
    reader.spacing_seconds = LONG_SECONDS
    await producer.send([order(new_id())])
    async with asyncio.timeout(LONG_SECONDS / 2):
        assert count(await reader.getmany(max_records=MANY)) == 1
