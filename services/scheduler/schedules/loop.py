"""Fires schedules: claims those for which there is something to do, decides, and keeps what follows.

Nothing is produced here. What a firing sends becomes timers that are due now, in the transaction that moves the
schedule on: they are sent with the timers' precision, and go after the broker acknowledged them.

If the process dies
- before the commit: the schedules are free again, the next round of any replica decides the same;
- after it: the timers are there. Each message is sent under its own id, which is derived from the schedule and the
  planned time, so that its consumer drops a repetition.

Any number of replicas share the table: what one has locked the others skip.
"""

from collections.abc import Callable
from datetime import timedelta

from services.scheduler.model import Timer
from services.scheduler.schedules import store
from services.scheduler.schedules.counting import facts_of
from services.scheduler.schedules.decide import due, unread
from services.scheduler.schedules.firing import End
from services.scheduler.schedules.handler import settle
from services.scheduler.schedules.model import Decision
from services.scheduler.timers.decide import pause_after, pause_before
from services.scheduler.timers.store import insert_timers
from shared.database.pool import Database, Transaction
from shared.events.catalogue import SCHEDULES_EVENTS
from shared.events.jobs import JobState
from shared.ids import new_id
from shared.messaging.handler import outgoing

_BLOCK = 500
_BLOCK_BYTES = 8 * 1024**2
"""What is held of them is several times as much."""
_ABANDONED_BLOCK = 100
_ABANDONED_SECONDS = 60.0
_PATIENCE = timedelta(days=7)
"""A job whose end was not reported for so long counts as failed for its schedule. It is not started again, as it may
still run."""


class FireSchedules:
    """One step of the loop that fires schedules."""

    def __init__(self, database: Database, wake_timers: Callable[[], None]) -> None:
        self._database = database
        self._wake_timers = wake_timers

    async def step(self) -> float:
        """Do what is due for one block of schedules; gives the seconds until the next round."""
        async with self._database.transaction() as tx:
            pause = pause_before(await store.find_pause(tx))
            if pause > 0:
                return pause
            before = await store.claim_due(tx, _BLOCK, _BLOCK_BYTES)
            now = await store.now(tx)
            unreadable = [standing for standing in before.values() if standing.unreadable]
            decisions = [due(standing, now) for standing in before.values()]
            decisions += [unread(standing, now) for standing in unreadable]
            await store.fail_schedules(tx, [standing.id for standing in unreadable])
            await store.save(tx, before, {one.standing.id: one.standing for one in decisions}, now)
            await _send(tx, decisions)
        self._wake_timers()
        return pause_after(len(before))


class FailAbandoned:
    """Every wait ends: a job whose end is never reported must not block its schedule for ever."""

    def __init__(self, database: Database, wake_timers: Callable[[], None]) -> None:
        self._database = database
        self._wake_timers = wake_timers

    async def step(self) -> float:
        """Close one block of firings; gives the seconds until the next round."""
        async with self._database.transaction() as tx:
            lost = await store.find_abandoned(tx, _PATIENCE, _ABANDONED_BLOCK)
            end = End(JobState.FAILED, f"nothing was heard of its end for {_PATIENCE.days} days", unknown=True)
            await _send(tx, await settle(tx, dict.fromkeys(lost, end)))
        self._wake_timers()
        return _ABANDONED_SECONDS if len(lost) < _ABANDONED_BLOCK else 0.0


async def _send(tx: Transaction, decisions: list[Decision]) -> None:
    timers = [timer for decision in decisions for timer in decision.messages]
    for fact in facts_of(decisions):
        message_id = new_id()
        message = outgoing(SCHEDULES_EVENTS, fact.schedule_id, fact, id=message_id, at=fact.at)
        timers.append(Timer(message_id, fact.at, message))
    await insert_timers(tx, timers)
