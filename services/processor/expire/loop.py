"""Deletes raw payloads in blocks. The rows go after the payloads: a crash in between deletes once more what is gone."""

from services.processor.expire import store
from services.processor.metrics import PAYLOADS_DELETED
from services.processor.settings import Settings
from shared.runtime.app import Runtime

_PAUSE_SECONDS = 1.0
_BLOCK = 500


class Expire:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._runtime = runtime

    async def step(self) -> float:
        """Delete one block; gives the seconds until the next."""
        async with self._runtime.database.transaction() as tx:
            uris = await store.claim_expired(tx, _BLOCK)
            if uris:
                await self._runtime.payloads.delete(uris)
                await store.delete_expiries(tx, uris)
        PAYLOADS_DELETED.inc(len(uris))
        return 0.05 if len(uris) == _BLOCK else _PAUSE_SECONDS
