"""What becomes of a consumer's events: they were handled, or they cannot be, and there is another delivery later or a
dead letter.

Every outcome is recorded in the ledger, so that the same messages are sent when the batch comes again. Too many
failures, whether they are tried again later or given up, open the circuit: the consumer has to stand still
(`CircuitOpen`). What a user or a vendor has to mend (`Rejected`, `RefusedByTarget`) never opens it: other users' events
would wait behind it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from shared.database.pool import Database, Transaction, Unstorable
from shared.errors import RefusedByTarget, Rejected
from shared.events.envelope import Incoming
from shared.messaging import ledger
from shared.messaging.circuit import Circuit
from shared.messaging.dead_letter import LetterWriter, describe_defect, unread_of
from shared.messaging.decode import Poison
from shared.messaging.handler import Again, Bundle, Consumer, Outgoing, Refuse, Result
from shared.messaging.ledger import Decide, LedgerRow, Outcome
from shared.observability.logs import get_logger
from shared.observability.metrics import EVENTS

CIRCUIT_RUN = 100
CIRCUIT_LAST = 400

log = get_logger(__name__)


class CircuitOpen(Exception):
    """Too many failures: stand still until a person has looked."""


class Outcomes:
    """The outcomes of one consumer's events, and what is sent because of those that failed."""

    def __init__(
        self,
        consumer: Consumer[Any],
        database: Database,
        letters: LetterWriter,
        clock: Callable[[], datetime],
        circuit: Circuit,
    ) -> None:
        self._consumer = consumer
        self._database = database
        self._letters = letters
        self._clock = clock
        self._circuit = circuit

    async def once(self, batch: Sequence[Incoming[Any]], decide: Decide, word: str) -> Outcome:
        """What the ledger says of a batch; `word` is the metric's for the events that are new."""
        outcome = await ledger.once(self._database, self._consumer.behaviour, batch, decide)
        self._count(word, len(outcome.fresh))
        if len(outcome.fresh) < len(batch):
            self._count("duplicate", len(batch) - len(outcome.fresh))
        return outcome

    def passed(self, fresh: Sequence[Incoming[Any]]) -> None:
        """These were handled."""
        for incoming in fresh:
            self._circuit.passed(incoming)

    def message(self, result: Result) -> Outgoing | Bundle:
        """What a handler's result is as a message."""
        match result:
            case Outgoing() | Bundle():
                return result
            case Refuse():
                self._count(f"dead_{result.reason}")
                return self._letters.refuse(result, self._clock())
            case Again():
                self._count("retry")
                return self._letters.again(result, self._clock())

    async def blame(self, incoming: Incoming[Any], error: Exception) -> Sequence[LedgerRow]:
        """Records the failure as the outcome of this delivery, unless it has an outcome already. When its batch comes
        again, the same messages are sent and the event is not handled.

        Raises:
            CircuitOpen: it would be one failure too many.
        """
        known = {"event_id": str(incoming.id), "delivery": incoming.delivery}
        log.error("event.failed", group=self._letters.group, **known, defect=describe_defect(error), exc_info=error)
        reason = self._letters.gives_up(incoming, error)

        async def give_up(tx: Transaction, _: Sequence[Incoming[Any]]) -> Sequence[Outgoing]:
            if _may_be_ours(error) and self._circuit.refused(incoming.record.position, incoming.repeats):
                raise CircuitOpen from error
            on_given_up = self._consumer.on_given_up
            more = await on_given_up(tx, incoming, reason) if reason and on_given_up else ()
            return [self._letters.failed(incoming, error, self._clock()), *more]

        return (await self.once([incoming], give_up, f"dead_{reason}" if reason else "failed")).rows

    async def put_aside(self, bad: Sequence[Poison]) -> list[Outgoing]:
        """Messages for records that are no events of their topic. Where anyone may produce, that is the sender's
        mistake and never opens the circuit.

        Raises:
            CircuitOpen: it would be one failure too many.
            Unavailable: the database does not answer.
        """
        later, never = list[Poison](), list[Poison]()
        for poison in bad:
            at = poison.record.position
            log.warning(
                "event.refused",
                group=self._letters.group,
                reason=poison.reason,
                partition=at.partition,
                offset=at.offset,
            )
            if self._letters.may_be_read_later(poison):
                later.append(poison)
                continue
            if not self._consumer.topic.public and self._circuit.refused(at, unread_of(poison).repeats):
                raise CircuitOpen
            self._count(f"dead_{poison.reason}")
            never.append(poison)
        again = await self._send_again(later) if later else []
        letters = [self._letters.poison(poison, self._clock()) for poison in never]
        return [*again, *letters, *await self._report_unread(never)]

    async def _report_unread(self, never: Sequence[Poison]) -> Sequence[Outgoing]:
        if not never or self._consumer.on_unread is None:
            return ()
        async with self._database.transaction() as tx:
            return await self._consumer.on_unread(tx, never)

    async def _send_again(self, later: Sequence[Poison]) -> list[Outgoing]:
        """Records this release cannot read are sent again as their next delivery. This delivery is recorded in the
        ledger, so that a newer release does not handle both. Records given up for good are not recorded: their id may
        belong to another event."""
        unread = {(one.id, one.delivery): one for one in map(unread_of, later)}

        async def send_again(_: Transaction, fresh: Sequence[Incoming[Any]]) -> Sequence[Outgoing]:
            return [self._letters.put_off(one, self._clock()) for one in fresh]

        outcome = await self.once(list(unread.values()), send_again, "retry")
        return [message for row in outcome.rows for message in row.messages]

    def _count(self, outcome: str, events: int = 1) -> None:
        EVENTS.labels(group=self._letters.group, outcome=outcome).inc(events)


def _may_be_ours(error: Exception) -> bool:
    """Whether a defect of Sluice may be behind a failure. A value that cannot be stored may be one of a wrong type, if
    its content is not the reason."""
    if isinstance(error, Unstorable):
        return not error.by_content
    return not isinstance(error, (Rejected, RefusedByTarget))
