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
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from aiokafka import ConsumerRecord

from shared.database.pool import Database, Transaction
from shared.errors import Rejected, Unavailable
from shared.events.envelope import CE_TYPE, RECIPIENT, Incoming, Record
from shared.messaging import ledger
from shared.messaging.dead_letter import Circuit, Desk, told_of, unread_of
from shared.messaging.decode import Poison, decode
from shared.messaging.gate import Gate
from shared.messaging.handler import Again, Bundle, Consumer, Outgoing, Refuse, Result
from shared.messaging.ledger import Decide, Outcome, Row
from shared.messaging.producer import Producer
from shared.messaging.sending import Sending
from shared.observability.logs import get_logger
from shared.observability.metrics import BATCH_SECONDS, CIRCUIT_OPEN, EVENTS, KEYLESS, WAITING

PATIENCE_SECONDS = 20.0
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 3.0
_CIRCUIT_RUN = 100
_MANY = 20
"""So many events in a batch tell of load; after fewer, the next batch need not wait for as long."""
_TRIES_OF_STATE = 4
_BETWEEN_TRIES_SECONDS = 0.05
"""Short: a hundred that fail in a row must not last as long as a rebalance waits."""

log = get_logger(__name__)


class CircuitOpen(Exception):
    """Too many dead letters in a row: stand still until a person has looked."""


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
    ) -> None:
        self.consumer = consumer
        self.group = f"{prefix}.{service}.{consumer.behaviour}"
        self.topic = consumer.topic.full_name(prefix)
        self.gate = Gate(self.group)
        self._skipped = {name.encode() for name in consumer.skips}
        self._recipients = (None, b"", self.group.encode())
        self.batches = 0
        self.waiting = False
        self.circuit_open = False
        self.closing = False
        self._database = database
        self._producer = producer
        self._clock = clock
        self._tries = _TRIES_OF_STATE if consumer.topic.is_state else 1
        self._desk = Desk(service, self.group, sends_again=not consumer.topic.is_state)
        self._circuit = Circuit(_CIRCUIT_RUN)
        self._sending = Sending(consumer, database, producer, self._desk, clock)

    async def on_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Take a batch to its end, or back to its beginning. Its broad `except` keeps FastStream from going on."""
        async with self.gate.lock:
            began = monotonic()
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
                self._tell(error)
                self.gate.seek_back(mine)
                await asyncio.sleep(random.uniform(0.5, 1.5))
            else:
                self.gate.note(mine)
                self.batches += 1
        await self._gather(began, len(mine))

    async def _gather(self, began: float, taken: int) -> None:
        """Outside the lock, so that a rebalance need not wait."""
        left = self.consumer.spacing_seconds * min(1.0, taken / _MANY) - (monotonic() - began)
        if left > 0 and not self.closing:
            await asyncio.sleep(left)

    async def _patiently(self, records: Sequence[ConsumerRecord]) -> None:
        wait, deadline = _FIRST_WAIT_SECONDS, monotonic() + PATIENCE_SECONDS
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
            await self._put_aside(bad)

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
            rows = await self._blame(batch[0], error)
        await self._sending.send(batch, rows)

    async def _commit(self, batch: Sequence[Incoming[Any]]) -> Sequence[Row]:
        prepared = await self.consumer.prepare(batch) if self.consumer.prepare else batch

        async def handle(tx: Transaction, fresh: Sequence[Incoming[Any]]) -> Sequence[Outgoing | Bundle]:
            return [self._message(result) for result in await self.consumer.handler(tx, fresh)]

        outcome = await self._once(prepared, handle, "handled")
        for incoming in outcome.fresh:
            self._circuit.passed(incoming.record.position.partition)
        return outcome.rows

    async def _once(self, batch: Sequence[Incoming[Any]], decide: Decide, word: str) -> Outcome:
        outcome = await ledger.once(self._database, self.consumer.behaviour, batch, decide)
        EVENTS.labels(group=self.group, outcome=word).inc(len(outcome.fresh))
        if len(outcome.fresh) < len(batch):
            EVENTS.labels(group=self.group, outcome="duplicate").inc(len(batch) - len(outcome.fresh))
        return outcome

    def _message(self, result: Result) -> Outgoing | Bundle:
        match result:
            case Outgoing() | Bundle():
                return result
            case Refuse():
                EVENTS.labels(group=self.group, outcome=f"dead_{result.reason}").inc()
                return self._desk.refuse(result, self._clock())
            case Again():
                EVENTS.labels(group=self.group, outcome="retry").inc()
                return self._desk.again(result, self._clock())

    async def _blame(self, incoming: Incoming[Any], error: Exception) -> Sequence[Row]:
        """That it failed is the outcome of this delivery: when its batch comes again, the same messages are sent, and
        the event is not handled beside them. What has an outcome already is not to blame."""
        told = told_of(error)
        known = {"event_id": str(incoming.id), "delivery": incoming.delivery}
        log.error("event.failed", group=self.group, **known, told=told, exc_info=error)
        reason = self._desk.gives_up(incoming, error)

        async def give_up(tx: Transaction, _: Sequence[Incoming[Any]]) -> Sequence[Outgoing]:
            if self._circuit.refused(incoming.record.position.partition):
                raise CircuitOpen from error
            buried = await self.consumer.bury(tx, incoming, reason) if reason and self.consumer.bury else ()
            return [self._desk.failed(incoming, error, self._clock()), *buried]

        return (await self._once([incoming], give_up, f"dead_{reason}" if reason else "failed")).rows

    async def _put_aside(self, bad: Sequence[Poison]) -> None:
        """On topics that anyone may produce to, nonsense is the sender's mistake and never opens the circuit."""
        later, never = list[Poison](), list[Poison]()
        for poison in bad:
            log.warning(
                "event.refused",
                group=self.group,
                reason=poison.reason,
                partition=poison.record.position.partition,
                offset=poison.record.position.offset,
            )
            if self._desk.may_be_read_later(poison):
                later.append(poison)
                continue
            if not self.consumer.topic.public and self._circuit.refused(poison.record.position.partition):
                raise CircuitOpen
            EVENTS.labels(group=self.group, outcome=f"dead_{poison.reason}").inc()
            never.append(poison)
        put_off = await self._put_off(later) if later else ()
        await self._producer.send([*put_off, *(self._desk.poison(poison, self._clock()) for poison in never)])

    async def _put_off(self, later: Sequence[Poison]) -> list[Outgoing]:
        """These will be read as their next deliveries, and so never as this one: a release that can may come to them
        before their time. What nobody will read has no place in the ledger: its id may be another event's."""
        unread = {(one.id, one.delivery): one for one in map(unread_of, later)}

        async def send_again(_: Transaction, fresh: Sequence[Incoming[Any]]) -> Sequence[Outgoing]:
            return [self._desk.put_off(one, self._clock()) for one in fresh]

        outcome = await self._once(list(unread.values()), send_again, "retry")
        return [message for row in outcome.rows for message in row.messages]

    def _stand_still(self, records: Sequence[ConsumerRecord]) -> None:
        self.circuit_open = True
        CIRCUIT_OPEN.labels(group=self.group).set(1)
        log.error("consumer.circuit_open", group=self.group, in_a_row=_CIRCUIT_RUN)
        self.gate.seek_back(records)
        if self.gate.consumer is not None:
            self.gate.consumer.pause(*self.gate.consumer.assignment())

    def _show_waiting(self, waiting: bool) -> None:
        self.waiting = waiting
        WAITING.labels(group=self.group).set(waiting)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, Unavailable):
            log.warning("consumer.goes_back", group=self.group, error=str(error))
        else:
            log.error("consumer.failed", group=self.group, exc_info=error)
