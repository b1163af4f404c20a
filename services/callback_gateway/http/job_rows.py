"""Makes new jobs visible, many in one statement: what comes while one insert is under way goes with the next."""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from services.callback_gateway.http import store
from shared.database.pool import Database
from shared.errors import Unavailable

_PATIENCE_SECONDS = 1.0


class JobRows:
    """Writes the first rows of jobs. A database that is away delays nobody for long: the row comes by itself, with
    the planner's first event."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[UUID, str, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def show(self, job_id: UUID, kind: str) -> None:
        """Return when a job of that kind can be seen, or the database has not answered in time."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((job_id, kind, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            async with asyncio.timeout(2 * _PATIENCE_SECONDS):
                await written
        except TimeoutError:
            return

    async def _write(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                await self._insert({job_id: kind for job_id, kind, _ in taken})
                for _, _, written in taken:
                    if not written.done():
                        written.set_result(None)
        finally:
            self._writing = None

    async def _insert(self, kinds: Mapping[UUID, str]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await store.insert_jobs(self._database, kinds)
        except (Unavailable, TimeoutError):
            return
