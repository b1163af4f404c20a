"""Signs of life, and what becomes of the calls of a fetcher that gives none.

A call that may be repeated, or was never marked as leaving, waits again. A marked call that must not be repeated
ends as `outcome_unknown`: the vendor may have it or not. An answer that was perhaps not reported is reported by the
fetcher that finds it. What a call may have stored under the claim that ended is deleted.

A fetcher that reaches the database and not the broker is alive, and of no use: it claims nothing, and after a lease it
leaves what it cannot report to the others. If only some partitions take nothing from it, it goes on with the rest, and
leaves the answers for these to the others once in a lease. No fetcher takes over more than it has room for.

A call may itself be what ends its fetcher, by an answer that no memory is large enough for, say. After three deaths in
succession it is given up. A fetcher that stopped on request does not count, nor does a fetcher that was only silent and
came back.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.fetcher import rows
from services.fetcher.call.messages import given_up
from services.fetcher.metrics import TAKEN_OVER
from services.fetcher.model import MOST_TAKEOVERS, Claimed, Unsent
from services.fetcher.settle.settle import Settlement
from services.fetcher.settle.store import NOBODY
from services.fetcher.takeover import store
from services.fetcher.takeover.decide import is_awake, may_judge
from shared.database.pool import Database, Transaction
from shared.events.tasks import OUTCOME_UNKNOWN, Attempt
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic, utc_now

_ROUNDS_PER_LEASE = 4
_UNKNOWN = f"{OUTCOME_UNKNOWN}: the fetcher ended while the call was open"
_FATAL = f"fatal: {MOST_TAKEOVERS} fetchers ended, one after the other, while the call was open"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The messages to produce for calls that were taken over, and the claims that ended unreported."""

    unsent: Sequence[Unsent] = ()
    ended: Sequence[Claimed] = ()


def _nothing() -> None:
    pass


class Takeover:
    """One step of the takeover loop."""

    def __init__(
        self,
        database: Database,
        settlement: Settlement,
        fetcher_id: UUID,
        lease_seconds: float,
        *,
        wake: Callable[[], None] = _nothing,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`wake` is called when calls wait again."""
        self._database = database
        self._settlement = settlement
        self._fetcher_id = fetcher_id
        self._lease_seconds = lease_seconds
        self._wake = wake
        self._clock = clock
        self._lived_at = -math.inf
        self._judges_from = math.inf
        self._is_to_clear = False
        self._in_doubt: list[UUID] = []
        """Calls that a commit whose answer was lost may have made this fetcher's."""

    async def step(self) -> float:
        """Show life, look for silence; gives the seconds until the next look."""
        await self._touch()
        if self._settlement.waiting_seconds > self._lease_seconds and (count := await self._settlement.hand_over()):
            log.warning("calls.handed_over", count=count)
        async with self._database.transaction(reserved=True) as tx:
            unsent = await store.find_inherited(tx, self._in_doubt, self._fetcher_id)
            silent = await store.find_silent(tx, self._lease_seconds, self._fetcher_id)
            may_judge = silent and self._may_judge()
            taken = await self._take_over(tx, silent) if may_judge else TakenOver()
            unsent += taken.unsent
            await store.delete_cancelled(tx)
            self._in_doubt = [one.id for one in unsent]
        self._in_doubt = []
        self._settlement.inherit(unsent)
        self._settlement.leftovers.add(taken.ended)
        if taken.ended:
            self._wake()
        is_over = len(taken.unsent) < store.MOST_INHERITED and self._settlement.waiting_seconds <= self._lease_seconds
        return self._lease_seconds / _ROUNDS_PER_LEASE if is_over else 0.0

    async def _touch(self) -> None:
        """Show life, in a transaction of its own: whatever holds up the rest makes no fetcher look dead. Counted from
        before it was sent, as it may have been on its way for long. The database's clock is asked as well: the clock
        here stands still while the machine is suspended, and goes on where it was."""
        asked_at = self._clock()
        was_awake = is_awake(self._lived_at, asked_at, self._lease_seconds)
        silent_seconds = await rows.show_life(self._database, self._fetcher_id)
        if not was_awake or silent_seconds is None or silent_seconds > self._lease_seconds:
            self._judges_from = self._clock() + self._lease_seconds
            self._is_to_clear = self._lived_at > -math.inf
        if self._is_to_clear:
            await store.clear_calls(self._database, self._fetcher_id)
            self._is_to_clear = False
        self._lived_at = asked_at

    def _may_judge(self) -> bool:
        """Not while it could not report what it takes over, or has enough to report."""
        may = may_judge(self._lived_at, self._judges_from, self._clock(), self._lease_seconds)
        return may and not self._settlement.is_behind and self._settlement.has_room

    async def _take_over(self, tx: Transaction, silent: list[UUID]) -> TakenOver:
        handed_over = await store.inherit_answers(tx, [NOBODY], self._fetcher_id)
        gone = [fetcher_id for fetcher_id in silent if fetcher_id != NOBODY]
        if not gone:
            return TakenOver(handed_over)
        inherited = await store.inherit_answers(tx, gone, self._fetcher_id)
        returned = await store.return_calls(tx, gone)
        lost = await store.find_lost(tx, gone)
        given_up = [_given_up(call) for call in lost]
        await store.answer_calls(tx, given_up, self._fetcher_id)
        TAKEN_OVER.inc(len(inherited) + len(returned) + len(lost))
        log.warning(
            "calls.taken_over",
            fetchers=len(gone),
            waiting_again=len(returned),
            reported_again=len(inherited),
            given_up=len(lost),
        )
        return TakenOver([*handed_over, *inherited, *given_up], [*returned, *lost])


def _given_up(call: Claimed) -> Unsent:
    now = utc_now()
    unknown = not call.repeatable and call.may_have_left
    reason = _UNKNOWN if unknown else _FATAL
    attempt = Attempt(
        attempt=call.attempt, started_at=call.first_attempt_at, seconds=0.0, verdict="give_up", reason=reason
    )
    return Unsent(call.id, given_up(call, reason, attempt, now, unknown=call.may_have_left))
