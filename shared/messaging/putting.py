"""Messages handed to aiokafka: one by one, in record batches, or each as its partition has room."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.messaging.handler import Outgoing

Acknowledgement = asyncio.Future[object]


async def put(producer: AIOKafkaProducer, prefix: str, message: Outgoing) -> Acknowledgement:
    """Hand over one message, once there is room for it; gives its acknowledgement to come."""
    future: Acknowledgement = await producer.send(
        f"{prefix}.{message.topic}", value=message.value, key=key_of(message), headers=list(message.headers)
    )
    return future


async def put_by_place(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing], numbers: Sequence[int], seconds: float
) -> dict[int, Acknowledgement]:
    """Put messages, in order under each topic and key, and wait for their acknowledgements; gives those of the messages
    for which there was room in time."""
    futures: dict[int, Acknowledgement] = {}

    async def put_all(same: Sequence[int]) -> None:
        for number in same:
            futures[number] = await put(producer, prefix, messages[number])

    # aiokafka waits for room in a partition: what is under another key may be for one that has some.
    by_place: dict[tuple[str, str], list[int]] = {}
    for number in numbers:
        by_place.setdefault((messages[number].topic, messages[number].key), []).append(number)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*map(put_all, by_place.values()), return_exceptions=True)
            if futures:
                await asyncio.wait(futures.values())
    except TimeoutError:
        pass
    return futures


async def put_each(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing]
) -> AsyncIterator[Acknowledgement]:
    """One by one: they share requests with those of others."""
    for message in messages:
        yield await put(producer, prefix, message)


async def put_batches(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing]
) -> AsyncIterator[Acknowledgement]:
    """Of each partition in the order given; a batch that is full goes off, and the next one begins."""
    partitions = {
        topic: sorted(await producer.partitions_for(f"{prefix}.{topic}"))
        for topic in {message.topic for message in messages}
    }
    open_batches: dict[tuple[str, int], BatchBuilder] = {}
    for message in messages:
        at = message.topic, partition_of(key_of(message), partitions[message.topic])
        batch = open_batches.get(at)
        if batch is None or not _append(batch, message):
            if batch is not None:
                yield await producer.send_batch(batch, f"{prefix}.{at[0]}", partition=at[1])
            open_batches[at] = producer.create_batch()
            _append(open_batches[at], message)
    for (topic, partition), batch in open_batches.items():
        batch.close()
        yield await producer.send_batch(batch, f"{prefix}.{topic}", partition=partition)


def _append(batch: BatchBuilder, message: Outgoing) -> bool:
    """Whether there was room; an empty batch has room for anything."""
    added = batch.append(timestamp=None, key=key_of(message), value=message.value, headers=list(message.headers))
    return added is not None


def partition_of(key: bytes, partitions: Sequence[int]) -> int:
    """Kafka's own choice for keys, as its default partitioner makes it."""
    return partitions[_hash(key) % len(partitions)]


@lru_cache(maxsize=4096)
def _hash(key: bytes) -> int:
    found: int = murmur2(key) & 0x7FFFFFFF
    return found


def key_of(message: Outgoing) -> bytes:
    """The key as bytes; what came as bytes that are no text goes as it came."""
    return message.key.encode("utf-8", errors="surrogateescape")
