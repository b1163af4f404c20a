"""Sends what a batch has caused, once it is committed.

What goes to topics of the catalogue goes together: they are the platform's own, and the broker is waited for as long
as it takes. A bundle has messages for a topic that a user named. A person may delete that topic or forbid it, or one of
its partitions may have lost its leader. This must not hold back other events, so

1. the bundle's messages for users' topics are sent after everything else, and the rest of the bundle after them: a task
   is completed when its records are where they belong. Then the ledger forgets them, for they may be many megabytes;
2. a bundle that cannot be sent now is postponed: its event is sent again later as the same delivery, for which the
   ledger gives the same messages. So nothing is decided twice, and nothing is lost;
3. while a person's choice is the reason, it is postponed `_MOST_REFUSED` times in a row, for a quarter of an hour or
   more. Then the event is given up, and the ledger says so from then on. An outage is waited for as long as it takes.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from shared.database.pool import Database
from shared.errors import Unavailable
from shared.events.catalogue import is_records_topic
from shared.events.dead_letters import REFUSED
from shared.events.envelope import Incoming
from shared.messaging import ledger
from shared.messaging.dead_letter import LetterWriter, postponed_seconds, times
from shared.messaging.handler import Consumer, Outgoing, Refuse
from shared.messaging.ledger import Key, LedgerRow
from shared.messaging.producer import Producer
from shared.messaging.topic_faults import TopicFault, fault_behind
from shared.observability.logs import get_logger
from shared.observability.metrics import EVENTS

_SEND_SECONDS = 5.0
"""Other batches wait for a topic that falls silent."""
_MOST_REFUSED = 8
GIVEN_UP_AFTER_SECONDS = sum(postponed_seconds(number) for number in range(1, _MOST_REFUSED + 1))
"""The least time from the first refusal of an event until it is given up."""
SINK_REFUSED = "sink_refused"

log = get_logger(__name__)


class Sending:
    """Sends the messages of one consumer's batches."""

    def __init__(
        self,
        consumer: Consumer[Any],
        database: Database,
        producer: Producer,
        letters: LetterWriter,
        clock: Callable[[], datetime],
    ) -> None:
        self._consumer = consumer
        self._database = database
        self._producer = producer
        self._letters = letters
        self._clock = clock

    async def send(self, batch: Sequence[Incoming[Any]], rows: Sequence[LedgerRow]) -> None:
        """Send what these rows of the ledger say; they are of events of the batch.

        Raises:
            Unavailable: the broker or the database does not answer; some of it may have been sent.
        """
        bundles = {row.key: row for row in rows if _users_topics([row])}
        await self._producer.send([message for row in rows if row.key not in bundles for message in row.messages])
        if bundles:
            await self._send_bundles({(one.id, one.delivery): one for one in batch}, list(bundles.values()))

    async def _send_bundles(self, events: Mapping[Key, Incoming[Any]], bundles: Sequence[LedgerRow]) -> None:
        faults = {topic: await self._producer.find_fault(topic) for topic in _users_topics(bundles)}
        stuck = {row.key: fault for row in bundles if (fault := _fault_of(row, faults)) is not None}
        ready = [row for row in bundles if row.key not in stuck]
        stuck |= await self._send_records(ready)
        await self._producer.send(
            [m for row in ready if row.key not in stuck for m in row.messages if not is_records_topic(m.topic)]
        )
        await self._forget([row.key for row in ready if row.key not in stuck])
        if stuck:
            await self._postpone_or_give_up([(events[key], fault) for key, fault in stuck.items()])

    async def _forget(self, sent: Sequence[Key]) -> None:
        """If the database does not answer, the messages stay as long as their rows: a retry would send them again."""
        if sent:
            with suppress(Unavailable):
                await ledger.forget_outgoing(self._database, self._consumer.behaviour, sent)

    async def _send_records(self, rows: Sequence[LedgerRow]) -> dict[Key, TopicFault]:
        """The rows whose messages for users' topics were not all acknowledged, and why."""
        pairs = [(row.key, message) for row in rows for message in row.messages if is_records_topic(message.topic)]
        try:
            await self._producer.send([message for _, message in pairs], within_seconds=_SEND_SECONDS)
        except Unavailable as error:
            sent = await self._producer.send_each(pairs, within_seconds=_SEND_SECONDS)
            return dict.fromkeys(sent.missed, fault_behind(error))
        return {}

    async def _postpone_or_give_up(self, stuck: Sequence[tuple[Incoming[Any], TopicFault]]) -> None:
        """What becomes of events whose bundles could not be sent (2 and 3 above). Each is sent again later, or given up
        if a person's choice was the reason `_MOST_REFUSED` times in a row."""
        messages: list[Outgoing] = []
        for incoming, fault in stuck:
            refused = times(REFUSED, incoming.record)
            is_over = fault.by_choice and refused >= _MOST_REFUSED
            outcome = f"dead_{SINK_REFUSED}" if is_over else "postponed"
            EVENTS.labels(group=self._letters.group, outcome=outcome).inc()
            log.warning(f"event.{outcome}", group=self._letters.group, event_id=str(incoming.id), why=fault.text)
            if is_over:
                messages += await self._give_up(incoming, fault)
            else:
                refused = refused + 1 if fault.by_choice else 0
                messages.append(self._letters.postpone(incoming, refused, fault.text, self._clock()))
        await self._producer.send(messages)

    async def _give_up(self, incoming: Incoming[Any], fault: TopicFault) -> Sequence[Outgoing]:
        """The messages about the end take the place of those that could not be sent."""
        letter = self._letters.refuse(Refuse(incoming, SINK_REFUSED, fault.text), self._clock())
        async with self._database.transaction() as tx:
            ended = await self._consumer.on_given_up(tx, incoming, SINK_REFUSED) if self._consumer.on_given_up else ()
            row = LedgerRow((incoming.id, incoming.delivery), (letter, *ended))
            await ledger.keep_outgoing(tx, self._consumer.behaviour, [row])
        return row.messages


def _users_topics(rows: Sequence[LedgerRow]) -> set[str]:
    return {message.topic for row in rows for message in row.messages if is_records_topic(message.topic)}


def _fault_of(row: LedgerRow, faults: Mapping[str, TopicFault | None]) -> TopicFault | None:
    return next((fault for message in row.messages if (fault := faults.get(message.topic)) is not None), None)
