"""Makes new jobs visible, many in one statement."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.callback_gateway.http import store
from shared.database.pool import Database
from shared.errors import Unavailable
from shared.runtime.gathering import Gathering

_PATIENCE_SECONDS = 1.0


class JobRows:
    """Writes the first rows of jobs. A database that is away delays nobody for long: the row comes by itself, with
    the planner's first event."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering = Gathering(self._insert)

    async def show(self, job_id: UUID, kind: str) -> None:
        """Return when a job of that kind can be seen, or the database has not answered in time."""
        try:
            async with asyncio.timeout(2 * _PATIENCE_SECONDS):
                await self._gathering.put((job_id, kind))
        except (Unavailable, TimeoutError):
            return

    async def _insert(self, kinds: Sequence[tuple[UUID, str]]) -> list[bool]:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await store.insert_jobs(self._database, dict(kinds))
        except (Unavailable, TimeoutError):
            return [False] * len(kinds)
        return [True] * len(kinds)
