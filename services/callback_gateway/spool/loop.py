"""Drains the spool, oldest first; a crash between the broker's acknowledgement and the deletion sends a message twice,
under the same id."""

from services.callback_gateway.metrics import SPOOL_DEPTH
from services.callback_gateway.settings import Settings
from services.callback_gateway.spool import store
from shared.runtime.app import Runtime

_BLOCK = 500
_PAUSE_SECONDS = 1.0


class Drain:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime

    async def step(self) -> float:
        """Produce one block; gives the seconds until the next."""
        async with self._runtime.database.transaction() as tx:
            kept = await store.claim_messages(tx, _BLOCK)
            SPOOL_DEPTH.set(len(kept))
            if kept:
                await self._runtime.producer.send([message for _, message in kept])
                await store.delete_messages(tx, [number for number, _ in kept])
        return 0.0 if len(kept) == _BLOCK else _PAUSE_SECONDS
