"""timers.requested and the retry topics → timers."""

from collections.abc import Sequence
from uuid import UUID

from services.scheduler.metrics import TIMERS_CANCELLED, TIMERS_SET
from services.scheduler.model import Timer
from services.scheduler.timers import store
from services.scheduler.timers.decide import NoTimer, timer_of, timer_of_retry
from shared.database.pool import Transaction
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import Incoming
from shared.events.timers import TimerRequested
from shared.messaging.handler import Handler, Refuse, Result
from shared.runtime.clock import utc_now


async def set_timers(tx: Transaction, batch: Sequence[Incoming[TimerRequested]]) -> list[Result]:
    """Set and cancel timers, in the order they came.

    Cancels are not remembered. A timer's key is its id, so its set comes before its cancel; a redelivered set is known
    to the ledger, also after the row is gone. Only a set that failed by a defect and came again behind its cancel
    fires all the same: like every message, a fired timer may be late news to its receiver.
    """
    now = utc_now()
    timers: dict[UUID, Timer] = {}
    cancelled: set[UUID] = set()
    results: list[Result] = []
    for incoming in batch:
        if incoming.event.action == "cancel":
            timers.pop(incoming.event.timer_id, None)
            cancelled.add(incoming.event.timer_id)
            continue
        match timer_of(incoming.event, now):
            case Timer() as timer:
                timers.setdefault(timer.id, timer)
            case NoTimer(reason, detail):
                results.append(Refuse(incoming, reason, detail))
    TIMERS_CANCELLED.inc(await store.delete_timers(tx, sorted(cancelled)))
    TIMERS_SET.inc(await store.insert_timers(tx, list(timers.values())))
    return results


def set_retries(prefix: str) -> Handler[RetryRequested]:
    """The handler of the retry topics; `prefix` is that of the topics' full names."""

    async def handle(tx: Transaction, batch: Sequence[Incoming[RetryRequested]]) -> list[Result]:
        """Keep originals until their time."""
        now = utc_now()
        timers: dict[UUID, Timer] = {}
        results: list[Result] = []
        for incoming in batch:
            match timer_of_retry(incoming.event, prefix, now):
                case Timer() as timer:
                    timers.setdefault(timer.id, timer)
                case NoTimer(reason, detail):
                    results.append(Refuse(incoming, reason, detail))
        TIMERS_SET.inc(await store.insert_timers(tx, list(timers.values())))
        return results

    return handle
