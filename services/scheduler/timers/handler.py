"""timers.requested and the retry topics → timers."""

from collections.abc import Sequence
from uuid import UUID

from services.scheduler.metrics import TIMERS_CANCELLED, TIMERS_SET
from services.scheduler.model import Timer
from services.scheduler.timers import store
from services.scheduler.timers.decide import Refused, timer_of, timer_of_retry
from shared.database.pool import Transaction
from shared.events.dead_letters import RetryRequested
from shared.events.envelope import Incoming
from shared.events.timers import TimerRequested
from shared.messaging.handler import Handler, Refuse, Result
from shared.runtime.clock import utc_now


async def set_timers(tx: Transaction, batch: Sequence[Incoming[TimerRequested]]) -> list[Result]:
    """Set and cancel timers, in the order they came: both stand in the same partition, because the timer is the key."""
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
            case Refused(reason, detail):
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
                case Refused(reason, detail):
                    results.append(Refuse(incoming, reason, detail))
        TIMERS_SET.inc(await store.insert_timers(tx, list(timers.values())))
        return results

    return handle
