"""Drains the spool, oldest first; a crash between the broker's acknowledgement and the deletion sends a message twice,
under the same id.

What was not acknowledged in time rests for a while, with all that is kept under its topic and key: a partition without
a leader holds back nothing but its own, and no younger word overtakes an older one. Nobody waits for such a partition
again and again: what else is kept for it is passed over, however much it is.
"""

from services.callback_gateway.metrics import SPOOL_DEPTH
from services.callback_gateway.resting import RestingKeys
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool import store
from services.callback_gateway.spool.decide import OrderKey, settle
from services.callback_gateway.spool.outbound import Outbound
from shared.messaging.blocks import BLOCK_BYTES, Blocks
from shared.runtime.app import Runtime

_BLOCK = 500
_PAUSE_SECONDS = 1.0
_REST_SECONDS = 10.0
_MOST_COUNTED = 10_000


class Drain:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings], outbound: Outbound) -> None:
        self._runtime = runtime
        self._outbound = outbound
        self._blocks = Blocks(runtime.producer)
        self._resting: RestingKeys[OrderKey] = RestingKeys(_REST_SECONDS)

    async def step(self) -> float:
        """Produce one block; gives the seconds until the next."""
        writes = self._outbound.writes
        async with self._runtime.database.transaction() as tx:
            depth = await store.count_messages(tx, _MOST_COUNTED)
            SPOOL_DEPTH.set(depth)
            self._outbound.note_spool(is_empty=not depth, writes=writes)
            kept = await store.claim_messages(tx, self._resting.resting(), _BLOCK, BLOCK_BYTES)
            if not kept:
                return _PAUSE_SECONDS
            sent = await self._blocks.send([((number, message), message) for number, message in kept])
            done, stuck = settle((number, message, good) for (number, message), good in sent.outcomes)
            await store.delete_messages(tx, done)
        self._resting.rest(stuck)
        sent.raise_if_none("messages")
        return 0.0
