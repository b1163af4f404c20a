"""The shell around a handler; this page is the protocol.

For every batch that FastStream hands over:

1. Under the gate's lock, records of partitions that are no longer ours are dropped.
2. Each record is decoded alone. What is no event of its topic becomes a dead letter; the rest goes on.
3. One transaction: the ledger drops what was handled before, the handler sees the rest, its outgoing messages are
   written into the ledger.
4. After the commit the messages are produced and acknowledged; only then are the offsets noted for committing.
5. Infrastructure that does not answer: wait and try the same batch again; after `PATIENCE_SECONDS` go back to its
   first record and poll again, so that the consumer stays a member of its group, for as long as it takes.
6. Anything else that is raised: halve the batch until a single event is to blame. That one is delivered again later,
   or becomes a dead letter, which the ledger keeps as the outcome of this delivery; its neighbours pass. State is tried
   again at once instead, a few times, and never sent again (`Topic.is_state`).

No exception leaves `on_batch`: FastStream would swallow it and go on behind the batch, which would be lost.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from shared.database.pool import Database, Transaction
from shared.errors import Rejected, Unavailable
from shared.events.envelope import CE_TYPE, RECIPIENT, Incoming, Record
from shared.messaging.circuit import Circuit
from shared.messaging.dead_letter import LetterWriter
from shared.messaging.decode import Poison, decode
from shared.messaging.gate import COMMIT_SECONDS, Gate
from shared.messaging.handler import Bundle, Consumer, Outgoing
from shared.messaging.ledger import LedgerRow
from shared.messaging.outcomes import CIRCUIT_LAST, CIRCUIT_RUN, CircuitOpen, Outcomes
from shared.messaging.producer import Producer
from shared.messaging.sending import Sending
from shared.observability.logs import get_logger
from shared.observability.metrics import BATCH_SECONDS, CIRCUIT_OPEN, KEYLESS, WAITING

PATIENCE_SECONDS = 20.0
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 3.0
_TRIES_OF_STATE = 4
_BETWEEN_TRIES_SECONDS = 0.05
"""Short: a hundred that fail in a row must not last as long as a rebalance waits."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a batch is tried before it goes back, how many failures in a row are too many, of how many events half
    may fail, and how long a commit of offsets may take."""

    patience_seconds: float = PATIENCE_SECONDS
    circuit_run: int = CIRCUIT_RUN
    circuit_last: int = CIRCUIT_LAST
    commit_seconds: float = COMMIT_SECONDS


_LIMITS = Limits()


class Shell:
    """Runs one row of a service's consumer table."""

    def __init__(
        self,
        service: str,
        prefix: str,
        consumer: Consumer[Any],
        database: Database,
        producer: Producer,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        limits: Limits = _LIMITS,
    ) -> None:
        self.consumer = consumer
        self.group = f"{prefix}.{service}.{consumer.behaviour}"
        self.topic = consumer.topic.full_name(prefix)
        self.gate = Gate(self.group, commit_seconds=limits.commit_seconds)
        self._skipped = {name.encode() for name in consumer.skips}
        self._recipients = (None, b"", self.group.encode())
        self.batches = 0
        self.waiting = False
        self.circuit_open = False
        self.closing = False
        self._producer = producer
        self._patience_seconds = limits.patience_seconds
        self._tries = _TRIES_OF_STATE if consumer.topic.is_state else 1
        letters = LetterWriter(service, self.group, sends_again=not consumer.topic.is_state)
        self._outcomes = Outcomes(consumer, database, letters, clock, Circuit(limits.circuit_run, limits.circuit_last))
        self._sending = Sending(consumer, database, producer, letters, clock)

    async def on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Take a batch to its end, or back to its beginning. Its broad `except` keeps FastStream from going on."""
        async with self.gate.lock:
            mine = self.gate.still_ours(records)
            if not mine or self.closing:
                return
            if self.circuit_open:
                self._stand_still(mine)
                return
            try:
                with BATCH_SECONDS.labels(group=self.group).time():
                    await self._patiently(mine)
            except CircuitOpen:
                self._stand_still(mine)
            except Exception as error:
                self._log(error)
                if not isinstance(error, Unavailable):
                    self.gate.failing |= dict.fromkeys(_partitions_of(mine), type(error).__name__)
                self.gate.seek_back(mine)
                await asyncio.sleep(random.uniform(0.5, 1.5))
            else:
                self.gate.note(mine)
                self.batches += 1
                for partition in _partitions_of(mine):
                    self.gate.failing.pop(partition, None)

    async def _patiently(self, records: Sequence[ConsumerRecord]) -> None:
        wait, deadline = _FIRST_WAIT_SECONDS, monotonic() + self._patience_seconds
        while True:
            try:
                await self._process(records)
            except Unavailable as error:
                self._show_waiting(True)
                if monotonic() > deadline or self.closing:
                    raise
                log.warning("consumer.waiting", group=self.group, error=str(error))
                await asyncio.sleep(random.uniform(wait / 2, wait))
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
            else:
                self._show_waiting(False)
                return

    async def _process(self, records: Sequence[ConsumerRecord]) -> None:
        good: dict[tuple[Any, int], Incoming[Any]] = {}
        bad: list[Poison] = []
        for record in map(Record.of, filter(self._concerns_us, records)):
            if record.key is None:
                KEYLESS.labels(group=self.group).inc()
            found = decode(self.consumer.topic, record)
            if isinstance(found, Poison):
                bad.append(found)
            else:
                good.setdefault((found.id, found.delivery), found)
        if good:
            await self._apply(list(good.values()))
            self.consumer.wake()
        if bad:
            await self._producer.send(await self._outcomes.put_aside(bad))

    def _concerns_us(self, record: ConsumerRecord) -> bool:
        """By its headers alone: most of what is said on a busy topic means nothing to most of its groups."""
        for name, value in record.headers:
            if (name == CE_TYPE and value in self._skipped) or (name == RECIPIENT and value not in self._recipients):
                return False
        return True

    async def _apply(self, batch: list[Incoming[Any]], tried: int = 1) -> None:
        try:
            rows = await self._commit(batch)
        except Unavailable:
            raise
        except Exception as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._apply(batch[:middle])
                await self._apply(batch[middle:])
                return
            if tried < self._tries and not isinstance(error, Rejected):
                await asyncio.sleep(tried * _BETWEEN_TRIES_SECONDS)
                await self._apply(batch, tried + 1)
                return
            rows = await self._outcomes.blame(batch[0], error)
        await self._sending.send(batch, rows)

    async def _commit(self, batch: Sequence[Incoming[Any]]) -> Sequence[LedgerRow]:
        prepared = await self.consumer.prepare(batch) if self.consumer.prepare else batch

        async def handle(tx: Transaction, fresh: Sequence[Incoming[Any]]) -> Sequence[Outgoing | Bundle]:
            return [self._outcomes.message(result) for result in await self.consumer.handler(tx, fresh)]

        outcome = await self._outcomes.once(prepared, handle, "handled")
        self._outcomes.passed(outcome.fresh)
        return outcome.rows

    def _stand_still(self, records: Sequence[ConsumerRecord]) -> None:
        self.circuit_open = True
        CIRCUIT_OPEN.labels(group=self.group).set(1)
        log.error("consumer.circuit_open", group=self.group)
        self.gate.seek_back(records)
        if self.gate.consumer is not None:
            self.gate.consumer.pause(*self.gate.consumer.assignment())

    def _show_waiting(self, waiting: bool) -> None:
        self.waiting = waiting
        WAITING.labels(group=self.group).set(waiting)

    def _log(self, error: Exception) -> None:
        if isinstance(error, Unavailable):
            log.warning("consumer.goes_back", group=self.group, error=str(error))
        else:
            log.error("consumer.failed", group=self.group, exc_info=error)


def _partitions_of(records: Sequence[ConsumerRecord]) -> set[TopicPartition]:
    return {TopicPartition(record.topic, record.partition) for record in records}
