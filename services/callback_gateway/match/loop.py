"""Callbacks that nobody has waited for become dead letters. A crash between the broker's acknowledgement and the commit
sends one twice, under the same id."""

from datetime import timedelta

from services.callback_gateway.match import store
from services.callback_gateway.metrics import CALLBACKS
from services.callback_gateway.settings import Settings
from shared.events.catalogue import DEAD
from shared.ids import derived_id
from shared.messaging.handler import outgoing
from shared.runtime.app import Runtime

_BLOCK = 200
_PAUSE_SECONDS = 5.0


class Unmatched:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime

    async def step(self) -> float:
        """Give up one block; gives the seconds until the next."""
        older_than = timedelta(seconds=self._runtime.settings.gateway_park_seconds)
        async with self._runtime.database.transaction() as tx:
            claimed = await store.claim_unmatched(tx, older_than, _BLOCK)
            if claimed:
                await self._runtime.producer.send(
                    [
                        outgoing(DEAD["callback-gateway"], key, letter, id=derived_id("unmatched", key))
                        for key, letter in claimed
                    ]
                )
                await store.close_unmatched(tx, [key for key, _ in claimed])
        for _ in claimed:
            CALLBACKS.labels(vendor="", verdict="unknown").inc()
        return 0.0 if len(claimed) == _BLOCK else _PAUSE_SECONDS
