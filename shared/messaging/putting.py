"""Messages handed to aiokafka: one by one, in record batches, or each as its partition has room."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.messaging.handler import Outgoing

Acknowledgement = asyncio.Future[object]


@dataclass(slots=True, eq=False)
class Attempt:
    """One message to be sent for itself. It has an acknowledgement to come once there was room for it."""

    message: Outgoing
    future: Acknowledgement | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the broker has the message."""
        return self.future is not None and is_good(self.future)


def is_good(future: Acknowledgement) -> bool:
    """Whether an acknowledgement has come."""
    return future.done() and not future.cancelled() and future.exception() is None


async def put(producer: AIOKafkaProducer, prefix: str, message: Outgoing) -> Acknowledgement:
    """Hand over one message, once there is room for it; gives its acknowledgement to come."""
    future: Acknowledgement = await producer.send(
        f"{prefix}.{message.topic}", value=message.value, key=key_of(message), headers=list(message.headers)
    )
    return future


async def put_by_place(producer: AIOKafkaProducer, prefix: str, attempts: Sequence[Attempt], seconds: float) -> None:
    """Put messages, in order under each topic and key, and wait for their acknowledgements until the time is over."""

    async def put_all(same: Sequence[Attempt]) -> None:
        for attempt in same:
            attempt.future = await put(producer, prefix, attempt.message)

    # aiokafka waits for room in a partition: what is under another key may be for one that has some.
    by_place: dict[tuple[str, str], list[Attempt]] = {}
    for attempt in attempts:
        by_place.setdefault((attempt.message.topic, attempt.message.key), []).append(attempt)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*map(put_all, by_place.values()), return_exceptions=True)
            if futures := [attempt.future for attempt in attempts if attempt.future is not None]:
                await asyncio.wait(futures)
    except TimeoutError:
        pass


async def put_each(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing]
) -> AsyncIterator[Acknowledgement]:
    """One by one: they share requests with those of others."""
    for message in messages:
        yield await put(producer, prefix, message)


async def put_batches(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing]
) -> AsyncIterator[Acknowledgement]:
    """In the order given for each partition; a batch that is full leaves, and the next one begins."""
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
