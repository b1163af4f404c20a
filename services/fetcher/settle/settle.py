"""Outcomes → rows, then messages; many at a time.

First one transaction says what came of the calls, with the messages that tell it. Then the messages are produced, in
two waves: what happened to the tasks, then the pointers to their payloads, so that nobody hears of a page's records
before the page itself is known. A call's row goes when its messages were acknowledged; if this process dies earlier,
whoever takes over finds the messages in the row and produces them again, under the same ids.

An outcome that Postgres cannot store ends its own call, with that as its reason, and holds back no other.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.metrics import CREDENTIALS_REFUSED
from services.fetcher.model import ClaimKey, Ended, Later, Outcome, Unsent
from services.fetcher.settle import store
from services.fetcher.settle.leftovers import Leftovers
from shared.database.pool import Database, Row
from shared.errors import Rejected, Unavailable
from shared.events.catalogue import PAYLOADS_STORED
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic, utc_now
from shared.runtime.loop import Loop

_MOST_AT_ONCE = 200
_IDLE_SECONDS = 1.0
_AGAIN_SECONDS = 0.2
_BEHIND_SECONDS = 3.0

log = get_logger(__name__)


class Settlement:
    """Two loops: one writes outcomes, the other sends what tells them."""

    def __init__(self, database: Database, producer: Producer, fetcher_id: UUID) -> None:
        self._database = database
        self._producer = producer
        self._fetcher_id = fetcher_id
        self._outcomes: list[tuple[Outcome, Callable[[], None]]] = []
        self._unsent: list[Unsent] = []
        self._sent_ids: list[UUID] = []
        self._in_doubt: set[ClaimKey] = set()
        """Claims whose outcomes may be written: the answer to the commit was lost."""
        self._waiting_since: float | None = None
        self.leftovers = Leftovers()
        self._one_writer, self._one_sender = asyncio.Lock(), asyncio.Lock()
        self.writing = Loop("settle", self.write)
        self.sending = Loop("settle-send", self.send)

    def add(self, outcome: Outcome, settled: Callable[[], None]) -> None:
        """Write this soon, then call `settled`. Bounded by the calls that this process may have open."""
        self._outcomes.append((outcome, settled))
        self.writing.wake()

    def inherit(self, unsent: Sequence[Unsent]) -> None:
        """Tell what another fetcher had answered."""
        self._add_unsent(unsent)

    @property
    def waiting_seconds(self) -> float:
        """For how long no message could be produced although some wait; 0 when none does."""
        return 0.0 if self._waiting_since is None else monotonic() - self._waiting_since

    @property
    def is_behind(self) -> bool:
        """Whether the broker takes no messages: the outcome of a call that is made now would reach nobody."""
        return self.waiting_seconds > _BEHIND_SECONDS

    async def hand_over(self) -> int:
        """Leave the answered calls to fetchers that can produce their messages; returns how many they are. One is kept
        here as well: it shows when the broker is back, and that it may be told twice does no harm. It waits for no
        connection of the pool, as the next sign of life comes after it."""
        async with self._database.transaction(reserved=True) as tx:
            ids = await store.hand_over_answers(tx, self._fetcher_id)
        self._unsent = [*self._unsent[:1], *(one for one in self._unsent[1:] if one.id not in ids)]
        return len(ids)

    async def write(self) -> float:
        """One transaction: the outcomes at hand, and the rows whose messages were sent meanwhile."""
        async with self._one_writer:
            return await self._write()

    async def _write(self) -> float:
        taken, sent_ids = self._outcomes[:_MOST_AT_ONCE], list(self._sent_ids)
        if not taken and not sent_ids:
            return _IDLE_SECONDS
        try:
            await self._write_together([outcome for outcome, _ in taken], sent_ids)
        except Rejected:
            for outcome, _ in taken:
                await self._write_alone(outcome)
        return 0.0 if self._outcomes else _IDLE_SECONDS

    async def _write_alone(self, outcome: Outcome) -> None:
        """Write the first outcome at hand. If that cannot be, its call is given up, and what it stored is deleted."""
        try:
            await self._write_together([outcome], ())
        except Rejected as error:
            log.error("outcome.unstorable", task_id=str(outcome.call.request.task_id), error=str(error))
            await self._write_together([_unstorable(outcome, error.reason)], ())
            self.leftovers.add([outcome.call])

    async def _write_together(self, outcomes: Sequence[Outcome], sent_ids: Sequence[UUID]) -> None:
        """Write the first outcomes at hand, in the form given, in one transaction; then they are at hand no more."""
        pauses = [pause for outcome in outcomes if (pause := _pause(outcome))]
        succeeded = [_vendor(outcome) for outcome in outcomes if _succeeded(outcome)]
        refused = [_vendor(o) for o in outcomes if isinstance(o, Ended) and o.credential_refused]
        in_doubt = frozenset(self._in_doubt)
        written = {outcome.call.key for outcome in outcomes}
        async with self._database.transaction() as tx:
            await store.lock_budgets(tx, [*(pause.vendor for pause in pauses), *refused], succeeded)
            await store.pause_vendors(tx, pauses)
            await store.speed_up_vendors(tx, succeeded)
            rests = await store.refuse_credentials(tx, [vendor for vendor in refused if vendor not in succeeded])
            ours = await store.settle_calls(tx, self._fetcher_id, outcomes) if outcomes else set()
            await store.insert_attempts(tx, outcomes, in_doubt)
            await store.delete_calls(tx, sent_ids)
            self._in_doubt |= written
        self._in_doubt -= written
        _report_rests(refused, rests)
        self.leftovers.add(outcome.call for outcome in outcomes if outcome.call.key not in ours | in_doubt)
        taken = self._outcomes[: len(outcomes)]
        del self._outcomes[: len(outcomes)]
        del self._sent_ids[: len(sent_ids)]
        self._add_unsent(
            Unsent(o.call.id, o.messages, isinstance(o, Ended))
            for o in outcomes
            if o.messages and (o.call.key in ours or (o.call.key in in_doubt and isinstance(o, Later)))
        )
        for _, settled in taken:
            settled()

    def _add_unsent(self, unsent: Iterable[Unsent]) -> None:
        self._unsent += unsent
        if self._unsent and self._waiting_since is None:
            self._waiting_since = monotonic()
        self.sending.wake()

    async def send(self) -> float:
        """Produce the messages of what was written."""
        async with self._one_sender:
            return await self._send()

    async def _send(self) -> float:
        taken = list(self._unsent)
        if not taken:
            return _IDLE_SECONDS
        waves = [split(one.messages) for one in taken]
        await self._producer.send([message for first, _ in waves for message in first])
        await self._producer.send([message for _, second in waves for message in second])
        sent = {id(one) for one in taken}
        self._unsent = [one for one in self._unsent if id(one) not in sent]
        self._waiting_since = monotonic() if self._unsent else None
        self._sent_ids += [one.id for one in taken if one.ends]
        self.writing.wake()
        return 0.0 if self._unsent else _IDLE_SECONDS

    async def drain(self, within_seconds: float) -> None:
        """Write and tell everything that is at hand, beside the loops, which may have a round in hand."""
        async with asyncio.timeout(within_seconds):
            while self._outcomes or self._unsent or self._sent_ids:
                try:
                    await self.write()
                    await self.send()
                except Unavailable:
                    await asyncio.sleep(_AGAIN_SECONDS)


def split(messages: Sequence[Outgoing]) -> tuple[Sequence[Outgoing], Sequence[Outgoing]]:
    """What must be visible first, and from the first pointer to a payload on, what comes after."""
    for index, message in enumerate(messages):
        if message.topic == PAYLOADS_STORED.name:
            return messages[:index], messages[index:]
    return messages, ()


def _unstorable(outcome: Outcome, reason: str) -> Ended:
    """The end of a call whose outcome cannot be stored: with nothing of that but when it began."""
    call, attempt, now = outcome.call, outcome.attempt, utc_now()
    unknown = outcome.may_have_left if isinstance(outcome, Later) else outcome.succeeded or call.may_have_left
    tried = Tried(attempt.started_at if attempt else now, 0.0)
    return give_up(call, f"{reason}: what came of the call cannot be stored", tried, now, unknown=unknown)


def _report_rests(refused: Sequence[str], rests: Sequence[Row]) -> None:
    for vendor in refused:
        CREDENTIALS_REFUSED.labels(vendor=vendor_label(vendor)).inc()
    for row in rests:
        if row["seconds"] > 0:
            log.warning(
                "vendor.rests",
                vendor=row["vendor"],
                seconds=round(row["seconds"]),
                reason=f"auth_failed: {row['refused_credentials']} times in a row; a vendor applied anew ends it",
            )


def _pause(outcome: Outcome) -> store.Pause | None:
    match outcome:
        case Later(not_before=until, limited=True):
            return store.Pause(_vendor(outcome), until, refused=True)
        case Ended(spent_until=datetime() as until):
            return store.Pause(_vendor(outcome), until, refused=False)
        case _:
            return None


def _succeeded(outcome: Outcome) -> bool:
    return isinstance(outcome, Ended) and outcome.succeeded


def _vendor(outcome: Outcome) -> str:
    return outcome.call.request.vendor
