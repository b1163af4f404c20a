"""Signs of life, and what becomes of the calls of a fetcher that gives none.

What may be repeated, or was never marked as leaving, waits again. What was marked and must not be repeated ends as
`outcome_unknown`: nobody knows whether the vendor has it. What was answered but perhaps not told is told by the fetcher
that finds it. What a call may have stored under the claim that ended is deleted.

A fetcher that reaches the database and not the broker is alive, and of no use: it claims nothing, and after a lease it
leaves what it cannot tell to the others.

A call may itself be what ends its fetcher, by an answer that no memory is large enough for, say. After the third one in
succession it is given up. A fetcher that was told to stop does not count, nor does one that was only silent and came
back.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.fetcher.call import store
from services.fetcher.call.messages import given_up
from services.fetcher.call.settle import Settlement
from services.fetcher.metrics import TAKEN_OVER
from services.fetcher.model import Claimed
from shared.database.pool import Database, Row, Transaction
from shared.events.tasks import Attempt, FetchRequested
from shared.observability.logs import get_logger
from shared.runtime.clock import monotonic, utc_now

_ROUNDS_PER_LEASE = 4
_UNKNOWN = "outcome_unknown: the fetcher ended while the call was open"
_FATAL = f"fatal: {store.MOST_TAKEOVERS} fetchers ended, one after the other, while the call was open"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is to be told of calls that were taken over, and the claims that ended with it without a word."""

    told: Sequence[store.Told] = ()
    ended: Sequence[Claimed] = ()


class Takeover:
    """One step of the takeover loop."""

    def __init__(
        self,
        database: Database,
        settlement: Settlement,
        fetcher_id: UUID,
        lease_seconds: float,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._settlement = settlement
        self._fetcher_id = fetcher_id
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._lived_at = -math.inf
        self._judges_from = math.inf
        self._unheard: list[UUID] = []
        """Calls that a commit whose answer was lost may have made this fetcher's."""

    async def step(self) -> float:
        """Show life, look for silence; gives the seconds until the next look."""
        await self._show_life()
        if self._settlement.waiting_seconds > self._lease_seconds and (count := await self._settlement.hand_over()):
            log.warning("calls.handed_over", count=count)
        async with self._database.transaction() as tx:
            told = await store.find_inherited(tx, self._unheard, self._fetcher_id)
            silent = await store.find_silent(tx, self._lease_seconds, self._fetcher_id)
            may_judge = silent and self._may_judge()
            taken = await self._take_over(tx, silent) if may_judge else Taken()
            told += taken.told
            await store.delete_cancelled(tx)
            self._unheard = [one.id for one in told]
        self._unheard = []
        self._settlement.inherit(told)
        self._settlement.leftovers.add(taken.ended)
        return self._lease_seconds / _ROUNDS_PER_LEASE

    async def _show_life(self) -> None:
        """For itself: whatever holds up the rest makes nobody look dead. Counted from before it was sent, as nobody
        knows how long it was on its way."""
        was_awake, asked_at = self._is_awake(), self._clock()
        await store.show_life(self._database, self._fetcher_id)
        if not was_awake and self._lived_at > -math.inf:
            await store.clear_calls(self._database, self._fetcher_id)
        self._lived_at = asked_at
        if not was_awake:
            self._judges_from = self._clock() + self._lease_seconds

    def _may_judge(self) -> bool:
        """Not for a lease after the start, or after this fetcher was silent itself: what kept it from the database may
        have kept them all, and whoever comes back first would take the calls of the living. Nor while it could not
        tell what it takes over."""
        return self._is_awake() and self._clock() >= self._judges_from and not self._settlement.is_behind

    def _is_awake(self) -> bool:
        """Whether it has shown life within a lease."""
        return self._clock() - self._lived_at <= self._lease_seconds

    async def _take_over(self, tx: Transaction, silent: list[UUID]) -> Taken:
        inherited = await store.inherit_answers(tx, silent, self._fetcher_id)
        returned = [claimed_of(row) for row in await store.return_calls(tx, silent)]
        lost = [claimed_of(row) for row in await store.find_lost(tx, silent)]
        given_up = [_given_up(call) for call in lost]
        await store.answer_calls(tx, given_up, self._fetcher_id)
        TAKEN_OVER.inc(len(inherited) + len(returned) + len(lost))
        log.warning(
            "calls.taken_over",
            fetchers=len(silent),
            waiting_again=len(returned),
            told_again=len(inherited),
            given_up=len(lost),
        )
        return Taken([*inherited, *given_up], [*returned, *lost])


def _given_up(call: Claimed) -> store.Told:
    now = utc_now()
    unknown = not call.repeatable and call.may_have_left
    reason = _UNKNOWN if unknown else _FATAL
    attempt = Attempt(
        attempt=call.attempt, started_at=call.first_attempt_at, seconds=0.0, verdict="give_up", reason=reason
    )
    return store.Told(call.id, given_up(call, reason, attempt, now, unknown=call.may_have_left))


def claimed_of(row: Row) -> Claimed:
    """A call as its row has it, without vendor and permit."""
    return Claimed(
        id=row["id"],
        request=FetchRequested.model_validate_json(row["request"]),
        raw=row["request"],
        origin=store.read_origin(row),
        vendor=None,
        repeatable=row["repeatable"],
        attempt=row["attempt"],
        claim=row["claim"],
        first_attempt_at=row["first_attempt_at"] or row["created_at"],
        limited_since=row["limited_since"],
        created_at=row["created_at"],
        moment=0,
        may_have_left=row["may_have_left"],
        is_suspect=len(row["taken_from"]) >= store.SUSPECT_FROM,
    )
