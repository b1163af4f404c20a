"""Passes a consumer group over records that cannot be read (`python -m services.skip`).

The group has to be stopped meanwhile: Kafka takes offsets for a group that is at work from its members only. Nothing
but the unreadable records is passed over: if there is anything unhandled before them, or if the offset can be read
after all, nothing is changed.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.brokers import Brokers, options_of
from shared.errors import SluiceError
from shared.messaging.faults import administration, kafka_faults
from shared.messaging.reader import UNREADABLE
from shared.messaging.unpack import limit_batches

_EMPTY_STATES = ("Empty", "Dead")
_READ_MS = 5000
_COMMIT_SECONDS = 10


class NotSkipped(SluiceError):
    """Nothing was changed."""


async def skip(brokers: Brokers | str, group: str, topic: str, partition: int, offset: int) -> int:
    """Commit the first offset after `offset` that can be read (or the partition's end); gives it.

    Raises:
        NotSkipped: the group is at work, is at another offset, or the offset can be read.
        Unavailable: no broker answers.
    """
    at = TopicPartition(topic, partition)
    limit_batches()
    consumer = AIOKafkaConsumer(
        **options_of(brokers), group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    with kafka_faults():
        try:
            await _check_stopped(brokers, group)
            await consumer.start()
            consumer.assign([at])
            await _check_committed(consumer, at, offset)
            after = await _first_readable(consumer, at, offset)
            if after == offset:
                raise NotSkipped(f"offset {offset} of {topic}/{partition} can be read; nothing was changed")
            async with asyncio.timeout(_COMMIT_SECONDS):
                await consumer.commit({at: after})
        finally:
            await consumer.stop()
    return after


async def _check_stopped(brokers: Brokers | str, group: str) -> None:
    async with administration(brokers) as admin:
        [answer] = await admin.describe_consumer_groups([group])
    [(_, _, state, *_)] = answer.groups
    if state not in _EMPTY_STATES:
        raise NotSkipped(f"the group {group} is at work ({state}): stop its processes first")


async def _check_committed(consumer: AIOKafkaConsumer, at: TopicPartition, offset: int) -> None:
    committed = await consumer.committed(at)
    if committed is None:
        committed = (await consumer.beginning_offsets([at]))[at]
    if committed != offset:
        raise NotSkipped(f"the group is at {committed}, not at {offset}: what is between would be lost, too")


async def _first_readable(consumer: AIOKafkaConsumer, at: TopicPartition, offset: int) -> int:
    end: int = (await consumer.end_offsets([at]))[at]
    while offset < end:
        consumer.seek(at, offset)
        try:
            read = await consumer.getmany(at, timeout_ms=_READ_MS, max_records=1)
        except UNREADABLE:
            offset += 1
            continue
        if not read:
            raise NotSkipped(f"the broker does not give offset {offset}; nothing was changed")
        found: int = read[at][0].offset
        return found
    return end
