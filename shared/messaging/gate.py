"""The gate between a batch in hand and a rebalance.

aiokafka revokes partitions in a background task, while a handler may be running. The gate's lock makes the
revocation wait for the batch in hand; then the offsets noted so far are committed, while the old owner still may,
and forgotten. The ledger protects what slips through anyway.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from time import monotonic

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from shared.observability.logs import get_logger
from shared.observability.metrics import COMMIT_FAULTS

COMMIT_SECONDS = 5.0

log = get_logger(__name__)


class Gate(ConsumerRebalanceListener):  # type: ignore[misc]
    """Guards the partitions and offsets of one consumer."""

    def __init__(self, group: str, *, commit_seconds: float = COMMIT_SECONDS) -> None:
        self.lock = asyncio.Lock()
        self._commit_seconds = commit_seconds
        self._group = group
        self._consumer: AIOKafkaConsumer | None = None
        self._noted: dict[TopicPartition, int] = {}
        self._done: dict[TopicPartition, int] = {}
        self.failing: dict[TopicPartition, str] = {}
        """Partitions whose last batch went back because of a defect, and the kind of exception that it raised."""
        self._member_id = ""
        self._renamed_at: deque[float] = deque(maxlen=100)

    def attach(self, consumer: AIOKafkaConsumer) -> None:
        """Use this consumer from now on."""
        self._consumer = consumer

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The consumer, once it is started."""
        return self._consumer

    def still_ours(self, records: Sequence[ConsumerRecord]) -> list[ConsumerRecord]:
        """The records whose partition is still assigned to this consumer."""
        assigned = self._consumer.assignment() if self._consumer else frozenset()
        lost = _last_of_each(records).keys() - assigned
        return [record for record in records if not lost or TopicPartition(record.topic, record.partition) not in lost]

    def note(self, records: Sequence[ConsumerRecord]) -> None:
        """These are done; their offsets are committed at the next occasion."""
        self._noted |= {partition: offset + 1 for partition, offset in _last_of_each(records).items()}
        self._done.update(self._noted)

    def note_jump(self, partition: TopicPartition, to: int) -> None:
        """The log begins at this offset now. It is committed, or each start would find the same jump until a record is
        done. Nothing that is in hand can be lost by that: the broker does not have it any more."""
        self._noted[partition] = to

    def lag(self) -> int:
        """Records behind the ends of the partitions in which a batch was done or went back, as far as they can be read:
        what belongs to a transaction that is still open cannot. The mark that ends a transaction takes an offset, too,
        and is passed without a word; so between batches what was read counts as done."""
        consumer = self._consumer
        if consumer is None:
            return 0
        begun = [(at, done) for at, done in self._done.items() if at in consumer.assignment()]
        if not self.lock.locked():
            begun = [(at, max(done, _position(consumer, at))) for at, done in begun]
        return sum(max(_end(consumer, at) - done, 0) for at, done in begun)

    def renamed_within(self, seconds: float) -> int:
        """How often the broker lately knew this consumer under another id than before: each time it had lost its place
        in the group."""
        return sum(at > monotonic() - seconds for at in self._renamed_at)

    def seek_back(self, records: Sequence[ConsumerRecord]) -> None:
        """Poll these records again: every partition of the batch returns to its first one."""
        first: dict[TopicPartition, int] = {}
        for record in records:
            first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        self._done = {**first, **self._done}
        for partition, offset in first.items():
            try:
                if self._consumer is not None:
                    self._consumer.seek(partition, offset)
            except IllegalStateError:
                log.info("partition.lost", group=self._group, partition=str(partition))

    async def commit(self) -> None:
        """Commit what was noted. A failure is counted, nothing else: it can only lead to a redelivery."""
        if not self._noted or self._consumer is None:
            return
        pending, assigned = dict(self._noted), self._consumer.assignment()
        offsets = {partition: offset for partition, offset in pending.items() if partition in assigned}
        try:
            if offsets:
                async with asyncio.timeout(self._commit_seconds):
                    await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            COMMIT_FAULTS.labels(group=self._group).inc()
            log.warning("offsets.not_committed", group=self._group, error=f"{type(error).__name__}: {error}")
            return
        for partition, offset in pending.items():
            if self._noted.get(partition) == offset:
                del self._noted[partition]

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Wait for the batch in hand, commit, forget."""
        async with self.lock:
            await self.commit()
            self._noted.clear()
            self._done.clear()
            self.failing.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Tell what this consumer works on now."""
        member_id = str(getattr(getattr(self._consumer, "_coordinator", None), "member_id", ""))
        if self._member_id not in ("", member_id):
            self._renamed_at.append(monotonic())
        self._member_id = member_id
        log.info("partitions.assigned", group=self._group, partitions=len(assigned))


def _end(consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
    highwater, stable = consumer.highwater(at) or 0, consumer.last_stable_offset(at)
    return highwater if stable is None else min(highwater, stable)


def _position(consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
    """What was read; aiokafka's own question for it waits for an answer."""
    state = consumer._subscription.subscription.assignment.state_value(at)
    return state.position if state.has_valid_position else 0


def _last_of_each(records: Sequence[ConsumerRecord]) -> dict[TopicPartition, int]:
    """The offset of the last record of each partition; within a partition they come in order."""
    last = {(record.topic, record.partition): record.offset for record in records}
    return {TopicPartition(*partition): offset for partition, offset in last.items()}
