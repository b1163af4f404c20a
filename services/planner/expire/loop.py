"""Forgets jobs that ended long ago: first their tasks, in blocks, then the jobs that have none left."""

from datetime import timedelta

from services.planner.expire import store
from services.planner.settings import Settings
from shared.runtime.app import Runtime

_JOBS = 100
_BLOCK = 1000
_PAUSE_SECONDS = 60.0


class Expire:
    """One step of the loop."""

    def __init__(self, runtime: Runtime[Settings]) -> None:
        self._database = runtime.database
        self._age = timedelta(days=runtime.settings.planner_keep_days)

    async def step(self) -> float:
        """Delete one block of each; gives the seconds until the next."""
        async with self._database.transaction() as tx:
            tasks = await store.delete_tasks(tx, self._age, _JOBS, _BLOCK)
            jobs = await store.delete_jobs(tx, self._age, _JOBS)
        return 0.5 if tasks == _BLOCK or jobs else _PAUSE_SECONDS
