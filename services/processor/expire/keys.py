"""Forgets the keys of jobs without a table, in blocks, one job after the other."""

from services.processor.expire import store
from shared.database.pool import Database

_PAUSE_SECONDS = 60.0
_BLOCK = 10_000


class ExpireKeys:
    """One step of the loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def step(self) -> float:
        """Delete one block; gives the seconds until the next."""
        async with self._database.transaction() as tx:
            job_id = await store.claim_keyed_job(tx)
            if job_id is None:
                return _PAUSE_SECONDS
            if await store.delete_keys(tx, job_id, _BLOCK) < _BLOCK:
                await store.delete_keyed_job(tx, job_id)
        return 0.05
