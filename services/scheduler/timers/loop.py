"""Fires timers: claims a block, produces it, deletes it, commits. Sleeps exactly until the next one is due.

Any number of replicas share the table: what one has locked the others skip. A timer that another replica has set is
found within `LOOK_SECONDS`, whatever this one knew of the next due time.

If the process dies
- before the broker has the block: the rows are free again, the next round of any replica fires them;
- between the broker's acknowledgement and the commit: the block is sent once more under the same ids, and consumers
  drop what they have had;
- after the commit: nothing is left to do.

What was not acknowledged in time is postponed for a little while: a partition without a leader holds back no timers but
its own. When no broker answers this replica at all, the fault may be its own: it postpones nothing and claims nothing
until one does, so that other replicas fire what is due.
"""

from collections.abc import Awaitable, Callable

from services.scheduler.metrics import LATENESS_SECONDS, TIMERS_FIRED, TIMERS_PENDING
from services.scheduler.model import Timer
from services.scheduler.settings import Settings
from services.scheduler.timers import store
from services.scheduler.timers.decide import pause_after, pause_before
from shared.database.pool import Database
from shared.messaging.blocks import BLOCK_BYTES, Blocks
from shared.runtime.app import Runtime
from shared.runtime.clock import monotonic

_SEND_SECONDS = 3.0
_POSTPONED_SECONDS = 10.0
_COUNT_SECONDS = 10.0


class Fire:
    """One step of the firing loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime
        self._blocks = Blocks(runtime.producer, within_seconds=_SEND_SECONDS)
        self._is_cut_off = False

    async def step(self) -> float:
        """Fire one block if there is something due; gives the seconds until the next round."""
        if self._is_cut_off:
            await self._check()
        async with self._runtime.database.transaction() as tx:
            pause = pause_before(await store.find_pause(tx))
            if pause > 0:
                return pause
            due = await store.claim_due(tx, self._runtime.settings.scheduler_block, BLOCK_BYTES)
            claimed_at = monotonic()
            sent = await self._blocks.send([((timer, lateness), timer.message) for timer, lateness in due])
            took = monotonic() - claimed_at
            if due and not sent.acknowledged:
                await self._check()
            await store.delete_timers(tx, [timer.id for timer, _ in sent.acknowledged])
            await store.postpone_timers(tx, [timer.id for timer, _ in sent.missed], _POSTPONED_SECONDS)
        for timer, lateness in sent.acknowledged:
            _count(timer, lateness + took)
        sent.raise_if_none("timers")
        return pause_after(len(due))

    async def _check(self) -> None:
        """Whether a broker is there; what is claimed is free again if not."""
        self._is_cut_off = True
        await self._runtime.producer.check()
        self._is_cut_off = False


def count_pending(database: Database) -> Callable[[], Awaitable[float]]:
    """The step that shows how many timers are pending."""

    async def step() -> float:
        async with database.transaction() as tx:
            TIMERS_PENDING.set(await store.count_pending(tx))
        return _COUNT_SECONDS

    return step


def _count(timer: Timer, lateness_seconds: float) -> None:
    TIMERS_FIRED.labels(topic=timer.message.topic).inc()
    LATENESS_SECONDS.observe(max(lateness_seconds, 0.0))
