"""Outcomes → rows, then messages; many at a time.

First one transaction writes the outcomes of calls, with the messages that report them. Then the messages are produced.
A call's row is deleted after its messages were acknowledged. If this process dies earlier, the fetcher that takes over
finds the messages in the row and produces them again, under the same ids.

An outcome that Postgres cannot store ends its own call, with that as its reason, and holds back no other. Nor does one
that a topic or partition does not take.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from services.fetcher.call.outcome import Tried, give_up
from services.fetcher.model import ClaimKey, Ended, Later, Outcome, Unsent
from services.fetcher.settle import store
from services.fetcher.settle.batch import Batch, Entry
from services.fetcher.settle.leftovers import Leftovers
from services.fetcher.settle.sender import Sender
from shared.database.pool import Database
from shared.errors import Rejected, Unavailable
from shared.messaging.producer import Producer
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic, utc_now
from shared.runtime.loop import Loop

_MOST_AT_ONCE = 200
_IDLE_SECONDS = 1.0
_AGAIN_SECONDS = 0.2
_BEHIND_SECONDS = 3.0
_MOST_KEPT_BYTES = 8 * 1024**2
"""Messages that may wait for partitions that take none, before this process opens no more calls. It opens some again
once all were taken: what it handed over meanwhile waits, too."""

log = get_logger(__name__)


class Settlement:
    """Two loops: one writes outcomes, the other sends the messages that report them."""

    def __init__(self, database: Database, producer: Producer, fetcher_id: UUID) -> None:
        self._database = database
        self._sender = Sender(producer)
        self._fetcher_id = fetcher_id
        self._outcomes: list[Entry] = []
        self._unsent: list[Unsent] = []
        self._sent_ids: list[UUID] = []
        self._in_doubt: set[ClaimKey] = set()
        """Claims whose outcomes may be written: the answer to the commit was lost."""
        self._waiting_since: float | None = None
        self._answered_at = self._handed_over_at = -math.inf
        self._is_full = False
        self._missed: set[UUID] = set()
        """Calls whose messages the broker did not take when they were last sent."""
        self.leftovers = Leftovers()
        self._one_writer, self._one_sender = asyncio.Lock(), asyncio.Lock()
        self.writing = Loop("settle", self.write)
        self.sending = Loop("settle-send", self.send)

    def add(self, outcome: Outcome, settled: Callable[[], None]) -> None:
        """Write this soon, then call `settled`. Bounded by the calls that this process may have open."""
        self._outcomes.append(Entry(outcome, settled))
        self.writing.wake()

    def inherit(self, unsent: Sequence[Unsent]) -> None:
        """Send the messages of calls that another fetcher had answered."""
        self._add_unsent(unsent)

    @property
    def waiting_seconds(self) -> float:
        """The seconds for which messages have waited here, or since they were handed over; 0 when none waits."""
        return 0.0 if self._waiting_since is None else monotonic() - max(self._waiting_since, self._handed_over_at)

    @property
    def is_behind(self) -> bool:
        """Whether the broker takes no messages, so the outcome of a call that is made now could not be reported; or too
        many wait for partitions that take none."""
        if self._waiting_since is None:
            return False
        return self._is_full or monotonic() - max(self._waiting_since, self._answered_at) > _BEHIND_SECONDS

    @property
    def has_room(self) -> bool:
        """Whether messages of other fetchers' calls may wait here, too."""
        return _bytes_of(self._unsent) <= _MOST_KEPT_BYTES

    async def hand_over(self) -> int:
        """Leave answered calls whose messages the broker did not take to fetchers that can produce them; returns their
        number. Some at a time: until all are left, `waiting_seconds` goes on. One of them is kept here as well, to see
        when the broker is back; to report it twice does no harm. The connection is a reserved one, because the next
        sign of life waits for this."""
        missed = [one.id for one in self._unsent if one.ends and one.id in self._missed]
        left = set(missed[:_MOST_AT_ONCE])
        async with self._database.transaction(reserved=True) as tx:
            count = await store.hand_over_answers(tx, list(left), self._fetcher_id)
        self._unsent = [
            *self._unsent[:1],
            *(one for one in self._unsent[1:] if not (one.ends and one.id in left)),
        ]
        if len(left) == len(missed):
            self._handed_over_at = monotonic()
        return count

    async def write(self) -> float:
        """One transaction: the outcomes at hand, and the rows whose messages were sent meanwhile."""
        async with self._one_writer:
            return await self._write()

    async def _write(self) -> float:
        batch = Batch(self._outcomes[:_MOST_AT_ONCE], list(self._sent_ids))
        if not batch.entries and not batch.sent_ids:
            return _IDLE_SECONDS
        try:
            await self._write_batch(batch)
        except Rejected:
            for entry in batch.entries:
                await self._write_alone(entry)
        return 0.0 if self._outcomes else _IDLE_SECONDS

    async def _write_alone(self, entry: Entry) -> None:
        """Write one outcome. If that cannot be, its call is given up, and what it stored is deleted."""
        try:
            await self._write_batch(Batch([entry]))
        except Rejected as error:
            call = entry.outcome.call
            log.error("outcome.unstorable", task_id=str(call.request.task_id), error=str(error))
            entry.outcome = _unstorable(entry.outcome, error.reason)
            self.leftovers.add([call])
            await self._write_batch(Batch([entry]))

    async def _write_batch(self, batch: Batch) -> None:
        """Write a batch in one transaction. Its entries stay at hand until the commit is known."""
        async with self._database.transaction() as tx:
            written = await batch.write(tx, self._fetcher_id, frozenset(self._in_doubt))
            self._in_doubt |= batch.keys
        self._in_doubt -= batch.keys
        batch.report(written)
        self.leftovers.add(batch.lost(written))
        gone = set(batch.entries)
        self._outcomes = [entry for entry in self._outcomes if entry not in gone]
        del self._sent_ids[: len(batch.sent_ids)]
        self._add_unsent(batch.unsent(written))
        for entry in batch.entries:
            entry.settled()

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
        try:
            sent = await self._sender.send(taken)
        except Unavailable:
            self._missed = {one.id for one in taken}
            raise
        self._answered_at = monotonic()
        gone = {id(one) for one in sent}
        self._missed = {one.id for one in taken if id(one) not in gone}
        self._unsent = [one for one in self._unsent if id(one) not in gone]
        missed = len(taken) - len(sent)
        if not missed:
            self._waiting_since = self._answered_at if self._unsent else None
        self._is_full = missed > 0 and (self._is_full or not self.has_room)
        self._sent_ids += [one.id for one in sent if one.ends]
        self.writing.wake()
        return 0.0 if len(self._unsent) > missed else _IDLE_SECONDS

    async def drain(self, within_seconds: float) -> None:
        """Write and report everything that is at hand; the loops may be at work at the same time."""
        async with asyncio.timeout(within_seconds):
            while self._outcomes or self._unsent or self._sent_ids:
                try:
                    await self.write()
                    await self.send()
                    is_to_wait = bool(self._outcomes or self._unsent)
                except Unavailable:
                    is_to_wait = True
                if is_to_wait:
                    await asyncio.sleep(_AGAIN_SECONDS)


def _bytes_of(unsent: Sequence[Unsent]) -> int:
    return sum(len(message.value or b"") for one in unsent for message in one.messages)


def _unstorable(outcome: Outcome, reason: str) -> Ended:
    """The end of a call whose outcome cannot be stored. Of that outcome only the start of its attempt is kept."""
    call, attempt, now = outcome.call, outcome.attempt, utc_now()
    unknown = outcome.may_have_left if isinstance(outcome, Later) else outcome.succeeded or call.may_have_left
    tried = Tried(attempt.started_at if attempt else now, 0.0)
    return give_up(call, f"{reason}: what came of the call cannot be stored", tried, now, unknown=unknown)
