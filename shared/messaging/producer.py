"""The producer: send all, then await all acknowledgements, within a deadline.

`acks=all` without the idempotent mode: that mode never gives up while a broker is away, so a process could neither
say so nor stop. A message may therefore come twice; consumers drop duplicates by event id. aiokafka keeps one
request in flight for each partition, so the order of a key holds; what comes meanwhile gathers for the next request,
so there is nothing to linger for.

Few messages go to aiokafka one by one, which lets them share a request with those of others. Many are put into record
batches here: that costs a third, and the broker takes each batch as it is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.brokers import Brokers, options_of
from shared.errors import Unavailable
from shared.events.catalogue import MAX_ENVELOPED_BYTES
from shared.messaging.faults import KAFKA_FAULTS, kafka_faults
from shared.messaging.handler import Outgoing
from shared.messaging.sent import Sent
from shared.messaging.topic_faults import TopicFault, find_fault, refresh_metadata
from shared.observability.metrics import PRODUCED

REQUEST_SECONDS = 10
_SEND_SECONDS = 25
_CLOSED = "Kafka: the producer is closed"
_MANY = 16

T = TypeVar("T")
Acknowledgement = asyncio.Future[object]


class Producer:
    """Produces to the topics of one prefix."""

    def __init__(self, brokers: Brokers | str, *, prefix: str) -> None:
        self._prefix = prefix
        self._options = {
            **options_of(brokers),
            "acks": "all",
            "enable_idempotence": False,
            "linger_ms": 0,
            "max_batch_size": 262_144,
            "max_request_size": MAX_ENVELOPED_BYTES + 65_536,
            "request_timeout_ms": REQUEST_SECONDS * 1000,
            "retry_backoff_ms": 200,
            "metadata_max_age_ms": 30_000,
        }
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            Unavailable: no broker answers.
        """
        producer = AIOKafkaProducer(**self._options)
        with kafka_faults():
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await producer.start()
            except KAFKA_FAULTS:
                await producer.stop()
                raise
        self._producer = producer

    async def close(self, *, within_seconds: float = 5) -> None:
        """Flush what is under way and disconnect."""
        if self._producer is None:
            return
        producer, self._producer = self._producer, None
        try:
            async with asyncio.timeout(within_seconds):
                await producer.stop()
        except KAFKA_FAULTS:
            return

    async def send(self, messages: Sequence[Outgoing], *, within_seconds: float = _SEND_SECONDS) -> None:
        """Produce messages and wait until the broker has acknowledged every one.

        Raises:
            Unavailable: at least one was not acknowledged in time; any of them may have been written.
        """
        if not messages:
            return
        if self._producer is None:
            raise Unavailable(_CLOSED)
        producer = self._producer
        send = _put_batches if len(messages) >= _MANY else _put_each
        acknowledgements: list[Acknowledgement] = []
        with kafka_faults():
            try:
                async with asyncio.timeout(within_seconds):
                    async for acknowledgement in send(producer, self._prefix, messages):
                        acknowledgements.append(acknowledgement)
                    await asyncio.gather(*acknowledgements)
            except KAFKA_FAULTS as error:
                _forget(acknowledgements)
                if isinstance(error, UnknownTopicOrPartitionError):
                    _hang_up(producer)
                raise
        _count(messages)

    async def check(self) -> None:
        """Ask a broker for something: whether it is the topics that take no messages, or nobody is there.

        Raises:
            Unavailable: no broker answers, or the producer is closed.
        """
        if self._producer is None:
            raise Unavailable(_CLOSED)
        await refresh_metadata(self._producer.client)

    async def find_fault(self, topic: str) -> TopicFault | None:
        """What is known to be wrong with a topic.

        Raises:
            Unavailable: no broker answers, or the producer is closed.
        """
        if self._producer is None:
            raise Unavailable(_CLOSED)
        return await find_fault(self._producer.client, f"{self._prefix}.{topic}")

    async def send_each(self, pairs: Sequence[tuple[T, Outgoing]], *, within_seconds: float) -> Sent[T]:
        """Produce messages, each with what it is sent for, in order under each topic and key. A topic or partition
        that does not answer holds back no other.

        Raises:
            Unavailable: the producer is closed.
        """
        if self._producer is None:
            raise Unavailable(_CLOSED)
        producer = self._producer
        messages = [message for _, message in pairs]
        futures: dict[int, Acknowledgement] = {}

        async def put(numbers: Sequence[int]) -> None:
            for number in numbers:
                futures[number] = await _put(producer, self._prefix, messages[number])

        # aiokafka waits for room in a partition: what is under another key may be for one that has some.
        by_place: dict[tuple[str, str], list[int]] = {}
        for number, message in enumerate(messages):
            by_place.setdefault((message.topic, message.key), []).append(number)
        try:
            async with asyncio.timeout(within_seconds):
                await asyncio.gather(*map(put, by_place.values()), return_exceptions=True)
                if futures:
                    await asyncio.wait(futures.values())
        except TimeoutError:
            pass
        if len(futures) < len(messages):
            _hang_up(producer)
        good = [number in futures and _is_good(futures[number]) for number in range(len(messages))]
        _forget(list(futures.values()))
        _count([messages[number] for number, is_good in enumerate(good) if is_good])
        return Sent(tuple((one, is_good) for (one, _), is_good in zip(pairs, good, strict=True)))


def _hang_up(producer: AIOKafkaProducer) -> None:
    """Of a topic that it was never asked to produce to, aiokafka has to learn first; and a connection that has fallen
    silent it would ask again and again, and never close."""
    for connection in list(producer.client._conns.values()):
        connection.close()


async def _put(producer: AIOKafkaProducer, prefix: str, message: Outgoing) -> Acknowledgement:
    future: Acknowledgement = await producer.send(
        f"{prefix}.{message.topic}", value=message.value, key=_key(message), headers=list(message.headers)
    )
    return future


async def _put_each(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing]
) -> AsyncIterator[Acknowledgement]:
    for message in messages:
        yield await _put(producer, prefix, message)


async def _put_batches(
    producer: AIOKafkaProducer, prefix: str, messages: Sequence[Outgoing]
) -> AsyncIterator[Acknowledgement]:
    """Of each partition in the order given; a batch that is full goes off, and the next one begins."""
    partitions = {
        topic: sorted(await producer.partitions_for(f"{prefix}.{topic}"))
        for topic in {message.topic for message in messages}
    }
    open_batches: dict[tuple[str, int], BatchBuilder] = {}
    for message in messages:
        at = message.topic, partition_of(_key(message), partitions[message.topic])
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
    added = batch.append(timestamp=None, key=_key(message), value=message.value, headers=list(message.headers))
    return added is not None


def partition_of(key: bytes, partitions: Sequence[int]) -> int:
    """Kafka's own choice for keys, as its default partitioner makes it."""
    return partitions[_hash(key) % len(partitions)]


@lru_cache(maxsize=4096)
def _hash(key: bytes) -> int:
    found: int = murmur2(key) & 0x7FFFFFFF
    return found


def _key(message: Outgoing) -> bytes:
    return message.key.encode("utf-8", errors="surrogateescape")


def _count(messages: Sequence[Outgoing]) -> None:
    for topic, count in Counter(message.topic for message in messages).items():
        PRODUCED.labels(topic=topic).inc(count)


def _is_good(future: Acknowledgement) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _forget(acknowledgements: Sequence[Acknowledgement]) -> None:
    """Read the errors of the others, so that none is reported as never retrieved."""
    for future in acknowledgements:
        if future.done() and not future.cancelled():
            future.exception()
        else:
            future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
