"""Deletes schedules some time after they were removed."""

from services.callback_gateway.schedules import store
from shared.database.pool import Database

_SECONDS = 600.0
_BLOCK = 1000


class ExpireSchedules:
    """Deletes schedules that were removed or rejected a month ago, with their firings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self) -> float:
        """Delete one block; gives the seconds until the next round."""
        async with self._database.transaction() as tx:
            gone = await store.delete_gone(tx, _BLOCK)
        return _SECONDS if gone < _BLOCK else 0.0
