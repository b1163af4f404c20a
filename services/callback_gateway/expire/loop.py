"""Forgets idempotency keys a week after their first use, callbacks after a month."""

from services.callback_gateway.expire import store
from shared.database.pool import Database
from shared.events.catalogue import MONTH, WEEK

_BLOCK = 1000
_PAUSE_SECONDS = 60.0


class Expire:
    """One step of the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self) -> float:
        """Delete one block of each; gives the seconds until the next."""
        async with self._database.transaction() as tx:
            deleted = [
                await store.delete_keys(tx, WEEK, _BLOCK),
                await store.delete_callbacks(tx, MONTH, _BLOCK),
                await store.delete_expectations(tx, MONTH, _BLOCK),
            ]
        return 0.5 if _BLOCK in deleted else _PAUSE_SECONDS
