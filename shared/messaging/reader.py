"""The read call under FastStream: waits for records instead of sleeping, has the broker gather them under load, and
goes round what cannot be read.

aiokafka has one fetch under way for a broker. While records of one partition lie here unread, it waits a tenth of a
second and then fetches from the others alone; if nothing comes there, the broker keeps that fetch for half a second,
and the busy partition stands still as long. So it waits longer: a batch is seldom in hand for a second.

aiokafka raises out of a whole read call when one batch of one partition is damaged, and what the call had taken from
the other partitions is gone: their positions have moved on. So after such an error every partition goes back to what
is committed (the ledger knows what was handled since), and then each is read alone, one record at a time, until the
bad batch shows itself. Its partition is paused and looked at again now and then; the others go on.

A topic that must not be read is asked for again each second. FastStream would sleep for a quarter of a minute and say
nothing.
"""

import asyncio
from enum import Enum, auto
from time import monotonic

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from shared.messaging.jumps import OnJump, watch_positions
from shared.messaging.unpack import limit_batches
from shared.observability.logs import get_logger

LOOK_AGAIN_SECONDS = 30.0
UNREAD_SECONDS = 1.0
"""Records may lie unread this long before the other partitions are fetched without them."""
_WAIT_MS = 500
_LEAST_WAIT_MS = 10
_MANY = 20
"""This many records in one batch are a sign of load; after fewer, the next batch gathers for a shorter time."""
_MUCH_BYTES = 256 * 1024
"""A batch that is worth its cost: more is not waited for."""
_WAIT_ALONE_MS = 200
_DENIED_SECONDS = 1.0
UNREADABLE = (CorruptRecordException, UnicodeDecodeError)
"""The last is raised for a header whose name is no UTF-8, which brokers take."""

Read = dict[TopicPartition, list[ConsumerRecord]]


class _Phase(Enum):
    """How the next read goes."""

    NORMAL = auto()
    """All partitions in one call."""
    REWIND = auto()
    """Something could not be read, so every partition first goes back to what is committed."""
    ISOLATE = auto()
    """Each partition alone, until the bad batch shows itself."""


log = get_logger(__name__)


class Reader(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer whose read call raises only what concerns all of its partitions."""

    def __init__(self, **options: object) -> None:
        limit_batches()
        super().__init__(**options)
        self.spacing_seconds = 0.0
        self.denied = ""
        """Why the broker does not let the topic be read; empty while it does."""
        self.on_jump: OnJump | None = None
        self._wait_ms = _WAIT_MS
        self._set_aside: dict[TopicPartition, int] = {}
        self._look_again_at = 0.0
        self._phase = _Phase.NORMAL

    async def start(self) -> None:
        """Join the group. aiokafka has no public setting for what its fetcher does with unread records."""
        await super().start()
        self._fetcher._prefetch_backoff = UNREAD_SECONDS
        watch_positions(self._fetcher, str(self._group_id), self._report_jump)

    def _report_jump(self, partition: TopicPartition, to: int) -> None:
        if self.on_jump is not None:
            self.on_jump(partition, to)

    @property
    def unreadable(self) -> dict[TopicPartition, int]:
        """Partitions that stand still, with the offset of the batch that cannot be read. A rebalance forgets them."""
        paused = self.paused()
        return {partition: offset for partition, offset in self._set_aside.items() if partition in paused}

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None) -> Read:
        """What has arrived, as soon as there is anything. `timeout_ms` is ignored: FastStream sleeps that long after an
        empty read, so it is set to a short time, and the wait is ours."""
        limit = max_records or 1
        if self._set_aside and monotonic() > self._look_again_at:
            return await self._look_again(limit)
        if self._phase is _Phase.NORMAL:
            try:
                return await self._read_all(limit)
            except UNREADABLE:
                self._phase = _Phase.REWIND
        if self._phase is _Phase.REWIND:
            await self._go_back()
            self._phase = _Phase.ISOLATE
        return await self._read_each(limit)

    async def _read_all(self, limit: int) -> Read:
        try:
            read: Read = await super().getmany(timeout_ms=self._wait_ms, max_records=limit)
        except TopicAuthorizationFailedError as error:
            return await self._wait_for_access(error)
        self.denied = ""
        self._gather_after(sum(map(len, read.values())))
        return read

    def _gather_after(self, taken: int) -> None:
        """Under load the broker keeps the next fetch until the spacing is over, or much has come: what comes within
        the spacing is one batch, and one fetch. aiokafka has no public setting for that either, once it has begun."""
        wait_ms = round(1000 * self.spacing_seconds * min(1.0, taken / _MANY))
        gathers = wait_ms > _LEAST_WAIT_MS
        self._wait_ms = self._fetcher._fetch_max_wait_ms = wait_ms if gathers else _WAIT_MS
        self._fetcher._fetch_min_bytes = _MUCH_BYTES if gathers else 1

    async def _wait_for_access(self, error: TopicAuthorizationFailedError) -> Read:
        if not self.denied:
            log.error("topic.denied", group=self._group_id, error=str(error))
        self.denied = str(error)
        await asyncio.sleep(_DENIED_SECONDS)
        return {}

    async def _go_back(self) -> None:
        """Return to the committed offsets; nothing is read before every partition is there. While they cannot be read,
        nothing can be committed either, so nothing is lost."""
        self._gather_after(0)
        for partition in self.assignment() - self.paused():
            try:
                self.seek(partition, await self.committed(partition) or 0)
            except IllegalStateError:
                continue

    async def _look_again(self, limit: int) -> Read:
        """The network may have been at fault, or another replica of the partition may have taken over."""
        self._gather_after(0)
        suspects = list(self.unreadable)
        self._set_aside.clear()
        self.resume(*suspects)
        return {partition: records for partition in suspects if (records := await self._read_alone(partition, limit))}

    async def _read_each(self, limit: int) -> Read:
        read: Read = {}
        for partition in self.assignment() - self.paused():
            if records := await self._read_alone(partition, limit):
                read[partition] = records
        if not any(len(records) >= limit for records in read.values()):
            self._phase = _Phase.NORMAL
        return read

    async def _read_alone(self, partition: TopicPartition, limit: int) -> list[ConsumerRecord]:
        """One record at a time: so the good ones before a bad batch come out, and the position is the batch's own."""
        records: list[ConsumerRecord] = []
        try:
            while len(records) < limit:
                read: Read = await super().getmany(partition, timeout_ms=_WAIT_ALONE_MS, max_records=1)
                if partition not in read:
                    break
                records += read[partition]
        except UNREADABLE as error:
            await self._put_aside(partition, error)
        except KafkaError as error:
            log.warning("partition.not_read", group=self._group_id, error=f"{type(error).__name__}: {error}")
        return records

    async def _put_aside(self, partition: TopicPartition, error: Exception) -> None:
        try:
            offset = await self.position(partition)
            self.pause(partition)
        except IllegalStateError:
            return
        self._set_aside[partition] = offset
        self._look_again_at = monotonic() + LOOK_AGAIN_SECONDS
        if self._phase is _Phase.ISOLATE:
            self._phase = _Phase.NORMAL
        log.error(
            "partition.unreadable",
            group=self._group_id,
            topic=partition.topic,
            partition=partition.partition,
            offset=offset,
            error=f"{type(error).__name__}: {error}",
        )
