"""Outcomes → rows, then messages; many at a time.

First one transaction says what came of the calls, with the messages that tell it. Then the messages are produced, in
two waves: what happened to the tasks, then the pointers to their payloads, so that nobody hears of a page's records
before the page itself is known. A call's row goes when its messages were acknowledged; if this process dies earlier,
whoever takes over finds the messages in the row and produces them again, under the same ids.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from services.fetcher.call import store
from services.fetcher.call.leftovers import Leftovers
from services.fetcher.metrics import CREDENTIALS_REFUSED
from services.fetcher.model import Answered, Later, Outcome
from shared.database.pool import Database, Row
from shared.errors import Unavailable
from shared.events.catalogue import PAYLOADS_STORED
from shared.messaging.handler import Outgoing
from shared.messaging.producer import Producer
from shared.observability.logs import get_logger
from shared.observability.metrics import vendor_label
from shared.runtime.clock import monotonic
from shared.runtime.loop import Loop

_MOST_AT_ONCE = 200
_IDLE_SECONDS = 1.0
_AGAIN_SECONDS = 0.2
_BEHIND_SECONDS = 3.0

log = get_logger(__name__)


class Settlement:
    """Two loops: one writes outcomes, the other tells them."""

    def __init__(self, database: Database, producer: Producer, fetcher_id: UUID) -> None:
        self._database = database
        self._producer = producer
        self._fetcher_id = fetcher_id
        self._outcomes: list[tuple[Outcome, Callable[[], None]]] = []
        self._untold: list[store.Told] = []
        self._told: list[UUID] = []
        self._unheard: set[UUID] = set()
        """Calls whose outcomes a commit may have written whose answer was lost."""
        self._waiting_since: float | None = None
        self.leftovers = Leftovers()
        self._one_writer, self._one_teller = asyncio.Lock(), asyncio.Lock()
        self.writing = Loop("settle", self.write)
        self.telling = Loop("tell", self.tell)

    def add(self, outcome: Outcome, settled: Callable[[], None]) -> None:
        """Write this soon, then call `settled`. Bounded by the calls that this process may have open."""
        self._outcomes.append((outcome, settled))
        self.writing.wake()

    def inherit(self, told: Sequence[store.Told]) -> None:
        """Tell what another fetcher had answered."""
        self._add_untold(told)

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
        here as well: it shows when the broker is back, and that it may be told twice does no harm."""
        async with self._database.transaction() as tx:
            ids = await store.hand_over_answers(tx, self._fetcher_id)
        self._untold = [*self._untold[:1], *(one for one in self._untold[1:] if one.id not in ids)]
        return len(ids)

    async def write(self) -> float:
        """One transaction: the outcomes at hand, and the rows that were told meanwhile."""
        async with self._one_writer:
            return await self._write()

    async def _write(self) -> float:
        taken, told = self._outcomes[:_MOST_AT_ONCE], list(self._told)
        if not taken and not told:
            return _IDLE_SECONDS
        outcomes = [outcome for outcome, _ in taken]
        pauses = [pause for outcome in outcomes if (pause := _pause(outcome))]
        succeeded = [_vendor(outcome) for outcome in outcomes if _succeeded(outcome)]
        refused = [_vendor(o) for o in outcomes if isinstance(o, Answered) and o.credential_refused]
        unheard = self._unheard
        async with self._database.transaction() as tx:
            await store.lock_budgets(tx, [*(pause.vendor for pause in pauses), *refused], succeeded)
            await store.pause_vendors(tx, pauses)
            await store.quicken_vendors(tx, succeeded)
            rests = await store.refuse_credentials(tx, [vendor for vendor in refused if vendor not in succeeded])
            ours = await store.settle_calls(tx, self._fetcher_id, outcomes) if outcomes else set()
            await store.insert_attempts(tx, outcomes, unheard)
            await store.delete_calls(tx, told)
            self._unheard = {outcome.call.id for outcome in outcomes}
        self._unheard = set()
        _tell_rests(refused, rests)
        self.leftovers.add(outcome.call for outcome in outcomes if outcome.call.id not in ours | unheard)
        del self._outcomes[: len(taken)]
        del self._told[: len(told)]
        self._add_untold(
            store.Told(o.call.id, o.messages, isinstance(o, Answered))
            for o in outcomes
            if o.messages and (o.call.id in ours or (o.call.id in unheard and isinstance(o, Later)))
        )
        for _, settled in taken:
            settled()
        return 0.0 if self._outcomes else _IDLE_SECONDS

    def _add_untold(self, told: Iterable[store.Told]) -> None:
        self._untold += told
        if self._untold and self._waiting_since is None:
            self._waiting_since = monotonic()
        self.telling.wake()

    async def tell(self) -> float:
        """Produce the messages of what was written."""
        async with self._one_teller:
            return await self._tell()

    async def _tell(self) -> float:
        taken = list(self._untold)
        if not taken:
            return _IDLE_SECONDS
        waves = [split(one.messages) for one in taken]
        await self._producer.send([message for first, _ in waves for message in first])
        await self._producer.send([message for _, second in waves for message in second])
        told = {id(one) for one in taken}
        self._untold = [one for one in self._untold if id(one) not in told]
        self._waiting_since = monotonic() if self._untold else None
        self._told += [one.id for one in taken if one.ends]
        self.writing.wake()
        return 0.0 if self._untold else _IDLE_SECONDS

    async def drain(self, within_seconds: float) -> None:
        """Write and tell everything that is at hand, beside the loops, which may have a round in hand."""
        async with asyncio.timeout(within_seconds):
            while self._outcomes or self._untold or self._told:
                try:
                    await self.write()
                    await self.tell()
                except Unavailable:
                    await asyncio.sleep(_AGAIN_SECONDS)


def split(messages: Sequence[Outgoing]) -> tuple[Sequence[Outgoing], Sequence[Outgoing]]:
    """What must be visible first, and from the first pointer to a payload on, what comes after."""
    for index, message in enumerate(messages):
        if message.topic == PAYLOADS_STORED.name:
            return messages[:index], messages[index:]
    return messages, ()


def _tell_rests(refused: Sequence[str], rests: Sequence[Row]) -> None:
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
        case Answered(spent_until=datetime() as until):
            return store.Pause(_vendor(outcome), until, refused=False)
        case _:
            return None


def _succeeded(outcome: Outcome) -> bool:
    return isinstance(outcome, Answered) and outcome.succeeded


def _vendor(outcome: Outcome) -> str:
    return outcome.call.request.vendor
