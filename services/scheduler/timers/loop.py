"""Fires timers: claims a block, produces it, deletes it, commits. Sleeps exactly until the next one is due.

Any number of replicas share the table: what one has locked the others skip. A timer that another replica has set is
found within `_LOOK_SECONDS`, whatever this one knew of the next due time.
"""

from services.scheduler.metrics import LATENESS_SECONDS, TIMERS_FIRED
from services.scheduler.settings import Settings
from services.scheduler.timers import store
from shared.runtime.app import Runtime

_LOOK_SECONDS = 0.5


class Fire:
    """One step of the firing loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime

    async def step(self) -> float:
        """Fire one block; gives the seconds until the next timer is due."""
        block = self._runtime.settings.scheduler_block
        async with self._runtime.database.transaction() as tx:
            due = await store.claim_due(tx, block)
            if due:
                await self._runtime.producer.send([timer.message for timer, _ in due])
                await store.delete_timers(tx, [timer.id for timer, _ in due])
            pause = 0.0 if len(due) == block else await store.find_pause(tx)
        for timer, lateness in due:
            TIMERS_FIRED.labels(topic=timer.message.topic).inc()
            LATENESS_SECONDS.observe(max(lateness, 0.0))
        return min(pause, _LOOK_SECONDS)
