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
from collections.abc import Collection, Sequence
from functools import partial
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError

from shared.brokers import Brokers, options_of
from shared.errors import Unavailable
from shared.events.catalogue import MAX_ENVELOPED_BYTES
from shared.messaging.faults import KAFKA_FAULTS, kafka_faults
from shared.messaging.handler import Outgoing
from shared.messaging.putting import (
    Acknowledgement,
    Attempt,
    is_good,
    key_of,
    partition_of,
    put_batches,
    put_by_place,
    put_each,
)
from shared.messaging.resting import PROBE_SECONDS, Partition, Resting
from shared.messaging.sent import Sent
from shared.messaging.topic_faults import TopicFault, find_fault, refresh_metadata
from shared.observability.metrics import PRODUCED

REQUEST_SECONDS = 10
_SEND_SECONDS = 25
_CLOSED = "Kafka: the producer is closed"
_MANY = 16

T = TypeVar("T")


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
        send = put_batches if len(messages) >= _MANY else put_each
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
        """See whether a broker answers at all, when topics take no messages.

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

    async def send_each(
        self, pairs: Sequence[tuple[T, Outgoing]], *, within_seconds: float, resting: Resting | None = None
    ) -> Sent[T]:
        """Produce messages, each with what it is sent for, in order under each topic and key. A topic or partition
        that does not answer holds back no other; with `resting` it is waited for only once.

        Raises:
            Unavailable: the producer is closed.
        """
        if self._producer is None:
            raise Unavailable(_CLOSED)
        producer, attempts = self._producer, [Attempt(message) for _, message in pairs]
        well, probed = _by_trust(producer, self._prefix, attempts, resting)
        await asyncio.gather(
            put_by_place(producer, self._prefix, well, within_seconds),
            put_by_place(producer, self._prefix, probed, min(PROBE_SECONDS, within_seconds)),
        )
        asked, all_in_doubt = [*well, *probed], not well
        futures = [attempt.future for attempt in asked if attempt.future is not None]
        waiting = {attempt.message.topic for attempt in asked if attempt.future is None}
        if not all(producer.client.cluster.partitions_for_topic(f"{self._prefix}.{topic}") for topic in waiting):
            _hang_up(producer)
        taken = {attempt for attempt in asked if attempt.is_acknowledged}
        _forget(futures)
        _count([attempt.message for attempt in taken])
        if resting is not None and (len(taken) < len(asked) or (asked and not resting.is_empty)):
            if taken or await self._is_there():
                _note(_placed(producer, self._prefix, asked), taken, resting)
            else:
                all_in_doubt = False
        outcomes = [(one, attempt in taken) for (one, _), attempt in zip(pairs, attempts, strict=True)]
        return Sent(tuple(outcomes), all_in_doubt)

    async def _is_there(self) -> bool:
        try:
            await self.check()
        except Unavailable:
            return False
        return True


def _hang_up(producer: AIOKafkaProducer) -> None:
    """aiokafka would ask a silent connection for the metadata of a new topic again and again, and never close it."""
    for connection in list(producer.client._conns.values()):
        connection.close()


def _count(messages: Sequence[Outgoing]) -> None:
    for topic, count in Counter(message.topic for message in messages).items():
        PRODUCED.labels(topic=topic).inc(count)


def _placed(
    producer: AIOKafkaProducer, prefix: str, attempts: Sequence[Attempt]
) -> Sequence[tuple[Attempt, Partition]]:
    """Each attempt with the partition that its message is for."""
    cluster = producer.client.cluster
    known = {
        topic: sorted(cluster.partitions_for_topic(f"{prefix}.{topic}") or ())
        for topic in {attempt.message.topic for attempt in attempts}
    }

    def partition(message: Outgoing) -> Partition:
        partitions = known[message.topic]
        return message.topic, partition_of(key_of(message), partitions) if partitions else None

    return [(attempt, partition(attempt.message)) for attempt in attempts]


def _by_trust(
    producer: AIOKafkaProducer, prefix: str, attempts: Sequence[Attempt], resting: Resting | None
) -> tuple[Sequence[Attempt], Sequence[Attempt]]:
    """The attempts at partitions that are well, and those at partitions in doubt that do not rest now."""
    if resting is None or resting.is_empty:
        return attempts, ()
    placed, now = _placed(producer, prefix, attempts), asyncio.get_running_loop().time()
    well = [attempt for attempt, at in placed if not resting.is_in_doubt(at)]
    return well, [attempt for attempt, at in placed if resting.is_in_doubt(at) and not resting.rests(at, now)]


def _note(placed: Sequence[tuple[Attempt, Partition]], taken: Collection[Attempt], resting: Resting) -> None:
    """Keep what these attempts say of their partitions, and what acknowledgements that come later will say."""
    took = {at for attempt, at in placed if attempt in taken}
    missed = [(attempt, at) for attempt, at in placed if attempt not in taken]
    resting.trust(took | {(topic, None) for topic, _ in took})
    resting.rest({at for _, at in missed}, asyncio.get_running_loop().time())
    for attempt, at in missed:
        if attempt.future is not None:
            attempt.future.add_done_callback(partial(_trust, resting, at))


def _trust(resting: Resting, partition: Partition, done: Acknowledgement) -> None:
    """Late, but it came."""
    if is_good(done):
        resting.trust([partition])


def _forget(acknowledgements: Sequence[Acknowledgement]) -> None:
    """Read the errors of the others, so that none is reported as never retrieved."""
    for future in acknowledgements:
        if future.done() and not future.cancelled():
            future.exception()
        else:
            future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
